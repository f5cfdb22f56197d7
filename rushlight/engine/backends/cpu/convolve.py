"""Convolutions as kernels: what they are told, and into which tasks they are cut."""

import math
from typing import NamedTuple

from ...schedule.convolutions import by_squares
from ...schedule.maps import base
from .cuts import ALIGN, DEPTH, PANELS, ROWS, Work, aligned, even, isa, tasks
from .kernels import blocked, contraction, convolution, patches, winograd
from .kernels.vectors import lanes, wide

FORWARD, WEIGHTS, SQUARES, TURN = map(
    contraction.KINDS.index, ("forward", "weights", "winograd", "turn_weights")
)
NEAR = 1 << 20  # bytes of squares and their products that stay near
LINES = 96  # pixels of a block of the weights' gradient: its sums are long
CHUNK = 4  # panels of pixels that are multiplied at a time
PART = 3 * ROWS  # rows of the weights' gradient that are made at a time
PIXELS = 512  # of an image from which on panels do not cross images
WEIGHT = 32  # multiplications in about the time of turning one kernel
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


def _line(geometry):
    """Pixels of a line of the output."""
    return geometry[patches.WORDS.index("out_w")]


def _copied(size):
    """Elements of a vector that is copied."""
    return min(isa().lanes(size), 16)


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


def forward(step, place, behind):
    """The Works of a convolution."""
    if by_squares(step.source):
        return _squares(step, place, behind)
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
    c_at = aligned(deep * _vectors(dtype, chunk)) + ALIGN
    tables_at = c_at + (0 if direct else aligned(rows * chunk * sums.itemsize))
    geometry = _geometry(x, at_x.strides, w[2:], out[2:], params, size)
    table = patches.table_bytes(min(panel, chunk), _line(geometry), taps, _copied(size))
    space = tables_at + table * -(-chunk // panel)
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
        "tables_at": tables_at,
        "table": table,
    }
    offsets = [offset for _, offset in places]
    words = _words(
        FORWARD, convolution.FORWARD, values, offsets, blocks, geometry, [full, last]
    )
    return [Work(words, -(-units // each), space, work)]


def _turn(step, place, behind):
    """(Work of turning the weights, where they lie then, bytes of their rows and places)."""
    (_, _), (w, at_w) = step.operands
    size, (rows, channels) = step.value.dtype.itemsize, w[:2]
    u_row = aligned(channels * size) + ALIGN
    u_place = rows * u_row + ALIGN
    u, from_w = behind(winograd.SQUARE * u_place), _placed(at_w, place)
    work = channels * rows * WEIGHT
    each = even(rows, -(-rows // tasks(work)))
    strides = [s * size for s in at_w.strides]
    values = {
        "w": from_w[0],
        "u": u[0],
        "units": rows,
        "each": each,
        "columns": channels,
        **dict(zip(("w_row", "w_column", "w_h", "w_w"), strides, strict=True)),
        "u_row": u_row,
        "u_place": u_place,
    }
    words = [TURN, *(values[name] for name in winograd.WEIGHTS), from_w[1], u[1]]
    return Work(words, -(-rows // each), 0, work), u, u_row, u_place


def _squares(step, place, behind):
    """The same by Winograd's way: the weights turned, then the rest."""
    (x, at_x), (w, _) = step.operands
    out, params, dtype = step.value.shape, step.source.params, step.value.dtype
    size, each_vector = dtype.itemsize, lanes(dtype, isa())
    rows, channels = w[:2]
    first, u, u_row, u_place = _turn(step, place, behind)
    across, tiles = -(-out[3] // 2), -(-out[2] // 2) * -(-out[3] // 2)
    total, panel = x[0] * tiles, each_vector * isa().widest
    work = total * rows * channels * winograd.SQUARE
    panels = -(-total // panel)
    near = NEAR // (winograd.SQUARE * panel * (channels + rows) * size)
    chunk = even(panels, max(near, 2 if panels <= 2 else 1))
    while chunk > 1 and tasks(work) > 1 and -(-panels // chunk) < FEWEST_UNITS:
        chunk -= 1
    chunk = min(chunk * panel, total)
    units = -(-total // chunk)
    each = -(-units // tasks(work))
    v_panel = channels * panel * size
    v_place = -(-chunk // panel) * v_panel + ALIGN
    m_row = aligned(chunk * size) + ALIGN
    m_place = rows * m_row + ALIGN  # no powers of 2 apart either
    m_at = winograd.SQUARE * v_place
    tables_at = m_at + winograd.SQUARE * m_place
    table = winograd.table_bytes(min(panel, chunk), across, each_vector)
    full, last = _groups(dtype, chunk), _groups(dtype, total - (units - 1) * chunk)
    from_x, to = _placed(at_x, place), place(base(step.value))
    lines = [s * size for s in at_x.strides[:3]]
    values = {
        "x": from_x[0],
        "u": u[0],
        "c": to[0],
        "units": units,
        "each": each,
        "rows": rows,
        "depth": channels,
        "u_row": u_row,
        "u_place": u_place,
        **dict(zip(("x_image", "x_channel", "x_line"), lines, strict=True)),
        "c_image": math.prod(out[1:]) * size,
        "c_channel": math.prod(out[2:]) * size,
        "c_line": out[3] * size,
        "h": x[2],
        "w": x[3],
        "out_h": out[2],
        "out_w": out[3],
        "top": params["padding"][0],
        "left": params["padding"][1],
        "tiles": tiles,
        "across": across,
        "total": total,
        "chunk": chunk,
        "full": len(full),
        "last": len(last),
        "v_at": 0,
        "v_place": v_place,
        "v_panel": v_panel,
        "m_at": m_at,
        "m_row": m_row,
        "m_place": m_place,
        "tables_at": tables_at,
        "table": table,
    }
    space = tables_at + -(-chunk // panel) * table
    blocks = blocked.Blocks(even(channels, DEPTH), ROWS, PANELS, space=space)
    offsets = [from_x[1], u[1], to[1]]
    words = _words(SQUARES, winograd.FIELDS, values, offsets, blocks, (), [full, last])
    return [first, Work(words, -(-units // each), space, work)]


def weights(step, place, behind):
    """The Works of the gradient of a convolution's weights."""
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
    deep = even(depth, LINES)
    row_block = max(ROWS // taps, 1)
    a_row = aligned(deep * size) + ALIGN  # rows that are no power of 2 apart
    a_at = aligned(deep * _vectors(dtype, columns))
    c_at = a_at + min(row_block, each) * taps * a_row
    made = each * taps * columns
    tables_at = c_at + aligned(made * (sums.itemsize + (0 if sums is dtype else size)))
    geometry = _geometry(x, at_x.strides, shape[2:], g[2:], params, size)
    space = tables_at + patches.table_bytes(deep, _line(geometry), taps, _copied(size))
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
        "tables_at": tables_at,
    }
    offsets = [offset for _, offset in places]
    words = _words(WEIGHTS, convolution.WEIGHTS, values, offsets, blocks, geometry, [listed])
    return [Work(words, -(-units // units_each), space, work)]
