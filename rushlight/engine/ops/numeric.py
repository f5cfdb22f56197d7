"""What the bodies of several families share: the compute type of halves, names, layouts."""

from ..base import dtypes
from ..base.shapes import channels_last_strides, suggests_channels_last
from ..ir import lang as L
from ..ir.graph import Value


def compute_dtype(dtype):
    """The type PyTorch computes in: float32 for half types."""
    return dtypes.OPMATH.get(dtype, dtype)


def wide(x):
    """x in its compute type; numbers and None as they are."""
    return L.cast(x, compute_dtype(x.dtype)) if isinstance(x, Value) else x


def number_like(value, x):
    """A parameter (a 0-d Value, or a Python number at its default) in the dtype and shape of x."""
    if isinstance(value, Value):
        return L.broadcast(L.cast(value, x.dtype), x.shape)
    return L.like(x, value)


def type_name(dtype):
    """The C++ name PyTorch's messages use, e.g. ``float`` for float32."""
    return {"float32": "float", "float64": "double", "int64": "long int", "int32": "int",
            "int16": "short int", "int8": "signed char", "uint8": "unsigned char",
            "float16": "c10::Half", "bfloat16": "c10::BFloat16",
            "complex32": "c10::complex<c10::Half>", "complex64": "c10::complex<float>",
            "complex128": "c10::complex<double>"}.get(dtype.name, dtype.name)


def not_implemented(name, dtype):
    """The error PyTorch's kernels raise for a dtype they lack."""
    return NotImplementedError(f"\"{name}\" not implemented for '{dtype.type_name}'")


def no_complex(op, common):
    """For records' `dtypes`: the operator does not take complex numbers."""
    if common.is_complex:
        raise not_implemented(f"{op.name}_cpu", common)


def need_floating(x, name):
    """Refuse integers, bools and complex numbers."""
    if x.dtype.category != dtypes.FLOAT:
        raise not_implemented(name, x.dtype)


def layout_of_first(metas, out_shapes):
    """Strides of results that keep the first operand's channels_last layout."""
    keep = bool(metas) and suggests_channels_last(metas[0].shape, metas[0].strides)
    return [channels_last_strides(s) if keep and len(s) in (4, 5) else None for s in out_shapes]


def layout_if_distinct(metas, out_shapes):
    """As `layout_of_first`, but row-major where the operand's strides are that too."""
    return layout_of_first(metas if not metas[0].contiguous else (), out_shapes)


def layout_of_any(metas, out_shapes):
    """Strides of results that are channels_last where one of the operands is (convolutions)."""
    keep = any(suggests_channels_last(m.shape, m.strides) for m in metas)
    return [channels_last_strides(s) if keep and len(s) in (4, 5) else None for s in out_shapes]
