"""Logarithms and their relatives: log, log2, log10, log1p, asinh, acosh, atanh, logaddexp, pow.

x = 2**e m with m in [sqrt(1/2), sqrt(2)); f = m - 1 is exact.  For 24 bits log(1 + f) is a
polynomial in f; for 53 bits it uses s = f / (2 + f), in which 2 s + s**3 L(s**2) needs few terms
and loses little to rounding.
"""

from __future__ import annotations

from .vmath_builder import BIAS, MANTISSA_BITS, Body, Value
from .vmath_coefficients import CONSTANTS
from .vmath_exp import exp, exp2, exp_reduced, reduce, scale, wide

SQRT_HALF_BITS = {"float": 0x3F3504F3, "double": 0x3FE6A09E667F3BCD}
SMALLEST_NORMAL = {"float": 2.0**-126, "double": 2.0**-1022}
INF, NAN = float("inf"), float("nan")


def decompose(k: Body, x: Value, subnormal: bool) -> tuple[Value, Value]:
    """(e, m) of a positive finite x, e as a real; `subnormal` says whether x may be one."""
    digits, bias = MANTISSA_BITS[k.type], BIAS[k.type]
    origin: Value | float = bias
    if subnormal:
        small = x < SMALLEST_NORMAL[k.type]
        x = k.select(small, x * 2.0 ** (digits + 2), x)
    one = bias << digits
    i = k.bits_of(x) + (one - SQRT_HALF_BITS[k.type])
    m = k.from_bits((i & ((1 << digits) - 1)) + SQRT_HALF_BITS[k.type])
    raw = i >> digits
    if k.type == "float":
        if subnormal:
            origin = k.select(small, k.value(bias + digits + 2, "i32"), k.value(bias, "i32"))
        return k.to_real(raw - origin), m
    # No conversion from 64-bit integers below AVX-512: put the bits under the exponent of 2**52.
    if subnormal:
        origin = k.select(small, 2.0**52 + bias + digits + 2, 2.0**52 + bias)
    else:
        origin = 2.0**52 + bias
    return k.from_bits(raw | (0x433 << 52)) - origin, m


def domain(k: Body, x: Value, y: Value) -> Value:
    """y = log(x) completed at infinity, zero, negatives and NaN."""
    y = k.select(x < INF, y, x)
    y = k.select(x < 0.0, NAN, y)
    return k.select(x.equals(0.0), -INF, y)


def _tail(k: Body, f: Value) -> tuple[Value, Value]:
    """(h, c) with log(1 + f) = f - (h - c), h = f**2 / 2."""
    s = f / (f + 2.0)
    z = s * s
    h = f * f * 0.5
    return h, s * k.fma(k.polynomial(k.table("log"), z), z, h)


def _cubic(k: Body, f: Value) -> Value:
    """log(1 + f) = f - f**2 / 2 + f**3 P(f), in double for 24 bits."""
    return k.fma(f * f, k.fma(f, k.polynomial(k.table("log"), f), -0.5), f)


def log_of(k: Body, e: Value, f: Value) -> Value:
    """e log 2 + log(1 + f)."""
    hi, lo = CONSTANTS["ln2_" + k.type]
    if k.type == "float":
        g = f * f
        p = k.fma(e, lo, k.polynomial(k.table("log"), f) * f * g)
        return k.fma(e, hi, f + k.fma(g, -0.5, p))
    if k.bits == 24:
        return k.fma(e, hi + lo, _cubic(k, f))
    h, c = _tail(k, f)
    return k.fma(e, hi, f - (h - k.fma(e, lo, c)))


def log(k: Body, x: Value) -> Value:
    e, m = decompose(k, x, subnormal=wide(k))
    return domain(k, x, log_of(k, e, m - 1.0))


def _log_base(k: Body, x: Value, inverse: str, unit: str) -> Value:
    """log(x) / log(base), the products in two parts so that powers of the base come out exact."""
    e, m = decompose(k, x, subnormal=wide(k))
    f = m - 1.0
    (inv_hi, inv_lo), (unit_hi, unit_lo) = CONSTANTS[inverse], CONSTANTS[unit]
    if k.bits == 24:
        return domain(k, x, k.fma(e, unit_hi + unit_lo, _cubic(k, f) * inv_hi))
    h, c = _tail(k, f)
    top = f - h
    low = (f - top) - h + c
    p, p_low = k.two_product(top, inv_hi)
    p_low = p_low + k.fma(top, inv_lo, low * inv_hi)
    s, s_low = k.fast_two_sum(e * unit_hi, p)
    return domain(k, x, s + (s_low + k.fma(e, unit_lo, p_low)))


def log2(k: Body, x: Value) -> Value:
    return _log_base(k, x, "log2_e", "one")


def log10(k: Body, x: Value) -> Value:
    return _log_base(k, x, "log10_e", "log10_2")


def _log1p_finite(k: Body, u: Value, lost: Value, x: Value, extra: Value | None = None) -> Value:
    """log1p(x) + extra log 2 of a positive finite 1 + x = u + lost."""
    e, m = decompose(k, u, subnormal=False)
    f = m - 1.0
    if k.bits == 53:
        # What 1 + x lost, scaled by 2**-e, belongs to f; to a large x (whose 2**-e may not exist)
        # it is nothing.
        shrink = k.from_bits((BIAS["double"] << 52) - (k.bits_of(u) - k.bits_of(m)))
        f = k.select(u < 2.0**60, k.fma(lost, shrink, f), f)
    else:
        f = k.select(e.equals(0.0), x, f)
    return log_of(k, e if extra is None else e + extra, f)


def log1p_with(k: Body, x: Value, extra: Value | None = None) -> Value:
    """log1p(x) + extra log 2, signed as x."""
    u, lost = k.two_sum(1.0, x)
    return k.copysign(domain(k, u, _log1p_finite(k, u, lost, x, extra)), x)


def log1p(k: Body, x: Value) -> Value:
    return log1p_with(k, x)


def _large(k: Body, x: Value, y: Value) -> tuple[Value, Value | None]:
    """For y close to 2 x: (x, 1) where squares would overflow; log1p_with then gives log(2 x)."""
    if k.bits == 24:
        return y, None
    large = x > 2.0**60
    return k.select(large, x, y), k.select(large, 1.0, 0.0)


def asinh(k: Body, x: Value) -> Value:
    a = k.abs(x)
    z = a * a
    y = a + z / (1.0 + k.sqrt(z + 1.0))
    if k.bits == 24:
        y = k.select(a < INF, y, a)
    return k.copysign(log1p_with(k, *_large(k, a, y)), x)


def acosh(k: Body, x: Value) -> Value:
    t = x - 1.0
    y = t + k.sqrt(k.fma(t, t, t + t))
    return k.select(x < 1.0, NAN, log1p_with(k, *_large(k, x, y)))


def atanh(k: Body, x: Value) -> Value:
    a = k.abs(x)
    return k.copysign(log1p(k, (a + a) / (1.0 - a)) * 0.5, x)


def logaddexp(k: Body, x: Value, y: Value) -> Value:
    top = k.select(x > y, x, y)
    bottom = k.select(x > y, y, x)
    distance, low = k.fast_two_sum(bottom, -top)
    e = exp(k, k.select(x.equals(y), 0.0, distance))
    if k.bits == 53:
        # Where the sum is small beside its terms, what the difference lost shows.
        e = k.select(distance > -INF, k.fma(e, low, e), e)
    return k.select(k.unordered(x, y), NAN, top + _log1p_finite(k, *k.fast_two_sum(1.0, e), e))


def _log_pair(k: Body, x: Value) -> tuple[Value, Value]:
    """log of a positive x as an unevaluated sum, to about 2**-68."""
    e, m = decompose(k, x, subnormal=True)
    f = m - 1.0
    d = m + 1.0
    d_low = m - (d - 1.0)
    inverse = 1.0 / d
    s = f * inverse
    s_low = (k.fma(-s, d, f) - s * d_low) * inverse
    z, z_low = k.two_product(s, s)
    z_low = k.fma(s + s, s_low, z_low)
    # L(z) = 2/3 + z Q(z); only the first term needs two parts.
    third_hi, third_lo = CONSTANTS["two_thirds"]
    c, c_low = k.fast_two_sum(third_hi, z * k.polynomial(k.table("log_pair"), z))
    w, w_low = k.two_product(s, z)
    w_low = w_low + k.fma(s, z_low, s_low * z)
    q, q_low = k.two_product(w, c)
    q_low = q_low + k.fma(w, c_low + third_lo, w_low * c)
    hi, lo = CONSTANTS["ln2_double"]
    top, low = k.fast_two_sum(e * hi, s + s)
    top, low2 = k.fast_two_sum(top, q)
    return k.fast_two_sum(top, (low + low2) + ((s_low + s_low) + k.fma(e, lo, q_low)))


def _power_pair(k: Body, x: Value, y: Value) -> Value:
    """x**y for positive finite x, in float64."""
    top, low = _log_pair(k, x)
    a, a_low = k.two_product(y, top)
    a_low = k.fma(y, low, a_low)
    inside = k.abs(a) < 746.0
    a = k.at_least(k.at_most(a, 746.0), -746.0)
    a_low = k.select(inside, a_low, 0.0)
    t, _, r, r_low = reduce(k, a, 2 * BIAS["double"])
    return scale(k, exp_reduced(k, *k.fast_two_sum(r, r_low + a_low)), t)


def _power_double(k: Body, x: Value, y: Value) -> Value:
    """x**y for positive x, to float32's accuracy."""
    e, m = decompose(k, x, subnormal=False)
    f = m - 1.0
    s = f / (f + 2.0)
    z = s * s
    log_m = k.fma(s * z, k.polynomial(k.table("log_power"), z), s + s)
    return exp2(k, y * k.fma(log_m, CONSTANTS["log2_e"][0], e))


def pow(k: Body, x: Value, y: Value) -> Value:
    """With C's rules for signs, zeros, infinities and NaN."""
    a = k.abs(x)
    r = (_power_pair if k.bits == 53 else _power_double)(k, a, y)
    grows = y > 0.0
    edge = a.equals(0.0) | a.equals(INF)
    r = k.select(edge, k.select(a.equals(0.0) ^ grows, INF, 0.0), r)
    r = k.select(k.abs(y).equals(INF), k.select((a > 1.0) ^ grows, 0.0, INF), r)
    r = k.select(k.abs(y).equals(INF) & a.equals(1.0), 1.0, r)
    whole = k.round(y).equals(y)
    half = y * 0.5
    odd = whole & half.differs(k.round(half))
    negative = k.bits_of(x) < 0
    r = k.select(negative & odd, -r, r)
    r = k.select((x < 0.0) & (x > -INF) & k.negate(whole), NAN, r)
    r = k.select(k.unordered(x, y), NAN, r)
    return k.select(x.equals(1.0) | y.equals(0.0), 1.0, r)
