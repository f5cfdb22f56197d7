"""Convolutions as kernels: what they are told, and into which tasks they are cut."""

import math
from typing import NamedTuple

from ...schedule.maps import base
from .cuts import ALIGN, DEPTH, PANELS, ROWS, Work, aligned, even, isa, tasks
from .kernels import blocked, contraction, convolution, patches
from .kernels.vectors import lanes, wide

FORWARD, WEIGHTS = map(contraction.KINDS.index, ("forward", "weights"))
CHUNK = 4  # panels of pixels that are multiplied at a time
PART = 3 * ROWS  # rows of the weights' gradient that are made at a time
PIXELS = 512  # of an image from which on panels do not cross images
FEWEST_UNITS = 8  # of work, where there is enough for several threads


class Axis(NamedTuple):
    """One axis of the image: sizes, and how output and kernel walk along it."""

    size: int
    step: int  # bytes
    kernel: int
    out: int
    stride: int
    padding: int
    dilation: int


def _geometry(shape, strides, kernel, out, params, size):
    """The words of `patches`: axes of one element are left out, and ones stand before the rest."""
    axes = [
        Axis(n, step * size, k, o, s, p, d)
        for n, step, k, o, s, p, d in zip(
            shape[2:],
            strides[2:],
            kernel,
            out,
            params["stride"],
            params["padding"],
            params["dilation"],
            strict=True,
        )
    ]
    trivial = (1, 1, 1)
    axes = [a for a in axes if (a.size, a.kernel, a.out) != trivial or a.padding]
    axes = [Axis(1, 0, 1, 1, 1, 0, 1)] * (3 - len(axes)) + axes
    found = {"n_step": strides[0] * size, "c_step": strides[1] * size}
    for a, name in zip(axes, "dhw", strict=True):
        found |= {f"{name}_step": a.step, name: a.size}
        for field in ("kernel", "out", "stride", "padding", "dilation"):
            found[f"{field}_{name}"] = getattr(a, field)
    return [found[name] for name in patches.WORDS]


def _placed(access, place):
    """(table entry, byte offset) of an operand."""
    entry, offset = place(base(access.value))
    return entry, offset + access.offset * access.value.dtype.itemsize


def _words(kind, fields, values, offsets, blocks, geometry, groups):
    words = [values[name] for name in fields]
    words = [kind, *words, *offsets, *blocks, *geometry]
    for found in groups:
        for group in found:
            words += group
    return words


def _groups(dtype, columns):
    return [blocked.group(dtype, isa(), *w) for w in blocked.widths(columns, dtype, isa())]


def _vectors(dtype, columns):
    """Bytes of a packed row of so many columns."""
    return -(-columns // lanes(dtype, isa())) * lanes(dtype, isa()) * dtype.itemsize


def forward(step, place):
    """The Work of a convolution."""
    (x, at_x), (w, at_w) = step.operands
    out, params, dtype = step.value.shape, step.source.params, step.value.dtype
    size, sums, groups = dtype.itemsize, wide(dtype), params["groups"]
    rows, channels, taps = w[0] // groups, w[1], math.prod(w[2:])
    pixels, total = math.prod(out[2:]), x[0] * math.prod(out[2:])
    work = total * w[0] * channels * taps
    direct = sums is dtype and pixels >= PIXELS
    span, spans = (pixels, x[0]) if direct else (total, 1)
    panel = lanes(dtype, isa()) * isa().widest
    panels = -(-span // panel)
    chunk = even(panels, CHUNK)
    while chunk > 1 and tasks(work) > 1 and groups * spans * -(-panels // chunk) < FEWEST_UNITS:
        chunk -= 1
    chunk = min(chunk * panel, span)
    per_span = -(-span // chunk)
    units = groups * spans * per_span
    each = -(-units // tasks(work))
    deep = even(channels, max(DEPTH // taps, 1)) * taps
    c_at = aligned(deep * _vectors(dtype, chunk))
    space = c_at + (0 if direct else rows * chunk * sums.itemsize)
    blocks = blocked.Blocks(deep, ROWS, PANELS, c_at=c_at, space=space)
    full, last = _groups(dtype, chunk), _groups(dtype, span - (per_span - 1) * chunk)
    places = [_placed(at_x, place), _placed(at_w, place), place(base(step.value))]
    values = {
        **dict(zip("xwc", (entry for entry, _ in places), strict=True)),
        "units": units,
        "each": each,
        "rows": rows,
        "depth": channels * taps,
        "taps": taps,
        "w_row": channels * taps * size,
        "x_group": channels * at_x.strides[1] * size,
        "w_group": rows * channels * taps * size,
        "c_group": rows * pixels * size,
        "c_image": w[0] * pixels * size,
        "pixels": pixels,
        "spans": spans,
        "per_span": per_span,
        "span": span,
        "chunk": chunk,
        "direct": direct,
        "full": len(full),
        "last": len(last),
    }
    geometry = _geometry(x, at_x.strides, w[2:], out[2:], params, size)
    offsets = [offset for _, offset in places]
    words = _words(
        FORWARD, convolution.FORWARD, values, offsets, blocks, geometry, [full, last]
    )
    return Work(words, -(-units // each), space, work)


def weights(step, place):
    """The Work of the gradient of a convolution's weights."""
    (g, at_g), (x, at_x) = step.operands
    shape, params, dtype = step.value.shape, step.source.params, step.value.dtype
    size, sums, groups = dtype.itemsize, wide(dtype), params["groups"]
    columns, channels, taps = shape[0] // groups, shape[1], math.prod(shape[2:])
    pixels = math.prod(g[2:])
    depth = g[0] * pixels
    work = depth * shape[0] * channels * taps
    each = even(channels, max(PART // taps, 1))
    while each > 1 and tasks(work) > 1 and groups * -(-channels // each) < FEWEST_UNITS // 2:
        each -= 1
    parts = -(-channels // each)
    units = groups * parts
    units_each = -(-units // tasks(work))
    deep = even(depth, DEPTH)
    row_block = max(ROWS // taps, 1)
    a_row = aligned(deep * size) + ALIGN  # rows that are no power of 2 apart
    a_at = aligned(deep * _vectors(dtype, columns))
    c_at = a_at + min(row_block, each) * taps * a_row
    made = each * taps * columns
    space = c_at + made * (sums.itemsize + (0 if sums is dtype else size))
    blocks = blocked.Blocks(
        deep, row_block, PANELS, a_at=a_at, c_at=c_at, a_row=a_row, space=space
    )
    listed = _groups(dtype, columns)
    places = [_placed(at_x, place), _placed(at_g, place), place(base(step.value))]
    values = {
        **dict(zip("xgc", (entry for entry, _ in places), strict=True)),
        "units": units,
        "each": units_each,
        "parts": parts,
        "channels": channels,
        "channels_each": each,
        "columns": columns,
        "depth": depth,
        "taps": taps,
        "x_group": channels * at_x.strides[1] * size,
        "g_group": columns * pixels * size,
        "g_image": shape[0] * pixels * size,
        "g_pixel": size,
        "g_column": pixels * size,
        "c_group": columns * channels * taps * size,
        "c_row": channels * taps * size,
        "pixels": pixels,
        "count": len(listed),
    }
    geometry = _geometry(x, at_x.strides, shape[2:], g[2:], params, size)
    offsets = [offset for _, offset in places]
    words = _words(WEIGHTS, convolution.WEIGHTS, values, offsets, blocks, geometry, [listed])
    return Work(words, -(-units // units_each), space, work)
