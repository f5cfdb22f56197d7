"""Muon: momentum steps made orthogonal, for weight matrices."""

from __future__ import annotations

import math

from .. import frontend as rl
from ._per_parameter import PerParameterOptimizer, add_scaled_, check_lr
from .optimizer import ParamsT, _to_scalar

__all__ = ["Muon"]

_LR_RULES = {
    "original": lambda rows, columns: math.sqrt(max(1, rows / columns)),
    "match_rms_adamw": lambda rows, columns: 0.2 * math.sqrt(max(rows, columns)),
}


class Muon(PerParameterOptimizer):
    """Momentum descent in which each step is replaced by the nearest orthogonal matrix, roughly.

    Each step does ``buf += (1 - momentum) * (grad - buf)``, takes
    ``grad + momentum * (buf - grad)`` (or buf), brings its singular values near 1 by a
    Newton-Schulz iteration in bfloat16, and subtracts it times the adjusted learning rate. Vectors,
    embeddings and heads belong to another optimizer.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups; real matrices.
        lr: learning rate, at least 0; a number or a tensor of one element.
        weight_decay: decay per step, relative to the learning rate; at least 0.
        momentum: share of the buffer that stays, at least 0.
        nesterov: step along a mixture of gradient and buffer instead of the buffer.
        ns_coefficients: (a, b, c) of the iteration ``x = a x + (b x x' + c (x x')**2) x``.
        eps: smallest norm that the step is divided by.
        ns_steps: number of iterations, below 100.
        adjust_lr_fn: for a matrix of A rows and B columns lr is multiplied by
            ``sqrt(max(1, A / B))`` ("original" or None), or by ``0.2 * sqrt(max(A, B))``
            ("match_rms_adamw", for learning rates tuned for AdamW).

    Raises: ValueError for a hyperparameter out of range or a parameter that is no matrix;
        RuntimeError from `step` for sparse gradients or complex parameters.

    Source: Jordan et al. 2024, kellerjordan.github.io/posts/muon; match_rms_adamw: Liu et al. 2025,
        arXiv:2502.16982.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([[1.0, 0.0], [0.0, -2.0]]))
    >>> optimizer = torch.optim.Muon([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.shape
    torch.Size([2, 2])
    """

    _late_options = {}
    _scalar_state = ()

    def __init__(
        self,
        params: ParamsT,
        lr=1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn is not None and adjust_lr_fn not in _LR_RULES:
            raise ValueError(
                f"Adjust learning rate function {adjust_lr_fn} is not supported, "
                f"expected one of {', '.join(_LR_RULES)}"
            )
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                if param.dim() != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{tuple(param.shape)}"
                    )

    def _check_grad(self, group, param):
        if param.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        super()._check_grad(group, param)

    def _init_state(self, group, param):
        return {"momentum_buffer": rl.zeros_like(param.grad)}

    def _update(self, group, param, grad, state):
        lr, momentum = _to_scalar(group["lr"]), group["momentum"]
        buf = state["momentum_buffer"].lerp_(grad, 1 - momentum)
        update = grad.lerp(buf, momentum) if group["nesterov"] else buf
        update = _orthogonalize(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        param.mul_(1 - lr * group["weight_decay"])
        adjust = _LR_RULES[group["adjust_lr_fn"] or "original"]
        add_scaled_(param, update, -lr * adjust(*param.shape))


def _orthogonalize(matrix, coefficients, num_steps, eps):
    """`matrix` in bfloat16 with its singular values replaced by some of about 0.5 to 1.5.

    The coefficients trade convergence to 1 for the steepest growth of small singular values.
    """
    if num_steps >= 100:
        raise ValueError(
            f"Number of steps must be less than 100 for computational efficiency, got {num_steps}"
        )
    if len(coefficients) != 3:
        raise ValueError(f"Coefficients must be a tuple of exactly 3 values, got {coefficients}")
    a, b, c = coefficients
    tall = matrix.size(0) > matrix.size(1)
    x = matrix.bfloat16()
    x = x.T if tall else x  # the Gram matrix of the short side is the small one
    x = x / x.norm().clamp(min=eps)
    for _ in range(num_steps):
        gram = x @ x.T
        x = rl.addmm(x, rl.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
