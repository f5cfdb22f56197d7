"""Arithmetic: add, sub, mul, div and their kin."""

import numpy as np

from ..base import dtypes
from ..ir import lang as L
from .derivatives import partials
from .numeric import not_implemented
from .record import numbered, pointwise


def no_bool_subtract(op, common):
    if common is dtypes.bool_:
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. "
            "Use the `^` or `logical_xor()` operator instead."
        )


@pointwise(
    "add(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    numbers=("self", "other"),
    ref=lambda x, y, alpha=1: np.add(x, alpha * y),
)
def add(self, other, alpha):
    """``self + alpha * other``."""
    return self + other if alpha == 1 else self + other * alpha


@pointwise(
    "sub(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    numbers=("self", "other"),
    dtypes=no_bool_subtract,
    aliases=("subtract",),
    ref=lambda x, y, alpha=1: np.subtract(x, alpha * y),
)
def sub(self, other, alpha):
    """``self - alpha * other``."""
    return self - other if alpha == 1 else self - other * alpha


@pointwise(
    "rsub(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    dtypes=no_bool_subtract,
    variants="function",
    node=numbered("Rsub", 0, 1),
    ref=lambda x, y, alpha=1: y - alpha * x,
)
def rsub(self, other, alpha):
    """``other - alpha * self``."""
    return other - self if alpha == 1 else other - self * alpha


@pointwise(
    "mul(Tensor self, Tensor other) -> Tensor",
    numbers=("self", "other"),
    aliases=("multiply",),
    ref=np.multiply,
)
def mul(self, other):
    """``self * other``."""
    return self * other


@pointwise(
    "div(Tensor self, Tensor other) -> Tensor",
    numbers=("self", "other"),
    promote="float",
    aliases=("divide", "true_divide"),
    ref=np.true_divide,
)
def div(self, other):
    """``self / other``, true division."""
    return self / other


def _divisible(op, common):
    if common.is_complex or common is dtypes.bool_:
        name = "div_floor" if op.name == "floor_divide" else op.name
        raise not_implemented(f"{name}_cpu", common)


def _promotion_of_division(self, other, rounding_mode):
    """as div without a rounding mode; integers stay integers with one, bool and complex numbers are
    refused"""
    return "float" if rounding_mode is None else "default"


@pointwise(
    "div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor",
    numbers=("self", "other"),
    aliases=("divide",),
    promote=_promotion_of_division,
    node=numbered("Div", 2, 3),
)
def div_mode(self, other, rounding_mode):
    """``self / other`` rounded "floor" (toward -inf) or "trunc" (toward zero); None: not
    rounded."""
    if rounding_mode is None:
        return self / other
    if self.dtype.is_complex or self.dtype is dtypes.bool_:
        raise not_implemented(f"div_{rounding_mode}_cpu", self.dtype)
    if rounding_mode == "trunc":
        return L.idiv(self, other) if self.dtype.category <= dtypes.INT else L.trunc(self / other)
    if rounding_mode == "floor":
        return floor_divide_values(self, other)
    raise RuntimeError(
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'"
    )


def floor_divide_values(a, b):
    """Floor of a / b as Python's //: exact for integers, corrected by the remainder for floats."""
    if a.dtype.category <= dtypes.INT:
        quotient = L.idiv(a, b)
        if not a.dtype.is_signed:
            return quotient
        inexact = L.ne(quotient * b, a) & L.ne(L.lt(a, L.like(a, 0)), L.lt(b, L.like(b, 0)))
        return quotient - L.cast(inexact, a.dtype)
    rest = L.rem(a, b)
    quotient = (a - rest) / b
    adjust = L.ne(rest, L.like(rest, 0)) & L.ne(b < 0, rest < 0)
    quotient = L.where(adjust, quotient - 1, quotient)
    floored = L.floor(quotient)
    floored = L.where(quotient - floored > 0.5, floored + 1, floored)
    floored = L.where(L.eq(quotient, L.like(quotient, 0)), L.copysign(L.like(a, 0), a / b), floored)
    return L.where(L.eq(b, L.like(b, 0)), a / b, floored)


@pointwise(
    "floor_divide(Tensor self, Tensor other) -> Tensor",
    numbers=("self", "other"),
    dtypes=_divisible,
    differentiable=False,
    ref=np.floor_divide,
)
def floor_divide(self, other):
    """Floor of the quotient, as Python's ``//``."""
    return floor_divide_values(self, other)


def _remainder_gradient(round_):
    return partials(
        lambda g, out, self, other: {"self": g, "other": -(g * round_(self, other))},
    )


@pointwise(
    "remainder(Tensor self, Tensor other) -> Tensor",
    numbers=("self", "other"),
    dtypes=_divisible,
    vjp=_remainder_gradient(floor_divide_values),
    ref=np.mod,
)
def remainder(self, other):
    """Remainder with the sign of the divisor, as Python's ``%``."""
    if self.dtype.category <= dtypes.INT and not self.dtype.is_signed:
        return L.rem(self, other)
    rest = L.rem(self, other)
    wrong = L.ne(rest, L.like(rest, 0)) & L.ne(
        L.lt(rest, L.like(rest, 0)), L.lt(other, L.like(other, 0))
    )
    return L.where(wrong, rest + other, rest)


@pointwise(
    "fmod(Tensor self, Tensor other) -> Tensor",
    dtypes=_divisible,
    vjp=_remainder_gradient(lambda a, b: L.trunc(a / b)),
    ref=np.fmod,
)
def fmod(self, other):
    """Remainder with the sign of the dividend, as C's fmod."""
    return L.rem(self, other)


def _no_bool_power(op, common):
    if common is dtypes.bool_:
        raise RuntimeError("\"pow\" not implemented for 'Bool'")


def _pow_gradient(g, out, self, exponent):
    if exponent == 0:
        return {"self": L.like(self, 0)}
    slope = power_of_number(self, exponent - 1) * _number(exponent, g.dtype)
    return {"self": g * L.conjugate(slope)}


def _powers_gradient(g, out, self, exponent):
    """The power of 0 is flat in its exponent where that is not negative."""
    slope = g * L.conjugate(exponent * L.pow_(self, exponent - 1))
    flat = L.eq(self, 0)
    if not g.dtype.is_complex:
        flat = flat & (exponent >= 0)
    zero = L.like(g, 0)
    return {
        "self": L.where(L.eq(exponent, 0), zero, slope),
        "exponent": L.where(flat, zero, g * L.conjugate(out * L.log(self))),
    }


def _number(value, dtype):
    return value if dtype.is_complex or not isinstance(value, complex) else value.real


def power_of_number(x, e):
    """x ** e for an exponent known when the kernel is made."""
    special = {0: lambda: L.like(x, 1), 1: lambda: x, 2: lambda: x * x, 3: lambda: x * x * x}
    if e in special:
        return special[e]()
    if x.dtype.category >= dtypes.FLOAT:
        if e == 0.5:
            return L.sqrt(x)
        if e == -0.5:
            return L.rsqrt(x)
        if e == -1:
            return 1 / x
        if e == -2:
            return 1 / (x * x)
    return L.pow_(x, L.like(x, e))


@pointwise(
    "pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor",
    structural=("exponent",),
    promotes=("self", "exponent"),
    vjp=partials(_pow_gradient),
    node="PowBackward0",
)
def pow_scalar(self, exponent):
    """``self ** exponent``; the exponent is part of the kernel."""
    if self.dtype.category <= dtypes.INT and exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return power_of_number(self, exponent)


@pointwise(
    "pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor",
    ref=np.power,
    dtypes=_no_bool_power,
    vjp=partials(_powers_gradient),
    node="PowBackward1",
)
def pow_tensor(self, exponent):
    """``self ** exponent`` elementwise."""
    return L.pow_(self, exponent)


@pointwise(
    "pow.Scalar(Scalar self, Tensor exponent) -> Tensor",
    variants="function,out",
    promotes=("self", "exponent"),
    dtypes=_no_bool_power,
    vjp=partials(_powers_gradient),
    node="PowBackward2",
)
def pow_of_scalar(self, exponent):
    """A number to elementwise powers."""
    return L.pow_(self, exponent)


@pointwise(
    "addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    ref=lambda x, y, z: x + y * z,
)
def addcmul(self, tensor1, tensor2, value):
    """``self + value * tensor1 * tensor2``."""
    product = tensor1 * tensor2
    return self + (product if value == 1 else product * value)


def _no_integers(op, common):
    if common.category <= dtypes.INT:
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  "
            "release addcdiv will perform a true division of tensor1 and tensor2. The "
            "historic addcdiv behavior can be implemented as (input + value * "
            "torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs."
        )


@pointwise(
    "addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    ref=lambda x, y, z: x + y / z,
    dtypes=_no_integers,
)
def addcdiv(self, tensor1, tensor2, value):
    """``self + value * tensor1 / tensor2``."""
    quotient = tensor1 / tensor2
    return self + (quotient if value == 1 else quotient * value)


@pointwise("lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor")
def lerp(self, end, weight):
    """``self + weight * (end - self)``, exact at both ends."""
    return lerp_values(self, end, weight)


@pointwise("lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor", node="LerpBackward1")
def lerp_tensor(self, end, weight):
    """``self + weight * (end - self)`` with elementwise weights."""
    return lerp_values(self, end, weight)


def lerp_values(start, end, weight):
    """PyTorch's formula: exact at both ends."""
    small = L.abs_(weight) < 0.5
    step = end - start
    return L.where(small, start + weight * step, end - step * (1 - weight))
