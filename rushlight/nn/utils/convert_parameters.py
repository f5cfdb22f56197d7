"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ... import frontend as rl


def _on_one_device(parameters: Iterable[Any]) -> Iterator[Any]:
    device = None
    for parameter in parameters:
        device = parameter.device if device is None else device
        if parameter.device != device:
            raise TypeError(
                "Found two parameters on different devices, this is currently not supported: "
                f"{device} and {parameter.device}."
            )
        yield parameter


def parameters_to_vector(parameters: Iterable[Any]):
    """Join parameters to one vector; gradients flow back to them.

    Args:
        parameters: of any shapes, on one device; TypeError otherwise.

    Returns: (number of all elements,).

    >>> import rushlight as torch
    >>> torch.nn.utils.parameters_to_vector([torch.zeros(2, 2), torch.ones(1)])
    tensor([0., 0., 0., 0., 1.])
    """
    return rl.cat([parameter.view(-1) for parameter in _on_one_device(parameters)])


def vector_to_parameters(vec, parameters: Iterable[Any]) -> None:
    """Make parameters views of slices of a vector, in order.

    Args:
        vec: (at least the number of all elements,).
        parameters: of any shapes, on one device; TypeError otherwise.
    """
    if not isinstance(vec, rl.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {rl.typename(vec)}")
    start = 0
    for parameter in _on_one_device(parameters):
        stop = start + parameter.numel()
        parameter.data = vec[start:stop].view_as(parameter).data
        start = stop
