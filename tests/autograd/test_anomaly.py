"""Anomaly mode: where the forward call was, and NaN."""

import warnings

import pytest

import rushlight as torch


class Fails(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        raise ValueError("broken")


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


def an_unusual_function_name(x):
    return Fails.apply(x)


def test_errors_show_the_forward_call():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with torch.autograd.detect_anomaly():
            y = an_unusual_function_name(leaf()).sum()
            with pytest.raises(ValueError, match="broken"):
                y.backward()
    texts = [str(w.message) for w in caught]
    assert any("Anomaly Detection has been enabled" in t for t in texts)
    told = [t for t in texts if "Error detected in FailsBackward" in t]
    assert told and "an_unusual_function_name" in told[0]


def test_nan():
    x = leaf(0.0, 1.0)
    with torch.autograd.set_detect_anomaly(True):
        y = (x.sqrt() * 0).sum()
        with pytest.raises(
            RuntimeError, match="Function 'SqrtBackward0' returned nan values in its 0"
        ):
            y.backward()
    y = (x.sqrt() * 0).sum()
    y.backward()
    assert x.grad.isnan().tolist() == [True, False]


def test_nan_may_pass():
    x = leaf(0.0, 1.0)
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        (x.sqrt() * 0).sum().backward()
    with torch.autograd.detect_anomaly(check_nan=False):
        (x.sqrt() * 0).sum().backward()


def test_switch():
    assert not torch.is_anomaly_enabled()
    with torch.autograd.set_detect_anomaly(True):
        assert torch.is_anomaly_enabled()
        with torch.autograd.set_detect_anomaly(False):
            assert not torch.is_anomaly_enabled()
        assert torch.is_anomaly_enabled()
    assert not torch.is_anomaly_enabled()


def test_without_forward_information():
    y = Fails.apply(leaf()).sum()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with torch.autograd.set_detect_anomaly(True), pytest.raises(ValueError):
            y.backward()
    assert any("No forward pass information available" in str(w.message) for w in caught)


def test_stale_values_are_explained():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with torch.autograd.set_detect_anomaly(True):
            a = leaf() * 1
            y = (a * a).sum()
            a.add_(1)
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                y.backward()
    assert any("Error detected in MulBackward0" in str(w.message) for w in caught)
