"""What every family of draws needs: PyTorch's dtype names and limits, checks, and its casts.

Imports: NumPy and ml_dtypes only. Used by `draws_uniform.py`, `draws_normal.py` and
`draws_rejection.py`.
"""

import math
from typing import NamedTuple

import ml_dtypes
import numpy as np

bfloat16 = np.dtype(ml_dtypes.bfloat16)
complex32 = np.dtype(ml_dtypes.complex32)


class DtypeNames(NamedTuple):
    """How PyTorch's messages spell a dtype: as a ScalarType and as a C++ type."""

    scalar: str
    cpp: str


_NAMES = {
    np.dtype(np.uint8): DtypeNames("Byte", "unsigned char"),
    np.dtype(np.int8): DtypeNames("Char", "signed char"),
    np.dtype(np.int16): DtypeNames("Short", "short int"),
    np.dtype(np.int32): DtypeNames("Int", "int"),
    np.dtype(np.int64): DtypeNames("Long", "long int"),
    np.dtype(np.uint16): DtypeNames("UInt16", "short unsigned int"),
    np.dtype(np.uint32): DtypeNames("UInt32", "unsigned int"),
    np.dtype(np.uint64): DtypeNames("UInt64", "long unsigned int"),
    np.dtype(np.bool_): DtypeNames("Bool", "bool"),
    np.dtype(np.float16): DtypeNames("Half", "c10::Half"),
    bfloat16: DtypeNames("BFloat16", "c10::BFloat16"),
    np.dtype(np.float32): DtypeNames("Float", "float"),
    np.dtype(np.float64): DtypeNames("Double", "double"),
    complex32: DtypeNames("ComplexHalf", "c10::complex<c10::Half>"),
    np.dtype(np.complex64): DtypeNames("ComplexFloat", "c10::complex<float>"),
    np.dtype(np.complex128): DtypeNames("ComplexDouble", "c10::complex<double>"),
}

# Bits of the significand, the hidden one included: integers up to 2**digits are exact.
DIGITS = {
    np.dtype(np.float16): 11,
    bfloat16: 8,
    np.dtype(np.float32): 24,
    np.dtype(np.float64): 53,
}
FLOATING = frozenset(DIGITS)
FULL_FLOATING = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
SMALL_FLOATING = FLOATING - FULL_FLOATING
SIGNED_OR_BYTE = frozenset(map(np.dtype, (np.uint8, np.int8, np.int16, np.int32, np.int64)))
INTEGRAL = SIGNED_OR_BYTE | frozenset(map(np.dtype, (np.uint16, np.uint32, np.uint64)))
# Complex types, and that of their parts.
COMPLEX = {
    complex32: np.dtype(np.float16),
    np.dtype(np.complex64): np.dtype(np.float32),
    np.dtype(np.complex128): np.dtype(np.float64),
}
BOOL = np.dtype(np.bool_)


def names(dtype):
    """PyTorch's names of a NumPy dtype; NumPy's own name where PyTorch has no such dtype."""
    return _NAMES.get(dtype) or DtypeNames(dtype.name, dtype.name)


def check_dtype(dtype, allowed, kernel):
    """`dtype` as np.dtype; NotImplementedError, in PyTorch's words, if it is not in `allowed`."""
    dtype = np.dtype(dtype)
    if dtype not in allowed:
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{names(dtype).scalar}'; "
            f"expected one of {', '.join(sorted(d.name for d in allowed))}"
        )
    return dtype


def numel(shape):
    """The number of elements of an int or a tuple of ints."""
    return math.prod(shape) if isinstance(shape, (tuple, list)) else int(shape)


def working(dtype):
    """The dtype PyTorch computes in: float32 for the 16-bit types, else `dtype` itself."""
    return np.dtype(np.float32) if dtype in SMALL_FLOATING else dtype


def cast(values, dtype):
    """`values` as `dtype`, the 16-bit types by way of float32, as PyTorch converts."""
    if dtype in SMALL_FLOATING:
        values = values.astype(np.float32, copy=False)
    return values.astype(dtype, copy=False)


def fma64(factor, scale, offset):
    """``factor * scale + offset`` in float64 with one rounding, as a fused multiply-add has.

    Args:
        factor: float64 array, below 2**26 in magnitude; scale, offset: finite floats.
    """
    if scale == 1.0:
        return factor + offset
    product = factor * scale
    head = (factor.view(np.uint64) & np.uint64(0xFFFFFFFFF8000000)).view(np.float64)
    scale_head = np.array(scale).view(np.uint64) & np.uint64(0xFFFFFFFFF8000000)
    scale_head = float(scale_head.view(np.float64))
    tail, scale_tail = factor - head, scale - scale_head
    lost = ((head * scale_head - product) + head * scale_tail + tail * scale_head) + (
        tail * scale_tail
    )
    total = product + offset
    back = total - product
    lost += (product - (total - back)) + (offset - back)
    return total + lost
