"""Host functions that search and count: searchsorted, isin, histograms, nonzero positions."""

import numpy as np


def _comparable(x):
    """Half types as float32, which NumPy's sorts and searches know."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind not in "iu" else x


def searchsorted(edges, values, right):
    """Insertion places by bisection of all values at once; NaN goes to the end."""
    edges, values = _comparable(edges), _comparable(values)
    size = edges.shape[-1]
    low = np.zeros(values.shape, np.int64)
    high = np.full(values.shape, size, np.int64)
    row = edges if edges.ndim == 1 else None
    while (open_ := low < high).any():
        middle = (low + high) // 2
        at = np.minimum(middle, size - 1)
        seen = row[at] if row is not None else np.take_along_axis(edges, at, -1)
        past = ~(seen > values) if right else ~(seen >= values)
        low, high = np.where(open_ & past, middle + 1, low), np.where(open_ & ~past, middle, high)
    return (low,)


def isin(elements, tests):
    """Membership; NaN is in nothing."""
    return (np.isin(_comparable(elements), _comparable(tests)),)


def nonzero_static(x, size, fill_value):
    """The first `size` positions, the rest filled."""
    found = np.full((size, x.ndim), fill_value, np.int64)
    places = np.argwhere(x)[:size] if x.ndim else np.zeros((int(bool(x)), 0), np.int64)[:size]
    found[: len(places)] = places
    return (found,)


def histogram(x, *rest, how, weighted):
    """Weights of the points x (n, d) summed per cell; `rest` is the edges of every dimension, and
    the weights.  Bins are half open, the last one closed; points outside are left out."""
    edges = rest[: x.shape[1]]
    weight = rest[-1].reshape(-1) if weighted else np.ones(len(x), x.dtype)
    inside = np.ones(len(x), bool)
    for column, e in zip(x.T, edges, strict=True):
        inside &= (column >= e[0]) & (column <= e[-1])
    shape = tuple(len(e) - 1 for e in edges)
    cell = np.zeros(int(inside.sum()), np.int64)
    for column, e, bins in zip(x[inside].T, edges, shape, strict=True):
        cell = cell * bins + np.minimum(_bins(column, e, how), bins - 1)
    count = np.bincount(cell, weight[inside].astype(np.float64), int(np.prod(shape)))
    return (count.reshape(shape).astype(weight.dtype),)


def _bins(x, edges, how):
    if how == "search":
        return np.searchsorted(edges, x, side="right") - 1
    width = edges[-1] - edges[0]  # PyTorch's arithmetic, which decides values that lie on an edge
    return ((x - edges[0]) * x.dtype.type(len(edges) - 1) / width).astype(np.int64)


def reinterpret(x, dtype):
    """The bytes of x as another dtype."""
    return (np.ascontiguousarray(x).reshape(-1).view(dtype.np).reshape(_seen(x, dtype)),)


def _seen(x, dtype):
    if x.itemsize == dtype.itemsize:
        return x.shape
    return (*x.shape[:-1], x.shape[-1] * x.itemsize // dtype.itemsize)


def logcumsumexp(x, axis):
    """Running log of a sum of exponentials; half types round once per element."""
    if x.dtype.kind != "c":
        wide = _comparable(x)
        return (np.logaddexp.accumulate(wide, axis, dtype=wide.dtype).astype(x.dtype),)
    out = np.array(np.moveaxis(x, axis, 0))
    for i in range(1, len(out)):
        out[i] = _complex_logaddexp(out[i - 1], out[i])
    return (np.moveaxis(out, 0, axis),)


def _complex_logaddexp(a, b):
    high, low = np.where(a.real >= b.real, a, b), np.where(a.real >= b.real, b, a)
    same = np.isinf(high.real) & (high == low)
    return np.where(same, high, high + np.log1p(np.exp(low - high)))


TABLE = {
    f.__name__: f
    for f in (searchsorted, isin, nonzero_static, histogram, reinterpret, logcumsumexp)
}
