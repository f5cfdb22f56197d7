"""SparseAdam: the class and its checks; sparse gradients themselves do not exist yet."""

from __future__ import annotations

from ._per_parameter import PerParameterOptimizer, check_betas, check_lr
from .optimizer import ParamsT

__all__ = ["SparseAdam"]


class SparseAdam(PerParameterOptimizer):
    """Adam for sparse gradients, which moves only the rows that occur in the gradient.

    Sparse gradients are not supported yet, so that `step` raises for every gradient.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups; dense and real.
        lr: learning rate, above 0; a number or a tensor of one element.
        betas: decay rates of the two means, each in [0, 1).
        eps: added to the denominator, above 0.
        maximize: go up the gradient.

    Raises: ValueError for a hyperparameter out of range or sparse or complex parameters. From
        `step`: RuntimeError for dense gradients, NotImplementedError for sparse ones.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.zeros(2))
    >>> w.grad = torch.ones(2)
    >>> torch.optim.SparseAdam([w]).step()
    Traceback (most recent call last):
        ...
    RuntimeError: SparseAdam does not support dense gradients, please consider Adam instead
    """

    _late_options = {"maximize": False}

    def __init__(
        self,
        params: ParamsT,
        lr=1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        for label, value in (("learning rate", lr), ("epsilon value", eps)):
            if not 0.0 < value:
                raise ValueError(f"Invalid {label}: {value}, it must be above 0")
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        self._check_all(lambda p: p.is_sparse, "Sparse", "requires dense parameter tensors")
        self._check_all(lambda p: p.is_complex(), "Complex", "does not support complex parameters")

    def _check_all(self, is_wrong, kind, rule):
        wrong = [
            [i, j]
            for i, group in enumerate(self.param_groups)
            for j, param in enumerate(group["params"])
            if is_wrong(param)
        ]
        if wrong:
            raise ValueError(f"{kind} params at indices {wrong}: SparseAdam {rule}")

    def _check_grad(self, group, param):
        if not param.grad.is_sparse:
            raise RuntimeError(
                "SparseAdam does not support dense gradients, please consider Adam instead"
            )
        raise NotImplementedError(
            "SparseAdam: sparse gradients are not supported yet; "
            "hint: create the Embedding with sparse=False and use Adam"
        )
