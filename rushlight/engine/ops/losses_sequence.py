"""Connectionist temporal classification loss (Graves et al. 2006)."""

from ..ir import lang as L
from .record import T, composite, operator
from .reduction import chosen_reduction


def _gradient(grads, outputs, log_probs, targets, input_lengths, target_lengths, blank,
              zero_infinity):
    found = L.host("ctc_backward", [grads[0], log_probs, targets, input_lengths, target_lengths],
                   ((log_probs.shape, log_probs.dtype),), blank=blank, zero_infinity=zero_infinity)
    return {"log_probs": found[0]}


@operator("_ctc_loss(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor "
          "target_lengths, int blank, bool zero_infinity) -> Tensor", variants="internal",
          vjp=_gradient,
          node="CtcLossBackward0")
def ctc_losses(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity):
    """(N,) losses of log-probabilities (T, N, C)."""
    found = L.host("ctc_forward", [log_probs, targets, input_lengths, target_lengths],
                   (((log_probs.shape[1],), log_probs.dtype),), blank=blank)[0]
    if not zero_infinity:
        return found
    return L.where(L.eq(found, L.like(found, float("inf"))), L.like(found, 0), found)


def _lengths(values):
    if isinstance(values, T.Tensor):
        if values.is_floating_point():
            raise RuntimeError("input_lengths and target_lengths must be integral")
        return values.to(T.int64)
    return T.tensor([int(v) for v in values], dtype=T.int64)


def _check(log_probs, targets, input_lengths, target_lengths, blank):
    if log_probs.dtype not in (T.float32, T.float64):
        raise NotImplementedError("\"ctc_loss_cpu\" not implemented for "
                                  f"'{log_probs.dtype.type_name}'")
    steps, batch, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, lengths in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if lengths.numel() != batch:
            raise RuntimeError(f"{name} must be of size batch_size")
    if batch and int(input_lengths.min()) < 0:
        raise RuntimeError("Expected input_lengths to have value at least 0")
    if batch and int(input_lengths.max()) > steps:
        raise RuntimeError(f"Expected input_lengths to have value at most {steps}, but got value "
                           f"{int(input_lengths.max())}")
    if batch and int(target_lengths.min()) < 0:
        raise RuntimeError("Expected target_lengths to have value at least 0")
    if targets.ndim == 2 and batch and targets.shape[1] < int(target_lengths.max()):
        raise RuntimeError(f"Expected tensor to have size at least {int(target_lengths.max())} at "
                           f"dimension 1, but got size {targets.shape[1]} for argument #2 "
                           "'targets'")
    if targets.ndim == 1 and targets.shape[0] != int(target_lengths.sum()):
        raise RuntimeError("expected targets to hold the sum of target_lengths elements, "
                           f"{int(target_lengths.sum())}, but got {targets.shape[0]}")


def _ctc(log_probs, targets, input_lengths, target_lengths, blank, how, zero_infinity):
    unbatched = log_probs.ndim == 2
    scores = log_probs.unsqueeze(1) if unbatched else log_probs
    targets = targets.unsqueeze(0) if unbatched and targets.ndim == 1 else targets
    inputs = _lengths(input_lengths).reshape(-1)
    lengths = _lengths(target_lengths).reshape(-1)
    _check(scores, targets, inputs, lengths, blank)
    losses = T._ctc_loss(scores, targets.to(T.int64), inputs, lengths, blank, zero_infinity)
    if how == "mean":
        return (losses / lengths.clamp_min(1).to(losses.dtype)).mean()
    if how == "sum":
        return losses.sum()
    return losses.squeeze(0) if unbatched else losses


@composite("nn")
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean",
             zero_infinity=False):
    """Minus the log-likelihood of label sequences, summed over all alignments.

    Args:
        log_probs: (T, N, C) or (T, C), float32 or float64: logarithms of probabilities.
        targets: (N, S), or all of them joined, (sum of target_lengths,).
        input_lengths, target_lengths: (N,) tensors or tuples of ints.
        reduction: "mean" divides each loss by its target length first.
        zero_infinity: infinite losses (targets that do not fit) become 0, and so do their
            gradients.
    """
    return _ctc(log_probs, targets, input_lengths, target_lengths, blank,
                chosen_reduction(reduction),
                zero_infinity)


@composite("function", name="ctc_loss")
def torch_ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction=1,
                   zero_infinity=False):
    """nn.functional.ctc_loss with its reduction as a number."""
    return _ctc(log_probs, targets, input_lengths, target_lengths, blank,
                ("none", "mean", "sum")[reduction], zero_infinity)
