"""Functions of two operands beyond arithmetic: logarithms of sums, angles, signs, common divisors.

Derivatives given here are PyTorch's formulas; see `derivatives.partials`.
"""

import math

import numpy as np

from ..base import dtypes
from ..ir import lang as L
from .derivatives import partials
from .numeric import no_complex, not_implemented
from .record import T, composite, operator, pointwise


def _real_floating(op, common):
    """Refuse what has no kernel: integers and complex numbers."""
    if common.category != dtypes.FLOAT:
        raise not_implemented(f"{op.name}_cpu", common)


def _integers(op, common):
    if common.category != dtypes.INT:
        raise not_implemented(f"{op.name}_cpu", common)


# ------------------------------------------------------------------------- logarithms of sums
def _log_of_sum(a, b, exp, log1p):
    """log(e^a + e^b) from the larger exponent; equal infinities stay."""
    if a.dtype.is_complex:
        return _complex_log_of_sum(a, b)
    same = L.eq(a, b) & L.eq(L.abs_(a), L.like(a, math.inf))
    return L.where(same, a, L.maximum(a, b) + log1p(exp(-L.abs_(a - b))))


def _complex_log_of_sum(a, b):
    first = L.real(a) >= L.real(b)
    high, low = L.where(first, a, b), L.where(first, b, a)
    same = L.eq(L.real(a), L.real(b)) & L.logical_not(L.isfinite(L.real(a)))
    usual = high + L.log1p(L.exp(low - high))
    infinite = L.where(L.real(a) > 0, L.log(L.exp(a) + L.exp(b)), low)
    return L.where(L.isnan(a) | L.isnan(b), a + b, L.where(same, infinite, usual))


def _sum_gradient(exp):
    return partials(
        lambda g, out, self, other: {
            "self": g / L.conjugate(exp(other - self) + 1),
            "other": g / L.conjugate(exp(self - other) + 1),
        }
    )


def _some_floating(op, common):
    if common.category <= dtypes.INT:
        raise not_implemented(f"{op.name}_cpu", common)


@pointwise(
    "logaddexp(Tensor self, Tensor other) -> Tensor",
    variants="function,method,out",
    numbers=(),
    dtypes=_some_floating,
    vjp=_sum_gradient(L.exp),
    ref=np.logaddexp,
)
def logaddexp(self, other):
    """``log(exp(self) + exp(other))`` without overflow."""
    return _log_of_sum(self, other, L.exp, L.log1p)


@pointwise(
    "logaddexp2(Tensor self, Tensor other) -> Tensor",
    variants="function,method,out",
    numbers=(),
    dtypes=_real_floating,
    vjp=_sum_gradient(L.exp2),
    ref=np.logaddexp2,
)
def logaddexp2(self, other):
    """``log2(2 ** self + 2 ** other)`` without overflow."""
    return _log_of_sum(self, other, L.exp2, lambda x: L.log1p(x) * (1 / math.log(2)))


def _times_log(x, y, log):
    """x * log(y), 0 where x is 0 and NaN where y is."""
    product = L.where(L.eq(x, L.like(x, 0)), L.like(x, 0), x * log(y))
    return L.where(L.isnan(y), y, product)


def _xlogy_gradient(g, out, self, other):
    flat = L.eq(self, 0) & (other <= 0)
    to_self = L.where(flat, L.like(g, 0), _times_log(g, other, L.log))
    return {"self": to_self, "other": g * self / other}


def _xlog1py_gradient(g, out, self, other):
    flat = L.eq(self, 0) & (other <= -1)
    to_self = L.where(flat, L.like(g, 0), _times_log(g, other, L.log1p))
    return {"self": to_self, "other": g * self / (other + 1)}


@pointwise(
    "xlogy(Tensor self, Tensor other) -> Tensor",
    ref=lambda x, y: np.where((x == 0) & ~np.isnan(y), 0, x * np.log(y)),
    promote="float",
    numbers=("self", "other"),
    dtypes=no_complex,
    aliases=("special.xlogy",),
    vjp=partials(_xlogy_gradient),
)
def xlogy(self, other):
    """``self * log(other)``; 0 where self is 0."""
    return _times_log(self, other, L.log)


@pointwise(
    "xlog1py(Tensor self, Tensor other) -> Tensor",
    variants="special,out",
    node="SpecialXlog1PyBackward0",
    promote="float",
    numbers=("self", "other"),
    dtypes=no_complex,
    vjp=partials(_xlog1py_gradient),
)
def xlog1py(self, other):
    """``self * log1p(other)``; 0 where self is 0."""
    return _times_log(self, other, L.log1p)


# ------------------------------------------------------------------------- lengths and angles
def _hypot(a, b):
    """Scaled by the larger leg, so that squares neither overflow nor vanish."""
    a, b = L.abs_(a), L.abs_(b)
    large, small = L.maximum(a, b), L.minimum(a, b)
    safe = L.where(L.eq(large, 0), L.like(large, 1), large)
    ratio = small / safe
    infinite = L.eq(large, L.like(large, math.inf))
    unbounded = L.eq(a, L.like(a, math.inf)) | L.eq(b, L.like(b, math.inf))
    length = large * L.sqrt(ratio * ratio + 1)
    return L.where(infinite | unbounded, L.like(a, math.inf), length)


@pointwise(
    "hypot(Tensor self, Tensor other) -> Tensor",
    numbers=(),
    dtypes=_real_floating,
    vjp=partials(
        lambda g, out, self, other: {"self": g * (self / out), "other": g * (other / out)}
    ),
    ref=np.hypot,
)
def hypot(self, other):
    """``sqrt(self ** 2 + other ** 2)`` without overflow."""
    return _hypot(self, other)


@pointwise(
    "atan2(Tensor self, Tensor other) -> Tensor",
    promote="float",
    numbers=(),
    dtypes=no_complex,
    aliases=("arctan2",),
    ref=np.arctan2,
)
def atan2(self, other):
    """Angle of the point (other, self), in (-pi, pi]."""
    return L.atan2(self, other)


def _copysign_gradient(g, out, self, other):
    ratio = L.where(L.eq(self, 0), L.like(g, 0), out / self)
    return {"self": g * ratio, "other": L.like(g, 0)}


@pointwise(
    "copysign(Tensor self, Tensor other) -> Tensor",
    promote="float",
    dtypes=no_complex,
    vjp=partials(_copysign_gradient),
    ref=np.copysign,
)
def copysign(self, other):
    """Magnitude of `self` with the sign of `other` (of its zeros too)."""
    return L.copysign(self, other)


def _nextafter_gradient(g, out, self, other):
    """The step from self is constant in other; where both are equal PyTorch passes nothing on."""
    zero = L.like(g, 0)
    return {"self": L.where(L.eq(self, other), zero, g), "other": zero}


@pointwise(
    "nextafter(Tensor self, Tensor other) -> Tensor",
    numbers=(),
    dtypes=_real_floating,
    vjp=partials(_nextafter_gradient),
    promote="storage",
    ref=np.nextafter,
)
def nextafter(self, other):
    """The number next to `self` in the direction of `other`."""
    return L.nextafter(self, other)


def _one_dtype(self, values):
    """both tensors in the same real dtype"""
    if self.dtype is not values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return "default"


@pointwise(
    "heaviside(Tensor self, Tensor values) -> Tensor",
    numbers=(),
    promote=_one_dtype,
    dtypes=no_complex,
    differentiable=False,
    ref=lambda x, values: np.where(x == 0, values, x > 0),  # np.heaviside keeps NaN
)
def heaviside(self, values):
    """0 below 0 and for NaN, 1 above, `values` at 0."""
    zero, one = L.like(self, 0), L.like(self, 1)
    return L.where(L.eq(self, zero), values, L.where(L.gt(self, zero), one, zero))


@pointwise(
    "gcd(Tensor self, Tensor other) -> Tensor",
    numbers=(),
    dtypes=_integers,
    differentiable=False,
    ref=np.gcd,
)
def gcd(self, other):
    """Greatest common divisor of integers, not negative."""
    return L.special("gcd", self, other)


@pointwise(
    "lcm(Tensor self, Tensor other) -> Tensor",
    numbers=(),
    dtypes=_integers,
    differentiable=False,
    ref=np.lcm,
)
def lcm(self, other):
    """Least common multiple of integers, not negative."""
    return L.special("lcm", self, other)


# ----------------------------------------------------------------------- powers, exponents
@pointwise(
    "ldexp.Tensor(Tensor self, Tensor other) -> Tensor",
    promote="float",
    numbers=(),
    node="MulBackward0",
)
def ldexp(self, other):
    """``self * 2 ** other``."""
    two = L.like(other, 2)
    return self * L.pow_(two, other)


def _frexp_gradient(grads, outputs, self):
    exponent = L.cast(outputs[1], self.dtype)
    return {"self": grads[0] / L.exp2(exponent)}


@operator(
    "frexp.Tensor(Tensor self) -> (Tensor mantissa, Tensor exponent)",
    node="FrexpBackward0",
    vjp=_frexp_gradient,
)
def frexp(self):
    """(mantissa in [0.5, 1), int32 exponent) with ``self = mantissa * 2 ** exponent``."""
    if self.dtype.category != dtypes.FLOAT:
        raise RuntimeError(
            "torch.frexp() only supports floating-point dtypes, got " + self.dtype.type_name
        )
    return L.host("frexp", [self], [(self.shape, self.dtype), (self.shape, dtypes.int32)])


def _double_of(*operands):
    wide = any(v.is_complex() if T.is_tensor(v) else isinstance(v, complex) for v in operands)
    return dtypes.complex128 if wide else dtypes.float64


def _as_double(value, dtype):
    return value.to(dtype) if T.is_tensor(value) else value


@composite("function,method,out")
def float_power(input, exponent):
    """``input ** exponent`` computed in float64 (complex128 if an operand is complex)."""
    if not T.is_tensor(input) and not T.is_tensor(exponent):
        raise TypeError("float_power(): one of the operands must be a Tensor, not only numbers")
    dtype = _double_of(input, exponent)
    return T.pow(_as_double(input, dtype), _as_double(exponent, dtype))


@composite("method", name="float_power_")
def float_power_(input, exponent):
    """float_power written into `input`, which must have the result's dtype."""
    dtype = _double_of(input, exponent)
    if input.dtype is not dtype:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {input.dtype.type_name} but the operation's "
            f"result requires dtype {dtype.type_name}"
        )
    return input.pow_(_as_double(exponent, dtype))


# -------------------------------------------------------------------------- complex numbers
def _two_reals(real, imag):
    halves = dtypes.float16, dtypes.float32, dtypes.float64
    if real.dtype not in halves or imag.dtype not in halves:
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{real.dtype.type_name} and {imag.dtype.type_name}"
        )
    if real.dtype is not imag.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {real.dtype.type_name} but got scalar type "
            f"{imag.dtype.type_name} for second argument"
        )
    return L.broadcast_all(real, imag)


@operator("complex(Tensor real, Tensor imag) -> Tensor", variants="function,out", out="exact")
def complex_(real, imag):
    """Complex numbers from their parts, two float16, float32 or float64 tensors."""
    return L.make_complex(*_two_reals(real, imag))


@operator("polar(Tensor abs, Tensor angle) -> Tensor", variants="function,out")
def polar(abs, angle):  # noqa: A002
    """Complex numbers from modulus and argument (radians), two float32 or two float64 tensors."""
    size, turn = _two_reals(abs, angle)
    if size.dtype is dtypes.float16:
        raise not_implemented("polar_cpu", size.dtype)
    return L.make_complex(size * L.cos(turn), size * L.sin(turn))
