"""complex32: two float16, computed in complex64 and rounded after each operator.

Expected values are PyTorch 2.13's; where its kernels lack the type, those of complex64 rounded.
"""

import io

import numpy as np
import pytest

import rushlight as torch

VALUES = [0.5 + 0.375j, -0.25 - 0.5j, 1.125 + 2j]


@pytest.fixture
def a():
    return torch.tensor(VALUES, dtype=torch.chalf)


def test_parts_and_views(a):
    made = torch.complex(a.real.clone(), a.imag.clone())
    assert made.dtype is torch.complex32 and made.tolist() == VALUES
    assert a.real.dtype is torch.float16 and torch.view_as_real(a).shape == (3, 2)
    pairs = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).half()
    z = torch.view_as_complex(pairs)
    z.mul_(2)
    assert pairs.tolist() == [[2.0, 4.0], [6.0, 8.0]]
    a.real.fill_(1)
    assert a.tolist() == [1 + 0.375j, 1 - 0.5j, 1 + 2j]
    with pytest.raises(RuntimeError, match="only supported for half, float and double"):
        torch.view_as_complex(pairs.bfloat16())


def test_arithmetic_rounds_to_float16(a):
    assert (a + a).tolist() == [1 + 0.75j, -0.5 - 1j, 2.25 + 4j]
    assert (a * a).tolist() == [0.109375 + 0.375j, -0.1875 + 0.25j, -2.734375 + 4.5j]
    assert a.abs().tolist() == [0.625, 0.55908203125, 2.294921875]
    assert a.conj().tolist() == [0.5 - 0.375j, -0.25 + 0.5j, 1.125 - 2j]
    assert (a == a).all() and not a.isnan().any()
    assert str(a.norm()) == "tensor(2.4434, dtype=torch.float16)"
    assert torch.addcmul(a, a, a)[2].item() == -1.609375 + 6.5j


@pytest.mark.parametrize("name", ["exp", "sum", "prod", "sqrt", "tanh", "mean", "cos", "angle"])
def test_others_are_complex64_rounded(a, name):
    found, wide = getattr(a, name)(), getattr(a.cfloat(), name)()
    assert found.dtype is (torch.float16 if name == "angle" else torch.complex32)
    expected = np.array(wide.tolist()).astype(found.dtype.np)
    np.testing.assert_array_equal(np.array(found.tolist()).astype(found.dtype.np), expected)


def test_promotion(a):
    assert (torch.ones(2).half() + 1j).dtype is torch.complex32
    assert (torch.ones(2).bfloat16() + 1j).dtype is torch.complex64
    assert (a + torch.ones(3)).dtype is torch.complex64
    pairs = dict(int64="complex32", float16="complex32", bfloat16="complex64", float64="complex128")
    for other, expected in pairs.items():
        assert torch.promote_types(torch.chalf, getattr(torch, other)) is getattr(torch, expected)


def test_gradient(a):
    z = a.clone().requires_grad_()
    z.abs().sum().backward()
    unit = a.cfloat() / a.cfloat().abs()
    assert z.grad.dtype is torch.complex32
    assert (z.grad.cfloat() - unit).abs().max() < 1e-3


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
def test_copies_and_conversions(a):
    assert a.cfloat().tolist() == VALUES and a.half().tolist() == [0.5, -0.25, 1.125]
    assert torch.tensor([1.0, 2.0]).chalf().tolist() == [1, 2]
    assert torch.cat([a, a])[3].item() == VALUES[0]
    assert a.int().tolist() == [0, 0, 1]
    a[1] = 7
    assert a[1].item() == 7
    twice = a.index_put((torch.tensor([0, 0]),), torch.ones(2).chalf(), accumulate=True)
    assert twice[0].item() == 2.5 + 0.375j


def test_outside_world(a):
    with pytest.raises(TypeError, match="unsupported ScalarType ComplexHalf"):
        a.numpy()
    file = io.BytesIO()
    torch.save(a, file)
    file.seek(0)
    back = torch.load(file)
    assert back.dtype is torch.complex32 and back.tolist() == VALUES
    assert torch.finfo(torch.chalf).dtype == "float16"
    assert repr(a[:1]) == "tensor([0.5000+0.3750j], dtype=torch.complex32)"


def test_draws_two_halves():
    torch.manual_seed(3)
    z = torch.randn(40, dtype=torch.chalf)
    torch.manual_seed(3)
    parts = torch.empty(80).half().normal_(0, 0.5**0.5)
    assert torch.view_as_real(z).flatten().tolist() == parts.tolist()


@pytest.mark.parametrize("call", [torch.fft.fft, torch.linalg.inv])
def test_no_lapack_no_transform(call):
    with pytest.raises(RuntimeError, match="ComplexHalf"):
        call(torch.ones(2, 2, dtype=torch.chalf))
