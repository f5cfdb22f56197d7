"""Padding the last one, two or three dimensions.

`padding` is one number for all sides, or (left, right), then (top, bottom), then (front, back): two
for each dimension, the last dimension first. Negative numbers cut off.
"""

from __future__ import annotations

from .. import functional as F
from ._declare import shows
from .module import Module
from .utils import _ntuple

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    """What all have in common: `padding`, two numbers for each of the `_dims` dimensions."""

    _dims: int
    _mode: str

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._dims)(padding)

    def forward(self, input):
        return F.pad(input, self.padding, self._mode)

    extra_repr = shows("{padding}")


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input):
        allowed = (self._dims + 1, self._dims + 2)
        if input.dim() not in allowed:
            raise ValueError(
                f"expected {allowed[0]}D or {allowed[1]}D input (got {input.dim()}D input)"
            )
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """Pads with the values from the other end.

    Args:
        padding: a number or (left, right); at most the size of the input.

    Shape: (N, C, W) or (C, W), and the same with W + left + right.

    >>> import rushlight as torch
    >>> torch.nn.CircularPad1d((0, 1))(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 2., 3., 1.]])
    """

    _dims = 1


class CircularPad2d(_CircularPadNd):
    """Pads with the values from the other end.

    Args:
        padding: a number or (left, right, top, bottom); at most the sizes of the input.

    Shape: (N, C, H, W) or (C, H, W), and the same with larger H and W.
    """

    _dims = 2


class CircularPad3d(_CircularPadNd):
    """Pads with the values from the other end.

    Args:
        padding: a number or (left, right, top, bottom, front, back); at most the input's sizes.

    Shape: (N, C, D, H, W) or (C, D, H, W), and the same with larger D, H and W.
    """

    _dims = 3


class _ConstantPadNd(_PadNd):
    def __init__(self, padding, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, "constant", self.value)

    extra_repr = shows("padding={padding}, value={value}")


class ConstantPad1d(_ConstantPadNd):
    """Pads with `value`.

    Args:
        padding: a number or (left, right).
        value: what to pad with.

    Shape: (N, C, W) or (C, W), and the same with W + left + right.

    >>> import rushlight as torch
    >>> torch.nn.ConstantPad1d((0, 1), 9.0)(torch.tensor([[1.0, 2.0]]))
    tensor([[1., 2., 9.]])
    """

    _dims = 1


class ConstantPad2d(_ConstantPadNd):
    """Pads with `value`.

    Args:
        padding: a number or (left, right, top, bottom).
        value: what to pad with.

    Shape: (N, C, H, W) or (C, H, W), and the same with larger H and W.
    """

    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    """Pads with `value`.

    Args:
        padding: a number or (left, right, top, bottom, front, back).
        value: what to pad with.

    Shape: (N, C, D, H, W) or (C, D, H, W), and the same with larger D, H and W.
    """

    _dims = 3


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """Pads with the values mirrored at the first and the last one, which are not repeated.

    Args:
        padding: a number or (left, right); less than the size of the input.

    Shape: (N, C, W) or (C, W), and the same with W + left + right.

    >>> import rushlight as torch
    >>> torch.nn.ReflectionPad1d((0, 1))(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 2., 3., 2.]])
    """

    _dims = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Pads with the values mirrored at the first and the last ones, which are not repeated.

    Args:
        padding: a number or (left, right, top, bottom); less than the sizes of the input.

    Shape: (N, C, H, W) or (C, H, W), and the same with larger H and W.
    """

    _dims = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Pads with the values mirrored at the first and the last ones, which are not repeated.

    Args:
        padding: a number or (left, right, top, bottom, front, back); less than the input's sizes.

    Shape: (N, C, D, H, W) or (C, D, H, W), and the same with larger D, H and W.
    """

    _dims = 3


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """Pads with the first and the last value, repeated.

    Args:
        padding: a number or (left, right).

    Shape: (N, C, W) or (C, W), and the same with W + left + right.

    >>> import rushlight as torch
    >>> torch.nn.ReplicationPad1d((0, 1))(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 2., 3., 3.]])
    """

    _dims = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Pads with the values at the edge, repeated.

    Args:
        padding: a number or (left, right, top, bottom).

    Shape: (N, C, H, W) or (C, H, W), and the same with larger H and W.
    """

    _dims = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Pads with the values at the surface, repeated.

    Args:
        padding: a number or (left, right, top, bottom, front, back).

    Shape: (N, C, D, H, W) or (C, D, H, W), and the same with larger D, H and W.
    """

    _dims = 3


class ZeroPad1d(ConstantPad1d):
    """Pads with zeros.

    Args:
        padding: a number or (left, right).

    Shape: (N, C, W) or (C, W), and the same with W + left + right.

    >>> import rushlight as torch
    >>> torch.nn.ZeroPad1d((0, 1))(torch.tensor([[1.0, 2.0]]))
    tensor([[1., 2., 0.]])
    """

    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    extra_repr = shows("{padding}")


class ZeroPad2d(ConstantPad2d):
    """Pads with zeros.

    Args:
        padding: a number or (left, right, top, bottom).

    Shape: (N, C, H, W) or (C, H, W), and the same with larger H and W.
    """

    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    extra_repr = shows("{padding}")


class ZeroPad3d(ConstantPad3d):
    """Pads with zeros.

    Args:
        padding: a number or (left, right, top, bottom, front, back).

    Shape: (N, C, D, H, W) or (C, D, H, W), and the same with larger D, H and W.
    """

    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    extra_repr = shows("{padding}")
