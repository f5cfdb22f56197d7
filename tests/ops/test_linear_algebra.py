"""torch.linalg and torch's older names: identities, singular matrices, empty and strided input."""

import numpy as np
import pytest

import rushlight as torch

REAL, COMPLEX = torch.float64, torch.complex128


def sample(*shape, dtype=REAL, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if dtype is COMPLEX:
        x = x + 1j * rng.standard_normal(shape)
    return torch.tensor(x, dtype=dtype)


def close(a, b, atol=1e-10):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=atol, rtol=1e-9)


def numerical_gradient(function, x, step=1e-6):
    """Central differences of a real-valued function of a real tensor."""
    flat = x.detach().numpy().copy()
    out = np.zeros_like(flat)
    for place in np.ndindex(flat.shape):
        values = []
        for sign in (1, -1):
            moved = flat.copy()
            moved[place] += sign * step
            values.append(float(function(torch.tensor(moved))))
        out[place] = (values[0] - values[1]) / (2 * step)
    return out


# ------------------------------------------------------------------------------ identities
@pytest.mark.parametrize("dtype", [REAL, COMPLEX])
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 4, 4), (0, 3), (3, 0)])
def test_svd_puts_the_matrix_together_again(dtype, shape):
    a = sample(*shape, dtype=dtype)
    u, s, vh = torch.linalg.svd(a, full_matrices=False)
    close((u * s.to(dtype).unsqueeze(-2)) @ vh, a)
    close(torch.linalg.svdvals(a), s)


@pytest.mark.parametrize("mode", ["reduced", "complete"])
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 0), (0, 2)])
def test_qr(mode, shape):
    a = sample(*shape)
    q, r = torch.linalg.qr(a, mode)
    close(q @ r, a)
    close(q.mT @ q, torch.eye(q.shape[-1], dtype=REAL))


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (2, 3, 3), (70, 70)])
@pytest.mark.parametrize("dtype", [REAL, COMPLEX])
def test_lu(shape, dtype):
    a = sample(*shape, dtype=dtype)
    p, lower, upper = torch.linalg.lu(a)
    close(p @ lower @ upper, a, atol=1e-9)
    factors, pivots = torch.linalg.lu_factor(a)
    again = torch.lu_unpack(factors, pivots)
    close(again[0] @ again[1] @ again[2], a, atol=1e-9)


@pytest.mark.parametrize("hermitian", [False, True])
@pytest.mark.parametrize("dtype", [REAL, COMPLEX])
def test_ldl_solves_indefinite_systems(hermitian, dtype):
    a = sample(7, 7, dtype=dtype)
    a = a + (a.mH if hermitian else a.mT) - 2 * torch.eye(7, dtype=dtype)
    b = sample(7, 2, dtype=dtype, seed=1)
    factors, pivots = torch.linalg.ldl_factor(a, hermitian=hermitian)
    x = torch.linalg.ldl_solve(factors, pivots, b, hermitian=hermitian)
    close(a @ x, b, atol=1e-8)


def test_ldl_uses_two_by_two_pivots():
    a = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    factors, pivots = torch.linalg.ldl_factor(a)
    assert pivots.tolist() == [-2, -2]
    close(torch.linalg.ldl_solve(factors, pivots, torch.eye(2)), a)


def test_solve_triangular_is_blocked_and_reads_one_triangle():
    a = sample(100, 100) + 20 * torch.eye(100, dtype=REAL)
    b = sample(100, 3, seed=1)
    for upper, part in ((True, torch.triu(a)), (False, torch.tril(a))):
        close(part @ torch.linalg.solve_triangular(a, b, upper=upper), b, atol=1e-9)
        x = torch.linalg.solve_triangular(a, b.mT, upper=upper, left=False)
        close(x @ part, b.mT, atol=1e-9)


def test_householder_product_of_geqrf_is_q():
    a = sample(6, 4)
    q, r = torch.linalg.qr(a)
    close(torch.linalg.householder_product(*torch.geqrf(a)), q)
    close(torch.ormqr(*torch.geqrf(a), a, transpose=True)[:4], r)


def test_eig_and_eigh():
    a = sample(4, 4)
    values, vectors = torch.linalg.eig(a)
    close(a.to(COMPLEX) @ vectors, vectors * values)
    h = a + a.mT
    values, vectors = torch.linalg.eigh(h)
    close(h @ vectors, vectors * values)
    close(torch.linalg.eigvalsh(h), values)


def test_pinv_cuts_small_singular_values():
    a = sample(5, 2) @ sample(2, 4, seed=1)
    p = torch.linalg.pinv(a)
    close(a @ p @ a, a)
    assert int(torch.linalg.matrix_rank(a)) == 2
    close(torch.linalg.pinv(torch.diag(torch.tensor([4.0, 1.0])), atol=2.0),
          torch.diag(torch.tensor([0.25, 0.0])))  # fmt: skip


def test_lstsq_reports_what_its_driver_computes():
    a, b = sample(6, 3), sample(6, 2, seed=1)
    found = torch.linalg.lstsq(a, b, driver="gelsd")
    close(found.solution, torch.linalg.pinv(a) @ b)
    close(found.residuals, ((a @ found.solution - b) ** 2).sum(0))
    assert int(found.rank) == 3 and found.singular_values.shape == (3,)
    assert torch.linalg.lstsq(a, b).singular_values.shape == (0,)


@pytest.mark.parametrize("scale", [0.1, 1.0, 40.0])
def test_matrix_exp(scale):
    a = sample(4, 4) * scale
    s = a - a.mT
    values, vectors = np.linalg.eig(s.numpy())
    expected = (vectors * np.exp(values)) @ np.linalg.inv(vectors)
    np.testing.assert_allclose(torch.matrix_exp(s).numpy(), expected.real, atol=1e-9)


def test_multi_dot_takes_vectors_at_the_ends():
    v, a, b, w = sample(3), sample(3, 20), sample(20, 2), sample(2)
    close(torch.linalg.multi_dot([v, a, b, w]), v @ a @ b @ w)


# -------------------------------------------------------------------------- errors and info
def test_singular_matrices():
    zeros = torch.zeros(2, 3, 3)
    inverse, info = torch.linalg.inv_ex(zeros)
    assert info.tolist() == [1, 1]
    with pytest.raises(
        torch.linalg.LinAlgError, match="Batch element 0.*diagonal element 1 is zero"
    ):
        torch.linalg.inv(zeros).tolist()
    with pytest.raises(torch.linalg.LinAlgError, match="leading minor of order 2"):
        torch.linalg.cholesky(torch.diag(torch.tensor([1.0, -1.0]))).tolist()
    assert issubclass(torch.linalg.LinAlgError, RuntimeError)
    assert float(torch.linalg.det(zeros[0])) == 0
    sign, log = torch.linalg.slogdet(zeros[0])
    assert float(sign) == 0 and float(log) == -np.inf


def test_checks_speak_pytorchs_words():
    for call, words in (
        (lambda: torch.linalg.inv(torch.ones(2, 3)), "must be batches of square matrices"),
        (lambda: torch.linalg.svd(torch.ones(3)), "at least 2 dimensions"),
        (lambda: torch.linalg.qr(torch.ones(3, 3, dtype=torch.float16)), "Low precision"),
        (lambda: torch.linalg.solve(torch.eye(3), torch.ones(2, 1)), "Incompatible shapes"),
        (lambda: torch.linalg.norm(torch.ones(3, dtype=torch.int64)), "floating point or complex"),
    ):
        with pytest.raises(RuntimeError, match=words):
            call()


# -------------------------------------------------------------------------------- gradients
def _positive(a):
    return a @ a.mT + torch.eye(a.shape[-1], dtype=a.dtype)


FUNCTIONS = {
    "inv": lambda a: torch.linalg.inv(a).sin().sum(),
    "solve": lambda a: torch.linalg.solve(a, a[:, :2].cos()).sin().sum(),
    "det": lambda a: torch.linalg.det(a),
    "slogdet": lambda a: torch.linalg.slogdet(a)[1],
    "cholesky": lambda a: torch.linalg.cholesky(_positive(a)).sin().sum(),
    "cholesky_upper": lambda a: torch.linalg.cholesky(_positive(a), upper=True).sin().sum(),
    "qr": lambda a: sum(x.sin().sum() for x in torch.linalg.qr(a[:, :2])),
    "wide_qr": lambda a: sum(x.sin().sum() for x in torch.linalg.qr(a[:2])),
    "eigh": lambda a: (torch.linalg.eigh(a + a.mT)[1] ** 2).sin().sum(),
    "eig": lambda a: torch.linalg.eig(a)[0].abs().sum(),
    "svd": lambda a: sum((x**2).sin().sum() for x in torch.linalg.svd(a)),
    "svdvals": lambda a: torch.linalg.svdvals(a).sin().sum(),
    "lu": lambda a: sum(x.sin().sum() for x in torch.linalg.lu(a)[1:]),
    "tall_lu": lambda a: sum(x.sin().sum() for x in torch.linalg.lu(a[:, :2])[1:]),
    "wide_lu": lambda a: sum(x.sin().sum() for x in torch.linalg.lu(a[:2])[1:]),
    "pinv": lambda a: torch.linalg.pinv(a[:, :2]).sin().sum(),
    "matrix_exp": lambda a: torch.matrix_exp(a).sin().sum(),
    "lstsq": lambda a: torch.linalg.lstsq(a[:, :2], a[:, 2:]).solution.sin().sum(),
    "householder": lambda a: torch.linalg.householder_product(a, a[0].sin()).sin().sum(),
    "nuclear_norm": lambda a: torch.linalg.norm(a, "nuc"),
    "norm_3": lambda a: torch.linalg.vector_norm(a, 3),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradient_agrees_with_differences(name):
    function = FUNCTIONS[name]
    a = sample(4, 4, seed=3).requires_grad_()
    (g,) = torch.autograd.grad(function(a), a)
    np.testing.assert_allclose(g.numpy(), numerical_gradient(function, a), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "name", ["inv", "solve", "cholesky", "eigh", "svdvals", "matrix_exp", "pinv"]
)
def test_second_gradient_agrees_with_differences(name):
    function = FUNCTIONS[name]

    def slope(a):
        a = a.detach().requires_grad_()
        (g,) = torch.autograd.grad(function(a), a, create_graph=True)
        return g.cos().sum(), a

    a = sample(4, 4, seed=3)
    value, leaf = slope(a)
    (g,) = torch.autograd.grad(value, leaf)
    expected = numerical_gradient(lambda x: slope(x)[0].detach(), a)
    np.testing.assert_allclose(g.numpy(), expected, atol=1e-4, rtol=1e-4)


def test_det_of_a_singular_matrix_has_a_gradient():
    a = torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=REAL, requires_grad=True)
    torch.linalg.det(a).backward()
    np.testing.assert_allclose(a.grad.numpy(), [[4, -2], [-2, 1]], atol=1e-12)


def test_norm_at_the_origin_has_subgradient_zero():
    x = torch.zeros(3, requires_grad=True)
    torch.linalg.vector_norm(x).backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_functions_without_a_derivative_say_so():
    a = torch.eye(3, requires_grad=True)
    with pytest.raises(NotImplementedError, match="the derivative for 'geqrf' is not implemented"):
        torch.autograd.grad(torch.geqrf(a)[0].sum(), a)[0].tolist()


# ------------------------------------------------------------------------- strides, out, views
def test_strided_input_and_out():
    a = sample(6, 6)[::2, ::2]
    close(torch.linalg.inv(a.mT) @ a.mT, torch.eye(3, dtype=REAL))
    out = torch.empty(3, 3, dtype=REAL)
    assert torch.linalg.inv(a, out=out) is out
    close(out @ a, torch.eye(3, dtype=REAL))


def test_cov_and_corrcoef():
    x = sample(3, 20)
    np.testing.assert_allclose(torch.cov(x).numpy(), np.cov(x.numpy()))
    np.testing.assert_allclose(torch.corrcoef(x).numpy(), np.corrcoef(x.numpy()))
    f = torch.arange(1, 21)
    w = torch.linspace(0.1, 1, 20, dtype=REAL)
    expected = np.cov(x.numpy(), fweights=f.numpy(), aweights=w.numpy())
    np.testing.assert_allclose(torch.cov(x, fweights=f, aweights=w).numpy(), expected)


def test_ormqr_names_the_argument_without_two_dimensions():
    a, scalar = torch.zeros(3, 3), torch.zeros(())
    with pytest.raises(RuntimeError, match="input must have at least 2"):
        torch.ormqr(scalar, scalar, scalar)
    with pytest.raises(RuntimeError, match="other must have at least 2"):
        torch.ormqr(a, torch.zeros(3), torch.zeros(3))
