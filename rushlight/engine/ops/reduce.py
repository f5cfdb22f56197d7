"""Reductions over dimensions: sums, means, extremes, norms of logic."""

import numpy as np

from ..base import dtypes
from ..base.promote import get_default_dtype, result_type
from ..base.shapes import numel, wrap_dim, wrap_dims
from ..ir import lang as L
from .record import T, composite, operator


def accumulate(x, dtype, reduce):
    """Run a reduction in the wider type PyTorch accumulates halves in; result in `dtype`."""
    x = L.cast(x, dtype)
    wide = dtypes.OPMATH.get(dtype, dtype)
    return L.cast(reduce(L.cast(x, wide)), dtype)


def _sum_dtype(x, dtype):
    return dtype or (dtypes.int64 if x.dtype.category <= dtypes.INT else x.dtype)


@operator("sum(Tensor self, *, ScalarType? dtype=None) -> Tensor", ref=np.sum)
def sum_(self, dtype):
    """Sum of all elements; integers add up in int64."""
    return accumulate(self, _sum_dtype(self, dtype), L.sum_)


@operator(
    "sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None)"
    " -> Tensor",
    node="SumBackward1",
    ref=np.sum,
)
def sum_dim(self, dim, keepdim, dtype):
    """Sum over dimensions (None or () means all)."""
    axes = wrap_dims(dim, self.ndim)
    return accumulate(self, _sum_dtype(self, dtype), lambda x: L.sum_(x, axes, keepdim))


@operator(
    "nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)"
    " -> Tensor",
    ref=np.nansum,
)
def nansum(self, dim, keepdim, dtype):
    """Sum over dimensions with NaN counted as 0."""
    axes = wrap_dims(dim, self.ndim)
    if self.dtype.is_complex:
        raise RuntimeError("nansum does not support complex inputs")
    if self.dtype.category == dtypes.FLOAT:
        self = L.where(L.isnan(self), 0.0, self)
    return accumulate(self, _sum_dtype(self, dtype), lambda x: L.sum_(x, axes, keepdim))


def _mean(x, dtype, axes, keepdim):
    target = dtype or x.dtype
    if target.category < dtypes.FLOAT:
        what = "Input" if dtype is None else "Optional"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {what} dtype must be either a "
            f"floating point or complex dtype. Got: {target.type_name}"
        )
    return accumulate(x, target, lambda v: L.mean(v, axes, keepdim))


@operator("mean(Tensor self, *, ScalarType? dtype=None) -> Tensor", ref=np.mean)
def mean(self, dtype):
    """Mean of all elements of a floating tensor."""
    return _mean(self, dtype, wrap_dims(None, self.ndim), False)


@operator(
    "mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    node="MeanBackward1",
    ref=np.mean,
)
def mean_dim(self, dim, keepdim, dtype):
    """Mean over dimensions."""
    return _mean(self, dtype, wrap_dims(dim, self.ndim), keepdim)


@operator("prod(Tensor self, *, ScalarType? dtype=None) -> Tensor", ref=np.prod)
def prod(self, dtype):
    """Product of all elements; integers multiply in int64."""
    return accumulate(self, _sum_dtype(self, dtype), L.prod)


@operator(
    "prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    node="ProdBackward1",
    ref=np.prod,
)
def prod_dim(self, dim, keepdim, dtype):
    """Product over one dimension."""
    axes = wrap_dims((dim,), self.ndim)
    return accumulate(self, _sum_dtype(self, dtype), lambda x: L.prod(x, axes, keepdim))


# ------------------------------------------------------------------------------- logic
def _logic(name, function, doc, ref):
    def whole(self):
        return _as_logical(self, function(self))

    def one(self, dim, keepdim):
        return _as_logical(self, function(self, wrap_dims((dim,), self.ndim), keepdim))

    def several(self, dim, keepdim):
        return _as_logical(self, function(self, wrap_dims(dim, self.ndim), keepdim))

    whole.__doc__ = one.__doc__ = several.__doc__ = doc
    operator(f"{name}(Tensor self) -> Tensor", differentiable=False, ref=ref)(whole)
    operator(
        f"{name}.dim(Tensor self, int dim, bool keepdim=False) -> Tensor",
        differentiable=False,
        ref=ref,
    )(one)
    operator(
        f"{name}.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor",
        differentiable=False,
        ref=ref,
    )(several)


def _as_logical(x, found):
    """uint8 answers in uint8, everything else in bool."""
    return L.cast(found, dtypes.uint8) if x.dtype is dtypes.uint8 else found


_logic("any", L.any_, "Is one element nonzero?", np.any)
_logic("all", L.all_, "Are all elements nonzero?", np.all)


# ----------------------------------------------------------------------------- extremes
def _nonempty(x, axes, name):
    for a in axes:
        if x.shape[a] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {a} to have non-zero size.")


def _check_nonempty(x, name):
    if numel(x.shape) == 0:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
            "Specify the reduction dim with the 'dim' argument."
        )


def _ordered(x, name):
    if x.dtype.is_complex:
        raise RuntimeError(f"\"{name}_all\" not implemented for '{x.dtype.type_name}'")


def _extreme(name, reduce, index_of, elementwise, doc, ref):
    def whole(self):
        _check_nonempty(self, name)
        _ordered(self, name)
        return reduce(self)

    def along(self, dim, keepdim):
        _ordered(self, name)
        return at_index(self, dim, keepdim, index_of, name)

    whole.__doc__ = f"{doc} of all elements."
    along.__doc__ = f"{doc} along a dimension, and where it is (the first of equals)."
    operator(f"{name}(Tensor self) -> Tensor", node=f"{name.capitalize()}Backward1", ref=ref)(whole)
    operator(
        f"{name}.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
        node=f"{name.capitalize()}Backward0",
        vjp=to_picked,
    )(along)
    composite_other(name, elementwise)

    def many(self, dim, keepdim):
        _ordered(self, name)
        axes = wrap_dims(dim, self.ndim)
        _nonempty(self, axes, "a" + name) if dim else _check_nonempty(self, "a" + name)
        return reduce(self, axes, keepdim)

    many.__doc__ = f"{doc} over dimensions; equal ones share the gradient."
    operator(
        f"a{name}(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor",
        vjp=_share_evenly,
        ref=ref,
        masks=True,
    )(many)


def _share_evenly(grads, outputs, self, dim, keepdim):
    """Equal extremes share the cotangent.  (Values that changed since share 0 / 0.)"""
    axes = wrap_dims(dim, self.ndim)
    kept = [1 if d in axes else n for d, n in enumerate(self.shape)]
    g, top = (L.broadcast(L.reshape(v, kept), self.shape) for v in (grads[0], outputs[0]))
    hits = L.cast(L.eq(self, top), self.dtype)
    return {"self": g * hits / L.broadcast(L.sum_(hits, axes, keepdim=True), self.shape)}


def composite_other(name, elementwise):
    """max(x, y) and min(x, y) are maximum and minimum."""

    def other(self, other):
        common = result_type([(self.dtype, self.ndim), (other.dtype, other.ndim)])
        return elementwise(L.cast(self, common), L.cast(other, common))

    other.__doc__ = f"Elementwise {name} of two tensors."
    operator(
        f"{name}.other(Tensor self, Tensor other) -> Tensor",
        node=f"{name.capitalize()}imumBackward0",
    )(other)


def at_index(x, dim, keepdim, index_of, name):
    """(values, indices) of an extreme along a dimension."""
    d = wrap_dim(dim, x.ndim)
    if not x.ndim:
        return x, L.const(x.graph, 0, dtypes.int64, ())
    if x.shape[d] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
    index = L.unsqueeze(index_of(x, d), d)
    values = L.take_along(x, index, d)
    if not keepdim:
        values, index = L.drop_axis(values, d), L.drop_axis(index, d)
    return values, index


def to_picked(grads, outputs, self, dim, keepdim=True, **rest):
    """A `vjp`: the cotangent of values goes to the elements whose indices came with them."""
    g, index = grads[0], outputs[1]
    if g is None or not self.ndim:
        return {"self": g}
    d = wrap_dim(dim, self.ndim)
    if not keepdim:
        g, index = L.unsqueeze(g, d), L.unsqueeze(index, d)
    return {"self": L.put_along(L.like(self, 0), index, g, d, "add")}


_extreme("max", L.max_, L.argmax, L.maximum, "Maximum", np.max)
_extreme("min", L.min_, L.argmin, L.minimum, "Minimum", np.min)


@composite("function,method,out", out="exact")
def aminmax(input, *, dim=None, keepdim=False):
    """Minimum and maximum over a dimension (or all), as (min, max)."""
    from_all = dim is None
    if from_all and input.numel() == 0:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation "
            "has no identity."
        )
    dims = () if from_all else (dim,)
    return T.return_type("aminmax", ("min", "max"))(
        T.amin(input, dims, keepdim), T.amax(input, dims, keepdim)
    )


def _arg(name, index_of, doc, ref):
    def body(self, dim, keepdim):
        if self.dtype.is_complex:
            raise RuntimeError(f"\"{name}_cpu\" not implemented for '{self.dtype.type_name}'")
        if dim is None:
            if numel(self.shape) == 0:
                raise IndexError(
                    f"{name}(): Expected reduction dim to be specified for input.numel() == 0."
                )
            found = index_of(L.reshape(self, (numel(self.shape),)), 0)
            return L.reshape(found, (1,) * self.ndim) if keepdim else found
        d = wrap_dim(dim, self.ndim)
        if not self.ndim:
            return L.const(self.graph, 0, dtypes.int64, ())
        if self.shape[d] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
        found = index_of(self, d)
        return L.unsqueeze(found, d) if keepdim else found

    body.__doc__ = doc
    operator(
        f"{name}(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
        differentiable=False,
        ref=ref,
    )(body)


_arg("argmax", L.argmax, "Index of the maximum (of the flattened tensor without `dim`).", np.argmax)
_arg("argmin", L.argmin, "Index of the minimum (of the flattened tensor without `dim`).", np.argmin)


@operator(
    "count_nonzero(Tensor self, int[]? dim=None) -> Tensor",
    differentiable=False,
    variants="function,method",
    ref=np.count_nonzero,
)
def count_nonzero(self, dim):
    """Number of nonzero elements, over dimensions or all."""
    axes = wrap_dims(dim, self.ndim)
    nonzero = L.ne(self, L.like(self, 0))
    return L.sum_(L.cast(nonzero, dtypes.int64), axes)


# --------------------------------------------------------------------- variance, logsumexp
def variance(x, axes, correction, keepdim):
    """(variance, mean) over axes with `correction` subtracted from the count."""
    count = numel([x.shape[a] for a in axes])
    average = L.mean(x, axes, True)
    difference = x - L.broadcast(average, x.shape)
    squares = difference * L.conjugate(difference)
    total = L.sum_(L.real(squares), axes, keepdim)
    left = max(count - correction, 0)
    spread = total / L.like(total, left) if left else total / L.like(total, 0.0)
    if not keepdim:
        average = L.reshape(average, [n for i, n in enumerate(x.shape) if i not in axes])
    return spread, average


def _statistics(self, dim, correction, keepdim):
    if self.dtype.category < dtypes.FLOAT:
        raise RuntimeError("std and var only support floating point and complex dtypes")
    axes = wrap_dims(dim, self.ndim)
    wide = dtypes.OPMATH.get(self.dtype, self.dtype)
    spread, average = variance(
        L.cast(self, wide), axes, 1 if correction is None else correction, keepdim
    )
    return spread, average, self.dtype.to_real(), self.dtype


_ARGUMENTS = "int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False"


@operator(
    f"_var(Tensor self, {_ARGUMENTS}) -> Tensor",
    structural=("correction",),
    variants="internal",
    node="VarBackward0",
)
def var_(self, dim, correction, keepdim):
    """Variance over dimensions, Bessel-corrected unless `correction` says otherwise."""
    spread, _, real, _ = _statistics(self, dim, correction, keepdim)
    return L.cast(spread, real)


@operator(
    f"_std(Tensor self, {_ARGUMENTS}) -> Tensor",
    structural=("correction",),
    variants="internal",
    node="StdBackward0",
    vjp=lambda grads, outputs, self, dim, correction, keepdim: _std_gradient(
        grads[0], outputs[0], self, dim, correction, keepdim
    ),
)
def std_(self, dim, correction, keepdim):
    """Square root of the variance."""
    spread, _, real, _ = _statistics(self, dim, correction, keepdim)
    return L.cast(L.sqrt(spread), real)


def _std_gradient(g, out, self, dim, correction, keepdim):
    axes = wrap_dims(dim, self.ndim)
    kept = [1 if i in axes else n for i, n in enumerate(self.shape)]
    count = numel([self.shape[a] for a in axes])
    left = max(count - (1 if correction is None else correction), 0)
    wide = dtypes.OPMATH.get(self.dtype, self.dtype)
    g, out, x = (L.cast(v, wide.to_real() if v is not self else wide) for v in (g, out, self))
    scale = L.where(L.eq(out, L.like(out, 0)), L.like(g, 0), g / (out * left if left else out * 0))
    difference = x - L.broadcast(L.mean(x, axes, True), x.shape)
    scale = L.broadcast(L.reshape(scale, kept), x.shape)
    if x.dtype.is_complex:
        scale = L.make_complex(scale, L.like(scale, 0))
    return {"self": L.cast(difference * scale, self.dtype)}


def _deviation(input, internal, dim, unbiased, correction, keepdim):
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = 1 if unbiased else 0
    dims = (dim,) if isinstance(dim, int) else dim
    return internal(input, dims, correction=correction, keepdim=keepdim)


@composite("function,method,out")
def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Variance over dimensions; ``correction=1`` (Bessel) by default."""
    return _deviation(input, T._var, dim, unbiased, correction, keepdim)


@composite("function,method,out")
def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Standard deviation over dimensions; ``correction=1`` by default."""
    return _deviation(input, T._std, dim, unbiased, correction, keepdim)


def _mean_too(input, dim, keepdim):
    dims = (dim,) if isinstance(dim, int) and not isinstance(dim, bool) else dim
    return T.mean(input, None if isinstance(dim, bool) else dims, keepdim)


@operator(
    f"_var_mean(Tensor self, {_ARGUMENTS}) -> (Tensor, Tensor)",
    structural=("correction",),
    variants="internal",
    node="VarMeanBackward0",
)
def var_mean_(self, dim, correction, keepdim):
    """(variance, mean) over dimensions."""
    spread, average, real, plain = _statistics(self, dim, correction, keepdim)
    return L.cast(spread, real), L.cast(average, plain)


@composite("function")
def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """(variance, mean) over dimensions."""
    return _deviation(input, T._var_mean, dim, unbiased, correction, keepdim)


@composite("function")
def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """(standard deviation, mean) over dimensions."""
    return T.std(input, dim, unbiased, keepdim, correction=correction), _mean_too(
        input, dim, keepdim
    )


def _logsumexp_gradient(grads, outputs, self, dim, keepdim):
    axes = wrap_dims(dim, self.ndim)
    kept = [1 if i in axes else n for i, n in enumerate(self.shape)]
    g, out = (L.broadcast(L.reshape(v, kept), self.shape) for v in (grads[0], outputs[0]))
    return {"self": g * L.conjugate(L.exp(self - out))}


@operator(
    "logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
    aliases=("special.logsumexp",),
    vjp=_logsumexp_gradient,
)
def logsumexp(self, dim, keepdim):
    """``log(sum(exp(x)))`` over dimensions without overflow."""
    axes = wrap_dims(dim, self.ndim)
    dtype = self.dtype if self.dtype.category >= dtypes.FLOAT else get_default_dtype()
    wide = dtypes.OPMATH.get(dtype, dtype)
    x = L.cast(self, wide)
    if not numel(x.shape):
        return L.cast(L.log(L.sum_(L.exp(x), axes, keepdim)), dtype)
    top = L.max_(L.real(x), axes, True)
    top = L.where(L.eq(L.abs_(top), L.like(top, float("inf"))), L.like(top, 0), top)
    shift = L.make_complex(top, L.like(top, 0)) if x.dtype.is_complex else top
    total = L.sum_(L.exp(x - L.broadcast(shift, x.shape)), axes, keepdim)
    return L.cast(L.log(total) + L.reshape(shift, total.shape), dtype)
