"""Matrix decompositions and solvers for the `host` primitive: NumPy's LAPACK, and what it lacks.

Arrays are batches of matrices; every function returns a tuple.  A function with `check` raises
LinAlgError for a matrix it cannot handle; without, `info` numbers the first bad pivot, from 1.
"""

import numpy as np

from ...base.errors import LinAlgError

TABLE: dict = {}


def host_function(function):
    TABLE[function.__name__] = function
    return function


def _each(function, arrays, outs):
    """Run `function` on every matrix of the batch, writing its results into `outs`."""
    for place in np.ndindex(arrays[0].shape[:-2]):
        found = function(*(a[place] for a in arrays))
        for out, value in zip(outs, found, strict=True):
            out[place] = value
    return tuple(outs)


def _batch_text(place):
    return f"(Batch element {int(np.ravel_multi_index(place[0], place[1]))}): " if place[1] else ""


def _refuse(name, info, message):
    """Raise for the first matrix with an info other than 0."""
    bad = np.argwhere(np.atleast_1d(info) != 0)
    place = tuple(bad[0])
    where = _batch_text((place, info.shape)) if info.ndim else ""
    raise LinAlgError(f"{name}: {where}{message.format(int(np.atleast_1d(info)[place]))}")


_SINGULAR = (
    "The diagonal element {} is zero, the inversion could not be completed because the input "
    "matrix is singular."
)
_UNSOLVABLE = "The solver failed because the input matrix is singular."
_INDEFINITE = (
    "The factorization could not be completed because the input is not positive-definite (the "
    "leading minor of order {} is not positive-definite)."
)


# --------------------------------------------------------------------------- LU and triangles
def _lu_in_place(a, order):
    """Partial pivoting, right-looking, in blocks; returns the row exchanges."""
    m, n = a.shape
    pivots = np.arange(min(m, n))
    width = 32
    for start in range(0, min(m, n), width):
        stop = min(start + width, min(m, n))
        _panel(a, order, pivots, start, stop)
        if stop < n:
            block = a[start:stop, start:stop]
            a[start:stop, stop:] = _forward(block, a[start:stop, stop:], True)
            a[stop:, stop:] -= a[stop:, start:stop] @ a[start:stop, stop:]
    return pivots


def _panel(a, order, pivots, start, stop):
    for j in range(start, stop):
        p = j + int(np.argmax(np.abs(a[j:, j].real) + np.abs(a[j:, j].imag)))
        pivots[j] = p
        if p != j:
            a[[j, p]] = a[[p, j]]
            order[[j, p]] = order[[p, j]]
        if a[j, j] != 0:
            a[j + 1 :, j] /= a[j, j]
        a[j + 1 :, j + 1 : stop] -= np.outer(a[j + 1 :, j], a[j, j + 1 : stop])


def _lu_matrix(x):
    a = np.array(x)
    order = np.arange(a.shape[0])
    pivots = _lu_in_place(a, order)
    zero = np.flatnonzero(np.diagonal(a) == 0)
    return a, pivots + 1, order, int(zero[0]) + 1 if zero.size else 0


@host_function
def lu(x, check):
    """(LU in one matrix, pivots from 1, permutation p with x[p] = L U, info)."""
    batch, (m, n) = x.shape[:-2], x.shape[-2:]
    outs = (
        np.empty_like(x),
        np.empty((*batch, min(m, n)), np.int32),
        np.empty((*batch, m), np.int64),
        np.zeros(batch, np.int32),
    )
    found = _each(_lu_matrix, [x], outs)
    if check and np.any(found[3]):
        _refuse("torch.linalg.lu_factor", found[3], "U[{0},{0}] is zero and using it on lu_solve "
                "would result in a division by zero.")  # fmt: skip
    return found


def _forward(a, b, unit):
    """a^-1 b for lower triangular a (batched), halving until the blocks are small."""
    n = a.shape[-1]
    if n > 24:
        h = n // 2
        top = _forward(a[..., :h, :h], b[..., :h, :], unit)
        rest = b[..., h:, :] - a[..., h:, :h] @ top
        return np.concatenate([top, _forward(a[..., h:, h:], rest, unit)], -2)
    out = np.array(b)
    for i in range(n):
        if not unit:
            out[..., i, :] /= a[..., i, i, None]
        if i + 1 < n:
            out[..., i + 1 :, :] -= a[..., i + 1 :, i, None] * out[..., i, None, :]
    return out


@host_function
def solve_triangular(a, b, upper, unit):
    """a^-1 b, reading one triangle of a."""
    if upper:  # upside down it is lower
        flipped = _forward(a[..., ::-1, ::-1], b[..., ::-1, :], unit)
        return (np.ascontiguousarray(flipped[..., ::-1, :]),)
    return (_forward(a, b, unit),)


def _info(x):
    """LU's info of every matrix."""
    out = np.zeros(x.shape[:-2], np.int32)
    for place in np.ndindex(out.shape):
        out[place] = _lu_matrix(x[place])[3]
    return out


@host_function
def inv(x, check):
    """(inverse, info)."""
    info = np.zeros(x.shape[:-2], np.int32)
    try:
        return np.linalg.inv(x), info
    except np.linalg.LinAlgError:
        info = _info(x)
        if check:
            _refuse("linalg.inv", info, _SINGULAR)
    out = np.array(x)
    for place in np.argwhere(info == 0):
        out[tuple(place)] = np.linalg.inv(x[tuple(place)])
    return out, info


@host_function
def solve(a, b, check):
    """(a^-1 b, info)."""
    info = np.zeros(a.shape[:-2], np.int32)
    try:
        return np.linalg.solve(a, b), info
    except np.linalg.LinAlgError:
        info = _info(a)
        if check:
            _refuse("torch.linalg.solve", info, _UNSOLVABLE)
    out = np.array(b)
    for place in np.argwhere(info == 0):
        out[tuple(place)] = np.linalg.solve(a[tuple(place)], b[tuple(place)])
    return out, info


# -------------------------------------------------------------------------------- determinants
@host_function
def det(x):
    return (np.asarray(np.linalg.det(x)),)


@host_function
def slogdet(x):
    sign, log = np.linalg.slogdet(x)
    return np.asarray(sign), np.asarray(log)


@host_function
def cofactor(x):
    """det(x) * inv(x).T from the singular values, so that singular matrices have theirs too."""
    n = x.shape[-1]
    if n == 0:
        return (x,)
    u, s, vh = np.linalg.svd(x)
    others = np.stack(
        [np.prod(np.delete(s, i, -1), -1) for i in range(n)], -1
    )  # without dividing by small ones
    turn = np.asarray(np.linalg.det(u) * np.linalg.det(vh))
    middle = (u.conj() * others[..., None, :]) @ vh.conj()
    return ((turn[..., None, None] * middle).astype(x.dtype),)


# ------------------------------------------------------------------------------ factorizations
def _cholesky_info(x):
    """Order of the first leading minor that is not positive definite; 0 if all are."""
    for k in range(1, x.shape[-1] + 1):
        try:
            np.linalg.cholesky(x[:k, :k])
        except np.linalg.LinAlgError:
            return k
    return 0


@host_function
def cholesky(x, upper, check):
    """(lower triangular factor, info); reads the lower or the upper triangle."""
    if upper:
        x = np.swapaxes(x.conj(), -1, -2)
    info = np.zeros(x.shape[:-2], np.int32)
    try:
        return np.linalg.cholesky(x), info
    except np.linalg.LinAlgError:
        for place in np.ndindex(info.shape):
            info[place] = _cholesky_info(x[place])
        if check:
            _refuse("linalg.cholesky", info, _INDEFINITE)
    out = np.tril(x)
    for place in np.argwhere(info == 0):
        out[tuple(place)] = np.linalg.cholesky(x[tuple(place)])
    return out, info


@host_function
def qr(x, mode):
    """(Q, R); Q is empty in mode "r"."""
    if 0 in x.shape:
        return _empty_qr(x, mode)
    if mode == "r":
        return np.empty((0,), x.dtype), np.linalg.qr(x, "r")
    return tuple(np.linalg.qr(x, mode))


def _empty_qr(x, mode):
    *batch, m, n = x.shape
    k = m if mode == "complete" else min(m, n)
    q = np.empty((0,), x.dtype)
    if mode != "r":
        q = np.broadcast_to(np.eye(m, k, dtype=x.dtype), (*batch, m, k)).copy()
    return q, np.zeros((*batch, k, n), x.dtype)


@host_function
def geqrf(x):
    """(R above and reflectors below the diagonal, their factors tau)."""
    *batch, m, n = x.shape
    if 0 in x.shape:
        return x.copy(), np.zeros((*batch, min(m, n)), x.dtype)
    h, tau = np.linalg.qr(x, "raw")
    return np.ascontiguousarray(np.swapaxes(h, -1, -2)), tau


# ------------------------------------------------------------------- eigen- and singular values
@host_function
def svd(x, full_matrices):
    """Singular value decomposition: U, S, Vh."""
    return tuple(np.linalg.svd(x, full_matrices=full_matrices))


@host_function
def svdvals(x):
    return (np.linalg.svd(x, compute_uv=False),)


@host_function
def eigh(x, upper):
    return tuple(np.linalg.eigh(x, "U" if upper else "L"))


@host_function
def eigvalsh(x, upper):
    return (np.linalg.eigvalsh(x, "U" if upper else "L"),)


def _complex_of(x):
    return np.result_type(x.dtype, np.complex64)


@host_function
def eig(x):
    values, vectors = np.linalg.eig(x)
    kind = _complex_of(x)
    return values.astype(kind), vectors.astype(kind)


@host_function
def eigvals(x):
    return (np.linalg.eigvals(x).astype(_complex_of(x)),)


# -------------------------------------------------------------------------------- least squares
def cutoff(s, shape, atol=None, rtol=None):
    """Singular values at or below this count as 0: max(atol, rtol * largest) as PyTorch."""
    if rtol is None:
        rtol = max(shape[-2:]) * np.finfo(s.dtype).eps
        if atol is not None:
            rtol = np.where(np.asarray(atol) > 0, 0, rtol)
    largest = s.max(-1, initial=0)
    return np.maximum(0 if atol is None else atol, rtol * largest)


@host_function
def pinv(x, *tolerances, hermitian, given=()):
    """Pseudo-inverse from the singular (or, of Hermitian matrices, eigen-) values."""
    named = dict(zip(given, tolerances, strict=True))
    if hermitian:
        values, u = np.linalg.eigh(x)
        vh, size = np.swapaxes(u.conj(), -1, -2), np.abs(values)
    else:
        u, values, vh = np.linalg.svd(x, full_matrices=False)
        size = values
    kept = size > cutoff(size, x.shape, **named)[..., None]
    inverse = np.where(kept, 1 / np.where(kept, values, 1), 0)
    out = np.swapaxes(vh.conj(), -1, -2) @ (inverse[..., None] * np.swapaxes(u.conj(), -1, -2))
    return (out.astype(x.dtype),)


@host_function
def lstsq(a, b, rcond, driver):
    """(solution, residuals, rank, singular values) of the least squares problems."""
    *batch, m, n = a.shape
    solution = np.zeros((*batch, n, b.shape[-1]), b.dtype)
    residuals = np.zeros((*batch, b.shape[-1]), a.real.dtype)
    rank = np.zeros(tuple(batch), np.int64)
    values = np.zeros((*batch, min(m, n)), a.real.dtype)
    cut = np.finfo(a.dtype).eps * max(m, n) if rcond is None else rcond

    def one(matrix, right):
        x, _, count, s = np.linalg.lstsq(matrix, right, rcond=cut)
        rest = right - matrix @ x
        return x, np.sum(np.abs(rest) ** 2, 0), count, s

    return _each(one, [a, b], (solution, residuals, rank, values))


# --------------------------------------------------------------------------------- exponential
_PADE = (64764752532480000., 32382376266240000., 7771770303897600., 1187353796428800.,
         129060195264000., 10559470521600., 670442572800., 33522128640., 1323241920., 40840800.,
         960960., 16380., 182., 1.)  # fmt: skip


def _pade13(a):
    """The (13, 13) approximant of exp, good for norms below 5.4 (Higham 2005)."""
    eye = np.eye(a.shape[-1], dtype=a.dtype)
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    c = _PADE
    odd = (
        a6 @ (c[13] * a6 + c[11] * a4 + c[9] * a2) + c[7] * a6 + c[5] * a4 + c[3] * a2 + c[1] * eye
    )
    even = (
        a6 @ (c[12] * a6 + c[10] * a4 + c[8] * a2) + c[6] * a6 + c[4] * a4 + c[2] * a2 + c[0] * eye
    )
    odd = a @ odd
    return np.linalg.solve(even - odd, even + odd)


@host_function
def matrix_exp(x):
    """Scaling and squaring in float64."""
    if not x.size:
        return (x.copy(),)
    kind = np.complex128 if x.dtype.kind == "c" else np.float64
    a = x.astype(kind)
    norm = np.abs(a).sum(-2).max(-1)
    steps = np.zeros(norm.shape, int)
    finite = np.isfinite(norm) & (norm > 5)
    steps[finite] = np.ceil(np.log2(norm[finite] / 5)).astype(int)
    a = a / (2.0**steps)[..., None, None]
    out = _pade13(a)
    for k in range(int(steps.max(initial=0))):
        out = np.where((k < steps)[..., None, None], out @ out, out)
    return (out.astype(x.dtype),)


@host_function
def pivot_order(pivots, rows):
    """The permutation that the exchanges of rows i and pivots[i] - 1 make, in turn."""
    out = np.broadcast_to(np.arange(rows), (*pivots.shape[:-1], rows)).copy()
    for place in np.ndindex(pivots.shape[:-1]):
        order = out[place]
        for i, p in enumerate(pivots[place]):
            order[[i, p - 1]] = order[[p - 1, i]]
    return (out,)
