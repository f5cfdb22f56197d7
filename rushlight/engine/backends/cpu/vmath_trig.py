"""sin, cos, tan for every finite argument, and asin, acos, atan, atan2.

The reduction multiplies by 1/(2 pi) and drops whole turns before anything is rounded (Payne and
Hanek 1983), without a branch or a table in memory.  For float32 the constant is cut into 29-bit
pieces whose products with a 24-bit x are exact in double, and all of them are used; for float64 six
comparisons choose four pieces of 52 bits out of 1170 bits by successive selects.
"""

from __future__ import annotations

from .vmath_builder import Body, Value
from .vmath_coefficients import CONSTANTS
from .vmath_exp import nearest

TAN_PI_8, TAN_3PI_8 = 0.41421356237309503, 2.414213562373095
PI_HI, PI_LO = CONSTANTS["pi"]
HALF_PI_HI, HALF_PI_LO = PI_HI / 2, PI_LO / 2


def _fraction(k: Body, x: Value) -> Value:
    """x minus the nearest integer; exact."""
    return x - k.round(x)


def _turns_single(k: Body, x: Value, per_turn: int, offset: float) -> tuple[Value, Value]:
    *pieces, last = CONSTANTS["turn_29"]
    parts = [_fraction(k, x * piece) for piece in pieces]
    rough = parts[0]
    for part in parts[1:]:
        rough = rough + part
    v = rough * float(per_turn)
    t, n = nearest(k, v if offset == 0 else v + offset, 1, 0)
    # Added again after the subtraction, largest first: what cancels is then exact.
    f = k.fma(n if offset == 0 else n - offset, -1.0 / per_turn, parts[0])
    for part in parts[1:]:
        f = f + part
    return k.fma(x, last, f), t


def _pieces_double(k: Body, x: Value) -> tuple[Value, list[Value]]:
    """x * 2**(-26 i) below 2**78, and pieces i, i + 2, i + 4, i + 6 of 1/(2 pi), 26 bits apart.

    Earlier pieces only add whole turns; the four that remain reach 2**-134.
    """
    bits = []
    for level in (32, 16, 8, 4, 2, 1):
        bit = k.abs(x) >= 2.0 ** (52 + 26 * level)
        x = k.select(bit, x * 2.0 ** (-26 * level), x)
        bits.append(bit)
    table = CONSTANTS["turn_52"]
    window = [
        k.select(bits[5], odd, even) for even, odd in zip(table[::2], table[1::2], strict=True)
    ]
    for level, bit in zip((16, 8, 4, 2, 1), bits, strict=False):
        moved = min(3 + level, len(window) - level)
        shifted = [k.select(bit, window[j + level], window[j]) for j in range(moved)]
        window = shifted + window[moved : 3 + level]
    return x, window[:4]


def _turns_double(k: Body, x: Value, per_turn: int) -> tuple[tuple[Value, Value], Value]:
    x, (c0, c1, c2, c3) = _pieces_double(k, x)
    p0, e0 = k.two_product(x, c0)
    p1, e1 = k.two_product(x * 2.0**-52, c1)
    p2, e2 = k.two_product(x * 2.0**-104, c2)
    p0, e0, p1 = _fraction(k, p0), _fraction(k, e0), _fraction(k, p1)
    rough = (p0 + e0) + p1
    t, n = nearest(k, rough, float(per_turn), 0)
    s, low = k.two_sum(p0, n * (-1.0 / per_turn))
    rest = k.fma(x * 2.0**-156, c3, e2) + low
    for term in (e0, p1, p2, e1):
        s, low = k.two_sum(s, term)
        rest = rest + low
    return k.fast_two_sum(s, rest), t


def _radians(k: Body, turn: tuple[Value, Value]) -> tuple[Value, Value]:
    hi, lo = CONSTANTS["two_pi"]
    r, r_low = k.two_product(turn[0], hi)
    return r, r_low + k.fma(turn[0], lo, turn[1] * hi)


def _flip(k: Body, y: Value, i: Value) -> Value:
    """y negated where i is odd."""
    return k.from_bits(k.bits_of(y) ^ (i << 63))


def _sin_turns(k: Body, f: Value) -> Value:
    """sin(2 pi f) for |f| <= 1/4."""
    return f * k.polynomial(k.table("sin_turn"), f * f)


def sin_pi(k: Body, f: Value) -> Value:
    """sin(pi f) for |f| <= 1/2."""
    if k.bits == 24:
        return _sin_turns(k, f * 0.5)
    r, low = k.two_product(f, PI_HI)
    return _sin_radians(k, r, k.fma(f, PI_LO, low))


def _sin_radians(k: Body, r: Value, low: Value) -> Value:
    z = r * r
    slope = k.fma(z, k.fma(z, 1 / 24, -0.5), 1.0)
    return r + k.fma(r * z, k.polynomial(k.table("sin"), z), low * slope)


def _sine(k: Body, x: Value, quarter_turns: int) -> Value:
    """The sine so many quarter turns after x."""
    if k.bits == 24:
        # Half integers in units of half a turn: the subtraction stays exact.
        f, t = _turns_single(k, x, 2, quarter_turns * 0.5)
        return _flip(k, _sin_turns(k, f), k.bits_of(t))
    turn, t = _turns_double(k, x, 4)
    s, c = _sin_cos_quarter(k, *_radians(k, turn))
    quadrant = k.bits_of(t) + quarter_turns
    return _flip(k, k.select((quadrant & 1).equals(1), c, s), quadrant >> 1)


def sin(k: Body, x: Value) -> Value:
    return k.select(k.abs(x) < 2.0**-27, x, _sine(k, x, 0))


def cos(k: Body, x: Value) -> Value:
    return _sine(k, x, 1)


def _sin_cos_quarter(k: Body, r: Value, low: Value) -> tuple[Value, Value]:
    z = r * r
    h = z * 0.5
    s = r + k.fma(r * z, k.polynomial(k.table("sin_quarter"), z), k.fma(low, -h, low))
    w = 1.0 - h
    rest = ((1.0 - w) - h) + k.fma(z * z, k.polynomial(k.table("cos_quarter"), z), -(r * low))
    return s, w + rest


def tan(k: Body, x: Value) -> Value:
    if k.bits == 24:
        f, t = _turns_single(k, x, 4, 0.0)
        p, q = k.table("tan_turn"), k.table("tan_turn_den")
        z = f * f
        s, c = f * k.polynomial(p, z), k.polynomial(q, z)
    else:
        turn, t = _turns_double(k, x, 4)
        s, c = _sin_cos_quarter(k, *_radians(k, turn))
    odd = (k.bits_of(t) & 1).equals(1)
    y = k.select(odd, -c, s) / k.select(odd, s, c)
    return k.select(k.abs(x) < 2.0**-27, x, y)


def _arc(k: Body, x: Value) -> tuple[Value, Value, Value, Value]:
    """(|x| > 1/2, s, s**2, asin(s) - s); s is |x|, or sqrt((1 - |x|) / 2) above 1/2."""
    a = k.abs(x)
    large = a > 0.5
    z = k.select(large, k.fma(a, -0.5, 0.5), a * a)
    s = k.select(large, k.sqrt(z), a)
    return large, s, z, s * z * k.polynomial(k.table("asin"), z)


def asin(k: Body, x: Value) -> Value:
    large, s, z, rest = _arc(k, x)
    top, low = k.fast_two_sum(HALF_PI_HI, s * -2.0)
    far = top + (low + k.fma(rest, -2.0, HALF_PI_LO))
    return k.copysign(k.select(large, far, s + rest), x)


def acos(k: Body, x: Value) -> Value:
    large, s, z, rest = _arc(k, x)
    signed = k.copysign(1.0, x)
    near = HALF_PI_HI - (x - k.fma(rest, -signed, HALF_PI_LO))
    top, low = k.fast_two_sum(PI_HI, s * -2.0)
    below = top + (low + k.fma(rest, -2.0, PI_LO))
    return k.select(large, k.select(x < 0.0, below, (s + rest) * 2.0), near)


def _arctangent(k: Body, a: Value, b: Value) -> Value:
    """atan(a / b) for a, b >= 0, with one division: b = 1 for atan."""
    middle, steep = a > b * TAN_PI_8, a > b * TAN_3PI_8
    num = k.select(steep, -b, k.select(middle, a - b, a))
    den = k.select(steep, a, k.select(middle, a + b, b))
    t = num / k.select(den.equals(0.0), 1.0, den)
    base = k.select(steep, HALF_PI_HI, k.select(middle, HALF_PI_HI / 2, 0.0))
    low = k.select(steep, HALF_PI_LO, k.select(middle, HALF_PI_LO / 2, 0.0))
    z = t * t
    return base + (t + k.fma(t * z, k.polynomial(k.table("atan"), z), low))


def atan(k: Body, x: Value) -> Value:
    return k.copysign(_arctangent(k, k.abs(x), k.value(1.0)), x)


def atan2(k: Body, y: Value, x: Value) -> Value:
    a, b = k.abs(y), k.abs(x)
    both = a.equals(float("inf")) & b.equals(float("inf"))
    a, b = k.select(both, 1.0, a), k.select(both, 1.0, b)
    if k.bits == 53:
        top = k.select(a > b, a, b)
        s = k.select(top > 2.0**1000, 2.0**-100, k.select(top < 2.0**-900, 2.0**200, 1.0))
        a, b = a * s, b * s
    r = _arctangent(k, a, b)
    r = k.select(k.bits_of(x) < 0, (PI_HI - r) + PI_LO, r)
    return k.copysign(r, y)
