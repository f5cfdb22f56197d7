"""Vector norms."""

import math

from ..base import dtypes
from ..base.shapes import numel, wrap_dims
from ..ir import lang as L
from .record import T, composite, operator


@operator(
    "_vector_norm(Tensor self, Scalar ord=2, int[]? dim=None, bool keepdim=False, *, "
    "ScalarType? dtype=None) -> Tensor",
    structural=("ord",),
    variants="internal",
    node="LinalgVectorNormBackward0",
    vjp=lambda grads, outputs, self, ord, dim, keepdim, dtype: {
        "self": _gradient(grads[0], outputs[0], self, float(ord), dim, keepdim)
    },
)
def vector_norm(self, ord, dim, keepdim, dtype):  # noqa: A002
    """``sum(|x| ** ord) ** (1 / ord)`` over dimensions; ord 0 counts, +-inf are extremes."""
    if self.dtype.category < dtypes.FLOAT and dtype is None:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{self.dtype.type_name}"
        )
    axes, ord = wrap_dims(dim, self.ndim), float(ord)  # noqa: A001
    x = L.cast(self, dtype) if dtype else self
    result = x.dtype.to_real()
    x = L.abs_(L.cast(x, dtypes.OPMATH.get(x.dtype, x.dtype)))
    if not numel([self.shape[a] for a in axes]) and (ord < 0 or math.isinf(ord)):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord:g} norm on an empty dimension because the "
            "operation does not have an identity"
        )
    return L.cast(_norm(x, ord, axes, keepdim), result)


def _norm(x, ord, axes, keepdim):  # noqa: A002
    if math.isinf(ord):
        return (L.max_ if ord > 0 else L.min_)(x, axes, keepdim)
    if ord == 0:
        return L.sum_(L.cast(L.ne(x, L.like(x, 0)), x.dtype), axes, keepdim)
    if ord == 1:
        return L.sum_(x, axes, keepdim)
    if ord == 2:
        return L.sqrt(L.sum_(x * x, axes, keepdim))
    return L.pow_(L.sum_(L.pow_(x, L.like(x, ord)), axes, keepdim), 1 / ord)


def _gradient(g, out, self, ord, dim, keepdim):  # noqa: A002
    """The subgradient 0 where the norm is 0; ties of an extreme share."""
    axes = wrap_dims(dim, self.ndim)
    kept = [1 if i in axes else n for i, n in enumerate(self.shape)]
    wide = dtypes.OPMATH.get(self.dtype, self.dtype)
    x = L.cast(self, wide)
    real = wide.to_real()
    size = L.abs_(x)
    unit = L.sign(x) if not x.dtype.is_complex else _unit(x, size)
    g, norm = (L.broadcast(L.reshape(L.cast(v, real), kept), x.shape) for v in (g, out))
    zero = L.like(size, 0)
    if ord == 0:
        slope = zero
    elif math.isinf(ord):
        hits = L.eq(size, norm)
        count = L.sum_(L.cast(hits, real), axes, keepdim=True)
        slope = L.where(hits, L.like(size, 1) / L.broadcast(count, x.shape), zero)
    elif ord == 1:
        slope = L.like(size, 1)
    else:
        ratio = size / norm
        slope = ratio if ord == 2 else L.pow_(ratio, L.like(ratio, ord - 1))
        slope = L.where(L.eq(norm, zero) | L.eq(size, zero) & (L.like(size, ord) < 1), zero, slope)
    scale = slope * g
    found = unit * (L.make_complex(scale, zero) if x.dtype.is_complex else scale)
    return L.cast(found, self.dtype)


def _unit(x, size):
    size = L.make_complex(size, L.like(size, 0))
    return L.where(L.eq(size, L.like(size, 0)), L.like(x, 0), x / size)


@composite("linalg,out", name="vector_norm")
def _linalg_vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):  # noqa: A002
    """Norm of the elements (over dimensions) seen as a vector."""
    dims = (dim,) if isinstance(dim, int) else dim
    return T._vector_norm(x, ord, dims, keepdim, dtype=dtype)


@composite("function,method")
def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """Vector norms; of matrices "fro" (the same) and "nuc"."""
    if p == "nuc":
        if dim is not None and len(dim) != 2:
            raise RuntimeError("norm: the nuclear norm needs two dimensions")
        x = input if dim is None else T.movedim(input, tuple(dim), (-2, -1))
        found = T._linalg_svd(x, False)[1].sum(-1)
        return found if not keepdim else found.unsqueeze(-1).unsqueeze(-1)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm: unknown norm {p!r}: expected a number, 'fro' or 'nuc'")
    order = 2 if p in ("fro", None) else p
    dims = (dim,) if isinstance(dim, int) else dim
    found = T._vector_norm(input, order, dims, keepdim, dtype=dtype)
    return found if out is None else out.copy_(found)


@composite()
def dist(input, other, p=2):
    """The p-norm of the difference."""
    return T._vector_norm(input - other, p)
