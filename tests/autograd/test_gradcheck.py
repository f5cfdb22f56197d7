"""gradcheck and gradgradcheck accept right derivatives and refuse wrong ones."""

import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck
from rushlight.autograd.gradcheck import GradcheckError


def leaf(*shape, dtype=torch.float64):
    torch.manual_seed(0)
    return torch.rand(*shape, dtype=dtype).add_(0.2).requires_grad_()


class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 3


class WrongSecond(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 2 * x.detach()


def test_right_derivatives():
    x, y = leaf(3), leaf(2, 3)
    assert gradcheck(lambda a, b: (a * b).sin().sum(1), (x, y)) is True
    assert gradcheck(torch.exp, x)
    assert gradcheck(lambda a: (a * 2, a**2), (x,))
    assert gradcheck(lambda a, n: a * n, (x, 3))
    assert gradcheck(torch.linalg.vector_norm, x)
    assert gradcheck(torch.exp, x, fast_mode=True)
    assert gradcheck(lambda a: a.t() @ a, leaf(3, 2))
    assert gradcheck(lambda a: a.expand(4, 3), x)


def test_complex_derivatives():
    z = leaf(3, dtype=torch.complex128)
    assert gradcheck(lambda z: z * z, (z,))
    assert gradcheck(lambda z: z.abs(), (z,))
    assert gradcheck(lambda z: (z * z.conj()).real, (z,))
    assert gradcheck(lambda x: torch.complex(x, x * 2), (leaf(2),))


def test_wrong_derivatives():
    x = leaf(2)
    with pytest.raises(
        GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"
    ):
        gradcheck(Wrong.apply, x)
    assert gradcheck(Wrong.apply, x, raise_exception=False) is False
    assert issubclass(GradcheckError, RuntimeError)
    assert gradcheck(WrongSecond.apply, x)
    with pytest.raises(GradcheckError):
        gradgradcheck(WrongSecond.apply, x)


def test_second_derivatives():
    x, y = leaf(3), leaf(3)
    assert gradgradcheck(lambda a, b: (a * b).tanh(), (x, y))
    assert gradgradcheck(lambda a: a**3, (x,), (torch.ones(3, dtype=torch.float64),))
    assert gradgradcheck(lambda a: a.softmax(0), (x,))


def test_refusals():
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(torch.exp, torch.ones(2, dtype=torch.float64))


def test_the_inputs_are_unchanged():
    x = leaf(3)
    before = x.tolist()
    gradcheck(torch.sin, x)
    assert x.tolist() == before and x.grad is None
