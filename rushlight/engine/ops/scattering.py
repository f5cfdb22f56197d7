"""Scatters that reduce, and writes by flat position or by mask."""

from ..base import dtypes
from ..base.shapes import numel, wrap_dim
from ..ir import lang as L
from .gathering import along, as_vectors, check_index
from .record import operator

_FORMS = "function,method,inplace,out"
MODES = {"sum": "add", "mean": "add", "prod": "mul", "amax": "max", "amin": "min"}


def _neutral(x, reduce):
    """What leaves the other operand of a reduction as it is."""
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if x.dtype.category == dtypes.FLOAT:
        return float("inf" if reduce == "amin" else "-inf")
    if x.dtype is dtypes.bool_:
        return reduce == "amin"
    bits = x.dtype.itemsize * 8
    low, high = (
        (-(1 << bits - 1), (1 << bits - 1) - 1) if x.dtype.is_signed else (0, (1 << bits) - 1)
    )
    return high if reduce == "amin" else low


def _divided(total, count):
    """total / count; integers toward minus infinity."""
    count = L.where(L.eq(count, 0), L.like(count, 1), count)
    if total.dtype.category >= dtypes.FLOAT:
        return total / count
    quotient = L.idiv(total, count)
    low = L.lt(L.rem(total, count), L.like(total, 0))
    return quotient - L.cast(low, total.dtype)


def _reduced(flat, places, source, reduce, include_self):
    """`flat` combined with `source` at flat or row positions, by a named reduction."""
    dtype = flat.dtype
    wide = dtypes.OPMATH.get(dtype, dtype) if reduce == "mean" else dtype
    wide = dtypes.int64 if reduce == "mean" and dtype is dtypes.bool_ else wide
    x, source = L.cast(flat, wide), L.cast(source, wide)
    if not include_self:
        x = L.put(x, places, L.like(source, _neutral(x, reduce)))
    out = L.put(x, places, source, MODES[reduce])
    if reduce == "mean":
        ones = L.like(source, 1)
        count = L.put(L.like(x, 1 if include_self else 0), places, ones, "add")
        out = _divided(out, count)
    return L.cast(out, dtype)


# -------------------------------------------------------------------------- scatter_reduce
@operator(
    "scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, "
    "bool include_self=True) -> Tensor",
    variants=_FORMS,
    node="ScatterReduceBackward0",
)
def scatter_reduce(self, dim, index, src, reduce, include_self):
    """self combined with elements of `src` at the indices along a dimension.

    Args:
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: does the old value take part where something is scattered to?
    """
    if reduce not in MODES:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    if src.dtype is not self.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    d = wrap_dim(dim, self.ndim)
    if numel(index.shape) == 0:
        return self
    check_index("scatter_reduce", index, self, d)
    x, i, source = as_vectors(self, index, src)
    if source.ndim != i.ndim or any(n > m for n, m in zip(i.shape, source.shape, strict=True)):
        raise RuntimeError(
            f"Expected index {list(index.shape)} to be no larger than self {list(self.shape)} "
            f"apart from dimension {d} and to be no larger than src {list(src.shape)}"
        )
    source = L.slice_(source, [0] * i.ndim, i.shape)
    places = L.linear_index(x.shape, along(i, x, d), d)
    flat = L.reshape(x, (numel(x.shape),))
    return L.reshape(_reduced(flat, places, source, reduce, include_self), self.shape)


@operator(
    "index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, "
    "bool include_self=True) -> Tensor",
    variants=_FORMS,
)
def index_reduce(self, dim, index, source, reduce, include_self):
    """self combined with slices of `source` at a vector of indices along a dimension.

    Args:
        reduce: "prod", "mean", "amax" or "amin".
        include_self: do the old values take part?
    """
    if reduce not in MODES or reduce == "sum":
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
            f"{reduce}."
        )
    if source.dtype is not self.dtype:
        raise RuntimeError("index_reduce_(): Expected self and source to have the same dtype")
    d = wrap_dim(dim, self.ndim)
    x, i, source = as_vectors(self, index, source)
    if numel(i.shape) == 0:
        return self
    x, source = L.move_axis(x, d, 0), L.move_axis(source, d, 0)
    if i.ndim > 1 or source.shape != (*i.shape, *x.shape[1:]):
        raise RuntimeError(
            "index_reduce_(): Number of indices should be equal to self.size(dim), and the other "
            "sizes of self and source should agree"
        )
    out = _reduced(x, L.index_in(i, x.shape[0], d), source, reduce, include_self)
    return L.reshape(L.move_axis(out, 0, d), self.shape)


# ------------------------------------------------------------------- flat positions, masks
@operator(
    "put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor",
    variants="function,method,inplace",
)
def put(self, index, source, accumulate):
    """self, seen as a vector, with `source` written (or added) at `index`."""
    if source.dtype is not self.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{self.dtype.type_name} and source.dtype = {source.dtype.type_name}"
        )
    if index.dtype is not dtypes.int64:
        raise RuntimeError(
            f"put_(): Expected a long tensor for index, but got {index.dtype.type_name}"
        )
    if numel(source.shape) != numel(index.shape):
        raise RuntimeError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {numel(source.shape)}, index.numel() = {numel(index.shape)}"
        )
    count = numel(index.shape)
    if not count:
        return self
    places = L.index_in(L.reshape(index, (count,)), numel(self.shape))
    flat = L.reshape(self, (numel(self.shape),))
    mode = "add" if accumulate else "set"
    return L.reshape(L.put(flat, places, L.reshape(source, (count,)), mode), self.shape)


@operator(
    "masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor",
    variants="function,method,inplace",
)
def masked_scatter(self, mask, source):
    """self with the next element of `source` wherever the bool mask (broadcast) holds.

    Raises: RuntimeError, when the result is computed, where `source` has too few elements.
    """
    if source.dtype is not self.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got "
            f"{self.dtype.type_name} and {source.dtype.type_name}"
        )
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            "masked_scatter_ only supports boolean masks, but got mask with dtype "
            f"{mask.dtype.type_name}"
        )
    x, mask = L.broadcast_all(self, mask)
    hits = L.reshape(L.cast(mask, dtypes.int64), (numel(x.shape),))
    number = L.reshape(L.scan(hits, 0, "sum"), x.shape)  # 1 for the first place, 2, ..
    flat = L.reshape(source, (numel(source.shape),))
    flat = L.concat([L.const(source.graph, 0, source.dtype, (1,)), flat], 0)
    says = "masked_scatter: expected source to have one element per True of the mask, got too few"
    places = L.index_in(L.where(mask, number, 0), flat.shape[0], 0, says, RuntimeError)
    chosen = L.take(flat, places)
    return L.where(mask, chosen, x)
