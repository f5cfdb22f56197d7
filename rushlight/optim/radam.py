"""RAdam: rectified Adam."""

from __future__ import annotations

from .. import frontend as rl
from ._per_parameter import (
    PerParameterOptimizer,
    check_at_least_0,
    check_betas,
    check_lr,
    decay_moments_,
    real_views,
    shrink_,
    with_weight_decay,
)
from .optimizer import ParamsT, _to_scalar

__all__ = ["RAdam"]


class RAdam(PerParameterOptimizer):
    """Adam that divides by the second moment only once its estimate has enough samples.

    With m and v as in `Adam` and the effective number of samples
    ``rho(t) = rho_inf - 2 * t * beta2**t / (1 - beta2**t)``, ``rho_inf = 2 / (1 - beta2) - 1``, the
    step is ``-lr * m / (1 - beta1**t)``; where rho(t) > 5 it is multiplied by
    ``sqrt(1 - beta2**t) / (sqrt(v) + eps)`` and by a variance correction that tends to 1.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, at least 0; a number or a tensor of one element.
        betas: decay rates of the two means, each in [0, 1).
        eps: added to the denominator, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        decoupled_weight_decay: shrink the parameter itself, as `AdamW` does, instead of adding a
            penalty.
        foreach: accepted; the update is the same (see `PerParameterOptimizer`).
        maximize: go up the gradient.
        capturable: keep the step counter on the parameter's device and compute with the tensor.
        differentiable: let gradients flow through the update.

    Raises: ValueError for a hyperparameter out of range; RuntimeError from `step` for sparse
        gradients.

    Source: Liu et al. 2019, arXiv:1908.03265.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.RAdam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.5000, -1.0000])
    """

    _late_options = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr=1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, group, param):
        return {
            "step": self._new_scalar(group, param, "step", 0.0),
            "exp_avg": rl.zeros_like(param),
            "exp_avg_sq": rl.zeros_like(param),
        }

    def _update(self, group, param, grad, state):
        lr, weight_decay = _to_scalar(group["lr"]), group["weight_decay"]
        beta1, beta2 = group["betas"]
        step = state["step"].add_(1) if group["capturable"] else self._advance(param, state)
        if group["decoupled_weight_decay"]:
            shrink_(param, lr, weight_decay)
        else:
            grad = with_weight_decay(grad, param, weight_decay)
        param, grad, exp_avg, exp_avg_sq = real_views(
            param, grad, state["exp_avg"], state["exp_avg_sq"]
        )
        decay_moments_(exp_avg, exp_avg_sq, grad, 1 - beta1, beta2, 1 - beta2)
        update = exp_avg / (1 - beta1**step) * lr
        param.sub_(_rectified(update, exp_avg_sq, step, beta2, group["eps"]))


def _rectified(update, exp_avg_sq, step, beta2, eps):
    """`update`, scaled once the second moment has samples; `step` is a number or a tensor."""
    bias2 = 1 - beta2**step
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * step * beta2**step / bias2
    tensor = isinstance(rho, rl.Tensor)
    if not tensor and rho <= 5.0:
        return update
    square = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
    adaptive = bias2**0.5 / (exp_avg_sq.sqrt() + eps)
    if tensor:
        return update * rl.where(rho > 5.0, square**0.5 * adaptive, 1.0)
    return update * adaptive * square**0.5
