"""Inverses, determinants and systems of linear equations."""

from ..base import dtypes
from ..base.shapes import broadcast_shapes
from ..ir import gradients_linalg as M
from ..ir import lang as L
from .decompositions import broadcast_batches
from .linalg_common import checked, linalg, linalg_composite, need_full_precision, need_matrix
from .record import T, composite, operator


# --------------------------------------------------------------------------------- inverses
def _inverse(x, name, check):
    x = checked(x, name, square=True)
    wanted = [(x.shape, x.dtype), (x.shape[:-2], dtypes.int32)]
    return L.host("inv", [x], wanted, check=check)


_INVERSE = dict(node="LinalgInvExBackward0")


@linalg("linalg_inv(Tensor A) -> Tensor", **_INVERSE)
def linalg_inv(A):
    """Inverses of square matrices; LinAlgError for a singular one."""
    return _inverse(A, "linalg.inv", True)[0]


@operator("inverse(Tensor self) -> Tensor", **_INVERSE)
def inverse(self):
    """Inverses of square matrices, as linalg.inv."""
    return _inverse(self, "linalg.inv", True)[0]


@linalg(
    "linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)",
    **_INVERSE,
)
def linalg_inv_ex(A, check_errors):
    """(inverse, info): info is 0, or the place (from 1) of a pivot that is 0."""
    return _inverse(A, "linalg.inv_ex", check_errors)


@operator(
    "_pinv(Tensor A, Tensor? atol, Tensor? rtol, bool hermitian) -> Tensor",
    variants="internal",
    node="LinalgPinvBackward0",
)
def pinv_(A, atol, rtol, hermitian):
    """Pseudo-inverse with tolerances as tensors."""
    x = checked(A, "linalg.pinv", square=hermitian)
    given = {k: v for k, v in (("atol", atol), ("rtol", rtol)) if v is not None}
    real = [L.cast(v, x.dtype.to_real()) for v in given.values()]
    wanted = [((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)]
    return L.host("pinv", [x, *real], wanted, hermitian=hermitian, given=tuple(given))[0]


def _tolerance(value):
    return T.as_tensor(value, dtype=T.float64) if isinstance(value, int | float) else value


@linalg_composite()
def linalg_pinv(input, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """Moore-Penrose inverse; singular values at most ``max(atol, rtol * largest)`` count as 0."""
    rtol = rtol if rcond is None else rcond
    return T._pinv(input, _tolerance(atol), _tolerance(rtol), hermitian)


@composite()
def pinverse(input, rcond=1e-15):
    """Moore-Penrose inverse, as linalg.pinv with a relative tolerance."""
    return T.linalg_pinv(input, rcond)


# ------------------------------------------------------------------------------ determinants
def _det(x, name):
    x = checked(x, name, square=True)
    return L.host("det", [x], [(x.shape[:-2], x.dtype)])[0]


def _slogdet(x, name):
    x = checked(x, name, square=True)
    batch = x.shape[:-2]
    return L.host("slogdet", [x], [(batch, x.dtype), (batch, x.dtype.to_real())])


_DET, _SLOGDET = dict(node="LinalgDetBackward0"), dict(node="LinalgSlogdetBackward0")


@linalg("linalg_det(Tensor A) -> Tensor", **_DET)
def linalg_det(A):
    """Determinants of square matrices."""
    return _det(A, "linalg.det")


@operator("det(Tensor self) -> Tensor", variants="function,method", **_DET)
def det(self):
    """Determinants of square matrices, as linalg.det."""
    return _det(self, "linalg.det")


@linalg("linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)")
def linalg_slogdet(A):
    """(sign, logarithm of the absolute value) of determinants."""
    return _slogdet(A, "linalg.slogdet")


@operator("slogdet(Tensor self) -> (Tensor sign, Tensor logabsdet)", **_SLOGDET)
def slogdet(self):
    """(sign, logarithm of the absolute value) of determinants, as linalg.slogdet."""
    return _slogdet(self, "linalg.slogdet")


@operator("logdet(Tensor self) -> Tensor", variants="function,method", node="AddBackward0")
def logdet(self):
    """Logarithm of determinants; NaN for negative ones."""
    sign, log = _slogdet(self, "logdet")
    if self.dtype.is_complex:
        return L.cast(log, self.dtype) + L.log(sign)
    return L.where(sign < 0, L.like(log, float("nan")), log)


# --------------------------------------------------------------------------------- systems
def _is_vector(a, b):
    """Does b hold one vector per matrix of a (NumPy's rule)?"""
    return b.ndim == 1 or a.ndim - 1 == b.ndim and b.shape == a.shape[:-1]


def _same_dtype(a, b, name):
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type "
            f"{a.dtype.type_name} and B of type {b.dtype.type_name} instead"
        )


def _solution(a, b, left, check, name):
    """(x, info) of a x = b, or x a = b."""
    checked(a, name, square=True)
    _same_dtype(a, b, name)
    vector = _is_vector(a, b)
    if vector and not left:
        raise RuntimeError(
            f"{name}: Vector broadcasting of the left hand side is not supported for left=False. "
            f"In this case linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    b = L.unsqueeze(b, b.ndim) if vector else b
    _conformable(a, b, left, name)
    a, b = broadcast_batches(*((a, b) if left else (L.transpose(a), L.transpose(b))))
    wanted = [(b.shape, b.dtype), (a.shape[:-2], dtypes.int32)]
    x, info = L.host("solve", [a, b], wanted, check=check)
    if vector:
        x = L.drop_axis(x, x.ndim - 1)
    return (x if left else L.transpose(x)), info


def _conformable(a, b, left, name):
    need_matrix(b, name, "B")
    if a.shape[-1] != b.shape[-2 if left else -1]:
        relation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {relation} "
            f"({a.shape[-2]}x{a.shape[-1]} and {b.shape[-2]}x{b.shape[-1]})"
        )
    broadcast_shapes(a.shape[:-2], b.shape[:-2])


@linalg("linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor",
        node="LinalgSolveExBackward0")  # fmt: skip
def linalg_solve(A, B, left):
    """Solution of ``A X = B`` (``X A = B`` unless left) for invertible A; B may be vectors."""
    return _solution(A, B, left, True, "linalg.solve")[0]


@linalg(
    "linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False)"
    " -> (Tensor result, Tensor info)"
)
def linalg_solve_ex(A, B, left, check_errors):
    """(solution, info): info is 0, or the place (from 1) of a pivot that is 0."""
    return _solution(A, B, left, check_errors, "linalg.solve_ex")


@linalg(
    "linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, "
    "bool unitriangular=False) -> Tensor"
)
def linalg_solve_triangular(self, B, upper, left, unitriangular):
    """Solution of ``A X = B`` (``X A = B`` unless left) for a triangle of A."""
    name = "linalg.solve_triangular"
    checked(self, name, square=True)
    _same_dtype(self, B, name)
    _conformable(self, B, left, name)
    if left:
        return M.solve_triangular(*broadcast_batches(self, B), upper, unitriangular)
    b, a = broadcast_batches(B, self)
    return M.solve_triangular_right(b, a, upper, unitriangular)


@operator(
    "triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, "
    "bool unitriangular=False) -> (Tensor solution, Tensor cloned_coefficient)"
)
def triangular_solve(self, A, upper, transpose, unitriangular):
    """(solution of ``A X = self``, A); `transpose` solves with A's conjugate transpose."""
    if self.ndim < 2:
        raise RuntimeError("torch.triangular_solve: Expected b to have at least 2 dimensions, but "
                           f"it has {self.ndim} dimensions instead")  # fmt: skip
    checked(A, "torch.triangular_solve", square=True)
    a, b = broadcast_batches(A, self)
    if transpose:
        return M.solve_triangular(M.adjoint(a), b, not upper, unitriangular), a
    return M.solve_triangular(a, b, upper, unitriangular), a


# ---------------------------------------------------------------------------- least squares
@operator(
    "_lstsq(Tensor A, Tensor B, float? rcond, str driver)"
    " -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)",
    structural=("rcond",),
    variants="internal",
    node="LinalgLstsqBackward0",
)
def lstsq_(A, B, rcond, driver):
    """Everything of the least squares problem, whether the driver reports it or not."""
    *batch, m, n = A.shape
    k = B.shape[-1]
    real = A.dtype.to_real()
    wanted = [
        ((*batch, n, k), A.dtype),
        ((*batch, k), real),
        (tuple(batch), dtypes.int64),
        ((*batch, min(m, n)), real),
    ]
    return L.host("lstsq", [A, B], wanted, rcond=rcond, driver=driver)


_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


def _check_lstsq(A, B, driver):
    name = "torch.linalg.lstsq"
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if B.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    need_full_precision(A, name)
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype "
            f"{A.dtype.type_name} and other's dtype {B.dtype.type_name}"
        )
    if not 0 <= A.ndim - B.ndim <= 1:
        raise RuntimeError(
            f"{name}: input.dim() must be greater or equal to other.dim() and "
            "(input.dim() - other.dim()) <= 1"
        )
    if driver not in _DRIVERS:
        raise RuntimeError(
            f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"
        )


@linalg_composite("internal,out")
def linalg_lstsq(A, B, rcond=None, *, driver=None):
    """Least squares solution of ``A X = B``.

    Args:
        A: (*, m, n); B: (*, m) or (*, m, k).
        rcond: singular values at most ``rcond * largest`` count as 0.
        driver: "gels", "gelsy" (default), "gelsd" or "gelss": which of residuals, rank and
            singular values are reported (the others are empty).
    """
    driver = driver or "gelsy"
    _check_lstsq(A, B, driver)
    vector = B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]
    right = B.unsqueeze(-1) if vector else B
    if A.shape[-2] != right.shape[-2]:
        raise RuntimeError("torch.linalg.lstsq: input.size(-2) should match other.size(-2)")
    batch = broadcast_shapes(A.shape[:-2], right.shape[:-2])
    A = A.expand(*batch, *A.shape[-2:])
    right = right.expand(*batch, *right.shape[-2:])
    solution, residuals, rank, values = T._lstsq(A, right, rcond, driver)
    none = A.new_empty((0,), dtype=values.dtype)
    m, n = A.shape[-2:]
    full = m > n and driver != "gelsy" and (driver == "gels" or bool((rank == n).all()))
    return T.return_type("linalg_lstsq", ("solution", "residuals", "rank", "singular_values"))(
        solution.squeeze(-1) if vector else solution,
        residuals if full else none,
        rank if driver != "gels" else T.empty((0,), dtype=T.int64),
        values if driver in ("gelsd", "gelss") else none,
    )
