"""The thirteen dtypes: their facts, conversions between them, values at their edges."""

import math

import pytest

import rushlight as torch

FACTS = {  # itemsize, is_floating_point, is_complex, is_signed, legacy type
    "bool": (1, False, False, False, "torch.BoolTensor"),
    "uint8": (1, False, False, False, "torch.ByteTensor"),
    "int8": (1, False, False, True, "torch.CharTensor"),
    "int16": (2, False, False, True, "torch.ShortTensor"),
    "int32": (4, False, False, True, "torch.IntTensor"),
    "int64": (8, False, False, True, "torch.LongTensor"),
    "float16": (2, True, False, True, "torch.HalfTensor"),
    "bfloat16": (2, True, False, True, "torch.BFloat16Tensor"),
    "float32": (4, True, False, True, "torch.FloatTensor"),
    "float64": (8, True, False, True, "torch.DoubleTensor"),
    "complex32": (4, False, True, True, "torch.ComplexHalfTensor"),
    "complex64": (8, False, True, True, "torch.ComplexFloatTensor"),
    "complex128": (16, False, True, True, "torch.ComplexDoubleTensor"),
}
NAMES = list(FACTS)


@pytest.mark.parametrize("name", NAMES)
def test_facts(name):
    d = getattr(torch, name)
    size, floating, is_complex, signed, legacy = FACTS[name]
    assert (d.itemsize, d.is_floating_point, d.is_complex, d.is_signed) == (
        size,
        floating,
        is_complex,
        signed,
    )
    assert repr(d) == str(d) == f"torch.{name}"
    t = torch.zeros(2, dtype=d)
    assert t.dtype is d and t.element_size() == size and t.nbytes == 2 * size
    assert t.type() == legacy
    assert t.is_floating_point() is floating and torch.is_floating_point(t) is floating
    assert t.is_complex() is is_complex and t.is_signed() is signed


def test_aliases():
    pairs = dict(
        half="float16",
        float="float32",
        double="float64",
        short="int16",
        int="int32",
        long="int64",
        chalf="complex32",
        cfloat="complex64",
        cdouble="complex128",
    )
    for alias, name in pairs.items():
        assert getattr(torch, alias) is getattr(torch, name)
    assert torch.complex128.to_real() is torch.float64
    assert torch.bfloat16.to_complex() is torch.complex64
    assert torch.float16.to_complex() is torch.complex32
    assert torch.float64.to_complex() is torch.complex128


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("source", NAMES)
def test_every_conversion(source, target):
    values = [0, 1, 2, 3] if source != "bool" else [0, 1, 1, 0]
    t = torch.tensor(values).to(getattr(torch, source))
    found = t.to(getattr(torch, target))
    assert found.dtype is getattr(torch, target)
    expected = [bool(v) for v in values] if target == "bool" else values
    assert found.tolist() == expected
    assert (found is t) == (source == target)


METHODS = dict(
    float="float32",
    double="float64",
    half="float16",
    bfloat16="bfloat16",
    int="int32",
    long="int64",
    short="int16",
    char="int8",
    byte="uint8",
    bool="bool",
    chalf="complex32",
    cfloat="complex64",
    cdouble="complex128",
)


@pytest.mark.parametrize("method", METHODS)
def test_conversion_methods(method):
    assert getattr(torch.ones(2), method)().dtype is getattr(torch, METHODS[method])


def test_float_to_integer_truncates():
    t = torch.tensor([1.9, -1.9, 0.5, -0.5, 254.7])
    assert t.int().tolist() == [1, -1, 0, 0, 254]
    assert t.long().tolist() == [1, -1, 0, 0, 254]
    assert torch.tensor([300, -1, 256]).byte().tolist() == [44, 255, 0]
    assert torch.tensor([128, -129]).char().tolist() == [-128, 127]
    assert torch.tensor([0.0, -0.0, math.nan, 1e-30]).bool().tolist() == [False, False, True, True]


def test_half_precision_rounds_to_even():
    assert torch.tensor([2049.0, 2051.0]).half().tolist() == [2048.0, 2052.0]
    assert torch.tensor([257.0, 259.0]).bfloat16().tolist() == [256.0, 260.0]
    assert torch.tensor([65520.0]).half().tolist() == [math.inf]
    assert torch.tensor(1e-8).half().item() == 0.0
    assert torch.tensor(6e-8).half().item() == 2.0**-24


def test_integers_wrap_around():
    assert (torch.tensor([127], dtype=torch.int8) + 1).tolist() == [-128]
    assert (torch.tensor([255], dtype=torch.uint8) + 1).tolist() == [0]
    assert (torch.tensor([2**63 - 1]) + 1).tolist() == [-(2**63)]
    assert (-torch.tensor([1, 2], dtype=torch.uint8)).tolist() == [255, 254]
    assert (torch.tensor([-(2**31)], dtype=torch.int32)).abs().tolist() == [-(2**31)]


def test_complex_numbers():
    z = torch.tensor([1 + 2j, -3j])
    assert z.dtype is torch.complex64
    assert z.real.tolist() == [1.0, 0.0] and z.imag.tolist() == [2.0, -3.0]
    assert (z * z.conj()).tolist() == [5 + 0j, 9 + 0j]
    assert z.abs().dtype is torch.float32
    assert torch.view_as_real(z).tolist() == [[1.0, 2.0], [0.0, -3.0]]
    assert torch.view_as_complex(torch.tensor([[3.0, 4.0]])).tolist() == [3 + 4j]
    with pytest.raises(RuntimeError, match="value cannot be converted to type float without"):
        torch.zeros(1).fill_(1j)


def test_finfo_and_iinfo():
    f = torch.finfo(torch.float32)
    assert (f.bits, f.eps, f.max, f.tiny) == (
        32,
        1.1920928955078125e-07,
        3.4028234663852886e38,
        1.1754943508222875e-38,
    )
    assert f.min == -f.max and f.dtype == "float32" and f.resolution == 1e-06
    assert torch.finfo(torch.bfloat16).eps == 0.0078125
    assert torch.finfo(torch.float16).max == 65504.0
    assert torch.finfo(torch.complex64).bits == 32
    i = torch.iinfo(torch.int16)
    assert (i.bits, i.min, i.max, i.dtype) == (16, -32768, 32767, "int16")
    assert torch.iinfo(torch.uint8).max == 255
    with pytest.raises(TypeError):
        torch.finfo(torch.int32)
    with pytest.raises(TypeError):
        torch.iinfo(torch.float32)


def test_type_conversions_by_name_and_python_type():
    t = torch.ones(2)
    assert t.type("torch.LongTensor").dtype is torch.int64
    assert t.type(torch.float64).dtype is torch.float64
    assert t.to(int).dtype is torch.int64 and t.to(float).dtype is torch.float64
    assert t.to(torch.zeros(1, dtype=torch.int8)).dtype is torch.int8
    assert t.type_as(torch.zeros(1, dtype=torch.bool)).dtype is torch.bool
    assert torch.zeros(1, dtype=bool).dtype is torch.bool
    with pytest.raises(ValueError, match="invalid type"):
        t.type("torch.NoTensor")


def test_to_copies_when_asked():
    t = torch.ones(2)
    assert t.to(torch.float32) is t
    assert t.to(torch.float32, copy=True) is not t
    assert t.to("cpu") is t and t.cpu() is t
    assert t.to("cpu", torch.float64).dtype is torch.float64
    assert t.to(device="cpu", dtype=torch.float16, non_blocking=True).dtype is torch.float16


def test_reading_values():
    assert type(torch.tensor(True).item()) is bool
    assert type(torch.tensor(3, dtype=torch.uint8).item()) is int
    assert type(torch.tensor(3, dtype=torch.bfloat16).item()) is float
    assert type(torch.tensor(1j).item()) is complex
    assert torch.tensor([[[7]]]).item() == 7
    with pytest.raises(
        RuntimeError, match="a Tensor with 2 elements cannot be converted to Scalar"
    ):
        torch.ones(2).item()
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with more than one value"):
        bool(torch.ones(2))
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with no values is ambiguous"):
        bool(torch.ones(0))
    assert int(torch.tensor(2.7)) == 2 and float(torch.tensor(2)) == 2.0
    assert complex(torch.tensor(2.0)) == 2 + 0j
    assert [10, 20, 30][torch.tensor(1)] == 20
    with pytest.raises(TypeError, match="only integer tensors of a single element"):
        [10, 20][torch.tensor(1.0)]


def test_reduction_dtypes():
    for d in ("bool", "uint8", "int32"):
        t = torch.ones(3, dtype=getattr(torch, d))
        assert t.sum().dtype is torch.int64 and t.prod().dtype is torch.int64
        assert t.cumsum(0).dtype is torch.int64
    assert torch.ones(3, dtype=torch.float16).sum().dtype is torch.float16
    assert torch.ones(3, dtype=torch.int32).sum(dtype=torch.float64).dtype is torch.float64
    with pytest.raises(RuntimeError, match="could not infer output dtype|mean"):
        torch.ones(3, dtype=torch.int64).mean()
