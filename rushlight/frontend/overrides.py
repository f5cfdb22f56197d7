"""``__torch_function__``: subclasses and modes that see every operator."""

import functools

from ..engine.record import state
from .tensor import Tensor


def _flat(args, kwargs):
    for a in (*args, *kwargs.values()):
        if isinstance(a, list | tuple):
            yield from _flat(a, {})
        else:
            yield a


def overloaded_args(args, kwargs):
    """Arguments whose class overrides ``__torch_function__``, subclasses before their bases."""
    found = []
    for a in _flat(args, kwargs):
        cls = type(a)
        if cls is Tensor or not hasattr(cls, "__torch_function__"):
            continue
        if cls.__torch_function__ is disabled_function or any(type(f) is cls for f in found):
            continue
        at = next((i for i, f in enumerate(found) if issubclass(cls, type(f))), len(found))
        found.insert(at, a)
    return found


_PLAIN = {Tensor, int, float, bool, str, type(None)}


def has_override(args, kwargs):
    """Must this call leave the fast path?"""
    if state.mine.function_modes:
        return True
    for a in (*args, *kwargs.values()) if kwargs else args:
        if a.__class__ not in _PLAIN and not _learnt(a.__class__):
            return bool(overloaded_args(args, kwargs))
    return False


def _learnt(cls):
    """Is this a class of tensors without overrides (Parameter)?  Then calls need not ask again."""
    if issubclass(cls, Tensor) and cls.__torch_function__ is disabled_function:
        _PLAIN.add(cls)
        return True
    return False


def disabled_function(func, types, args=(), kwargs=None):
    """``__torch_function__ = torch._C._disabled_torch_function_impl``: run as plain tensors."""
    with DisableTorchFunctionSubclass():
        return func(*args, **(kwargs or {}))


disabled_function.disables = True  # type: ignore[attr-defined]


def default_torch_function(cls, func, types, args=(), kwargs=None):
    """Tensor's own: run the function on plain tensors, then make results instances of `cls`."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        found = func(*args, **(kwargs or {}))
    return found if func in _keeps_type else convert(found, cls)


_keeps_type: set = set()


def convert(found, cls):
    """Tensors in a result (also in lists and tuples) as `cls`."""
    if cls is Tensor:
        return found
    if isinstance(found, Tensor):
        return found if isinstance(found, cls) else found.as_subclass(cls)
    if isinstance(found, tuple) and hasattr(found, "_fields"):
        return type(found)(*(convert(f, cls) for f in found))
    if isinstance(found, list | tuple):
        return type(found)(convert(f, cls) for f in found)
    return found


class DisableTorchFunctionSubclass:
    """Within: subclasses count as plain tensors."""

    def __enter__(self):
        state.plain_subclasses += 1

    def __exit__(self, *exc):
        state.plain_subclasses -= 1


def handle_override(function, args, kwargs):
    """The modes' and the arguments' answer, or NotImplemented when none of them takes the call."""
    if state.function_modes:
        mode = state.function_modes.pop()
        try:
            types = tuple(type(a) for a in overloaded_args(args, kwargs))
            return mode.__torch_function__(function, types, args, kwargs)
        finally:
            state.function_modes.append(mode)
    if state.plain_subclasses:
        return NotImplemented
    overloaded = overloaded_args(args, kwargs)
    if not overloaded:
        return NotImplemented
    types = tuple(type(a) for a in overloaded)
    for a in overloaded:
        found = type(a).__torch_function__(function, types, args, kwargs)
        if found is not NotImplemented:
            return found
    raise TypeError(
        f"Multiple dispatch failed for '{getattr(function, '__name__', function)}'; all "
        f"__torch_function__ handlers returned NotImplemented: {list(types)}"
    )


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """PyTorch's entry for Python functions that want the same treatment."""
    found = handle_override(public_api, args, kwargs)
    if found is NotImplemented:
        raise TypeError(f"no implementation found for '{public_api.__name__}'")
    return found


def overridable(function):
    """A public function behind the check for ``__torch_function__``."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        if has_override(args, kwargs):
            found = handle_override(run, args, kwargs)
            if found is not NotImplemented:
                return found
        return function(*args, **kwargs)

    return run


def has_torch_function(relevant_args):
    """Does any of these override ``__torch_function__``?"""
    return not state.plain_subclasses and has_override(tuple(relevant_args), {})


class TorchFunctionMode:
    """Context in which every public function first asks ``__torch_function__`` of this object."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError

    def __enter__(self):
        from .dispatch import count_modes

        count_modes(1)
        state.function_modes.append(self)
        return self

    def __exit__(self, *exc):
        from .dispatch import count_modes

        state.function_modes.remove(self)
        count_modes(-1)


def is_tensor_like(obj):
    """Is it a Tensor, or something with ``__torch_function__``?"""
    return isinstance(obj, Tensor) or hasattr(obj, "__torch_function__")
