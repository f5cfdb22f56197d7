"""Losses between two tensors of one shape: squared, absolute, Huber, cross-entropies of
probabilities, divergences, and ranking losses.

A body gives the loss of each element; `reduction.loss` adds the arguments all losses share.
"""

import math
import warnings

from ..base import dtypes
from ..ir import lang as L
from .activations import log_sigmoid_values
from .numeric import not_implemented, number_like
from .record import T, composite, operator
from .reduction import LEGACY, aligned, chosen_reduction, loss, reduced, same_size_warning


def _weighted(values, weight):
    return values if weight is None else values * weight


def _pair(input, target, weight=None, warn=True):
    if warn:
        same_size_warning(input, target)
    if weight is not None and weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    return aligned(input, target, weight)


# ----------------------------------------------------------------------------- distances
@loss("mse_loss", ", Tensor? weight=None")
def mse_loss(input, target, weight):
    """``(input - target) ** 2``."""
    dtype, (x, y, w) = _pair(input, target, weight)
    if dtype.category < dtypes.FLOAT:
        raise not_implemented("mse_cpu", dtype)
    return dtype, _weighted(L.square(x - y), w)


@loss("l1_loss", ", Tensor? weight=None", node="MeanBackward0")
def l1_loss(input, target, weight):
    """``|input - target|``."""
    dtype, (x, y, w) = _pair(input, target, weight)
    return dtype.to_real(), _weighted(L.abs_(x - y), w)


@loss("smooth_l1_loss", ", float beta=1.0", structural=("beta",))
def smooth_l1_loss(input, target, beta):
    """``0.5 d ** 2 / beta`` where the distance d is below `beta`, else ``d - 0.5 beta``."""
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    dtype, (x, y, _) = _pair(input, target)
    d = L.abs_(x - y)
    return dtype, d if beta == 0 else L.where(d < beta, L.square(d) * (0.5 / beta), d - 0.5 * beta)


@loss("huber_loss", ", float delta=1.0, Tensor? weight=None", legacy=False, structural=("delta",))
def huber_loss(input, target, delta, weight):
    """``0.5 d ** 2`` where the distance d is at most `delta`, else ``delta (d - 0.5 delta)``."""
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    dtype, (x, y, w) = _pair(input, target, weight)
    d = L.abs_(x - y)
    return dtype, _weighted(L.where(d <= delta, L.square(d) * 0.5, delta * (d - 0.5 * delta)), w)


# ------------------------------------------------------------------- two-class cross-entropy
def _bounded_log(x):
    """max(log(x), -100): the loss stays finite."""
    log = L.log(x)
    return L.where(log < -100, L.like(log, -100), log)


def _bce_gradient(grads, outputs, input, target, weight, size_average, reduce, reduction):
    dtype, (x, t, w) = aligned(input, target, weight)
    g = _spread(grads[0], x, chosen_reduction(reduction, size_average, reduce))
    g = _weighted(g, w)
    odds = x * (1 - x)
    to_input = g * (x - t) / L.where(odds < 1e-12, L.like(odds, 1e-12), odds)
    return {"input": to_input, "target": g * (L.log(1 - x) - L.log(x))}


def _spread(g, like, reduction):
    """The cotangent of each loss, given that of the reduced one."""
    g = L.broadcast(L.cast(g, like.dtype), like.shape)
    count = math.prod(like.shape)
    return g / count if reduction == "mean" and count else g


@operator(f"binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, {LEGACY}) -> "
          "Tensor",
          variants="nn", vjp=_bce_gradient)
def binary_cross_entropy(input, target, weight, size_average, reduce, reduction):
    """``-(t log(x) + (1 - t) log(1 - x))`` of probabilities; logarithms are at least -100."""
    how = chosen_reduction(reduction, size_average, reduce)
    if input.shape != target.shape:
        raise ValueError(f"Using a target size (torch.Size({list(target.shape)})) that is "
                         f"different to the input size (torch.Size({list(input.shape)})) is "
                         "deprecated. Please ensure they have the same size.")
    if target.dtype is not input.dtype:
        raise RuntimeError(f"Found dtype {target.dtype.type_name} but expected "
                           f"{input.dtype.type_name}")
    dtype, (x, t, w) = aligned(input, target, weight)
    values = (t - 1) * _bounded_log(1 - x) - t * _bounded_log(x)
    return reduced(_weighted(values, w), how, dtype)


@operator("binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, "
          f"{LEGACY}, Tensor? pos_weight=None) -> Tensor", variants="nn")
def binary_cross_entropy_with_logits(input, target, weight, size_average, reduce, reduction,
                                     pos_weight):
    """Binary cross-entropy of sigmoid(input), stable for large logits."""
    how = chosen_reduction(reduction, size_average, reduce)
    if input.shape != target.shape:
        raise ValueError(f"Target size (torch.Size({list(target.shape)})) must be the same as "
                         f"input size (torch.Size({list(input.shape)}))")
    dtype, (x, t, w, positive) = aligned(input, target, weight, pos_weight)
    slope = 1 if positive is None else t * (positive - 1) + 1
    return reduced(_weighted((1 - t) * x - slope * log_sigmoid_values(x), w), how, dtype)


def _soft_margin_gradient(grads, outputs, input, target, size_average, reduce, reduction):
    _, (x, t) = aligned(input, target, stepwise=True)
    g = _spread(grads[0], x, chosen_reduction(reduction, size_average, reduce))
    z = L.exp(-(t * x))
    return {"input": g * (-(t * z) / (z + 1))}


@loss("soft_margin_loss", vjp=_soft_margin_gradient)
def soft_margin_loss(input, target):
    """``log(1 + e ** (-target * input))`` for targets 1 and -1."""
    dtype, (x, t) = aligned(input, target, stepwise=True)
    return dtype, L.log1p(L.exp(-(t * x)))


# ------------------------------------------------------------------------------ divergences
def _xlogx(t):
    """t log(t), 0 at 0 (where its slope is NaN, as PyTorch's)."""
    return L.where(L.eq(t, L.like(t, 0)), L.like(t, 0), t * L.log(t))


@operator(f"kl_div(Tensor input, Tensor target, {LEGACY}, bool log_target=False) -> Tensor",
          variants="nn")
def kl_div(input, target, size_average, reduce, reduction, log_target):
    """Pointwise Kullback-Leibler divergence ``t (log(t) - input)``; input holds
    log-probabilities."""
    how = _kl_reduction(reduction, size_average, reduce)
    dtype, (x, t) = aligned(input, target)
    values = L.exp(t) * (t - x) if log_target else _xlogx(t) - t * x
    if how == "batchmean":
        return L.cast(L.sum_(values) / max(input.shape[0] if input.ndim else 1, 1), dtype)
    return reduced(values, how, dtype)


def _kl_reduction(reduction, size_average, reduce):
    if reduction == "batchmean" and size_average is None and reduce is None:
        return reduction
    if reduction == "mean":
        warnings.warn("reduction: 'mean' divides the total loss by both the batch size and the "
                      "support size.'batchmean' divides only by the batch size, and aligns with "
                      "the KL div math definition.'mean' will be changed to behave the same as "
                      "'batchmean' in the next major release.", stacklevel=7)
    return chosen_reduction(reduction, size_average, reduce)


@operator("poisson_nll_loss(Tensor input, Tensor target, bool log_input=True, bool full=False, "
          "bool? size_average=None, float eps=1e-08, bool? reduce=None, str reduction='mean') -> "
          "Tensor",
          variants="nn")
def poisson_nll_loss(input, target, log_input, full, size_average, eps, reduce, reduction):
    """Negative log-likelihood of a Poisson count; `full` adds Stirling's term for targets above
    1."""
    how = chosen_reduction(reduction, size_average, reduce)
    dtype, (x, t) = aligned(input, target, stepwise=True)
    values = L.exp(x) - t * x if log_input else x - t * L.log(x + number_like(eps, x))
    if full:
        stirling = t * L.log(t) - t + 0.5 * L.log(t * (2 * math.pi))
        values = values + L.where(t > 1, stirling, L.like(t, 0))
    return reduced(values, how, dtype)


@composite("nn", wide=True)
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """Negative log-likelihood of normal targets of mean `input` and variance `var` (at least
    eps)."""
    if isinstance(var, int | float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * T.ones_like(input)
    elif bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif input.ndim != var.ndim or sum(
                v for n, v in zip(input.shape, var.shape, strict=True) if n != v) != 1:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    with T.no_grad():
        floor = (var < eps) * (eps - var)
    var = var + floor.to(var.dtype)
    values = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        values = values + 0.5 * math.log(2 * math.pi)
    return values.mean() if reduction == "mean" else values.sum() if reduction == "sum" else values


# ----------------------------------------------------------------------------------- ranking
@operator("margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0, "
          f"{LEGACY}) -> Tensor", variants="nn", node="MeanBackward0")
def margin_ranking_loss(input1, input2, target, margin, size_average, reduce, reduction):
    """``max(0, -target (input1 - input2) + margin)``: target 1 ranks input1 higher, -1 input2."""
    how = chosen_reduction(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError("margin_ranking_loss : All input tensors should have same dimension but "
                           f"got sizes: input1: torch.Size({list(input1.shape)}), input2: "
                           f"torch.Size({list(input2.shape)}), target: "
                           f"torch.Size({list(target.shape)}) ")
    dtype, (a, b, t) = aligned(input1, input2, target, stepwise=True)
    return reduced(_positive(number_like(margin, a) - t * (a - b)), how, dtype)


def _positive(x):
    """max(x, 0), whose gradient at 0 is 1 as in clamp_min's rule."""
    return L.where(x < 0, L.like(x, 0), x)


@operator(f"hinge_embedding_loss(Tensor input, Tensor target, float margin=1.0, {LEGACY}) -> "
          "Tensor",
          variants="nn", node="MeanBackward0")
def hinge_embedding_loss(input, target, margin, size_average, reduce, reduction):
    """x where the target is 1, ``max(0, margin - x)`` where it is -1."""
    how = chosen_reduction(reduction, size_average, reduce)
    dtype, (x, t) = aligned(input, target, stepwise=True)
    zero = L.like(x, 0)
    far = L.where(L.eq(t, 1), zero, _positive(number_like(margin, x) - x))
    near = L.where(L.eq(t, -1), zero, x)
    return reduced(far + near, how, dtype)


@operator("cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0, "
          f"{LEGACY}) -> Tensor", variants="nn", node="MeanBackward0")
def cosine_embedding_loss(input1, input2, target, margin, size_average, reduce, reduction):
    """``1 - cos`` of rows with target 1, ``max(0, cos - margin)`` of those with -1."""
    how = chosen_reduction(reduction, size_average, reduce)
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    expected = target.ndim + 1
    if input1.ndim != expected or input2.ndim != expected:
        what = "1D target tensor expects 2D input tensors" if target.ndim else \
            "0D target tensor expects 1D input tensors"
        raise RuntimeError(f"{what}, but found inputs with sizes {list(input1.shape)} and "
                           f"{list(input2.shape)}.")
    dtype, (a, b) = aligned(input1, input2, stepwise=True)
    last = [a.ndim - 1]
    scale = L.sqrt((L.sum_(L.square(a), last) + 1e-12) * (L.sum_(L.square(b), last) + 1e-12))
    cosine = L.sum_(a * b, last) / scale
    t, zero = L.cast(target, cosine.dtype), L.like(cosine, 0)
    near = L.where(L.eq(t, 1), 1 - cosine, zero)
    far = L.where(L.eq(t, -1), _positive(cosine - number_like(margin, cosine)), zero)
    return reduced(near + far, how, dtype)


def _reduce_tensor(values, reduction, size_average=None, reduce=None):
    how = chosen_reduction(reduction, size_average, reduce)
    return values.mean() if how == "mean" else values.sum() if how == "sum" else values


@composite("nn")
def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False,
                        size_average=None, reduce=None, reduction="mean"):
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)``, d the p-norm distance.

    With `swap` the nearer of anchor and positive to the negative counts.
    """
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError("The anchor, positive, and negative tensors are expected to have the "
                           f"same number of dimensions, but got: anchor {anchor.ndim}D, positive "
                           f"{positive.ndim}D, and negative {negative.ndim}D inputs")

    def distance(a, b):
        return T.nn.pairwise_distance(a, b, p, eps)
    values = _triplet(anchor, positive, negative, distance, margin, swap)
    return _reduce_tensor(values, reduction, size_average, reduce)


def _triplet(anchor, positive, negative, distance, margin, swap):
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = T.minimum(far, distance(positive, negative))
    return T.clamp_min(margin + near - far, 0)


@composite("nn")
def triplet_margin_with_distance_loss(anchor, positive, negative, *, distance_function=None,
                                      margin=1.0, swap=False, reduction="mean"):
    """triplet_margin_loss with any distance function of two tensors."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError("The anchor, positive, and negative tensors are expected to have the "
                           f"same number of dimensions, but got: anchor {anchor.ndim}D, positive "
                           f"{positive.ndim}D, and negative {negative.ndim}D inputs")
    distance = distance_function or T.nn.pairwise_distance
    return _reduce_tensor(_triplet(anchor, positive, negative, distance, margin, swap), reduction)
