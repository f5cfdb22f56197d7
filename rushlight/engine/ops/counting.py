"""Counting values: histograms, bincount, unique values."""

import math

import numpy as np

from ..base import dtypes
from ..base.shapes import wrap_dim
from ..ir import lang as L
from .record import T, composite, operator


@operator(
    "_histogram(Tensor self, Tensor[] edges, Tensor? weight, str how) -> Tensor",
    variants="internal",
    differentiable=False,
)
def _histogram(self, edges, weight, how):
    """Weights of points (n, d) per cell between the edges of every dimension."""
    result = (tuple(e.shape[0] - 1 for e in edges), self.dtype)
    values = [self, *edges] + ([] if weight is None else [weight])
    return L.host("histogram", values, [result], how=how, weighted=weight is not None)[0]


def _bounds(x, given, name):
    """(low, high) of one dimension: what is given, else of the data; never empty."""
    low, high = given if given is not None else (0.0, 1.0)
    if given is None and x.numel():
        low, high = (v.item() for v in T.aminmax(x))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name}: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}: min should not exceed max, but got min {low} max {high}")
    return low, high


# ---------------------------------------------------------------------------------- histc
@composite("function,method,out")
def histc(input, bins=100, min=0, max=0):  # noqa: A002
    """Counts of values in `bins` equal bins between `min` and `max` (of the data where equal)."""
    if input.dtype.is_complex or input.dtype is dtypes.bool_:
        raise NotImplementedError(
            f"\"histogram_cpu\" not implemented for '{input.dtype.type_name}'"
        )
    if bins <= 0:
        raise RuntimeError("torch.histc: bins must be > 0")
    given = None if min == max and input.numel() else (min, max)
    low, high = _bounds(input, given, "torch.histc")
    if low == high:
        low, high = low - 1, high + 1
    floating = input.dtype.category == dtypes.FLOAT
    x = input if floating else input.to(dtypes.float64)
    edges = T.linspace(low, high, bins + 1, dtype=x.dtype)
    found = T._histogram(x.reshape(-1, 1), [edges], None, "interpolate")
    return found if floating else found.to(input.dtype)


# ------------------------------------------------------------------------------ histogram
def _need_real(input, name):
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise NotImplementedError(f"\"{name}\" not implemented for '{input.dtype.type_name}'")


def _check_weight(input, weight, count, name):
    if weight is None:
        return
    if weight.dtype is not input.dtype:
        raise RuntimeError(
            f"{name}: if weight tensor is provided, input tensor and weight tensor should have the "
            f"same dtype, but got input({input.dtype.type_name}), and "
            f"weight({weight.dtype.type_name})"
        )
    if weight.numel() != count:
        raise RuntimeError(
            f"{name}: if weight tensor is provided it should have the same shape as the input "
            f"tensor excluding its innermost dimension, but got {weight.numel()} weights for "
            f"{count} points"
        )


def _edges(x, bins, limits, name):
    """The edges of one dimension from a number of bins or given edges."""
    if T.is_tensor(bins):
        if limits is not None:
            raise TypeError(f"{name}: range is only for a number of bins")
        if bins.ndim != 1 or not bins.numel():
            raise RuntimeError(
                f"{name}: bins tensor should have one dimension and at least one element, but got "
                f"{bins.ndim} dimensions"
            )
        if bins.dtype is not x.dtype:
            raise RuntimeError(
                f"{name}: input tensor and bins tensors should have the same dtype, but got input "
                f"with dtype {x.dtype.type_name} and bins with dtype {bins.dtype.type_name}"
            )
        return bins
    if bins <= 0:
        raise RuntimeError(f"{name}: bins must be > 0, but got {bins}")
    low, high = _bounds(x, limits, name)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return T.linspace(low, high, bins + 1, dtype=x.dtype)


def _density(hist, edges):
    out = hist / hist.sum()
    for d, e in enumerate(edges):
        width = T.diff(e)
        out = out / width.reshape([-1 if a == d else 1 for a in range(hist.ndim)])
    return out


def _counted(points, bins, limits, weight, density, name):
    edges = [
        _edges(column, b, r, name)
        for column, b, r in zip(points.unbind(1), bins, limits, strict=True)
    ]
    hist = T._histogram(points, edges, weight, "search")
    return (_density(hist, edges) if density else hist), edges


@composite("function,method,out")
def histogram(input, bins, *, range=None, weight=None, density=False):  # noqa: A002
    """Weights of values per bin, and the edges of the bins.

    Args:
        bins: a number of equal bins, or a sorted vector of edges.
        range: (low, high) for a number of bins; of the data by default.
        density: divide so that the histogram's integral is 1.
    """
    _need_real(input, "histogram_cpu")
    _check_weight(input, weight, input.numel(), "torch.histogram")
    limits = None if range is None else tuple(range)
    hist, edges = _counted(
        input.reshape(-1, 1), [bins], [limits], weight, density, "torch.histogram"
    )
    return T.return_type("histogram", ("hist", "bin_edges"))(hist, edges[0])


@composite("function")
def histogramdd(input, bins, range=None, weight=None, density=False):  # noqa: A002
    """Histogram of points in several dimensions.

    Args:
        input: (*, d) points.
        bins: a number of bins, d of them, or d vectors of edges.
        range: 2 d numbers, low and high of every dimension.
    """
    _need_real(input, "histogramdd")
    if input.ndim < 2:
        raise RuntimeError(
            "torch.histogramdd: input tensor should have at least 2 dimensions, but got "
            f"{input.ndim}"
        )
    count = input.shape[-1]
    bins = [bins] * count if isinstance(bins, int) else list(bins)
    if len(bins) != count:
        raise RuntimeError(
            f"torch.histogramdd: expected {count} sequences of bin edges for a {count}-dimensional "
            f"histogram but got {len(bins)}"
        )
    points = input.reshape(-1, count)
    _check_weight(input, weight, points.shape[0], "torch.histogramdd")
    if range is not None and len(range) != 2 * count:
        raise RuntimeError(
            f"torch.histogramdd: for a {count}-dimensional histogram range should have "
            f"{2 * count} elements, but got {len(range)}"
        )
    limits = [None] * count if range is None else list(zip(range[::2], range[1::2], strict=True))
    hist, edges = _counted(points, bins, limits, weight, density, "torch.histogramdd")
    return T.return_type("histogramdd", ("hist", "bin_edges"))(hist, tuple(edges))


@composite("function,method")
def bincount(input, weights=None, minlength=0):
    """How often (or with which weight) each nonnegative int occurs; reads the values.

    Args:
        input: (n,) integers.
        minlength: least length of the result.
    """
    if input.dtype.category != dtypes.INT:
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{input.dtype.type_name}'")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    values = input._array()
    if input.ndim != 1 or values.size and values.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is not None and (weights.ndim != 1 or weights.numel() != input.numel()):
        raise RuntimeError("weights should be 1-d and have the same length as input")
    size = max(int(values.max()) + 1 if values.size else 0, minlength)
    if weights is None:
        return T.from_data(np.bincount(values, None, size), dtypes.int64)
    dtype = weights.dtype if weights.dtype is dtypes.float32 else dtypes.float64
    found = np.bincount(values, weights.detach()._array().astype(np.float64), size)
    return T.from_data(found.astype(dtype.np), dtype)


# ---------------------------------------------------------------------------------- unique
def _rows(array, axis):
    """Slices along an axis as rows of a matrix."""
    count = array.shape[axis]
    width = array.size // count if count else 0
    return np.ascontiguousarray(np.moveaxis(array, axis, 0)).reshape(count, width)


def _order(rows):
    """A stable order of rows: by the first column, then the second, .."""
    return np.lexsort(rows.T[::-1]) if rows.shape[1] else np.arange(len(rows))


def _runs(rows):
    """(start of every run of equal rows, the run each row is in)."""
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]).any(1)
    return np.flatnonzero(new), np.cumsum(new) - 1


def _need_rows(array, axis):
    if not array.ndim:
        raise IndexError(f"Dimension specified as {axis} but tensor has no dimensions")
    if array.shape.count(0) > 1:
        raise RuntimeError(
            "Number of zero sized dimensions is more than one, so unique cannot be applied"
        )
    if array.shape[axis] and 0 in array.shape:
        raise RuntimeError(
            "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )


def _distinct(input, dim, ordered):
    """(values, inverse, counts) of the slices along `dim`, or of all elements."""
    array = input.detach()._array()
    d = None if dim is None else wrap_dim(dim, input.ndim)
    if d is not None:
        _need_rows(array, d)
    rows = array.reshape(array.size, 1) if d is None else _rows(array, d)
    comparable = rows.astype(np.float32) if input.dtype in dtypes.HALVES else rows
    order = _order(comparable) if ordered else np.arange(len(rows))
    starts, run = _runs(comparable[order])
    inverse = np.empty(len(rows), np.int64)
    inverse[order] = run
    counts = np.diff(np.append(starts, len(rows)))
    values = rows[order][starts]
    if d is None:
        return values[:, 0], inverse.reshape(input.shape), counts
    rest = array.shape[:d] + array.shape[d + 1 :]
    values = np.moveaxis(values.reshape(len(starts), *rest), 0, d)
    return values, inverse, counts


def _unique_result(found, dtype, inverse, counts):
    values, *rest = found
    out = [T.from_data(values, dtype)]
    wanted = zip(rest, (inverse, counts), strict=True)
    out += [T.from_data(array, dtypes.int64) for array, asked in wanted if asked]
    return out[0] if len(out) == 1 else tuple(out)


@composite()
def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):  # noqa: A002
    """Distinct elements, or slices along `dim`, in rising order (`sorted` or not); reads values.

    Returns:
        The values, then (where asked) the position of each input among them, and the counts.

    >>> import rushlight as torch
    >>> torch.tensor([3, 1, 3]).unique(return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    found = _distinct(input, dim, True)
    return _unique_result(found, input.dtype, return_inverse, return_counts)


@composite()
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """As `unique`, for runs of equal neighbours: values may come again later."""
    found = _distinct(input, dim, False)
    return _unique_result(found, input.dtype, return_inverse, return_counts)
