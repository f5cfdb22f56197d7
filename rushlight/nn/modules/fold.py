"""Cutting images into sliding blocks, and summing blocks into images."""

from __future__ import annotations

from .. import functional as F
from ._declare import shows, stores
from .module import Module

__all__ = ["Fold", "Unfold"]


class Fold(Module):
    """Sums sliding blocks into an image: the transpose of Unfold.

    Args:
        output_size: (H, W) of the image.
        kernel_size: of a block.
        dilation: distance between the elements of a block.
        padding: zeros that were put around the image, on each side.
        stride: distance between blocks.

    All but the first are a number or one for each dimension.

    Shape: (N, C * prod(kernel_size), L) to (N, C, *output_size), for L blocks.

    >>> import rushlight as torch
    >>> torch.nn.Fold(output_size=(4, 5), kernel_size=(2, 2))(torch.zeros(1, 12, 12)).shape
    torch.Size([1, 3, 4, 5])
    """

    @stores
    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1) -> None: ...

    def forward(self, input):
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    extra_repr = shows(
        "output_size={output_size}, kernel_size={kernel_size}, dilation={dilation}, "
        "padding={padding}, stride={stride}"
    )


class Unfold(Module):
    """Cuts sliding blocks out of an image.

    Args:
        kernel_size: of a block.
        dilation: distance between the elements of a block.
        padding: zeros to put around the image, on each side.
        stride: distance between blocks.

    Each is a number or one for each dimension.

    Shape: (N, C, H, W) to (N, C * prod(kernel_size), L), for L blocks.

    >>> import rushlight as torch
    >>> torch.nn.Unfold(kernel_size=(2, 3))(torch.zeros(2, 5, 3, 4)).shape
    torch.Size([2, 30, 4])
    """

    @stores
    def __init__(self, kernel_size, dilation=1, padding=0, stride=1) -> None: ...

    def forward(self, input):
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    extra_repr = shows(
        "kernel_size={kernel_size}, dilation={dilation}, padding={padding}, stride={stride}"
    )
