"""What each primitive means: one NumPy rule per primitive, the definition the backends must
meet."""

from collections.abc import Callable

import numpy as np

from ...base import dtypes
from ...base.arrays import strided
from . import host as host_functions
from . import special as special_functions
from .special_table import TABLE as SPECIAL
from .windows import WINDOW_RULES

RULES: dict[str, Callable] = dict(WINDOW_RULES)


def _widened(function):
    """Half types through float32 where NumPy or ml_dtypes has no loop of its own."""

    def rule(*arrays):
        if arrays[0].dtype.itemsize == 2 and arrays[0].dtype.kind not in "iu":
            return function(*(a.astype(np.float32) for a in arrays)).astype(arrays[0].dtype)
        return function(*arrays)

    return rule


def _sigmoid(x):
    if x.dtype.kind == "c":
        return 1 / (1 + np.exp(-x))
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def _invert(x):
    return np.logical_not(x) if x.dtype == np.bool_ else np.invert(x)


def _idiv(a, b):
    if b.size and a.size and not np.all(b):
        raise RuntimeError("ZeroDivisionError")
    q = np.floor_divide(a, b)
    return q + ((q * b != a) & ((a < 0) != (b < 0))).astype(q.dtype)


def _rem(a, b):
    if a.dtype.kind in "iu" and b.size and a.size and not np.all(b):
        raise RuntimeError("ZeroDivisionError")
    return np.fmod(a, b)


def _pow(a, b):
    if a.dtype.kind not in "iu":
        return np.power(a, b)
    out = np.power(a, np.maximum(b, 0))
    if a.dtype.kind == "i" and np.any(b < 0):
        odd = (b & 1).astype(bool)
        inverse = np.where(a == 1, 1, np.where(a == -1, np.where(odd, -1, 1), 0))
        out = np.where(b < 0, inverse, out)
    return out.astype(a.dtype)


def _shift(function):
    def rule(a, b):
        bits = a.dtype.itemsize * 8
        inside = (b >= 0) & (b < bits)
        out = function(a, np.where(inside, b, 0).astype(a.dtype))
        past = (a >> (bits - 1)) if function is np.right_shift and a.dtype.kind == "i" else 0
        return np.where(inside, out, past).astype(a.dtype)

    return rule


def _rsqrt(x):
    return 1 / np.sqrt(x)


_FLOATING = dict(
    exp=np.exp,
    exp2=np.exp2,
    expm1=np.expm1,
    log=np.log,
    log1p=np.log1p,
    log2=np.log2,
    log10=np.log10,
    sqrt=np.sqrt,
    rsqrt=_rsqrt,
    sin=np.sin,
    cos=np.cos,
    tan=np.tan,
    asin=np.arcsin,
    acos=np.arccos,
    atan=np.arctan,
    sinh=np.sinh,
    cosh=np.cosh,
    tanh=np.tanh,
    asinh=np.arcsinh,
    acosh=np.arccosh,
    atanh=np.arctanh,
    sigmoid=_sigmoid,
    atan2=np.arctan2,
    nextafter=np.nextafter,
    erf=special_functions.erf,
    erfc=special_functions.erfc,
    erfinv=special_functions.erfinv,
    normal_cdf=special_functions.normal_cdf,
    lgamma=special_functions.lgamma,
    digamma=special_functions.digamma,
    floor=np.floor,
    ceil=np.ceil,
    round=np.rint,
    trunc=np.trunc,
    sign=np.sign,
    pow=_pow,
    rem=_rem,
    copysign=np.copysign,
)
RULES.update({name: _widened(f) for name, f in _FLOATING.items()})
RULES["nextafter"] = np.nextafter
RULES.update(
    neg=np.negative,
    abs=np.abs,
    conj=np.conj,
    invert=_invert,
    add=np.add,
    sub=np.subtract,
    mul=np.multiply,
    div=np.true_divide,
    idiv=_idiv,
    maximum=np.maximum,
    minimum=np.minimum,
    bitand=np.bitwise_and,
    bitor=np.bitwise_or,
    bitxor=np.bitwise_xor,
    shl=_shift(np.left_shift),
    shr=_shift(np.right_shift),
    eq=np.equal,
    ne=np.not_equal,
    lt=np.less,
    le=np.less_equal,
    gt=np.greater,
    ge=np.greater_equal,
    where=np.where,
    isnan=lambda x: x != x,
    real=np.real,
    imag=np.imag,
    special=lambda *a, name: SPECIAL[name](*a),
)


def rule(function):
    RULES[function.__name__.strip("_")] = function
    return function


@rule
def complex_(re, im):
    out = np.empty(re.shape, np.result_type(re.dtype, np.complex64))
    out.real, out.imag = re, im
    return out


@rule
def cast(x, dtype):
    if x.dtype.kind == "c" and not dtype.is_complex:
        x = (x != 0) if dtype.np == np.bool_ else x.real
    if x.dtype.kind not in "iub" and dtype.np.kind in "iu":
        # out of range wraps through int64 for the small types, as compiled code does
        return x.astype(np.float64).astype(np.int64).astype(dtype.np)
    if dtype is dtypes.complex32:
        x = x.astype(np.complex64)
    return x.astype(dtype.np)


@rule
def clamp_index(index, size, refusal, negative, origin=None):
    bad = (index < (-size if negative else 0)) | (index >= size)
    if bad.any():
        name, line = origin or ("index", None)
        at = f", recorded at {line[0]}:{line[1]}" if line else ""
        error, says = refusal
        raise error(f"{says.format(int(index[bad].flat[0]))} ({name}(){at})")
    return np.where(index < 0, index + size, index)


# ---------------------------------------------------------------------------------- sources
@rule
def const(value, dtype):
    return np.asarray(value).astype(dtype.np)


@rule
def iota(size):
    return np.arange(size, dtype=np.int64)


# --------------------------------------------------------------------------------- movement
@rule
def reshape(x, shape):
    return np.reshape(x, shape)


@rule
def permute(x, axes):
    return np.transpose(x, axes)


@rule
def expand(x, shape):
    return np.broadcast_to(x, shape)


@rule
def slice_(x, starts, stops, steps):
    return x[tuple(map(slice, starts, stops, steps))]


@rule
def pad(x, low, high, inner):
    shape = [
        lo + (n + (n - 1) * i if n else 0) + hi
        for n, lo, hi, i in zip(x.shape, low, high, inner, strict=True)
    ]
    out = np.zeros(shape, x.dtype)
    out[
        tuple(
            slice(lo, lo + (n + (n - 1) * i if n else 0), i + 1)
            for n, lo, i in zip(x.shape, low, inner, strict=True)
        )
    ] = x
    return out


@rule
def flip(x, axes):
    return np.flip(x, axes)


@rule
def concat(*arrays, axis):
    return np.concatenate(arrays, axis)


@rule
def load(flat, offset, shape, strides):
    return strided(np.ascontiguousarray(flat), offset, shape, strides)


@rule
def store(flat, value, offset, strides):
    out = np.array(flat, copy=True)
    if value.size:
        strided(out, offset, value.shape, strides)[...] = value
    return out


# ------------------------------------------------------------------------------- reductions
@rule
def sum_(x, axes):
    return np.sum(x, axis=axes, dtype=x.dtype)


@rule
def prod(x, axes):
    return np.all(x, axis=axes) if x.dtype == np.bool_ else np.prod(x, axis=axes, dtype=x.dtype)


@rule
def max_(x, axes):
    return np.any(x, axis=axes) if x.dtype == np.bool_ else np.max(x, axis=axes)


@rule
def min_(x, axes):
    return np.min(x, axis=axes)


@rule
def argmax(x, axis):
    return np.argmax(x, axis)


@rule
def argmin(x, axis):
    return np.argmin(x, axis)


@rule
def dot(a, b):
    if a.dtype.itemsize == 2 and a.dtype.kind not in "iu":
        return np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)
    return np.matmul(a, b)


# --------------------------------------------------------------------- gather, scatter, order
@rule
def take(x, index):
    return x[index]


_COMBINE = dict(add=np.add, mul=np.multiply, min=np.minimum, max=np.maximum)


@rule
def put(x, index, source, mode):
    out = np.array(x, copy=True)
    if mode == "set":
        out[index] = source
    elif out.dtype.itemsize == 2 and out.dtype.kind not in "iu":
        wide = out.astype(np.float32)
        _COMBINE[mode].at(wide, index, source.astype(np.float32))
        out = wide.astype(out.dtype)
    else:
        _COMBINE[mode].at(out, index, source)
    return out


@rule
def scan(x, axis, op):
    if op == "sum":
        return np.cumsum(x, axis, dtype=x.dtype)
    if op == "prod":
        return np.cumprod(x, axis, dtype=x.dtype)
    return (np.maximum if op == "max" else np.minimum).accumulate(x, axis)


@rule
def argsort(x, axis, descending):
    if x.dtype.itemsize == 2 and x.dtype.kind not in "iu":
        x = x.astype(np.float32)  # NumPy's stable sort is not one for dtypes it does not own
    if not descending:
        return np.argsort(x, axis, kind="stable")
    order = np.argsort(np.flip(x, axis), axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - order, axis)


# -------------------------------------------------------------------------------------- host
@rule
def host(*arrays, name, params, results):
    return host_functions.TABLE[name](*arrays, **dict(params))


@rule
def item(call, index):
    return call[index]
