"""Adamax: Adam with the infinity norm."""

from __future__ import annotations

from .. import frontend as rl
from ._per_parameter import (
    PerParameterOptimizer,
    add_quotient_,
    check_at_least_0,
    check_betas,
    check_lr,
    real_views,
    with_weight_decay,
)
from .optimizer import ParamsT, _to_scalar

__all__ = ["Adamax"]


class Adamax(PerParameterOptimizer):
    """Adam with a decaying maximum of ``|grad|`` in place of the root of the second moment.

    With ``m = beta1 * m + (1 - beta1) * grad`` and ``u = max(beta2 * u, |grad| + eps)``, step t
    does ``param -= lr / (1 - beta1**t) * m / u``.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, at least 0; a number or a tensor of one element.
        betas: decay rates of the mean and of the maximum, each in [0, 1).
        eps: added to ``|grad|``, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        foreach: accepted; the update is the same (see `PerParameterOptimizer`).
        maximize: go up the gradient.
        differentiable: let gradients flow through the update.
        capturable: keep the step counter on the parameter's device and compute with the tensor.

    Raises: ValueError for a hyperparameter out of range; RuntimeError from `step` for sparse
        gradients.

    Source: Kingma and Ba 2014, arXiv:1412.6980, section 7.1.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Adamax([w], lr=0.25)
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
        lr=2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_at_least_0("epsilon value", eps)
        check_betas(betas)
        check_at_least_0("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, group, param):
        return {
            "step": self._new_scalar(group, param, "step", 0.0),
            "exp_avg": rl.zeros_like(param),
            "exp_inf": rl.zeros_like(param),
        }

    def _update(self, group, param, grad, state):
        lr = _to_scalar(group["lr"])
        beta1, beta2 = group["betas"]
        capturable = group["capturable"]
        step = state["step"].add_(1) if capturable else self._advance(param, state)
        grad = with_weight_decay(grad, param, group["weight_decay"])
        param, grad, exp_avg, exp_inf = real_views(param, grad, state["exp_avg"], state["exp_inf"])
        exp_avg.lerp_(grad, 1 - beta1)
        exp_inf.copy_(rl.maximum(exp_inf * beta2, grad.abs() + group["eps"]))
        bias = 1 - beta1**step
        if capturable:
            param.addcdiv_(exp_avg, exp_inf * (-bias / lr))
        else:
            add_quotient_(param, exp_avg, exp_inf, -(lr / bias))
