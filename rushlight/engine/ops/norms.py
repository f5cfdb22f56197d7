"""Norms of vectors and matrices, distances, condition numbers and ranks."""

import math

from ..base import dtypes
from ..base.shapes import numel, wrap_dim, wrap_dims
from ..ir import lang as L
from .linalg_common import linalg, linalg_composite, need_floating
from .numeric import wide
from .record import T, composite

_INF = math.inf


# ------------------------------------------------------------------------------ vector norm
def _sized(x, axes, ord_, name):
    """Refuse norms without a value for nothing."""
    if numel(x.shape) and 0 not in [x.shape[a] for a in axes] or (0 <= ord_ < _INF):
        return
    if axes == tuple(range(x.ndim)):
        raise RuntimeError(
            f"{name} cannot compute the {ord_} norm on an empty tensor because the operation does "
            "not have an identity"
        )
    for a in axes:
        if x.shape[a] == 0:
            raise RuntimeError(
                f"{name} cannot compute the {ord_} norm on the dimension {a} because this "
                "dimension is empty and the operation does not have an identity"
            )


def _norm_values(x, ord_, axes, keepdim):
    size = L.abs_(x)
    if ord_ == 0:
        return L.sum_(L.cast(L.ne(x, L.like(x, 0)), size.dtype), axes, keepdim)
    if ord_ == 1:
        return L.sum_(size, axes, keepdim)
    if ord_ == 2:
        squares = L.real(x) * L.real(x)
        if x.dtype.is_complex:
            squares = squares + L.imag(x) * L.imag(x)
        return L.sqrt(L.sum_(squares, axes, keepdim))
    if abs(ord_) == _INF:
        return (L.max_ if ord_ > 0 else L.min_)(size, axes, keepdim)
    return L.pow_(L.sum_(L.pow_(size, L.like(size, ord_)), axes, keepdim), _inverse(size, ord_))


def _inverse(x, ord_):
    return L.const(x.graph, 1 / ord_, x.dtype)


def _unit(x):
    """x / |x|, 0 at 0: the sign of real numbers."""
    if not x.dtype.is_complex:
        return L.sign(x)
    return L.where(L.eq(x, 0), L.like(x, 0), x / L.cast(L.abs_(x), x.dtype))


def _vector_norm_gradient(grads, outputs, self, ord, dim, keepdim, dtype):  # noqa: A002
    axes = wrap_dims(dim, self.ndim)
    kept = [1 if i in axes else n for i, n in enumerate(self.shape)]
    x = self if dtype is None else L.cast(self, dtype)
    g, norm = (L.broadcast(L.reshape(v, kept), x.shape) for v in (grads[0], outputs[0]))
    return {"self": L.cast(_norm_slope(x, g, norm, float(ord), axes), self.dtype)}


def _norm_slope(x, g, norm, ord_, axes):
    """Cotangent of x, by PyTorch's conventions: 0 at the origin, equal extremes share."""
    size = L.abs_(x)
    if ord_ == 0:
        return L.like(x, 0)
    if ord_ == 1:
        return _unit(x) * L.cast(g, x.dtype)
    flat = L.eq(norm, L.like(norm, 0))
    if ord_ == 2:
        return x * L.cast(L.where(flat, L.like(g, 0), g / norm), x.dtype)
    if abs(ord_) == _INF:
        hits = L.cast(L.eq(size, norm) | (L.isnan(size) & L.isnan(norm)), size.dtype)
        shares = L.broadcast(L.sum_(hits, axes, True), x.shape)
        return _unit(x) * L.cast(hits / shares * g, x.dtype)
    if ord_ < 2:
        slope = L.pow_(size, L.like(size, ord_ - 1)) * L.pow_(norm, L.like(norm, 1 - ord_)) * g
        zero = L.eq(size, L.like(size, 0)) if ord_ < 1 else flat
        return _unit(x) * L.cast(L.where(zero, L.like(g, 0), slope), x.dtype)
    scale = L.where(flat, L.like(g, 0), g / L.pow_(norm, L.like(norm, ord_ - 1)))
    return x * L.cast(L.pow_(size, L.like(size, ord_ - 2)) * scale, x.dtype)


def _norm_dtype(x, dtype, name):
    if dtype is None:
        return x
    if dtype.category < dtypes.FLOAT:
        raise RuntimeError(
            f"{name}: dtype should be floating point or complex. Got {dtype.type_name}"
        )
    if x.dtype.is_complex != dtype.is_complex:
        kind = "complex" if x.dtype.is_complex else "real"
        raise RuntimeError(
            f"{name}: dtype should be {kind} for {kind} inputs, but got {dtype.type_name}"
        )
    if dtypes.promote_types(x.dtype, dtype) is not dtype:
        raise RuntimeError(
            f"{name}: the dtype of the input ({x.dtype.type_name}) should be convertible without "
            f"narrowing to the specified dtype ({dtype.type_name})"
        )
    return L.cast(x, dtype)


@linalg(
    "linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, "
    "ScalarType? dtype=None) -> Tensor",
    structural=("ord",),
    vjp=_vector_norm_gradient,
)
def linalg_vector_norm(self, ord, dim, keepdim, dtype):  # noqa: A002
    """``sum(abs(x) ** ord) ** (1 / ord)`` over dimensions; ord may be 0, inf, -inf; real result."""
    name = "linalg.vector_norm"
    need_floating(self, name)
    x = _norm_dtype(self, dtype, name)
    axes = wrap_dims(dim, x.ndim)
    _sized(x, axes, ord, name)
    if not x.ndim:
        found = _norm_values(L.reshape(wide(x), (1,)), ord, (0,), False)
    else:
        found = _norm_values(wide(x), ord, axes, keepdim)
    return L.cast(found, x.dtype.to_real())


# ------------------------------------------------------------------------------ matrix norms
def _as_tuple(dim):
    return (dim,) if isinstance(dim, int) else dim if dim is None else tuple(dim)


def _need_two(dim, input):
    dims = _as_tuple(dim)
    if len(dims) != 2:
        raise RuntimeError(
            f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(map(str, dims))}"
        )
    a, b = (wrap_dim(d, input.ndim) for d in dims)
    if a == b:
        raise RuntimeError(
            f"linalg.matrix_norm: dims must be different. Got ({dims[0]}, {dims[1]})"
        )
    return a, b


def _singular_norm(input, a, b, keepdim, combine):
    values = T.linalg_svdvals(T.movedim(input, (a, b), (-2, -1)))
    found = combine(values)
    if not keepdim:
        return found
    for d in sorted((a, b)):
        found = found.unsqueeze(d)
    return found


_SINGULAR = {
    "nuc": lambda s: s.sum(-1),
    2: lambda s: T.amax(s, -1) if s.shape[-1] else s.sum(-1),
    -2: lambda s: T.amin(s, -1),
}


@linalg_composite()
def linalg_matrix_norm(input, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):  # noqa: A002
    """Norm of matrices: "fro", "nuc", 1, -1, 2, -2, inf or -inf."""
    name = "linalg.matrix_norm"
    need_floating(input, name)
    if input.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    a, b = _need_two(dim, input)
    if ord == "fro":
        return T.linalg_vector_norm(input, 2, (a, b), keepdim, dtype=dtype)
    x = input if dtype is None else input.to(dtype)
    if ord in _SINGULAR:
        return _singular_norm(x, a, b, keepdim, _SINGULAR[ord])
    if isinstance(ord, str) or abs(ord) not in (1, _INF):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    summed, kept = (a, b) if abs(ord) == 1 else (b, a)
    sums = T.linalg_vector_norm(x, 1, (summed,), keepdim)
    if not keepdim and kept > summed:
        kept -= 1
    if ord > 0 and not sums.shape[kept]:
        return sums.sum(kept, keepdim)  # of nothing: 0
    return (T.amax if ord > 0 else T.amin)(sums, kept, keepdim)


@linalg_composite()
def linalg_norm(input, ord=None, dim=None, keepdim=False, *, dtype=None):  # noqa: A002
    """Vector norm or matrix norm, by the number of dimensions: see those."""
    dims = _as_tuple(dim)
    if dims is not None and len(dims) not in (1, 2) and ord is not None:
        raise RuntimeError(
            f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}"
        )
    if ord is None:
        return T.linalg_vector_norm(input, 2, dims, keepdim, dtype=dtype)
    if dims is None and input.ndim not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
            f"{input.ndim}D."
        )
    if dims is None:
        dims = tuple(range(input.ndim))
    if len(dims) == 2:
        return T.linalg_matrix_norm(input, ord, dims, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: Order {ord} not supported for vectors")
    return T.linalg_vector_norm(input, ord, dims, keepdim, dtype=dtype)


@composite("function,method,out")
def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """Norm over dimensions (of the flattened tensor without `dim`): a number, "fro" or "nuc"."""
    dims = _as_tuple(dim)
    if p == "nuc":
        return T.linalg_matrix_norm(
            input, "nuc", (0, 1) if dims is None else dims, keepdim, dtype=dtype
        )
    if p in ("fro", None):
        p = 2
    elif isinstance(p, str):
        raise RuntimeError(f"only valid string values are 'fro' and 'nuc', found {p}")
    return T.linalg_vector_norm(input, p, dims, keepdim, dtype=dtype)


@composite("function,method")
def dist(input, other, p=2):
    """The p-norm of ``input - other``."""
    return T.linalg_vector_norm(input - other, p)


@composite("function,method,out")
def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """Mean over dimensions of what is not NaN."""
    if input.dtype.category < dtypes.FLOAT:
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{input.dtype.type_name}"
        )
    count = T.logical_not(T.isnan(input.detach())).sum(_as_tuple(dim), keepdim)
    return T.nansum(input, _as_tuple(dim), keepdim, dtype=dtype) / count


# --------------------------------------------------------------------------- condition, rank
@linalg_composite()
def linalg_cond(input, p=None):
    """Condition number of matrices: norm times norm of the inverse (infinite where singular)."""
    name = "linalg.cond"
    need_floating(input, name)
    if input.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if p in (None, 2, -2):
        values = T.linalg_svdvals(input)
        first, last = values[..., 0], values[..., -1]
        return last / first if p == -2 else first / last
    if p not in ("fro", "nuc", 1, -1, _INF, -_INF):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    if input.shape[-1] != input.shape[-2]:
        raise RuntimeError(
            f"{name}(ord={p}): A must be batches of square matrices, but they are "
            f"{input.shape[-2]} by {input.shape[-1]} matrices"
        )
    inverse, info = T.linalg_inv_ex(input)
    product = T.linalg_matrix_norm(input, p) * T.linalg_matrix_norm(inverse, p)
    return T.where(info == 0, product, _INF)


@linalg_composite()
def linalg_matrix_rank(input, tol=None, hermitian=False, *, atol=None, rtol=None):
    """Number of singular values above ``max(atol, rtol * largest)``."""
    name = "linalg.matrix_rank"
    need_floating(input, name)
    if input.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    input = input.detach()
    if not input.numel():
        return T.zeros(input.shape[:-2], dtype=T.int64)
    values = T.linalg_eigvalsh(input).abs() if hermitian else T.linalg_svdvals(input)
    if tol is not None:
        atol, rtol = tol, 0.0
    if rtol is None:
        rtol = _default_rtol(input, atol)
    limit = T.amax(values, -1) * rtol
    if atol is not None:
        limit = T.maximum(limit, T.as_tensor(atol, dtype=values.dtype))
    return (values > limit.unsqueeze(-1)).sum(-1)


def _default_rtol(x, atol):
    """eps times the longer side; 0 where an absolute tolerance is given."""
    eps = T.finfo(x.dtype).eps * max(x.shape[-2:])
    if atol is None:
        return eps
    if T.is_tensor(atol):
        return T.where(atol > 0, 0.0, eps)
    return 0.0 if atol > 0 else eps
