"""Bessel and Airy functions on float64 arrays.

Small arguments: power series (all terms of one sign) or Neumann series over J_n by Miller's
backward recurrence.  Large ones: Hankel's asymptotic series.  In between: the integral
representations, whose trapezoidal sums converge geometrically (Trefethen, Weideman 2014).
"""

import numpy as np

EULER = 0.57721566490153286


def _series_i(q, order):
    """sum of q^k / (k! (k + order)!), q = (x / 2) ** 2 up to 225."""
    term = total = np.ones_like(q)
    for k in range(1, 75):
        term = term * q / (k * (k + order))
        total = total + term
    return total


def _hankel(x, order, alternate):
    """The sums over even and odd terms of Hankel's series at x, terms divided by alternating signs
    where `alternate` is true: (P, Q) of Abramowitz, Stegun 9.2.9."""
    mu, term = 4.0 * order * order, np.ones_like(x)
    even, odd = np.ones_like(x), np.zeros_like(x)
    for k in range(1, 26):
        term = term * (mu - (2 * k - 1) ** 2) / (k * 8 * x)
        sign = -1 if alternate and k // 2 % 2 else 1
        if k % 2:
            odd = odd + sign * term
        else:
            even = even + sign * term
    return even, odd


def _scaled_i(x, order):
    """exp(-|x|) I_order(x) for order 0 and 1."""
    size = np.abs(x)
    small = np.where(size < 30, size, 0)
    series = _series_i((small / 2) ** 2, order) * np.exp(-small)
    large = np.where(size < 30, 30.0, size)
    even, odd = _hankel(large, order, False)
    asymptotic = (even - odd) / np.sqrt(2 * np.pi * large)
    out = np.where(size < 30, series * (small / 2 if order else 1), asymptotic)
    return np.where(x < 0, -out, out) if order else out


def i0e(x):
    return _scaled_i(x, 0)


def i1e(x):
    return _scaled_i(x, 1)


def i0(x):
    size = np.abs(x)
    half = np.exp(size / 2)
    return i0e(x) * half * half


def i1(x):
    half = np.exp(np.abs(x) / 2)
    return i1e(x) * half * half


def _cosh_integral(x, order):
    """exp(x) K_order(x) as the integral of exp(-x (cosh t - 1)) cosh(order t), for x >= 1."""
    step, total = 0.125, 0.5 * np.ones_like(x)
    for k in range(1, 61):
        t = k * step
        total = total + np.exp(-x * (2 * np.sinh(t / 2) ** 2)) * np.cosh(order * t)
    return total * step


def _small_k(x):
    """(K_0, K_1) by power series for 0 < x < 1."""
    q = (x / 2) ** 2
    log = np.log(x / 2) + EULER
    k0, k1 = -log * _series_i(q, 0), 1 / x + log * (x / 2) * _series_i(q, 1)
    term0, term1, harmonic = np.ones_like(x), np.ones_like(x), 0.0
    for k in range(1, 25):
        k1 = k1 - (x / 4) * term1 * (2 * harmonic + 1 / k)
        term0, harmonic = term0 * q / (k * k), harmonic + 1 / k
        term1 = term1 * q / (k * (k + 1))
        k0 = k0 + term0 * harmonic
    return k0, k1


def _scaled_k(x, order):
    """exp(x) K_order(x); inf at 0, NaN for negative x."""
    inside = x > 0
    small = np.where(inside & (x < 1), x, 0.5)
    near = _small_k(small)[order] * np.exp(small)
    middle = _cosh_integral(np.clip(x, 1.0, 30.0), order)
    large = np.where(x > 30, x, 30.0)
    far = sum(_hankel(large, order, False)) * np.sqrt(np.pi / (2 * large))
    out = np.where(x < 1, near, np.where(x <= 30, middle, far))
    return np.where(inside, out, np.where(x == 0, np.inf, np.nan))


def k0e(x):
    return _scaled_k(x, 0)


def k1e(x):
    return _scaled_k(x, 1)


def k0(x):
    return k0e(x) * np.exp(-x)


def k1(x):
    return k1e(x) * np.exp(-x)


# ------------------------------------------------------------------------------- J and Y
def _miller(x):
    """(J_0, J_1, sum for Y_0, sum for Y_1) for 0 < x <= 25, by recurrence from order 90 down."""
    above, here = np.zeros_like(x), np.full_like(x, 1e-290)
    total = np.zeros_like(x)
    y0 = np.zeros_like(x)
    y1 = np.zeros_like(x)
    first = np.zeros_like(x)
    for n in range(90, 0, -1):  # here is J_n, unnormalised
        k, odd = divmod(n, 2)
        sign = -1.0 if k % 2 else 1.0
        if odd:
            y1 = y1 + (sign * (2 * k + 1) / (k * (k + 1)) * here if k else 0)
        else:
            total, y0 = total + 2 * here, y0 + sign / k * here
        first = here
        above, here = here, 2 * n / x * here - above
        big = np.abs(here) > 1e250
        if big.any():
            shrink = np.where(big, 1e-250, 1.0)
            above, here, first = above * shrink, here * shrink, first * shrink
            total, y0, y1 = total * shrink, y0 * shrink, y1 * shrink
    total = total + here
    return here / total, first / total, y0 / total, y1 / total


def _oscillating(x, order, second):
    """J (or Y, where second) of order 0 or 1 for x > 25."""
    even, odd = _hankel(x, order, True)
    c, s = np.cos(x), np.sin(x)
    # cos and sin of x - (2 * order + 1) pi / 4 from those of x, which keeps their accuracy
    chi_c, chi_s = ((c + s), (s - c)) if order == 0 else ((s - c), (-c - s))
    wave = even * chi_s + odd * chi_c if second else even * chi_c - odd * chi_s
    return wave / np.sqrt(np.pi * x)


def _j(x, order):
    size = np.abs(x)
    near = (size > 1e-8) & (size <= 25)
    small = _miller(np.where(near, size, 1.0))[order]
    small = np.where(size <= 1e-8, size / 2 if order else 1.0, small)
    large = _oscillating(np.where(size > 25, size, 26.0), order, False)
    out = np.where(np.isfinite(x), np.where(size <= 25, small, large), np.nan)
    return np.where(x < 0, -out, out) if order else out


def j0(x):
    return _j(x, 0)


def j1(x):
    return _j(x, 1)


def _y(x, order):
    inside = x > 0
    near = np.where(inside & (x <= 25), x, 1.0)
    tiny = near < 1e-8
    j_0, j_1, sum0, sum1 = _miller(np.where(tiny, 1.0, near))
    log = np.log(near / 2) + EULER
    if order == 0:
        small = 2 / np.pi * np.where(tiny, log, log * j_0 - 2 * sum0)
    else:
        regular = (log - 1) * j_1 - sum1 - j_0 / near
        small = 2 / np.pi * np.where(tiny, -1 / near, regular)
    large = _oscillating(np.where(x > 25, x, 26.0), order, True)
    out = np.where(np.isfinite(x), np.where(x <= 25, small, large), np.nan)
    return np.where(inside, out, np.where(x == 0, -np.inf, np.nan))


def y0(x):
    return _y(x, 0)


def y1(x):
    return _y(x, 1)


def spherical_j0(x):
    size = np.abs(x)
    small = size < 1e-4
    safe = np.where(small | np.isinf(x), 1.0, x)
    out = np.where(small, 1 - x * x / 6, np.sin(safe) / safe)
    return np.where(np.isinf(x), 0.0, np.where(np.isnan(x), x, out))


# ------------------------------------------------------------------------------------- Airy
_AI0, _AI1 = 0.355028053887817239, -0.258819403792806798  # Ai(0), Ai'(0)


def _airy_series(x):
    """Maclaurin series for |x| <= 2."""
    cube = x**3
    f = a = np.ones_like(x)
    g = b = x
    for k in range(1, 20):
        a = a * cube / ((3 * k - 1) * 3 * k)
        b = b * cube / (3 * k * (3 * k + 1))
        f, g = f + a, g + b
    return _AI0 * f + _AI1 * g


def _airy_integral(z):
    """Integral over t of exp(-sqrt(z) t^2) cos(t^3 / 3), 0 to inf, over pi; |z| >= 2."""
    root, step = np.sqrt(z), 0.03125
    total = 0.5 * np.ones_like(z)
    for k in range(1, 256):
        t = k * step
        total = total + np.exp(-root * (t * t)) * np.cos(t**3 / 3)
    return total * step / np.pi


def airy_ai(x):
    near = np.abs(x) <= 2
    series = _airy_series(np.where(near, x, 0.0))
    above = np.where(x > 2, x, 2.0)
    decaying = _airy_integral(above) * np.exp(-2 / 3 * above**1.5)
    turned = np.where(x < -2, -x, 2.0) * np.exp(1j * np.pi / 3)
    phase = np.exp(1j * (np.pi / 3 - 2 / 3 * np.where(x < -2, -x, 2.0) ** 1.5))
    waves = 2 * (phase * _airy_integral(turned)).real
    out = np.where(near, series, np.where(x > 2, decaying, waves))
    return np.where(np.isfinite(x), out, np.nan)


TABLE = {
    "i0": i0,
    "i0e": i0e,
    "i1": i1,
    "i1e": i1e,
    "bessel_j0": j0,
    "bessel_j1": j1,
    "bessel_y0": y0,
    "bessel_y1": y1,
    "modified_bessel_k0": k0,
    "modified_bessel_k1": k1,
    "scaled_modified_bessel_k0": k0e,
    "scaled_modified_bessel_k1": k1e,
    "spherical_bessel_j0": spherical_j0,
    "airy_ai": airy_ai,
}
