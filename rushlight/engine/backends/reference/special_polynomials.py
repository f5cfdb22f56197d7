"""Orthogonal polynomials of integer degree on float64 arrays, by their three-term recurrences.

Degrees below 0 give 0, as in PyTorch.
"""

import numpy as np


def _recurrence(x, n, first, step):
    """p_n(x) elementwise from p_0 = 1, p_1 = first, p_k = step(k, p_{k-1}, p_{k-2})."""
    x, n = np.broadcast_arrays(x, n)
    degree = np.where(np.isfinite(n), n, 0).astype(np.int64)
    before, here = np.ones(x.shape), first
    out = np.where(degree == 0, before, here)
    for k in range(2, int(degree.max(initial=0)) + 1):
        before, here = here, step(k, here, before)
        out = np.where(degree == k, here, out)
    return np.where(degree < 0, 0.0, np.where(np.isnan(x), x, out))


def _chebyshev(first):
    """The four kinds share p_k = 2 x p_{k-1} - p_{k-2} and differ in p_1."""

    def polynomial(x, n):
        return _recurrence(x, n, first(x), lambda k, a, b: 2 * x * a - b)

    return polynomial


def _hermite_h(x, n):
    return _recurrence(x, n, 2 * x, lambda k, a, b: 2 * (x * a - (k - 1) * b))


def _hermite_he(x, n):
    return _recurrence(x, n, x, lambda k, a, b: x * a - (k - 1) * b)


def _laguerre(x, n):
    return _recurrence(x, n, 1 - x, lambda k, a, b: ((2 * k - 1 - x) * a - (k - 1) * b) / k)


def _legendre(x, n):
    return _recurrence(x, n, x, lambda k, a, b: ((2 * k - 1) * x * a - (k - 1) * b) / k)


_KINDS = {
    "t": lambda x: x,
    "u": lambda x: 2 * x,
    "v": lambda x: 2 * x - 1,
    "w": lambda x: 2 * x + 1,
}
TABLE = {
    "hermite_polynomial_h": _hermite_h,
    "hermite_polynomial_he": _hermite_he,
    "laguerre_polynomial_l": _laguerre,
    "legendre_polynomial_p": _legendre,
}


def _shifted(polynomial):
    return lambda x, n: polynomial(2 * x - 1, n)


for _kind, _first in _KINDS.items():
    _polynomial = _chebyshev(_first)
    TABLE[f"chebyshev_polynomial_{_kind}"] = _polynomial
    TABLE[f"shifted_chebyshev_polynomial_{_kind}"] = _shifted(_polynomial)
