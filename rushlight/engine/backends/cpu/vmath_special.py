"""erf, erfc, erfinv, lgamma, digamma and the modified Bessel function i0.

Each is a rational or polynomial fit on one or two intervals, joined by a select; where both sides
are quotients, numerator and denominator are selected before the one division.
"""

from __future__ import annotations

import math

from .vmath_builder import BIAS, Body, Value
from .vmath_coefficients import CONSTANTS
from .vmath_exp import nearest, power, scale, unscaled_exp
from .vmath_log import INF, NAN, log
from .vmath_trig import PI_HI, sin_pi


def _rational(k: Body, name: str, x: Value) -> tuple[Value, Value]:
    return k.polynomial(k.table(name), x), k.polynomial(k.table(name + "_den"), x)


def _erf_small(k: Body, x: Value) -> Value:
    return k.fma(x, k.polynomial(k.table("erf_small"), x * x), x)


def _erfc_large(k: Body, a: Value) -> Value:
    """exp(-a**2) times erfcx(a); the square in two parts, the product before any underflow."""
    a = k.at_most(a, 10.5 if k.bits == 24 else 27.5)
    d = a + 3.0
    t = 1.0 / d
    factor = t * k.polynomial(k.table("erfcx"), t)
    if k.bits == 53:
        # t is off by a factor 1 + wrong, which counts two to three times;
        # erfcx' = 2 a erfcx - 2 / sqrt(pi).
        wrong = k.fma(-d, t, 1.0) - t * (a - (d - 3.0))
        factor = k.fma(k.fma(a + a, -factor, CONSTANTS["erfcx_slope"][0]) * d, wrong, factor)
    square, low = k.two_product(a, a)
    return scale(k, *unscaled_exp(k, -square, k.fma(-factor, low, factor)))


def erf(k: Body, x: Value) -> Value:
    a = k.abs(x)
    if k.bits == 24:
        a = k.at_most(a, 4.0)  # where erf rounds to 1; erfc(a) = 2 ** (a h(a))
        e = a * k.polynomial(k.table("erf_far"), a)
        t, n = nearest(k, e, 1, BIAS[k.type])
        r = e - n
        far = k.fma(-k.fma(k.polynomial(k.table("erf_exp2"), r), r, 1.0), power(k, t), 1.0)
        return k.select(a < 0.68, _erf_small(k, x), k.copysign(far, x))
    return k.select(a < 1.0, _erf_small(k, x), k.copysign(1.0 - _erfc_large(k, a), x))


def erfc(k: Body, x: Value) -> Value:
    a = k.abs(x)
    y = _erfc_large(k, a)
    return k.select(a < 0.5, 1.0 - _erf_small(k, x), k.select(x < 0.0, 2.0 - y, y))


def normal_cdf(k: Body, x: Value) -> Value:
    """(1 + erf(x / sqrt(2))) / 2, no more accurate than a sum of the two is: erf alone would need
    a fit of its own around 0."""
    if k.bits == 53:
        return k.fma(erf(k, x * math.sqrt(0.5)), 0.5, 0.5)
    a = k.abs(x)
    e = k.fma(a, k.polynomial(k.table("normal_far"), a), -1.0)  # log2 of the smaller side
    t, n = nearest(k, e, 1, BIAS[k.type])
    r = e - n
    side = k.fma(k.polynomial(k.table("normal_exp2"), r), r, 1.0) * power(k, t)
    side = k.select(k.value(5.8) <= a, 0.0, side)  # where 1 - side rounds to 1
    return k.select(x < 0.0, side, 1.0 - side)


def erfinv(k: Body, x: Value) -> Value:
    a = k.abs(x)
    p, q = _rational(k, "erfinv", k.fma(x, x, -0.5625))
    t = k.sqrt(-log(k, 1.0 - a))
    p_tail, q_tail = _rational(k, "erfinv_tail", t)
    central = a < 0.75
    ratio = k.select(central, p, p_tail) / k.select(central, q, q_tail)
    y = k.select(central, k.fma(a, ratio, a), t - ratio)
    return k.copysign(k.select(a.equals(1.0), INF, y), x)


def _reflected(k: Body, x: Value) -> tuple[Value, Value, Value]:
    """(x < 1/2, x or 1 - x, distance of x to the nearest integer)."""
    return x < 0.5, k.select(x < 0.5, 1.0 - x, x), x - k.round(x)


def lgamma(k: Body, x: Value) -> Value:
    """Accurate to ULP of its larger term near the zeros between negative integers."""
    low, y, f = _reflected(k, x)
    p, q = _rational(k, "lgamma", y)
    near = k.fma((y - 1.0) * (y - 2.0), p / q + 0.4, 0.0)  # + 0 makes lgamma(1) a positive zero
    inverse = 1.0 / y
    series = k.polynomial(k.table("lgamma_series"), inverse * inverse)
    far = k.fma(y - 0.5, log(k, y) - 1.0, k.fma(series, inverse, CONSTANTS["lgamma_offset"][0]))
    value = k.select(y < 4.0, near, far)
    value = k.select(y < INF, value, y)
    # log(pi / |sin(pi f)|) is log(1 / |f|) while f is tiny (and pi f could be subnormal).
    g = k.abs(f)
    tiny = g < 2.0**-60
    log_pi = k.select(tiny, 0.0, CONSTANTS["log_pi"][0])
    mirrored = log_pi - log(k, k.select(tiny, g, sin_pi(k, g))) - value
    mirrored = k.select(g.equals(0.0), INF, mirrored)
    value = k.select(low, mirrored, value)
    return k.select(k.abs(x).equals(INF), INF, value)


def digamma(k: Body, x: Value) -> Value:
    low, y, f = _reflected(k, x)
    p, q = _rational(k, "digamma", y)
    root, root_low = CONSTANTS["digamma_root"]
    near = ((y - root) - root_low) * (p / (q * y) + 0.75)
    inverse = 1.0 / y
    z = inverse * inverse
    far = log(k, y) - k.fma(k.polynomial(k.table("digamma_series"), z), z, inverse * 0.5)
    value = k.select(y < 4.0, near, far)
    sine = sin_pi(k, f)
    cosine = sin_pi(k, 0.5 - k.abs(f))
    mirrored = value - cosine / sine * PI_HI
    value = k.select(low, mirrored, value)
    value = k.select((x < 0.0) & k.round(x).equals(x), NAN, value)
    return k.select(x.equals(0.0), k.copysign(INF, -x), value)


def i0(k: Body, x: Value) -> Value:
    a = k.abs(x)
    small = a < 8.0
    near = k.polynomial(k.table("i0"), k.at_most(a * a, 64.0))
    b = k.at_least(k.at_most(a, 92.0 if k.bits == 24 else 715.0), 8.0)
    p = k.polynomial(k.table("i0_tail"), 1.0 / b - 0.0625)
    far = scale(k, *unscaled_exp(k, b, p / k.sqrt(b)))
    # NaN at infinity, as in SciPy and PyTorch.
    return k.select(a.equals(INF), NAN, k.select(small, near, far))
