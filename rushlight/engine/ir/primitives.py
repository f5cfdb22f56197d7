"""The primitives: one record each (kind, result shape and dtype).

Their meaning is defined by `backends/reference/rules.py`, their derivatives by `gradients.py`.
Shapes are tuples of ints, `axis`/`axes` are non-negative.  Elementwise primitives take operands of
one shape and one dtype (`where` a bool first; `cast` any); `expand` and `reshape` broadcast.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..base import dtypes
from ..base.shapes import numel


@dataclass(frozen=True, eq=False)
class Primitive:
    """`infer(*values, **params) -> (shape, dtype)`; vjp/jvp/batch are filled in by gradients.py
    (None: not differentiable, not batched yet)."""

    name: str
    kind: str
    infer: Callable
    rules: dict[str, Any] = field(default_factory=dict)

    vjp = property(lambda self: self.rules.get("vjp"))
    jvp = property(lambda self: self.rules.get("jvp"))
    batch = property(lambda self: self.rules.get("batch"))

    def __repr__(self):
        return self.name


PRIMITIVES: dict[str, Primitive] = {}


def _define(kind, infer, names):
    for name in names.split():
        PRIMITIVES[name] = Primitive(name, kind, infer)


def primitive(kind):
    """Decorator: the function below is the inference rule of the primitive of its name."""

    def register(infer):
        name = infer.__name__.strip("_")
        PRIMITIVES[name] = Primitive(name, kind, infer)
        return infer

    return register


# ------------------------------------------------------------------------------ elementwise
def _same(*values):
    first = values[0]
    for v in values[1:]:
        if v.shape != first.shape or v.dtype is not first.dtype:
            raise ValueError(
                f"operands differ: {first.dtype}{list(first.shape)} and {v.dtype}{list(v.shape)}"
            )
    return first.shape, first.dtype


def _predicate(*values):
    return _same(*values)[0], dtypes.bool_


_define(
    "elementwise",
    _same,
    """
    neg sign floor ceil round trunc exp exp2 expm1 log log1p log2 log10 sqrt rsqrt
    sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf erfc erfinv lgamma digamma
    normal_cdf sigmoid invert conj
    add sub mul div idiv rem pow atan2 maximum minimum bitand bitor bitxor shl shr nextafter
    copysign
""",
)  # div: true division; idiv: integers, toward zero; rem: C's fmod; round: half to even
_define("elementwise", _predicate, "eq ne lt le gt ge isnan")


@primitive("elementwise")
def abs_(x):
    return x.shape, x.dtype.to_real()


@primitive("elementwise")
def where(condition, x, y):
    _same(x, y)
    if condition.dtype is not dtypes.bool_ or condition.shape != x.shape:
        raise ValueError("where needs a bool condition of the operands' shape")
    return x.shape, x.dtype


@primitive("elementwise")
def cast(x, dtype):
    return x.shape, dtype


@primitive("elementwise")
def real(x):
    return x.shape, x.dtype.to_real()


@primitive("elementwise")
def imag(x):
    return x.shape, x.dtype.to_real()


@primitive("elementwise")
def complex_(re, im):
    return _same(re, im)[0], re.dtype.to_complex()


@primitive("elementwise")
def special(*values, name):
    """A rare function of one or more real operands, by name (backends/reference/special.py)."""
    return _same(*values)


@primitive("elementwise")
def clamp_index(index, size, refusal, negative):
    """Wrap negative indices (where they are allowed); at run time one that is out of range raises
    `refusal`: (exception type, text)."""
    return index.shape, dtypes.int64


# --------------------------------------------------------------------------------- sources
@primitive("source")
def input_(index, shape, dtype):
    """A flat or shaped operand bound when the program runs."""
    return shape, dtype


@primitive("source")
def scalar(index, shape, dtype):
    """A run-time Python number; shape ()."""
    return shape, dtype


@primitive("source")
def const(value, dtype):
    """A Python number known when the kernel is made; shape ()."""
    return (), dtype


@primitive("source")
def iota(size):
    """0, 1, .. size - 1 as int64, shape (size,)."""
    return (size,), dtypes.int64


# -------------------------------------------------------------------------------- movement
@primitive("movement")
def reshape(x, shape):
    if numel(shape) != numel(x.shape):
        raise ValueError(f"reshape {list(x.shape)} to {list(shape)}")
    return tuple(shape), x.dtype


@primitive("movement")
def permute(x, axes):
    """Result axis i is operand axis axes[i]."""
    if sorted(axes) != list(range(len(x.shape))):
        raise ValueError(f"permute axes {axes}")
    return tuple(x.shape[a] for a in axes), x.dtype


@primitive("movement")
def expand(x, shape):
    """Sizes 1 grow to `shape`; same number of axes."""
    grown = zip(x.shape, shape, strict=False)
    if len(shape) != len(x.shape) or any(n not in (1, m) for n, m in grown):
        raise ValueError(f"expand {list(x.shape)} to {list(shape)}")
    return tuple(shape), x.dtype


@primitive("movement")
def slice_(x, starts, stops, steps):
    """x[start:stop:step] on every axis, steps positive."""
    shape = []
    for n, lo, hi, st in zip(x.shape, starts, stops, steps, strict=True):
        if not (0 <= lo <= hi <= n and st > 0):
            raise ValueError(f"slice {lo}:{hi}:{st} of {n}")
        shape.append(-(-(hi - lo) // st))
    return tuple(shape), x.dtype


@primitive("movement")
def pad(x, low, high, inner):
    """Zeros: `low` before, `high` after, `inner` between elements; per axis, low/high >= 0."""
    return tuple(
        lo + (n + (n - 1) * i if n else 0) + hi
        for n, lo, hi, i in zip(x.shape, low, high, inner, strict=True)
    ), x.dtype


@primitive("movement")
def flip(x, axes):
    return x.shape, x.dtype


@primitive("movement")
def concat(*values, axis):
    total = sum(v.shape[axis] for v in values)
    first = values[0]
    return (*first.shape[:axis], total, *first.shape[axis + 1 :]), first.dtype


@primitive("memory")
def load(flat, offset, shape, strides):
    """Read a strided view of a 1-d value."""
    if len(flat.shape) != 1:
        raise ValueError("load reads a 1-d value")
    return tuple(shape), flat.dtype


@primitive("memory")
def store(flat, value, offset, strides):
    """`flat` with a strided view replaced by `value` (elements that share a place: the last
    wins)."""
    if len(flat.shape) != 1 or flat.dtype is not value.dtype:
        raise ValueError("store writes into a 1-d value of its dtype")
    return flat.shape, flat.dtype


# -------------------------------------------------------------------------------- reductions
def _drop(shape, axes):
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def _reduce(x, axes):
    return _drop(x.shape, axes), x.dtype


_define("reduce", _reduce, "sum prod max min")  # on bool: prod = all, max = any


def _arg_reduce(x, axis):
    return _drop(x.shape, (axis,)), dtypes.int64


_define("reduce", _arg_reduce, "argmax argmin")  # first of equals; the first NaN wins


# ------------------------------------------------------------------- contraction, convolution
@primitive("contraction")
def dot(a, b):
    """Matrix product (..., M, K) x (..., K, N), equal batch dimensions."""
    if a.shape[:-2] != b.shape[:-2] or a.shape[-1] != b.shape[-2] or a.dtype is not b.dtype:
        raise ValueError(f"dot {a.dtype}{list(a.shape)} x {b.dtype}{list(b.shape)}")
    return (*a.shape[:-1], b.shape[-1]), a.dtype


@primitive("convolution")
def conv(x, w, stride, padding, dilation, groups, out):
    """(N, C, *S) with weights (O, C/groups, *K) to (N, O, *out): zeros are around x, of which
    `padding` (not of any sign only) come first along every axis."""
    return (x.shape[0], w.shape[0], *out), x.dtype


@primitive("convolution")
def conv_grad_input(g, w, stride, padding, dilation, groups, shape):
    """Cotangent of conv's operand, of the given shape."""
    return tuple(shape), g.dtype


@primitive("convolution")
def conv_grad_weight(g, x, stride, padding, dilation, groups, shape):
    """Cotangent of conv's weights, of the given shape."""
    return tuple(shape), g.dtype


# ------------------------------------------------------------------------------------ windows
@primitive("window")
def window_argmax(x, kernel, stride, padding, dilation, out):
    """Index into the flattened spatial plane of each window's maximum (the first of equals inside,
    the last NaN; some element where all is padding); x is (N, C, *S), `out` the spatial result
    sizes; int64."""
    return (*x.shape[:2], *out), dtypes.int64


@primitive("window")
def window_max(x, kernel, stride, padding, dilation, out):
    """Maximum of each window; padding is -inf (the lowest number), NaN wins."""
    return (*x.shape[:2], *out), x.dtype


@primitive("window")
def window_sum(x, kernel, stride, padding, out):
    """Sum over windows, zeros outside."""
    return (*x.shape[:2], *out), x.dtype


@primitive("window")
def window_sum_grad(g, kernel, stride, padding, shape):
    """Transpose of window_sum: add each window's value to the elements it covers."""
    return tuple(shape), g.dtype


# --------------------------------------------------------------------- gather, scatter, order
@primitive("gather")
def take(x, index):
    """x[index] along axis 0; `index` int64 already in range, any shape."""
    return (*index.shape, *x.shape[1:]), x.dtype


@primitive("scatter")
def put(x, index, source, mode):
    """x with rows index[i] set to, or combined with, source[i]: mode set/add/mul/min/max."""
    if source.shape != (*index.shape, *x.shape[1:]) or source.dtype is not x.dtype:
        raise ValueError("put: source must be index.shape + x.shape[1:], of x's dtype")
    return x.shape, x.dtype


@primitive("scan")
def scan(x, axis, op):
    """Cumulative sum, prod, max or min along an axis."""
    return x.shape, x.dtype


@primitive("sort")
def argsort(x, axis, descending):
    """Stable sorting permutation; NaN is the largest."""
    return x.shape, dtypes.int64


# --------------------------------------------------------------------------------------- host
@primitive("host")
def host(*values, name, params, results):
    """A NumPy function (backends/reference/host.py) with several results: ((shape, dtype), ..)."""
    return None, None


@primitive("host")
def item(call, index):
    """One result of a `host` value."""
    return call.params["results"][index]


def fold_float(value):
    """A Python number as hashable text, for printing."""
    return repr(value) if not (isinstance(value, float) and math.isnan(value)) else "nan"
