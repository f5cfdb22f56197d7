"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from ..frontend.rules import run_rule
from ._per_parameter import (
    PerParameterOptimizer,
    add_scaled_,
    check_at_least_0,
    check_fused,
    check_lr,
    with_weight_decay,
)
from .optimizer import ParamsT, _to_scalar

__all__ = ["SGD"]


class SGD(PerParameterOptimizer):
    """Gradient descent with momentum: ``param -= lr * buf``.

    Before that ``buf = momentum * buf + (1 - dampening) * grad``. The buffer starts as the first
    gradient, undampened.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, at least 0; a number or a tensor of one element.
        momentum: share of the buffer that stays, at least 0; with 0 there is no buffer.
        dampening: share of the gradient that is left out of the buffer.
        weight_decay: factor of the L2 penalty, at least 0; a number or a tensor of one element.
        nesterov: step along ``grad + momentum * buf``; needs a momentum and no dampening.
        maximize: go up the gradient.
        foreach, fused: accepted; the update is the same (see `PerParameterOptimizer`).
        differentiable: let gradients flow through the update.

    Raises: ValueError for a hyperparameter out of range; RuntimeError for ``fused=True`` with
        `differentiable` or `foreach`; NotImplementedError from `step` for sparse gradients.

    Source: Sutskever et al. 2013, On the importance of initialization and momentum in deep
        learning, but with the learning rate outside the buffer.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.SGD([w], lr=0.25, momentum=0.9)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.5000, -1.0000])
    """

    _late_options = {
        "nesterov": False,
        "maximize": False,
        "foreach": None,
        "differentiable": False,
        "fused": False,
    }
    _scalar_state = ()

    def __init__(
        self,
        params: ParamsT,
        lr=1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay=0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_at_least_0("momentum value", momentum)
        check_at_least_0("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                "Nesterov momentum requires a momentum and zero dampening, "
                f"but got momentum={momentum}, dampening={dampening}"
            )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(defaults)

    def _check_grad(self, group, param):
        if param.grad.is_sparse:
            raise NotImplementedError(
                "SGD: sparse gradients are not supported yet; "
                "hint: create the Embedding with sparse=False"
            )
        super()._check_grad(group, param)

    def _state_of(self, group, param):
        # Without momentum there is nothing to remember, and checkpoints have no entry for it.
        return self.state[param] if group["momentum"] != 0 else {}

    def _update(self, group, param, grad, state):
        momentum, scale = group["momentum"], -_to_scalar(group["lr"])
        grad = with_weight_decay(grad, param, group["weight_decay"])
        if momentum == 0:
            add_scaled_(param, grad, scale)
        elif state.get("momentum_buffer") is None:
            buf = state["momentum_buffer"] = grad.detach().clone()
            add_scaled_(param, grad.add(buf, alpha=momentum) if group["nesterov"] else buf, scale)
        else:
            rule = _move_nesterov_ if group["nesterov"] else _move_
            numbers = (momentum, 1 - group["dampening"], scale)
            run_rule(rule, (param, grad, state["momentum_buffer"]), tuple(map(_float, numbers)))


def _move_(param, grad, buf, momentum, weight, scale):
    buf.mul_(momentum).add_(grad, alpha=weight)
    add_scaled_(param, buf, scale)


def _move_nesterov_(param, grad, buf, momentum, weight, scale):
    buf.mul_(momentum).add_(grad, alpha=weight)
    add_scaled_(param, grad.add(buf, alpha=momentum), scale)


def _float(number):
    """Python integers too travel as floats; a tensor stays."""
    return float(number) if isinstance(number, int) else number
