"""Activation functions, with PyTorch's gradients at the kinks.

``torch.relu(x)`` and ``F.relu(x, inplace=False)`` are records of their own with one body.
"""

import math

import numpy as np

from ..base import dtypes
from ..base.shapes import wrap_dim
from ..ir import lang as L
from .numeric import need_floating, not_implemented, number_like, wide
from .record import T, composite, operator, pointwise

_NN = "nn,inplace"


def _floating(op, common):
    if common.category != dtypes.FLOAT:
        raise not_implemented(f"{op.name}_cpu", common)


def _real(op, common):
    if common.is_complex or common is dtypes.bool_:
        raise not_implemented(f"{op.name}_cpu", common)


def _rule(slope):
    """vjp of a function of one operand: `slope(g, out, x, *parameters)` in the compute type."""

    def vjp(grads, outputs, self, **parameters):
        x = wide(self)
        numbers = [v if isinstance(v, str) else number_like(v, x) for v in parameters.values()]
        return {"self": slope(wide(grads[0]), wide(outputs[0]), x, *numbers)}

    return vjp


def _zero_where(condition, g):
    return L.where(condition, L.like(g, 0), g)


def activation(schema, *, spaces=(_NN,), dtypes=_floating, slope=None, **fields):
    """A pointwise record for each set of `spaces` the function appears in."""

    def register(body):
        for variants in spaces:
            pointwise(
                schema,
                variants=variants,
                dtypes=dtypes,
                vjp=_rule(slope) if slope else None,
                **fields,
            )(body)
        return body

    return register


# ------------------------------------------------------------------------- piecewise linear
def _relu_types(op, common):
    if common is dtypes.bool_:
        raise RuntimeError("Boolean inputs not supported for relu")
    _real(op, common)


@activation(
    "relu(Tensor self) -> Tensor",
    spaces=("function,method,inplace", _NN),
    dtypes=_relu_types,
    slope=lambda g, out, x: _zero_where(out <= 0, g),
    ref=lambda x: np.maximum(x, 0),
)
def relu(self):
    """``max(x, 0)``; NaN stays."""
    return L.where(self <= 0, L.like(self, 0), self)


def _clip(x, low, high):
    x = L.where(x < low, low, x)
    return L.where(x > high, high, x)


def _outside(g, out, x, low, high):
    return _zero_where((x <= low) | (x >= high), g)


@activation(
    "relu6(Tensor self) -> Tensor",
    ref=lambda x: np.clip(x, 0, 6),
    dtypes=_real,
    node="HardtanhBackward0",
    slope=lambda g, out, x: _outside(g, out, x, 0, 6),
)
def relu6(self):
    """``min(max(x, 0), 6)``."""
    return _clip(self, 0, 6)


@activation(
    "hardtanh(Tensor self, Scalar min_val=-1.0, Scalar max_val=1.0) -> Tensor",
    ref=lambda x: np.clip(x, -1, 1),
    dtypes=_real,
    slope=_outside,
    structural=("min_val", "max_val"),
)
def hardtanh(self, min_val, max_val):
    """x bounded by `min_val` and `max_val`."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if self.dtype is dtypes.uint8 and min_val < 0:
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    return _clip(self, min_val, max_val)


@activation(
    "threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor",
    spaces=("function,inplace", _NN),
    dtypes=_real,
    slope=lambda g, out, x, threshold, value: _zero_where(x <= threshold, g),
)
def threshold(self, threshold, value):
    """x where ``x > threshold``, else `value`."""
    return L.where(self <= threshold, value, self)


@activation(
    "leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor",
    ref=lambda x: np.where(x > 0, x, 0.01 * x),
    slope=lambda g, out, x, a: L.where(x > 0, g, g * a),
)
def leaky_relu(self, negative_slope):
    """x where positive, else ``negative_slope * x``."""
    return L.where(self > 0, self, self * negative_slope)


@activation(
    "hardsigmoid(Tensor self) -> Tensor",
    ref=lambda x: np.clip(x + 3, 0, 6) / 6,
    slope=lambda g, out, x: L.where((x > -3) & (x < 3), g / 6, L.like(g, 0)),
)
def hardsigmoid(self):
    """``min(max(x + 3, 0), 6) / 6``."""
    return _clip(self + 3, 0, 6) / 6


@activation(
    "hardswish(Tensor self) -> Tensor",
    ref=lambda x: x * np.clip(x + 3, 0, 6) / 6,
    slope=lambda g, out, x: L.where(x <= -3, L.like(g, 0), L.where(x < 3, g * (x / 3 + 0.5), g)),
)
def hardswish(self):
    """``x * hardsigmoid(x)``."""
    return self * _clip(self + 3, 0, 6) / 6


@activation(
    "hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor",
    ref=lambda x: np.where(np.abs(x) <= 0.5, 0, x),
    spaces=("function,method,nn",),
    slope=lambda g, out, x, lambd: _zero_where((x >= -lambd) & (x <= lambd), g),
)
def hardshrink(self, lambd):
    """x, or 0 where ``|x| <= lambd``."""
    lambd = number_like(lambd, self)
    return _zero_where((self >= -lambd) & (self <= lambd), self)


@activation(
    "softshrink(Tensor self, Scalar lambd=0.5) -> Tensor",
    ref=lambda x: x - np.clip(x, -0.5, 0.5),
    spaces=("nn",),
    structural=("lambd",),
    slope=lambda g, out, x, lambd: _zero_where((x >= -lambd) & (x <= lambd), g),
)
def softshrink(self, lambd):
    """x moved toward 0 by `lambd`; 0 where ``|x| <= lambd``."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd:g}.")
    small = L.where(L.isnan(self), self, L.like(self, 0))
    return L.where(self > lambd, self - lambd, L.where(self < -lambd, self + lambd, small))


# ------------------------------------------------------------------------------ exponential
def _elu(x, alpha, scale):
    # expm1 sees no positive x: the branch `where` drops must stay finite, or its gradient is NaN
    below = L.expm1(L.where(x > 0, L.like(x, 0), x))
    return L.where(x > 0, x * scale, below * alpha * scale)


@activation(
    "elu(Tensor self, Scalar alpha=1.0) -> Tensor",
    ref=lambda x, alpha=1: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
)
def elu(self, alpha):
    """x where positive, else ``alpha * (e ** x - 1)``."""
    return _elu(self, alpha, 1)


@activation("selu(Tensor self) -> Tensor", spaces=("function,inplace", _NN), node="EluBackward0")
def selu(self):
    """Self-normalizing elu: fixed `alpha` and scale (Klambauer et al. 2017, arXiv:1706.02515)."""
    return _elu(self, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


@activation(
    "celu(Tensor self, Scalar alpha=1.0) -> Tensor",
    spaces=("function,inplace", _NN),
    structural=("alpha",),
    node="EluBackward0",
)
def celu(self, alpha):
    """x where positive, else ``alpha * (e ** (x / alpha) - 1)``."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    below = L.where(self > 0, L.like(self, 0), self)
    return L.where(self > 0, self, alpha * L.expm1(below / alpha))


def softplus_values(x):
    """log(1 + e ** x) without overflow."""
    return L.where(x > 0, x, L.like(x, 0)) + L.log1p(L.exp(-L.abs_(x)))


@activation(
    "softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor",
    spaces=("nn",),
    ref=lambda x, beta=1, threshold=20: np.logaddexp(0, beta * x) / beta,
)
def softplus(self, beta, threshold):
    """Smooth relu, ``log(1 + e ** (beta x)) / beta``; x itself where ``beta x > threshold``."""
    z = self * beta
    linear = z > threshold
    safe = L.where(linear, L.like(z, 0), z)
    return L.where(linear, self, L.log1p(L.exp(safe)) / beta)


@activation(
    "logsigmoid(Tensor self) -> Tensor",
    spaces=("nn",),
    node="LogSigmoidBackward0",
    slope=lambda g, out, x: g * L.sigmoid(-x),
    ref=lambda x: -np.logaddexp(0, -x),
)
def logsigmoid(self):
    """``log(sigmoid(x))``, accurate for large ``|x|``."""
    return log_sigmoid_values(self)


def log_sigmoid_values(x):
    """min(x, 0) - log1p(e ** -|x|)."""
    return L.where(x < 0, x, L.like(x, 0)) - L.log1p(L.exp(-L.abs_(x)))


def _floating_or_complex(op, common):
    if common.category < dtypes.FLOAT:
        raise not_implemented(f"{op.name}_cpu", common)


def _silu_slope(g, out, x):
    s = L.sigmoid(x)
    return g * L.conjugate(s * (1 + x * (1 - s)))


@activation(
    "silu(Tensor self) -> Tensor",
    dtypes=_floating_or_complex,
    slope=_silu_slope,
    ref=lambda x: x / (1 + np.exp(-x)),
)
def silu(self):
    """``x * sigmoid(x)``, also called swish."""
    return self * L.sigmoid(self) if self.dtype.is_complex else self / (1 + L.exp(-self))


def _mish_slope(g, out, x):
    t = L.tanh(softplus_values(x))
    return g * (t + x * L.sigmoid(x) * (1 - t * t))


@activation("mish(Tensor self) -> Tensor", slope=_mish_slope)
def mish(self):
    """``x * tanh(softplus(x))``."""
    return self * L.tanh(softplus_values(self))


_TANH_SCALE, _TANH_CUBE = math.sqrt(2 / math.pi), 0.044715


def _gelu_slope(g, out, x, approximate):
    if approximate == "none":
        return g * (L.normal_cdf(x) + x * L.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi)))
    t = L.tanh(_TANH_SCALE * (x + _TANH_CUBE * x * x * x))
    slope = (1 - t * t) * (_TANH_SCALE * (1 + 3 * _TANH_CUBE * x * x))
    return g * (0.5 * (1 + t) + 0.5 * x * slope)


@activation(
    "gelu(Tensor self, *, str approximate='none') -> Tensor", spaces=("nn,out",), slope=_gelu_slope
)
def gelu(self, approximate):
    """x times the normal distribution function of x; approximate="tanh": its usual formula."""
    if approximate == "none":
        return self * L.normal_cdf(self)
    if approximate == "tanh":
        inner = _TANH_SCALE * (self + _TANH_CUBE * self * self * self)
        return 0.5 * self * (1 + L.tanh(inner))
    raise RuntimeError("approximate argument must be either none or tanh.")


@activation(
    "tanhshrink(Tensor self) -> Tensor",
    ref=lambda x: x - np.tanh(x),
    spaces=("nn",),
    node="SubBackward0",
    promote="float",
    dtypes=None,
)
def tanhshrink(self):
    """``x - tanh(x)``."""
    return self - L.tanh(self)


@activation(
    "softsign(Tensor self) -> Tensor",
    ref=lambda x: x / (1 + np.abs(x)),
    spaces=("nn",),
    node="DivBackward0",
    promote="float",
    dtypes=None,
)
def softsign(self):
    """``x / (1 + |x|)``."""
    size = L.abs_(self)
    if self.dtype.is_complex:
        size = L.make_complex(size, L.like(size, 0))
    return self / (1 + size)


# ---------------------------------------------------------------------------- with channels
def _glu_gradient(grads, outputs, self, dim):
    d = wrap_dim(dim, self.ndim)
    value, gate = _halves(wide(self), d)
    g, s = wide(grads[0]), L.sigmoid(gate)
    return {"self": L.concat([g * s, g * value * s * (1 - s)], d)}


def _halves(x, d):
    half = x.shape[d] // 2
    return L.slice_axis(x, d, 0, half), L.slice_axis(x, d, half, 2 * half)


@operator("glu(Tensor self, int dim=-1) -> Tensor", variants="nn", vjp=_glu_gradient)
def glu(self, dim):
    """First half of a dimension times the sigmoid of its second half."""
    if not self.ndim:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    need_floating(self, "glu_cpu")
    d = wrap_dim(dim, self.ndim)
    if self.shape[d] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {d} is size {self.shape[d]}"
        )
    value, gate = _halves(wide(self), d)
    return L.cast(value * L.sigmoid(gate), self.dtype)


@operator(
    "prelu(Tensor self, Tensor weight) -> Tensor",
    variants="function,method,nn",
    strides=lambda metas, out: [metas[0].strides if metas[0].dense else None],
    node="PreluKernelBackward0",
)
def prelu(self, weight):
    """x where positive, else ``weight * x``; weight holds one number, or one per channel."""
    if weight.dtype is not self.dtype:
        raise RuntimeError(
            "prelu: Type promoting not supported. Got "
            f"{self.dtype.type_name} and {weight.dtype.type_name}"
        )
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if weight.ndim and weight.shape[0] != 1:
        if not self.ndim:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = self.shape[1] if self.ndim > 1 else 1
        if channels != weight.shape[0]:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found "
                f"parameter numbers = {weight.shape[0]} and channel size = "
                f"{channels}."
            )
        weight = L.reshape(weight, (weight.shape[0], *(1,) * (self.ndim - 2)))
    else:
        weight = L.reshape(weight, ())
    x, w = wide(self), L.broadcast(wide(weight), self.shape)
    return L.cast(L.where(x > 0, x, w * x), self.dtype)


@pointwise(
    "_rrelu(Tensor self, Tensor noise) -> Tensor",
    variants="internal,inplace",
    node="RreluWithNoiseBackward0",
)
def rrelu_training(self, noise):
    """x where positive, else x times the drawn slope (`noise` is 1 where x is positive)."""
    return self * noise


def _rrelu(input, lower, upper, training, inplace):
    if lower > upper:
        raise RuntimeError(
            "Lower bound should be less than or equal to the upper bound, but "
            f"found {lower} and {upper}"
        )
    if not training:
        return T.nn.leaky_relu(input, (lower + upper) / 2, inplace)
    noise = T.rrelu_noise(input, lower, upper).to(input.dtype)
    return input._rrelu_(noise) if inplace else T._rrelu(input, noise)


@composite("function")
def rrelu(input, lower=1 / 8, upper=1 / 3, training=False):
    """Leaky relu with a slope drawn per negative element in training, its mean otherwise."""
    return _rrelu(input, lower, upper, training, False)


@composite("function", name="rrelu_")
def rrelu_(input, lower=1 / 8, upper=1 / 3, training=False):
    """rrelu in place."""
    return _rrelu(input, lower, upper, training, True)


@composite("nn", name="rrelu_")
def nn_rrelu_(input, lower=1 / 8, upper=1 / 3, training=False):
    """rrelu in place."""
    return _rrelu(input, lower, upper, training, True)


@composite("nn", name="rrelu")
def nn_rrelu(input, lower=1 / 8, upper=1 / 3, training=False, inplace=False):
    """Leaky relu with a slope drawn per negative element in training, its mean otherwise."""
    return _rrelu(input, lower, upper, training, inplace)
