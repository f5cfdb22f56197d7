"""Pooling: replacing windows of a signal, image or volume by one value each.

Sizes are a number or a tuple with one number for each dimension. Inputs are (N, C, *spatial) or
(C, *spatial). A window of `kernel_size` moves by `stride`, which defaults to `kernel_size`.
"""

from __future__ import annotations

from .. import functional as F
from ._declare import shows, stores
from .module import Module
from .utils import _ntuple, _single

__all__ = [
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
]


class _MaxPoolNd(Module):
    @stores
    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        dilation=1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        if stride is None:
            self.stride = kernel_size

    def _pool(self, function, input):
        return function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    extra_repr = shows(
        "kernel_size={kernel_size}, stride={stride}, padding={padding}, dilation={dilation}, "
        "ceil_mode={ceil_mode}"
    )


class MaxPool1d(_MaxPoolNd):
    """The largest value of each window.

    Args:
        kernel_size, stride: of the window.
        padding: how much -inf to add on each side; at most half of `kernel_size`.
        dilation: distance between the elements of a window.
        return_indices: also return the places of the largest values, for MaxUnpool.
        ceil_mode: let the last window reach over the end.

    Shape: L' = (L + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1, rounded down, or
        up with `ceil_mode`.

    >>> import rushlight as torch
    >>> torch.nn.MaxPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[3., 2.]])
    """

    def forward(self, input):
        return self._pool(F.max_pool1d, input)


class MaxPool2d(_MaxPoolNd):
    """The largest value of each window of an image; see MaxPool1d for the arguments.

    >>> import rushlight as torch
    >>> torch.nn.MaxPool2d(3, stride=2)(torch.zeros(20, 16, 50, 32)).shape
    torch.Size([20, 16, 24, 15])
    """

    def forward(self, input):
        return self._pool(F.max_pool2d, input)


class MaxPool3d(_MaxPoolNd):
    """The largest value of each window of a volume; see MaxPool1d for the arguments.

    >>> import rushlight as torch
    >>> torch.nn.MaxPool3d(2)(torch.zeros(1, 1, 4, 4, 4)).shape
    torch.Size([1, 1, 2, 2, 2])
    """

    def forward(self, input):
        return self._pool(F.max_pool3d, input)


class _MaxUnpoolNd(Module):
    _dims: int

    def __init__(self, kernel_size, stride=None, padding=0) -> None:
        super().__init__()
        each = _ntuple(self._dims)
        self.kernel_size = each(kernel_size)
        self.stride = each(kernel_size if stride is None else stride)
        self.padding = each(padding)

    def _unpool(self, function, input, indices, output_size):
        return function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    extra_repr = shows("kernel_size={kernel_size}, stride={stride}, padding={padding}")


class MaxUnpool1d(_MaxUnpoolNd):
    """Puts values back to where MaxPool1d found them, among zeros.

    Args:
        kernel_size, stride, padding: of the pooling.

    The module is called with the pooled values, the indices, and, where several are possible, the
    `output_size`.

    >>> import rushlight as torch
    >>> pool = torch.nn.MaxPool1d(2, return_indices=True)
    >>> pooled, indices = pool(torch.tensor([[1.0, 3.0, 2.0, 0.0]]))
    >>> torch.nn.MaxUnpool1d(2)(pooled, indices)
    tensor([[0., 3., 2., 0.]])
    """

    _dims = 1

    def forward(self, input, indices, output_size=None):
        return self._unpool(F.max_unpool1d, input, indices, output_size)


class MaxUnpool2d(_MaxUnpoolNd):
    """Puts values back to where MaxPool2d found them, among zeros; see MaxUnpool1d."""

    _dims = 2

    def forward(self, input, indices, output_size=None):
        return self._unpool(F.max_unpool2d, input, indices, output_size)


class MaxUnpool3d(_MaxUnpoolNd):
    """Puts values back to where MaxPool3d found them, among zeros; see MaxUnpool1d."""

    _dims = 3

    def forward(self, input, indices, output_size=None):
        return self._unpool(F.max_unpool3d, input, indices, output_size)


class _AvgPoolNd(Module):
    padding = 0  # what old pickles lack
    ceil_mode = False
    count_include_pad = True

    extra_repr = shows("kernel_size={kernel_size}, stride={stride}, padding={padding}")


class AvgPool1d(_AvgPoolNd):
    """The mean of each window.

    Args:
        kernel_size, stride: of the window.
        padding: how many zeros to add on each side; at most half of `kernel_size`.
        ceil_mode: let the last window reach over the end.
        count_include_pad: whether the zeros added count in the mean.

    Shape: L' = (L + 2 * padding - kernel_size) / stride + 1, rounded down, or up with `ceil_mode`.

    >>> import rushlight as torch
    >>> torch.nn.AvgPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[2., 1.]])
    """

    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = _single(kernel_size if stride is None else stride)
        self.padding = _single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input):
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )


class _DividedAvgPoolNd(_AvgPoolNd):
    """Average pooling where the divisor can be chosen."""

    @stores
    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        if stride is None:
            self.stride = kernel_size

    def _pool(self, function, input):
        return function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool2d(_DividedAvgPoolNd):
    """The mean of each window of an image; see AvgPool1d for the other arguments.

    Args:
        divisor_override: by what to divide the sum of a window; None: by its size.

    >>> import rushlight as torch
    >>> torch.nn.AvgPool2d(3, stride=2)(torch.zeros(20, 16, 50, 32)).shape
    torch.Size([20, 16, 24, 15])
    """

    def forward(self, input):
        return self._pool(F.avg_pool2d, input)


class AvgPool3d(_DividedAvgPoolNd):
    """The mean of each window of a volume; see AvgPool1d for the other arguments.

    Args:
        divisor_override: by what to divide the sum of a window; None: by its size.

    >>> import rushlight as torch
    >>> torch.nn.AvgPool3d(2)(torch.zeros(1, 1, 4, 4, 4)).shape
    torch.Size([1, 1, 2, 2, 2])
    """

    def forward(self, input):
        return self._pool(F.avg_pool3d, input)


class _FractionalMaxPoolNd(Module):
    _dims: int

    def __init__(
        self,
        kernel_size,
        output_size=None,
        output_ratio=None,
        return_indices: bool = False,
        _random_samples=None,
    ) -> None:
        super().__init__()
        each = _ntuple(self._dims)
        name = type(self).__name__
        self.kernel_size = each(kernel_size)
        if any(size <= 0 for size in self.kernel_size):
            raise ValueError(f"kernel_size must be greater than 0, but got {kernel_size}")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else each(output_size)
        self.output_ratio = None if output_ratio is None else each(output_ratio)
        if output_size is None and output_ratio is None:
            raise ValueError(
                f"{name} requires specifying either an output size, or a pooling ratio"
            )
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def _pool(self, function, input):
        return function(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The largest value of each window of an image, with windows at random distances.

    Args:
        kernel_size: of the window.
        output_size: (H, W) of the output.
        output_ratio: size of the output over that of the input, between 0 and 1; instead of
            `output_size`.
        return_indices: also return the places of the largest values, for MaxUnpool.

    Source: Graham 2014, arXiv:1412.6071.

    >>> import rushlight as torch
    >>> torch.nn.FractionalMaxPool2d(3, output_ratio=(0.5, 0.5))(torch.zeros(2, 3, 50, 32)).shape
    torch.Size([2, 3, 25, 16])
    """

    _dims = 2

    def forward(self, input):
        return self._pool(F.fractional_max_pool2d, input)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """The largest value of each window of a volume; see FractionalMaxPool2d for the arguments.

    >>> import rushlight as torch
    >>> torch.nn.FractionalMaxPool3d(3, output_size=(4, 5, 6))(torch.zeros(2, 3, 9, 9, 9)).shape
    torch.Size([2, 3, 4, 5, 6])
    """

    _dims = 3

    def forward(self, input):
        return self._pool(F.fractional_max_pool3d, input)


class _LPPoolNd(Module):
    @stores
    def __init__(
        self, norm_type: float, kernel_size, stride=None, ceil_mode: bool = False
    ) -> None: ...

    def _pool(self, function, input):
        return function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    extra_repr = shows(
        "norm_type={norm_type}, kernel_size={kernel_size}, stride={stride}, ceil_mode={ceil_mode}"
    )


class LPPool1d(_LPPoolNd):
    """The p-norm of each window.

    Args:
        norm_type: p, not 0.
        kernel_size, stride: of the window.
        ceil_mode: let the last window reach over the end.

    >>> import rushlight as torch
    >>> torch.nn.LPPool1d(2, 2)(torch.tensor([[[3.0, 4.0]]]))
    tensor([[[5.]]])
    """

    def forward(self, input):
        return self._pool(F.lp_pool1d, input)


class LPPool2d(_LPPoolNd):
    """The p-norm of each window of an image; see LPPool1d for the arguments."""

    def forward(self, input):
        return self._pool(F.lp_pool2d, input)


class LPPool3d(_LPPoolNd):
    """The p-norm of each window of a volume; see LPPool1d for the arguments."""

    def forward(self, input):
        return self._pool(F.lp_pool3d, input)


class _AdaptiveMaxPoolNd(Module):
    @stores
    def __init__(self, output_size, return_indices: bool = False) -> None: ...

    extra_repr = shows("output_size={output_size}")


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest value of each window, with windows chosen for the size of the output.

    Args:
        output_size: of the output.
        return_indices: also return the places of the largest values, for MaxUnpool.

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveMaxPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[3., 2.]])
    """

    def forward(self, input):
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest value of each window of an image; see AdaptiveMaxPool1d.

    A size of None in `output_size` keeps that of the input.
    """

    def forward(self, input):
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The largest value of each window of a volume; see AdaptiveMaxPool1d.

    A size of None in `output_size` keeps that of the input.
    """

    def forward(self, input):
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _AdaptiveAvgPoolNd(Module):
    @stores
    def __init__(self, output_size) -> None: ...

    extra_repr = shows("output_size={output_size}")


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The mean of each window, with windows chosen for the size of the output.

    Args:
        output_size: of the output.

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveAvgPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[2., 1.]])
    """

    def forward(self, input):
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The mean of each window of an image; see AdaptiveAvgPool1d.

    A size of None in `output_size` keeps that of the input.

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveAvgPool2d((1, None))(torch.zeros(2, 3, 8, 9)).shape
    torch.Size([2, 3, 1, 9])
    """

    def forward(self, input):
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The mean of each window of a volume; see AdaptiveAvgPool1d.

    A size of None in `output_size` keeps that of the input.
    """

    def forward(self, input):
        return F.adaptive_avg_pool3d(input, self.output_size)
