"""Resilient backpropagation."""

from __future__ import annotations

from .. import frontend as rl
from ._per_parameter import PerParameterOptimizer, check_lr, real_views
from .optimizer import ParamsT

__all__ = ["Rprop"]


class Rprop(PerParameterOptimizer):
    """Steps against the sign of the gradient, of a size that each element adapts on its own.

    Where the gradient keeps its sign the step size grows by etas[1]; where it changes, the step
    size shrinks by etas[0] and the element rests for one step.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: first step size, at least 0; a number or a tensor of one element.
        etas: factors of decrease and increase, with 0 < etas[0] < 1 < etas[1].
        step_sizes: smallest and largest step size.
        capturable: keep the step counter on the parameter's device.
        foreach: accepted; the update is the same (see `PerParameterOptimizer`).
        maximize: go up the gradient.
        differentiable: let gradients flow through the update.

    Raises: ValueError for a hyperparameter out of range; RuntimeError from `step` for sparse
        gradients.

    Source: Riedmiller and Braun 1993, A Direct Adaptive Method for Faster Backpropagation Learning.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Rprop([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.7500, -1.7500])
    """

    _late_options = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr=1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(
                f"Invalid eta values: {etas[0]}, {etas[1]}, they must satisfy 0 < eta- < 1 < eta+"
            )
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, group, param):
        size = float(group["lr"])
        # A complex element is two real ones, each with a step size of its own.
        first = complex(size, size) if param.is_complex() else size
        return {
            "step": self._new_scalar(group, param, "step", 0.0),
            "prev": rl.zeros_like(param),
            "step_size": rl.full_like(param.grad, first),
        }

    def _update(self, group, param, grad, state):
        shrink, grow = group["etas"]
        state["step"].add_(1)
        param, grad, prev, step_size = real_views(param, grad, state["prev"], state["step_size"])
        # The backward pass of a differentiable step needs `prev`, which is overwritten below.
        sign = (grad * (prev.clone() if group["differentiable"] else prev)).sign()
        turned = sign.lt(0)
        factor = rl.where(sign.eq(0), 1.0, sign)  # a NaN stays
        factor = rl.where(sign.gt(0), grow, rl.where(turned, shrink, factor))
        step_size.mul_(factor).clamp_(*group["step_sizes"])
        grad = rl.where(turned, 0.0, grad)
        param.addcmul_(grad.sign(), step_size, value=-1)
        prev.copy_(grad)
