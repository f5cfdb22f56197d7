"""Special functions NumPy lacks, on arrays; float64 inside, result in the operand's dtype."""

import math

import numpy as np


def _by_element(function):
    vectorised = np.vectorize(function, otypes=[np.float64])

    def rule(x):
        x = np.asarray(x)
        if x.size == 0:
            return x.copy()
        return vectorised(x.astype(np.float64)).astype(x.dtype)

    return rule


erf = _by_element(math.erf)
erfc = _by_element(math.erfc)
normal_cdf = _by_element(lambda v: 0.5 * math.erfc(v * -math.sqrt(0.5)))


def _lgamma(v):
    if math.isinf(v):
        return math.inf
    if v <= 0 and v == math.floor(v):
        return math.inf
    return math.lgamma(v)


lgamma = _by_element(_lgamma)


def digamma(x):
    """Recurrence up to x >= 10, then the asymptotic series; reflection for negative x."""
    given = np.asarray(x)
    x = given.astype(np.float64)
    negative = x < 0
    poles = negative & (x == np.floor(x))
    y = np.where(negative, 1 - x, x)
    shift = np.zeros_like(y)
    for _ in range(10):
        small = y < 10
        shift = np.where(small, shift - 1 / np.where(small, y, 1), shift)
        y = np.where(small, y + 1, y)
    z = 1 / (y * y)
    series = z * (
        1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z * (1 / 132 - z * 691 / 32760))))
    )
    out = np.log(y) - 0.5 / y - series + shift
    out = np.where(negative, out - np.pi / np.tan(np.pi * np.where(negative, x, 0.5)), out)
    out = np.where(poles, np.nan, out)
    out = np.where(given == 0, np.copysign(np.inf, -x), out)
    return out.astype(given.dtype)


def trigamma(x):
    """Second derivative of lgamma; same scheme as digamma."""
    given = np.asarray(x)
    x = given.astype(np.float64)
    reflect = x < 0.5
    y = np.where(reflect, 1 - x, x)
    total = np.zeros_like(y)
    for _ in range(10):
        small = y < 10
        total = np.where(small, total + 1 / np.where(small, y * y, 1), total)
        y = np.where(small, y + 1, y)
    z = 1 / (y * y)
    total += (
        1 / y + z / 2 + z / y * (1 / 6 - z * (1 / 30 - z * (1 / 42 - z * (1 / 30 - z * 5 / 66))))
    )
    reflected = (np.pi / np.sin(np.pi * x)) ** 2 - total
    return np.where(reflect, reflected, total).astype(given.dtype)


def erfinv(x):
    """Winitzki's start, then Newton steps on erf (or erfc near the ends) in float64."""
    given = np.asarray(x)
    x = given.astype(np.float64)
    inside = np.abs(x) < 1
    v = np.where(inside, x, 0.0)
    logarithm = np.log1p(-v * v)
    t = 2 / (np.pi * 0.147) + logarithm / 2
    y = np.copysign(np.sqrt(np.sqrt(t * t - logarithm / 0.147) - t), v)
    for _ in range(3):
        error = np.where(
            np.abs(v) > 0.5, np.copysign(1, v) * ((1 - np.abs(v)) - erfc(np.abs(y))), erf(y) - v
        )
        y = y - error / (2 / np.sqrt(np.pi) * np.exp(-y * y))
    out = np.where(inside, y, np.where(np.abs(x) == 1, np.copysign(np.inf, x), np.nan))
    return out.astype(given.dtype)


TABLE = {"trigamma": trigamma}
