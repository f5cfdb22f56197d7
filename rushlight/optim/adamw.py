"""AdamW: Adam with decoupled weight decay."""

from __future__ import annotations

from .adam import Adam
from .optimizer import ParamsT

__all__ = ["AdamW"]


class AdamW(Adam):
    """`Adam` whose weight decay shrinks the parameters and stays out of the running means.

    Each step first does ``param *= 1 - lr * weight_decay``, then the step of Adam.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, at least 0; a number or a tensor of one element.
        betas: decay rates of the two means, each in [0, 1); both numbers or both tensors of one
            element.
        eps: added to the denominator, at least 0.
        weight_decay: decay per step, relative to the learning rate; at least 0.
        amsgrad: divide by the largest second moment so far instead of the current one.
        maximize: go up the gradient.
        foreach, fused: accepted; the update is the same (see `PerParameterOptimizer`).
        capturable: keep the step counter on the parameter's device and compute with the tensor.
        differentiable: let gradients flow through the update.

    Raises: as `Adam`.

    Source: Loshchilov and Hutter 2017, arXiv:1711.05101.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.AdamW([w], lr=0.25, weight_decay=1.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.5000, -1.2500])
    """

    def __init__(
        self,
        params: ParamsT,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state):
        super().__setstate__(state)
        # A checkpoint of Adam, or of an AdamW older than the option, becomes an AdamW all the same.
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
