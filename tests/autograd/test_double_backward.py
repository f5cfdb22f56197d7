"""Derivatives of derivatives."""

import pytest

import rushlight as torch


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), dtype=torch.float64, requires_grad=True)


FUNCTIONS = {  # name: (f, f', f'', f''') at 0.5
    "exp": (torch.exp, 1.6487212707, 1.6487212707, 1.6487212707),
    "sin": (torch.sin, 0.8775825619, -0.4794255386, -0.8775825619),
    "log": (torch.log, 2.0, -4.0, 16.0),
    "tanh": (torch.tanh, 0.7864477330, -0.7268619813, -0.5652092883),
    "sigmoid": (torch.sigmoid, 0.2350037122, -0.0575568126, -0.0963567563),
    "pow": (lambda x: x**3, 0.75, 3.0, 6.0),
    "sqrt": (torch.sqrt, 0.7071067812, -0.7071067812, 2.1213203436),
    "reciprocal": (lambda x: 1 / x, -4.0, 16.0, -96.0),
    "product": (lambda x: x * x * x, 0.75, 3.0, 6.0),
    "relu squared": (lambda x: torch.relu(x) ** 2, 1.0, 2.0, 0.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_three_orders(name):
    f, *expected = FUNCTIONS[name]
    x = leaf(0.5)
    y = f(x)
    for value in expected:
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        assert y.item() == pytest.approx(value, rel=1e-6, abs=1e-12)


def test_gradient_penalty():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * w * x).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (g.pow(2).sum() + y).backward()
    # g = 2 x w; d/dw sum (2 x w)^2 + x^2 w = 8 x^2 w + x^2
    assert w.grad.tolist() == [25.0, 132.0]
    assert x.grad.tolist() == [8 * 9 + 6.0, 8 * 16 * 2 + 16.0]


def test_backward_with_create_graph():
    x = leaf()
    with pytest.warns(UserWarning, match="Using backward\\(\\) with create_graph=True will create"):
        (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    g = x.grad
    x.grad = None
    g.sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]


def test_cotangents_are_differentiable():
    x, v = leaf(), leaf(1.0, 1.0)
    (g,) = torch.autograd.grad(x**2, x, v, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), v)
    assert h.tolist() == [2.0, 4.0]


def test_through_matrices_and_softmax():
    torch.manual_seed(0)
    a = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    b = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda a, b: (a @ b).softmax(0), (a, b))
    assert torch.autograd.gradgradcheck(lambda a, b: (a.tanh() @ b)[1:].logsumexp(1), (a, b))


def test_through_views_and_writes():
    def f(x):
        y = x * 1
        y[0] = x[1] * x[2]
        y[1:].mul_(x[:2])
        return (y**2).sum()

    assert torch.autograd.gradgradcheck(f, leaf(0.3, 0.7, 1.1))


def test_mixed_second_derivatives():
    x, y = leaf(2.0), leaf(3.0)
    z = x**2 * y**3
    (gx,) = torch.autograd.grad(z, x, create_graph=True)
    (gxy,) = torch.autograd.grad(gx, y)
    assert gxy.item() == 2 * 2 * 3 * 9.0


def test_constant_second_derivatives_are_unused():
    x = leaf()
    (g,) = torch.autograd.grad((x * 3).sum(), x, create_graph=True)
    assert not g.requires_grad or torch.autograd.grad(g.sum(), x, allow_unused=True)[0] is None
