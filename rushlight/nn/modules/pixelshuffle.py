"""Moving channels into the plane of an image, and back."""

from __future__ import annotations

from .. import functional as F
from ._declare import shows, stores
from .module import Module

__all__ = ["PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """Enlarges an image by spreading its channels over the plane.

    Args:
        upscale_factor: r, by which height and width grow.

    Shape: (*, C * r ** 2, H, W) to (*, C, H * r, W * r).

    Source: Shi et al. 2016, arXiv:1609.05158.

    >>> import rushlight as torch
    >>> torch.nn.PixelShuffle(3)(torch.zeros(1, 9, 4, 4)).shape
    torch.Size([1, 1, 12, 12])
    """

    @stores
    def __init__(self, upscale_factor: int) -> None: ...

    def forward(self, input):
        return F.pixel_shuffle(input, self.upscale_factor)

    extra_repr = shows("upscale_factor={upscale_factor}")


class PixelUnshuffle(Module):
    """Undoes PixelShuffle: moves the pixels of each r by r block into channels.

    Args:
        downscale_factor: r, by which height and width shrink; divides both.

    Shape: (*, C, H * r, W * r) to (*, C * r ** 2, H, W).

    >>> import rushlight as torch
    >>> torch.nn.PixelUnshuffle(3)(torch.zeros(1, 1, 12, 12)).shape
    torch.Size([1, 9, 4, 4])
    """

    @stores
    def __init__(self, downscale_factor: int) -> None: ...

    def forward(self, input):
        return F.pixel_unshuffle(input, self.downscale_factor)

    extra_repr = shows("downscale_factor={downscale_factor}")
