"""Creating modules without initialising their parameters."""

from __future__ import annotations

import inspect

from ..modules.module import Module


def skip_init(module_cls, *args, **kwargs):
    """A module whose parameters are not initialised, and draw no random numbers.

    Args:
        module_cls: a Module class with a `device` argument.
        *args, **kwargs: of its constructor; `device` is where the parameters will lie.

    Raises: RuntimeError if it is no such class.

    >>> import rushlight as torch
    >>> torch.nn.utils.skip_init(torch.nn.Linear, 5, 1).weight.shape
    torch.Size([1, 5])
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    device = kwargs.pop("device", "cpu")
    return module_cls(*args, device="meta", **kwargs).to_empty(device=device)
