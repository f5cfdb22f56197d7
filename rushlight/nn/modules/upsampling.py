"""Changing the size of images by interpolation."""

from __future__ import annotations

from .. import functional as F
from .module import Module

__all__ = ["Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d"]


class Upsample(Module):
    """Enlarges or shrinks signals, images and volumes.

    Args:
        size: the spatial sizes of the output: a number or one for each dimension.
        scale_factor: by what to multiply the spatial sizes, if `size` is None; likewise.
        mode: "nearest", "linear" (3-D input), "bilinear" and "bicubic" (4-D), "trilinear" (5-D).
        align_corners: whether corner pixels keep their values; for the linear and cubic modes.
        recompute_scale_factor: compute the factor anew from the rounded sizes.

    Shape: (N, C, L), (N, C, H, W) or (N, C, D, H, W), and the same with other spatial sizes.

    >>> import rushlight as torch
    >>> torch.nn.Upsample(scale_factor=2)(torch.tensor([[[1.0, 2.0]]]))
    tensor([[[1., 1., 2., 2.]]])
    """

    def __init__(
        self,
        size=None,
        scale_factor=None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            scale_factor = tuple(float(factor) for factor in scale_factor)
        elif scale_factor:
            scale_factor = float(scale_factor)
        self.scale_factor = scale_factor or None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input):
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def __setstate__(self, state):
        # Pickles from before 1.6 were made when the factor was always computed anew.
        super().__setstate__({"recompute_scale_factor": True, **state})

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            size = f"scale_factor={self.scale_factor!r}"
        else:
            size = f"size={self.size!r}"
        return f"{size}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Enlarges images by repeating pixels.

    Args:
        size: (H, W) of the output, or one number for both.
        scale_factor: by what to multiply them, if `size` is None.

    Shape: (N, C, H, W), and the same with other H and W.

    >>> import rushlight as torch
    >>> torch.nn.UpsamplingNearest2d(scale_factor=2)(torch.ones(1, 1, 1, 1)).shape
    torch.Size([1, 1, 2, 2])
    """

    def __init__(self, size=None, scale_factor=None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Enlarges images by bilinear interpolation with aligned corners.

    Args:
        size: (H, W) of the output, or one number for both.
        scale_factor: by what to multiply them, if `size` is None.

    Shape: (N, C, H, W), and the same with other H and W.

    >>> import rushlight as torch
    >>> torch.nn.UpsamplingBilinear2d(size=(1, 3))(torch.tensor([[[[0.0, 2.0]]]]))
    tensor([[[[0., 1., 2.]]]])
    """

    def __init__(self, size=None, scale_factor=None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
