"""From nested Python data (numbers, sequences, arrays, tensors) to one NumPy array."""

import functools
import numbers
from collections.abc import Mapping

import numpy as np

from ..engine.base import dtypes
from ..engine.base.promote import get_default_dtype
from .tensor import Tensor

_WIDE = {bool: np.bool_, int: np.int64, float: np.float64, complex: np.complex128}
_C_NAMES = {
    dtypes.uint8: "uint8_t",
    dtypes.int8: "int8_t",
    dtypes.int16: "int16_t",
    dtypes.int32: "int",
    dtypes.int64: "int64_t",
    dtypes.float16: "c10::Half",
    dtypes.bfloat16: "c10::BFloat16",
    dtypes.float32: "float",
    dtypes.float64: "double",
    dtypes.complex32: "c10::complex<c10::Half>",
    dtypes.complex64: "c10::complex<float>",
    dtypes.complex128: "c10::complex<double>",
}
_BY_CATEGORY = (np.bool_, np.int64, np.float64, np.complex128)


def to_array(data, dtype=None):
    """A fresh NumPy array and its dtype for any data `tensor` accepts."""
    if isinstance(data, np.ndarray | np.generic) or (
        hasattr(data, "__array_interface__") and not isinstance(data, list | tuple)
    ):
        array = np.array(data)
        found = dtypes.from_numpy_dtype(array.dtype)
    else:
        shape = _sizes(data)
        leaves: list = []
        _collect(data, shape, 0, leaves)
        found = _dtype_of(leaves)
        array = _array_of(leaves, dtype or found).reshape(shape)
    dtype = dtype or found
    if array.dtype != dtype.np:
        if array.dtype.kind == "c" and not dtype.is_complex:
            array = array.real
        with np.errstate(over="ignore", invalid="ignore"):
            array = array.astype(dtype.np)
    return np.array(array, order="C", copy=True), dtype


def fitting(value, dtype):
    """A number as an element of this dtype; RuntimeError where its range lacks it.

    Integers accept what wraps around once (-1 is 255 as uint8); halves round to infinity.
    """
    if dtype is dtypes.bool_:
        return bool(value)
    if isinstance(value, complex) and not dtype.is_complex:
        if value.imag:
            _overflow(dtype)
        value = value.real
    if dtype.category == dtypes.INT:
        return _fitting_integer(value, dtype)
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise OverflowError("int too big to convert")
    if dtype in (dtypes.float32, dtypes.complex64):
        size = abs(value)
        if size > _LARGEST and size != float("inf"):
            _overflow(dtype)
    return value


_LARGEST = float(np.finfo(np.float32).max)


def _fitting_integer(value, dtype):
    if value != value or value in (float("inf"), -float("inf")):
        _overflow(dtype)
    limits = np.iinfo(dtype.np)
    low = limits.min if dtype.is_signed else -limits.max
    if not low <= value <= int(limits.max):
        _overflow(dtype)
    value = int(value)
    return value if value >= 0 or dtype.is_signed else value + int(limits.max) + 1


def _overflow(dtype):
    raise RuntimeError(f"value cannot be converted to type {_C_NAMES[dtype]} without overflow")


def _is_sequence(data):
    """Does it have parts?  Tensors and 0-d arrays count as numbers."""
    if isinstance(data, list | tuple):
        return True
    if isinstance(data, np.ndarray):
        return data.ndim > 0
    return (
        hasattr(data, "__len__")
        and hasattr(data, "__getitem__")
        and not isinstance(data, Mapping | Tensor | np.generic | str | bytes)
    )


def _sizes(data):
    """The shape, as the first element of every level tells it."""
    shape = []
    while _is_sequence(data):
        shape.append(len(data))
        if not shape[-1]:
            break
        data = data[0]
    return tuple(shape)


def _collect(data, shape, depth, leaves):
    """Append the leaves in order; every level must have the length its first element told."""
    if depth == len(shape):
        leaves.append(_leaf(data, leaves))
        return
    if not _is_sequence(data):
        raise TypeError("not a sequence")
    if len(data) != shape[depth]:
        raise ValueError(
            f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})"
        )
    if depth + 1 == len(shape) and not isinstance(data, np.ndarray):
        for v in data:
            leaves.append(v if v.__class__ in _WIDE else _leaf(v, leaves))
        return
    for i in range(len(data)):
        _collect(data[i], shape, depth + 1, leaves)


def _leaf(v, before):
    """A Python or NumPy number for one element."""
    if isinstance(v, Tensor):
        if v._meta.plain.numel != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return v.detach()._array().reshape(-1)[0]
    if isinstance(v, np.ndarray) and v.ndim == 0:
        return v[()]
    if isinstance(v, bool | int | float | complex | np.generic):
        return v
    if isinstance(v, str | bytes):
        raise TypeError(f"new(): invalid data type '{type(v).__name__}'")
    if _is_sequence(v):
        floating = any(isinstance(b, float | np.floating) for b in before)
        raise TypeError(
            f"must be real number, not {type(v).__name__}"
            if floating
            else f"'{type(v).__name__}' object cannot be interpreted as an integer"
        )
    if isinstance(v, numbers.Number) and hasattr(v, "__float__"):
        return float(v)
    raise RuntimeError(f"Could not infer dtype of {type(v).__name__}")


def _dtype_of(leaves):
    """Promoted over the leaves; sized NumPy numbers count with their own dtypes."""
    kinds = {type(v) for v in leaves}
    if not kinds:
        return get_default_dtype()
    return functools.reduce(dtypes.promote_types, map(_dtype_of_type, sorted(kinds, key=str)))


def _dtype_of_type(kind):
    if issubclass(kind, np.generic):
        return dtypes.from_numpy_dtype(np.dtype(kind))
    if issubclass(kind, bool):
        return dtypes.bool_
    if issubclass(kind, int):
        return dtypes.int64
    default = get_default_dtype()
    return default if issubclass(kind, float) else default.to_complex()


def _array_of(leaves, dtype):
    if dtype.category == dtypes.INT:
        found = np.array([_integer(v, dtype) for v in leaves], np.int64)
        limits = np.iinfo(dtype.np)
        low = limits.min if dtype.is_signed else -int(limits.max)
        if found.size and not low <= found.min() <= found.max() <= limits.max:
            raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")
        return found
    if dtype.category == dtypes.FLOAT and any(
        isinstance(v, complex | np.complexfloating) for v in leaves
    ):
        raise TypeError("must be real number, not complex")
    return np.array(leaves, _BY_CATEGORY[dtype.category])


def _integer(v, dtype):
    if v != v or v in (float("inf"), -float("inf")):
        raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")
    n = int(v)
    if not -(1 << 63) <= n < 1 << 63:
        raise ValueError("Overflow when unpacking long long")
    return n
