"""Losses as modules; those with a margin are in _margin_loss.py.

`reduction` is what becomes of the losses of a batch: "mean", "sum", or "none" to return each. The
former flags `size_average` and `reduce` still work, with a warning. Formulas are those of
`nn.functional`.
"""

from __future__ import annotations

import math

from .. import functional as F
from ._declare import rehome, stores, warn_deprecated
from ._loss_base import _Loss, _WeightedLoss
from ._margin_loss import (
    CosineEmbeddingLoss,
    HingeEmbeddingLoss,
    MarginRankingLoss,
    MultiLabelMarginLoss,
    MultiMarginLoss,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)
from .linear import Linear
from .linear_cross_entropy_options import LinearCrossEntropyOptions

__all__ = [
    "L1Loss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "GaussianNLLLoss",
    "KLDivLoss",
    "MSELoss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "HingeEmbeddingLoss",
    "MultiLabelMarginLoss",
    "SmoothL1Loss",
    "HuberLoss",
    "SoftMarginLoss",
    "CrossEntropyLoss",
    "LinearCrossEntropyLoss",
    "MultiLabelSoftMarginLoss",
    "CosineEmbeddingLoss",
    "MarginRankingLoss",
    "MultiMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
    "CTCLoss",
]

rehome(
    __name__,
    _Loss,
    _WeightedLoss,
    CosineEmbeddingLoss,
    HingeEmbeddingLoss,
    MarginRankingLoss,
    MultiLabelMarginLoss,
    MultiMarginLoss,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)


class L1Loss(_Loss):
    """``abs(input - target)``.

    Args:
        reduction: "mean", "sum" or "none".

    Shape: two of the same; a number, or the same with "none".

    >>> import rushlight as torch
    >>> torch.nn.L1Loss()(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))
    tensor(1.5000)
    """

    def forward(self, input, target):
        return F.l1_loss(input, target, reduction=self.reduction)


class NLLLoss(_WeightedLoss):
    """Minus the log-probability of the right class.

    Args:
        weight: (C,), of each class; None: 1. The mean is over the weights.
        ignore_index: a target that adds nothing to the loss and the gradient.
        reduction: "mean", "sum" or "none".

    Shape: log-probabilities (N, C, *) or (C,), and class indices (N, *) or (); a number, or the
        shape of the indices with "none".

    >>> import rushlight as torch
    >>> torch.nn.NLLLoss()(torch.tensor([[-0.5, -1.0]]), torch.tensor([1]))
    tensor(1.)
    """

    @stores
    def __init__(
        self,
        weight=None,
        size_average=None,
        ignore_index: int = -100,
        reduce=None,
        reduction: str = "mean",
    ) -> None: ...

    def forward(self, input, target):
        return F.nll_loss(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class NLLLoss2d(NLLLoss):
    """Deprecated: the same as NLLLoss."""

    def __init__(
        self,
        weight=None,
        size_average=None,
        ignore_index: int = -100,
        reduce=None,
        reduction: str = "mean",
    ) -> None:
        warn_deprecated(
            "`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead as a drop-in "
            "replacement."
        )
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class PoissonNLLLoss(_Loss):
    """Minus the log-likelihood of counts: ``rate - target * log(rate)``, as Poisson has it.

    Args:
        log_input: whether the input is the logarithm of the rate.
        full: whether to add Stirling's approximation of ``log(target!)``.
        eps: added to the rate inside the logarithm, unless `log_input`.
        reduction: "mean", "sum" or "none".

    Shape: two of the same; a number, or the same with "none".

    >>> import rushlight as torch
    >>> torch.nn.PoissonNLLLoss()(torch.zeros(1), torch.ones(1))
    tensor(1.)
    """

    @stores
    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average=None,
        eps: float = 1e-8,
        reduce=None,
        reduction: str = "mean",
    ) -> None: ...

    def forward(self, log_input, target):
        return F.poisson_nll_loss(
            log_input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss(_Loss):
    """Minus the log-likelihood of values drawn from a normal distribution with the given variance.

    ``(log(var) + (input - target) ** 2 / var) / 2``

    Args:
        full: whether to add the constant ``log(2 * pi) / 2``.
        eps: lower bound for the variance.
        reduction: "mean", "sum" or "none".

    Shape: two of the same, and a variance that may lack the last dimension, have size 1 there, or
        be a number; a number, or the shape of the input with "none".

    >>> import rushlight as torch
    >>> torch.nn.GaussianNLLLoss()(torch.zeros(1), torch.ones(1), torch.ones(1))
    tensor(0.5000)
    """

    @stores
    def __init__(
        self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
    ) -> None: ...

    def forward(self, input, target, var):
        return F.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """The Kullback-Leibler divergence: ``target * (log(target) - input)``.

    Args:
        reduction: "mean", "sum", "none", or "batchmean" for the sum over the batch size, which is
            the divergence.
        log_target: whether the target, too, is a log-probability.

    Shape: log-probabilities and probabilities of the same shape; a number, or the same with "none".

    >>> import rushlight as torch
    >>> torch.nn.KLDivLoss(reduction="sum")(torch.zeros(2), torch.ones(2))
    tensor(0.)
    """

    @stores
    def __init__(
        self, size_average=None, reduce=None, reduction: str = "mean", log_target: bool = False
    ) -> None: ...

    def forward(self, input, target):
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class MSELoss(_Loss):
    """``(input - target) ** 2``.

    Args:
        reduction: "mean", "sum" or "none".

    Shape: two of the same; a number, or the same with "none".

    >>> import rushlight as torch
    >>> torch.nn.MSELoss()(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))
    tensor(2.5000)
    """

    def forward(self, input, target):
        return F.mse_loss(input, target, reduction=self.reduction)


class BCELoss(_WeightedLoss):
    """Binary cross entropy of probabilities; each logarithm is at least -100.

    Args:
        weight: of each element, broadcast; None: 1.
        reduction: "mean", "sum" or "none".

    Shape: probabilities and targets between 0 and 1 of the same shape; a number, or the same with
        "none".

    >>> import rushlight as torch
    >>> torch.nn.BCELoss()(torch.tensor([0.5]), torch.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input, target):
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross entropy of the sigmoid of the input, computed without overflow.

    Args:
        weight: of each element, broadcast; None: 1.
        reduction: "mean", "sum" or "none".
        pos_weight: of the positive part, broadcast; more than 1 for recall, less for precision.

    Shape: logits and targets between 0 and 1 of the same shape; a number, or the same with "none".

    >>> import rushlight as torch
    >>> torch.nn.BCEWithLogitsLoss()(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(0.6931)
    """

    def __init__(
        self, weight=None, size_average=None, reduce=None, reduction: str = "mean", pos_weight=None
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input, target):
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class SmoothL1Loss(_Loss):
    """``d ** 2 / (2 * beta)`` where d = abs(input - target) < beta, else ``d - beta / 2``.

    Args:
        reduction: "mean", "sum" or "none".
        beta: where to switch; at least 0.

    Shape: two of the same; a number, or the same with "none".

    Source: Girshick 2015, arXiv:1504.08083.

    >>> import rushlight as torch
    >>> torch.nn.SmoothL1Loss(reduction="none")(torch.tensor([0.5, 3.0]), torch.zeros(2))
    tensor([0.1250, 2.5000])
    """

    @stores
    def __init__(
        self, size_average=None, reduce=None, reduction: str = "mean", beta: float = 1.0
    ) -> None: ...

    def forward(self, input, target):
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """``d ** 2 / 2`` where d = abs(input - target) <= delta, else ``delta * (d - delta / 2)``.

    Args:
        reduction: "mean", "sum" or "none".
        delta: where to switch; more than 0.

    Shape: two of the same; a number, or the same with "none".

    >>> import rushlight as torch
    >>> torch.nn.HuberLoss(reduction="none", delta=2.0)(torch.tensor([1.0, 3.0]), torch.zeros(2))
    tensor([0.5000, 4.0000])
    """

    @stores
    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        if not isinstance(delta, (float, int)):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")

    def forward(self, input, target):
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class SoftMarginLoss(_Loss):
    """``log(1 + exp(-target * input))``.

    Args:
        reduction: "mean", "sum" or "none".

    Shape: scores and targets of 1 and -1 of the same shape; a number, or the same with "none".

    >>> import rushlight as torch
    >>> torch.nn.SoftMarginLoss()(torch.zeros(1), torch.ones(1))
    tensor(0.6931)
    """

    def forward(self, input, target):
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class CrossEntropyLoss(_WeightedLoss):
    """Minus the log-probability of the right class, for the softmax of the input.

    Args:
        weight: (C,), of each class; None: 1. The mean is over the weights.
        ignore_index: a target that adds nothing to the loss and the gradient; for class indices.
        reduction: "mean", "sum" or "none".
        label_smoothing: between 0 and 1: by how much to mix the targets with the uniform
            distribution.

    Shape: logits (N, C, *) or (C,), and class indices (N, *) or (), or class probabilities of the
        shape of the logits; a number, or the shape of the indices with "none".

    >>> import rushlight as torch
    >>> torch.nn.CrossEntropyLoss()(torch.zeros(3, 2), torch.tensor([0, 1, 1]))
    tensor(0.6931)
    """

    @stores
    def __init__(
        self,
        weight=None,
        size_average=None,
        ignore_index: int = -100,
        reduce=None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None: ...

    def forward(self, input, target):
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class LinearCrossEntropyLoss(_WeightedLoss):
    """A Linear layer and the cross entropy of its outputs, computed as one to save memory.

    Args:
        in_features: size of the last dimension of the input.
        num_classes: C.
        out_features: sizes of further dimensions that each have a target.
        bias: whether the layer has a bias.
        device, dtype: of the layer's parameters; None: the defaults.
        reduction: "mean", "sum" or "none".
        weight: (C,), of each class; None: 1.
        ignore_index: a target that adds nothing; None: there is none.
        label_smoothing: between 0 and 1.
        options: see LinearCrossEntropyOptions.

    Raises: RuntimeError for a weight of another shape or a label smoothing outside the range.

    >>> import rushlight as torch
    >>> loss = torch.nn.LinearCrossEntropyLoss(4, 3)
    >>> loss(torch.zeros(2, 4), torch.tensor([0, 2])).detach()
    tensor(1.0986)
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device=None,
        dtype=None,
        reduction: str = "mean",
        weight=None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        if weight is not None and weight.shape != (num_classes,):
            raise RuntimeError(
                f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}"
            )
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(
                f"expected label_smoothing to be in range [0, 1], got {label_smoothing}"
            )
        super().__init__(weight=weight, reduction=reduction)
        self.num_classes = num_classes
        self.out_features = out_features
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        size = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, size, bias=bias, device=device, dtype=dtype)
        self.options = options

    def forward(self, input, target):
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape(*shape, self.linear.in_features),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The mean over the classes of the binary cross entropy of logits.

    Args:
        weight: (C,), of each class; None: 1.
        reduction: "mean", "sum" or "none".

    Shape: logits (N, C), and targets of 0 and 1, likewise; a number, or (N,) with "none".

    >>> import rushlight as torch
    >>> torch.nn.MultiLabelSoftMarginLoss()(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """

    def forward(self, input, target):
        return F.multilabel_soft_margin_loss(
            input, target, weight=self.weight, reduction=self.reduction
        )


class CTCLoss(_Loss):
    """Minus the log-probability of a label sequence, summed over its alignments with the input.

    Args:
        blank: index of the blank label.
        reduction: "mean" (of the losses divided by the lengths of the targets), "sum" or "none".
        zero_infinity: count a loss as 0 where the target is too long for the input.

    Shape: log-probabilities (T, N, C) or (T, C), targets (N, S) or (sum of lengths,), input and
        target lengths (N,) or (); a number, or (N,) with "none".

    Source: Graves et al. 2006, "Connectionist temporal classification".

    >>> import rushlight as torch
    >>> log_probs = torch.full((2, 1, 2), 0.5).log()
    >>> torch.nn.CTCLoss()(log_probs, torch.tensor([[1]]), torch.tensor([2]), torch.tensor([1]))
    tensor(0.2877)
    """

    @stores
    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None: ...

    def forward(self, log_probs, targets, input_lengths, target_lengths):
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )
