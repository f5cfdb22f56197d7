"""Losses of classification: cross-entropy, negative log-likelihood, margins between classes."""

import math

from ..base import dtypes
from ..ir import lang as L
from .activations import log_sigmoid_values
from .numeric import need_floating, number_like, wide
from .record import T, composite, operator
from .reduction import LEGACY, aligned, chosen_reduction, reduced
from .softmax import log_softmax_values, softmax_values


# --------------------------------------------------------------------- targets as class indices
class _Targets:
    """Class indices seen against scores of shape (N, C, ...) or (C,): what forward and gradient
    share.

    `index` is safe to gather with (errors surface when it runs), `valid` is False where the target
    is
    ignored, `weights` holds each position's class weight (None: 1).
    """

    def __init__(self, scores, target, weight, ignore_index):
        self.axis = 1 if scores.ndim > 1 else 0
        self.classes = scores.shape[self.axis]
        target = L.cast(target, dtypes.int64)
        ignored = L.eq(target, L.like(target, ignore_index))
        target = L.where(ignored, L.like(target, 0), target)
        says = "Target {} is out of bounds."
        self.index = L.index_in(target, self.classes, says=says, negative=False)
        self.valid = L.logical_not(ignored)
        self.weights = None if weight is None else L.take(wide(weight), self.index)

    def picked(self, values):
        """values at each target, zeros where ignored."""
        found = L.take_along(values, L.unsqueeze(self.index, self.axis), self.axis)
        return self.kept(L.drop_axis(found, self.axis))

    def kept(self, values):
        return L.where(self.valid, values, L.like(values, 0))

    def weighted(self, values):
        return values if self.weights is None else values * self.weights

    def total(self, dtype):
        """What a mean divides by: the weights of the targets that count."""
        counted = L.cast(self.valid, dtype)
        return L.sum_(counted if self.weights is None else counted * self.weights)

    def is_target(self, scores):
        """bool in the shape of the scores: is this class the target here?"""
        index = L.broadcast(L.unsqueeze(self.index, self.axis), scores.shape)
        return L.eq(L.arange_along(index, self.axis), index)


def _class_weights(weight, scores, axis):
    """Weights per class, broadcast over the scores."""
    shape = [1] * scores.ndim
    shape[axis] = weight.shape[0]
    return L.broadcast(L.reshape(wide(weight), shape), scores.shape)


def _index_losses(logp, targets, weight, smoothing):
    values = targets.weighted(-targets.picked(logp))
    if smoothing == 0:
        return values
    spread = logp if weight is None else logp * _class_weights(weight, logp, targets.axis)
    smooth = targets.kept(-L.sum_(spread, [targets.axis]))
    return (1 - smoothing) * values + (smoothing / targets.classes) * smooth


def _index_total(logp, target, weight, how, ignore_index, smoothing):
    targets = _Targets(logp, target, weight, ignore_index)
    values = _index_losses(logp, targets, weight, smoothing)
    if how == "none":
        return values
    total = L.sum_(values)
    return total / targets.total(total.dtype) if how == "mean" else total


def _index_slope(g, logp, target, weight, how, ignore_index, smoothing):
    """Cotangent of the log-probabilities."""
    targets = _Targets(logp, target, weight, ignore_index)
    g = wide(g)
    if how == "mean":
        g = g / targets.total(g.dtype)
    each = targets.kept(L.broadcast(g, target.shape))

    def spread(values):
        return L.broadcast(L.unsqueeze(values, targets.axis), logp.shape)

    zero = L.like(logp, 0)
    hit = L.where(targets.is_target(logp), -spread(targets.weighted(each)), zero)
    if smoothing == 0:
        return hit
    everywhere = spread(each) * (-smoothing / targets.classes)
    if weight is not None:
        everywhere = everywhere * _class_weights(weight, logp, targets.axis)
    return (1 - smoothing) * hit + everywhere


def _check_targets(scores, target, weight, name):
    need_floating(scores, f"{name}_out_frame")
    if scores.ndim == 0:
        raise ValueError(f"Expected 1 or more dimensions (got {scores.ndim})")
    if scores.ndim > 1 and (not target.ndim or scores.shape[0] != target.shape[0]):
        got = target.shape[0] if target.ndim else 0
        raise ValueError(
            f"Expected input batch_size ({scores.shape[0]}) to match target batch_size ({got})."
        )
    expected = () if scores.ndim == 1 else (scores.shape[0], *scores.shape[2:])
    if tuple(target.shape) != expected:
        if scores.ndim <= 2:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        raise RuntimeError(f"Expected target size {list(expected)}, got {list(target.shape)}")
    if target.dtype not in (dtypes.int64, dtypes.uint8):
        raise RuntimeError(f"expected scalar type Long but found {target.dtype.type_name}")
    _check_weight(scores, weight)


def _check_weight(scores, weight):
    classes = scores.shape[1 if scores.ndim > 1 else 0]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or "
            f"no classes but got weight tensor of shape: {list(weight.shape)}"
        )
    if weight is not None and weight.dtype is not scores.dtype:
        raise RuntimeError(
            f"expected scalar type {scores.dtype.type_name} but found {weight.dtype.type_name}"
        )


_NLL = (
    "Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, "
    "int ignore_index=-100, bool? reduce=None, str reduction='mean'"
)


def _nll_gradient(
    grads, outputs, input, target, weight, size_average, ignore_index, reduce, reduction
):
    how = chosen_reduction(reduction, size_average, reduce)
    return {"input": _index_slope(grads[0], wide(input), target, weight, how, ignore_index, 0)}


@operator(f"nll_loss({_NLL}) -> Tensor", variants="nn", vjp=_nll_gradient)
def nll_loss(input, target, weight, size_average, ignore_index, reduce, reduction):
    """Minus the log-probability of the target class.

    `input` is (C,), (N, C) or (N, C, d1, ...), target () or (N, d1, ...) of class indices; the
    mean is
    weighted by the targets' class weights, and skips targets equal to `ignore_index`.
    """
    how = chosen_reduction(reduction, size_average, reduce)
    _check_targets(input, target, weight, "nll_loss")
    return L.cast(_index_total(wide(input), target, weight, how, ignore_index, 0), input.dtype)


# --------------------------------------------------------------------------- cross-entropy
def _cross_entropy_gradient(
    grads,
    outputs,
    input,
    target,
    weight,
    size_average,
    ignore_index,
    reduce,
    reduction,
    label_smoothing,
):
    how = chosen_reduction(reduction, size_average, reduce)
    x = wide(input)
    axis = 1 if x.ndim > 1 else 0
    logp = log_softmax_values(x, axis)
    found = {}
    if _is_probabilities(input, target):
        slope, found = _probability_slopes(grads[0], logp, target, weight, how, label_smoothing)
    else:
        slope = _index_slope(grads[0], logp, target, weight, how, ignore_index, label_smoothing)
    found["input"] = slope - softmax_values(x, axis) * L.sum_(slope, [axis], keepdim=True)
    return found


def _is_probabilities(input, target):
    return target.shape == input.shape and target.dtype.category == dtypes.FLOAT


def _smoothed(target, logp, axis, smoothing):
    target = L.cast(target, logp.dtype)
    return target * (1 - smoothing) + smoothing / logp.shape[axis] if smoothing else target


def _probability_losses(logp, target, weight, smoothing):
    axis = 1 if logp.ndim > 1 else 0
    terms = logp * _smoothed(target, logp, axis, smoothing)
    if weight is not None:
        terms = terms * _class_weights(weight, logp, axis)
    return -L.sum_(terms, [axis])


def _probability_total(logp, target, weight, how, smoothing):
    values = _probability_losses(logp, target, weight, smoothing)
    if how == "none":
        return values
    count = max(math.prod(values.shape), 1) if math.prod(values.shape) else float("nan")
    return L.sum_(values) / count if how == "mean" else L.sum_(values)


def _probability_slopes(g, logp, target, weight, how, smoothing):
    """(cotangent of the log-probabilities, those of target and weight)."""
    axis = 1 if logp.ndim > 1 else 0
    rest = [n for d, n in enumerate(logp.shape) if d != axis]
    g = wide(g) / max(math.prod(rest), 1) if how == "mean" else wide(g)
    each = -L.broadcast(L.unsqueeze(L.broadcast(g, rest), axis), logp.shape)
    chance = _smoothed(target, logp, axis, smoothing)
    if weight is None:
        return each * chance, {"target": each * logp * (1 - smoothing)}
    scale = _class_weights(weight, logp, axis)
    others = [d for d in range(logp.ndim) if d != axis]
    return each * chance * scale, {
        "target": each * logp * scale * (1 - smoothing),
        "weight": L.sum_(each * logp * chance, others),
    }


@operator(
    f"cross_entropy({_NLL}, float label_smoothing=0.0) -> Tensor",
    variants="nn",
    vjp=_cross_entropy_gradient,
    structural=("label_smoothing",),
    node="NllLossBackward0",
)
def cross_entropy(
    input, target, weight, size_average, ignore_index, reduce, reduction, label_smoothing
):
    """Cross-entropy between softmax(input) and the targets.

    Args:
        input: scores, (C,), (N, C) or (N, C, d1, ...), floating.
        target: class indices, () or (N, d1, ...), or class probabilities in the shape of input.
        weight: (C,), one per class.
        ignore_index: targets that count for nothing (indices only).
        label_smoothing: in [0, 1]; this much of the target is spread over all classes.

    Returns: a number; with reduction="none" one loss per target.

    >>> import rushlight as torch
    >>> torch.nn.functional.cross_entropy(torch.tensor([[2., 0.]]), torch.tensor([0]))
    tensor(0.1269)
    """
    how = chosen_reduction(reduction, size_average, reduce)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    axis = 1 if input.ndim > 1 else 0
    if target.shape == input.shape and input.ndim:
        _check_probabilities(input, target, weight, ignore_index)
        logp = log_softmax_values(wide(input), axis)
        return L.cast(_probability_total(logp, target, weight, how, label_smoothing), input.dtype)
    _check_targets(input, target, weight, "nll_loss")
    logp = log_softmax_values(wide(input), axis)
    return L.cast(
        _index_total(logp, target, weight, how, ignore_index, label_smoothing), input.dtype
    )


def _check_probabilities(input, target, weight, ignore_index):
    need_floating(input, "log_softmax_lastdim_kernel_impl")
    if target.dtype.category != dtypes.FLOAT:
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got "
            f"{target.dtype.type_name}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    classes = input.shape[1 if input.ndim > 1 else 0]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            "cross_entropy: weight tensor should be defined either for all "
            f"{classes} classes or no classes but got weight tensor of shape: "
            f"{list(weight.shape)}"
        )


@composite("nn", wide=True)
def linear_cross_entropy(
    input,
    linear_weight,
    target,
    *,
    linear_bias=None,
    weight=None,
    reduction="mean",
    ignore_index=None,
    label_smoothing=0.0,
    options=None,
):
    """cross_entropy of ``linear(input, linear_weight, linear_bias)``.

    `options` only chooses how PyTorch splits the work; the result is the same.
    """
    if not 1 <= input.ndim <= 2:
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if linear_weight.ndim < 2:
        raise RuntimeError(
            f"expected linear_weight with dimensionality at least 2, got {linear_weight.ndim}"
        )
    if input.shape[-1] != linear_weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), "
            f"got {input.shape[-1]} and {linear_weight.shape[-1]}, respectively"
        )
    classes = linear_weight.shape[:-1]
    if linear_bias is not None and linear_bias.shape != classes:
        raise RuntimeError(
            f"expected linear_bias shape {tuple(classes)}, got {tuple(linear_bias.shape)}"
        )
    if len(classes) > 1 and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape "
            f"{tuple(linear_weight.shape)} requires batched input, "
            f"(N, {input.shape[-1]}), got unbatched input with shape "
            f"{tuple(input.shape)}"
        )
    logits_shape = (*input.shape[:-1], *classes)
    if tuple(target.shape) == logits_shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    rows = linear_weight.reshape(-1, input.shape[-1])
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = T.nn.linear(input, rows, bias).reshape(logits_shape)
    return T.nn.cross_entropy(
        logits,
        target,
        weight,
        None,
        -100 if ignore_index is None else ignore_index,
        None,
        reduction,
        label_smoothing,
    )


# --------------------------------------------------------------------------------- margins
@operator(
    "multi_margin_loss(Tensor input, Tensor target, int p=1, float margin=1.0, "
    f"Tensor? weight=None, {LEGACY}) -> Tensor",
    variants="nn",
)
def multi_margin_loss(input, target, p, margin, weight, size_average, reduce, reduction):
    """Sum over other classes of ``max(0, margin - x[target] + x[class]) ** p``, divided by C."""
    how = chosen_reduction(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    rows = _rows(input, "multi_margin_loss")
    if target.ndim > 1 or math.prod(target.shape) != rows.shape[0]:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the "
            "number of input samples (batch size). Expected target size "
            f"[{rows.shape[0]}], but got {list(target.shape)}. Input has shape "
            f"{list(input.shape)}."
        )
    if target.dtype is not dtypes.int64:
        raise RuntimeError(f"expected scalar type Long but found {target.dtype.type_name}")
    if weight is not None and weight.shape[0] != rows.shape[1]:
        raise RuntimeError(
            f"inconsistent weight size, expected {rows.shape[1]} but got {list(weight.shape)}"
        )
    targets = _Targets(rows, L.reshape(target, (rows.shape[0],)), weight, -1 << 40)
    own = L.broadcast(L.unsqueeze(targets.picked(rows), 1), rows.shape)
    gap = number_like(margin, rows) - own + rows
    cost = L.where((gap > 0) & L.logical_not(targets.is_target(rows)), gap, L.like(gap, 0))
    values = targets.weighted(L.sum_(cost if p == 1 else cost * cost, [1]) / rows.shape[1])
    shape = target.shape if input.ndim else ()
    return reduced(L.reshape(values, shape if input.ndim > 1 else ()), how, input.dtype)


def _rows(input, name):
    """(N, C) of a scalar, a vector or a matrix of scores."""
    need_floating(input, name)
    if input.ndim > 2 or 0 in input.shape[1:] or tuple(input.shape) == (0,):
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, "
            f"but got: {list(input.shape)}"
        )
    x = wide(input)
    return x if x.ndim == 2 else L.reshape(x, (1, math.prod(x.shape)))


@operator(f"multilabel_margin_loss(Tensor input, Tensor target, {LEGACY}) -> Tensor", variants="nn")
def multilabel_margin_loss(input, target, size_average, reduce, reduction):
    """Hinge between each target class and each other class; targets end at the first -1."""
    how = chosen_reduction(reduction, size_average, reduce)
    rows = _rows(input, "multilabel_margin_loss")
    if target.shape != input.shape:
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    n, classes = rows.shape
    index = L.reshape(L.cast(target, dtypes.int64), (n, classes))
    listed = L.cast(L.scan(L.cast(index >= 0, dtypes.int64), 1, "min"), dtypes.bool_)
    index = L.where(listed, index, L.like(index, 0))
    own = L.take_along(rows, L.index_in(index, classes), 1)
    cube = (n, classes, classes)  # [row, target, class]
    listed = L.broadcast(L.unsqueeze(listed, 2), cube)
    index = L.broadcast(L.unsqueeze(index, 2), cube)
    named = L.any_(listed & L.eq(index, L.arange_along(index, 2)), [1])
    gap = 1 - L.broadcast(L.unsqueeze(own, 2), cube) + L.broadcast(L.unsqueeze(rows, 1), cube)
    counts = listed & L.logical_not(L.broadcast(L.unsqueeze(named, 1), cube)) & (gap > 0)
    values = L.sum_(L.where(counts, gap, L.like(gap, 0)), [1, 2]) / classes
    return reduced(values if input.ndim == 2 else L.reshape(values, ()), how, input.dtype)


@operator(
    f"multilabel_soft_margin_loss(Tensor input, Tensor target, Tensor? weight=None, {LEGACY})"
    " -> Tensor",
    variants="nn",
    node="MeanBackward0",
)
def multilabel_soft_margin_loss(input, target, weight, size_average, reduce, reduction):
    """Mean over classes of binary cross-entropies of sigmoid(input)."""
    how = chosen_reduction(reduction, size_average, reduce)
    dtype, (x, t, w) = aligned(input, target, weight)
    values = -(t * log_sigmoid_values(x) + (1 - t) * log_sigmoid_values(-x))
    if w is not None:
        values = values * w
    return reduced(L.mean(values, [values.ndim - 1] if values.ndim else []), how, dtype)


@composite("nn")
def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """Differentiable sample from a categorical distribution; `hard`: one-hot, with soft gradients.

    Source: Jang, Gu, Poole 2017, arXiv:1611.01144.
    """
    noise = -T.empty_like(logits).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    sharp = T.zeros_like(logits).scatter_(dim, index, 1.0)
    return sharp - soft.detach() + soft
