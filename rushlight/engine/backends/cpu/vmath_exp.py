"""Exponential family: exp, exp2, expm1, sigmoid, sinh, cosh, tanh.

All start from x = n log 2 + r with |r| <= log(2) / 2.  n is found by adding a large constant that
leaves it in the low mantissa bits, already biased, so that a shift turns it into the float 2**n: no
conversion to integer, which AVX2 lacks for doubles and which is undefined for NaN.
"""

from __future__ import annotations

from .vmath_builder import BIAS, MANTISSA_BITS, Body, Value
from .vmath_coefficients import CONSTANTS

LOG2E, LN2 = 1.4426950408889634, 0.6931471805599453
# Outside these arguments exp is zero or infinite in a result of so many bits.
RANGE = {24: (-104.0, 89.0), 53: (-746.0, 710.0)}


def _magic(k: Body, offset: int) -> float:
    """Adding this rounds to an integer and leaves integer + offset in the low bits."""
    return 1.5 * 2.0 ** MANTISSA_BITS[k.type] + offset


def nearest(k: Body, x: Value, factor: float, offset: int) -> tuple[Value, Value]:
    """The integer n nearest to x * factor: (a value whose low bits are n + offset, n)."""
    magic = _magic(k, offset)
    t = x + magic if factor == 1 else k.fma(x, factor, magic)
    return t, t - magic


def power(k: Body, t: Value) -> Value:
    """2**n where the low bits of t hold n + BIAS (n within the exponent range)."""
    return k.from_bits(k.bits_of(t) << MANTISSA_BITS[k.type])


def scale(k: Body, p: Value, t: Value) -> Value:
    """p * 2**n where the low bits of t hold n + 2 BIAS; only the last of two products rounds."""
    i = k.bits_of(t)
    half = i >> 1
    shift = MANTISSA_BITS[k.type]
    return p * k.from_bits(half << shift) * k.from_bits((i - half) << shift)


def wide(k: Body) -> bool:
    """Whether results may leave the normal range of the arithmetic."""
    return not (k.type == "double" and k.bits == 24)


def reduce(k: Body, x: Value, offset: int) -> tuple[Value, Value, Value, Value]:
    """(t, n, r, low) with x = n log 2 + r + low; low is what rounding r lost."""
    t, n = nearest(k, x, LOG2E, offset)
    if not wide(k):
        return t, n, k.fma(n, -LN2, x), k.value(0.0)
    hi, lo = CONSTANTS["ln2_" + k.type]
    exact = k.fma(n, -hi, x)
    r = k.fma(n, -lo, exact)
    return t, n, r, k.fma(n, -lo, exact - r)


def exp_reduced(k: Body, r: Value, low: Value | None = None) -> Value:
    """exp(r + low): 0.6 ULP with low, 1 ULP without."""
    p = k.polynomial(k.table("exp"), r)
    if not wide(k):
        return p
    if low is None:
        return 1.0 + k.fma(r * r, p, r)
    one_plus_r, lost = k.fast_two_sum(1.0, r)
    return one_plus_r + k.fma(r * r, p, lost + low)


def expm1_reduced(k: Body, r: Value, low: Value) -> Value:
    p = k.polynomial(k.table("expm1"), r)
    return r + k.fma(r * r, p, low) if wide(k) else p * r


def unscaled_exp(k: Body, x: Value, factor: Value) -> tuple[Value, Value]:
    """factor * exp(x) as (p, t) for `scale`, so that the product comes before any underflow."""
    t, _, r, low = reduce(k, x, 2 * BIAS[k.type])
    return exp_reduced(k, r, low) * factor, t


def exp(k: Body, x: Value) -> Value:
    least, most = RANGE[k.bits]
    x = k.at_least(k.at_most(x, most), least)
    t, _, r, low = reduce(k, x, (2 if wide(k) else 1) * BIAS[k.type])
    # float32 stays at 1 ULP without low, a fifth quicker
    p = exp_reduced(k, r, low if k.type == "double" else None)
    return scale(k, p, t) if wide(k) else p * power(k, t)


def exp2(k: Body, x: Value) -> Value:
    high, low = (130.0, -152.0) if k.bits == 24 else (1026.0, -1080.0)
    x = k.at_least(k.at_most(x, high), low)
    t, n = nearest(k, x, 1, (2 if wide(k) else 1) * BIAS[k.type])
    r = x - n
    p = k.fma(k.polynomial(k.table("exp2"), r), r, 1.0)
    return scale(k, p, t) if wide(k) else p * power(k, t)


def expm1_bounded(k: Body, x: Value) -> Value:
    """expm1 where 2**n cannot overflow; loses the sign of -0."""
    t, _, r, low = reduce(k, x, BIAS[k.type])
    s = power(k, t)
    return k.fma(s, expm1_reduced(k, r, low), s - 1.0)


def expm1(k: Body, x: Value) -> Value:
    a = k.at_least(k.at_most(x, RANGE[k.bits][1]), -40.0)
    if wide(k):
        t, _, r, low = reduce(k, a, BIAS[k.type] - 1)
        s = power(k, t)
        y = k.fma(s, expm1_reduced(k, r, low), s - 0.5) * 2.0
    else:
        y = expm1_bounded(k, a)
    return k.select(k.abs(x) < 2.0**-60, x, y)


def sigmoid(k: Body, x: Value) -> Value:
    """With e = exp(-|x|), q = e / (1 + e): 1 - q, or e - e q below zero, which errs less than q.

    Everything is scaled by 2**shift until the end: 2**n stays normal and the tail keeps its digits.
    """
    shift = {"float": 32, "double": 64}[k.type]
    one = 2.0**shift
    t, _, r, low = reduce(k, k.at_least(-k.abs(x), RANGE[k.bits][0]), BIAS[k.type] + shift)
    e = exp_reduced(k, r, low) * power(k, t)
    q = e / (e + one)
    top = k.select(x < 0.0, e, one)
    return k.fma(-top, q, top) * (1 / one)


def tanh(k: Body, x: Value) -> Value:
    e = expm1_bounded(k, k.at_least(k.abs(x) * -2.0, -40.0))
    return k.copysign(e / (e + 2.0), x)


def _hyperbolic(k: Body, a: Value) -> tuple[Value, Value, Value, Value]:
    """(s + u, s - u, cosh r - 1, sinh r), s = 2**n / 4, u = 2**-n / 4; e**-a needs no division."""
    bias = BIAS[k.type]
    t, n, r, low = reduce(k, a, bias - 2)
    magic = _magic(k, bias - 2)
    s, u = power(k, t), power(k, magic - (k.at_most(n, 1000.0) if wide(k) else n))
    z = r * r
    c, d = k.polynomial(k.table("cosh"), z), k.polynomial(k.table("sinh"), z)
    return s + u, s - u, z * c, r + k.fma(r * z, d, low)


def sinh(k: Body, x: Value) -> Value:
    plus, minus, c, d = _hyperbolic(k, k.at_most(k.abs(x), 710.5 if wide(k) else 91.0))
    y = (minus + k.fma(minus, c, plus * d)) * 2.0
    return k.select(k.abs(x) < 2.0**-60, x, k.copysign(y, x))


def cosh(k: Body, x: Value) -> Value:
    plus, minus, c, d = _hyperbolic(k, k.at_most(k.abs(x), 710.5 if wide(k) else 91.0))
    return (plus + k.fma(plus, c, minus * d)) * 2.0
