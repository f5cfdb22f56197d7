"""Normal draws, equal to PyTorch's x86-64 build with AVX2 to the last bit in float32.

PyTorch has two ways: fewer than 16 elements (or a tensor that is not contiguous, or `log_normal`)
are drawn one by one in float64, in pairs, keeping the second of a pair for later; from 16 on,
blocks of 16 uniform numbers become 16 normals with float32 versions of log, sin and cos from the
Cephes library, whose rounding is followed here step by step. Next: `draws_rejection.py`.
"""

import math

import numpy as np

from .draws_common import COMPLEX, FLOATING, cast, check_dtype, fma64, numel, working
from .draws_uniform import uniform
from .generator import whole

_BLOCK = 16  # 8 radii and 8 angles give 16 normals
_CHUNK = 1024  # blocks in a piece of work; its temporaries then stay in a core's L2 cache
_TWO_PI = 2 * math.pi


def _float32s(*values):
    return tuple(float(np.float32(value)) for value in values)


# Cephes: log of a significand m in [sqrt(1/2), sqrt(2)), as polynomial of m - 1; log(2) in two
# parts; pi / 4 in three parts; cos and sin of an angle in [-pi/4, pi/4], as polynomials of z = x*x.
_LOG = _float32s(
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
_LOG2_LOW, _LOG2_HIGH = _float32s(-2.12194440e-4, 0.693359375)
_SQRT_HALF, _TWO_PI32, _FOUR_OVER_PI = _float32s(0.5**0.5, _TWO_PI, 4 / math.pi)
_PI_QUARTER = _float32s(-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)
_COS = _float32s(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_SIN = _float32s(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)


@whole
def normal(generator, shape, mean=0.0, std=1.0, dtype=np.float32, contiguous=True):
    """Normal numbers.

    Args:
        shape: int or tuple of ints. A complex dtype draws real and imaginary parts in turn, each
            with ``std / sqrt(2)``.
        mean, std: floats, ``std >= 0``.
        dtype: floating or complex.
        contiguous: whether the tensor to fill is; if not, PyTorch draws one by one at any size.

    Raises: RuntimeError if `std` is negative or NaN.
    Numerics: float32, float16, bfloat16: equal to PyTorch's bits; float64: to 1e-15.

    >>> from rushlight.engine.runtime.generator import Generator
    >>> normal(Generator().manual_seed(0), 2)
    array([ 1.5409961, -0.2934289], dtype=float32)
    """
    dtype = check_dtype(dtype, FLOATING | COMPLEX.keys(), "normal_kernel_cpu")
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    if dtype in COMPLEX:
        part, count = COMPLEX[dtype], 2 * numel(shape)
        parts = normal(generator, count, mean, std / 2**0.5, part, contiguous)
        return parts.view(dtype).reshape(shape)
    count = numel(shape)
    if count < _BLOCK or not contiguous:
        values = fma64(one_by_one(generator, count), float(std), float(mean))
    elif dtype == np.float64:
        values = _in_blocks(generator.uniform64, count, _box_muller64, discard=True)
        values = fma64(values, float(std), float(mean))
    else:
        # The 16-bit kernels do not draw the numbers that the last block replaces.
        discard = dtype == np.float32
        values = _in_blocks(lambda n: uniform(generator, n), count, _box_muller32, discard)
        values = _scale32(values, np.float32(mean), np.float32(std))
    return cast(values, dtype).reshape(shape)


@whole
def normal_each(generator, mean, std):
    """Normal numbers with a mean and deviation for each element: `torch.normal` on tensors.

    Args:
        mean, std: a float and an array, or two arrays that broadcast together. The result takes
            its dtype from `mean` if that is an array, else from `std`.

    Raises: RuntimeError if a deviation is negative or complex.
    """
    shape, dtype = _checked_each(mean, std)
    if not isinstance(std, np.ndarray):
        values = normal(generator, shape, 0.0, std, dtype)
    else:
        values = normal(generator, shape, 0.0, 1.0, dtype)
        values = (values * std).astype(dtype, copy=False)
    offset = mean if isinstance(mean, np.ndarray) else cast(np.array(mean), dtype)
    return (values + offset).astype(dtype, copy=False)


def _checked_each(mean, std):
    if isinstance(std, np.ndarray):
        if std.dtype in COMPLEX:
            raise RuntimeError("normal expects standard deviation to be non-complex")
        if std.size and not std.min() >= 0:
            raise RuntimeError("normal expects all elements of std >= 0.0")
    shape = np.broadcast_shapes(np.shape(mean), np.shape(std))
    return shape, (mean if isinstance(mean, np.ndarray) else std).dtype


@whole
def log_normal(generator, shape, mean=1.0, std=2.0, dtype=np.float32):
    """Exponentials of normal numbers, drawn one by one. `std` > 0, floating `dtype`."""
    dtype = check_dtype(dtype, FLOATING, "log_normal_cpu")
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    values = fma64(one_by_one(generator, numel(shape)), float(std), float(mean))
    with np.errstate(over="ignore"):
        return cast(np.exp(values), dtype).reshape(shape)


@whole
def trunc_normal(generator, shape, mean=0.0, std=1.0, a=-2.0, b=2.0, dtype=np.float32):
    """Normal numbers conditioned on [a, b], as `nn.init.trunc_normal_` draws them.

    Where [a, b] holds over 30 % of the normal's mass, whole tensors of normals are drawn until
    every place has had one inside; otherwise uniform numbers, accepted by the density.

    Args:
        mean, std, a, b: floats, std > 0, a < b.
        dtype: floating.
    """
    dtype = check_dtype(dtype, FLOATING, "normal_kernel_cpu")
    if _cdf((b - mean) / std) - _cdf((a - mean) / std) > 0.3:
        return _trunc_by_normals(generator, shape, mean, std, a, b, dtype)
    return _trunc_by_uniforms(generator, shape, mean, std, a, b, dtype)


def _cdf(x):
    return (1.0 + math.erf(x / 2**0.5)) / 2.0


def _trunc_by_normals(generator, shape, mean, std, a, b, dtype):
    low, high = cast(np.array([a, b], np.float64), dtype)
    values = normal(generator, shape, mean, std, dtype)
    while (outside := (values < low) | (values > high)).any():
        values = np.where(outside, normal(generator, shape, mean, std, dtype), values)
    return values


def _trunc_by_uniforms(generator, shape, mean, std, a, b, dtype):
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    values, pending = np.empty(shape, dtype), np.ones(shape, bool)
    while pending.any():
        candidates = uniform(generator, shape, a, b, dtype)
        values = np.where(pending, candidates, values)
        density = _log_density(candidates, mean, std, peak)
        with np.errstate(divide="ignore"):
            threshold = _rounded(np.log, uniform(generator, shape, dtype=dtype))
        pending = pending & (threshold > density)
    return values


def _log_density(values, mean, std, peak):
    """``-0.5 * ((values - mean) / std) ** 2 - peak``, rounded after each step."""
    number = working(values.dtype).type
    values = _rounded(np.subtract, values, number(mean))
    values = _rounded(np.divide, values, number(std))
    values = _rounded(np.square, values)
    values = _rounded(np.multiply, values, number(-0.5))
    return _rounded(np.subtract, values, number(peak))


def _rounded(function, values, *rest):
    wide = values.astype(working(values.dtype), copy=False)
    return cast(function(wide, *rest), values.dtype)


# One by one


def one_by_one(generator, count):
    """`count` standard normals, float64, in pairs of which one may wait in the generator."""
    kept = [] if generator.next_normal is None or not count else [generator.next_normal]
    pairs = (count - len(kept) + 1) // 2
    values = np.empty(len(kept) + 2 * pairs)
    values[: len(kept)] = kept
    if pairs:
        uniforms = generator.uniform64(2 * pairs)
        radius = np.sqrt(-2.0 * np.log1p(-uniforms[1::2]))
        angle = _TWO_PI * uniforms[::2]
        values[len(kept) :: 2] = radius * np.cos(angle)
        values[len(kept) + 1 :: 2] = radius * np.sin(angle)
        values[-2:] = normal_pair(*uniforms[-2:].tolist())
    if count:
        generator.next_normal = float(values[-1]) if len(values) > count else None
    return values[:count]


def normal_pair(first, second):
    """Two standard normals from two uniform numbers.

    By the C library, as in PyTorch: the second may enter the state, which is compared by bytes.
    """
    radius = math.sqrt(-2.0 * math.log1p(-second))
    return radius * math.cos(_TWO_PI * first), radius * math.sin(_TWO_PI * first)


# Blocks of 16


def _in_blocks(draw, count, box_muller, discard):
    """`count` >= 16 standard normals; a remainder is met by drawing the last 16 afresh.

    Args:
        draw: a function from a number n to n uniform numbers.
        box_muller: turns such numbers, (N, 2, 8), into normals in place.
        discard: whether the uniforms of the remainder are drawn all the same.
    """
    whole = count - count % _BLOCK
    values = draw(count if discard else whole)[:whole]
    if whole < count:
        values = np.concatenate([values, draw(_BLOCK)])
    box_muller(values.reshape(-1, 2, _BLOCK // 2))
    if whole < count:
        values = np.concatenate([values[: count - _BLOCK], values[whole:]])
    return values


def _box_muller64(blocks):
    """float64 (N, 2, 8): uniforms become radius * cos and radius * sin of the angle, in place."""
    radius = np.sqrt(-2.0 * np.log(1.0 - blocks[:, 0]))
    angle = _TWO_PI * blocks[:, 1]
    blocks[:, 0] = radius * np.cos(angle)
    blocks[:, 1] = radius * np.sin(angle)


def _box_muller32(blocks):
    """The same for float32, with Cephes' log, sin and cos."""
    for start in range(0, len(blocks), _CHUNK):
        piece = blocks[start : start + _CHUNK]
        rounder = _Rounder(piece[:, 0].shape)
        radius = np.sqrt(-2.0 * _log(rounder, 1 - piece[:, 0]), dtype=np.float64)
        rounder(radius)
        sin, cos = _sin_cos(rounder, piece[:, 1] * np.float32(_TWO_PI32))
        np.multiply(radius, cos, out=piece[:, 0], casting="same_kind")
        np.multiply(radius, sin, out=piece[:, 1], casting="same_kind")


def _scale32(values, mean, std):
    """``values * std + mean`` in float32 with one rounding: the product is exact in float64."""
    if std == 1.0:
        return values + mean  # also for mean 0: -0.0 becomes 0.0
    return (values * np.float64(std) + np.float64(mean)).astype(np.float32)


class _Rounder:
    """Rounds float64 arrays of one shape to float32 values, in place.

    A sum or product of two float32 values, or a fused multiply-add of three, computed in float64
    and then rounded has float32's own rounding.
    """

    def __init__(self, shape):
        self.narrow = np.empty(shape, np.float32)

    def __call__(self, values):
        self.narrow[...] = values
        values[...] = self.narrow
        return values

    def fma(self, factor, other, addend):
        """``factor * other + addend`` into `factor`."""
        factor *= other
        factor += addend
        return self(factor)

    def polynomial(self, coefficients, x):
        """Horner's rule: the first coefficient belongs to the highest power."""
        value = np.full_like(x, coefficients[0])
        for coefficient in coefficients[1:]:
            self.fma(value, x, coefficient)
        return value


def _log(rounder, x):
    """The natural logarithm of float32 `x` in (0, 1], as float64 array of float32 values."""
    bits = x.view(np.int32)
    exponent = ((bits >> 23) - 126).astype(np.float64)
    m = ((bits & 0x007FFFFF) | 0x3F000000).view(np.float32).astype(np.float64)
    small = m < _SQRT_HALF
    exponent -= small
    m += m * small
    m -= 1.0  # exact, as are the lines above
    square = rounder(m * m)
    value = rounder.polynomial(_LOG, m)
    value = rounder(value * m)
    value = rounder.fma(value, square, rounder(exponent * _LOG2_LOW))
    value = rounder.fma(square, -0.5, value)
    m = rounder(m + value)
    return rounder.fma(exponent, _LOG2_HIGH, m)


def _sin_cos(rounder, x):
    """Sine and cosine of float32 `x` >= 0, as float64 arrays of float32 values."""
    octant = (x * np.float32(_FOUR_OVER_PI)).astype(np.int32)
    octant += 1
    octant &= ~1
    x = x.astype(np.float64)
    for part in _PI_QUARTER:
        x += octant * part
        rounder(x)
    square = rounder(x * x)
    cos = rounder.polynomial(_COS, square)
    cos = rounder(cos * square)
    cos = rounder.fma(cos, square, -0.5 * square)
    cos = rounder(cos + 1.0)
    sin = rounder.polynomial(_SIN, square)
    sin = rounder(sin * square)
    sin = rounder.fma(sin, x, x)
    swapped = (octant & 2) != 0
    sin, cos = np.where(swapped, cos, sin), np.where(swapped, sin, cos)
    sin *= 1 - (octant & 4) // 2
    cos *= 1 - ((octant + 2) & 4) // 2
    return sin, cos
