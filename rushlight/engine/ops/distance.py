"""Distances and similarities between vectors, and normalization by norms."""

import math

from ..base import dtypes
from ..base.promote import get_default_dtype
from ..base.shapes import broadcast_shapes, wrap_dim
from ..ir import lang as L
from .numeric import not_implemented, number_like, wide
from .record import operator


def norm_values(x, p, axes, keepdim):
    """p-norm over axes; its gradient is 0 at 0 as in PyTorch."""
    if p == 0:
        return L.sum_(L.cast(L.ne(x, L.like(x, 0)), x.dtype.to_real()), axes, keepdim)
    size = L.abs_(x)
    if p == 1:
        return L.sum_(size, axes, keepdim)
    if math.isinf(p):
        return (L.max_ if p > 0 else L.min_)(size, axes, keepdim)
    if p == 2:
        return _safe_root(L.sum_(size * size, axes, keepdim), 0.5)
    empty = L.eq(size, L.like(size, 0))
    powers = L.where(empty, L.like(size, 0 if p > 0 else math.inf),
                     L.pow_(L.where(empty, L.like(size, 1), size), L.like(size, p)))
    return _safe_root(L.sum_(powers, axes, keepdim), 1 / p)


def _safe_root(total, exponent):
    """total ** exponent, with slope 0 where the total is 0."""
    empty = L.eq(total, L.like(total, 0))
    safe = L.where(empty, L.like(total, 1), total)
    root = L.sqrt(safe) if exponent == 0.5 else L.pow_(safe, L.like(safe, exponent))
    return L.where(empty, L.like(total, 0 if exponent > 0 else math.inf), root)


def _common(a, b):
    common = dtypes.promote_types(a.dtype, b.dtype)
    return common if common.category >= dtypes.FLOAT else get_default_dtype()


@operator("pairwise_distance(Tensor x1, Tensor x2, float p=2.0, float eps=1e-06, bool "
          "keepdim=False) -> Tensor", variants="function,nn", structural=("p", "eps"),
          node="NormBackward1")
def pairwise_distance(x1, x2, p, eps, keepdim):
    """p-norm over the last dimension of ``x1 - x2 + eps``."""
    common = _common(x1, x2)
    shape = broadcast_shapes(x1.shape, x2.shape)
    a, b = (L.broadcast(L.cast(x, common), shape) for x in (x1, x2))
    difference = wide(a - b + eps)
    last = [len(shape) - 1] if shape else []
    return L.cast(norm_values(difference, p, last, keepdim), common.to_real())


@operator("cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor",
          variants="function,nn", structural=("eps",), node="SumBackward1")
def cosine_similarity(x1, x2, dim, eps):
    """Inner product along `dim` of vectors divided by their norms (at least `eps`)."""
    common = dtypes.promote_types(x1.dtype, x2.dtype)
    if common.category != dtypes.FLOAT:
        raise RuntimeError("expected common dtype to be floating point, yet common dtype is "
                           f"{common.type_name}")
    shape = broadcast_shapes(x1.shape, x2.shape)
    axes = [wrap_dim(dim, len(shape))] if shape else []
    a, b = (L.broadcast(wide(L.cast(x, common)), shape) for x in (x1, x2))
    return L.cast(L.sum_(_unit(a, 2, axes, eps) * _unit(b, 2, axes, eps), axes), common)


def _unit(x, p, axes, eps):
    """x divided by its norm, at least eps."""
    norm = norm_values(x, p, axes, True)
    norm = L.broadcast(L.where(norm < eps, L.like(norm, eps), norm), x.shape)
    return x / (L.make_complex(norm, L.like(norm, 0)) if x.dtype.is_complex else norm)


@operator("normalize(Tensor self, float p=2.0, int dim=1, float eps=1e-12) -> Tensor",
          variants="nn,out", structural=("p", "eps"), node="DivBackward0")
def normalize(self, p, dim, eps):
    """Vectors along `dim` divided by their p-norm (at least `eps`)."""
    if self.dtype.category < dtypes.FLOAT:
        raise RuntimeError("linalg.vector_norm: Expected a floating point or complex tensor as "
                           f"input. Got {self.dtype.type_name}")
    axes = [wrap_dim(dim, self.ndim)] if self.ndim else []
    return L.cast(_unit(wide(self), p, axes, eps), self.dtype)


# --------------------------------------------------------------------------------- all pairs
@operator("cdist(Tensor x1, Tensor x2, float p=2, str? compute_mode=None) -> Tensor",
          variants="function", structural=("p",))
def cdist(x1, x2, p, compute_mode):
    """p-norm distance of each row of x1 (..., P, M) to each row of x2 (..., R, M): (..., P, R)."""
    for name, x in (("X1", x1), ("X2", x2)):
        if x.dtype.category != dtypes.FLOAT:
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: "
                               f"{x.dtype.type_name}")
        if x.ndim < 2:
            raise RuntimeError("cdist only supports at least 2D tensors, "
                               f"{name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} "
                           f"X2: {x2.shape[-1]}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    common = dtypes.promote_types(x1.dtype, x2.dtype)
    lead = broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    shape = (*lead, x1.shape[-2], x2.shape[-2], x1.shape[-1])
    a = L.broadcast(L.unsqueeze(wide(L.cast(x1, common)), x1.ndim - 1), shape)
    b = L.broadcast(L.unsqueeze(wide(L.cast(x2, common)), x2.ndim - 2), shape)
    return L.cast(_last_norm(a - b, p), common)


def _last_norm(x, p):
    if x.shape[-1] == 0:
        return L.sum_(x, [x.ndim - 1])
    return norm_values(x, p, [x.ndim - 1], False)


@operator("pdist(Tensor self, float p=2) -> Tensor", variants="function,nn", structural=("p",))
def pdist(self, p):
    """p-norm distances of rows i < j of a matrix, in order: n (n - 1) / 2 of them."""
    if self.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {self.ndim}D")
    if self.dtype.category != dtypes.FLOAT:
        raise not_implemented("pdist", self.dtype)
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    n, m = self.shape
    x = wide(self)
    rows = [_last_norm(L.broadcast(L.slice_axis(x, 0, i, i + 1), (n - 1 - i, m))
                       - L.slice_axis(x, 0, i + 1, n), p) for i in range(n - 1)]
    if not rows:
        return L.cast(L.reshape(L.slice_axis(x, 0, 0, 0), (0,)) if m else
                      L.const(x, 0, x.dtype, (0,)), self.dtype)
    return L.cast(L.concat(rows, 0), self.dtype)


# ------------------------------------------------------------------------------ limited norms
@operator("renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor",
          variants="function,method,inplace,out", structural=("p",))
def renorm(self, p, dim, maxnorm):
    """Slices along `dim` scaled down to a p-norm of at most `maxnorm`."""
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if self.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {self.ndim} dimensions")
    x = wide(self)
    axes = [d for d in range(x.ndim) if d != wrap_dim(dim, x.ndim)]
    norm = norm_values(x, p, axes, True)
    limit = number_like(maxnorm, norm)
    scale = L.broadcast(L.where(norm > limit, limit / (norm + 1e-7), L.like(norm, 1)), x.shape)
    if x.dtype.is_complex:
        scale = L.make_complex(scale, L.like(scale, 0))
    return L.cast(x * scale, self.dtype)
