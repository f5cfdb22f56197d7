"""Windows in terms of what loop nests are made of: slices, pads and folds.

A small window is taken apart: its elements are strided slices of the padded operand, combined by
arithmetic that fuses with what comes before and after.  Large ones are folds over a strided view.
What the primitives mean says `backends/reference/windows.py`.
"""

import math
from functools import reduce
from itertools import groupby, product
from typing import NamedTuple

from ..base import dtypes
from ..base.shapes import contiguous_strides, numel
from ..ir import lang as L

UNROLLED = 27  # elements combined one by one: 5 x 5, 3 x 3 x 3
FAR = 1 << 62  # larger than any index
PIECES = 4  # up to this stride every place between two windows is written on its own


# --------------------------------------------------------------------------- sums and maxima
def window_sum(x, kernel, stride, padding, out):
    """Zeros are added outside."""
    x, dtype = _wide(x)
    once = (1,) * len(kernel)
    x = _fit(x, kernel, stride, padding, once, out, 0)
    return L.cast(_reduced(x, kernel, stride, once, out, L.add, L.sum_), dtype)


def window_max(x, kernel, stride, padding, dilation, out):
    """The lowest number is outside."""
    x = _fit(x, kernel, stride, padding, dilation, out, _lowest(x.dtype))
    return _reduced(x, kernel, stride, dilation, out, _larger, L.max_)


def _larger(x, y):
    return L.maximum(y, x)  # x where they are equal zeros


def _reduced(x, kernel, stride, dilation, out, combine, fold):
    """At once where windows stay apart; else one axis after the other, since they share work."""
    apart = all(k <= s for k, s in zip(kernel, stride, strict=True))
    if apart and math.prod(kernel) <= UNROLLED:
        return reduce(combine, [part for _, part in _elements(x, kernel, stride, dilation, out)])
    for d, (k, s, n, o) in enumerate(zip(kernel, stride, dilation, out, strict=True)):
        x = _reduced_along(x, 2 + d, range(0, k * n, n), s, o, combine, fold)
    return x


def _elements(x, kernel, stride, dilation, out):
    """(number per axis, values in all windows) of every element of a window."""
    for taps in product(*map(range, kernel)):
        part = x
        for d, (t, s, n, o) in enumerate(zip(taps, stride, dilation, out, strict=True)):
            part = _spaced(part, 2 + d, t * n, s, o)
        yield taps, part


def _reduced_along(x, axis, taps, step, count, combine, fold):
    """The elements `taps` of x along an axis combined, and those steps further."""
    if len(taps) <= UNROLLED:
        return reduce(combine, [_spaced(x, axis, t, step, count) for t in taps])
    if count == 1:
        return fold(L.slice_axis(x, axis, taps.start, taps[-1] + 1, taps.step), [axis], True)
    strides = contiguous_strides(x.shape)
    unit = strides[axis]
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :], len(taps))
    steps = (*strides[:axis], step * unit, *strides[axis + 1 :], taps.step * unit)
    return fold(L.load(L.reshape(x, (numel(x.shape),)), taps.start * unit, shape, steps), [x.ndim])


def _spaced(x, axis, start, step, count):
    return L.slice_axis(x, axis, start, start + step * (count - 1) + 1, step)


def window_sum_grad(g, kernel, stride, padding, shape):
    """Every element gathers the windows that cover it, one axis after the other."""
    g, dtype = _wide(g)
    for d in reversed(range(len(kernel))):
        g = _gather_windows(g, 2 + d, kernel[d], stride[d], padding[d], shape[2 + d])
    return L.cast(g, dtype)


def _gather_windows(g, axis, k, s, p, n):
    """Element ``s * q + r`` is element ``r + b + s * j`` of window ``q + a - j``, where
    ``p = s * a + b``: for each r a sum over neighbouring windows."""
    a, b = divmod(p, s)
    count = -(-n // s)
    spans = [(-((r + b) // s), (k - 1 - r - b) // s) for r in range(s)]  # j from, to
    low = max(0, max(hi for _, hi in spans) - a)
    high = max(0, count + a - min(lo for lo, _ in spans) - g.shape[axis])
    before, after = [0] * g.ndim, [0] * g.ndim
    before[axis], after[axis] = low, high
    g = L.pad(g, before, after)
    runs = [(span, len(list(same))) for span, same in groupby(spans)]
    if s <= PIECES:
        runs = [(span, 1) for span in spans]
    pieces = []
    for (lo, hi), length in runs:
        shape = (*g.shape[:axis], count, *g.shape[axis + 1 :])
        if lo > hi:
            piece = L.const(g, 0, g.dtype, shape)
        else:
            windows = range(low + a - hi, low + a - lo + 1)
            piece = _reduced_along(g, axis, windows, 1, count, L.add, L.sum_)
        wide = (*shape[: axis + 1], length, *shape[axis + 1 :])
        pieces.append(L.expand(L.unsqueeze(piece, axis + 1), wide))
    merged = (*g.shape[:axis], count * s, *g.shape[axis + 1 :])
    return L.slice_axis(L.reshape(L.concat(pieces, axis + 1), merged), axis, 0, n)


# ------------------------------------------------------------------------ places of maxima
def window_argmax(x, kernel, stride, padding, dilation, out):
    """Indices are counted from a window's start, then from that of the plane."""
    best = window_max(x, kernel, stride, padding, dilation, out)
    padded = _fit(x, kernel, stride, padding, dilation, out, _lowest(x.dtype))
    sizes = x.shape[2:]
    rows = zip(
        sizes, contiguous_strides(sizes), kernel, stride, padding, dilation, out, strict=True
    )
    axes = [_Axis(d, *row) for d, row in enumerate(rows)]
    index = (_one_by_one if math.prod(kernel) <= UNROLLED else _folded)(padded, best, axes)
    for a in axes:
        index = index + _along(index, 2 + a.d, a.stride * a.unit)
    index = index - _number(index, sum(a.padding * a.unit for a in axes))
    if any(a.misses() for a in axes):
        index = L.minimum(index, L.like(index, numel(sizes) - 1))
    return index


class _Axis(NamedTuple):
    """Windows along axis `d` of the plane; neighbours are `unit` apart in the flattened plane."""

    d: int
    size: int
    unit: int
    kernel: int
    stride: int
    padding: int
    dilation: int
    out: int

    def tap(self, t):
        """How far element t of a window is from its start in the flattened plane."""
        return t * self.dilation * self.unit

    def first_inside(self, x):
        """The same of the first element that is not padding."""
        step, at = _number(x, self.tap(1)), _along(x, 2 + self.d, self.stride)
        outside = range(0, self.padding, self.dilation)
        return sum([L.where(at < self.padding - m, step, 0) for m in outside], _number(x, 0))

    def misses(self):
        """Is some window outside altogether?"""
        first = range(-self.padding, self.out * self.stride - self.padding, self.stride)
        reach = range(0, self.kernel * self.dilation, self.dilation)
        return not all(any(0 <= start + t < self.size for t in reach) for start in first)


def _one_by_one(x, best, axes):
    """The first element that is the maximum, which padding is only where all is as low; if there
    is a NaN the last one."""
    geometry = (
        [getattr(a, name) for a in axes] for name in ("kernel", "stride", "dilation", "out")
    )
    elements = [
        (part, _number(part, sum(a.tap(t) for a, t in zip(axes, taps, strict=True))))
        for taps, part in _elements(x, *geometry)
    ]
    first = elements[-1][1]
    for part, here in elements[-2:0:-1]:
        first = L.where(L.eq(part, best), here, first)
    inside = sum(a.first_inside(best) for a in axes)
    first = L.where(L.eq(elements[0][0], best), inside, first)
    if x.dtype.category < dtypes.FLOAT:
        return first
    last = elements[0][1]
    for part, here in elements[1:]:
        last = L.where(L.isnan(part), here, last)
    return L.where(L.isnan(best), last, first)


def _folded(x, best, axes):
    """The first place inside where the maximum is; if there is a NaN the last one."""
    steps, rank = contiguous_strides(x.shape), len(axes)
    shape = (*x.shape[:2], *(a.out for a in axes), *(a.kernel for a in axes))
    strides = (
        *steps[:2],
        *(a.stride * step for a, step in zip(axes, steps[2:], strict=True)),
        *(a.dilation * step for a, step in zip(axes, steps[2:], strict=True)),
    )
    windows = L.load(L.reshape(x, (numel(x.shape),)), 0, shape, strides)
    hit = L.eq(windows, L.broadcast(L.reshape(best, best.shape + (1,) * rank), shape))
    for a in axes:
        place = _along(hit, 2 + a.d, a.stride) + _along(hit, 2 + rank + a.d, a.dilation)
        hit = hit & (place >= a.padding) & (place < _number(hit, a.padding + a.size))
    here = sum(_along(hit, 2 + rank + a.d, a.tap(1)) for a in axes)
    taps = range(2 + rank, 2 + 2 * rank)
    first = L.min_(L.where(hit, here, FAR), taps)
    if x.dtype.category < dtypes.FLOAT:
        return first
    last = L.max_(L.where(L.isnan(windows), here, -1), taps)
    return L.where(L.isnan(best), last, first)


# ------------------------------------------------------------------------------------ pieces
def _along(x, axis, step):
    """0, step, 2 * step, .. along an axis of x, in x's shape; int64.

    Slices of `iota`, since what they start from and step by are arguments of a kernel, where
    constants are part of it.
    """
    count = x.shape[axis]
    end = step * (count - 1) + 1
    row = L.slice_(L.iota(x, end), (0,), (end,), (step,))
    return L.broadcast(L.reshape(row, (count,) + (1,) * (x.ndim - 1 - axis)), x.shape)


def _number(x, value):
    """An integer of at least 0, in x's shape, that is an argument of the kernel."""
    one = L.slice_(L.iota(x, value + 1), (value,), (value + 1,))
    return L.broadcast(L.reshape(one, ()), x.shape)


def _wide(x):
    """x as it is summed, and the dtype of the sum."""
    return L.cast(x, dtypes.OPMATH.get(x.dtype, x.dtype)), x.dtype


def _fit(x, kernel, stride, padding, dilation, out, value):
    """x padded so that every window lies inside (ceil_mode reaches past the padding)."""
    high = [
        max((o - 1) * s + d * (k - 1) + 1 - n - p, 0)
        for n, k, s, p, d, o in zip(
            x.shape[2:], kernel, stride, padding, dilation, out, strict=True
        )
    ]
    low, high = (0, 0, *padding), (0, 0, *high)
    if value == 0 or not any(low) and not any(high):
        return L.pad(x, low, high)
    shape = [n + a + b for n, a, b in zip(x.shape, low, high, strict=True)]
    steps = contiguous_strides(shape)
    offset = sum(a * step for a, step in zip(low, steps, strict=True))
    return L.reshape(L.store(L.const(x, value, x.dtype, (numel(shape),)), x, offset, steps), shape)


def _lowest(dtype):
    if dtype.category == dtypes.FLOAT:
        return float("-inf")
    return -(1 << (8 * dtype.itemsize - 1)) if dtype.is_signed else 0


EXPANSIONS = {f.__name__: f for f in (window_sum, window_sum_grad, window_max, window_argmax)}
