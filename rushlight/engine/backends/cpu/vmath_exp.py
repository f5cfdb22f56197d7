"""Exponential family: exp, exp2, expm1, sigmoid, sinh, cosh, tanh.

All start from x = n log 2 + r with |r| <= log(2) / 2.  n is found by adding a large constant that leaves it in the low
mantissa bits, already biased, so that a shift turns it into the float 2**n: no conversion to integer, which AVX2 lacks
for doubles and which is undefined for NaN.
"""

from __future__ import annotations

from .vmath_builder import BIAS, MANTISSA_BITS, Body, Value
from .vmath_coefficients import CONSTANTS

LOG2E = 1.4426950408889634
# Below and above these arguments exp has underflowed to zero, or overflowed, in a result of so many bits.
RANGE = {24: (-104.0, 89.0), 53: (-746.0, 710.0)}


def _magic(k: Body, offset: int) -> float:
    """Adding this rounds to an integer and leaves integer + offset in the low bits."""
    return 1.5 * 2.0 ** MANTISSA_BITS[k.type] + offset


def nearest(k: Body, x: Value, factor: float, offset: int) -> tuple[Value, Value]:
    """n = the integer nearest to x * factor, as a value whose low bits are n + offset, and as itself."""
    magic = _magic(k, offset)
    t = x + magic if factor == 1 else k.fma(x, factor, magic)
    return t, t - magic


def power(k: Body, t: Value) -> Value:
    """2**n where the low bits of t hold n + BIAS (n within the exponent range)."""
    return k.from_bits(k.bits_of(t) << MANTISSA_BITS[k.type])


def scale(k: Body, p: Value, t: Value) -> Value:
    """p * 2**n where the low bits of t hold n + 2 BIAS: two factors, so that only the last product rounds."""
    i = k.bits_of(t)
    half = i >> 1
    shift = MANTISSA_BITS[k.type]
    return p * k.from_bits(half << shift) * k.from_bits((i - half) << shift)


def wide(k: Body) -> bool:
    """Whether results may leave the normal range of the arithmetic."""
    return not (k.type == "double" and k.bits == 24)


def reduce(k: Body, x: Value, offset: int) -> tuple[Value, Value, Value]:
    """(t, n, r) with x = n log 2 + r."""
    hi, lo = CONSTANTS["ln2_" + k.type]
    t, n = nearest(k, x, LOG2E, offset)
    return t, n, k.fma(n, -lo, k.fma(n, -hi, x))


def expm1_reduced(k: Body, r: Value) -> Value:
    return k.fma(r * r, k.polynomial(k.table("expm1"), r), r)


def unscaled_exp(k: Body, x: Value, factor: Value | None = None) -> tuple[Value, Value]:
    """exp(x) as (p, t) for `scale`; a factor multiplies p, before any underflow."""
    t, _, r = reduce(k, x, 2 * BIAS[k.type])
    p = 1.0 + k.fma(r * r, k.polynomial(k.table("exp"), r), r)
    return (p if factor is None else p * factor), t


def exp(k: Body, x: Value) -> Value:
    low, high = RANGE[k.bits]
    x = k.at_least(k.at_most(x, high), low)
    if wide(k):
        return scale(k, *unscaled_exp(k, x))
    t, _, r = reduce(k, x, BIAS[k.type])
    return (1.0 + k.fma(r * r, k.polynomial(k.table("exp"), r), r)) * power(k, t)


def exp2(k: Body, x: Value) -> Value:
    high, low = (130.0, -152.0) if k.bits == 24 else (1026.0, -1080.0)
    x = k.at_least(k.at_most(x, high), low)
    t, n = nearest(k, x, 1, (2 if wide(k) else 1) * BIAS[k.type])
    r = x - n
    p = k.fma(k.polynomial(k.table("exp2"), r), r, 1.0)
    return scale(k, p, t) if wide(k) else p * power(k, t)


def expm1_bounded(k: Body, x: Value) -> Value:
    """expm1 where 2**n cannot overflow; loses the sign of -0."""
    t, _, r = reduce(k, x, BIAS[k.type])
    s = power(k, t)
    return k.fma(s, expm1_reduced(k, r), s - 1.0)


def expm1(k: Body, x: Value) -> Value:
    a = k.at_least(k.at_most(x, RANGE[k.bits][1]), -40.0)
    if wide(k):
        t, _, r = reduce(k, a, BIAS[k.type] - 1)
        s = power(k, t)
        y = k.fma(s, expm1_reduced(k, r), s - 0.5) * 2.0
    else:
        y = expm1_bounded(k, a)
    return k.select(k.abs(x) < 2.0**-60, x, y)


def sigmoid(k: Body, x: Value) -> Value:
    """Of e = exp(-|x|), so that the tail below -log(max) keeps its digits."""
    e = exp(k, -k.abs(x))
    return k.select(x < 0.0, e, 1.0) / (1.0 + e)


def tanh(k: Body, x: Value) -> Value:
    e = expm1_bounded(k, k.at_least(k.abs(x) * -2.0, -40.0))
    return k.copysign(e / (e + 2.0), x)


def _hyperbolic(k: Body, a: Value) -> tuple[Value, Value, Value, Value]:
    """(s + u, s - u, cosh r - 1, sinh r) with s = 2**n / 4 and u = 2**-n / 4: no division, no cancellation."""
    bias = BIAS[k.type]
    t, n, r = reduce(k, a, bias - 2)
    magic = _magic(k, bias - 2)
    s, u = power(k, t), power(k, magic - (k.at_most(n, 1000.0) if wide(k) else n))
    z = r * r
    return s + u, s - u, z * k.polynomial(k.table("cosh"), z), k.fma(r * z, k.polynomial(k.table("sinh"), z), r)


def sinh(k: Body, x: Value) -> Value:
    plus, minus, c, d = _hyperbolic(k, k.at_most(k.abs(x), 710.5 if wide(k) else 91.0))
    y = k.fma(minus, c, k.fma(plus, d, minus)) * 2.0
    return k.select(k.abs(x) < 2.0**-60, x, k.copysign(y, x))


def cosh(k: Body, x: Value) -> Value:
    plus, minus, c, d = _hyperbolic(k, k.at_most(k.abs(x), 710.5 if wide(k) else 91.0))
    return k.fma(minus, d, k.fma(plus, c, plus)) * 2.0
