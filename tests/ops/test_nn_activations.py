"""Activations and softmax: kinks, extremes, in-place forms, half types, empty and 0-d input."""

import math

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F


def grad_of(function, *values):
    x = torch.tensor(values, requires_grad=True)
    function(x).sum().backward()
    return x.grad.tolist()


@pytest.mark.parametrize(
    "function, at, expected",
    [
        (F.relu, 0.0, 0.0),
        (F.relu6, 6.0, 0.0),
        (F.hardtanh, -1.0, 0.0),
        (F.hardsigmoid, 3.0, 0.0),
        (F.hardswish, 3.0, 1.0),
        (F.hardshrink, 0.5, 0.0),
        (F.softshrink, -0.5, 0.0),
        (F.elu, 0.0, 1.0),
        (F.leaky_relu, 0.0, 0.01),
        (F.logsigmoid, 0.0, 0.5),
    ],
)
def test_slopes_at_kinks(function, at, expected):
    assert grad_of(function, at) == pytest.approx([expected])


@pytest.mark.parametrize(
    "function",
    [F.elu, F.selu, F.celu, F.softplus, F.mish, F.silu, F.gelu, F.logsigmoid, F.softsign],
)
def test_large_input_has_finite_values_and_slopes(function):
    x = torch.tensor([-200.0, 200.0], requires_grad=True)
    out = function(x)
    out.sum().backward()
    assert np.isfinite(out.detach().numpy()).all() and np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize("function", [F.relu, F.relu6, F.hardtanh, F.elu, F.gelu, F.softshrink])
def test_nan_stays(function):
    assert math.isnan(function(torch.tensor([math.nan])).item())


def test_inplace_forms_write_the_tensor_and_keep_the_gradient():
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    y = x * 3
    z = F.relu(y, inplace=True)
    assert z is y and y.tolist() == [0.0, 6.0]
    z.sum().backward()
    assert x.grad.tolist() == [0.0, 3.0]
    values = torch.tensor([-1.0, 2.0])
    assert F.leaky_relu_(values, 0.5) is values and values.tolist() == [-0.5, 2.0]


def test_inplace_through_a_view():
    base = torch.tensor([[-1.0, 2.0], [-3.0, 4.0]])
    F.relu_(base[1])
    assert base.tolist() == [[-1.0, 2.0], [0.0, 4.0]]


def test_relu_of_integers_and_refusals():
    assert F.relu(torch.tensor([-1, 2])).dtype is torch.int64
    with pytest.raises(RuntimeError, match="Boolean inputs not supported for relu"):
        F.relu(torch.tensor([True]))
    with pytest.raises(NotImplementedError, match="not implemented for 'Long'"):
        F.elu(torch.tensor([1]))
    with pytest.raises(ValueError, match="min_val cannot be greater than max_val"):
        F.hardtanh(torch.zeros(1), 1.0, -1.0)


def test_run_time_parameters_share_one_call():
    record = F.leaky_relu
    x = torch.tensor([-1.0])
    assert [round(record(x, s).item(), 4) for s in (0.1, 0.2, 0.3)] == [-0.1, -0.2, -0.3]


def test_softmax_forms_agree():
    x = torch.tensor([[1.0, 2.0, 3.0]])
    expected = np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum()
    for out in (F.softmax(x, 1), torch.softmax(x, 1), x.softmax(-1), F.softmin(-x, dim=1)):
        np.testing.assert_allclose(out.numpy()[0], expected, rtol=1e-6)
    assert F.softmax(torch.tensor([1]), 0, dtype=torch.float64).dtype is torch.float64
    assert F.log_softmax(torch.tensor(3.0), 0).item() == 0
    assert F.softmax(torch.zeros(0, 3), 0).shape == (0, 3)
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        F.softmax(torch.zeros(2, 7))


def test_softmax_gradient_sums_to_zero():
    x = torch.tensor([[1.0, -2.0, 0.5], [100.0, 0.0, -100.0]], requires_grad=True)
    (F.softmax(x, 1)[:, 0]).sum().backward()
    np.testing.assert_allclose(x.grad.numpy().sum(1), 0, atol=1e-7)


def test_prelu_and_glu():
    x = torch.tensor([[-1.0, 2.0], [-3.0, -4.0]])
    np.testing.assert_allclose(
        F.prelu(x, torch.tensor([0.5, 0.1])).numpy(), [[-0.5, 2.0], [-1.5, -0.4]], rtol=1e-6
    )
    with pytest.raises(RuntimeError, match="Halving dimension must be even"):
        F.glu(torch.zeros(3))
