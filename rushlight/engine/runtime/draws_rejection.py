"""Draws that try until they accept: poisson, binomial, gamma, and what gammas make.

How many words an element takes depends on the words, so these run one element at a time, at some
microseconds each. Algorithms and their sources: `poisson` from 10 on is PTRS (Hoermann 1993, "The
transformed rejection method for generating Poisson random variables"), `binomial` from 10 expected
successes on BTRS (Hoermann 1993, "The generation of binomial random variates"), gamma is Marsaglia
and Tsang 2000, "A simple method for generating gamma variables".
"""

import math

import numpy as np

from .draws_common import FLOATING, FULL_FLOATING, cast, check_dtype, names
from .draws_normal import normal_pair
from .generator import whole

# log(k!) minus Stirling's formula, for k = 0 .. 9
_STIRLING_TAIL = (
    0.0810614667953272,
    0.0413406959554092,
    0.0276779256849983,
    0.02079067210376509,
    0.0166446911898211,
    0.0138761288230707,
    0.0118967099458917,
    0.0104112652619720,
    0.00925546218271273,
    0.00833056343336287,
)


class _Uniforms:
    """float64 uniforms one at a time, drawn in advance; leaving gives the unused words back.

    Args:
        expected: how many will probably be needed.
    """

    def __init__(self, generator, expected):
        self._generator = generator
        self._size = min(max(int(expected), 16), 1 << 16)
        self._mark, self._used = None, 0

    def __enter__(self):
        return self._stream().__next__

    def _stream(self):
        while True:
            self._mark = self._generator.mark()
            block = self._generator.uniform64(self._size).tolist()
            for self._used, value in enumerate(block, 1):
                yield value

    def __exit__(self, *exception):
        if self._mark is not None:
            self._generator.rewind(self._mark, 2 * self._used)


def _log(x):
    return math.log(x) if x > 0 else -math.inf


# Poisson


@whole
def poisson(generator, rate):
    """Poisson numbers.

    Args:
        rate: floating array of rates, finite, at least 0.

    Returns: an array of `rate`'s shape and dtype.
    Raises: RuntimeError if a rate is negative, NaN or infinite.
    """
    dtype = check_dtype(rate.dtype, FLOATING, "poisson_cpu")
    if not np.all(rate >= 0) or np.any(np.isinf(rate)):
        raise RuntimeError(
            "invalid Poisson rate, expected rate to be non-negative (and finite) everywhere"
        )
    rates = rate.astype(np.float64).ravel().tolist()
    with _Uniforms(generator, 2 * len(rates)) as draw:
        values = [_poisson_small(r, draw) if r < 10 else _poisson_large(r, draw) for r in rates]
    return cast(np.array(values, np.float64), dtype).reshape(rate.shape)


def _poisson_small(rate, draw):
    """Count the uniform numbers whose product stays above exp(-rate)."""
    if rate == 0:
        return 0
    bound, product, count = math.exp(-rate), draw(), 0
    while product > bound:
        product *= draw()
        count += 1
    return count


def _poisson_large(rate, draw):
    root, log_rate = math.sqrt(rate), math.log(rate)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    log_inverse_alpha = math.log(1.1239 + 1.1328 / (b - 3.4))
    v_accept = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = draw() - 0.5, draw()
        us = 0.5 - abs(u)
        if us == 0:
            continue
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= v_accept:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        log_ratio = _log(v) + log_inverse_alpha - math.log(a / (us * us) + b)
        if log_ratio <= -rate + k * log_rate - math.lgamma(k + 1):
            return k


# Binomial


@whole
def binomial(generator, count, prob):
    """Numbers of successes.

    Args:
        count: float32 or float64 array, numbers of trials; those below 0 give 0.
        prob: array of `count`'s dtype, probabilities; the two broadcast together.

    Returns: an array of `count`'s dtype; NaN where `count` or `prob` is NaN.
    Raises: ValueError if `count` is not floating; RuntimeError if the dtypes differ.
    """
    if count.dtype not in FLOATING:
        raise ValueError(
            "binomial only supports floating-point dtypes for count, got: "
            f"{names(count.dtype).scalar}. hint: count.to(torch.float32)"
        )
    dtype = check_dtype(count.dtype, FULL_FLOATING, "binomial_cpu")
    if prob.dtype != dtype:
        raise RuntimeError(
            f"Found dtype {names(prob.dtype).scalar} but expected {names(dtype).scalar}: "
            "binomial expects count and prob of one dtype"
        )
    count, prob = np.broadcast_arrays(count, prob)
    with _Uniforms(generator, 2 * count.size) as draw:
        values = [_binomial_one(n, p, draw) for n, p in zip(count.flat, prob.flat, strict=True)]
    return np.array(values, dtype).reshape(count.shape)


def _binomial_one(count, prob, draw):
    """`count` and `prob` are NumPy scalars: float32 rounding decides what PyTorch's does."""
    if np.isnan(count) or np.isnan(prob):
        return math.nan
    if count <= 0 or prob <= 0:
        return 0.0
    if prob >= 1:
        return float(count)
    rare = prob if prob <= 0.5 else 1 - prob
    sample = _binomial_btrs if count * rare >= 10 else _binomial_inversion
    successes = sample(count, rare, draw)
    return successes if prob <= 0.5 else float(count) - successes


def _binomial_inversion(count, prob, draw):
    """Count the geometric waiting times that fit into `count` trials."""
    count, log_fail = float(count), float(np.log1p(-prob))
    trials, successes = 0.0, 0.0
    while True:
        u = draw()
        trials += math.ceil(math.log(u) / log_fail) if u > 0 else math.inf
        if trials > count:
            return successes
        successes += 1


def _binomial_btrs(count, prob, draw):
    deviation = float(np.sqrt(count * prob * (1 - prob)))
    ratio = float(prob / (1 - prob))
    mode = float(np.floor((count + 1) * prob))
    center = float(count * prob) + 0.5
    count, prob = float(count), float(prob)
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * prob
    v_accept = 0.92 - 4.2 / b
    alpha = (2.83 + 5.1 / b) * deviation
    while True:
        u, v = draw() - 0.5, draw()
        us = 0.5 - abs(u)
        if us == 0:
            continue
        k = float(math.floor((2 * a / us + b) * u + center))
        if k < 0 or k > count:
            continue
        if us >= 0.07 and v <= v_accept:
            return k
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (ratio * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - k + 1))
            + (k + 0.5) * math.log(ratio * (count - k + 1) / (k + 1))
            + _stirling_tail(mode)
            + _stirling_tail(count - mode)
            - _stirling_tail(k)
            - _stirling_tail(count - k)
        )
        if _log(v * alpha / (a / (us * us) + b)) <= bound:
            return k


def _stirling_tail(k):
    if k < len(_STIRLING_TAIL):
        return _STIRLING_TAIL[int(k)]
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


# Gamma and its relatives


@whole
def standard_gamma(generator, alpha):
    """Gamma numbers of scale 1.

    Args:
        alpha: float32 or float64 array, shapes, at least 0.

    Returns: an array of `alpha`'s shape and dtype, nowhere below the least normal number.
    Raises: RuntimeError if a shape is negative.
    """
    dtype = check_dtype(alpha.dtype, FULL_FLOATING, "gamma_cpu")
    if np.any(alpha < 0):
        raise RuntimeError(f"_standard_gamma expects alpha >= 0, got {alpha.min()}")
    values = np.fmax(_gammas(generator, alpha).astype(dtype), np.finfo(dtype).tiny)
    return values.reshape(alpha.shape)


@whole
def dirichlet(generator, concentration):
    """Points of the simplex: gamma numbers divided by their sum.

    Args:
        concentration: float32 or float64 array (*, K), positive.

    Returns: an array of the same shape and dtype, each row adding up to 1, each element in (0, 1).
    Raises: RuntimeError if a concentration is negative.
    """
    dtype = check_dtype(concentration.dtype, FULL_FLOATING, "dirichlet")
    gammas = standard_gamma(generator, concentration.astype(np.float64))
    shares = (gammas / gammas.sum(-1, keepdims=True)).astype(dtype)
    below_one = np.nextafter(dtype.type(1), dtype.type(0))
    return np.minimum(np.maximum(shares, np.finfo(dtype).tiny), below_one)


@whole
def beta(generator, concentration1, concentration0):
    """Beta numbers, as `torch.distributions.Beta` draws them: the first share of a Dirichlet pair.

    Args:
        concentration1, concentration0: float32 or float64 arrays that broadcast together.
    """
    pair = np.broadcast_arrays(concentration1, concentration0)
    return dirichlet(generator, np.stack(pair, -1))[..., 0]


def _gammas(generator, alpha):
    """float64, flat; the constants are computed in `alpha`'s dtype, as PyTorch does."""
    one, third = alpha.dtype.type(1), np.float32(1) / np.float32(3)
    alpha = alpha.ravel()
    boosted = alpha < 1
    with np.errstate(divide="ignore", invalid="ignore"):
        power = (one / alpha).astype(np.float64)
        d = (np.where(boosted, alpha + one, alpha) - third).astype(np.float64)
        c = 1 / np.sqrt(9 * d)
    power[~boosted] = 0
    power[alpha == 0] = np.nan
    with _Uniforms(generator, 4 * alpha.size) as draw:
        trio = zip(d.tolist(), c.tolist(), power.tolist(), strict=True)
        values = [_gamma_one(*constants, draw, generator) for constants in trio]
    return np.array(values, np.float64)


def _gamma_one(d, c, power, draw, generator):
    """One gamma number of shape ``d + 1/3``, times ``u ** power``; NaN there means shape 0."""
    if math.isnan(power):
        return 0.0
    scale = (1 - draw()) ** power if power else 1.0
    while True:
        x = _next_normal(draw, generator)
        y = 1 + c * x
        if y <= 0:
            continue
        v = y * y * y
        u = 1 - draw()
        if u < 1 - 0.0331 * x**4 or math.log(u) < 0.5 * x * x + d * (1 - v + math.log(v)):
            return scale * d * v


def _next_normal(draw, generator):
    kept = generator.next_normal
    if kept is not None:
        generator.next_normal = None
        return kept
    value, generator.next_normal = normal_pair(draw(), draw())
    return value
