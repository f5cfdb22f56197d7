"""Convolutions and transposed convolutions in one, two and three dimensions.

The classes for the three numbers of dimensions differ in `_dims` alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ... import frontend as rl
from .. import functional as F
from .. import init
from ..parameter import UninitializedParameter
from ._declare import new_parameter
from .lazy import LazyModuleMixin
from .module import Module
from .utils import _ntuple, _reverse_repeat_tuple

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """The parameters of a convolution; sizes are tuples with one number for each dimension."""

    padding_mode: str = "zeros"  # pickles from before 1.1 lack it

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        _check_channels(in_channels, out_channels, groups)
        _check_padding(padding, padding_mode, stride)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        # What F.pad takes, for the modes other than zeros.
        self._reversed_padding_repeated_twice = _padding_for_pad(padding, dilation, kernel_size)
        self.weight = new_parameter(self._weight_shape(), device, dtype)
        self.register_parameter(
            "bias", new_parameter(out_channels, device, dtype) if bias else None
        )
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        channels = (self.out_channels, self.in_channels)
        first, second = reversed(channels) if self.transposed else channels
        return first, second // self.groups, *self.kernel_size

    def reset_parameters(self) -> None:
        """Draw the parameters anew, from U(-k, k) with k = 1 / sqrt(inputs of one output)."""
        with rl.no_grad():
            if self.weight.is_contiguous():
                init.kaiming_uniform_(self.weight, a=math.sqrt(5))
            else:  # draw in the order of the sizes, whatever the strides
                weight = rl.empty_like(self.weight, memory_format=rl.contiguous_format)
                self.weight.copy_(init.kaiming_uniform_(weight, a=math.sqrt(5)))
            if self.bias is not None:
                fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
                bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}, stride={self.stride}",
        ]
        for name, usual in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            value = getattr(self, name)
            if value != (usual,) * len(value):
                parts.append(f"{name}={value}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


def _check_channels(in_channels: int, out_channels: int, groups: int) -> None:
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups != 0:
            raise ValueError(f"{name} must be divisible by groups")


def _check_padding(padding, padding_mode: str, stride) -> None:
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(
                f"Invalid padding string {padding!r}, should be one of 'same' and 'valid'"
            )
        if padding == "same" and any(s != 1 for s in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
    if padding_mode not in _PADDING_MODES:
        raise ValueError(
            f"padding_mode must be one of {_PADDING_MODES}, but got padding_mode='{padding_mode}'"
        )


def _padding_for_pad(padding, dilation, kernel_size):
    """The padding before and after each dimension, the last dimension first."""
    if not isinstance(padding, str):
        return _reverse_repeat_tuple(padding, 2)
    result: list[int] = []
    for d, k in zip(reversed(dilation), reversed(kernel_size), strict=True):
        total = d * (k - 1) if padding == "same" else 0
        result += [total // 2, total - total // 2]
    return result


class _Conv(_ConvNd):
    """A convolution over `_dims` dimensions."""

    _dims: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        each = _ntuple(self._dims)
        super().__init__(
            in_channels,
            out_channels,
            each(kernel_size),
            each(stride),
            padding if isinstance(padding, str) else each(padding),
            each(dilation),
            False,
            each(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input, weight, bias):
        """The convolution with another weight and bias than the module's own."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self._dims
        convolve = (F.conv1d, F.conv2d, F.conv3d)[self._dims - 1]
        return convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input):
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Conv):
    """Convolves sequences with learned kernels (a cross-correlation: the kernels are not flipped).

    Args:
        in_channels, out_channels: of input and output.
        kernel_size: of the kernels.
        stride: distance between the places of the kernels.
        padding: what to add on each side; "same": as much as keeps the sizes; "valid": nothing.
        dilation: distance between the elements of a kernel.
        groups: the channels are split into so many groups, each convolved on its own.
        bias: whether to add a bias to each channel.
        padding_mode: what to pad with: "zeros", "reflect", "replicate" or "circular".
        device, dtype: of the parameters; None: the defaults.

    Sizes are a number or a tuple with one number for each dimension.

    Shape: (N, in_channels, L) or (in_channels, L), to the same with out_channels and
        L' = (L + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1.

    Attributes:
        weight: (out_channels, in_channels / groups, kernel_size), drawn from U(-k, k) with
            k = 1 / sqrt(in_channels / groups * kernel_size).
        bias: (out_channels,), drawn likewise.

    Raises: ValueError if `groups` does not divide the channels, or for an unknown padding.

    >>> import rushlight as torch
    >>> torch.nn.Conv1d(16, 33, 3, stride=2)(torch.zeros(20, 16, 50)).shape
    torch.Size([20, 33, 24])
    """

    _dims = 1


class Conv2d(_Conv):
    """Convolves images with learned kernels; see Conv1d for the arguments.

    Shape: (N, in_channels, H, W) or (in_channels, H, W), to the same with out_channels and sizes
        that follow the formula of Conv1d.

    >>> import rushlight as torch
    >>> conv = torch.nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))
    >>> conv(torch.zeros(2, 16, 50, 10)).shape
    torch.Size([2, 33, 28, 10])
    """

    _dims = 2


class Conv3d(_Conv):
    """Convolves volumes with learned kernels; see Conv1d for the arguments.

    Shape: (N, in_channels, D, H, W) or (in_channels, D, H, W), to the same with out_channels and
        sizes that follow the formula of Conv1d.

    >>> import rushlight as torch
    >>> torch.nn.Conv3d(2, 3, 3)(torch.zeros(1, 2, 4, 5, 6)).shape
    torch.Size([1, 3, 2, 3, 4])
    """

    _dims = 3


class _ConvTransposeNd(_ConvNd):
    """The parameters of a transposed convolution."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding,
        dilation,
        transposed,
        output_padding,
        groups,
        bias,
        padding_mode,
        device=None,
        dtype=None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            transposed,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(
        self, input, output_size, stride, padding, kernel_size, num_spatial_dims: int, dilation=None
    ):
        """What to add to the output to give it `output_size`; None: the module's own padding."""
        if output_size is None:
            return self.output_padding
        leading = 2 if input.dim() == num_spatial_dims + 2 else 1
        if len(output_size) == leading + num_spatial_dims:
            output_size = output_size[leading:]
        if len(output_size) != num_spatial_dims:
            raise ValueError(
                f"ConvTranspose{num_spatial_dims}D: for {input.dim()}D input, output_size must "
                f"have {num_spatial_dims} or {leading + num_spatial_dims} elements (got "
                f"{len(output_size)})"
            )
        dilation = dilation or (1,) * num_spatial_dims
        sizes = input.shape[leading:]
        dims = range(num_spatial_dims)
        smallest = [
            (sizes[d] - 1) * stride[d] - 2 * padding[d] + dilation[d] * (kernel_size[d] - 1) + 1
            for d in dims
        ]
        largest = [smallest[d] + stride[d] - 1 for d in dims]
        if not all(smallest[d] <= output_size[d] <= largest[d] for d in dims):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {smallest} "
                f"to {largest} (for an input of {sizes})"
            )
        return [output_size[d] - smallest[d] for d in dims]


class _ConvTranspose(_ConvTransposeNd):
    """A transposed convolution over `_dims` dimensions."""

    _dims: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups: int = 1,
        bias: bool = True,
        dilation=1,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        each = _ntuple(self._dims)
        super().__init__(
            in_channels,
            out_channels,
            each(kernel_size),
            each(stride),
            each(padding),
            each(dilation),
            True,
            each(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input, output_size=None):
        """Convolve; `output_size`: the spatial sizes of the output, where several are possible."""
        output_padding = self._output_padding(
            input,
            output_size,
            self.stride,
            self.padding,
            self.kernel_size,
            self._dims,
            self.dilation,
        )
        convolve = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self._dims - 1]
        return convolve(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            output_padding,
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_ConvTranspose):
    """The transpose of Conv1d: the gradient of a convolution with respect to its input.

    Args:
        in_channels, out_channels: of input and output.
        kernel_size, stride, padding, dilation, groups, bias: of the convolution that is transposed.
        output_padding: what to add to one side of the output; less than stride or dilation.
        padding_mode: "zeros".
        device, dtype: of the parameters; None: the defaults.

    Sizes are a number or a tuple with one number for each dimension.

    Shape: (N, in_channels, L) or (in_channels, L), to the same with out_channels and
        L' = (L - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1.

    Attributes:
        weight: (in_channels, out_channels / groups, kernel_size), drawn from U(-k, k) with
            k = 1 / sqrt(out_channels / groups * kernel_size).
        bias: (out_channels,), drawn likewise.

    Raises: ValueError if `groups` does not divide the channels, or for another padding mode.

    >>> import rushlight as torch
    >>> torch.nn.ConvTranspose1d(16, 33, 3, stride=2)(torch.zeros(20, 16, 50)).shape
    torch.Size([20, 33, 101])
    """

    _dims = 1


class ConvTranspose2d(_ConvTranspose):
    """The transpose of Conv2d; see ConvTranspose1d for the arguments.

    Shape: (N, in_channels, H, W) or (in_channels, H, W), to the same with out_channels and sizes
        that follow the formula of ConvTranspose1d.

    >>> import rushlight as torch
    >>> up = torch.nn.ConvTranspose2d(16, 16, 3, stride=2, padding=1)
    >>> up(torch.zeros(1, 16, 6, 6), output_size=(12, 12)).shape
    torch.Size([1, 16, 12, 12])
    """

    _dims = 2


class ConvTranspose3d(_ConvTranspose):
    """The transpose of Conv3d; see ConvTranspose1d for the arguments.

    Shape: (N, in_channels, D, H, W) or (in_channels, D, H, W), to the same with out_channels and
        sizes that follow the formula of ConvTranspose1d.

    >>> import rushlight as torch
    >>> torch.nn.ConvTranspose3d(2, 3, 3)(torch.zeros(1, 2, 4, 5, 6)).shape
    torch.Size([1, 3, 6, 7, 8])
    """

    _dims = 3


class _LazyConvXdMixin(LazyModuleMixin):
    """Takes `in_channels` from the first input."""

    _dims: int
    groups: int
    _weight_shape: Callable[[], tuple[int, ...]]

    def _make_lazy(self, out_channels: int, bias: bool, device, dtype) -> None:
        """Replace the parameters by ones whose shape is not known."""
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw the parameters anew, once they have shapes."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input, *args, **kwargs) -> None:
        """Take `in_channels` from the input."""
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._get_in_channels(input)
        _check_channels(self.in_channels, self.out_channels, self.groups)
        self.weight.materialize(self._weight_shape())
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _get_in_channels(self, input) -> int:
        unbatched, batched = self._dims + 1, self._dims + 2
        if input.dim() not in (unbatched, batched):
            raise RuntimeError(
                f"Expected {unbatched}D (unbatched) or {batched}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape}"
            )
        return input.shape[1] if input.dim() == batched else input.shape[0]


class _LazyConv(_LazyConvXdMixin):
    def __init__(
        self,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype
        )
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    """A Conv1d that takes `in_channels` from its first input.

    >>> import rushlight as torch
    >>> torch.nn.LazyConv1d(4, 3)(torch.zeros(2, 5, 8)).shape
    torch.Size([2, 4, 6])
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A Conv2d that takes `in_channels` from its first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A Conv3d that takes `in_channels` from its first input."""

    cls_to_become = Conv3d


class _LazyConvTranspose(_LazyConvXdMixin):
    def __init__(
        self,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups: int = 1,
        bias: bool = True,
        dilation=1,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A ConvTranspose1d that takes `in_channels` from its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A ConvTranspose2d that takes `in_channels` from its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A ConvTranspose3d that takes `in_channels` from its first input."""

    cls_to_become = ConvTranspose3d
