"""Making tensors: from Python and NumPy data, of a shape, like another tensor."""

import functools
import warnings

import numpy as np

from ..engine.base import dtypes, shapes
from ..engine.base.device import cpu, device
from ..engine.base.meta import meta_of
from ..engine.base.promote import get_default_dtype
from ..engine.record import state
from ..engine.runtime.storage import Storage, aligned_empty
from .arguments import is_int, python_number
from .tensor import Tensor, wrap

PYTHON_TYPES = {
    float: dtypes.float64,
    int: dtypes.int64,
    bool: dtypes.bool_,
    complex: dtypes.complex128,
}


def as_dtype(value, default=None):
    """A dtype argument: a dtype, a Python type, or None for the default."""
    if value is None:
        return default
    found = PYTHON_TYPES.get(value, value) if not isinstance(value, dtypes.dtype) else value
    if not isinstance(found, dtypes.dtype):
        raise TypeError(f"dtype must be a torch.dtype, not {type(value).__name__}")
    return found


def as_device(value):
    """A device argument; None is the default device."""
    if value is None:
        return _default_device[0]
    return value if isinstance(value, device) else device(value)


_default_device = [cpu]


def set_default_device(d):
    """Where factory functions put new tensors."""
    _default_device[0] = cpu if d is None else device(d)


def get_default_device():
    """Where factory functions put new tensors."""
    return _default_device[0]


def as_size(size, name="size"):
    """A shape from ``f(2, 3)`` or ``f((2, 3))``; negative sizes are refused."""
    if len(size) == 1 and not is_int(size[0]):
        size = size[0]
    if not isinstance(size, list | tuple) or not all(map(is_int, size)):
        raise TypeError(f"{name}: expected a tuple of ints, got {size!r}")
    out = tuple(int(python_number(n)) for n in size)
    for n in out:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(out)}")
    return out


def check_options(layout=None, pin_memory=False):
    """Options every factory takes and this build supports in one form only."""
    if layout is not None and getattr(layout, "name", str(layout)) not in (
        "strided",
        "torch.strided",
    ):
        raise NotImplementedError(
            f"layout {layout} is not built yet: rushlight has strided tensors"
        )
    if pin_memory:
        raise RuntimeError(
            "Cannot access accelerator device when none is available. (pin_memory=True)"
        )


def finished(t, requires_grad):
    if state.inference:
        t._inference = True
    return t.requires_grad_() if requires_grad else t


def full_array(shape, value, dtype, place=cpu, requires_grad=False, strides=None):
    """A realised tensor filled with one number."""
    meta = meta_of(shape, dtype, strides, place)
    if place.type == "meta":
        return finished(wrap(Storage(dtype, meta.numel, place), meta), requires_grad)
    array = aligned_empty(max(meta.extent, 0), dtype.np)
    array.fill(value)
    return finished(wrap(Storage(dtype, array.size, place, array), meta), requires_grad)


# --------------------------------------------------------------------------- of a shape
def empty(
    *size,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
    memory_format=None,
):
    """A tensor of uninitialised values (here: zeros are not promised, nor written)."""
    if not size:
        size = ((),)
    check_options(layout, pin_memory)
    shape = as_size(size)
    dtype = as_dtype(dtype, get_default_dtype() if out is None else out.dtype)
    strides = format_strides(shape, memory_format)
    if out is not None:
        return out.resize_(shape)
    return empty_strided(
        shape,
        strides or shapes.contiguous_strides(shape),
        dtype=dtype,
        device=device,
        requires_grad=requires_grad,
    )


def empty_strided(
    size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """Uninitialised, with given strides."""
    check_options(layout, pin_memory)
    shape, strides = as_size((size,)), tuple(stride)
    place = as_device(device)
    dtype = as_dtype(dtype, get_default_dtype())
    meta = meta_of(shape, dtype, strides, place)
    array = None if place.type == "meta" else aligned_empty(meta.extent, dtype.np)
    return finished(wrap(Storage(dtype, meta.extent, place, array), meta), requires_grad)


def format_strides(shape, memory_format, like=None):
    """Strides for a memory_format argument; None means row-major."""
    name = getattr(memory_format, "name", None) if memory_format is not None else None
    if name is None or name == "contiguous_format":
        return None
    if name == "preserve_format":
        return None if like is None else shapes.like_strides(like.shape, like.strides)
    need = {"channels_last": 4, "channels_last_3d": 5}[name]
    if len(shape) != need:
        raise RuntimeError(f"required rank {need} tensor to use {name} format")
    return shapes.channels_last_strides(shape)


def zeros(
    *size, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """A tensor of zeros.

    >>> import rushlight as torch
    >>> torch.zeros(2)
    tensor([0., 0.])
    """
    return _constant(0, size, out, dtype, layout, device, requires_grad, pin_memory)


def ones(
    *size, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """A tensor of ones."""
    return _constant(1, size, out, dtype, layout, device, requires_grad, pin_memory)


def _constant(value, size, out, dtype, layout, place, requires_grad, pin_memory):
    check_options(layout, pin_memory)
    shape = as_size(size) if size else ()
    if out is not None:
        return out.resize_(shape).fill_(value)
    return full_array(
        shape, value, as_dtype(dtype, get_default_dtype()), as_device(place), requires_grad
    )


def full(
    size,
    fill_value,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """A tensor of one value; its dtype follows the value unless given."""
    check_options(layout, pin_memory)
    fill_value = python_number(fill_value)
    shape = as_size((size,)) if not is_int(size) else (size,)
    if out is not None:
        return out.resize_(shape).fill_(fill_value)
    if dtype is None:
        dtype = {
            bool: dtypes.bool_,
            int: dtypes.int64,
            complex: get_default_dtype().to_complex(),
        }.get(type(fill_value), get_default_dtype())
    return full_array(shape, fill_value, as_dtype(dtype), as_device(device), requires_grad)


def _new_like(t, value, dtype, layout, place, requires_grad, memory_format, pin_memory=False):
    check_options(layout, pin_memory)
    meta = t._meta.plain
    name = getattr(memory_format, "name", "preserve_format")
    if name == "preserve_format":
        strides = shapes.like_strides(meta.shape, meta.strides)
    else:
        strides = format_strides(meta.shape, memory_format)
    dtype, place = as_dtype(dtype, meta.dtype), meta.device if place is None else as_device(place)
    if value is None:
        return empty_strided(
            meta.shape,
            strides or shapes.contiguous_strides(meta.shape),
            dtype=dtype,
            device=place,
            requires_grad=requires_grad,
        )
    return full_array(tuple(meta.shape), value, dtype, place, requires_grad, strides)


def zeros_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    pin_memory=False,
):
    """Zeros of the shape, dtype and layout of `input`."""
    return _new_like(input, 0, dtype, layout, device, requires_grad, memory_format, pin_memory)


def ones_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    pin_memory=False,
):
    """Ones of the shape, dtype and layout of `input`."""
    return _new_like(input, 1, dtype, layout, device, requires_grad, memory_format, pin_memory)


def empty_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    pin_memory=False,
):
    """Uninitialised, of the shape, dtype and layout of `input`."""
    return _new_like(input, None, dtype, layout, device, requires_grad, memory_format, pin_memory)


def full_like(
    input,
    fill_value,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    pin_memory=False,
):
    """One value in the shape, dtype and layout of `input`."""
    return _new_like(
        input,
        python_number(fill_value),
        dtype,
        layout,
        device,
        requires_grad,
        memory_format,
        pin_memory,
    )


def arange(
    start,
    end=None,
    step=1,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """``start, start + step, ..`` below `end`; int64 where all are ints."""
    check_options(layout, pin_memory)
    start, end = (0, start) if end is None else (start, end)
    start, end, step = map(python_number, (start, end, step))
    integral = all(isinstance(v, int) for v in (start, end, step))
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    dtype = as_dtype(
        dtype, out.dtype if out is not None else dtypes.int64 if integral else get_default_dtype()
    )
    count = max(0, -(-(end - start) // step)) if integral else int(np.ceil((end - start) / step))
    wide = np.float64 if not integral else np.int64
    values = start + np.arange(count, dtype=wide) * wide(step)
    if as_device(device).type == "meta":
        return full_array((count,), 0, dtype, as_device(device), requires_grad)
    made = from_data(values.astype(dtype.np), dtype)
    if out is not None:
        return out.resize_((count,)).copy_(made)
    return finished(made, requires_grad)


def linspace(
    start,
    end,
    steps,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """`steps` evenly spaced values from start to end, both included."""
    check_options(layout, pin_memory)
    start, end = python_number(start), python_number(end)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    dtype = as_dtype(dtype, out.dtype if out is not None else get_default_dtype())
    wide = np.complex128 if dtype.is_complex else np.float64
    values = np.asarray(_spaced(start, end, steps, wide))
    made = from_data(values.astype(dtype.np), dtype)
    if out is not None:
        return out.resize_((steps,)).copy_(made)
    return finished(made, requires_grad)


def _spaced(start, end, steps, wide):
    """Built from both ends, as PyTorch does, so that it is symmetric."""
    if steps == 1:
        return np.array([start], wide)
    step = (wide(end) - wide(start)) / max(steps - 1, 1)
    i = np.arange(steps)
    return np.where(i < steps // 2, wide(start) + step * i, wide(end) - step * (steps - 1 - i))


def logspace(
    start,
    end,
    steps,
    base=10.0,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """``base ** x`` for `steps` evenly spaced x."""
    check_options(layout, pin_memory)
    start, end = python_number(start), python_number(end)
    dtype = as_dtype(dtype, out.dtype if out is not None else get_default_dtype())
    wide = np.complex128 if dtype.is_complex else np.float64
    values = np.power(wide(base), _spaced(start, end, steps, wide))
    made = from_data(values.astype(dtype.np), dtype)
    if out is not None:
        return out.resize_((steps,)).copy_(made)
    return finished(made, requires_grad)


def eye(
    n,
    m=None,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """Ones on the diagonal of an n x m matrix."""
    check_options(layout, pin_memory)
    m = n if m is None else m
    if n < 0 or m < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {min(n, m)}")
    dtype = as_dtype(dtype, out.dtype if out is not None else get_default_dtype())
    if as_device(device).type == "meta":
        return full_array((n, m), 0, dtype, as_device(device), requires_grad)
    made = from_data(np.eye(n, m).astype(dtype.np), dtype)
    if out is not None:
        return out.resize_((n, m)).copy_(made)
    return finished(made, requires_grad)


# ---------------------------------------------------------------------------- from data
def from_data(array, dtype):
    """A tensor over an array the caller gives away (copied where it is not plain memory)."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if not flat.flags.writeable:
        flat = flat.copy()
    return wrap(Storage(dtype, flat.size, cpu, flat), meta_of(array.shape, dtype))


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new leaf tensor with a copy of `data` (numbers, nested sequences, arrays, tensors).

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    check_options(None, pin_memory)
    place = as_device(device)
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use "
            "sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than "
            "torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        made = (
            data.detach().clone() if dtype is None else data.detach().to(as_dtype(dtype), copy=True)
        )
        return finished(made, requires_grad)
    array, found = to_array(data, as_dtype(dtype))
    made = from_data(array, found)
    if place.type == "meta":
        made = full_array(array.shape, 0, found, place)
    return finished(made, requires_grad)


def to_array(data, dtype=None):
    """A fresh NumPy array and its dtype for any data `tensor` accepts."""
    if (
        isinstance(data, np.ndarray | np.generic)
        or hasattr(data, "__array_interface__")
        and not isinstance(data, list | tuple)
    ):
        array = np.array(data)
        found = dtypes.from_numpy_dtype(array.dtype)
    else:
        shape, leaves = _flatten(data)
        found = _dtype_of(leaves) if leaves else get_default_dtype()
        array = _array_of(leaves, dtype or found).reshape(shape)
    dtype = dtype or found
    if array.dtype != dtype.np:
        if array.dtype.kind == "c" and not dtype.is_complex:
            array = array.real
        array = array.astype(dtype.np)
    return np.array(array, order="C", copy=True), dtype


def _array_of(leaves, dtype):
    kind = {float: np.float64, int: np.int64, bool: np.bool_, complex: np.complex128}
    if dtype.category == dtypes.INT:
        values = [int(v) for v in leaves]
        if any(not -(1 << 63) <= v < 1 << 63 for v in values):
            raise RuntimeError("Overflow when unpacking long")
        return np.array(values, np.int64)
    wide = kind[(bool, int, float, complex)[dtype.category]]
    return np.array(leaves, wide)


def _flatten(data):
    """(shape, flat list of Python numbers) of nested sequences; ragged ones are refused."""
    if isinstance(data, Tensor):
        array = (
            data.detach().to(dtypes.float32)._array()
            if data.dtype in dtypes.HALVES
            else data._array()
        )
        return tuple(array.shape), array.reshape(-1).tolist()
    if isinstance(data, np.ndarray):
        return data.shape, data.reshape(-1).tolist()
    if isinstance(data, bool | int | float | complex):
        return (), [data]
    if isinstance(data, np.generic):
        return (), [data]  # as it is: its type counts for the result's
    if isinstance(data, str | bytes) or not hasattr(data, "__len__"):
        if hasattr(data, "__index__"):
            return (), [data.__index__()]
        if hasattr(data, "__float__"):
            return (), [float(data)]
        raise (
            TypeError(f"new(): invalid data type '{type(data).__name__}'")
            if isinstance(data, str | bytes)
            else RuntimeError(f"Could not infer dtype of {type(data).__name__}")
        )
    leaves, shape = [], None
    for i in range(len(data)):
        inner, values = _flatten(data[i])
        if shape is not None and inner != shape:
            raise ValueError(
                f"expected sequence of length {shape[0] if shape else 1} at dim 1 (got "
                f"{inner[0] if inner else 0})"
            )
        shape = inner
        leaves += values
    return (len(data), *(shape or (() if len(data) else ()))), leaves


def _dtype_of(leaves):
    kinds = {type(v) for v in leaves}
    sized = [dtypes.from_numpy_dtype(k) for k in kinds if issubclass(k, np.generic)]
    if sized:
        plain = [v for v in leaves if not isinstance(v, np.generic)]
        sized += [_dtype_of(plain)] if plain else []
        return functools.reduce(dtypes.promote_types, sized)
    if complex in kinds:
        return get_default_dtype().to_complex()
    if float in kinds:
        return get_default_dtype()
    return dtypes.bool_ if kinds == {bool} else dtypes.int64


def scalar_tensor(
    value, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """A 0-d tensor of one number (default dtype unless given)."""
    check_options(layout, pin_memory)
    return full_array(
        (),
        python_number(value),
        as_dtype(dtype, get_default_dtype()),
        as_device(device),
        requires_grad,
    )
