"""NAdam: Adam with Nesterov momentum."""

from __future__ import annotations

from .. import frontend as rl
from ._per_parameter import (
    PerParameterOptimizer,
    add_quotient_,
    check_at_least_0,
    check_betas,
    check_lr,
    decay_moments_,
    real_views,
    rounded,
    shrink_,
    with_weight_decay,
)
from .optimizer import ParamsT, _to_scalar

__all__ = ["NAdam"]


class NAdam(PerParameterOptimizer):
    """Adam that looks one step of momentum ahead.

    With m and v as in `Adam`, ``mu(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2)`` and P(t) the
    product of mu(1) to mu(t), step t divides
    ``mu(t+1) * m / (1 - P(t+1)) + (1 - mu(t)) * grad / (1 - P(t))`` by
    ``sqrt(v / (1 - beta2**t)) + eps`` and moves the parameter by -lr times that.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, at least 0; a number or a tensor of one element.
        betas: decay rates of the two means, each in [0, 1).
        eps: added to the denominator, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        momentum_decay: how fast mu grows towards beta1, at least 0.
        decoupled_weight_decay: shrink the parameter itself, as `AdamW` does, instead of adding a
            penalty.
        foreach: accepted; the update is the same (see `PerParameterOptimizer`).
        maximize: go up the gradient.
        capturable: keep the scalar state on the parameter's device and compute with the tensors.
        differentiable: let gradients flow through the update.

    Raises: ValueError for a hyperparameter out of range; RuntimeError from `step` for sparse
        gradients.

    Source: Dozat 2016, Incorporating Nesterov Momentum into Adam.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.NAdam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.7359, -1.7359])
    """

    _late_options = {
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
    }
    _scalar_state = ("step", "mu_product")

    def __init__(
        self,
        params: ParamsT,
        lr=2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_at_least_0("momentum_decay value", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, group, param):
        return {
            "step": self._new_scalar(group, param, "step", 0.0),
            "mu_product": self._new_scalar(group, param, "mu_product", 1.0),
            "exp_avg": rl.zeros_like(param),
            "exp_avg_sq": rl.zeros_like(param),
        }

    def _update(self, group, param, grad, state):
        lr, weight_decay = _to_scalar(group["lr"]), group["weight_decay"]
        beta1, beta2 = group["betas"]
        capturable = group["capturable"]
        step = state["step"].add_(1) if capturable else self._advance(param, state)
        mu, mu_next = (
            beta1 * (1.0 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1)
        )
        product = self._multiply_mu(group, param, state, mu)
        if group["decoupled_weight_decay"]:
            shrink_(param, lr, weight_decay)
        else:
            grad = with_weight_decay(grad, param, weight_decay)
        param, grad, exp_avg, exp_avg_sq = real_views(
            param, grad, state["exp_avg"], state["exp_avg_sq"]
        )
        decay_moments_(exp_avg, exp_avg_sq, grad, 1 - beta1, beta2, 1 - beta2)
        denom = (exp_avg_sq / (1 - beta2**step)).sqrt() + group["eps"]
        grad_scale = -lr * (1.0 - mu) / (1.0 - product)
        mean_scale = -lr * mu_next / (1.0 - product * mu_next)
        if group["differentiable"]:
            # Scaled copies: the backward pass needs values that no later step overwrites.
            param.addcdiv_(grad * grad_scale, denom)
            param.addcdiv_(exp_avg * mean_scale, denom)
        else:
            add_quotient_(param, grad, denom, grad_scale)
            add_quotient_(param, exp_avg, denom, mean_scale)

    def _multiply_mu(self, group, param, state, mu):
        """Multiply "mu_product" by `mu`; returns the product, a tensor if capturable."""
        scalar = state["mu_product"]
        if group["capturable"]:
            return scalar.mul_(mu)
        dtype = scalar.dtype
        product = self._read_scalar(param, state, "mu_product") * rounded(mu, dtype)
        scalar.mul_(mu)
        self._wrote_scalar(param, state, "mu_product", product)
        return self._read_scalar(param, state, "mu_product")
