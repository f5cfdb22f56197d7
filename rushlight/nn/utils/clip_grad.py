"""Limiting gradients, by their norm together or element by element.

`foreach` is PyTorch's choice between two implementations; here there is one, for all values.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

from ... import frontend as rl
from ... import linalg
from ..modules._declare import warn_deprecated

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_"]

Tensors = Any | Iterable[Any]


def _as_list(tensors: Tensors) -> list[Any]:
    return [tensors] if isinstance(tensors, rl.Tensor) else list(tensors)


def _gradients(parameters: Tensors) -> list[Any]:
    return [p.grad for p in _as_list(parameters) if p.grad is not None]


@rl.no_grad()
def _get_total_norm(
    tensors: Tensors,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
):
    """The norm of all tensors together, as if they were one vector.

    Args:
        tensors: one or several, of any shapes.
        norm_type: degree of the norm; may be infinite.
        error_if_nonfinite: whether to raise RuntimeError if the norm is infinite or NaN.
        foreach: see the module.

    Returns: 0-d, on the device of the first tensor; 0 without tensors.

    >>> import rushlight as torch
    >>> torch.nn.utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])])
    tensor(5.)
    """
    tensors = _as_list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return rl.tensor(0.0)
    device = tensors[0].device
    norms = [linalg.vector_norm(t, norm_type).to(device) for t in tensors]
    total = linalg.vector_norm(rl.stack(norms), norm_type)
    if error_if_nonfinite and (total.isnan() | total.isinf()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


@rl.no_grad()
def _clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm, foreach: bool | None = None
) -> None:
    """Scale gradients, in place, so that a norm of `total_norm` becomes `max_norm`.

    Args:
        parameters: one or several; those without gradients are left out.
        max_norm: smaller norms are left as they are.
        total_norm: 0-d, from `get_total_norm`.
        foreach: see the module.
    """
    # Always multiplied, if only by 1: comparing would wait for the value.
    factor = rl.clamp(float(max_norm) / (total_norm + 1e-6), max=1.0)
    for grad in _gradients(parameters):
        grad.mul_(factor.to(grad.device))


@rl.no_grad()
def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
):
    """Scale gradients, in place, so that their norm together is at most `max_norm`.

    Args:
        parameters: one or several; those without gradients are left out.
        max_norm: the limit.
        norm_type: degree of the norm; may be infinite.
        error_if_nonfinite: whether to raise RuntimeError if the norm is infinite or NaN.
        foreach: see the module.

    Returns: the norm before, 0-d.

    >>> import rushlight as torch
    >>> weight = torch.zeros(2, requires_grad=True)
    >>> weight.grad = torch.tensor([3.0, 4.0])
    >>> torch.nn.utils.clip_grad_norm_([weight], max_norm=1.0)
    tensor(5.)
    >>> weight.grad
    tensor([0.6000, 0.8000])
    """
    is_generator = isinstance(parameters, types.GeneratorType)
    parameters = _as_list(parameters)
    if is_generator and not parameters:
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3
        )
    total = _get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    _clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
):
    """Deprecated: the former name of `clip_grad_norm_`."""
    warn_deprecated(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`."
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@rl.no_grad()
def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limit each element of the gradients of `parameters`, in place, to [-clip_value, clip_value].

    Args:
        parameters: one or several; those without gradients are left out.
        clip_value: at least 0.
        foreach: see the module.

    >>> import rushlight as torch
    >>> weight = torch.zeros(2, requires_grad=True)
    >>> weight.grad = torch.tensor([3.0, -0.5])
    >>> torch.nn.utils.clip_grad_value_([weight], 1.0)
    >>> weight.grad
    tensor([ 1.0000, -0.5000])
    """
    limit = float(clip_value)
    for grad in _gradients(parameters):
        grad.clamp_(min=-limit, max=limit)
