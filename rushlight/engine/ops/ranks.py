"""Order statistics: kthvalue, medians, mode, quantiles."""

from ..base import dtypes
from ..base.shapes import numel, wrap_dim
from ..ir import lang as L
from .arithmetic import lerp_values
from .record import T, composite, operator
from .reduce import to_picked

_PAIR = "(Tensor values, Tensor indices)"


def _need_order(x, name):
    if x.dtype.is_complex or x.dtype is dtypes.bool_:
        raise NotImplementedError(f"\"{name}\" not implemented for '{x.dtype.type_name}'")


def _dim(x, dim, name):
    """The wrapped dimension, which must have elements."""
    d = wrap_dim(dim, x.ndim)
    if x.ndim and not x.shape[d]:
        raise IndexError(f"{name}: Expected reduction dim {d} to have non-zero size.")
    return d


def _picked(x, d, keepdim, rank):
    """(values, indices) at `rank(sorted, order)`, an index with size 1 along d, of a sorted
    order."""
    if not x.ndim:
        return x, L.const(x.graph, 0, dtypes.int64)
    order = L.argsort(x, d)
    ranked = L.take_along(x, order, d)
    place = rank(ranked)
    found = L.take_along(ranked, place, d), L.take_along(order, place, d)
    return found if keepdim else tuple(L.drop_axis(v, d) for v in found)


def _constant_rank(d, k):
    def rank(ranked):
        shape = list(ranked.shape)
        shape[d] = 1
        return L.const(ranked.graph, k, dtypes.int64, shape)

    return rank


@operator(
    f"kthvalue(Tensor self, int k, int dim=-1, bool keepdim=False) -> {_PAIR}",
    vjp=to_picked,
    out="apart",
)
def kthvalue(self, k, dim, keepdim):
    """The k-th smallest value (k from 1) along a dimension, and where it is; NaN is the largest."""
    _need_order(self, "kthvalue_cpu")
    d = _dim(self, dim, "kthvalue()")
    size = self.shape[d] if self.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")
    return _picked(self, d, keepdim, _constant_rank(d, k - 1))


# -------------------------------------------------------------------------------- medians
def _median_rank(d, skip_nan):
    """The lower middle of the numbers; where NaN counts, the first NaN if there is one."""

    def rank(ranked):
        size = ranked.shape[d]
        if ranked.dtype.category != dtypes.FLOAT:
            return _constant_rank(d, (size - 1) // 2)(ranked)
        numbers = L.cast(L.invert(L.isnan(ranked)), dtypes.int64)
        count = L.sum_(numbers, [d], keepdim=True)
        if skip_nan:
            return L.maximum(L.shr(count - 1, L.like(count, 1)), L.like(count, 0))
        middle = L.like(count, (size - 1) // 2)
        return L.where(L.eq(count, size), middle, count)

    return rank


def _shared(grads, outputs, self):
    """Elements equal to the median share the cotangent."""
    g, out = (L.broadcast(v, self.shape) for v in (grads[0], outputs[0]))
    hits = L.eq(self, out)
    if self.dtype.category == dtypes.FLOAT:
        hits = hits | (L.isnan(self) & L.isnan(out))
    wide = dtypes.OPMATH.get(self.dtype, self.dtype)
    count = L.sum_(L.cast(hits, wide))
    share = L.cast(L.cast(grads[0], wide) / count, self.dtype)
    return {"self": L.where(hits, L.broadcast(share, self.shape), L.like(self, 0))}


def _median(name, skip_nan, doc):
    def whole(self):
        _need_order(self, "median_out_impl")
        if not numel(self.shape):
            nothing = float("nan") if self.dtype.category == dtypes.FLOAT else -(1 << 63)
            return L.const(self.graph, nothing, self.dtype)
        flat = L.reshape(self, (numel(self.shape),))
        return _picked(flat, 0, False, _median_rank(0, skip_nan))[0]

    def along(self, dim, keepdim):
        _need_order(self, "median_out")
        d = _dim(self, dim, f"{name}()")
        return _picked(self, d, keepdim, _median_rank(d, skip_nan))

    whole.__doc__ = f"{doc} of all elements."
    along.__doc__ = f"{doc} along a dimension, and where it is."
    title = name.title()
    operator(
        f"{name}(Tensor self) -> Tensor",
        variants="function,method",
        vjp=_shared,
        node=f"{title}Backward0",
    )(whole)
    operator(
        f"{name}.dim(Tensor self, int dim, bool keepdim=False) -> {_PAIR}",
        vjp=to_picked,
        node=f"{title}Backward1",
    )(along)


_median("median", False, "The lower median; NaN if there is one,")
_median("nanmedian", True, "The lower median of the numbers, leaving out NaN,")


# ----------------------------------------------------------------------------------- mode
@operator(f"mode(Tensor self, int dim=-1, bool keepdim=False) -> {_PAIR}", vjp=to_picked)
def mode(self, dim, keepdim):
    """The most frequent value along a dimension (the smallest of equally frequent ones)."""
    if self.dtype.is_complex:
        raise NotImplementedError(f"\"mode\" not implemented for '{self.dtype.type_name}'")
    d = _dim(self, dim, "mode()")
    if not self.ndim:
        return self, L.const(self.graph, 0, dtypes.int64)
    order = L.argsort(self, d)
    ranked = L.take_along(self, order, d)
    place = L.arange_along(order, d)
    first = L.slice_axis(ranked, d, 0, 1)
    before = L.concat([first, L.slice_axis(ranked, d, 0, ranked.shape[d] - 1)], d)
    start = L.scan(L.where(L.ne(ranked, before), place, L.like(place, 0)), d, "max")
    last = L.unsqueeze(L.argmax(place - start, d), d)  # where the longest run ends
    found = L.take_along(ranked, last, d), L.take_along(order, last, d)
    return found if keepdim else tuple(L.drop_axis(v, d) for v in found)


# ------------------------------------------------------------------------------ quantiles
_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _checked(input, q, dim, interpolation, name):
    """q as a tensor of input's dtype, after PyTorch's checks."""
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if not input.numel() and (dim is None or not input.ndim or not input.shape[dim]):
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    if not T.is_tensor(q):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        return T.full((), float(q), dtype=input.dtype, device=input.device)
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.dtype is not input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if q.device.type == "cpu" and not bool(((q >= 0) & (q <= 1)).all()):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    return q


@operator(
    "_quantile(Tensor self, Tensor q, int dim, bool keepdim, str interpolation, bool skip_nan)"
    " -> Tensor",
    variants="internal",
    node="SqueezeBackward4",
)
def _quantile(self, q, dim, keepdim, interpolation, skip_nan):
    """Quantiles along a dimension, which moves to the front with q's size (or disappears)."""
    x = L.move_axis(self, dim, self.ndim - 1)
    order = L.argsort(x, x.ndim - 1)
    ranked = L.take_along(x, order, x.ndim - 1)
    levels = L.reshape(q, (numel(q.shape),))
    shape = (*x.shape[:-1], levels.shape[0])
    rank = _ranks(ranked, L.broadcast(levels, shape), skip_nan)
    values = _between(ranked, rank, interpolation)
    out = L.move_axis(values, values.ndim - 1, 0)
    if keepdim:
        out = L.unsqueeze(out, dim + 1)
    return out if q.ndim else L.reshape(out, out.shape[1:])


def _ranks(ranked, levels, skip_nan):
    """Where the levels lie in the sorted rows; a row with NaN ends in one, which is its answer."""
    d, size = ranked.ndim - 1, ranked.shape[-1]
    missing = L.isnan(ranked)
    if skip_nan:
        count = L.sum_(L.cast(L.invert(missing), ranked.dtype), [d], keepdim=True)
        last = L.maximum(count - 1, L.like(count, 0))
        return levels * L.broadcast(last, levels.shape)
    spoiled = L.broadcast(L.any_(missing, [d], keepdim=True), levels.shape)
    return L.where(spoiled, L.like(levels, size - 1), levels * (size - 1))


def _between(ranked, rank, interpolation):
    if interpolation == "lower":
        rank = L.floor(rank)
    elif interpolation == "higher":
        rank = L.ceil(rank)
    elif interpolation == "nearest":
        rank = L.round_(rank)
    below, d = L.floor(rank), ranked.ndim - 1
    low = L.take_along(ranked, L.cast(below, dtypes.int64), d)
    if interpolation not in ("linear", "midpoint"):
        return low
    high = L.take_along(ranked, L.cast(L.ceil(rank), dtypes.int64), d)
    weight = L.like(rank, 0.5) if interpolation == "midpoint" else rank - below
    return lerp_values(low, high, weight)


def _quantiles(name, skip_nan, doc):
    def body(input, q, dim=None, keepdim=False, *, interpolation="linear"):
        d = None if dim is None else wrap_dim(dim, input.ndim)
        q = _checked(input, q, d, interpolation, name)
        x = input.reshape(-1) if d is None or not input.ndim else input
        found = T._quantile(x, q, d or 0, keepdim, interpolation, skip_nan)
        if keepdim and (d is None or not input.ndim):
            return found.reshape(q.shape + (1,) * input.ndim)
        return found if input.ndim or d is None or not keepdim else found.reshape(q.shape)

    body.__doc__ = f"""{doc}

    Args:
        q: a number, or a vector of numbers, in [0, 1].
        dim: all elements without it.
        interpolation: "linear", "lower", "higher", "midpoint" or "nearest".

    Returns:
        The input's shape without `dim`; the size of a vector `q` comes first.
    """
    composite("function,method,out", name=name)(body)


_quantiles("quantile", False, "Quantiles along a dimension; NaN where the row has one.")
_quantiles("nanquantile", True, "Quantiles along a dimension, leaving out NaN.")
