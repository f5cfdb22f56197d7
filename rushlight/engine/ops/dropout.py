"""Dropout and its relatives: masks are drawn at once, in PyTorch's order; products are recorded."""

import math
import warnings

from .record import T, composite

_ALPHA = 1.7580993408473766  # of selu: lambda * alpha


def _check(p):
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _feature_shape(input, name):
    if input.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*input.shape[:2], *(1,) * (input.ndim - 2))


def _noise(input, features):
    """An empty tensor in the shape of the mask."""
    return input.new_empty(_feature_shape(input, "dropout")) if features else input


def _dropped(input, p, training, inplace, features=False):
    """input times a mask of zeros (probability p) and 1 / (1 - p)."""
    if p < 0.0 or p > 1.0:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0 or input.numel() == 0:
        return input
    mask = input.new_zeros(()) if p == 1 else T.dropout_mask(_noise(input, features), p)
    return input.mul_(mask) if inplace else input * mask


def _alpha_dropped(input, p, training, inplace, features=False):
    """Dropped elements get selu's negative limit; mean and variance are kept (arXiv:1706.02515)."""
    if p < 0.0 or p > 1.0:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0 or input.numel() == 0:
        return input
    if p == 1:
        zero = input.new_zeros(())
        return input.mul_(zero) if inplace else input * zero
    shape = _feature_shape(input, "dropout") if features else input.shape
    kept = input.new_empty(shape).bernoulli_(1 - p)
    a = 1.0 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
    shift = (kept - 1) * (_ALPHA * a) + _ALPHA * a * p
    kept = kept * a
    return input.mul_(kept).add_(shift) if inplace else input * kept + shift


_DOCS = {
    "dropout": "Zero elements with probability `p`, scale the others by ``1 / (1 - p)``.",
    "alpha_dropout": "Dropout that keeps mean and variance of selu networks.",
    "feature_dropout": "dropout of whole channels; input (N, C, ...).",
    "feature_alpha_dropout": "alpha_dropout of whole channels; input (N, C, ...).",
}


def _torch_forms(name, run, features):
    def plain(input, p, train):
        return run(input, p, train, False, features)

    def written(input, p, train):
        return run(input, p, train, True, features)
    plain.__doc__ = written.__doc__ = _DOCS[name]
    composite("function", name=name)(plain)
    composite("function", name=name + "_")(written)


_torch_forms("dropout", _dropped, False)
_torch_forms("feature_dropout", _dropped, True)
_torch_forms("alpha_dropout", _alpha_dropped, False)
_torch_forms("feature_alpha_dropout", _alpha_dropped, True)


@composite("nn", name="dropout")
def nn_dropout(input, p=0.5, training=True, inplace=False):
    """Zero elements with probability `p` while training, scale the others by ``1 / (1 - p)``."""
    _check(p)
    return _dropped(input, p, training, inplace)


@composite("nn", name="alpha_dropout")
def nn_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout that keeps mean and variance of selu networks."""
    _check(p)
    return _alpha_dropped(input, p, training, inplace)


@composite("nn", name="feature_alpha_dropout")
def nn_feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """alpha_dropout of whole channels; input (N, C, ...)."""
    _check(p)
    return _alpha_dropped(input, p, training, inplace, True)


def _channels(input, p, training, inplace, rank):
    """Channel dropout of a batch, or of one sample where the batch dimension is missing."""
    _check(p)
    unbatched = input.ndim == rank + 1
    x = _dropped(input.unsqueeze(0) if unbatched else input, p, training, inplace, True)
    if inplace:
        return input
    return x.squeeze(0) if unbatched else x


def _advise(name, input, expected):
    if input.ndim not in expected:
        warnings.warn(f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and "
                      "will result in an error in a future release. To retain the behavior and "
                      "silence this warning, please use dropout instead.", stacklevel=5)


@composite("nn")
def dropout1d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of (N, C, L) or (C, L)."""
    if input.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D "
                           "input. Note that dropout1d exists to provide channel-wise dropout on "
                           "inputs with 1 spatial dimension, a channel dimension, and an optional "
                           "batch dimension (i.e. 2D or 3D inputs).")
    return _channels(input, p, training, inplace, 1)


@composite("nn")
def dropout2d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of (N, C, H, W)."""
    _check(p)
    _advise("dropout2d", input, (3, 4))
    if input.ndim == 3:
        warnings.warn("dropout2d: Received a 3D input to dropout2d and assuming that channel-wise "
                      "1D dropout behavior is desired - input is interpreted as shape (N, C, L), "
                      "where C is the channel dim. This behavior will change in a future release "
                      "to interpret the input as one without a batch dimension, i.e. shape (C, H, "
                      "W). To maintain the 1D channel-wise dropout behavior, please switch to "
                      "using dropout1d instead.",
                      stacklevel=4)
    return _dropped(input, p, training, inplace, True)


@composite("nn")
def dropout3d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    _check(p)
    _advise("dropout3d", input, (4, 5))
    return _channels(input, p, training, inplace, 3)


@composite("function")
def native_dropout(input, p, train):
    """(dropped input, bool mask of what was kept)."""
    if not train or p == 0:
        return input.clone(), T.ones_like(input, dtype=T.bool)
    if p == 1:
        return T.zeros_like(input), T.zeros_like(input, dtype=T.bool)
    mask = T.dropout_mask(input, p)
    return input * mask, mask != 0
