"""Derivatives of matrix decompositions and solvers (host functions of host_linalg.py).

Sources: Giles, "Collected matrix derivative results", 2008; Golub, Pereyra 1973 (pseudo-inverse);
Walter, Lehmann 2018 (QR, LU); Wan, Zhang 2019 (complex SVD); Al-Mohy, Higham 2009 (exponential).
Matrices are the last two axes.  For complex ones cotangents follow gradients.py's convention, so
transposes are conjugate transposes.
"""

from ..base import dtypes
from . import lang as L
from .gradients_host import host_vjp, zeros_for


# --------------------------------------------------------------------------- small matrix algebra
def adjoint(x):
    """Conjugate transpose of the matrices."""
    return L.transpose(L.conjugate(x))


def product(*factors):
    """Matrix product from left to right."""
    out = factors[0]
    for f in factors[1:]:
        out = L.dot(out, f)
    return out


def _row(x):
    return L.arange_along(x, x.ndim - 2)


def _column(x):
    return L.arange_along(x, x.ndim - 1)


def lower(x, diagonal=0):
    """Elements on and below a diagonal, zeros above."""
    return L.where(_column(x) <= _row(x) + diagonal, x, L.like(x, 0))


def upper(x, diagonal=0):
    """Elements on and above a diagonal, zeros below."""
    return L.where(_column(x) >= _row(x) + diagonal, x, L.like(x, 0))


def on_diagonal(x):
    """Where row and column agree."""
    return L.eq(_row(x), _column(x))


def diagonal(x):
    """The diagonals, (..., k)."""
    kept = L.where(on_diagonal(x), x, L.like(x, 0))
    k = min(x.shape[-2:])
    return L.slice_axis(L.sum_(kept, [x.ndim - 2]), x.ndim - 2, 0, k)


def diagonal_matrix(v):
    """Square matrices with v on the diagonal."""
    wide = L.broadcast(L.unsqueeze(v, v.ndim), (*v.shape, v.shape[-1]))
    return L.where(on_diagonal(wide), wide, L.like(wide, 0))


def identity(x, n):
    """Identity matrices of size n over x's batch."""
    ones = L.const(x.graph, 1, x.dtype, (*x.shape[:-2], n, n))
    return L.where(on_diagonal(ones), ones, L.like(ones, 0))


def columns(x, start, stop):
    return L.slice_axis(x, x.ndim - 1, start, stop)


def rows(x, start, stop):
    return L.slice_axis(x, x.ndim - 2, start, stop)


def join_columns(*parts):
    return L.concat(parts, parts[0].ndim - 1)


def join_rows(*parts):
    return L.concat(parts, parts[0].ndim - 2)


def scale_columns(x, v):
    """x @ diag(v)."""
    return x * L.broadcast(L.unsqueeze(L.cast(v, x.dtype), v.ndim - 1), x.shape)


def scale_rows(v, x):
    """diag(v) @ x."""
    return x * L.broadcast(L.unsqueeze(L.cast(v, x.dtype), v.ndim), x.shape)


def inverse(x):
    """Inverse matrices; LinAlgError at run time where there is none."""
    info = (x.shape[:-2], dtypes.int32)
    return L.host("inv", [x], [(x.shape, x.dtype), info], check=True)[0]


def solve(a, b):
    """Solution of a @ x = b."""
    return L.host("solve", [a, b], [(b.shape, b.dtype), (a.shape[:-2], dtypes.int32)], check=True)[
        0
    ]


def solve_triangular(a, b, upper, unit=False):
    """Solution of a @ x = b, reading one triangle of a (with a diagonal of ones where `unit`)."""
    params = dict(upper=upper, unit=unit)
    return L.host("solve_triangular", [a, b], [(b.shape, b.dtype)], **params)[0]


def solve_triangular_right(b, a, upper, unit=False):
    """Solution of x @ a = b."""
    return L.transpose(solve_triangular(L.transpose(a), L.transpose(b), not upper, unit))


def pseudo_inverse(a):
    """Moore-Penrose inverses with the default cutoff."""
    shape = (*a.shape[:-2], a.shape[-1], a.shape[-2])
    return L.host("pinv", [a], [(shape, a.dtype)], hermitian=False)[0]


def decompose(x, full_matrices=False):
    """(U, S, Vh) of the singular value decomposition."""
    *batch, m, n = x.shape
    k = min(m, n)
    u, v = (m, n) if full_matrices else (k, k)
    shapes = [((*batch, m, u), x.dtype), ((*batch, k), x.dtype.to_real())]
    return L.host("svd", [x], [*shapes, ((*batch, v, n), x.dtype)], full_matrices=full_matrices)


# ----------------------------------------------------------------------- inverses and solvers
@host_vjp("inv")
def _inv(grads, outs, inputs, check):
    back = adjoint(outs[0])
    return [-product(back, grads[0], back)]


@host_vjp("solve")
def _solve(grads, outs, inputs, check):
    a, _ = inputs
    to_b = solve(adjoint(a), grads[0])
    return [-product(to_b, adjoint(outs[0])), to_b]


@host_vjp("solve_triangular")
def _solve_triangular(grads, outs, inputs, upper, unit):
    a, _ = inputs
    to_b = solve_triangular(adjoint(a), grads[0], not upper, unit)
    return [_triangle(-product(to_b, adjoint(outs[0])), upper, unit), to_b]


def _triangle(x, is_upper, unit):
    return upper(x, int(unit)) if is_upper else lower(x, -int(unit))


def _pinv_gradient(g, p, a):
    """Golub, Pereyra: dP = -P dA P + P P* dA* (I - A P) + (I - P A) dA* P* P."""
    ph, gh = adjoint(p), adjoint(g)
    m, n = a.shape[-2:]
    left = identity(a, m) - product(a, p)
    right = identity(a, n) - product(p, a)
    return -product(ph, g, ph) + product(left, gh, p, ph) + product(ph, p, gh, right)


@host_vjp("pinv")
def _pinv(grads, outs, inputs, **tolerances):
    return [_pinv_gradient(grads[0], outs[0], inputs[0]), *[None] * (len(inputs) - 1)]


@host_vjp("lstsq")
def _lstsq(grads, outs, inputs, **_):
    """The solution is pinv(a) b; residuals do not feel it, being smallest there."""
    a, b = inputs
    to_solution, to_residuals = grads[:2]
    to_a = to_b = None
    if to_solution is not None:
        p = pseudo_inverse(a)
        to_b = product(adjoint(p), to_solution)
        to_a = _pinv_gradient(product(to_solution, adjoint(b)), p, a)
    if to_residuals is not None:
        rest = scale_columns((b - product(a, outs[0])) * 2, to_residuals)
        by_rest = -product(rest, adjoint(outs[0]))
        to_b = rest if to_b is None else to_b + rest
        to_a = by_rest if to_a is None else to_a + by_rest
    return [to_a, to_b]


@host_vjp("det")
def _det(grads, outs, inputs):
    x = inputs[0]
    cofactors = L.host("cofactor", [x], [(x.shape, x.dtype)])[0]
    return [_spread(grads[0], x) * L.conjugate(cofactors)]


def _spread(g, x):
    """One number per matrix to all its elements."""
    return L.broadcast(L.reshape(L.cast(g, x.dtype), (*g.shape, 1, 1)), x.shape)


@host_vjp("cofactor")
def _cofactor(grads, outs, inputs):
    """Of det(x) * inv(x).T, so where x has an inverse."""
    x, g = inputs[0], grads[0]
    t = L.transpose(inverse(x))
    det = L.host("det", [x], [(x.shape[:-2], x.dtype)])[0]
    first = L.sum_(L.conjugate(g) * t, [x.ndim - 2, x.ndim - 1])
    second = _spread(det, x) * product(t, adjoint(g), t)
    return [L.conjugate(_spread(first, x) * outs[0] - second)]


@host_vjp("slogdet")
def _slogdet(grads, outs, inputs):
    x, (to_sign, to_log) = inputs[0], grads
    if not x.dtype.is_complex:
        return [None if to_log is None else _spread(to_log, x) * adjoint(inverse(x))]
    turn = zeros_for(to_sign, outs[0]) * L.conj(outs[0])
    factor = L.make_complex(zeros_for(to_log, outs[1]), L.imag(turn))
    return [_spread(factor, x) * adjoint(inverse(x))]


# ------------------------------------------------------------------------------ factorizations
@host_vjp("cholesky")
def _cholesky(grads, outs, inputs, **_):
    factor = outs[0]
    inner = product(adjoint(factor), grads[0])
    inner = (lower(inner) + adjoint(lower(inner, -1))) * 0.5
    half = solve_triangular(adjoint(factor), inner, upper=True)
    return [solve_triangular_right(half, factor, upper=False)]


@host_vjp("qr")
def _qr(grads, outs, inputs, mode):
    q, r = outs
    m, n = inputs[0].shape[-2:]
    if mode == "complete" and m > n:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols"
        )
    gq, gr = zeros_for(grads[0], q), zeros_for(grads[1], r)
    if m >= n:
        return [_tall_qr(gq, gr, q, r)]
    # The first m columns are Q U; the rest is Q V, so V's cotangent passes to them and to Q.
    rest = columns(gr, m, n)
    gq = gq + product(columns(inputs[0], m, n), adjoint(rest))
    first = _tall_qr(gq, columns(gr, 0, m), q, columns(r, 0, m))
    return [join_columns(first, product(q, rest))]


def _tall_qr(gq, gr, q, r):
    inner = upper(product(gr, adjoint(r)) - product(adjoint(q), gq))
    inner = inner + adjoint(inner)
    inner = L.where(on_diagonal(inner), inner * 0.5, inner)
    return solve_triangular_right(gq + product(q, inner), adjoint(r), upper=False)


@host_vjp("lu")
def _lu(grads, outs, inputs, check):
    """Results: LU, pivots, the permutation p with a[p] = L U, info."""
    if grads[0] is None:
        return [None]
    lu, _, order, _ = outs
    m, n = lu.shape[-2:]
    k = min(m, n)
    g = grads[0]
    gl, gu = lower(columns(g, 0, k), -1), upper(rows(g, 0, k))
    left = lower(columns(lu, 0, k), -1) + _unit(lu, m, k)
    right = upper(rows(lu, 0, k))
    permuted = _lu_gradient(gl, gu, left, right)
    back = L.argsort(order, order.ndim - 1)
    index = L.broadcast(L.unsqueeze(back, back.ndim), permuted.shape)
    return [L.take_along(permuted, index, permuted.ndim - 2)]


def _unit(x, m, k):
    ones = L.const(x.graph, 1, x.dtype, (*x.shape[:-2], m, k))
    return L.where(on_diagonal(ones), ones, L.like(ones, 0))


def _lu_gradient(gl, gu, left, right):
    """Cotangent of the permuted matrix: the square part, then what hangs below or to the right."""
    k, m, n = left.shape[-1], left.shape[-2], right.shape[-1]
    l1, u1 = rows(left, 0, k), columns(right, 0, k)
    below = beside = None
    if m > k:
        below = solve_triangular_right(rows(gl, k, m), adjoint(u1), upper=False)
        gu = gu - upper(product(adjoint(rows(left, k, m)), below))
    if n > k:
        beside = solve_triangular(adjoint(l1), columns(gu, k, n), upper=True, unit=True)
        gl = gl - lower(product(beside, adjoint(columns(right, k, n))), -1)
    inner = lower(product(adjoint(l1), rows(gl, 0, k)), -1)
    inner = inner + upper(product(columns(gu, 0, k), adjoint(u1)))
    half = solve_triangular(adjoint(l1), inner, upper=True, unit=True)
    whole = solve_triangular_right(half, adjoint(u1), upper=False)
    if below is not None:
        whole = join_rows(whole, below)
    return whole if beside is None else join_columns(whole, beside)


# ------------------------------------------------------------------- eigen- and singular values
def _differences(v):
    """v_j - v_i at (i, j), 1 on the diagonal."""
    shape = (*v.shape, v.shape[-1])
    gap = L.broadcast(L.unsqueeze(v, v.ndim - 1), shape) - L.broadcast(
        L.unsqueeze(v, v.ndim), shape
    )
    return L.where(on_diagonal(gap), L.like(gap, 1), gap)


@host_vjp("eigh")
def _eigh(grads, outs, inputs, upper):
    values, vectors = outs
    to_values, to_vectors = grads
    if to_vectors is None:
        inner = scale_columns(vectors, to_values)
        return [product(inner, adjoint(vectors))]
    inner = _skew(product(adjoint(vectors), to_vectors)) * 0.5
    inner = inner / L.cast(_differences(values), vectors.dtype)
    diagonal_ = diagonal_matrix(L.cast(zeros_for(to_values, values), vectors.dtype))
    inner = L.where(on_diagonal(inner), diagonal_, inner)
    return [product(vectors, inner, adjoint(vectors))]


@host_vjp("eigvalsh")
def _eigvalsh(grads, outs, inputs, upper):
    x = inputs[0]
    wanted = [(outs[0].shape, outs[0].dtype), (x.shape, x.dtype)]
    _, vectors = L.host("eigh", [x], wanted, upper=upper)
    return [product(scale_columns(vectors, grads[0]), adjoint(vectors))]


@host_vjp("eig")
def _eig(grads, outs, inputs):
    values, vectors = outs
    to_values, to_vectors = grads
    back = adjoint(vectors)
    inner = diagonal_matrix(zeros_for(to_values, values))
    if to_vectors is not None:
        mixed = product(back, to_vectors)
        own = L.cast(L.real(diagonal(mixed)), mixed.dtype)
        mixed = mixed - scale_columns(product(back, vectors), own)
        mixed = mixed / L.conj(_differences(values))
        inner = L.where(on_diagonal(mixed), inner, mixed)
    found = solve(back, product(inner, back))
    return [found if inputs[0].dtype.is_complex else L.real(found)]


@host_vjp("eigvals")
def _eigvals(grads, outs, inputs):
    x = inputs[0]
    wanted = [(outs[0].shape, outs[0].dtype), (x.shape, outs[0].dtype)]
    found = L.host("eig", [x], wanted)
    return _eig([grads[0], None], found, inputs)


@host_vjp("svd")
def _svd(grads, outs, inputs, full_matrices):
    u, s, vh = outs
    gu, gs, gvh = grads
    k = s.shape[-1]
    if full_matrices:  # what lies past the singular values has no gradient
        u, vh = columns(u, 0, k), rows(vh, 0, k)
        gu = None if gu is None else columns(gu, 0, k)
        gvh = None if gvh is None else rows(gvh, 0, k)
    if gu is None and gvh is None:
        return [product(scale_columns(u, gs), vh)]
    return [_svd_gradient(gu, gs, gvh, u, s, vh)]


def _skew(x):
    return x - adjoint(x)


def _svd_gradient(gu, gs, gvh, u, s, vh):
    gaps = L.cast(_differences(s * s), u.dtype)
    m, n = u.shape[-2], vh.shape[-1]
    k = s.shape[-1]
    inner = diagonal_matrix(L.cast(zeros_for(gs, s), u.dtype))
    if gu is not None:
        turn = _skew(product(adjoint(u), gu))
        inner = inner + scale_columns(turn / gaps, s)
    if gvh is not None:
        other = _skew(product(vh, adjoint(gvh)))
        inner = inner + scale_rows(s, other / gaps)
    if gu is not None and gvh is not None and u.dtype.is_complex:
        phase = diagonal(turn) / L.cast(2 * s, u.dtype)
        inner = inner + diagonal_matrix(phase)
    out = product(u, inner)
    inverse_s = 1 / s
    if m > k and gu is not None:
        outside = scale_columns(gu, inverse_s)
        out = out + outside - product(u, adjoint(u), outside)
    out = product(out, vh)
    if n > k and gvh is not None:
        outside = scale_rows(inverse_s, gvh)
        out = out + product(u, outside - product(outside, adjoint(vh), vh))
    return out


@host_vjp("svdvals")
def _svdvals(grads, outs, inputs):
    u, _, vh = decompose(inputs[0])
    return [product(scale_columns(u, grads[0]), vh)]


# -------------------------------------------------------------------------------- exponential
@host_vjp("matrix_exp")
def _matrix_exp(grads, outs, inputs):
    """The corner block of exp([[A*, G], [0, A*]])."""
    x = adjoint(inputs[0])
    n = x.shape[-1]
    block = join_rows(join_columns(x, grads[0]), join_columns(L.like(x, 0), x))
    whole = L.host("matrix_exp", [block], [(block.shape, block.dtype)])[0]
    return [columns(rows(whole, 0, n), n, 2 * n)]
