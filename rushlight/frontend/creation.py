"""Making tensors: from Python and NumPy data, of a shape, like another tensor."""

import math
import warnings

import numpy as np

from ..engine.base import dtypes, shapes
from ..engine.base.device import cpu, device
from ..engine.base.meta import meta_of
from ..engine.base.promote import get_default_dtype
from ..engine.record import state
from ..engine.runtime.storage import aligned_empty, storage_of
from .arguments import is_int, python_number
from .nested import fitting, to_array
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
        return state.device
    return value if isinstance(value, device) else device(value)


def set_default_device(d):
    """Where factory functions of this thread put new tensors (as in PyTorch, the effect ends
    there)."""
    state.device = cpu if d is None else device(d)


def get_default_device():
    """Where factory functions put new tensors."""
    return state.device


def _enter(place):
    state.outer_devices.append(state.device)
    state.device = place
    return place


def _exit(place, *exc):
    state.device = state.outer_devices.pop()


for _name, _member in (("__enter__", _enter), ("__exit__", _exit)):
    setattr(device, _name, _member)  # ``with torch.device("meta"):``


def as_size(size, name="size"):
    """A shape from ``f(2, 3)`` or ``f((2, 3))``; negative sizes are refused."""
    if len(size) == 1 and not is_int(size[0]):
        size = size[0]
    if not isinstance(size, list | tuple) or not all(map(is_int, size)):
        raise TypeError(
            f"argument '{name}' (position 1) must be tuple of ints, not {type(size).__name__}"
        )
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
            "pin_memory=True requires a CUDA or other accelerator backend; no pinned memory "
            "allocator is available on this system."
        )


def finished(t, requires_grad):
    if state.inference:
        t._inference = True
    return t.requires_grad_() if requires_grad else t


def full_array(shape, value, dtype, place=cpu, requires_grad=False, strides=None):
    """A realised tensor filled with one number."""
    meta = meta_of(shape, dtype, strides, place)
    value = fitting(value, dtype)
    if place.type == "meta":
        return finished(wrap(storage_of(dtype, meta.numel, place), meta), requires_grad)
    array = aligned_empty(max(meta.extent, 0), dtype.np)
    array.fill(value)
    return finished(wrap(storage_of(dtype, array.size, place, array), meta), requires_grad)


# --------------------------------------------------------------------------- of a shape
def empty(
    *args,
    size=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
    memory_format=None,
):
    """A tensor of uninitialised values (here: zeros are not promised, nor written)."""
    check_options(layout, pin_memory)
    shape = as_size(_given_size(args, size) or ((),))
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
    return finished(wrap(storage_of(dtype, meta.extent, place, array), meta), requires_grad)


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
    *args,
    size=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """A tensor of zeros.

    >>> import rushlight as torch
    >>> torch.zeros(2)
    tensor([0., 0.])
    """
    return _constant(
        0, _given_size(args, size), out, dtype, layout, device, requires_grad, pin_memory
    )


def ones(
    *args,
    size=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """A tensor of ones."""
    return _constant(
        1, _given_size(args, size), out, dtype, layout, device, requires_grad, pin_memory
    )


def _given_size(args, size):
    """The size as positional numbers, as one tuple, or by name."""
    return args if size is None else (size,)


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
    start=None,
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
    """``start, start + step, ..`` below `end`; int64 where all are ints.

    An integer dtype makes integers of `start`, `end` and `step` first.

    Raises: RuntimeError for a step of 0 or away from `end`, or a bound that is not finite;
        ValueError for a step that rounds to 0.
    """
    check_options(layout, pin_memory)
    start, end = (None, start) if end is None else (start, end)
    if end is None:
        raise TypeError('arange() missing 1 required positional argument: "end"')
    start = 0 if start is None else start
    start, end, step = map(python_number, (start, end, step))
    integral = all(isinstance(v, int) for v in (start, end, step))
    _check_range(start, end, step)
    dtype = as_dtype(
        dtype, out.dtype if out is not None else dtypes.int64 if integral else get_default_dtype()
    )
    if dtype.category <= dtypes.INT and not integral:
        start, end, step, integral = int(start), int(end), int(step), True
        if not step:
            raise ValueError("step must be nonzero")
    count = max(0, -(-(end - start) // step)) if integral else int(np.ceil((end - start) / step))
    wide = np.float64 if not integral else np.int64
    values = start + np.arange(count, dtype=wide) * wide(step)
    made = from_data(values.astype(dtype.np), dtype, as_device(device))
    if out is not None:
        return out.resize_((count,)).copy_(made)
    return finished(made, requires_grad)


def _check_range(start, end, step):
    """Refuse what arange cannot count."""
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")


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
    """`steps` evenly spaced values from start to end, both included.

    An integer dtype makes integers of `start` and `end` first, and of the values in the end.
    """
    check_options(layout, pin_memory)
    start, end = python_number(start), python_number(end)
    steps = _count_of("linspace", steps)
    dtype = as_dtype(dtype, out.dtype if out is not None else get_default_dtype())
    values = _spaced(start, end, steps, dtype)
    made = from_data(values.astype(dtype.np), dtype, as_device(device))
    if out is not None:
        return out.resize_((steps,)).copy_(made)
    return finished(made, requires_grad)


def _count_of(name, steps):
    """A number of steps, an int of at least 0."""
    if isinstance(steps, bool) or not hasattr(steps, "__index__"):
        raise TypeError(
            f"{name}() received an invalid combination of arguments: 'steps' must be int, not "
            f"{type(steps).__name__}"
        )
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    return steps.__index__()


def _spaced(start, end, steps, dtype):
    """Built from both ends, as PyTorch does, so that it is symmetric; in float64 or complex128.

    For an integer dtype the ends are made integers first.
    """
    wide = np.complex128 if dtype.is_complex else np.float64
    if dtype.category <= dtypes.INT:
        start, end = int(start), int(end)
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
    steps = _count_of("logspace", steps)
    dtype = as_dtype(dtype, out.dtype if out is not None else get_default_dtype())
    exponents = _spaced(start, end, steps, dtype)
    values = np.power(exponents.dtype.type(base), exponents)
    made = from_data(values.astype(dtype.np), dtype, as_device(device))
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
        name, bad = ("n", n) if n < 0 else ("m", m)
        raise RuntimeError(f"{name} must be greater or equal to 0, got {bad}")
    dtype = as_dtype(dtype, out.dtype if out is not None else get_default_dtype())
    made = from_data(np.eye(n, m).astype(dtype.np), dtype, as_device(device))
    if out is not None:
        return out.resize_((n, m)).copy_(made)
    return finished(made, requires_grad)


# ---------------------------------------------------------------------------- from data
def from_data(array, dtype, place=cpu):
    """A tensor over an array the caller gives away (copied where it is not plain memory)."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if not flat.flags.writeable:
        flat = flat.copy()
    held = None if place.type == "meta" else flat
    return wrap(storage_of(dtype, flat.size, place, held), meta_of(array.shape, dtype, None, place))


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
    made = from_data(array, found, place)
    return finished(made, requires_grad)


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
