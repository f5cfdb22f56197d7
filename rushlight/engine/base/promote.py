"""Result dtypes of operators with tensor and Python number operands (PyTorch's rules)."""

from . import dtypes
from .dtypes import COMPLEX, FLOAT, promote_types

_default = [dtypes.float32]
_on_change: list = []  # caches that depend on the default dtype register a clearing function here


def get_default_dtype():
    """The dtype of new floating tensors and of results of integer-to-float operators."""
    return _default[0]


def set_default_dtype(d):
    """Set the default floating dtype: float16, bfloat16, float32 or float64."""
    d = dtypes.BY_NAME.get(d, d) if isinstance(d, str) else d
    if not isinstance(d, dtypes.dtype) or d.category != FLOAT:
        raise TypeError("only floating-point types are supported as the default type")
    if d is not _default[0]:
        _default[0] = d
        for clear in _on_change:
            clear()


def on_default_change(clear):
    _on_change.append(clear)


NUMBER_KINDS = {bool: "b", int: "i", float: "f", complex: "c"}


def dtype_of_kind(kind):
    """The dtype a Python number of this kind contributes: bool, int64, default, its complex."""
    if kind == "b":
        return dtypes.bool_
    if kind == "i":
        return dtypes.int64
    return _default[0] if kind == "f" else _default[0].to_complex()


KIND_STORAGE = {
    "b": dtypes.bool_,
    "i": dtypes.int64,
    "f": dtypes.float64,
    "c": dtypes.complex128,
}  # how run-time scalars travel


def _combine(higher, lower):
    if higher is None or lower is None:
        return higher or lower
    if higher.category == COMPLEX:
        return higher
    if higher.category == FLOAT:
        return higher.to_complex() if lower.category == COMPLEX else higher
    if higher is dtypes.bool_ or lower.category >= FLOAT:
        return promote_types(higher, lower)
    return higher


def _fold(found):
    result = None
    for d in found:
        result = d if result is None else promote_types(result, d)
    return result


def result_type(operands):
    """Promoted dtype of operands given as (dtype, ndim) for tensors or a kind letter for
    numbers."""
    dims = _fold(o[0] for o in operands if type(o) is tuple and o[1] > 0)
    zeros = _fold(o[0] for o in operands if type(o) is tuple and o[1] == 0)
    numbers = _fold(dtype_of_kind(o) for o in operands if type(o) is str)
    return _combine(dims, _combine(zeros, numbers))
