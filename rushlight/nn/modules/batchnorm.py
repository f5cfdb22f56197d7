"""Batch normalization, and what it shares with instance normalization."""

from __future__ import annotations

from ... import frontend as rl
from .. import functional as F
from .. import init
from ..parameter import UninitializedBuffer, UninitializedParameter
from ._declare import new_parameter
from .lazy import LazyModuleMixin
from .module import Module

__all__ = [
    "BatchNorm1d",
    "LazyBatchNorm1d",
    "BatchNorm2d",
    "LazyBatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm3d",
]


def _expects(*dims: int):
    """A `_check_input_dim` that accepts inputs with these numbers of dimensions."""

    def _check_input_dim(self, input) -> None:
        if input.dim() not in dims:
            allowed = " or ".join(f"{d}D" for d in dims)
            raise ValueError(f"expected {allowed} input (got {input.dim()}D input)")

    return _check_input_dim


class _NormBase(Module):
    """The parameters and running statistics of normalization over channels."""

    _version = 2  # since version 2 there is num_batches_tracked

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, exists in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(
                name, new_parameter(num_features, device, dtype) if exists else None
            )
        stats = {"running_mean": None, "running_var": None, "num_batches_tracked": None}
        if track_running_stats:
            stats["running_mean"] = rl.zeros(num_features, device=device, dtype=dtype)
            stats["running_var"] = rl.ones(num_features, device=device, dtype=dtype)
            stats["num_batches_tracked"] = rl.tensor(0, device=device, dtype=rl.int64)
        for name, buffer in stats.items():
            self.register_buffer(name, buffer)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running mean to 0, the running variance to 1, and the count of batches to 0."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Reset the running statistics, set weights to 1 and biases to 0."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input) -> None:
        raise NotImplementedError(f"{type(self).__name__} does not define _check_input_dim")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args) -> None:
        version = local_metadata.get("version")
        key = prefix + "num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            count = self.num_batches_tracked
            known = count is not None and not count.is_meta
            state_dict[key] = count if known else rl.tensor(0, dtype=rl.int64)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class _BatchNorm(_NormBase):
    """Batch normalization without the check of dimensions."""

    def forward(self, input):
        self._check_input_dim(input)
        use_batch_stats = self.training or (self.running_mean is None and self.running_var is None)
        use_running_stats = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if use_running_stats else None,
            self.running_var if use_running_stats else None,
            self.weight,
            self.bias,
            use_batch_stats,
            self._count_batch(),
            self.eps,
        )

    def _count_batch(self) -> float:
        """The weight of this batch in the running statistics; without momentum, all weigh alike."""
        counts = self.training and self.track_running_stats and self.num_batches_tracked is not None
        if counts:
            self.num_batches_tracked.add_(1)
        if self.momentum is not None:
            return self.momentum
        return 1.0 / float(self.num_batches_tracked) if counts else 0.0


class _LazyNormBase(LazyModuleMixin, _NormBase):
    """Takes `num_features` from dimension 1 of the first input."""

    weight: UninitializedParameter
    bias: UninitializedParameter | None

    def __init__(
        self,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
        *,
        bias=True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = rl.tensor(0, device=device, dtype=rl.int64)

    def reset_parameters(self) -> None:
        """As in the class it becomes, once the parameters have shapes."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input) -> None:
        """Take `num_features` from the input."""
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        tensors = [self.weight, self.bias] if self.affine else []
        if self.track_running_stats:
            tensors += [self.running_mean, self.running_var]
        for tensor in tensors:
            if tensor is not None:
                tensor.materialize((self.num_features,))
        self.reset_parameters()


class BatchNorm1d(_BatchNorm):
    """Brings each channel of a batch of vectors or sequences to mean 0 and variance 1.

    In training the statistics are those of the batch (the variance divided by the number of
    values), and running averages of them are kept, which eval uses.

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: weight of a new batch in the running averages; None: a plain mean of all batches.
        affine: whether to multiply by a learned weight and add a learned bias, per channel.
        track_running_stats: whether to keep running averages; without, eval uses the batch too.
        device, dtype: of the parameters and buffers; None: the defaults.
        bias: whether there is a bias beside the weight.

    Shape: (N, C) or (N, C, L), and the same.

    Raises: ValueError for another number of dimensions, or one value per channel in training.

    Source: Ioffe, Szegedy 2015, arXiv:1502.03167.

    >>> import rushlight as torch
    >>> torch.nn.BatchNorm1d(1, affine=False)(torch.tensor([[1.0], [3.0]]))
    tensor([[-1.0000],
            [ 1.0000]])
    """

    _check_input_dim = _expects(2, 3)


class LazyBatchNorm1d(_LazyNormBase, _BatchNorm):
    """A BatchNorm1d that takes `num_features` from its first input; see there for the arguments.

    >>> import rushlight as torch
    >>> torch.nn.LazyBatchNorm1d()(torch.zeros(2, 5)).shape
    torch.Size([2, 5])
    """

    cls_to_become = BatchNorm1d
    _check_input_dim = BatchNorm1d._check_input_dim


class BatchNorm2d(_BatchNorm):
    """Brings each channel of a batch of images to mean 0 and variance 1; see BatchNorm1d.

    Shape: (N, C, H, W), and the same. Raises: ValueError for another number of dimensions.

    >>> import rushlight as torch
    >>> torch.nn.BatchNorm2d(3)(torch.zeros(2, 3, 4, 4)).shape
    torch.Size([2, 3, 4, 4])
    """

    _check_input_dim = _expects(4)


class LazyBatchNorm2d(_LazyNormBase, _BatchNorm):
    """A BatchNorm2d that takes `num_features` from its first input; arguments as in BatchNorm1d."""

    cls_to_become = BatchNorm2d
    _check_input_dim = BatchNorm2d._check_input_dim


class BatchNorm3d(_BatchNorm):
    """Brings each channel of a batch of volumes to mean 0 and variance 1; see BatchNorm1d.

    Shape: (N, C, D, H, W), and the same. Raises: ValueError for another number of dimensions.

    >>> import rushlight as torch
    >>> torch.nn.BatchNorm3d(3)(torch.zeros(2, 3, 4, 4, 4)).shape
    torch.Size([2, 3, 4, 4, 4])
    """

    _check_input_dim = _expects(5)


class LazyBatchNorm3d(_LazyNormBase, _BatchNorm):
    """A BatchNorm3d that takes `num_features` from its first input; arguments as in BatchNorm1d."""

    cls_to_become = BatchNorm3d
    _check_input_dim = BatchNorm3d._check_input_dim
