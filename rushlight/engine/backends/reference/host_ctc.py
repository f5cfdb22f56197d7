"""Connectionist temporal classification: the forward-backward algorithm (Graves et al. 2006)."""

import numpy as np

TABLE: dict = {}


def _host(function):
    TABLE[function.__name__] = function
    return function


def _labels(targets, target_lengths, blank):
    """(N, 2 S + 1) labels with blanks between, from (N, S) or concatenated targets."""
    n, longest = len(target_lengths), int(target_lengths.max(initial=0))
    labels = np.full((n, 2 * longest + 1), blank, np.int64)
    start = 0
    for i, length in enumerate(target_lengths):
        row = targets[i, :length] if targets.ndim == 2 else targets[start : start + length]
        labels[i, 1 : 2 * length : 2] = row
        start += length
    return labels


def _skips(labels):
    """May a path jump from position s - 2 to s?  Not over a repeated label, nor onto a blank."""
    allowed = np.zeros(labels.shape, bool)
    allowed[:, 3::2] = labels[:, 3::2] != labels[:, 1:-2:2]
    return allowed


def _shifted(a, by):
    out = np.full_like(a, -np.inf)
    out[:, by:] = a[:, : a.shape[1] - by]
    return out


def _advance(a, skips):
    """log of the sum over the three predecessors of every position."""
    two = np.where(skips, _shifted(a, 2), -np.inf)
    return np.logaddexp(np.logaddexp(a, _shifted(a, 1)), two)


def _alphas(emitted, skips, target_lengths):
    """log probability of all prefixes, (T, N, 2 S + 1)."""
    alphas = np.full(emitted.shape, -np.inf, emitted.dtype)
    if emitted.shape[0]:
        alphas[0, :, 0] = emitted[0, :, 0]
        some = target_lengths > 0
        alphas[0, some, 1] = emitted[0, some, 1] if emitted.shape[2] > 1 else -np.inf
    for t in range(1, emitted.shape[0]):
        alphas[t] = _advance(alphas[t - 1], skips) + emitted[t]
    return alphas


def _betas(emitted, skips, input_lengths, target_lengths):
    """log probability of all suffixes; a sample starts at its own last frame."""
    betas = np.full(emitted.shape, -np.inf, emitted.dtype)
    ahead = np.zeros(skips.shape, bool)  # may a path jump from s to s + 2?
    ahead[:, :-2] = skips[:, 2:]
    rows = np.arange(len(input_lengths))
    for t in range(emitted.shape[0] - 1, -1, -1):
        if t + 1 < emitted.shape[0]:
            betas[t] = _advance(betas[t + 1][:, ::-1], ahead[:, ::-1])[:, ::-1] + emitted[t]
        for i in rows[input_lengths == t + 1]:
            end = 2 * target_lengths[i]
            betas[t, i] = -np.inf
            betas[t, i, max(end - 1, 0) : end + 1] = emitted[t, i, max(end - 1, 0) : end + 1]
    return betas


def _prepare(log_probs, targets, target_lengths, blank):
    labels = _labels(targets, target_lengths, blank)
    index = np.broadcast_to(labels, (log_probs.shape[0], *labels.shape))
    return labels, _skips(labels), np.take_along_axis(log_probs, index, 2)


def _losses(alphas, input_lengths, target_lengths):
    """Minus the log-likelihood of every sample."""
    out = np.full(len(input_lengths), np.inf, alphas.dtype)
    for i, (frames, length) in enumerate(zip(input_lengths, target_lengths, strict=True)):
        if frames == 0:
            out[i] = 0 if length == 0 else np.inf
            continue
        last = alphas[frames - 1, i]
        out[i] = -(last[0] if length == 0 else np.logaddexp(last[2 * length], last[2 * length - 1]))
    return out


@_host
def ctc_forward(log_probs, targets, input_lengths, target_lengths, blank):
    """(N,) losses of log-probabilities (T, N, C)."""
    _, skips, emitted = _prepare(log_probs, targets, target_lengths, blank)
    return (_losses(_alphas(emitted, skips, target_lengths), input_lengths, target_lengths),)


@_host
def ctc_backward(g, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity):
    """Cotangent of the scores behind log_probs (their log_softmax is differentiated along, as
    PyTorch's kernel does)."""
    labels, skips, emitted = _prepare(log_probs, targets, target_lengths, blank)
    alphas = _alphas(emitted, skips, target_lengths)
    losses = _losses(alphas, input_lengths, target_lengths)
    both = alphas + _betas(emitted, skips, input_lengths, target_lengths)
    inside = np.arange(labels.shape[1]) <= 2 * target_lengths[:, None]
    total = np.full(log_probs.shape, -np.inf, log_probs.dtype)
    frames, samples, places = np.nonzero(np.broadcast_to(inside, both.shape))
    np.logaddexp.at(
        total, (frames, samples, labels[samples, places]), both[frames, samples, places]
    )
    found = (np.exp(log_probs) - np.exp(total + losses[:, None] - log_probs)) * g[:, None]
    alive = np.arange(log_probs.shape[0])[:, None] < input_lengths
    if zero_infinity:
        alive = alive & (losses != np.inf)
    return (np.where(alive[:, :, None], found, 0).astype(log_probs.dtype),)
