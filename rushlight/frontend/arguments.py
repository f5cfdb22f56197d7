"""From a call's arguments to a record's: names, types, conversions, and errors in PyTorch's
words."""

import numbers
import operator

import numpy as np

from ..engine.base import dtypes
from ..engine.base.device import device
from ..engine.base.promote import NUMBER_KINDS
from ..engine.ops.schema import REQUIRED
from .tensor import Tensor

SYNONYMS = {
    "axis": "dim",
    "keepdims": "keepdim",
    "x": "self",
    "input": "self",
    "x1": "self",
    "x2": "other",
    "axes": "dim",
}
NUMPY_NUMBERS = (np.bool_, np.integer, np.floating, np.complexfloating)


def public_name(param):
    return "input" if param.name == "self" else param.name


def bind(op, args, kwargs):
    """{parameter: given value} with defaults filled in; TypeError explains a mismatch."""
    params = op.schema.params
    positional = [p for p in params if not p.kw_only]
    if len(args) > len(positional):
        args = _varargs(op, positional, args)
    values = dict(zip((p.name for p in positional), args, strict=False))
    names = {p.name for p in params}
    for name, value in kwargs.items():
        target = name if name in names and name != "self" else SYNONYMS.get(name, name)
        if target not in names:
            raise TypeError(f"{op.name}() got an unexpected keyword argument '{name}'")
        if target in values:
            raise TypeError(f"{op.name}() got multiple values for argument '{name}'")
        values[target] = value
    for p in params:
        if p.name not in values:
            if p.default is REQUIRED:
                raise TypeError(
                    f'{op.name}() missing 1 required positional arguments: "{public_name(p)}"'
                )
            values[p.name] = p.default
    return values


def _varargs(op, positional, args):
    """``x.permute(0, 1)``: trailing ints where the last positional parameter is a list of ints."""
    last = positional[-1] if positional else None
    fixed = len(positional) - 1
    if last is not None and last.type.startswith("int[]") and all(map(is_int, args[fixed:])):
        return (*args[:fixed], tuple(args[fixed:]))
    raise TypeError(
        f"{op.name}() takes {len(positional)} positional arguments but {len(args)} were given"
    )


def is_int(v):
    return not isinstance(v, bool) and (
        isinstance(v, numbers.Integral)
        or (isinstance(v, Tensor) and v._meta.plain.numel == 1 and v.dtype.category == dtypes.INT)
    )


def is_number(v):
    return isinstance(v, bool | int | float | complex) or isinstance(v, NUMPY_NUMBERS)


def python_number(v):
    """A Python number equal to a NumPy or 0-d tensor one."""
    return v.item() if isinstance(v, NUMPY_NUMBERS) or isinstance(v, Tensor) else v


def accepts(param, value):
    """Would PyTorch's argument parser take this value for this parameter?"""
    kind = param.type
    if kind.endswith("?"):
        if value is None:
            return True
        kind = kind[:-1]
    return _ACCEPT[kind](value)


def takes_number(op, param):
    """May a Python number stand for this Tensor?"""
    return op.kind == "pointwise" and param.name in op.numbers


def reads_tensor(param, value):
    """Is a tensor given where PyTorch wants a number (it would be read)?"""
    return isinstance(value, Tensor) and not param.type.startswith("Tensor")


def _sequence_of(check):
    return lambda v: isinstance(v, list | tuple) and all(map(check, v))


def _is_tensor(v):
    return isinstance(v, Tensor)


_ACCEPT = {
    "Tensor": _is_tensor,
    "Tensor[]": _sequence_of(_is_tensor),
    "Tensor?[]": _sequence_of(lambda v: v is None or isinstance(v, Tensor)),
    "Scalar": lambda v: is_number(v) or (isinstance(v, Tensor) and v._meta.plain.ndim == 0),
    "int": is_int,
    "int[]": lambda v: is_int(v) or _sequence_of(is_int)(v),
    "float": lambda v: (
        is_number(v)
        and not isinstance(v, complex | np.complexfloating)
        or (isinstance(v, Tensor) and v._meta.plain.ndim == 0)
    ),
    "float[]": _sequence_of(is_number),
    "bool": lambda v: isinstance(v, bool | np.bool_),
    "str": lambda v: isinstance(v, str),
    "Sizes": lambda v: v is None or is_int(v) or _sequence_of(lambda n: n is None or is_int(n))(v),
    "Padding": lambda v: isinstance(v, str) or is_int(v) or _sequence_of(is_int)(v),
    "dtype": lambda v: isinstance(v, dtypes.dtype) or v in (float, int, bool, complex),
    "Device": lambda v: isinstance(v, device | str | int),
    "Layout": lambda v: True,
    "MemoryFormat": lambda v: True,
    "Generator": lambda v: True,
}
_PYTHON_TYPES = {
    float: dtypes.float64,
    int: dtypes.int64,
    bool: dtypes.bool_,
    complex: dtypes.complex128,
}


def static(param, value):
    """The hashable form of a structural argument."""
    if value is None:
        return None
    kind = param.type.rstrip("?")
    if kind == "int":
        return operator.index(python_number(value))
    if kind == "int[]" or kind == "Padding" and not isinstance(value, str):
        items = (value,) if is_int(value) else value
        return tuple(operator.index(python_number(i)) for i in items)
    if kind == "Sizes":
        return (
            tuple(n if n is None else operator.index(python_number(n)) for n in value)
            if isinstance(value, list | tuple)
            else value
        )
    if kind == "float[]":
        return tuple(map(float, value))
    if kind in ("float", "Scalar"):
        return python_number(value)
    if kind == "dtype":
        return _PYTHON_TYPES.get(value, value)
    if kind == "Device":
        return device(value)
    if kind == "bool":
        return bool(value)
    return value


def is_default(param, value):
    """Is a run-time number left at its schema default (then it is part of the kernel)?"""
    d = param.default
    return d is not REQUIRED and type(value) is type(d) and value == d


def classify(op, values):
    """(cache key, tagged arguments, tensors, numbers) of bound values; checks every type."""
    key, tagged, tensors, numbers_ = [], [], [], []
    for position, p in enumerate(op.schema.params):
        v = values[p.name]
        number = p.type == "Tensor" and takes_number(op, p) and is_number(v)
        if not number and not accepts(p, v):
            _refuse(op, position, p, v)
        if number or (
            p.type.startswith(("Scalar", "float"))
            and "[]" not in p.type
            and v is not None
            and p.name not in op.structural
        ):
            _number(p, v, number, key, tagged, numbers_)
        elif p.type.startswith("Tensor"):
            _tensors(v, key, tagged, tensors)
        else:
            v = static(p, v)
            key.append((type(v), v) if p.name in op.structural and v is not None else v)
            tagged.append(("s", v))
    return tuple(key), tagged, tensors, tuple(numbers_)


def _number(p, v, as_tensor, key, tagged, numbers_):
    v = python_number(v)
    if not as_tensor and is_default(p, v):
        key.append(None)
        tagged.append(("s", v))
        return
    if p.type.startswith("float"):
        v = float(v)
    kind = NUMBER_KINDS[type(v)]
    if kind == "i" and not -(1 << 63) <= v < 1 << 63:
        raise RuntimeError("value cannot be converted to type int64_t without overflow")
    key.append(kind)
    tagged.append(("n", kind))
    numbers_.append(v)


def _tensors(v, key, tagged, tensors):
    if v is None:
        key.append(None)
        tagged.append(("s", None))
    elif isinstance(v, Tensor):
        meta = v._meta.plain
        key.append(meta)
        tagged.append(("t", meta))
        tensors.append(v)
    else:
        metas = tuple(None if t is None else t._meta.plain for t in v)
        key.append(metas)
        tagged.append(("T", metas))
        tensors.extend(t for t in v if t is not None)


def _refuse(op, position, p, v):
    expected = {
        "Scalar": "Number",
        "int[]": "tuple of ints",
        "Tensor[]": "tuple of Tensors",
        "dtype": "torch.dtype",
        "Device": "torch.device",
    }.get(p.type.rstrip("?"), p.type.rstrip("?"))
    raise TypeError(
        f"{op.name}(): argument '{public_name(p)}' (position {position + 1}) must be "
        f"{expected}, not {type(v).__name__}"
    )
