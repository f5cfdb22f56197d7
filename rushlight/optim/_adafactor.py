"""Adafactor: second moments of a matrix kept as one row and one column."""

from __future__ import annotations

from .. import frontend as rl
from ._per_parameter import PerParameterOptimizer, check_lr, shrink_
from .optimizer import ParamsT, _to_scalar

__all__ = ["Adafactor"]


class Adafactor(PerParameterOptimizer):
    """Adam with no first moment, a factored second one, and steps relative to the parameter.

    For a parameter of two or more dimensions the running mean of ``grad**2`` is kept as its means
    over the last and over the last but one dimension, with the rate ``1 - t**beta2_decay``. The
    step is ``grad / sqrt(second moment)``, scaled down to a root mean square of at most `d`, times
    ``min(lr, 1 / sqrt(t)) * max(eps[1], rms(param))``.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups; real.
        lr: largest relative step, and the factor of the weight decay; at least 0.
        beta2_decay: exponent of the decay rate, at most 0.
        eps: (smallest root of the second moment, None for the dtype's eps; smallest rms of the
            parameter).
        d: clipping threshold of the step's root mean square, at least 1.
        weight_decay: decay per step, relative to the learning rate; at least 0.
        foreach: accepted; the update is the same (see `PerParameterOptimizer`).
        maximize: go up the gradient.

    Raises: ValueError for a hyperparameter out of range; RuntimeError from `step` for sparse
        gradients or complex parameters.

    Source: Shazeer and Stern 2018, arXiv:1804.04235; as in PyTorch, lr bounds the relative step and
        eps[0] applies to the second moment after factoring.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([[1.0, -2.0], [2.0, 4.0]]))
    >>> optimizer = torch.optim.Adafactor([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.shape
    torch.Size([2, 2])
    """

    _late_options = {"foreach": None}

    def __init__(
        self,
        params: ParamsT,
        lr=1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        _check(beta2_decay <= 0.0, "beta2_decay should be <= 0", beta2_decay)
        _check(eps[0] is None or eps[0] >= 0.0, "epsilon1 should be >= 0", eps[0])
        _check(eps[1] >= 0.0, "epsilon2 should be >= 0", eps[1])
        _check(d >= 1.0, "Clipping threshold d should be >= 1", d)
        _check(weight_decay >= 0.0, "weight_decay should be >= 0", weight_decay)
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_grad(self, group, param):
        if param.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        super()._check_grad(group, param)

    def _init_state(self, group, param):
        grad = param.grad
        state = {"step": self._new_scalar(group, param, "step", 0.0)}
        if grad.dim() > 1:
            *batch, rows, columns = grad.shape
            state["row_var"] = grad.new_zeros([*batch, rows, 1])
            state["col_var"] = grad.new_zeros([*batch, 1, columns])
        else:
            state["variance"] = rl.zeros_like(grad)
        return state

    def _update(self, group, param, grad, state):
        lr, (eps1, eps2) = _to_scalar(group["lr"]), group["eps"]
        eps1 = rl.finfo(param.dtype).eps if eps1 is None else eps1
        step = self._advance(param, state)
        alpha = _rms(param).clamp(min=eps2) * _smaller(lr, 1 / step**0.5)
        shrink_(param, lr, group["weight_decay"])
        variance = _second_moment_(state, grad, step ** group["beta2_decay"], eps1)
        # Squared, so that eps1 bounds the root.
        update = variance.clamp(min=eps1 * eps1).rsqrt() * grad
        scale = alpha / (_rms(update) / group["d"]).clamp(min=1.0)
        param.sub_(update.to(scale.dtype) * scale)


def _check(holds, rule, value):
    if not holds:
        raise ValueError(f"{rule} but is: {value}")


def _smaller(lr, bound):
    return lr.clamp(max=bound) if isinstance(lr, rl.Tensor) else min(lr, bound)


def _rms(t):
    """Root mean square as a 0-dim tensor, at least float32: a scale has to be precise."""
    norm = t.norm(2)
    norm = norm if norm.dtype == rl.float64 else norm.to(rl.float32)
    return norm / t.numel() ** 0.5


def _second_moment_(state, grad, weight, eps1):
    """Move the second moment in `state` towards that of `grad`; returns it in full shape."""
    if "variance" in state:
        return state["variance"].lerp_(grad * grad, weight)
    row_var, col_var = state["row_var"], state["col_var"]
    row_var.lerp_(grad.norm(dim=-1, keepdim=True).square() / grad.size(-1), weight)
    col_var.lerp_(grad.norm(dim=-2, keepdim=True).square() / grad.size(-2), weight)
    return row_var * col_var / row_var.mean(dim=-2, keepdim=True).clamp(min=eps1)
