"""Arithmetic: add, sub, mul, div and their kin."""

import numpy as np

from ..base import dtypes
from ..ir import lang as L
from .record import T, composite, pointwise


def no_bool_subtract(op, common):
    if common is dtypes.bool_:
        raise RuntimeError("Subtraction, the `-` operator, with two bool tensors is not supported. "
                           "Use the `^` or `logical_xor()` operator instead.")


@pointwise("add(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
           ref=lambda x, y, alpha=1: np.add(x, alpha * y))
def add(self, other, alpha):
    """``self + alpha * other``."""
    return self + other if alpha == 1 else self + other * alpha


@pointwise("sub(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", dtypes=no_bool_subtract,
           aliases=("subtract",), ref=lambda x, y, alpha=1: np.subtract(x, alpha * y))
def sub(self, other, alpha):
    """``self - alpha * other``."""
    return self - other if alpha == 1 else self - other * alpha


@pointwise("rsub(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", dtypes=no_bool_subtract,
           variants="function", ref=lambda x, y, alpha=1: y - alpha * x)
def rsub(self, other, alpha):
    """``other - alpha * self``."""
    return other - self if alpha == 1 else other - self * alpha


@pointwise("mul(Tensor self, Tensor other) -> Tensor", aliases=("multiply",), ref=np.multiply)
def mul(self, other):
    """``self * other``."""
    return self * other


@pointwise("div(Tensor self, Tensor other) -> Tensor", promote="float",
           aliases=("divide", "true_divide"), ref=np.true_divide)
def div(self, other):
    """``self / other``, true division."""
    return self / other


@pointwise("div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor",
           aliases=("divide",), promote=lambda a, b, mode: "float" if mode is None else "default", node="DivBackward1")
def div_mode(self, other, rounding_mode):
    """``self / other`` rounded "floor" (toward -inf) or "trunc" (toward zero); None: not rounded."""
    if rounding_mode is None:
        return self / other
    if rounding_mode == "trunc":
        return L.idiv(self, other) if self.dtype.category <= dtypes.INT else L.trunc(self / other)
    if rounding_mode == "floor":
        return floor_divide_values(self, other)
    raise RuntimeError("div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
                       f"'{rounding_mode}'")


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


@composite("function,method,out")
def square(input):
    """``input ** 2``."""
    return T.pow(input, 2)
