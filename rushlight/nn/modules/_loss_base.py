"""What all losses share; their home for users is loss.py, as in PyTorch."""

from __future__ import annotations

from .. import _reduction as _Reduction
from .module import Module


class _Loss(Module):
    """Keeps the reduction, from the argument or from the two flags it replaced."""

    def __init__(self, size_average=None, reduce=None, reduction: str = "mean") -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = _Reduction.legacy_get_string(size_average, reduce)
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """Also keeps a weight for each class or element, as a buffer."""

    def __init__(
        self, weight=None, size_average=None, reduce=None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
