"""Dropout: setting random elements or channels to zero while training."""

from __future__ import annotations

from .. import functional as F
from ._declare import shows, stores
from .module import Module

__all__ = ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    """Keeps the probability and whether to write into the input."""

    @stores
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")

    extra_repr = shows("p={p}, inplace={inplace}")


class Dropout(_DropoutNd):
    """In training, sets each element to zero with probability `p`, and divides the others by 1 - p.

    Args:
        p: between 0 and 1.
        inplace: write into the input.

    Source: Hinton et al. 2012, arXiv:1207.0580.

    >>> import rushlight as torch
    >>> sorted(set(torch.nn.Dropout(0.5)(torch.ones(1000)).tolist()))
    [0.0, 2.0]
    """

    def forward(self, input):
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """In training, sets each channel to zero with probability `p`, and divides the others by 1 - p.

    Args:
        p: between 0 and 1.
        inplace: write into the input.

    Shape: (N, C, L) or (C, L), and the same.

    >>> import rushlight as torch
    >>> torch.nn.Dropout1d(0.5)(torch.ones(4, 8)).std(dim=1)
    tensor([0., 0., 0., 0.])
    """

    def forward(self, input):
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """In training, sets each channel to zero with probability `p`, and divides the others by 1 - p.

    Args:
        p: between 0 and 1.
        inplace: write into the input.

    Shape: (N, C, H, W) or (C, H, W), and the same. A 3-D input is taken as (N, C, L), with a
        warning.

    Source: Tompson et al. 2014, arXiv:1411.4280.

    >>> import rushlight as torch
    >>> torch.nn.Dropout2d(0.5)(torch.ones(1, 4, 8, 8)).flatten(2).std(dim=2)
    tensor([[0., 0., 0., 0.]])
    """

    def forward(self, input):
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """In training, sets each channel to zero with probability `p`, and divides the others by 1 - p.

    Args:
        p: between 0 and 1.
        inplace: write into the input.

    Shape: (N, C, D, H, W) or (C, D, H, W), and the same.

    >>> import rushlight as torch
    >>> torch.nn.Dropout3d(1.0)(torch.ones(1, 2, 1, 1, 1)).flatten()
    tensor([0., 0.])
    """

    def forward(self, input):
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps the mean and variance of what a SELU puts out; in training only.

    Args:
        p: probability of dropping an element, between 0 and 1.
        inplace: has no effect, as in PyTorch.

    Source: Klambauer et al. 2017, arXiv:1706.02515.

    >>> import rushlight as torch
    >>> torch.nn.AlphaDropout(0.5).eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def forward(self, input):
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """AlphaDropout of whole channels; in training only.

    Args:
        p: probability of dropping a channel, between 0 and 1.
        inplace: has no effect, as in PyTorch.

    Shape: (N, C, D, H, W) or (C, D, H, W), and the same.

    >>> import rushlight as torch
    >>> torch.nn.FeatureAlphaDropout(0.5).eval()(torch.ones(1, 2, 1, 1, 1)).flatten()
    tensor([1., 1.])
    """

    def forward(self, input):
        return F.feature_alpha_dropout(input, self.p, self.training)
