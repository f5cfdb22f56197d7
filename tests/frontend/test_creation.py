"""Creation functions and all their arguments."""

import math

import numpy as np
import pytest

import rushlight as torch


# ------------------------------------------------------------------------------- tensor()
@pytest.mark.parametrize(
    "data, dtype, shape",
    [
        (1, "int64", ()),
        (1.5, "float32", ()),
        (True, "bool", ()),
        (1j, "complex64", ()),
        ([], "float32", (0,)),
        ([[]], "float32", (1, 0)),
        ([[], []], "float32", (2, 0)),
        ([1, 2.0], "float32", (2,)),
        ([True, 2], "int64", (2,)),
        ([True, 1.5], "float32", (2,)),
        ([1, 1j], "complex64", (2,)),
        (((1, 2), [3, 4]), "int64", (2, 2)),
        (range(3), "int64", (3,)),
        (np.float64(2), "float64", ()),
        (np.arange(3, dtype=np.int16), "int16", (3,)),
        ([np.float32(1), np.float32(2)], "float32", (2,)),
    ],
)
def test_tensor_infers(data, dtype, shape):
    t = torch.tensor(data)
    assert t.dtype is getattr(torch, dtype) and t.shape == shape and t.is_leaf


def test_tensor_of_tensors_and_options():
    assert torch.tensor([torch.tensor(1), torch.tensor(2)]).tolist() == [1, 2]
    assert torch.tensor([1, 2], dtype=torch.float16).tolist() == [1.0, 2.0]
    t = torch.tensor([1.0], requires_grad=True)
    assert t.requires_grad and t.is_leaf
    source = torch.ones(2)
    with pytest.warns(UserWarning, match="To copy construct from a tensor"):
        copy = torch.tensor(source)
    copy[0] = 5
    assert source.tolist() == [1.0, 1.0]
    array = np.ones(2)
    made = torch.tensor(array)
    array[0] = 7
    assert made.tolist() == [1.0, 1.0]
    assert torch.tensor([1.9, -1.9], dtype=torch.int32).tolist() == [1, -1]
    assert torch.tensor([0, 2], dtype=torch.bool).tolist() == [False, True]


@pytest.mark.parametrize(
    "data, error, phrase",
    [
        ([[1, 2], [3]], ValueError, "expected sequence of length 2 at dim 1"),
        ([1, [2]], TypeError, "'list' object cannot be interpreted as an integer"),
        ([1.5, [2]], TypeError, "must be real number, not list"),
        ([[1], 2], TypeError, "not a sequence"),
        ([[[1], [2]], [[1], [2, 3]]], ValueError, "expected sequence of length 1 at dim 2"),
        ([torch.ones(2, 2)], ValueError, "only one element tensors can be converted"),
        ("text", TypeError, "new\\(\\): invalid data type 'str'"),
        ([None], RuntimeError, "Could not infer dtype of NoneType"),
        (object(), RuntimeError, "Could not infer dtype of object"),
        (2**70, ValueError, "Overflow when unpacking long long"),
        ({"a": 1}, RuntimeError, "Could not infer dtype of dict"),
    ],
)
def test_tensor_refuses(data, error, phrase):
    with pytest.raises(error, match=phrase):
        torch.tensor(data)


def test_tensor_requires_grad_only_for_floating():
    with pytest.raises(RuntimeError, match="Tensors of floating point"):
        torch.tensor([1], requires_grad=True)


# -------------------------------------------------------------------------- of a shape
@pytest.mark.parametrize("name, value", [("zeros", 0.0), ("ones", 1.0)])
def test_zeros_and_ones(name, value):
    make = getattr(torch, name)
    assert make(2, 3).tolist() == [[value] * 3] * 2
    assert (
        make((2,)).tolist() == make([2]).tolist() == make(torch.Size([2])).tolist() == [value] * 2
    )
    assert make(()).tolist() == value
    assert make(2, dtype=torch.int8).tolist() == [int(value)] * 2
    assert make(0, 3).shape == (0, 3)
    assert make(2, requires_grad=True).requires_grad
    out = torch.empty(3)
    assert make(3, out=out) is out and out.tolist() == [value] * 3
    assert make(size=(2,)).shape == (2,)
    assert make(2, device="cpu", layout=torch.strided).device == torch.device("cpu")
    with pytest.raises(RuntimeError, match="negative dimension -1|must be non-negative"):
        make(-1)
    with pytest.raises(TypeError):
        make(2.5)
    with pytest.raises(TypeError):
        make("a")


def test_full():
    assert torch.full((2,), 3).dtype is torch.int64
    assert torch.full((2,), 3.0).dtype is torch.float32
    assert torch.full((2,), True).dtype is torch.bool
    assert torch.full((2,), 1j).dtype is torch.complex64
    assert torch.full((), 2.5).item() == 2.5
    assert torch.full((2,), 3, dtype=torch.float64).tolist() == [3.0, 3.0]
    assert torch.full((1,), torch.tensor(4)).tolist() == [4]
    out = torch.empty(2)
    assert torch.full((2,), 7.0, out=out) is out and out.tolist() == [7.0, 7.0]


def test_empty_has_shape_and_format():
    assert torch.empty(2, 3).shape == (2, 3) and torch.empty((0,)).numel() == 0
    t = torch.empty(2, 3, 4, 5, memory_format=torch.channels_last)
    assert t.stride() == (60, 1, 15, 3)
    assert torch.empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    assert torch.empty_strided((2, 3), (1, 2), dtype=torch.int8).dtype is torch.int8
    assert torch.empty_permuted((2, 3), (1, 0)).stride() == (1, 2)
    with pytest.raises(RuntimeError, match="rank 4"):
        torch.empty(2, 3, memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "name, args, value",
    [("zeros_like", (), 0), ("ones_like", (), 1), ("full_like", (3,), 3), ("empty_like", (), None)],
)
def test_like(name, args, value):
    make = getattr(torch, name)
    base = torch.zeros(2, 3, dtype=torch.int16).t()
    t = make(base, *args)
    assert t.dtype is torch.int16 and t.shape == (3, 2) and t.stride() == (1, 3)
    assert make(base, *args, memory_format=torch.contiguous_format).stride() == (2, 1)
    assert make(base, *args, dtype=torch.float64).dtype is torch.float64
    assert make(torch.zeros(2).double(), *args, requires_grad=True).requires_grad
    assert make(torch.zeros(3, 1).expand(3, 4), *args).stride() == (4, 1)
    if value is not None:
        assert t.tolist() == [[value] * 2] * 3


@pytest.mark.parametrize("name", ["new_zeros", "new_ones", "new_empty"])
def test_new(name):
    t = torch.zeros(1, dtype=torch.float16)
    make = getattr(t, name)
    assert make(2, 3).shape == make((2, 3)).shape == (2, 3)
    assert make(2).dtype is torch.float16
    assert make(2, dtype=torch.int32).dtype is torch.int32
    assert make((2,), requires_grad=True).requires_grad


def test_new_full_and_tensor():
    t = torch.zeros(1, dtype=torch.float64)
    assert t.new_full((2,), 3).tolist() == [3.0, 3.0] and t.new_full((2,), 3).dtype is torch.float64
    assert t.new_tensor([1, 2]).dtype is torch.float64
    assert t.new_tensor([1, 2], dtype=torch.int8).dtype is torch.int8
    assert t.new_empty_strided((2, 2), (1, 2)).stride() == (1, 2)
    assert t.new([1, 2]).dtype is torch.float64
    assert t.new(2, 3).shape == (2, 3)


# --------------------------------------------------------------------------- sequences
@pytest.mark.parametrize(
    "args, expected, dtype",
    [
        ((3,), [0, 1, 2], "int64"),
        ((1, 4), [1, 2, 3], "int64"),
        ((0, 7, 3), [0, 3, 6], "int64"),
        ((5, 0, -2), [5, 3, 1], "int64"),
        ((2.5,), [0.0, 1.0, 2.0], "float32"),
        ((0, 1, 0.25), [0.0, 0.25, 0.5, 0.75], "float32"),
        ((3, 3), [], "int64"),
        ((-1, 2), [-1, 0, 1], "int64"),
    ],
)
def test_arange(args, expected, dtype):
    t = torch.arange(*args)
    assert t.tolist() == expected and t.dtype is getattr(torch, dtype)


def test_arange_options():
    assert torch.arange(start=1, end=3).tolist() == [1, 2]
    assert torch.arange(end=2).tolist() == [0, 1]
    assert torch.arange(3, dtype=torch.float16).tolist() == [0.0, 1.0, 2.0]
    assert torch.arange(3.0, requires_grad=True).requires_grad
    out = torch.empty(0, dtype=torch.int32)
    assert torch.arange(3, out=out).tolist() == [0, 1, 2] and out.dtype is torch.int32
    assert torch.arange(torch.tensor(3)).tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match="step must be nonzero"):
        torch.arange(0, 3, 0)
    with pytest.raises(
        RuntimeError, match="upper bound and l.*er bound inconsistent with step sign"
    ):
        torch.arange(3, 0)
    with pytest.warns(UserWarning, match="range is deprecated"):
        assert torch.range(1, 3).tolist() == [1.0, 2.0, 3.0]
    for bounds in ((0, float("inf")), (float("-inf"), 1), (0, float("nan"))):
        with pytest.raises(RuntimeError, match="unsupported range"):
            torch.arange(*bounds)


def test_integer_sequences_make_integers_of_their_arguments_first():
    assert torch.arange(0.5, 5.7, 1.5, dtype=torch.int64).tolist() == [0, 1, 2, 3, 4]
    assert torch.linspace(4.3, 0, 3, dtype=torch.int32).tolist() == [4, 2, 0]
    assert torch.logspace(0, 1.2, 4, dtype=torch.int64).tolist() == [1, 2, 4, 10]
    with pytest.raises(ValueError, match="step must be nonzero"):
        torch.arange(0, 4, 0.5, out=torch.empty(0, dtype=torch.int64))


def test_linspace_and_logspace():
    assert torch.linspace(0, 1, 5).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert torch.linspace(1, 5, 1).tolist() == [1.0]
    assert torch.linspace(0, 1, 0).tolist() == []
    assert torch.linspace(0, 10, 5, dtype=torch.int64).tolist() == [0, 2, 5, 7, 10]
    assert torch.linspace(torch.tensor(0.0), 1, 3).tolist() == [0.0, 0.5, 1.0]
    assert torch.linspace(start=0, end=2, steps=3).tolist() == [0.0, 1.0, 2.0]
    assert torch.logspace(0, 2, 3).tolist() == [1.0, 10.0, 100.0]
    assert torch.logspace(0, 3, 4, base=2).tolist() == [1.0, 2.0, 4.0, 8.0]
    with pytest.raises(RuntimeError, match="number of steps must be non-negative"):
        torch.linspace(0, 1, -1)
    assert torch.linspace(0, 1, torch.tensor(2)).tolist() == [0, 1]
    for make in (torch.linspace, torch.logspace):
        for steps in (2.0, True, None):
            with pytest.raises(TypeError, match="steps"):
                make(0, 1, steps)
        with pytest.raises(RuntimeError, match="number of steps"):
            make(0, 1, -1)


def test_eye():
    assert torch.eye(2).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert torch.eye(2, 3).shape == (2, 3) and torch.eye(0).shape == (0, 0)
    assert torch.eye(2, dtype=torch.bool).tolist() == [[True, False], [False, True]]
    with pytest.raises(RuntimeError, match="n must be greater or equal to 0"):
        torch.eye(-1)


def test_grids_and_triangles():
    a, b = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
    assert a.tolist() == [[0, 0, 0], [1, 1, 1]] and b.tolist() == [[0, 1, 2]] * 2
    a, b = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="xy")
    assert a.shape == (3, 2)
    assert torch.tril_indices(3, 3).tolist() == [[0, 1, 1, 2, 2, 2], [0, 0, 1, 0, 1, 2]]
    assert torch.triu_indices(2, 3).tolist() == [[0, 0, 0, 1, 1], [0, 1, 2, 1, 2]]
    assert torch.cartesian_prod(torch.arange(2), torch.arange(2)).tolist() == [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
    ]
    assert torch.complex(torch.ones(1), torch.ones(1)).tolist() == [1 + 1j]
    z = torch.polar(torch.tensor([2.0]), torch.tensor([math.pi / 2]))
    assert abs(z.item() - 2j) < 1e-6


def test_windows():
    assert torch.hann_window(4).tolist() == pytest.approx([0.0, 0.5, 1.0, 0.5], abs=1e-6)
    assert torch.hamming_window(3, periodic=False).tolist() == pytest.approx(
        [0.08, 1.0, 0.08], abs=1e-6
    )
    assert torch.bartlett_window(4).tolist() == pytest.approx([0.0, 0.5, 1.0, 0.5], abs=1e-6)


# ------------------------------------------------------------------------ legacy, others
def test_legacy_constructors():
    assert torch.Tensor(2, 3).shape == (2, 3)
    assert torch.Tensor([1, 2]).dtype is torch.float32
    assert torch.Tensor().shape == (0,)
    assert torch.FloatTensor([1, 2]).tolist() == [1.0, 2.0]
    assert torch.LongTensor([1, 2]).dtype is torch.int64
    assert torch.ByteTensor(3).dtype is torch.uint8
    assert torch.LongTensor(2, 3).shape == (2, 3)
    assert isinstance(torch.ones(1), torch.FloatTensor)
    assert not isinstance(torch.ones(1).double(), torch.FloatTensor)


def test_scalar_tensor_and_as_tensor():
    assert torch.scalar_tensor(3).dtype is torch.float32
    t = torch.ones(2)
    assert torch.as_tensor(t) is t
    assert torch.as_tensor([1, 2]).tolist() == [1, 2]
    assert torch.as_tensor(t, dtype=torch.float64).dtype is torch.float64
    assert torch.asarray([1, 2]).tolist() == [1, 2]
    array = np.zeros(2)
    shared = torch.as_tensor(array)
    array[0] = 3
    assert shared.tolist() == [3.0, 0.0]
    assert torch.asarray(array, copy=True).add_(1).tolist() == [4.0, 1.0] and array[0] == 3


def test_options_no_build_has():
    with pytest.raises(RuntimeError, match="pin_memory=True requires"):
        torch.zeros(2, pin_memory=True)


def test_numbers_must_fit():
    with pytest.raises(RuntimeError, match="converted to type uint8_t without overflow"):
        torch.full((1,), 300, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="converted to type float without overflow"):
        torch.full((1,), 1e40)
    with pytest.raises(RuntimeError, match="converted to type int without overflow"):
        torch.zeros(1, dtype=torch.int32).fill_(math.nan)
    with pytest.raises(RuntimeError, match="converted to type int8_t without overflow"):
        torch.zeros(1, dtype=torch.int8)[0] = 128
    with pytest.raises(RuntimeError, match="converted to type uint8 without overflow"):
        torch.tensor([300], dtype=torch.uint8)
    assert torch.full((1,), -1, dtype=torch.uint8).tolist() == [255]
    assert torch.full((1,), 2.7, dtype=torch.int32).tolist() == [2]
    assert torch.full((1,), 1e39, dtype=torch.bfloat16).tolist() == [math.inf]


def test_creation_records_nothing_and_inference_marks():
    with torch.inference_mode():
        assert torch.zeros(2).is_inference() and torch.arange(2).is_inference()
        assert torch.tensor([1.0]).is_inference()
    assert not torch.zeros(2).is_inference()
