"""What layer classes are written with: constructors that store their arguments, short reprs.

Next: activation.py, where both are used most.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from ... import frontend as rl
from ..parameter import Parameter

Init = TypeVar("Init", bound=Callable[..., None])


_signature = functools.cache(inspect.signature)


def stores(init: Init) -> Init:
    """Make a constructor store its arguments.

    The new constructor calls the base class's one with those arguments it takes, stores the others
    as attributes under their own names, and then runs the body of `init`, which may check or
    convert them.
    """

    @functools.wraps(init)
    def __init__(self, *args, **kwargs):
        try:
            bound = _signature(init).bind(self, *args, **kwargs)
        except TypeError:
            init(self, *args, **kwargs)  # raises Python's own message, which names the class
            raise
        bound.apply_defaults()
        _, *arguments = bound.arguments.items()
        owner = next(cls for cls in type(self).__mro__ if vars(cls).get("__init__") is __init__)
        base_init = super(owner, self).__init__
        taken = _signature(base_init.__func__).parameters
        base_init(**{name: value for name, value in arguments if name in taken})
        for name, value in arguments:
            if name not in taken:
                setattr(self, name, value)
        init(self, *args, **kwargs)

    return __init__  # type: ignore[return-value]


class _Attributes:
    """The attributes of a module, as the mapping that ``str.format_map`` wants."""

    def __init__(self, module):
        self.module = module

    def __getitem__(self, name):
        return getattr(self.module, name)


def shows(template: str = "", **hidden: Any) -> Callable[[Any], str]:
    """An `extra_repr` method: `template` with attributes, then ``name=value`` for unusual values.

    Args:
        template: format string over attribute names, for example ``"alpha={alpha}"``.
        **hidden: attributes that appear, in this order, only when they differ from the value given
            here.
    """

    def extra_repr(self) -> str:
        parts = [template.format_map(_Attributes(self))] if template else []
        for name, usual in hidden.items():
            value = getattr(self, name)
            if value != usual:
                parts.append(f"{name}={value}")
        return ", ".join(parts)

    return extra_repr


def new_parameter(shape, device=None, dtype=None) -> Parameter:
    """A parameter whose values are not set yet."""
    return Parameter(rl.empty(shape, device=device, dtype=dtype))


def warn_deprecated(message: str, stacklevel: int = 3) -> None:
    """Warn the caller of the function that calls this one."""
    warnings.warn(message, FutureWarning, stacklevel=stacklevel)


def rehome(module_name: str, *classes: type) -> None:
    """Let classes appear as defined where pickles made by PyTorch look for them."""
    for cls in classes:
        cls.__module__ = module_name
