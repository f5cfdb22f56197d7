"""Normalization over trailing dimensions, groups of channels, or neighbouring channels."""

from __future__ import annotations

import numbers

from .. import functional as F
from .. import init
from ._declare import new_parameter, shows, stores
from .module import Module

__all__ = ["LocalResponseNorm", "LayerNorm", "GroupNorm", "RMSNorm"]


class LocalResponseNorm(Module):
    """Divides each channel by a power of the mean square of its neighbours.

    ``y = x / (k + alpha * mean(x ** 2 over size channels)) ** beta``

    Args:
        size: how many neighbouring channels.
        alpha, beta, k: of the formula.

    Shape: (N, C, *), and the same.

    Source: Krizhevsky, Sutskever, Hinton 2012, section 3.3.

    >>> import rushlight as torch
    >>> torch.nn.LocalResponseNorm(2)(torch.zeros(1, 4, 3)).shape
    torch.Size([1, 4, 3])
    """

    @stores
    def __init__(
        self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
    ) -> None: ...

    def forward(self, input):
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    extra_repr = shows("{size}, alpha={alpha}, beta={beta}, k={k}")


def _as_shape(normalized_shape) -> tuple[int, ...]:
    if isinstance(normalized_shape, numbers.Integral):
        return (int(normalized_shape),)
    return tuple(normalized_shape)


class _AffineNorm(Module):
    """Registers a weight and, unless it has none, a bias; the weight starts as 1, the bias as 0."""

    def _create_parameters(self, shape, has_weight: bool, has_bias: bool, device, dtype) -> None:
        for name, exists in (("weight", has_weight), ("bias", has_weight and has_bias)):
            self.register_parameter(name, new_parameter(shape, device, dtype) if exists else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weights to 1 and biases to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class LayerNorm(_AffineNorm):
    """Brings the values of the trailing dimensions to mean 0 and variance 1.

    Args:
        normalized_shape: the sizes of those dimensions; a number: the last one.
        eps: added to the variance.
        elementwise_affine: whether to multiply by a learned weight and add a learned bias, both of
            `normalized_shape`.
        bias: whether there is a bias beside the weight.
        device, dtype: of the parameters; None: the defaults.

    Shape: (*, *normalized_shape), and the same.

    Source: Ba, Kiros, Hinton 2016, arXiv:1607.06450.

    >>> import rushlight as torch
    >>> torch.nn.LayerNorm(2, elementwise_affine=False)(torch.tensor([1.0, 3.0]))
    tensor([-1.0000,  1.0000])
    """

    def __init__(
        self,
        normalized_shape,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._create_parameters(self.normalized_shape, elementwise_affine, bias, device, dtype)

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(_AffineNorm):
    """Brings the values of each group of channels of each sample to mean 0 and variance 1.

    Args:
        num_groups: divides `num_channels`.
        num_channels: C.
        eps: added to the variance.
        affine: whether to multiply by a learned weight and add a learned bias, per channel.
        device, dtype: of the parameters; None: the defaults.
        bias: whether there is a bias beside the weight.

    Shape: (N, C, *), and the same.

    Raises: ValueError if the groups do not divide the channels.

    Source: Wu, He 2018, arXiv:1803.08494.

    >>> import rushlight as torch
    >>> torch.nn.GroupNorm(1, 2, affine=False)(torch.tensor([[1.0, 3.0]]))
    tensor([[-1.0000,  1.0000]])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._create_parameters(num_channels, affine, bias, device, dtype)

    def forward(self, input):
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Divides the values of the trailing dimensions by the root of their mean square.

    Args:
        normalized_shape: the sizes of those dimensions; a number: the last one.
        eps: added to the mean square; None: the smallest step of the dtype at 1.
        elementwise_affine: whether to multiply by a learned weight of `normalized_shape`.
        device, dtype: of the weight; None: the defaults.

    Shape: (*, *normalized_shape), and the same.

    Source: Zhang, Sennrich 2019, arXiv:1910.07467.

    >>> import rushlight as torch
    >>> torch.nn.RMSNorm(2, elementwise_affine=False)(torch.tensor([3.0, 4.0]))
    tensor([0.8485, 1.1314])
    """

    def __init__(
        self,
        normalized_shape,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = new_parameter(self.normalized_shape, device, dtype) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1."""
        if self.elementwise_affine:
            init.ones_(self.weight)

    def forward(self, x):
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    extra_repr = shows("{normalized_shape}, eps={eps}, elementwise_affine={elementwise_affine}")
