"""`rushlight.testing`: what passes, what raises and in which words, and the numbers drawn."""

import json
import pathlib

import numpy as np
import pytest

import rushlight as torch
from rushlight.testing import assert_close, make_tensor

RECORDED = pathlib.Path(__file__).parents[1] / "recorded"
T = torch.tensor


def outcome(case):
    """ "ok", or the error's class and message."""
    actual, expected, options = case
    try:
        assert_close(actual, expected, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "ok"


def load():
    return json.loads((RECORDED / "assert_close.json").read_text())


@pytest.mark.parametrize("source", load()["outcomes"])
def test_outcomes_are_pytorchs(source):
    """Each case is Python source for (actual, expected, options)."""
    case = eval(source, {"torch": torch, "T": T, "np": np, "nan": float("nan")})
    assert outcome(case) == load()["outcomes"][source]


@pytest.mark.parametrize("source", load()["drawn"])
def test_make_tensor_draws_pytorchs_numbers(source):
    torch.manual_seed(7)
    made = eval(source, {"torch": torch, "make_tensor": make_tensor})
    found = torch.view_as_real(made) if made.is_complex() else made
    expected = load()["drawn"][source]
    assert list(made.stride()) == expected["stride"]
    np.testing.assert_allclose(
        np.array(found.to(torch.float64).tolist()), np.array(expected["values"]), rtol=1e-6
    )


def test_make_tensor_refuses():
    options = {"dtype": torch.float32, "device": "cpu"}
    with pytest.raises(ValueError, match="must be less than"):
        make_tensor(2, low=2, high=1, **options)
    with pytest.raises(ValueError, match="cannot be NaN"):
        make_tensor(2, low=float("nan"), **options)
    with pytest.raises(ValueError, match="mutually exclusive"):
        make_tensor(2, noncontiguous=True, memory_format=torch.contiguous_format, **options)
    with pytest.raises(ValueError, match="only supports"):
        make_tensor(2, dtype=torch.uint8, device="cpu", low=300, high=400)
    with pytest.raises(ValueError, match="not supported for boolean and integral"):
        make_tensor(2, dtype=torch.int64, device="cpu", requires_grad=True)


def test_exclude_zero():
    made = make_tensor(200, dtype=torch.int8, device="cpu", low=0, high=2, exclude_zero=True)
    assert bool((made != 0).all())
    assert make_tensor(3, dtype=torch.float64, device="cpu", requires_grad=True).requires_grad


def test_message_of_a_function_and_of_a_string():
    with pytest.raises(AssertionError, match="^mine$"):
        assert_close(T([1.0]), T([2.0]), msg="mine")
    with pytest.raises(AssertionError, match="(?s)^before Tensor-likes.* after$"):
        assert_close(T([1.0]), T([2.0]), msg=lambda text: f"before {text} after")
