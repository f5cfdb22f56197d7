"""``torch.Tensor(...)`` and subclasses' constructors."""

import numpy as np

from ..engine.base.shapes import Size
from . import creation
from .tensor import Tensor, make_subclass


def construct(cls, *args, dtype=None, device=None, requires_grad=False, **kwargs):
    """PyTorch's legacy constructor: sizes give uninitialised memory, data gives float32 values."""
    made = _made(args, dtype or creation.get_default_dtype())
    return made if cls is Tensor else make_subclass(cls, made)


def _made(args, dtype):
    if not args:
        return creation.empty(0, dtype=dtype)
    if all(isinstance(a, int) and not isinstance(a, bool) for a in args):
        return creation.empty(args, dtype=dtype)
    if len(args) > 1:
        raise TypeError(
            "new() received an invalid combination of arguments; hint: pass one sequence"
        )
    data = args[0]
    if isinstance(data, Tensor):
        return data.detach()
    if isinstance(data, Size):
        return creation.empty(data, dtype=dtype)
    if isinstance(data, np.ndarray | list | tuple):
        return creation.tensor(data, dtype=dtype)
    raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})")
