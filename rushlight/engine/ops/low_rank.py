"""Low-rank approximations from random sketches (Halko, Martinsson, Tropp 2009)."""

from .record import T, composite


def _basis(A, q, niter, M):
    """Orthonormal columns that span A's largest directions (their algorithm 4.4)."""
    R = T.randn(A.shape[-1], q, dtype=A.dtype)
    lifted = A - M if M is not None else A
    Q = T.linalg_qr(T.matmul(lifted, R))[0]
    for _ in range(niter):
        Q = T.linalg_qr(T.matmul(lifted.mH, Q))[0]
        Q = T.linalg_qr(T.matmul(lifted, Q))[0]
    return Q


@composite("function")
def svd_lowrank(A, q=6, niter=2, M=None):
    """Approximate (U, S, V) of the q largest singular values of ``A`` (or ``A - M``).

    Args:
        A: (*, m, n).
        q: how many, a little above the rank.
        niter: power iterations; 2 is usually enough.
        M: a matrix of A's shape to subtract.
    """
    m, n = A.shape[-2:]
    if M is not None:
        M = M.expand(A.shape)
    if m < n:
        A, M = A.mH, None if M is None else M.mH
    Q = _basis(A, q, niter, M)
    B = T.matmul(Q.mH, A if M is None else A - M)
    U, S, Vh = T.linalg_svd(B, full_matrices=False)
    V, U = Vh.mH, T.matmul(Q, U)
    return (V, S, U) if m < n else (U, S, V)


@composite("function")
def pca_lowrank(A, q=None, center=True, niter=2):
    """svd_lowrank of A with the mean of its columns subtracted (unless not `center`)."""
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(
            f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    if center:
        A = A - A.mean(-2, keepdim=True)
    return T.svd_lowrank(A, q, niter)
