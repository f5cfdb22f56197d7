"""Averaged stochastic gradient descent."""

from __future__ import annotations

from .. import frontend as rl
from ._per_parameter import (
    PerParameterOptimizer,
    add_scaled_,
    check_at_least_0,
    check_lr,
    real_views,
    rounded,
    with_weight_decay,
)
from .optimizer import ParamsT, _to_scalar

__all__ = ["ASGD"]


class ASGD(PerParameterOptimizer):
    """Gradient descent with a decaying rate, beside a running mean of the parameters (state "ax").

    Step t shrinks the parameter by ``1 - lambd * eta``, subtracts ``eta * grad`` and adds
    ``mu * (param - ax)`` to the mean; then ``eta = lr / (1 + lambd * lr * t)**alpha`` and
    ``mu = 1 / max(1, t - t0)``.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, at least 0; a number or a tensor of one element.
        lambd: decay of the parameter, relative to the learning rate.
        alpha: exponent of the decay of the learning rate.
        t0: step at which averaging starts; until then the mean is the parameter itself.
        weight_decay: factor of the L2 penalty, at least 0.
        foreach: accepted; the update is the same (see `PerParameterOptimizer`).
        maximize: go up the gradient.
        differentiable: let gradients flow through the update.
        capturable: compute with the step counter, eta and mu as tensors.

    Raises: ValueError for a hyperparameter out of range; RuntimeError from `step` for sparse
        gradients.

    Source: Polyak and Juditsky 1992, Acceleration of stochastic approximation by averaging.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.ASGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.5000, -1.0000])
    """

    _late_options = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }
    _scalar_state = ("step", "eta", "mu")

    def __init__(
        self,
        params: ParamsT,
        lr=1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_at_least_0("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
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
            "eta": self._new_scalar(group, param, "eta", float(group["lr"])),
            "mu": self._new_scalar(group, param, "mu", 1.0),
            "ax": rl.zeros_like(param),
        }

    def _update(self, group, param, grad, state):
        capturable = group["capturable"]
        step = state["step"].add_(1) if capturable else self._advance(param, state)
        mu = state["mu"] if capturable else self._read_scalar(param, state, "mu")
        # A tensor lr makes eta a tensor whose value is not known here.
        as_tensor = capturable or isinstance(group["lr"], rl.Tensor)
        eta = state["eta"] if as_tensor else self._read_scalar(param, state, "eta")
        real, grad, ax = real_views(param, grad, state["ax"])
        grad = with_weight_decay(grad, real, group["weight_decay"])
        real.mul_(1 - group["lambd"] * eta)
        add_scaled_(real, grad, -eta)
        if isinstance(mu, rl.Tensor) or mu != 1:
            ax.add_(real.sub(ax).mul_(mu))
        else:
            ax.copy_(real)
        self._decay(group, param, state, step)

    def _decay(self, group, param, state, step):
        """Set "eta" and "mu" for the next step."""
        lr, t0 = _to_scalar(group["lr"]), group["t0"]
        eta = lr / ((1 + group["lambd"] * lr * step) ** group["alpha"])
        if isinstance(step, rl.Tensor):
            mu = 1 / (step - t0).clamp(min=1)
        else:
            mu = 1 / max(1, step - t0)
        self._set_scalar(param, state, "eta", eta)
        self._set_scalar(param, state, "mu", mu)

    def _set_scalar(self, param, state, name, value):
        if isinstance(value, rl.Tensor):
            state[name].copy_(value)
            return
        # Rounded to the default dtype first, as the number becomes a tensor on its way in PyTorch.
        value = rounded(value, rl.get_default_dtype())
        state[name].fill_(value)
        self._wrote_scalar(param, state, name, value)
