"""Filling tensors with initial values, in place and outside autograd.

The order and number of random draws is PyTorch's, so that a seed gives the same parameters.
"""

from __future__ import annotations

import functools
import math
import warnings

from .. import frontend as rl
from .. import linalg

__all__ = [
    "calculate_gain",
    "uniform_",
    "normal_",
    "trunc_normal_",
    "constant_",
    "ones_",
    "zeros_",
    "eye_",
    "dirac_",
    "xavier_uniform_",
    "xavier_normal_",
    "kaiming_uniform_",
    "kaiming_normal_",
    "orthogonal_",
    "sparse_",
    "uniform",
    "normal",
    "constant",
    "eye",
    "dirac",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
    "orthogonal",
    "sparse",
]

_GAINS = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d", "sigmoid"), 1),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 1),
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,  # not 1: with it training is stable
}


def _no_grad_uniform_(tensor, a, b, generator=None):
    with rl.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def _no_grad_normal_(tensor, mean, std, generator=None):
    with rl.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def _no_grad_fill_(tensor, val):
    with rl.no_grad():
        return tensor.fill_(val)


def _no_grad_zero_(tensor):
    with rl.no_grad():
        return tensor.zero_()


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much to scale the weights before a nonlinearity, so that variances stay as they are.

    Args:
        nonlinearity: name of a function in `nn.functional`: a convolution, "linear", "sigmoid",
            "tanh", "relu", "leaky_relu" or "selu".
        param: the negative slope of "leaky_relu"; None: 0.01. The others have none.

    Raises: ValueError for another name or a slope that is no number.

    >>> import rushlight as torch
    >>> torch.nn.init.calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return _GAINS[nonlinearity]


def uniform_(tensor, a: float = 0.0, b: float = 1.0, generator=None):
    """Fill `tensor` with draws from U(a, b).

    Args:
        tensor: any shape, floating.
        a, b: the bounds, a <= b.
        generator: where the random bits come from; None: the default generator.

    >>> import rushlight as torch
    >>> bool((torch.nn.init.uniform_(torch.empty(3, 5)) < 1).all())
    True
    """
    return _no_grad_uniform_(tensor, a, b, generator)


def normal_(tensor, mean: float = 0.0, std: float = 1.0, generator=None):
    """Fill `tensor` with draws from N(mean, std ** 2).

    Args:
        tensor: any shape, floating.
        mean, std: std is at least 0.
        generator: where the random bits come from; None: the default generator.
    """
    return _no_grad_normal_(tensor, mean, std, generator)


def trunc_normal_(
    tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator=None
):
    """Fill `tensor` with draws from N(mean, std ** 2), redrawn until they lie in [a, b].

    Args:
        tensor: any shape, floating.
        mean, std: of the distribution before it is cut.
        a, b: the bounds, absolute and not in units of std.
        generator: where the random bits come from; None: the default generator.

    >>> import rushlight as torch
    >>> bool((torch.nn.init.trunc_normal_(torch.empty(3, 5), std=10.0).abs() <= 2).all())
    True
    """
    return _no_grad_trunc_normal_(tensor, mean, std, a, b, generator)


def _no_grad_trunc_normal_(tensor, mean, std, a, b, generator=None):
    if tensor.is_meta:
        return tensor
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=3,
        )

    def cdf(x):
        return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0

    # Redrawing normals is cheap if many fall into [a, b]; else uniforms are thinned out.
    accepted = cdf((b - mean) / std) - cdf((a - mean) / std)
    redraw = _redraw_normal_ if accepted > 0.3 else _redraw_uniform_
    with rl.no_grad():
        redraw(tensor, mean, std, a, b, generator)
    return tensor


def _redraw_normal_(tensor, mean, std, a, b, generator):
    """Draw normals, and draw all of them again for the places of those outside [a, b]."""
    low, high = tensor.new_tensor(
        [a, b], device="cpu"
    ).tolist()  # as the tensor's dtype rounds them
    values = tensor.normal_(mean, std, generator=generator)
    while True:
        outside = (values < low) | (values > high)
        if not outside.any():
            break
        fresh = rl.empty_like(values).normal_(mean, std, generator=generator)
        values = rl.where(outside, fresh, values)
    if values is not tensor:
        tensor.copy_(values)


def _redraw_uniform_(tensor, mean, std, a, b, generator):
    """Draw uniforms, accept each with the density at its place, and draw again where rejected."""
    mode = max(a, min(mean, b))
    log_peak = -0.5 * ((mode - mean) / std) ** 2

    def rejected(values):
        log_density = values.clone().sub_(mean).div_(std).pow_(2).mul_(-0.5).sub_(log_peak)
        return rl.empty_like(values).uniform_(generator=generator).log_().gt(log_density)

    values = tensor.uniform_(a, b, generator=generator)
    pending = rejected(values)
    while pending.any():
        fresh = rl.empty_like(values).uniform_(a, b, generator=generator)
        values = rl.where(pending, fresh, values)
        pending = pending & rejected(fresh)
    if values is not tensor:
        tensor.copy_(values)


def constant_(tensor, val: float):
    """Fill `tensor` with `val`."""
    return _no_grad_fill_(tensor, val)


def ones_(tensor):
    """Fill `tensor` with ones."""
    return _no_grad_fill_(tensor, 1.0)


def zeros_(tensor):
    """Fill `tensor` with zeros."""
    return _no_grad_zero_(tensor)


def eye_(tensor):
    """Put ones on the diagonal of the matrix `tensor`, zeros elsewhere; ValueError if not 2-D.

    >>> import rushlight as torch
    >>> torch.nn.init.eye_(torch.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with rl.no_grad():
        return tensor.copy_(rl.eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def dirac_(tensor, groups: int = 1):
    """Make the convolution weight `tensor` pass as many input channels through as it can.

    Args:
        tensor: (out, in / groups, *kernel), with 1 to 3 kernel dimensions.
        groups: of the convolution; divides the first size. Each group passes its own channels.

    Raises: ValueError for other shapes.
    """
    if tensor.dim() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    out, per_group, *kernel = tensor.shape
    if out % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    if tensor.is_meta:
        return tensor
    center = tuple(k // 2 for k in kernel)
    size = out // groups
    with rl.no_grad():
        tensor.zero_()
        for group in range(groups):
            for d in range(min(size, per_group)):
                tensor[(group * size + d, d, *center)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor) -> tuple[int, int]:
    """Inputs of one output and outputs of one input, for a weight (out, in, *kernel)."""
    if tensor.dim() < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    out, in_, *kernel = tensor.shape
    field = math.prod(kernel)
    return in_ * field, out * field


def _calculate_correct_fan(tensor, mode: str) -> int:
    modes = ["fan_in", "fan_out"]
    mode = mode.lower()
    if mode not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {modes}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode)]


def _xavier_std(tensor, gain: float) -> float:
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return gain * math.sqrt(2.0 / float(fan_in + fan_out))


def xavier_uniform_(tensor, gain: float = 1.0, generator=None):
    """Fill `tensor` with draws from U(-k, k), k = gain * sqrt(6 / (fan_in + fan_out)).

    Args:
        tensor: a weight with at least 2 dimensions, (out, in, *kernel).
        gain: see `calculate_gain`.
        generator: where the random bits come from; None: the default generator.

    Source: Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward
        networks".
    """
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return _no_grad_uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain: float = 1.0, generator=None):
    """Fill `tensor` with draws from N(0, std ** 2), std = gain * sqrt(2 / (fan_in + fan_out)).

    The arguments and the source are those of `xavier_uniform_`.
    """
    return _no_grad_normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _kaiming_std(tensor, a, mode, nonlinearity) -> float | None:
    """The standard deviation, or None, with a warning, where there is nothing to fill."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


def kaiming_uniform_(
    tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator=None
):
    """Fill `tensor` with draws from U(-k, k), k = gain * sqrt(3 / fan).

    Args:
        tensor: a weight with at least 2 dimensions, (out, in, *kernel).
        a: the negative slope of the "leaky_relu" that follows.
        mode: "fan_in" keeps variances in forward, "fan_out" in backward.
        nonlinearity: what follows, for `calculate_gain`.
        generator: where the random bits come from; None: the default generator.

    Source: He et al. 2015, arXiv:1502.01852.

    >>> import rushlight as torch
    >>> torch.nn.init.kaiming_uniform_(torch.empty(3, 5), nonlinearity="relu").shape
    torch.Size([3, 5])
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return _no_grad_uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator=None
):
    """Fill `tensor` with draws from N(0, std ** 2), std = gain / sqrt(fan).

    The arguments and the source are those of `kaiming_uniform_`.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else _no_grad_normal_(tensor, 0, std, generator)


def orthogonal_(tensor, gain: float = 1, generator=None):
    """Fill `tensor` with a random matrix whose rows or columns, the fewer, are orthonormal.

    Args:
        tensor: at least 2 dimensions; those after the first count as columns.
        gain: by what to multiply the matrix.
        generator: where the random bits come from; None: the default generator.

    Source: Saxe, McClelland, Ganguli 2013, arXiv:1312.6120.
    """
    if tensor.dim() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0 or tensor.is_meta:
        return tensor
    rows = tensor.size(0)
    columns = tensor.numel() // rows
    with rl.no_grad():
        gaussian = tensor.new_empty((rows, columns)).normal_(0, 1, generator=generator)
        q, r = linalg.qr(gaussian.t() if rows < columns else gaussian)
        q = (
            q * rl.diag(r, 0).sign()
        )  # makes the distribution uniform (Mezzadri, arXiv:math-ph/0609050)
        q = q.t() if rows < columns else q
        tensor.view(rows, columns).copy_(q)
        return tensor.mul_(gain)


def sparse_(tensor, sparsity: float, std: float = 0.01, generator=None):
    """Fill the matrix `tensor` with draws from N(0, std ** 2), and set some of each column to zero.

    Args:
        tensor: 2 dimensions.
        sparsity: the part of each column that is zero, between 0 and 1.
        std: of the other elements.
        generator: for the values; which elements are zero comes from the default generator, as in
            PyTorch.

    Source: Martens 2010, "Deep learning via Hessian-free optimization".
    """
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    if tensor.is_meta:
        return tensor
    rows, columns = tensor.shape
    num_zeros = math.ceil(sparsity * rows)
    with rl.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[rl.randperm(rows)[:num_zeros], column] = 0
    return tensor


def _deprecated(function):
    """The former name of `function`, without its underscore; calling it warns."""
    name = function.__name__[:-1]

    @functools.wraps(function)
    def call(*args, **kwargs):
        warnings.warn(
            f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"Deprecated: the former name of `{name}_`."
    return call


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
