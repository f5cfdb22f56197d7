"""The memory format of the weights of convolutions."""

from __future__ import annotations

from typing import Any

from ..modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def _convert(module, kinds: tuple[type[Any], ...], memory_format):
    for layer in module.modules():
        if isinstance(layer, kinds):
            layer.weight.data = layer.weight.detach().clone(memory_format=memory_format)
    return module


def convert_conv2d_weight_memory_format(module, memory_format):
    """Convert the weights of all 2-D convolutions in `module`, in place, and return it.

    Args:
        module: any.
        memory_format: for example ``channels_last``.

    >>> import rushlight as torch
    >>> conv = torch.nn.Conv2d(8, 4, 3)
    >>> _ = torch.nn.utils.convert_conv2d_weight_memory_format(conv, torch.channels_last)
    >>> conv.weight.stride()
    (72, 1, 24, 8)
    """
    return _convert(module, (Conv2d, ConvTranspose2d), memory_format)


def convert_conv3d_weight_memory_format(module, memory_format):
    """Convert the weights of all 3-D convolutions in `module`, in place, and return it.

    Args:
        module: any.
        memory_format: for example ``channels_last_3d``.
    """
    return _convert(module, (Conv3d, ConvTranspose3d), memory_format)
