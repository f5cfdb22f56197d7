"""Mixing the channels of groups."""

from __future__ import annotations

from .. import functional as F
from ._declare import shows, stores
from .module import Module

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """Reorders channels so that neighbours come from different groups.

    Args:
        groups: the number of groups; divides the number of channels.

    Shape: (N, C, *), and the same.

    Source: Zhang et al. 2017, arXiv:1707.01083.

    >>> import rushlight as torch
    >>> torch.nn.ChannelShuffle(2)(torch.arange(4.0).view(1, 4, 1, 1)).flatten()
    tensor([0., 2., 1., 3.])
    """

    @stores
    def __init__(self, groups: int) -> None: ...

    def forward(self, input):
        return F.channel_shuffle(input, self.groups)

    extra_repr = shows("groups={groups}")
