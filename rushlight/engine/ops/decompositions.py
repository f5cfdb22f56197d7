"""Singular value decomposition."""

from ..base import dtypes
from ..ir import lang as L
from .record import T, composite, operator


def _shapes(a, full):
    *batch, m, n = a.shape
    k = min(m, n)
    return (*batch, m, m if full else k), (*batch, k), (*batch, n if full else k, n)


@operator(
    "_linalg_svd(Tensor A, bool full_matrices=False) -> (Tensor U, Tensor S, Tensor Vh)",
    variants="internal",
    node="LinalgSvdBackward0",
    vjp=lambda grads, outputs, A, full_matrices: {"A": _gradient(grads, outputs, A)},
)
def linalg_svd(A, full_matrices):
    """A = U diag(S) Vh with S falling; A (*, m, n), floating or complex."""
    if A.ndim < 2:
        raise RuntimeError("linalg.svd: The input tensor A must have at least 2 dimensions.")
    if A.dtype.category < dtypes.FLOAT or A.dtype in dtypes.HALVES:
        raise RuntimeError(
            f"linalg.svd: Low precision dtypes not supported. Got {A.dtype.type_name}"
        )
    u, s, vh = _shapes(A, full_matrices)
    results = ((u, A.dtype), (s, A.dtype.to_real()), (vh, A.dtype))
    return L.host("svd", [A], results, full_matrices=full_matrices)


def _hermitian(x):
    return L.transpose(L.conjugate(x))


def _gradient(grads, outputs, a):
    """Townsend (2016), Differentiating the singular value decomposition; gauge as in PyTorch."""
    u, s, vh = outputs
    gu, gs, gvh = grads
    k = s.shape[-1]
    u, vh = L.slice_axis(u, u.ndim - 1, 0, k), L.slice_axis(vh, vh.ndim - 2, 0, k)
    s = L.make_complex(s, L.like(s, 0)) if a.dtype.is_complex else s
    row = L.broadcast(L.unsqueeze(s, s.ndim - 1), (*s.shape, k))  # s_j at [i, j]
    column = L.transpose(row)
    same = L.eq(L.arange_along(row, row.ndim - 2), L.arange_along(row, row.ndim - 1))
    gap = L.where(same, L.like(row, 1), row * row - column * column)
    inner = L.where(same, _diagonal(gs, row), L.like(row, 0)) if gs is not None else L.like(row, 0)
    if gu is not None:
        gu = L.slice_axis(gu, gu.ndim - 1, 0, k)
        overlap = L.dot(_hermitian(u), gu)
        inner = inner + (overlap - _hermitian(overlap)) / gap * row
        if a.dtype.is_complex:
            inner = inner + L.where(same, overlap, L.like(overlap, 0)) / (row * 2)
    if gvh is not None:
        gvh = L.slice_axis(gvh, gvh.ndim - 2, 0, k)
        overlap = L.dot(vh, _hermitian(gvh))
        inner = inner + column * ((overlap - _hermitian(overlap)) / gap)
    left = L.dot(u, inner)
    if gu is not None and u.shape[-2] > k:
        rest = gu - L.dot(u, L.dot(_hermitian(u), gu))
        left = left + rest / _columns(s, rest)
    found = L.dot(left, vh)
    if gvh is not None and vh.shape[-1] > k:
        rest = gvh - L.dot(L.dot(gvh, _hermitian(vh)), vh)
        found = found + L.dot(u / _columns(s, u), rest)
    return found


def _diagonal(gs, like):
    g = L.cast(gs, like.dtype)
    return L.broadcast(L.unsqueeze(g, g.ndim - 1), like.shape)


def _columns(s, like):
    return L.broadcast(L.unsqueeze(s, s.ndim - 1), like.shape)


@composite("linalg,out", name="svd")
def _svd_of_linalg(A, full_matrices=True, *, driver=None):
    """Singular value decomposition ``A = U diag(S) Vh``.

    Args:
        A: (*, m, n), float32, float64 or complex.
        full_matrices: square U and Vh.
    """
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with "
            "cuSOLVER backend."
        )
    found = T._linalg_svd(A, full_matrices)
    return T.return_type("linalg_svd", ("U", "S", "Vh"))(*found)


@composite("linalg,out", name="svdvals")
def _svdvals(A, *, driver=None):
    """Singular values, largest first."""
    return T._linalg_svd(A, False)[1]


@composite("function,method,out")
def svd(input, some=True, compute_uv=True):
    """Singular value decomposition ``input = U diag(S) V^H`` (V, where torch.linalg gives Vh)."""
    U, S, Vh = T._linalg_svd(input, not some and compute_uv)
    if not compute_uv:
        *batch, m, n = input.shape
        U, Vh = U.new_zeros((*batch, m, m)), Vh.new_zeros((*batch, n, n))
    V = Vh.transpose(-2, -1)
    V = V.conj() if V.is_complex() else V
    return T.return_type("svd", ("U", "S", "V"))(U, S, V)
