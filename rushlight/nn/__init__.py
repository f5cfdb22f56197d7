"""Neural networks: modules, losses, initialisation and utilities, under PyTorch's names."""

from __future__ import annotations

from . import functional, init, modules, parameter, utils
from .modules import *  # noqa: F403
from .modules import __all__ as _modules
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    *_modules,
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "factory_kwargs",
    "functional",
    "init",
    "modules",
    "parameter",
    "utils",
]

_FACTORY_KEYS = frozenset(("device", "dtype", "memory_format"))


def factory_kwargs(kwargs):
    """The arguments for creating tensors among those of a module.

    Args:
        kwargs: may hold `device`, `dtype` and `memory_format`, and a dict of such as
            `factory_kwargs`; None: nothing.

    Returns: one dict of them.
    Raises: TypeError for another name, or one given twice.

    >>> import rushlight as torch
    >>> torch.nn.factory_kwargs({"factory_kwargs": {"device": "cpu"}})
    {'device': 'cpu'}
    """
    if kwargs is None:
        return {}
    unexpected = kwargs.keys() - _FACTORY_KEYS - {"factory_kwargs"}
    if unexpected:
        raise TypeError(f"unexpected kwargs {unexpected}")
    result = dict(kwargs.get("factory_kwargs", {}))
    for key in sorted(_FACTORY_KEYS & kwargs.keys()):
        if key in result:
            raise TypeError(f"{key} specified twice, in **kwargs and in factory_kwargs")
        result[key] = kwargs[key]
    return result
