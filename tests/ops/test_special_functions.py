"""torch.special and functions of two operands: published values, poles, conventions at 0."""

import math

import numpy as np
import pytest

import rushlight as torch

S, INF, NAN = torch.special, math.inf, math.nan

# Abramowitz, Stegun, "Handbook of Mathematical Functions", tables 7, 9, 10, 26; dlmf.nist.gov.
VALUES = [
    (S.bessel_j0, 1.0, 0.7651976865579666),
    (S.bessel_j0, 30.0, -0.0863679835810402),
    (S.bessel_j1, 1.0, 0.4400505857449335),
    (S.bessel_y0, 1.0, 0.08825696421567698),
    (S.bessel_y1, 1.0, -0.7812128213002887),
    (S.i0, 1.0, 1.2660658777520084),
    (S.i1, 1.0, 0.565159103992485),
    (S.i0e, 50.0, 0.05656162664745419),
    (S.modified_bessel_k0, 1.0, 0.42102443824070834),
    (S.modified_bessel_k1, 1.0, 0.6019072301972346),
    (S.modified_bessel_k0, 2.0, 0.11389387274953344),
    (S.airy_ai, 0.0, 0.3550280538878172),
    (S.airy_ai, 1.0, 0.13529241631288141),
    (S.airy_ai, -3.0, -0.37881429367765806),
    (S.spherical_bessel_j0, 1.0, math.sin(1.0)),
    (S.erfcx, 10.0, 0.05614099274382259),
    (S.ndtr, 1.96, 0.9750021048517795),
    (S.ndtri, 0.975, 1.959963984540054),
    (S.log_ndtr, -20.0, -203.91715537109733),
    (S.entr, 0.5, 0.34657359027997264),
]


@pytest.mark.parametrize(("function", "x", "expected"), VALUES)
def test_published_values(function, x, expected):
    found = float(function(torch.tensor(x, dtype=torch.float64)))
    assert found == pytest.approx(expected, rel=1e-12)


def test_zeta_and_polygamma():
    x = torch.tensor([2.0, 4.0, 1.0, 0.5], dtype=torch.float64)
    found = S.zeta(x, 1.0).tolist()
    assert found[:2] == pytest.approx([math.pi**2 / 6, math.pi**4 / 90], rel=1e-14)
    assert found[2] == INF and math.isnan(found[3])
    one = torch.ones((), dtype=torch.float64)
    assert float(torch.polygamma(1, one)) == pytest.approx(math.pi**2 / 6, rel=1e-13)
    assert float(one.polygamma(2)) == pytest.approx(-2 * 1.2020569031595942, rel=1e-13)


def test_incomplete_gamma():
    a = torch.tensor([1.0, 0.5, 200.0, 0.0, 3.0], dtype=torch.float64)
    x = torch.tensor([2.0, 1.0, 210.0, 1.0, INF], dtype=torch.float64)
    lower, upper = torch.igamma(a, x), torch.igammac(a, x)
    assert lower.tolist()[:2] == pytest.approx([1 - math.exp(-2), math.erf(1)], rel=1e-13)
    np.testing.assert_allclose((lower + upper).numpy(), 1, atol=1e-13)
    assert lower.tolist()[3:] == [1, 1]


def test_orthogonal_polynomials():
    x = torch.linspace(-1, 1, 7, dtype=torch.float64)
    c = np.zeros(6)
    c[5] = 1
    for name, evaluate in (
        ("chebyshev_polynomial_t", np.polynomial.chebyshev.chebval),
        ("legendre_polynomial_p", np.polynomial.legendre.legval),
        ("hermite_polynomial_h", np.polynomial.hermite.hermval),
        ("hermite_polynomial_he", np.polynomial.hermite_e.hermeval),
        ("laguerre_polynomial_l", np.polynomial.laguerre.lagval),
    ):
        np.testing.assert_allclose(
            getattr(S, name)(x, 5).numpy(), evaluate(x.numpy(), c), atol=1e-12
        )
        assert getattr(S, name)(x, -1).tolist() == [0] * 7


def test_conventions_at_zero_and_infinity():
    zero = torch.zeros(())
    assert float(torch.xlogy(zero, zero)) == 0 and math.isnan(torch.xlogy(zero, torch.tensor(NAN)))
    assert float(S.xlog1py(zero, torch.tensor(-1.0))) == 0
    inf = torch.tensor(-INF)
    assert float(torch.logaddexp(inf, inf)) == -INF
    big = torch.tensor(1e30)
    assert float(torch.hypot(big, big)) == pytest.approx(1.41421e30, rel=1e-5)
    assert math.copysign(1, torch.copysign(zero, torch.tensor(-0.0))) == -1
    assert torch.heaviside(torch.tensor([-1.0, 0.0, 2.0]), torch.tensor(0.5)).tolist() == [
        0,
        0.5,
        1,
    ]
    assert S.entr(torch.tensor([0.0, -1.0])).tolist() == [0, -INF]
    assert S.ndtri(torch.tensor([0.0, 1.0])).tolist() == [-INF, INF]


def test_integers():
    a, b = torch.tensor([12, -18, 0]), torch.tensor([18, 12, 5])
    assert torch.gcd(a, b).tolist() == [6, 6, 5]
    assert torch.lcm(a, b).tolist() == [36, 36, 0]
    assert torch.ldexp(torch.tensor([1, 3]), torch.tensor([2, -1])).tolist() == [4, 1.5]
    mantissa, exponent = torch.frexp(torch.tensor([8.0, -0.375, 0.0]))
    assert mantissa.tolist() == [0.5, -0.75, 0] and exponent.tolist() == [4, -1, 0]
    assert exponent.dtype is torch.int32


def test_nextafter_of_a_half_is_one_step_of_that_type():
    one = torch.ones((), dtype=torch.bfloat16)
    assert float(torch.nextafter(one, one * 2)) == 1 + 2**-7


def test_float_power_is_double():
    assert torch.float_power(torch.tensor([2]), 3).dtype is torch.float64
    with pytest.raises(RuntimeError, match="result requires dtype Double"):
        torch.ones(1).float_power_(2)


@pytest.mark.parametrize("function", [S.i0, S.i1, S.i0e, S.i1e, S.erfcx, S.log_ndtr, S.entr])
def test_first_and_second_derivatives(function):
    x = torch.tensor([0.3, 1.7], dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    (gg,) = torch.autograd.grad(g.sum(), x)
    h = 1e-4
    below, here, above = (function(x.detach() + d * h).numpy() for d in (-1, 0, 1))
    np.testing.assert_allclose(g.detach().numpy(), (above - below) / (2 * h), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(gg.numpy(), (above - 2 * here + below) / h**2, rtol=1e-5, atol=1e-5)


def test_missing_derivatives_say_so():
    x = torch.ones(2, requires_grad=True)
    assert S.airy_ai(x).grad_fn is None
    torch.igamma(x, torch.ones(2)).sum().backward()
    with pytest.raises(NotImplementedError, match="igamma: input"):
        x.grad.tolist()


def test_a_step_between_equal_numbers_passes_no_gradient():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = torch.tensor([1.0, 5.0, 0.0], requires_grad=True)
    torch.nextafter(x, y).backward(torch.tensor([1.0, 10.0, 100.0]))
    assert x.grad.tolist() == [0, 10, 100] and y.grad.tolist() == [0, 0, 0]
