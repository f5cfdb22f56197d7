"""Normalization: over batch, layer, groups, instances, and across channels.

Statistics are biased variances, computed in float32 for half types; the gradients use
``dx = rstd * (gw - mean(gw) - xhat * mean(gw * xhat))``.
"""

from ..base import dtypes
from ..base.promote import get_default_dtype
from ..base.shapes import numel
from ..ir import lang as L
from .numeric import layout_if_distinct, layout_of_first, not_implemented, number_like, wide
from .record import T, composite, operator


def _statistics(x, axes):
    """(mean, variance) over axes, kept as size 1."""
    mean = L.mean(x, axes, keepdim=True)
    centred = x - mean
    return mean, L.mean(centred * centred, axes, keepdim=True)


def _normal(x, axes, eps):
    """(x normalized over axes, 1 / standard deviation)."""
    mean, variance = _statistics(x, axes)
    rstd = L.rsqrt(variance + number_like(eps, variance))
    return (x - mean) * rstd, rstd


def _input_gradient(g, xhat, rstd, axes):
    """Cotangent of x, given that of the normalized x."""
    return rstd * (g - L.mean(g, axes, keepdim=True) - xhat * L.mean(g * xhat, axes, keepdim=True))


def _channelwise(v, x):
    """A (C,) vector over (N, C, ...)."""
    return L.broadcast(L.reshape(L.cast(v, x.dtype), (v.shape[0],) + (1,) * (x.ndim - 2)), x.shape)


def _affine(x, weight, bias, spread):
    if weight is not None:
        x = x * spread(weight, x)
    return x if bias is None else x + spread(bias, x)


def _affine_gradients(g, xhat, weight, bias, rest):
    """{weight:, bias:} summed over axes `rest`, in the parameters' shapes."""
    found = {}
    if weight is not None:
        found["weight"] = L.reshape(L.sum_(g * xhat, rest), weight.shape)
    if bias is not None:
        found["bias"] = L.reshape(L.sum_(g, rest), bias.shape)
    return found


# ------------------------------------------------------------------------------------- batch
def _batch_axes(x):
    return [d for d in range(x.ndim) if d != 1]


def _batch_gradient(grads, outputs, input, weight, bias, running_mean, running_var, momentum, eps):
    x, g = wide(input), wide(grads[0])
    axes = _batch_axes(x)
    xhat, rstd = _normal(x, axes, eps)
    found = _affine_gradients(g, xhat, weight, bias, axes)
    scaled = g if weight is None else g * _channelwise(weight, g)
    found["input"] = _input_gradient(scaled, xhat, rstd, axes)
    return found


@operator("_batch_norm_training(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, "
          "Tensor? running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
          variants="internal", vjp=_batch_gradient, node="NativeBatchNormBackward0",
          strides=layout_if_distinct)
def batch_norm_training(input, weight, bias, running_mean, running_var, momentum, eps):
    """(normalized by the batch's statistics, next running mean, next running variance)."""
    x = wide(input)
    axes = _batch_axes(x)
    mean, variance = _statistics(x, axes)
    rstd = L.rsqrt(variance + number_like(eps, variance))
    out = _affine((x - mean) * rstd, weight, bias, _channelwise)
    count = numel([x.shape[a] for a in axes])
    results = [L.cast(out, input.dtype)]
    if running_mean is not None:
        results.append(_moved(running_mean, mean, momentum))
    if running_var is not None:
        results.append(_moved(running_var, variance * _bessel(count), momentum))
    return tuple(results)


def _bessel(count):
    """From biased to unbiased variance."""
    return count / (count - 1) if count > 1 else float("nan")


def _keep_statistics(found, running_mean, running_var):
    """Write the new running statistics; returns the normalized tensor."""
    if running_mean is None and running_var is None:
        return found
    rest = list(found[1:])
    for running in (running_mean, running_var):
        if running is not None:
            T.overwrite(running, rest.pop(0))
    return found[0]


def _moved(running, batch, momentum):
    """(1 - momentum) * running + momentum * batch."""
    r = wide(running)
    share = number_like(momentum, r)
    batch = L.cast(L.reshape(batch, running.shape), r.dtype)
    return L.cast(r * (1 - share) + share * batch, running.dtype)


@operator("_batch_norm_inference(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, "
          "Tensor running_var, float eps) -> Tensor", variants="internal",
          node="NativeBatchNormBackward0", strides=layout_if_distinct)
def batch_norm_inference(input, weight, bias, running_mean, running_var, eps):
    """Normalized by the running statistics."""
    x = wide(input)
    mean, variance = L.cast(running_mean, x.dtype), L.cast(running_var, x.dtype)
    rstd = L.rsqrt(variance + number_like(eps, variance))
    out = (x - _channelwise(mean, x)) * _channelwise(rstd, x)
    return L.cast(_affine(out, weight, bias, _channelwise), input.dtype)


def _check_batch_size(shape):
    if numel(shape[:1]) * numel(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size "
                         f"torch.Size({list(shape)})")


def _check_batch_norm(input, running_mean, running_var, weight, bias):
    if input.dtype.category != dtypes.FLOAT:
        raise not_implemented("batch_norm", input.dtype)
    channels = input.shape[1] if input.ndim > 1 else 0
    for name, t in (("running_mean", running_mean), ("running_var", running_var), ("weight",
                                                                                   weight),
                    ("bias", bias)):
        if t is not None and t._meta.plain.numel != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {t.numel()}")


def _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps):
    _check_batch_norm(input, running_mean, running_var, weight, bias)
    if input._meta.plain.numel == 0:
        return _nothing(input, weight, bias)
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when not "
                               "training")
        return T._batch_norm_inference(input, weight, bias, running_mean, running_var, eps)
    found = T._batch_norm_training(input, weight, bias, running_mean, running_var, momentum, eps)
    return _keep_statistics(found, running_mean, running_var)


def _nothing(input, weight, bias):
    """An empty result that still depends on the parameters; running statistics stay as they are."""
    out = input.clone()
    out = out if weight is None else out * weight[0]
    return out if bias is None else out + bias[0]


@composite("nn")
def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False,
               momentum=0.1,
               eps=1e-05):
    """Normalize each channel over the batch.

    Args:
        input: (N, C, ...), floating.
        running_mean, running_var: (C,); used when not training, else moved toward the batch's
            statistics (unbiased variance) in place. None when training: not tracked.
        weight, bias: (C,) or None.
        momentum: share of the batch in the new running statistics.

    Source: Ioffe, Szegedy 2015, arXiv:1502.03167.
    """
    if training:
        _check_batch_size(input.shape)
    if training and eps <= 0.0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    return _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


@composite("function", name="batch_norm")
def torch_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps,
                     cudnn_enabled):
    """nn.functional.batch_norm with torch's order of arguments; `cudnn_enabled` changes nothing."""
    return _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


# ---------------------------------------------------------------------------------- instance
def _instance_axes(x):
    return list(range(2, x.ndim))


def _instance_gradient(grads, outputs, input, weight, bias, running_mean, running_var, momentum,
                       eps):
    x, g = wide(input), wide(grads[0])
    xhat, rstd = _normal(x, _instance_axes(x), eps)
    found = _affine_gradients(g, xhat, weight, bias, _batch_axes(x))
    scaled = g if weight is None else g * _channelwise(weight, g)
    found["input"] = _input_gradient(scaled, xhat, rstd, _instance_axes(x))
    return found


@operator("_instance_norm_training(Tensor input, Tensor? weight, Tensor? bias, Tensor? "
          "running_mean, Tensor? running_var, float momentum, float eps) -> (Tensor, Tensor, "
          "Tensor)",
          variants="internal", vjp=_instance_gradient, node="NativeBatchNormBackward0",
          strides=layout_if_distinct)
def instance_norm_training(input, weight, bias, running_mean, running_var, momentum, eps):
    """(normalized by each sample's statistics, next running mean, next running variance)."""
    x = wide(input)
    axes = _instance_axes(x)
    mean, variance = _statistics(x, axes)
    rstd = L.rsqrt(variance + number_like(eps, variance))
    results = [L.cast(_affine((x - mean) * rstd, weight, bias, _channelwise), input.dtype)]
    if running_mean is not None:
        results.append(_moved(running_mean, L.mean(mean, [0]), momentum))
    if running_var is not None:
        unbiased = L.mean(variance, [0]) * _bessel(numel(x.shape[2:]))
        results.append(_moved(running_var, unbiased, momentum))
    return tuple(results)


def _instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps):
    if input.ndim < 2:
        raise RuntimeError("instance_norm: input must have at least 2 dimensions, got "
                           f"{input.ndim}")
    _check_batch_norm(input, running_mean, running_var, weight, bias)
    if use_input_stats:
        found = T._instance_norm_training(input, weight, bias, running_mean, running_var, momentum,
                                          eps)
        return _keep_statistics(found, running_mean, running_var)
    if running_mean is None or running_var is None:
        raise RuntimeError("Expected running_mean and running_var to be defined when "
                           "use_input_stats is false")
    return T._batch_norm_inference(input, weight, bias, running_mean, running_var, eps)


@composite("nn")
def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None,
                  use_input_stats=True, momentum=0.1, eps=1e-05):
    """Normalize each channel of each sample over its spatial dimensions; input (N, C, ...)."""
    if use_input_stats and numel(input.shape[2:]) == 1:
        raise ValueError("Expected more than 1 spatial element when training, got input size "
                         f"torch.Size({list(input.shape)})")
    return _instance_norm(input, running_mean, running_var, weight, bias, use_input_stats,
                          momentum, eps)


@composite("function", name="instance_norm")
def torch_instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum,
                        eps,
                        cudnn_enabled):
    """nn.functional.instance_norm with torch's order of arguments."""
    return _instance_norm(input, running_mean, running_var, weight, bias, use_input_stats,
                          momentum, eps)


# ------------------------------------------------------------------------------------- layer
def _check_layer(input, normalized_shape, weight, bias):
    count = len(normalized_shape)
    if count == 0:
        raise RuntimeError("Expected normalized_shape to be at least 1-dimensional, i.e., "
                           "containing at least one element, but got normalized_shape = []")
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and tuple(t.shape) != tuple(normalized_shape):
            raise RuntimeError(f"Expected {name} to be of same shape as normalized_shape, but got "
                               f"{name} of shape {list(t.shape)} and normalized_shape = "
                               f"{list(normalized_shape)}")
    if tuple(input.shape[-count:]) != tuple(normalized_shape) or count > input.ndim:
        raise RuntimeError(f"Given normalized_shape={list(normalized_shape)}, expected input with "
                           f"shape [*, {', '.join(map(str, normalized_shape))}], but got input of "
                           f"size{list(input.shape)}")
    if input.dtype.category < dtypes.FLOAT:
        raise not_implemented("LayerNormKernelImpl", input.dtype)


def _last_axes(x, normalized_shape):
    return list(range(x.ndim - len(normalized_shape), x.ndim))


def _tail(v, x):
    return L.broadcast(L.cast(v, x.dtype), x.shape)


def _layer_gradient(grads, outputs, input, normalized_shape, weight, bias, eps, **rest):
    x, g = wide(input), wide(grads[0])
    axes = _last_axes(x, normalized_shape)
    xhat, rstd = _normal(x, axes, eps)
    found = _affine_gradients(g, xhat, weight, bias, list(range(axes[0])))
    found["input"] = _input_gradient(g if weight is None else g * _tail(weight, g), xhat, rstd,
                                     axes)
    return found


def _layer_norm(input, normalized_shape, weight, bias, eps, **rest):
    _check_layer(input, normalized_shape, weight, bias)
    x = wide(input)
    if numel(x.shape) == 0:
        return input
    xhat, _ = _normal(x, _last_axes(x, normalized_shape), eps)
    return L.cast(_affine(xhat, weight, bias, _tail), input.dtype)


_layer_norm.__doc__ = """Normalize over the trailing dimensions to mean 0 and variance 1.

    Args:
        input: (*, D1..Dk), floating; half types are computed in float32.
        normalized_shape: (D1..Dk), the trailing dimensions of `input`.
        weight, bias: in `normalized_shape`, or None.
        eps: added to the variance.

    Raises: RuntimeError if `normalized_shape` is not the tail of ``input.shape``.
    Source: Ba, Kiros, Hinton 2016, arXiv:1607.06450; biased variance as in PyTorch.

    >>> import rushlight as torch
    >>> torch.nn.functional.layer_norm(torch.tensor([[1., 2., 3.]]), (3,))
    tensor([[-1.2247,  0.0000,  1.2247]])
    """
_LAYER = ("Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, "
          "float eps=1e-05")
operator(f"layer_norm({_LAYER}) -> Tensor", variants="nn", vjp=_layer_gradient,
         node="NativeLayerNormBackward0")(_layer_norm)
operator(f"layer_norm({_LAYER}, bool cudnn_enable=True) -> Tensor", variants="function",
         vjp=_layer_gradient, node="NativeLayerNormBackward0")(_layer_norm)


def _rms(x, normalized_shape, eps, dtype):
    axes = _last_axes(x, normalized_shape)
    eps = _epsilon(dtype) if eps is None else eps
    square = L.mean(x * x, axes, keepdim=True)
    rstd = L.rsqrt(square + number_like(eps, square))
    return x * rstd, rstd, axes


def _epsilon(dtype):
    return {"float16": 2.0 ** -10, "bfloat16": 2.0 ** -7}.get(
        dtype.name, 2.0 ** -52 if dtype.to_real() is dtypes.float64 else 2.0 ** -23)


def _rms_gradient(grads, outputs, input, normalized_shape, weight, eps):
    x, g = wide(input), wide(grads[0])
    xhat, rstd, axes = _rms(x, normalized_shape, eps, input.dtype)
    xhat, rstd = L.conjugate(xhat), L.conjugate(rstd)
    found = _affine_gradients(g, xhat, weight, None, list(range(axes[0])))
    scaled = g if weight is None else g * L.conjugate(_tail(weight, g))
    found["input"] = rstd * (scaled - xhat * L.mean(scaled * xhat, axes, keepdim=True))
    return found


@operator("rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None)"
          " -> Tensor", variants="function,nn", vjp=_rms_gradient, node="FusedRmsNormBackward0")
def rms_norm(input, normalized_shape, weight, eps):
    """Divide by the root mean square over the trailing dimensions; `eps` defaults to the dtype's.

    Source: Zhang, Sennrich 2019, arXiv:1910.07467.
    """
    _check_layer(input, normalized_shape, weight, None)
    x = wide(input)
    xhat, _, _ = _rms(x, normalized_shape, eps, input.dtype)
    return L.cast(_affine(xhat, weight, None, _tail), input.dtype)


# ------------------------------------------------------------------------------------- group
def _grouped(x, num_groups):
    return L.reshape(x, (x.shape[0], num_groups, numel(x.shape[1:]) // num_groups))


def _group_gradient(grads, outputs, input, num_groups, weight, bias, eps, **rest):
    x, g = wide(input), wide(grads[0])
    xhat, rstd = _normal(_grouped(x, num_groups), [2], eps)
    whole = L.reshape(xhat, x.shape)
    found = _affine_gradients(g, whole, weight, bias, _batch_axes(x))
    scaled = g if weight is None else g * _channelwise(weight, g)
    found["input"] = L.reshape(_input_gradient(_grouped(scaled, num_groups), xhat, rstd, [2]),
                               x.shape)
    return found


def _group_norm(input, num_groups, weight, bias, eps, **rest):
    if input.ndim < 2:
        raise RuntimeError("Expected at least 2 dimensions for input tensor but received "
                           f"{input.ndim}")
    channels = input.shape[1]
    if num_groups <= 0:
        raise RuntimeError("Expected num groups to be greater than 0, got " f"{num_groups}")
    if channels % num_groups:
        raise RuntimeError("Expected number of channels in input to be divisible by num_groups, "
                           f"but got input of shape {list(input.shape)} and "
                           f"num_groups={num_groups}")
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and tuple(t.shape) != (channels,):
            raise RuntimeError(f"Expected {name} to be a vector of size equal to the number of "
                               f"channels in input, but got {name} of shape {list(t.shape)} and "
                               f"input of shape {list(input.shape)}")
    if input.dtype.category != dtypes.FLOAT:
        raise not_implemented("GroupNormKernelImpl", input.dtype)
    if numel(input.shape) == 0:
        return input
    x = wide(input)
    xhat, _ = _normal(_grouped(x, num_groups), [2], eps)
    return L.cast(_affine(L.reshape(xhat, x.shape), weight, bias, _channelwise), input.dtype)


_group_norm.__doc__ = """Normalize groups of channels of each sample.

    Args:
        input: (N, C, ...), C divisible by num_groups.
        weight, bias: (C,) or None.

    Source: Wu, He 2018, arXiv:1803.08494.
    """
_GROUP = "Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05"


def _nn_group_norm(input, num_groups, weight, bias, eps):
    if input.ndim >= 2 and num_groups > 0:
        _check_batch_size((input.shape[0] * input.shape[1] // num_groups, num_groups,
                           *input.shape[2:]))
    return _group_norm(input, num_groups, weight, bias, eps)


_nn_group_norm.__doc__ = _group_norm.__doc__
operator(f"group_norm({_GROUP}) -> Tensor", variants="nn", vjp=_group_gradient,
         node="NativeGroupNormBackward0", strides=layout_of_first)(_nn_group_norm)
operator(f"group_norm({_GROUP}, bool cudnn_enabled=True) -> Tensor", variants="function",
         vjp=_group_gradient, node="NativeGroupNormBackward0", strides=layout_of_first)(_group_norm)


# ------------------------------------------------------------------------- across channels
@operator("local_response_norm(Tensor input, int size, float alpha=0.0001, float beta=0.75, float "
          "k=1.0) -> Tensor", variants="nn", structural=("beta",), node="DivBackward0")
def local_response_norm(input, size, alpha, beta, k):
    """Divide by ``(k + alpha * mean of squares of `size` neighbouring channels) ** beta``."""
    if input.ndim < 3:
        raise ValueError("Expected 3D or higher dimensionality input (got "
                         f"{input.ndim} dimensions)")
    if numel(input.shape) == 0:
        return input
    floating = input.dtype.category >= dtypes.FLOAT
    result = input.dtype if floating else get_default_dtype()
    x = wide(input)
    low, high = size // 2, (size - 1) // 2
    rest = (0,) * (x.ndim - 2)
    padded = L.pad(x * x, (0, low, *rest), (0, high, *rest))
    total = None
    for i in range(size):
        part = L.slice_axis(padded, 1, i, i + x.shape[1])
        total = part if total is None else total + part
    mean = total / size if floating else L.cast(L.idiv(total, L.like(total, size)), result)
    x = L.cast(x, mean.dtype)
    scale = number_like(k, x) + number_like(alpha, x) * mean
    return L.cast(x / L.pow_(scale, L.like(scale, beta)), result)
