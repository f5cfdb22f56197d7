"""Folding a batch normalization in eval mode into the layer before it."""

from __future__ import annotations

import copy

from ... import frontend as rl
from ..parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]


def _fused_copy(layer, bn, fuse, *args):
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    fused = copy.deepcopy(layer)
    fused.weight, fused.bias = fuse(
        fused.weight,
        fused.bias,
        bn.running_mean,
        bn.running_var,
        bn.eps,
        bn.weight,
        bn.bias,
        *args,
    )
    return fused


def fuse_conv_bn_eval(conv, bn, transpose: bool = False):
    """A convolution that computes what `conv` and then `bn` compute.

    Args:
        conv: a convolution in eval mode.
        bn: a batch normalization of its output, in eval mode, with running statistics.
        transpose: whether `conv` is a transposed convolution.

    Returns: a changed copy of `conv`.

    >>> import rushlight as torch
    >>> conv, bn = torch.nn.Conv1d(2, 3, 1).eval(), torch.nn.BatchNorm1d(3).eval()
    >>> x = torch.rand(1, 2, 4)
    >>> torch.allclose(torch.nn.utils.fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-6)
    True
    """
    return _fused_copy(conv, bn, fuse_conv_bn_weights, transpose)


def fuse_conv_bn_weights(
    conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose: bool = False
) -> tuple[Parameter, Parameter]:
    """The weight and bias of the convolution that `fuse_conv_bn_eval` makes.

    Args:
        conv_w, conv_b: of the convolution; the bias may be None.
        bn_rm, bn_rv, bn_eps, bn_w, bn_b: statistics, eps, weight and bias of the normalization; the
            last two may be None.
        transpose: whether the convolution is transposed.
    """
    conv_b = rl.zeros_like(bn_rm) if conv_b is None else conv_b
    bn_w = rl.ones_like(bn_rm) if bn_w is None else bn_w
    bn_b = rl.zeros_like(bn_rm) if bn_b is None else bn_b
    scale = bn_w * rl.rsqrt(bn_rv + bn_eps)
    shape = [1] * conv_w.dim()
    shape[1 if transpose else 0] = -1
    weight = (conv_w * scale.reshape(shape)).to(dtype=conv_w.dtype)
    bias = ((conv_b - bn_rm) * scale + bn_b).to(dtype=conv_b.dtype)
    return Parameter(weight, conv_w.requires_grad), Parameter(bias, conv_b.requires_grad)


def fuse_linear_bn_eval(linear, bn):
    """A Linear that computes what `linear` and then `bn` compute.

    Args:
        linear: a Linear in eval mode.
        bn: a batch normalization of its output, or of 1 feature, in eval mode, with running
            statistics.

    Returns: a changed copy of `linear`.
    """
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    return _fused_copy(linear, bn, fuse_linear_bn_weights)


def fuse_linear_bn_weights(
    linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b
) -> tuple[Parameter, Parameter]:
    """The weight and bias of the Linear that `fuse_linear_bn_eval` makes.

    The arguments are those of `fuse_conv_bn_weights`.
    """
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
