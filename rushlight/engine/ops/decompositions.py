"""Matrix decompositions: singular values, eigenvalues, QR, Cholesky, LU, LDL, reflectors.

Values come from backends/reference/host_linalg.py, derivatives from ir/gradients_linalg.py.
"""

from ..base import dtypes
from ..base.shapes import broadcast_shapes
from ..ir import gradients_linalg as M
from ..ir import lang as L
from .derivatives import no_derivative
from .linalg_common import checked, linalg, linalg_composite
from .memory import sum_to
from .record import T, composite, operator


def _host(name, inputs, *results, **params):
    return L.host(name, inputs, results, **params)


def _values_of(x):
    return (*x.shape[:-2], min(x.shape[-2:])), x.dtype.to_real()


# ------------------------------------------------------------------------------ singular values
def _cpu_driver(driver, name):
    if driver is not None:
        raise RuntimeError(
            f"torch.{name}: keyword argument `driver=` is only supported on CUDA inputs with "
            "cuSOLVER backend."
        )


@linalg(
    "linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None)"
    " -> (Tensor U, Tensor S, Tensor Vh)"
)
def linalg_svd(A, full_matrices, driver):
    """Singular value decomposition ``A = U diag(S) Vh``, S falling.

    Args:
        A: (*, m, n), float32, float64 or complex.
        full_matrices: square U and Vh instead of (*, m, k) and (*, k, n), k = min(m, n).
    """
    _cpu_driver(driver, "linalg.svd")
    return M.decompose(checked(A, "linalg.svd"), full_matrices)


@linalg("linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor", node="LinalgSvdBackward0")
def linalg_svdvals(A, driver):
    """Singular values of matrices, falling; (*, min(m, n)), real."""
    _cpu_driver(driver, "linalg.svdvals")
    return _host("svdvals", [checked(A, "linalg.svdvals")], _values_of(A))[0]


@composite("function,method,out")
def svd(input, some=True, compute_uv=True):
    """Singular value decomposition ``input = U diag(S) V^H`` (V, where torch.linalg gives Vh)."""
    if input.ndim < 2:
        raise RuntimeError("linalg.svd: input should have at least 2 dimensions, but has "
                           f"{input.ndim} dimensions instead")  # fmt: skip
    if compute_uv:
        U, S, Vh = T.linalg_svd(input, not some)
        V = Vh.mH
    else:
        *batch, m, n = input.shape
        S = T.linalg_svdvals(input)
        U, V = input.new_zeros((*batch, m, m)), input.new_zeros((*batch, n, n))
    return T.return_type("svd", ("U", "S", "V"))(U, S, V)


# -------------------------------------------------------------------------------- eigenvalues
def _uplo(UPLO):
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper() == "U"


@linalg(
    'linalg_eigh(Tensor self, str UPLO="L") -> (Tensor eigenvalues, Tensor eigenvectors)',
    node="LinalgEighBackward0",
)
def linalg_eigh(self, UPLO):
    """Eigenvalues (real, rising) and orthonormal eigenvectors of Hermitian matrices.

    Only the triangle named by UPLO, "L" or "U", is read.
    """
    x = checked(self, "linalg.eigh", square=True)
    return _host("eigh", [x], _values_of(x), (x.shape, x.dtype), upper=_uplo(UPLO))


@linalg('linalg_eigvalsh(Tensor self, str UPLO="L") -> Tensor', node="LinalgEighBackward0")
def linalg_eigvalsh(self, UPLO):
    """Eigenvalues of Hermitian matrices, rising."""
    x = checked(self, "linalg.eigvalsh", square=True)
    return _host("eigvalsh", [x], _values_of(x), upper=_uplo(UPLO))[0]


@linalg("linalg_eig(Tensor self) -> (Tensor eigenvalues, Tensor eigenvectors)")
def linalg_eig(self):
    """Eigenvalues and right eigenvectors (columns of length 1) of square matrices, complex."""
    x = checked(self, "linalg.eig", square=True)
    kind = x.dtype.to_complex()
    return _host("eig", [x], (x.shape[:-1], kind), (x.shape, kind))


@linalg("linalg_eigvals(Tensor self) -> Tensor", node="LinalgEigBackward0")
def linalg_eigvals(self):
    """Eigenvalues of square matrices, complex, in no particular order."""
    x = checked(self, "linalg.eigvals", square=True)
    return _host("eigvals", [x], (x.shape[:-1], x.dtype.to_complex()))[0]


# ------------------------------------------------------------------------------------------ QR
@linalg('linalg_qr(Tensor A, str mode="reduced") -> (Tensor Q, Tensor R)')
def linalg_qr(A, mode):
    """``A = Q R``; mode "reduced", "complete" (square Q) or "r" (Q empty)."""
    x = checked(A, "linalg.qr")
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'"
        )
    *batch, m, n = x.shape
    k = m if mode == "complete" else min(m, n)
    q = (0,) if mode == "r" else (*batch, m, k)
    return _host("qr", [x], (q, x.dtype), ((*batch, k, n), x.dtype), mode=mode)


@composite("function,method,out")
def qr(input, some=True):
    """``input = Q R``; `some` reduced."""
    return T.return_type("qr", ("Q", "R"))(*T.linalg_qr(input, "reduced" if some else "complete"))


@operator("geqrf(Tensor self) -> (Tensor a, Tensor tau)", vjp=no_derivative("geqrf", ("self",)))
def geqrf(self):
    """QR as LAPACK keeps it: R above, reflectors below the diagonal, and their factors tau."""
    x = checked(self, "geqrf")
    tau = (*x.shape[:-2], min(x.shape[-2:]))
    return _host("geqrf", [x], (x.shape, x.dtype), (tau, x.dtype))


def _reflected(vectors, tau, target, left=True, adjoint=False):
    """The product of reflectors times target (or target times it), as I - V S V^H.

    S is upper triangular: D (I + striu(V^H V) D)^-1 with D = diag(tau) (Schreiber, Van Loan 1989).
    """
    k = tau.shape[-1]
    *_, m, n = vectors.shape
    v = M.lower(M.columns(vectors, 0, k), -1)
    ones = L.const(v.graph, 1, v.dtype, v.shape)
    v = L.where(M.on_diagonal(v), ones, v)
    overlap = M.scale_columns(M.upper(M.product(M.adjoint(v), v), 1), tau)
    inverse = M.solve_triangular(overlap, M.identity(v, k), upper=True, unit=True)
    middle = M.scale_rows(tau, inverse)
    if adjoint:
        middle = M.adjoint(middle)
    if left:
        return target - M.product(v, middle, M.adjoint(v), target)
    return target - M.product(target, v, middle, M.adjoint(v))


def _check_reflectors(a, tau, name):
    if a.shape[-2] < a.shape[-1]:
        raise RuntimeError(
            f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]"
        )
    if tau.shape[-1] > a.shape[-1]:
        raise RuntimeError(
            f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]"
        )
    if a.ndim - tau.ndim != 1 or a.shape[:-2] != tau.shape[:-1]:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau of shape "
            f"{list(tau.shape)} and input of shape {list(a.shape)}"
        )
    if a.dtype is not tau.dtype:
        raise RuntimeError(
            f"torch.{name}: tau dtype {tau.dtype.type_name} does not match input dtype "
            f"{a.dtype.type_name}"
        )


@linalg(
    "linalg_householder_product(Tensor input, Tensor tau) -> Tensor",
    node="LinalgHouseholderProductBackward0",
)
def linalg_householder_product(input, tau):
    """First columns of the product of elementary reflectors (*, m, n) with factors tau (*, k)."""
    name = "linalg.householder_product"
    x = checked(input, name)
    _check_reflectors(x, tau, name)
    m, n = x.shape[-2:]
    return _reflected(x, tau, M.columns(M.identity(x, m), 0, n))


@composite("function,method,out")
def orgqr(input, tau):
    """linalg.householder_product under its LAPACK name."""
    return T.linalg_householder_product(input, tau)


def _check_ormqr(a, tau, other, left):
    for name, found in (("input", a), ("other", other)):
        if found.ndim < 2:
            raise RuntimeError(f"torch.ormqr: {name} must have at least 2 dimensions.")
    size = other.shape[-2 if left else -1]
    if size < tau.shape[-1]:
        raise RuntimeError(
            f"torch.ormqr: other.shape[{-2 if left else -1}] must be greater than or equal to "
            "tau.shape[-1]"
        )
    if size != a.shape[-2]:
        raise RuntimeError(
            f"torch.ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2]"
        )
    if tau.shape[-1] > a.shape[-1]:
        raise RuntimeError(
            "torch.ormqr: tau.shape[-1] must be less than or equal to input.shape[-1]"
        )
    if a.ndim - tau.ndim != 1:
        raise RuntimeError(
            "torch.ormqr: Expected tau to have one dimension less than input, but got tau.ndim "
            f"equal to {tau.ndim} and input.ndim is equal to {a.ndim}"
        )
    if a.ndim != other.ndim:
        raise RuntimeError(
            "torch.ormqr: Expected other to have the same number of dimensions as input, but got "
            f"other.ndim equal to {other.ndim} and input.ndim is equal to {a.ndim}"
        )
    _check_ormqr_batches(a, tau, other)


def _check_ormqr_batches(a, tau, other):
    for name, found in (("tau", tau.shape[:-1]), ("other", other.shape[:-2])):
        if found != a.shape[:-2]:
            raise RuntimeError(
                f"torch.ormqr: Expected batch dimensions of {name} to be equal to "
                f"input.shape[:-2], but got {list(found)}"
            )
    for name, found in (("tau", tau.dtype), ("other", other.dtype)):
        if found is not a.dtype:
            raise RuntimeError(
                f"torch.ormqr: Expected input and {name} to have the same dtype, but input has "
                f"dtype {a.dtype.type_name} and {name} has dtype {found.type_name}"
            )


@operator(
    "ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, bool transpose=False)"
    " -> Tensor"
)
def ormqr(self, input2, input3, left, transpose):
    """The full product of reflectors (self, tau = input2) times input3, from the left or right."""
    _check_ormqr(self, input2, input3, left)
    return _reflected(self, input2, input3, left, transpose)


# ------------------------------------------------------------------------------------ Cholesky
def _cholesky(x, upper, check):
    results = (x.shape, x.dtype), (x.shape[:-2], dtypes.int32)
    factor, info = _host("cholesky", [x], *results, upper=upper, check=check)
    factor = M.lower(factor)
    return (M.adjoint(factor) if upper else factor), info


_CHOLESKY = dict(node="LinalgCholeskyExBackward0")


@linalg("linalg_cholesky(Tensor self, *, bool upper=False) -> Tensor", **_CHOLESKY)
def linalg_cholesky(self, upper):
    """Triangular L with ``L @ L.mH = self`` (or U with ``U.mH @ U``); LinAlgError if indefinite."""
    return _cholesky(checked(self, "linalg.cholesky", square=True), upper, True)[0]


@linalg(
    "linalg_cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False)"
    " -> (Tensor L, Tensor info)"
)
def linalg_cholesky_ex(self, upper, check_errors):
    """(factor, info): info is 0, or the order of the first indefinite leading minor."""
    return _cholesky(checked(self, "linalg.cholesky_ex", square=True), upper, check_errors)


@operator("cholesky(Tensor self, bool upper=False) -> Tensor")
def cholesky(self, upper):
    """Triangular L with ``L @ L.mH = self``, or U with ``U.mH @ U = self`` where `upper`."""
    return _cholesky(checked(self, "cholesky", square=True), upper, True)[0]


def _inverse_gradient(grads, outputs, self, upper):
    """The other triangle counts too, as in PyTorch."""
    g, inverse = grads[0], outputs[0]
    common = M.product(inverse, g + M.adjoint(g), inverse)
    return {"self": -(M.product(self, common) if upper else M.product(common, self))}


@operator("cholesky_inverse(Tensor self, bool upper=False) -> Tensor", vjp=_inverse_gradient)
def cholesky_inverse(self, upper):
    """Inverse of the matrix whose Cholesky factor this is."""
    x = checked(self, "cholesky_inverse", square=True)
    factor = M.adjoint(x) if upper else x
    inverse = M.solve_triangular(factor, M.identity(x, x.shape[-1]), upper=False)
    return M.product(M.adjoint(inverse), inverse)


def _solve_with_factor(b, factor, upper):
    factor = M.adjoint(factor) if upper else factor
    half = M.solve_triangular(factor, b, upper=False)
    return M.solve_triangular(M.adjoint(factor), half, upper=True)


def _solve_gradient(grads, outputs, self, input2, upper):
    """The other triangle counts too, as in PyTorch."""
    g, factor = broadcast_batches(grads[0], input2)
    to_self = _solve_with_factor(g, factor, upper)
    common = M.product(to_self, M.adjoint(outputs[0]))
    common = common + M.adjoint(common)
    to_factor = -(M.product(factor, common) if upper else M.product(common, factor))
    return {"self": sum_to(to_self, self.shape), "input2": sum_to(to_factor, input2.shape)}


@operator(
    "cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor", vjp=_solve_gradient
)
def cholesky_solve(self, input2, upper):
    """Solution of ``A X = self`` for the Cholesky factor input2 of A."""
    for x, name in ((self, "b"), (input2, "u")):
        if x.ndim < 2:
            raise RuntimeError(
                f"{name} should have at least 2 dimensions, but has {x.ndim} dimensions instead"
            )
    return _solve_with_factor(*broadcast_batches(self, input2), upper)


def broadcast_batches(*matrices):
    """Matrices over their common batch."""
    batch = broadcast_shapes(*(m.shape[:-2] for m in matrices))
    return [L.broadcast(m, (*batch, *m.shape[-2:])) for m in matrices]


# ------------------------------------------------------------------------------------------ LU
def _lu(x, pivot, name, check=False):
    """(LU, pivots, order, info) with x[order] = L U."""
    if not pivot:
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU")
    *batch, m, n = x.shape
    k = min(m, n)
    results = (
        (x.shape, x.dtype),
        ((*batch, k), dtypes.int32),
        ((*batch, m), dtypes.int64),
        (tuple(batch), dtypes.int32),
    )
    return _host("lu", [x], *results, check=check)


@linalg(
    "linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)",
    node="LinalgLuFactorExBackward0",
)
def linalg_lu_factor(A, pivot):
    """LU in one matrix, and the row exchanges (from 1) of partial pivoting."""
    return _lu(checked(A, "linalg.lu_factor"), pivot, "linalg.lu_factor", True)[:2]


@linalg(
    "linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False)"
    " -> (Tensor LU, Tensor pivots, Tensor info)"
)
def linalg_lu_factor_ex(A, pivot, check_errors):
    """lu_factor with info: 0, or the place (from 1) of a pivot that is 0."""
    found = _lu(checked(A, "linalg.lu_factor_ex"), pivot, "linalg.lu_factor_ex", check_errors)
    return found[0], found[1], found[3]


def _permutation(order, dtype):
    """P with P[order[i], i] = 1, so that A = P L U."""
    m = order.shape[-1]
    index = L.broadcast(L.unsqueeze(order, order.ndim - 1), (*order.shape, m))
    return L.cast(L.eq(L.arange_along(index, index.ndim - 2), index), dtype)


def _triangles(lu):
    """(L with ones on its diagonal, U) of a matrix that holds both."""
    k = min(lu.shape[-2:])
    left = M.lower(M.columns(lu, 0, k), -1)
    left = L.where(M.on_diagonal(left), L.like(left, 1), left)
    return left, M.upper(M.rows(lu, 0, k))


@linalg("linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)")
def linalg_lu(A, pivot):
    """``A = P L U`` with partial pivoting."""
    lu, _, order, _ = _lu(checked(A, "linalg.lu"), pivot, "linalg.lu")
    return _permutation(order, A.dtype), *_triangles(lu)


def _order(pivots, m):
    """The permutation that row exchanges make of m rows."""
    return _host("pivot_order", [pivots], ((*pivots.shape[:-1], m), dtypes.int64), rows=m)[0]


@operator(
    "lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True)"
    " -> (Tensor P, Tensor L, Tensor U)",
    variants="function,out",
)
def lu_unpack(LU_data, LU_pivots, unpack_data, unpack_pivots):
    """P, L and U of lu_factor's results; what is not unpacked is empty."""
    if LU_pivots.dtype is not dtypes.int32:
        raise RuntimeError("torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of "
                           "torch.int32 dtype.\nNote: this function is intended to be used with "
                           "the output produced by torch.linalg.lu_factor")  # fmt: skip
    nothing = L.const(LU_data.graph, 0, LU_data.dtype, (0,))
    left, right = _triangles(LU_data) if unpack_data else (nothing, nothing)
    if not unpack_pivots:
        return nothing, left, right
    return _permutation(_order(LU_pivots, LU_data.shape[-2]), LU_data.dtype), left, right


def lu_solution(lu, pivots, b, adjoint=False):
    """Solution of A x = b (or A^H x = b) for A = P L U."""
    order = _order(pivots, lu.shape[-1])
    if adjoint:
        half = M.solve_triangular(M.adjoint(lu), b, upper=False)
        x = M.solve_triangular(M.adjoint(lu), half, upper=True, unit=True)
        return _take_rows(x, L.argsort(order, order.ndim - 1))
    half = M.solve_triangular(lu, _take_rows(b, order), upper=False, unit=True)
    return M.solve_triangular(lu, half, upper=True)


def _take_rows(x, order):
    index = L.broadcast(L.unsqueeze(order, order.ndim), x.shape)
    return L.take_along(x, index, x.ndim - 2)


@linalg(
    "linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False)"
    " -> Tensor"
)
def linalg_lu_solve(LU, pivots, B, left, adjoint):
    """Solution of ``A X = B`` (``X A = B`` unless left), A or its adjoint given by lu_factor."""
    if LU.shape[-1] != LU.shape[-2]:
        raise RuntimeError("linalg.lu_solve: LU.shape[-1] must be equal to LU.shape[-2]")
    if LU.dtype is not B.dtype:
        raise RuntimeError(
            f"linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type "
            f"{LU.dtype.type_name} and B of type {B.dtype.type_name} instead"
        )
    right = B if left else M.adjoint(B)
    lu, b = broadcast_batches(LU, right)
    pivots = L.broadcast(pivots, (*lu.shape[:-2], pivots.shape[-1]))
    x = lu_solution(lu, pivots, b, adjoint == left)
    return x if left else M.adjoint(x)


@composite("function,method,out")
def lu_solve(input, LU_data, LU_pivots):
    """Solution of ``A X = input`` from lu_factor's results."""
    return T.linalg_lu_solve(LU_data, LU_pivots, input)


@composite("function,method")
def lu(input, pivot=True, get_infos=False, out=None):
    """(LU, pivots), with get_infos also info."""
    if out is not None:
        raise NotImplementedError("lu(): out= is not supported; use torch.linalg.lu_factor")
    found = T.linalg_lu_factor_ex(input, pivot=pivot)
    return found if get_infos else tuple(found)[:2]


# ----------------------------------------------------------------------------------------- LDL
def _ldl(x, hermitian, check):
    results = (x.shape, x.dtype), (x.shape[:-1], dtypes.int32), (x.shape[:-2], dtypes.int32)
    return _host("ldl", [x], *results, hermitian=hermitian, check=check)


@linalg(
    "linalg_ldl_factor(Tensor self, *, bool hermitian=False) -> (Tensor LD, Tensor pivots)",
    vjp=no_derivative("linalg_ldl_factor", ("self",)),
)
def linalg_ldl_factor(self, hermitian):
    """``A = L D L^T`` (``L^H`` where hermitian) by Bunch and Kaufman's pivoting, compact."""
    return _ldl(checked(self, "torch.linalg.ldl_factor", square=True), hermitian, True)[:2]


@linalg(
    "linalg_ldl_factor_ex(Tensor self, *, bool hermitian=False, bool check_errors=False)"
    " -> (Tensor LD, Tensor pivots, Tensor info)",
    vjp=no_derivative("linalg_ldl_factor_ex", ("self",)),
)
def linalg_ldl_factor_ex(self, hermitian, check_errors):
    """ldl_factor with info: 0, or the place (from 1) of a block that is 0."""
    return _ldl(checked(self, "torch.linalg.ldl_factor_ex", square=True), hermitian, check_errors)


@linalg(
    "linalg_ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False) -> Tensor",
    vjp=no_derivative("linalg_ldl_solve", ("LD", "B")),
)
def linalg_ldl_solve(LD, pivots, B, hermitian):
    """Solution of ``A X = B`` from ldl_factor's results."""
    if LD.shape[-1] != LD.shape[-2]:
        raise RuntimeError("torch.linalg.ldl_solve: A must be batches of square matrices")
    ld, b = broadcast_batches(LD, B)
    pivots = L.broadcast(pivots, (*ld.shape[:-2], pivots.shape[-1]))
    return _host("ldl_solve", [ld, pivots, b], (b.shape, b.dtype), hermitian=hermitian)[0]


# ------------------------------------------------------------------------------ low rank sketch
@linalg_composite("internal")
def linalg_diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """torch.diagonal of the last two dimensions."""
    return T.diagonal(A, offset, dim1, dim2)
