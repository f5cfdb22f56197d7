"""RMSprop."""

from __future__ import annotations

from .. import frontend as rl
from ._per_parameter import (
    PerParameterOptimizer,
    add_quotient_,
    add_scaled_,
    check_at_least_0,
    check_lr,
    real_views,
    with_weight_decay,
)
from .optimizer import ParamsT, _to_scalar

__all__ = ["RMSprop"]


class RMSprop(PerParameterOptimizer):
    """Gradient descent with the gradient divided by the root of a running mean of its square.

    With ``v = alpha * v + (1 - alpha) * grad**2``, each step does
    ``param -= lr * grad / (sqrt(v) + eps)``; the root is taken before eps is added.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, at least 0; a number or a tensor of one element.
        alpha: decay rate of the running mean, at least 0.
        eps: added to the denominator, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        momentum: share of the last step that is added to the next, at least 0.
        centered: subtract the square of the running mean of the gradient from v.
        capturable: keep the step counter on the parameter's device.
        foreach: accepted; the update is the same (see `PerParameterOptimizer`).
        maximize: go up the gradient.
        differentiable: let gradients flow through the update.

    Raises: ValueError for a hyperparameter out of range; RuntimeError from `step` for sparse
        gradients.

    Source: Hinton 2012, lecture 6 of Neural Networks for Machine Learning; centered: Graves 2013,
        arXiv:1308.0850.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.RMSprop([w], lr=0.25, alpha=0.75)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.5000, -1.5000])
    """

    _late_options = {
        "momentum": 0,
        "centered": False,
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr=1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_at_least_0("epsilon value", eps)
        check_at_least_0("momentum value", momentum)
        check_at_least_0("weight_decay value", weight_decay)
        check_at_least_0("alpha value", alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, group, param):
        state = {
            "step": self._new_scalar(group, param, "step", 0.0),
            "square_avg": rl.zeros_like(param),
        }
        if group["momentum"] > 0:
            state["momentum_buffer"] = rl.zeros_like(param)
        if group["centered"]:
            state["grad_avg"] = rl.zeros_like(param)
        return state

    def _update(self, group, param, grad, state):
        lr, alpha = _to_scalar(group["lr"]), group["alpha"]
        state["step"].add_(1)
        grad = with_weight_decay(grad, param, group["weight_decay"])
        names = ["square_avg"]
        names += ["grad_avg"] if group["centered"] else []
        names += ["momentum_buffer"] if group["momentum"] > 0 else []
        param, grad, *buffers = real_views(param, grad, *(state[name] for name in names))
        square_avg = buffers[0]
        square_avg.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        variance = square_avg
        if group["centered"]:
            grad_avg = buffers[1].lerp_(grad, 1 - alpha)
            variance = square_avg.addcmul(grad_avg, grad_avg, value=-1)
        denom = variance.sqrt() + group["eps"]
        if group["momentum"] > 0:
            buffer = buffers[-1].mul_(group["momentum"]).addcdiv_(grad, denom)
            add_scaled_(param, buffer, -lr)
        else:
            add_quotient_(param, grad, denom, -lr)
