"""The gamma family on float64 arrays: zeta, polygamma, incomplete gamma, and erf's scaled kin."""

import math

import numpy as np

from .special import erfc, erfinv, lgamma

# Bernoulli numbers B_2k over (2k)!, for Euler-Maclaurin.
_EULER_MACLAURIN = [
    b / math.factorial(2 * k)
    for k, b in enumerate(
        (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
         -174611 / 330, 854513 / 138, -236364091 / 2730),
        start=1,
    )
]  # fmt: skip


def zeta(x, q):
    """Hurwitz zeta, sum of (k + q)^-x; q <= 0: a pole at integers, NaN unless x is an integer."""
    usable = (x > 1) & ((q > 0) | (q != np.floor(q)) & (x == np.floor(x)))
    s, a = np.where(usable, x, 2.0), np.where(usable, q, 1.0)
    s, a = np.broadcast_arrays(s, a)
    total = np.zeros(np.shape(s))
    steps = 12 + max(0, int(-np.floor(a.min(initial=0))))
    for k in range(min(steps, 100_000)):
        total = total + (a + k) ** -s
    b = a + steps
    total = total + b ** (1 - s) / (s - 1) + 0.5 * b**-s
    rising, power = s, b ** (-s - 1)
    for k, factor in enumerate(_EULER_MACLAURIN, start=1):
        total = total + factor * rising * power
        rising, power = rising * (s + 2 * k - 1) * (s + 2 * k), power / (b * b)
    pole = (x == 1) | (x > 1) & (q <= 0) & (q == np.floor(q))
    out = np.where(usable, total, np.where(pole, np.inf, np.nan))
    return np.where(np.isnan(x) | np.isnan(q), np.nan, out)


def polygamma(n, x):
    """Derivative of order n + 1 >= 2 of lgamma."""
    sign = np.where(n % 2 == 1, 1.0, -1.0)
    return sign * np.exp(lgamma(n + 1)) * zeta(n + 1, x)


# ---------------------------------------------------------------------- incomplete gamma
def _prefactor(a, x):
    """x^a exp(-x) / Gamma(a + 1); the logarithm is taken of x / a where both are large."""
    big = a > 20
    d = np.where(big, (x - a) / np.where(big, a, 1), 0)
    stirling = 1 / (12 * a) - 1 / (360 * a**3) + 1 / (1260 * a**5) - 1 / (1680 * a**7)
    near = np.exp(a * (np.log1p(d) - d) - stirling) / np.sqrt(2 * np.pi * a)
    return np.where(big, near, np.exp(a * np.log(x) - x - lgamma(a + 1)))


def _lower_series(a, x):
    """P(a, x) by its power series, for x up to about a."""
    term = total = np.ones_like(x)
    n = 1
    while n < 5000 and np.any(np.abs(term) > 1e-17 * np.abs(total)):
        term = term * x / (a + n)
        total, n = total + term, n + 1
    return total * _prefactor(a, x)


def _upper_fraction(a, x):
    """Q(a, x) by Legendre's continued fraction (Lentz's method), for x above a + 1."""
    tiny = 1e-300
    b = x + 1 - a
    c, d = np.full_like(x, 1 / tiny), 1 / b
    total, n = d, 1
    change = np.full_like(x, np.inf)
    while n < 5000 and np.any(np.abs(change - 1) > 1e-15):
        factor = -n * (n - a)
        b = b + 2
        d = factor * d + b
        d = 1 / np.where(np.abs(d) < tiny, tiny, d)
        c = b + factor / c
        c = np.where(np.abs(c) < tiny, tiny, c)
        change = c * d
        total, n = total * change, n + 1
    return total * _prefactor(a, x) * a


def _incomplete(a, x):
    """(P, Q), the regularised lower and upper incomplete gamma functions, for a > 0, x > 0."""
    small = x < a + 1
    series = _lower_series(a, np.where(small, x, 0.5 * a))
    fraction = _upper_fraction(np.where(small, 1.0, a), np.where(small, 3.0, x))
    return np.where(small, series, 1 - fraction), np.where(small, 1 - series, fraction)


def _regularised(a, x, upper):
    a, x = np.broadcast_arrays(a, x)
    usable = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    safe_a, safe_x = np.where(usable, a, 1.0), np.where(usable, x, 1.0)
    out = _incomplete(safe_a, safe_x)[1 if upper else 0]
    low = ((x == 0) & (a > 0)) | (np.isinf(a) & np.isfinite(x) & (a > 0) & (x >= 0))
    high = (np.isinf(x) & (x > 0) & np.isfinite(a) & (a >= 0)) | ((a == 0) & (x > 0))
    out = np.where(low, 1.0 if upper else 0.0, out)
    out = np.where(high, 0.0 if upper else 1.0, out)
    return np.where(usable | low | high, out, np.nan)


def igamma(a, x):
    return _regularised(a, x, False)


def igammac(a, x):
    return _regularised(a, x, True)


# ----------------------------------------------------------------------- normal distribution
def erfcx(x):
    """exp(x^2) erfc(x): directly up to 3, beyond by Laplace's continued fraction."""
    near = np.where(x < 3, x, 0.0)
    direct = np.exp(near * near) * erfc(near)
    far = np.where(x < 3, 3.0, x)
    fraction = far
    for k in range(100, 0, -1):
        fraction = far + 0.5 * k / fraction
    out = np.where(x < 3, direct, 1 / (fraction * math.sqrt(math.pi)))
    return np.where(np.isnan(x), x, out)


def log_ndtr(x):
    """Logarithm of the normal distribution function."""
    low = np.where(x < -1, x, -1.0)
    tail = np.log(erfcx(-low * math.sqrt(0.5)) / 2) - low * low / 2
    high = np.where(x < -1, 0.0, x)
    return np.where(x < -1, tail, np.log1p(-erfc(high * math.sqrt(0.5)) / 2))


def ndtri(p):
    """Inverse of the normal distribution function: erfinv, in the tails Newton on log_ndtr."""
    inside = (p > 0) & (p < 1)
    q = np.where(inside, p, 0.5)
    tail = np.minimum(q, 1 - q)
    middle = erfinv(2 * q - 1) * math.sqrt(2)
    goal = np.log(np.where(tail < 0.05, tail, 0.05))
    y = -np.sqrt(-2 * goal)
    for _ in range(8):
        value = log_ndtr(y)
        slope = np.exp(-y * y / 2 - value) / math.sqrt(2 * math.pi)
        y = y - (value - goal) / slope
    out = np.where(tail < 0.05, np.where(q < 0.5, y, -y), middle)
    ends = np.where(p == 0, -np.inf, np.where(p == 1, np.inf, np.nan))
    return np.where(inside, out, ends)


TABLE = {
    "zeta": zeta,
    "polygamma": polygamma,
    "igamma": igamma,
    "igammac": igammac,
    "erfcx": erfcx,
    "log_ndtr": log_ndtr,
    "ndtri": ndtri,
}
