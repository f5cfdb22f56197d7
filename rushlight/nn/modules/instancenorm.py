"""Instance normalization: each channel of each sample on its own."""

from __future__ import annotations

import warnings

from .. import functional as F
from .batchnorm import _LazyNormBase, _NormBase

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _InstanceNorm(_NormBase):
    """Instance normalization; `_unbatched_dim` is the number of dimensions without a batch."""

    _unbatched_dim: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def _check_input_dim(self, input) -> None:
        unbatched = self._unbatched_dim
        if input.dim() not in (unbatched, unbatched + 1):
            raise ValueError(
                f"expected {unbatched}D or {unbatched + 1}D input (got {input.dim()}D input)"
            )

    def _check_channels(self, input) -> None:
        dim = input.dim() - self._unbatched_dim
        size = input.size(dim)
        if size == self.num_features:
            return
        if self.affine:
            raise ValueError(
                f"expected input's size at dim={dim} to match num_features ({self.num_features}), "
                f"but got: {size}."
            )
        warnings.warn(
            f"input's size at dim={dim} does not match num_features. You can silence this warning "
            "by not passing in num_features, which is not used because affine=False",
            stacklevel=5,
        )

    def forward(self, input):
        self._check_input_dim(input)
        self._check_channels(input)
        if input.dim() == self._unbatched_dim:
            return self._apply_instance_norm(input.unsqueeze(0)).squeeze(0)
        return self._apply_instance_norm(input)

    def _apply_instance_norm(self, input):
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ) -> None:
        # Before 0.4 running statistics were kept always.
        if local_metadata.get("version") is None and not self.track_running_stats:
            found = [
                prefix + name
                for name in ("running_mean", "running_var")
                if prefix + name in state_dict
            ]
            for key in found:
                del state_dict[key]
            if found:
                names = " and ".join(f'"{key}"' for key in found)
                kind = type(self).__name__
                error_msgs.append(
                    f"Unexpected running stats buffer(s) {names} for {kind} with "
                    "track_running_stats=False. If state_dict is a checkpoint saved before 0.4.0, "
                    f"this may be expected because {kind} does not track running stats by default "
                    "since 0.4.0. Please remove these keys from state_dict. If the running stats "
                    f"are actually needed, instead set track_running_stats=True in {kind} to "
                    f"enable them. See the documentation of {kind} for details."
                )
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class InstanceNorm1d(_InstanceNorm):
    """Brings each channel of each sequence to mean 0 and variance 1.

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: weight of a new batch in the running averages.
        affine: whether to multiply by a learned weight and add a learned bias, per channel.
        track_running_stats: whether to keep running averages, which eval uses.
        device, dtype: of the parameters and buffers; None: the defaults.
        bias: whether there is a bias beside the weight.

    Shape: (N, C, L) or (C, L), and the same.

    Raises: ValueError for another number of dimensions, or, if `affine`, of channels.

    Source: Ulyanov, Vedaldi, Lempitsky 2016, arXiv:1607.08022.

    >>> import rushlight as torch
    >>> torch.nn.InstanceNorm1d(1)(torch.tensor([[1.0, 3.0]]))
    tensor([[-1.0000,  1.0000]])
    """

    _unbatched_dim = 2


class LazyInstanceNorm1d(_LazyNormBase, _InstanceNorm):
    """An InstanceNorm1d that takes `num_features` from its first input.

    By default `affine` and `track_running_stats` are true.

    >>> import rushlight as torch
    >>> torch.nn.LazyInstanceNorm1d()(torch.zeros(2, 5, 3)).shape
    torch.Size([2, 5, 3])
    """

    cls_to_become = InstanceNorm1d
    _unbatched_dim = 2


class InstanceNorm2d(_InstanceNorm):
    """Brings each channel of each image to mean 0 and variance 1; arguments as in InstanceNorm1d.

    Shape: (N, C, H, W) or (C, H, W), and the same.

    >>> import rushlight as torch
    >>> torch.nn.InstanceNorm2d(3)(torch.zeros(2, 3, 4, 4)).shape
    torch.Size([2, 3, 4, 4])
    """

    _unbatched_dim = 3


class LazyInstanceNorm2d(_LazyNormBase, _InstanceNorm):
    """An InstanceNorm2d that takes `num_features` from its first input; see LazyInstanceNorm1d."""

    cls_to_become = InstanceNorm2d
    _unbatched_dim = 3


class InstanceNorm3d(_InstanceNorm):
    """Brings each channel of each volume to mean 0 and variance 1; arguments as in InstanceNorm1d.

    Shape: (N, C, D, H, W) or (C, D, H, W), and the same.

    >>> import rushlight as torch
    >>> torch.nn.InstanceNorm3d(3)(torch.zeros(2, 3, 4, 4, 4)).shape
    torch.Size([2, 3, 4, 4, 4])
    """

    _unbatched_dim = 4


class LazyInstanceNorm3d(_LazyNormBase, _InstanceNorm):
    """An InstanceNorm3d that takes `num_features` from its first input; see LazyInstanceNorm1d."""

    cls_to_become = InstanceNorm3d
    _unbatched_dim = 4
