"""Rearrangements of channels and pixels."""

from ..base.shapes import numel
from ..ir import lang as L
from .numeric import layout_of_first
from .record import operator


def _check_image(x, factor, name, what):
    if x.ndim < 3:
        raise RuntimeError(f"{name} expects input to have at least 3 dimensions, but got input "
                           f"with {x.ndim} dimension(s)")
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {what}, but got {factor}")


@operator("pixel_shuffle(Tensor self, int upscale_factor) -> Tensor", variants="function,nn",
          strides=layout_of_first)
def pixel_shuffle(self, upscale_factor):
    """(*, C r r, H, W) to (*, C, H r, W r) (Shi et al. 2016, arXiv:1609.05158)."""
    r = upscale_factor
    _check_image(self, r, "pixel_shuffle", "upscale_factor")
    *lead, c, h, w = self.shape
    if c % (r * r):
        raise RuntimeError("pixel_shuffle expects its input's 'channel' dimension to be divisible "
                           f"by the square of upscale_factor, but input.size(-3)={c} is not "
                           f"divisible by {r * r}")
    n = numel(lead)
    x = L.reshape(self, (n, c // (r * r), r, r, h, w))
    return L.reshape(L.permute(x, (0, 1, 4, 2, 5, 3)), (*lead, c // (r * r), h * r, w * r))


@operator("pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor", variants="function,nn",
          strides=layout_of_first)
def pixel_unshuffle(self, downscale_factor):
    """(*, C, H r, W r) to (*, C r r, H, W): the inverse of pixel_shuffle."""
    r = downscale_factor
    _check_image(self, r, "pixel_unshuffle", "downscale_factor")
    *lead, c, h, w = self.shape
    for name, n in (("height", h), ("width", w)):
        if n % r:
            at = -2 if name == "height" else -1
            raise RuntimeError(f"pixel_unshuffle expects {name} to be divisible by "
                               f"downscale_factor, but input.size({at})={n} is not divisible by "
                               f"{r}")
    x = L.reshape(self, (numel(lead), c, h // r, r, w // r, r))
    return L.reshape(L.permute(x, (0, 1, 3, 5, 2, 4)), (*lead, c * r * r, h // r, w // r))


def _channel_shuffle(self, groups):
    if self.ndim < 3:
        raise RuntimeError("channel_shuffle expects input with > 2 dims, but got input with sizes "
                           f"{list(self.shape)}")
    n, c = self.shape[:2]
    if groups <= 0:
        raise RuntimeError("Number of groups to divide channels in must be positive. Value of "
                           f"groups:{groups}")
    if c % groups:
        raise RuntimeError("Number of channels must be divisible by groups. Got "
                           f"{c} channels and {groups} groups.")
    x = L.reshape(self, (n, groups, c // groups, numel(self.shape[2:])))
    return L.reshape(L.permute(x, (0, 2, 1, 3)), self.shape)


_channel_shuffle.__doc__ = ("Interleave the channels of `groups` groups "
                            "(Zhang et al. 2017, arXiv:1707.01083).")
for _name in ("channel_shuffle", "native_channel_shuffle"):
    operator(f"{_name}(Tensor self, int groups) -> Tensor", variants="function,nn",
             strides=layout_of_first)(_channel_shuffle)
