"""Adam, and the tensor forms of its hyperparameters."""

from __future__ import annotations

from .. import frontend as rl
from ..frontend.rules import run_rule
from ._per_parameter import (
    PerParameterOptimizer,
    add_quotient_,
    check_at_least_0,
    check_betas,
    check_fused,
    check_lr,
    decay_moments_,
    real_views,
    shrink_,
    with_weight_decay,
)
from .optimizer import ParamsT, _to_scalar

__all__ = ["Adam"]


class Adam(PerParameterOptimizer):
    """Gradient descent along a running mean of the gradient, scaled by that of its square.

    With ``m = beta1 * m + (1 - beta1) * grad`` and ``v = beta2 * v + (1 - beta2) * grad**2``, step
    t does ``param -= lr * m / (1 - beta1**t) / (sqrt(v / (1 - beta2**t)) + eps)``.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, at least 0; a number or a tensor of one element.
        betas: decay rates of the two means, each in [0, 1); both numbers or both tensors of one
            element.
        eps: added to the denominator, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        amsgrad: divide by the largest v so far instead of the current one.
        foreach, fused: accepted; the update is the same (see `PerParameterOptimizer`).
        maximize: go up the gradient.
        capturable: keep the step counter on the parameter's device and compute with the tensor.
        differentiable: let gradients flow through the update.
        decoupled_weight_decay: shrink the parameter itself, as `AdamW` does, instead of adding a
            penalty.

    Raises: ValueError for a hyperparameter out of range; RuntimeError for ``fused=True`` with
        `differentiable` or `foreach`, and from `step` for sparse gradients.

    Source: Kingma and Ba 2014, arXiv:1412.6980; amsgrad: Reddi, Kale and Kumar 2018.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Adam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.7500, -1.7500])
    """

    _late_options = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params: ParamsT,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        _check_tensor_lr(lr, foreach, capturable)
        check_lr(lr)
        check_at_least_0("epsilon value", eps)
        check_betas(betas)
        check_at_least_0("weight_decay value", weight_decay)
        _check_tensor_betas(betas, foreach, capturable)
        defaults = {
            "lr": lr,
            "betas": tuple(_to_scalar(beta) for beta in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_fused(defaults)

    def _check_grad(self, group, param):
        if param.grad.is_sparse:
            raise RuntimeError(
                f"{type(self).__name__} does not support sparse gradients, "
                "please consider SparseAdam instead"
            )
        super()._check_grad(group, param)
        _check_tensor_lr(group["lr"], group["foreach"], group["capturable"], RuntimeError)

    def _init_state(self, group, param):
        state = {
            "step": self._new_scalar(group, param, "step", 0.0),
            "exp_avg": rl.zeros_like(param),
            "exp_avg_sq": rl.zeros_like(param),
        }
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = rl.zeros_like(param)
        return state

    def _update(self, group, param, grad, state):
        lr = _to_scalar(group["lr"])
        if group["decoupled_weight_decay"]:
            shrink_(param, lr, group["weight_decay"])
        else:
            grad = with_weight_decay(grad, param, group["weight_decay"])
        names = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if group["amsgrad"] else ()))
        tensors = real_views(param, grad, *(state[name] for name in names))
        if group["capturable"] or group["differentiable"]:
            self._update_traced(group, lr, self._traced_step(group, state), *tensors)
            return
        step = self._read_scalar(param, state, "step") + 1
        beta1, beta2 = group["betas"]
        scale, bias2 = -(lr / (1 - beta1**step)), 1 - beta2**step
        numbers = (1.0, *_decay(grad, beta1, beta2), bias2**0.5, group["eps"], scale)
        run_rule(_move_, (state["step"], *tensors), numbers)
        self._wrote_scalar(param, state, "step", step)

    @staticmethod
    def _update_traced(group, lr, step, param, grad, exp_avg, exp_avg_sq, *largest):
        beta1, beta2 = group["betas"]
        _decay_moments_(exp_avg, exp_avg_sq, grad, *_decay(grad, beta1, beta2))
        second = _running_maximum_(exp_avg_sq, *largest, keep=group["differentiable"])
        # Inside the denominator the step size, a tensor, costs no pass over the parameter.
        step_size = -(lr / (1 - beta1**step))
        denom = second.sqrt() / ((1 - beta2**step) ** 0.5 * step_size) + group["eps"] / step_size
        # The next step overwrites `exp_avg`, which the backward pass of this one still needs.
        param.addcdiv_(exp_avg.clone() if group["differentiable"] else exp_avg, denom)

    @staticmethod
    def _traced_step(group, state):
        """Count one step; returns the count as a tensor that later steps leave alone."""
        if group["differentiable"] and state["step"].requires_grad:
            raise RuntimeError("`requires_grad` is not supported for `step` in differentiable mode")
        return state["step"].add_(1).clone()


def _move_(step, param, grad, exp_avg, exp_avg_sq, *rest):
    """The update of one parameter, for `run_rule`; with amsgrad the largest second moment follows
    `exp_avg_sq`."""
    *largest, one, weight1, beta2, weight2, bias2, eps, scale = rest
    step.add_(one)
    _decay_moments_(exp_avg, exp_avg_sq, grad, weight1, beta2, weight2)
    second = _running_maximum_(exp_avg_sq, *largest)
    add_quotient_(param, exp_avg, second.sqrt() / bias2 + eps, scale)


def _decay(grad, beta1, beta2):
    """(weight of the gradient, decay and weight of its square)."""
    if not isinstance(beta1, rl.Tensor):
        return 1 - beta1, beta2, 1 - beta2
    weight1, weight2 = ((1 - b).to(grad.device, grad.dtype) for b in (beta1, beta2))
    return weight1, beta2, weight2


def _decay_moments_(exp_avg, exp_avg_sq, grad, weight1, beta2, weight2):
    if isinstance(weight2, rl.Tensor):
        exp_avg.lerp_(grad, weight1)
        exp_avg_sq.lerp_(grad.square(), weight2)
    else:
        decay_moments_(exp_avg, exp_avg_sq, grad, weight1, beta2, weight2)


def _running_maximum_(exp_avg_sq, largest=None, keep=False):
    """The second moment to divide by: `exp_avg_sq`, or with amsgrad the largest so far."""
    if largest is None:
        return exp_avg_sq
    before = largest.clone() if keep else largest
    return largest.copy_(rl.maximum(before, exp_avg_sq))


def _check_tensor_lr(lr, foreach, capturable, error=ValueError):
    if isinstance(lr, rl.Tensor) and foreach and not capturable:
        raise error("lr as a Tensor is not supported for capturable=False and foreach=True")


def _check_tensor_betas(betas, foreach, capturable):
    tensors = [isinstance(beta, rl.Tensor) for beta in betas]
    if not all(tensors) and not all(isinstance(beta, float) for beta in betas):
        raise ValueError(f"betas must be either both floats or both Tensors, but got {betas}")
    for i, beta in enumerate(betas if all(tensors) else ()):
        if foreach and not capturable:
            raise ValueError(
                f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True"
            )
        if beta.numel() != 1:
            raise ValueError(f"Tensor betas[{i}] must be 1-element, but got {tuple(beta.shape)}")
