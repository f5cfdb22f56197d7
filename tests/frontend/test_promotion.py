"""Result dtypes: the full table recorded from PyTorch, in-place targets, default dtype."""

import importlib.util
import json
import pathlib

import pytest

import rushlight as torch

RECORDED = pathlib.Path(__file__).parents[1] / "recorded"
if not RECORDED.joinpath("promotion.py").exists():
    RECORDED = pathlib.Path(__file__).parent / "recorded"


def _recorder():
    spec = importlib.util.spec_from_file_location("promotion", RECORDED / "promotion.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECORD = _recorder()
EXPECTED = json.loads((RECORDED / "promotion.json").read_text())


@pytest.mark.parametrize("name", RECORD.OPERATORS)
def test_table(name):
    values, wrong = RECORD.operands(torch), []
    for key, expected in EXPECTED[name].items():
        a, _, b = key.partition(",")
        try:
            found = RECORD.apply(torch, name, values[a], values[b])
        except (RuntimeError, TypeError):
            found = "error"
        if (expected, found) == ("error", "complex32"):
            continue  # computed here; PyTorch's kernel lacks this type
        if found != expected:
            wrong.append(f"{name}({key}): {found}, expected {expected}")
    assert not wrong, f"{len(wrong)} of {len(EXPECTED[name])}: " + "; ".join(wrong[:20])


def test_default_dtype_decides_for_numbers():
    torch.set_default_dtype(torch.float64)
    try:
        assert (torch.tensor([1]) + 1.0).dtype is torch.float64
        assert torch.tensor(1.0).dtype is torch.float64
        assert torch.tensor(1j).dtype is torch.complex128
        assert torch.arange(3.0).dtype is torch.float64
        assert torch.ones(1, dtype=torch.int32).sqrt().dtype is torch.float64
        assert torch.ones(1, dtype=torch.float32).add(1.0).dtype is torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    assert (torch.tensor([1]) + 1.0).dtype is torch.float32


@pytest.mark.parametrize("bad", [torch.int64, torch.bool])
def test_default_dtype_is_floating(bad):
    with pytest.raises(TypeError, match="only floating-point types are supported as the default"):
        torch.set_default_dtype(bad)


@pytest.mark.parametrize(
    "target, other, phrase",
    [
        (torch.int64, 1.5, "result type Float can't be cast to the desired output type Long"),
        (torch.float32, 1j, "result type ComplexFloat can't be cast"),
        (torch.bool, 2, "result type Long can't be cast to the desired output type Bool"),
        (torch.uint8, torch.ones(2), "result type Float can't be cast to the desired output type"),
    ],
)
def test_in_place_target_is_too_narrow(target, other, phrase):
    x = torch.ones(2, dtype=target)
    with pytest.raises(RuntimeError, match=phrase):
        x += other
    assert x.tolist() == torch.ones(2, dtype=target).tolist()


def test_in_place_keeps_the_dtype():
    x = torch.ones(2, dtype=torch.float16)
    x += torch.ones(2, dtype=torch.float64)
    assert x.dtype is torch.float16 and x.tolist() == [2.0, 2.0]
    y = torch.ones(2, dtype=torch.int8)
    y += torch.full((2,), 200)
    assert y.dtype is torch.int8 and y.tolist() == [-55, -55]


def test_integer_division_and_power():
    a, b = torch.tensor([7, -7]), torch.tensor([2, 2])
    assert (a / b).tolist() == [3.5, -3.5]
    assert (a // b).tolist() == [3, -4]
    assert (a % b).tolist() == [1, 1]
    assert torch.div(a, b, rounding_mode="trunc").tolist() == [3, -3]
    assert (2**b).tolist() == [4, 4] and (a**2).tolist() == [49, 49]
    with pytest.raises(RuntimeError, match="Integers to negative integer powers are not allowed"):
        a**-1
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        (a // torch.tensor([0, 1])).tolist()


def test_numpy_scalars_and_bools():
    np = pytest.importorskip("numpy")
    assert (torch.ones(2) + np.float64(1)).dtype is torch.float32
    assert (torch.ones(2, dtype=torch.int32) * True).dtype is torch.int32
    assert torch.add(torch.tensor([True]), True).dtype is torch.bool


@pytest.mark.parametrize(
    "a, b, expected",
    [
        (torch.int32, torch.float16, True),
        (torch.float32, torch.int64, False),
        (torch.complex64, torch.float32, False),
        (torch.float64, torch.float16, True),
        (torch.bool, torch.uint8, True),
        (torch.uint8, torch.bool, False),
        (torch.int64, torch.int8, True),
    ],
)
def test_can_cast(a, b, expected):
    assert torch.can_cast(a, b) is expected


def test_promote_types():
    assert torch.promote_types(torch.uint8, torch.int8) is torch.int16
    assert torch.promote_types(torch.float16, torch.bfloat16) is torch.float32
    assert torch.promote_types(torch.int64, torch.float16) is torch.float16
    assert torch.promote_types(torch.float64, torch.complex64) is torch.complex128
