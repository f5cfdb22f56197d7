"""Adadelta."""

from __future__ import annotations

from .. import frontend as rl
from ._per_parameter import (
    PerParameterOptimizer,
    add_scaled_,
    check_at_least_0,
    check_lr,
    real_views,
    with_weight_decay,
)
from .optimizer import ParamsT, _to_scalar

__all__ = ["Adadelta"]


class Adadelta(PerParameterOptimizer):
    """Steps in units of the parameters: the gradient times a ratio of running root mean squares.

    With v the running mean of ``grad**2`` and u that of ``delta**2``, both of rate `rho`, each step
    takes ``delta = sqrt(u + eps) / sqrt(v + eps) * grad`` and does ``param -= lr * delta``.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: factor of the step, at least 0; a number or a tensor of one element.
        rho: decay rate of the running means, in [0, 1].
        eps: added under the square roots, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        foreach: accepted; the update is the same (see `PerParameterOptimizer`).
        capturable: keep the step counter on the parameter's device.
        maximize: go up the gradient.
        differentiable: let gradients flow through the update.

    Raises: ValueError for a hyperparameter out of range; RuntimeError from `step` for sparse
        gradients.

    Source: Zeiler 2012, arXiv:1212.5701.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Adadelta([w], eps=0.0625)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.2648, -1.2244])
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
        lr=1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}, it must be in [0, 1]")
        check_at_least_0("epsilon value", eps)
        check_at_least_0("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, group, param):
        return {
            "step": self._new_scalar(group, param, "step", 0.0),
            "square_avg": rl.zeros_like(param),
            "acc_delta": rl.zeros_like(param),
        }

    def _update(self, group, param, grad, state):
        rho, eps = group["rho"], group["eps"]
        state["step"].add_(1)
        grad = with_weight_decay(grad, param, group["weight_decay"])
        param, grad, square_avg, acc_delta = real_views(
            param, grad, state["square_avg"], state["acc_delta"]
        )
        square_avg.mul_(rho).addcmul_(grad, grad, value=1 - rho)
        delta = (acc_delta + eps).sqrt() / (square_avg + eps).sqrt() * grad
        acc_delta.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        add_scaled_(param, delta, -_to_scalar(group["lr"]))
