"""Distances and similarities between pairs of vectors."""

from __future__ import annotations

from .. import functional as F
from ._declare import stores
from .module import Module

__all__ = ["PairwiseDistance", "CosineSimilarity"]


class PairwiseDistance(Module):
    """The p-norm of ``x1 - x2 + eps`` over the last dimension.

    Args:
        p: the degree of the norm.
        eps: what is added, so that the gradient exists where both are equal.
        keepdim: keep the last dimension, with size 1.

    Shape: (*, D) and (*, D), broadcast, to (*).

    >>> import rushlight as torch
    >>> torch.nn.PairwiseDistance(p=1.0, eps=0.0)(torch.zeros(1, 2), torch.ones(1, 2))
    tensor([2.])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1, x2):
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """The dot product of two vectors of length 1 in the same directions.

    Args:
        dim: the dimension of the vectors.
        eps: lower bound for the lengths, against division by 0.

    Shape: (*, D, *) and (*, D, *), broadcast, to (*, *).

    >>> import rushlight as torch
    >>> torch.nn.CosineSimilarity()(torch.ones(1, 2), torch.tensor([[2.0, 2.0]]))
    tensor([1.0000])
    """

    @stores
    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None: ...

    def forward(self, x1, x2):
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
