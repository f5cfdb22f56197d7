"""Draws that are one uniform number each, put through a formula: uniform, integers, masks, ...

Also permutations and `multinomial`, which is made of such draws. Every function takes the
generator first, consumes exactly the words PyTorch's CPU kernel consumes and returns a new,
contiguous NumPy array. An empty result consumes nothing. Next: `draws_normal.py`.
"""

import math
import operator
import warnings

import ml_dtypes
import numpy as np

from .draws_common import (
    BOOL,
    COMPLEX,
    DIGITS,
    FLOATING,
    FULL_FLOATING,
    INTEGRAL,
    SIGNED_OR_BYTE,
    SMALL_FLOATING,
    bfloat16,
    cast,
    check_dtype,
    fma64,
    names,
    numel,
    working,
)
from .generator import whole

_INT64 = np.iinfo(np.int64)
_LOW24 = np.uint32((1 << 24) - 1)
# From here on an integer takes two words: with one, the remainder would favour small values.
_WIDE_RANGE = 1 << 28
_WIDE_PERMUTATION = ((1 << 32) - 1) // 20
_SHORT_PERMUTATION = 4096  # up to here a plain loop is as fast
_MASKABLE = SIGNED_OR_BYTE | FLOATING | {BOOL}

# Uniform numbers


@whole
def uniform(generator, shape, low=0.0, high=1.0, dtype=np.float32):
    """Uniform numbers in [low, high).

    Args:
        shape: int or tuple of ints. A complex dtype draws real and imaginary parts in turn.
        low, high: finite floats within the range of `dtype`, ``low <= high``.
        dtype: floating or complex. float64 takes two words a number, the others one.

    Raises: RuntimeError if a bound or ``high - low`` is out of range, or ``low > high``.

    >>> from rushlight.engine.runtime.generator import Generator
    >>> uniform(Generator().manual_seed(0), 2)
    array([0.4962566, 0.7682218], dtype=float32)
    """
    dtype = check_dtype(dtype, FLOATING | COMPLEX.keys(), "check_uniform_bounds")
    if dtype in COMPLEX:
        parts = uniform(generator, 2 * numel(shape), low, high, COMPLEX[dtype])
        return parts.view(dtype).reshape(shape)
    _check_uniform_bounds(low, high, dtype)
    count = numel(shape)
    if dtype == np.float64:
        values = _uniform64(generator, count, float(low), float(high))
    else:
        values = _uniform32(generator, count, np.float32(low), np.float32(high))
    values = cast(values, dtype)
    if dtype in SMALL_FLOATING or (low, high) != (0.0, 1.0):
        # Rounding may reach `high`, which the interval excludes: PyTorch then gives `low`.
        bounds = cast(np.array([low, high], np.float64), dtype)
        values[values == bounds[1]] = bounds[0]
    return values.reshape(shape)


def _uniform64(generator, count, low, high):
    values = generator.uniform64(count)
    return values if (low, high) == (0.0, 1.0) else fma64(values, high - low, low)


def _uniform32(generator, count, low, high):
    bits = generator.random32(count)
    bits &= _LOW24
    if (low, high) == (0.0, 1.0):
        return bits.view(np.int32) * np.float32(2.0**-24)
    # One rounding, as a fused multiply-add has: the product is exact in float64.
    return (bits * (2.0**-24 * float(high - low)) + float(low)).astype(np.float32)


def _check_uniform_bounds(low, high, dtype):
    limit = float(ml_dtypes.finfo(dtype).max)
    for name, value in (("from", low), ("to", high)):
        if not -limit <= value <= limit:
            raise RuntimeError(
                f"{name} is out of bounds for {names(dtype).cpp}: uniform_ expects {name} in "
                f"[{-limit:g}, {limit:g}], got {value}"
            )
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}"
        )
    if high - low > limit:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{names(dtype).scalar}>::max(), but "
            f"found to={high:g} and from={low:g} which result in to-from to exceed the limit"
        )


@whole
def rrelu_noise(generator, input, lower=1 / 8, upper=1 / 3):
    """The slopes of `rrelu` in training: uniform in [lower, upper) where ``input <= 0``, else 1.

    Args:
        input: floating array, not float16. Only the elements at or below 0 consume words.
        lower, upper: floats, ``lower <= upper``.

    Returns: an array of `input`'s shape and dtype, but float32 for bfloat16; rrelu's value is its
        product with `input`, rounded then.
    """
    allowed = FULL_FLOATING | {bfloat16}
    dtype = working(check_dtype(input.dtype, allowed, "rrelu_with_noise_out_cpu"))
    leaking = input <= 0
    noise = np.ones(input.shape, dtype)
    low, high = float(dtype.type(lower)), float(dtype.type(upper))
    # This kernel of PyTorch's is built without fused multiply-add.
    noise[leaking] = generator.uniform64(int(np.count_nonzero(leaking))) * (high - low) + low
    return noise


# Integers


@whole
def random(generator, shape, low=None, high=None, dtype=np.float32):
    """Integers as `Tensor.random_` draws them.

    Args:
        low, high: ints. Both None: all of [0, largest integer `dtype` holds exactly], which is
            ``2**digits`` for floating dtypes. `high` None: from `low` up to that integer; with
            ``low == -2**63`` all of int64. Otherwise [low, high).
        dtype: integral, floating or bool; unsigned dtypes above 8 bits need bounds.

    Raises: RuntimeError if the range is empty or beyond `dtype`.
    """
    dtype = np.dtype(dtype)
    low, high = (bound if bound is None else operator.index(bound) for bound in (low, high))
    if low is None and high is None:
        return _random_any(generator, shape, check_dtype(dtype, _MASKABLE, "random_kernel_cpu"))
    if high is None and low == _INT64.min:
        return _random_int64(generator, shape, dtype)
    if dtype not in INTEGRAL | FLOATING | {BOOL}:
        raise RuntimeError(
            "check_random_bounds handles only integral, floating-point and boolean types, "
            f"got {names(dtype).scalar}"
        )
    low, last = _random_bounds(0 if low is None else low, high, dtype)
    _check_random_bounds(low, last, dtype)
    return _remainders(generator, numel(shape), last - low + 1, low, dtype).reshape(shape)


@whole
def randint(generator, low, high, shape, dtype=np.int64):
    """Integers in [low, high): `torch.randint`. See `random`.

    >>> from rushlight.engine.runtime.generator import Generator
    >>> randint(Generator().manual_seed(0), 0, 10, 3)
    array([4, 9, 3])
    """
    return random(generator, shape, low, high, dtype)


def _random_any(generator, shape, dtype):
    if dtype == BOOL:
        values = generator.random32(numel(shape)) & np.uint32(1)
    elif dtype == np.int64 or dtype == np.float64:
        values = generator.random64(numel(shape)) % np.uint64(_largest_exact(dtype) + 1)
    else:
        values = generator.random32(numel(shape)) % np.uint32(_largest_exact(dtype) + 1)
    return cast(values, dtype).reshape(shape)


def _random_int64(generator, shape, dtype):
    wide = FULL_FLOATING | {np.dtype(np.int64), bfloat16}
    kernel = "random_full_64_bits_range_kernel_cpu"
    if check_dtype(dtype, SIGNED_OR_BYTE | wide, kernel) not in wide:
        raise RuntimeError(
            f"{kernel} handles only int64, double, float and bfloat16, got {names(dtype).scalar}"
        )
    return cast(generator.random64(numel(shape)).view(np.int64), dtype).reshape(shape)


def _largest_exact(dtype):
    if dtype == BOOL:
        return 1
    return 1 << DIGITS[dtype] if dtype in DIGITS else int(np.iinfo(dtype).max)


def _random_bounds(low, high, dtype):
    """The first and the last integer to draw, moved inwards to what a floating dtype holds."""
    if high is not None and low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    if dtype in DIGITS:
        low = _inwards(low, 1, dtype)
        if high is None and low >= _largest_exact(dtype):
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' "
                f"casted to dtype, but got from={low} > to_inc={_largest_exact(dtype)}"
            )
        high = high if high is None else _inwards(high, -1, dtype)
        if high is not None and low >= high:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
                f"but got from={low} >= to={high}"
            )
    return low, _largest_exact(dtype) if high is None else high - 1


def _inwards(bound, step, dtype):
    """`bound`, or the next value of `dtype` towards `step` if its inner neighbour rounds past it.

    Without this a number drawn below `to` could become `to` when it is stored.
    """
    inner = float(cast(np.array(bound + step, np.int64), dtype))
    inner = int(inner) if _INT64.min <= inner < 2.0**63 else int(_INT64.min)  # C's conversion
    if inner >= bound if step > 0 else inner < bound:
        return bound
    return inner + step * (1 << (abs(bound + step).bit_length() - DIGITS[dtype]))


def _check_random_bounds(low, last, dtype):
    """Both ends within `dtype`; a warning where a floating dtype skips integers."""
    if dtype in DIGITS:
        limit = int(float(ml_dtypes.finfo(dtype).max))
        smallest, largest = -limit, limit
    elif dtype == BOOL:
        smallest, largest = 0, 1
    else:
        smallest, largest = int(np.iinfo(dtype).min), min(int(np.iinfo(dtype).max), _INT64.max)
    for name, value in (("from", low), ("to - 1", last)):
        if not smallest <= value <= largest:
            raise RuntimeError(
                f"{name} is out of bounds for {names(dtype).cpp}: random_ expects {name} in "
                f"[{smallest}, {largest}], got {value}"
            )
        if dtype in DIGITS and abs(value) > 1 << DIGITS[dtype]:
            warnings.warn(
                f"{name} is out of bounds [-(2^{DIGITS[dtype]}), 2^{DIGITS[dtype]}]. Due to "
                f"precision limitations {names(dtype).cpp} can support discrete uniform "
                "distribution only within this range.",
                stacklevel=3,
            )


def _remainders(generator, count, span, low, dtype):
    """`count` integers in [low, low + span), by remainder, stored as `dtype`."""
    if span >= _WIDE_RANGE:
        values = (generator.random64(count) % np.uint64(span)).view(np.int64)
    else:
        values = (generator.random32(count) % np.uint32(span)).astype(np.int64)
    values += low  # wraps around as int64 does; the sum itself is in range
    return cast(values, dtype)


@whole
def randperm(generator, n, dtype=np.int64):
    """A random permutation of 0 .. n - 1, by Fisher and Yates from the front.

    Args:
        n: int, at least 0, and at most what `dtype` holds (float16: 2049).
        dtype: integral up to 64 bits signed, or floating.

    Raises: RuntimeError if `n` is negative or too large for `dtype`.

    >>> from rushlight.engine.runtime.generator import Generator
    >>> randperm(Generator().manual_seed(0), 5)
    array([4, 0, 1, 3, 2])
    """
    dtype = check_dtype(dtype, SIGNED_OR_BYTE | FLOATING, "randperm")
    _check_permutation(n, dtype)
    steps = np.arange(max(n - 1, 0), dtype=np.int64)
    if n < _WIDE_PERMUTATION:
        offsets = generator.random32(len(steps)) % (n - steps).astype(np.uint32)
    else:
        offsets = generator.random64(len(steps)) % (n - steps).astype(np.uint64)
    order = np.arange(n, dtype=np.int64)
    _swap_in_order(order, steps + offsets.astype(np.int64))
    return cast(order, dtype)


def _swap_in_order(order, targets):
    """Swap ``order[i]`` and ``order[targets[i]]`` for i = 0, 1, ...; no target is below its i.

    A loop over a million elements takes 0.5 s. So stretches of steps are done at once: of those
    that touch a common place, the first goes ahead and the others wait for the next round (Shun,
    Gu, Blelloch, Fineman, Gibbons 2015, "Sequential random permutation ... is highly parallel").
    """
    owner = np.empty(len(order), np.int64)
    start = 0
    while len(order) - start > _SHORT_PERMUTATION:
        stop = start + (len(order) - start) // 16  # few of these steps meet
        here, there = np.arange(start, stop), targets[start:stop]
        while len(here):
            owner[here] = here
            owner[there[::-1]] = here[::-1]  # the last assignment stays: that of the first step
            free = (owner[there] == here) & (owner[here] == here)
            left, right = here[free], there[free]
            order[left], order[right] = order[right], order[left]
            here, there = here[~free], there[~free]
        start = stop
    rest = order[start:].tolist()
    for here, there in enumerate((targets[start:] - start).tolist()):
        rest[here], rest[there] = rest[there], rest[here]
    order[start:] = rest


def _check_permutation(n, dtype):
    if n < 0:
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {n}: [{n}]; randperm expects n >= 0"
        )
    if dtype in SIGNED_OR_BYTE and n > np.iinfo(dtype).max:
        raise RuntimeError(
            f"value cannot be converted to type {dtype.name}_t without overflow: "
            f"randperm got n = {n}, expected at most {np.iinfo(dtype).max}"
        )
    if dtype in DIGITS and dtype != bfloat16 and n > (1 << DIGITS[dtype]) + 1:
        raise RuntimeError(
            f"n cannot be greater than {(1 << DIGITS[dtype]) + 1} for {names(dtype).scalar} "
            f"type. randperm got n = {n}; hint: permute in int64 and convert"
        )


# Zeros and ones


@whole
def bernoulli(generator, shape, p, dtype=np.float32):
    """Ones with probability `p`, else zeros.

    Args:
        p: a float in [0, 1] (two words an element), or a floating array that broadcasts to
            `shape`, of probabilities element by element (one word; two if it is float64).
        dtype: integral up to 64 bits signed, floating or bool.

    Raises: RuntimeError if a probability is outside [0, 1] or NaN.

    >>> from rushlight.engine.runtime.generator import Generator
    >>> bernoulli(Generator().manual_seed(0), 4, 0.5, bool)
    array([False, False,  True, False])
    """
    if isinstance(p, np.ndarray):
        dtype = check_dtype(dtype, _MASKABLE, "bernoulli_tensor_cpu_self_")
        mask = _bernoulli_each(generator, numel(shape), np.broadcast_to(p, shape).ravel())
    else:
        dtype = check_dtype(dtype, _MASKABLE, "bernoulli_scalar_cpu_")
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
        # u / 2**53 < p, in integers
        mask = generator.random53(numel(shape)) < np.uint64(math.ceil(p * 2.0**53))
    return mask.astype(dtype, copy=False).reshape(shape)


def _bernoulli_each(generator, count, p):
    check_dtype(p.dtype, FLOATING, "bernoulli_tensor_cpu_p_")
    if not np.all((p >= 0) & (p <= 1)):
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false. "
            "bernoulli expects every probability in [0, 1]"
        )
    if p.dtype == np.float64:
        return generator.uniform64(count) < p
    return _uniform32(generator, count, np.float32(0), np.float32(1)) < p.astype(np.float32)


@whole
def dropout_mask(generator, shape, p, dtype=np.float32):
    """What dropout multiplies its input by: 0 with probability `p`, else ``1 / (1 - p)``.

    As in PyTorch, ``p == 0`` and ``p == 1`` consume no words.

    Args:
        p: float in [0, 1].
        dtype: floating.

    Raises: ValueError if `p` is outside [0, 1].
    """
    dtype = check_dtype(dtype, FLOATING, "bernoulli_scalar_cpu_")
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p in (0, 1):
        return np.full(shape, 1 - p, dtype)
    kept = bernoulli(generator, shape, 1 - p, BOOL)
    scale = (np.ones((), working(dtype)) / working(dtype).type(1 - p)).astype(dtype)
    return np.where(kept, scale, np.zeros((), dtype))


# Formulas of a float64 uniform number u


@whole
def exponential(generator, shape, lambd=1.0, dtype=np.float32):
    """Exponential numbers of rate `lambd` > 0: ``-log(1 - u) / lambd``. `dtype` is floating."""
    dtype = np.dtype(dtype)
    if dtype not in FLOATING:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {names(dtype).scalar}"
        )
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    values = np.log1p(-generator.uniform64(numel(shape)))
    values *= -1.0 / lambd
    return cast(values, dtype).reshape(shape)


@whole
def cauchy(generator, shape, median=0.0, sigma=1.0, dtype=np.float32):
    """Cauchy numbers: ``median + sigma * tan(pi * (u - 0.5))``, `sigma` > 0, floating `dtype`."""
    dtype = np.dtype(dtype)
    if dtype not in FLOATING:
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {names(dtype).cpp}"
        )
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    values = median + sigma * np.tan(math.pi * (generator.uniform64(numel(shape)) - 0.5))
    return cast(values, dtype).reshape(shape)


@whole
def geometric(generator, shape, p, dtype=np.float32):
    """Trials up to the first success, at least 1, with `p` in (0, 1): ``log(u) / log(1 - p)``.

    `dtype` is integral up to 64 bits signed or floating; an integral one wraps around.
    """
    dtype = check_dtype(dtype, SIGNED_OR_BYTE | FLOATING, "geometric_cpu")
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.ceil(np.log(generator.uniform64(numel(shape))) / math.log1p(-p))
        if dtype in SIGNED_OR_BYTE:
            values = values.astype(np.int64)
    return cast(values, dtype).reshape(shape)


# Categories


@whole
def multinomial(generator, probabilities, num_samples, replacement=False):
    """Category numbers drawn in proportion to weights.

    Args:
        probabilities: floating (C,) or (B, C), weights at least 0 that need not add up to 1.
        num_samples: int, at least 1; without replacement at most C.
        replacement: whether a category may come twice in a row of samples.

    Returns: int64 (num_samples,) or (B, num_samples).
    Raises: RuntimeError if a weight is negative or not finite, or a row has no positive one.
    Numerics: without replacement, categories of equal ``weight / exponential number`` come in
        index order; PyTorch leaves that order open. It matters for 16-bit weights, and where
        fewer than `num_samples` weights are positive.
    """
    _check_multinomial(probabilities, num_samples, replacement)
    shape = probabilities.shape[:-1] + (num_samples,)
    if numel(shape) == 0:
        return np.zeros(shape, np.int64)
    if replacement and num_samples > 1:
        return _multinomial_search(generator, probabilities, shape)
    _check_weights(probabilities)
    keys = exponential(generator, probabilities.shape, 1.0, probabilities.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        keys = (probabilities / keys).astype(working(probabilities.dtype))
    if num_samples == 1:
        return keys.argmax(-1, keepdims=True)
    return np.argsort(-keys, axis=-1, kind="stable")[..., :num_samples]


def _multinomial_search(generator, probabilities, shape):
    """Each sample is the first category whose cumulated share reaches a uniform number."""
    _check_weights_in_order(probabilities)
    totals = np.cumsum(probabilities, axis=-1, dtype=working(probabilities.dtype))
    if not totals.size or not np.all(totals[..., -1] > 0):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    totals /= totals[..., -1:].copy()
    rows = totals.reshape(-1, totals.shape[-1]).astype(np.float64)
    draws = generator.uniform64(numel(shape)).reshape(len(rows), shape[-1])
    found = [row.searchsorted(u) for row, u in zip(rows, draws, strict=True)]
    return np.array(found, np.int64).reshape(shape)


def _check_multinomial(probabilities, num_samples, replacement):
    if probabilities.ndim not in (1, 2):
        raise RuntimeError(
            f"prob_dist must be 1 or 2 dim; multinomial got {probabilities.ndim} dimensions"
        )
    if probabilities.dtype not in FLOATING:
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got: "
            f"{names(probabilities.dtype).scalar}"
        )
    categories = probabilities.shape[-1]
    if num_samples <= 0:
        raise RuntimeError(f"cannot sample n_sample <= 0 samples; got num_samples={num_samples}")
    if not replacement and num_samples > categories:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement: "
            f"got num_samples={num_samples} for {categories} categories"
        )
    if categories > 1 << 24:
        raise RuntimeError(f"number of categories cannot exceed 2^24; got {categories}")


def _check_weights(weights):
    wide = weights.astype(np.float64)
    if not np.all((wide >= 0) & (wide < np.inf)):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if np.any(wide.sum(-1) == 0):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")


def _check_weights_in_order(weights):
    wide = weights.astype(np.float64)
    if np.any(wide < 0) or np.any(np.isnan(wide)):
        raise RuntimeError("invalid multinomial distribution (encountering probability entry < 0)")
    if np.any(np.isinf(wide)):
        raise RuntimeError(
            "invalid multinomial distribution (encountering probability entry = infinity or NaN)"
        )
