"""Adagrad."""

from __future__ import annotations

from .. import frontend as rl
from ._per_parameter import (
    PerParameterOptimizer,
    add_quotient_,
    check_at_least_0,
    check_fused,
    check_lr,
    real_views,
    with_weight_decay,
)
from .optimizer import ParamsT, _to_scalar

__all__ = ["Adagrad"]


class Adagrad(PerParameterOptimizer):
    """Gradient descent with the gradient divided by the root of the sum of all its squares so far.

    Step t adds ``grad**2`` to ``sum`` and does
    ``param -= lr / (1 + (t - 1) * lr_decay) * grad / (sqrt(sum) + eps)``.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, at least 0; a number or a tensor of one element.
        lr_decay: growth of the learning rate's divisor per step, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        initial_accumulator_value: what the sum starts from, at least 0.
        eps: added to the denominator, at least 0.
        foreach, fused: accepted; the update is the same (see `PerParameterOptimizer`).
        maximize: go up the gradient.
        differentiable: let gradients flow through the update.

    Raises: ValueError for a hyperparameter out of range; RuntimeError for ``fused=True`` with
        `differentiable` or `foreach`; NotImplementedError from `step` for sparse gradients.

    Source: Duchi, Hazan and Singer 2011, Adaptive Subgradient Methods, JMLR 12.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Adagrad([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.7500, -1.7500])
    """

    _late_options = {"foreach": None, "maximize": False, "differentiable": False, "fused": None}

    def __init__(
        self,
        params: ParamsT,
        lr=1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_at_least_0("lr_decay value", lr_decay)
        check_at_least_0("weight_decay value", weight_decay)
        check_at_least_0("initial_accumulator_value value", initial_accumulator_value)
        check_at_least_0("epsilon value", eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(defaults)
        # The sums exist before the first step, so that `share_memory` can share them.
        for group in self.param_groups:
            for param in group["params"]:
                self._state_of(group, param)

    def share_memory(self) -> None:
        """Move the sums of squares to memory that other processes can map."""
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param]["sum"].share_memory_()

    def _check_grad(self, group, param):
        if param.grad.is_sparse:
            raise NotImplementedError(
                "Adagrad: sparse gradients are not supported yet; "
                "hint: create the Embedding with sparse=False"
            )
        super()._check_grad(group, param)

    def _init_state(self, group, param):
        initial = self.defaults["initial_accumulator_value"]
        if param.is_complex():
            initial = complex(initial, initial)
        return {
            "step": self._new_scalar(group, param, "step", 0.0),
            "sum": rl.full_like(param, initial),
        }

    def _update(self, group, param, grad, state):
        step = self._advance(param, state)
        grad = with_weight_decay(grad, param, group["weight_decay"])
        lr = _to_scalar(group["lr"]) / (1 + (step - 1) * group["lr_decay"])
        param, grad, total = real_views(param, grad, state["sum"])
        total.addcmul_(grad, grad)
        add_quotient_(param, grad, total.sqrt() + group["eps"], -lr)
