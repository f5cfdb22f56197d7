"""Losses with a margin, over scores or distances; their home for users and pickles is loss.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import functional as F
from ._declare import stores
from ._loss_base import _Loss, _WeightedLoss
from .distance import PairwiseDistance
from .module import Module


class HingeEmbeddingLoss(_Loss):
    """The input where the target is 1, ``max(0, margin - input)`` where it is -1.

    Args:
        margin: how far apart unlike pairs shall be.
        reduction: "mean", "sum" or "none".

    Shape: distances and targets of 1 and -1 of the same shape; a number, or the same with "none".

    >>> import rushlight as torch
    >>> loss = torch.nn.HingeEmbeddingLoss(reduction="none")
    >>> loss(torch.tensor([2.0, 0.25]), torch.tensor([1.0, -1.0]))
    tensor([2.0000, 0.7500])
    """

    @stores
    def __init__(
        self, margin: float = 1.0, size_average=None, reduce=None, reduction: str = "mean"
    ) -> None: ...

    def forward(self, input, target):
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """``sum(max(0, 1 - (x[right] - x[wrong]))) / C`` over pairs of a right and a wrong class.

    Args:
        reduction: "mean", "sum" or "none".

    Shape: scores (N, C) or (C,), and the right classes, likewise, ended by -1; a number, or (N,).

    >>> import rushlight as torch
    >>> torch.nn.MultiLabelMarginLoss()(torch.tensor([1.0, 0.0]), torch.tensor([0, -1]))
    tensor(0.)
    """

    def forward(self, input, target):
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """``1 - cos(x1, x2)`` where the target is 1, ``max(0, cos(x1, x2) - margin)`` where it is -1.

    Args:
        margin: between -1 and 1.
        reduction: "mean", "sum" or "none".

    Shape: (N, D) or (D,), twice, and targets (N,) or (); a number, or the shape of the targets.

    >>> import rushlight as torch
    >>> x = torch.ones(1, 2)
    >>> torch.nn.CosineEmbeddingLoss()(x, -x, torch.ones(1))
    tensor(2.)
    """

    @stores
    def __init__(
        self, margin: float = 0.0, size_average=None, reduce=None, reduction: str = "mean"
    ) -> None: ...

    def forward(self, input1, input2, target):
        return F.cosine_embedding_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class MarginRankingLoss(_Loss):
    """``max(0, -target * (x1 - x2) + margin)``: x1 shall be the larger for 1, the smaller for -1.

    Args:
        margin: by how much.
        reduction: "mean", "sum" or "none".

    Shape: (N,) or (), three times; a number, or the same with "none".

    >>> import rushlight as torch
    >>> torch.nn.MarginRankingLoss(1.0)(torch.zeros(1), torch.zeros(1), torch.ones(1))
    tensor(1.)
    """

    @stores
    def __init__(
        self, margin: float = 0.0, size_average=None, reduce=None, reduction: str = "mean"
    ) -> None: ...

    def forward(self, input1, input2, target):
        return F.margin_ranking_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class MultiMarginLoss(_WeightedLoss):
    """``sum(max(0, margin - x[right] + x[wrong]) ** p) / C`` over the wrong classes.

    Args:
        p: 1 or 2.
        margin: by how much the right class shall lead.
        weight: (C,), of each class; None: 1.
        reduction: "mean", "sum" or "none".

    Shape: scores (N, C) or (C,), and class indices (N,) or (); a number, or the shape of the
        indices.

    Raises: ValueError for another p, or a weight that is not 1-D.

    >>> import rushlight as torch
    >>> torch.nn.MultiMarginLoss()(torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.5000)
    """

    @stores
    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight=None,
        size_average=None,
        reduce=None,
        reduction: str = "mean",
    ) -> None:
        if p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        if weight is not None and weight.dim() != 1:
            raise ValueError(
                f"MultiMarginLoss: expected weight to be None or 1D tensor, got {weight.dim()}D "
                "instead"
            )

    def forward(self, input, target):
        return F.multi_margin_loss(
            input,
            target,
            p=self.p,
            margin=self.margin,
            weight=self.weight,
            reduction=self.reduction,
        )


class TripletMarginLoss(_Loss):
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)`` for the p-norm distance d.

    Args:
        margin: more than 0.
        p: the degree of the norm.
        eps: added to the differences.
        swap: use d(positive, negative) where it is smaller than d(anchor, negative).
        reduction: "mean", "sum" or "none".

    Shape: (N, D) or (D,), three times; a number, or (N,) with "none".

    Source: Balntas et al. 2016, "Learning local feature descriptors with triplets".

    >>> import rushlight as torch
    >>> a = torch.zeros(1, 2)
    >>> torch.nn.TripletMarginLoss()(a, a, a)
    tensor(1.)
    """

    @stores
    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average=None,
        reduce=None,
        reduction: str = "mean",
    ) -> None:
        _check_margin(self, margin)

    def forward(self, anchor, positive, negative):
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


def _check_margin(loss: Module, margin: float) -> None:
    if margin <= 0:
        raise ValueError(
            f"{type(loss).__name__}: expected margin to be greater than 0, got {margin} instead"
        )


class TripletMarginWithDistanceLoss(_Loss):
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)`` for a distance d of one's own.

    Args:
        distance_function: of two batches of vectors; None: PairwiseDistance.
        margin: more than 0.
        swap: use d(positive, negative) where it is smaller than d(anchor, negative).
        reduction: "mean", "sum" or "none".

    Shape: (N, *), three times; a number, or (N,) with "none".

    >>> import rushlight as torch
    >>> def distance(a, b):
    ...     return (a - b).abs().sum(-1)
    >>> loss = torch.nn.TripletMarginWithDistanceLoss(distance_function=distance)
    >>> loss(torch.zeros(1, 2), torch.ones(1, 2), torch.zeros(1, 2))
    tensor(3.)
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Any, Any], Any] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        _check_margin(self, margin)
        self.distance_function = (
            PairwiseDistance() if distance_function is None else distance_function
        )
        self.margin = margin
        self.swap = swap

    def forward(self, anchor, positive, negative):
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
