"""autograd.functional: jacobian, hessian, vjp, jvp, vhp, hvp."""

import pytest

import rushlight as torch
from rushlight.autograd.functional import hessian, hvp, jacobian, jvp, vhp, vjp

x = torch.tensor([1.0, 2.0])
y = torch.tensor([3.0, 4.0])


def square(a):
    return a * a


def scalar(a):
    return (a**3).sum()


def both(a, b):
    return (a * b).sum()


def test_jacobian():
    assert jacobian(square, x).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    assert jacobian(scalar, x).tolist() == [3.0, 12.0]
    a, b = jacobian(lambda a, b: a * b, (x, y))
    assert a.tolist() == [[3.0, 0.0], [0.0, 4.0]] and b.tolist() == [[1.0, 0.0], [0.0, 2.0]]
    rows = jacobian(lambda a: (a * 2, a.sum()), x)
    assert rows[0].tolist() == [[2.0, 0.0], [0.0, 2.0]] and rows[1].tolist() == [1.0, 1.0]
    assert jacobian(lambda a: torch.ones(2), x).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    with pytest.raises(RuntimeError, match="independent of|does not require gradients"):
        jacobian(lambda a: torch.ones(2), x, strict=True)
    w = torch.tensor([1.0, 1.0], requires_grad=True)
    assert jacobian(lambda a: a * w, w, create_graph=True).requires_grad


def test_hessian():
    assert hessian(scalar, x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    (aa, ab), (ba, bb) = hessian(both, (x, y))
    assert aa.tolist() == [[0.0, 0.0], [0.0, 0.0]] and ab.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert ba.tolist() == ab.tolist() and bb.tolist() == aa.tolist()
    with pytest.raises(RuntimeError, match="single element"):
        hessian(square, x)


def test_products():
    v = torch.tensor([1.0, 10.0])
    out, g = vjp(square, x, v)
    assert out.tolist() == [1.0, 4.0] and g.tolist() == [2.0, 40.0]
    out, g = vjp(scalar, x)
    assert out.item() == 9.0 and g.tolist() == [3.0, 12.0]
    out, t = jvp(square, x, v)
    assert t.tolist() == [2.0, 40.0] and not t.requires_grad
    out, h = vhp(scalar, x, v)
    assert h.tolist() == [6.0, 120.0]
    out, h = hvp(scalar, x, v)
    assert out.item() == 9.0 and h.tolist() == [6.0, 120.0]
    out, (a, b) = vjp(both, (x, y))
    assert a.tolist() == [3.0, 4.0] and b.tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="vector v can only be None"):
        vjp(square, x)
