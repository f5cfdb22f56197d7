"""fmod, remainder, hypot, nextafter, rsqrt."""

from __future__ import annotations

from .vmath_builder import INTEGER, SIGN_BIT, Body, Value

INF, NAN = float("inf"), float("nan")


def _modulo_unrolled(k: Body, a: Value, b: Value) -> Value:
    """|x| mod |y| of float32 operands: each step removes 51 of at most 277 quotient bits."""
    inverse = 1.0 / b
    r = a
    for _ in range(6):
        r = k.fma(-k.round(r * inverse), b, r)
    return r


def _modulo_loop(k: Body, a: Value, b: Value) -> Value:
    """The same for float64, whose quotients have up to 2098 bits: a loop, usually of one round.

    With q = a / b rounded to nearest, a - q b fits 53 bits, so the fma is exact.
    """
    k.lines += ["  br label %head", "head:"]
    at = len(k.lines)
    k.lines.append("")
    r = Value(k, "%r", "double")
    # Multiples of b keep the quotient finite; an infinite or NaN remainder leaves the loop.
    more = (k.abs(r) >= b) & (k.abs(r) < INF) & (b > 0.0)
    k.lines += [f"  br i1 {more.text}, label %step, label %done", "step:"]
    far, farther = b * 2.0**1000, b * 2.0**1000 * 2.0**1000
    divisor = k.select(k.abs(r) >= far, k.select(k.abs(r) >= farther, farther, far), b)
    r_next = k.fma(-k.round(r / divisor), divisor, r)
    k.lines += ["  br label %head", "done:"]
    k.lines[at] = f"  %r = phi double [ {a.text}, %entry ], [ {r_next.text}, %step ]"
    return k.select(k.abs(a) < INF, k.select(b.equals(0.0), NAN, r), NAN)


def fmod(k: Body, x: Value, y: Value) -> Value:
    """The exact remainder of x / y truncated, signed as x."""
    a, b = k.abs(x), k.abs(y)
    r = (_modulo_unrolled if k.bits == 24 else _modulo_loop)(k, a, b)
    r = k.select(r < 0.0, r + b, r)
    r = k.select(b.equals(INF) & (a < INF), a, r)
    return k.copysign(k.select(k.unordered(x, y), NAN, r), x)


def remainder(k: Body, x: Value, y: Value) -> Value:
    """Python's %: signed as y."""
    m = fmod(k, x, y)
    opposite = (m < 0.0) ^ (y < 0.0)
    return k.select(opposite & m.differs(0.0), m + y, m)


def hypot(k: Body, x: Value, y: Value) -> Value:
    a, b = k.abs(x), k.abs(y)
    if k.bits == 24:
        r = k.sqrt(k.fma(a, a, b * b))
    else:
        top, low = k.select(a > b, a, b), k.select(a > b, b, a)
        large, small = top > 2.0**500, top < 2.0**-400
        s = k.select(large, 2.0**-600, k.select(small, 2.0**600, 1.0))
        top, low = top * s, low * s
        r = k.sqrt(k.fma(top, top, low * low)) * k.select(
            large, 2.0**600, k.select(small, 2.0**-600, 1.0)
        )
    return k.select(a.equals(INF) | b.equals(INF), INF, r)


def nextafter(k: Body, x: Value, y: Value) -> Value:
    i = k.bits_of(x)
    one = k.value(1, INTEGER[k.type])
    outward = (y > x) ^ (i < 0)
    step = k.from_bits(k.select(outward, i + one, i - one))
    sign = k.bits_of(y) & SIGN_BIT[k.type]
    r = k.select(x.equals(0.0), k.from_bits(sign | one), step)
    r = k.select(x.equals(y), y, r)
    return k.select(k.unordered(x, y), NAN, r)


def rsqrt(k: Body, x: Value) -> Value:
    return 1.0 / k.sqrt(x)
