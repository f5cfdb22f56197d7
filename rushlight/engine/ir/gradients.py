"""Derivatives of the primitives: every rule of the system on one page.

`vjp(g, out, *inputs, **params)` returns one cotangent (or None) per input.  Complex values follow
PyTorch's convention: the cotangent of a real-valued loss is dL/dRe + i dL/dIm, hence the conj.
"""

import math

from ..base import dtypes
from ..base.shapes import numel
from . import lang as L
from .primitives import PRIMITIVES

NOT_DIFFERENTIABLE = """sign floor ceil round trunc invert idiv bitand bitor bitxor shl shr
nextafter
    eq ne lt le gt ge isnan clamp_index input scalar const iota argmax argmin window_argmax
    argsort""".split()


def vjp(name):
    def register(rule):
        PRIMITIVES[name].rules["vjp"] = rule
        return rule

    return register


def _elementwise(name, rule):
    """`rule(g, out, *inputs)` for real inputs; complex partials are conjugated by the caller."""
    PRIMITIVES[name].rules["vjp"] = rule


def _unary(table):
    """name -> derivative as a function of (x, y = f(x)); holomorphic, so conj for complex."""
    for name, derivative in table.items():

        def rule(g, out, x, derivative=derivative):
            return [g * L.conjugate(derivative(x, out))]

        _elementwise(name, rule)


_unary(
    {
        "neg": lambda x, y: L.like(x, -1),
        "exp": lambda x, y: y,
        "exp2": lambda x, y: y * math.log(2),
        "expm1": lambda x, y: y + 1,
        "log": lambda x, y: 1 / x,
        "log1p": lambda x, y: 1 / (x + 1),
        "log2": lambda x, y: 1 / (x * math.log(2)),
        "log10": lambda x, y: 1 / (x * math.log(10)),
        "sqrt": lambda x, y: 0.5 / y,
        "rsqrt": lambda x, y: -0.5 * (y * y * y),
        "sin": lambda x, y: L.cos(x),
        "cos": lambda x, y: -L.sin(x),
        "tan": lambda x, y: 1 + y * y,
        "asin": lambda x, y: L.rsqrt(1 - x * x),
        "acos": lambda x, y: -L.rsqrt(1 - x * x),
        "atan": lambda x, y: 1 / (x * x + 1),
        "sinh": lambda x, y: L.cosh(x),
        "cosh": lambda x, y: L.sinh(x),
        "tanh": lambda x, y: 1 - y * y,
        "asinh": lambda x, y: L.rsqrt(x * x + 1),
        "acosh": lambda x, y: L.rsqrt(x - 1) * L.rsqrt(x + 1),
        "atanh": lambda x, y: 1 / (1 - x * x),
        "erf": lambda x, y: 2 / math.sqrt(math.pi) * L.exp(-(x * x)),
        "erfc": lambda x, y: -2 / math.sqrt(math.pi) * L.exp(-(x * x)),
        "normal_cdf": lambda x, y: L.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi)),
        "erfinv": lambda x, y: math.sqrt(math.pi) / 2 * L.exp(y * y),
        "lgamma": lambda x, y: L.digamma(x),
        "digamma": lambda x, y: L.special("trigamma", x),
        "sigmoid": lambda x, y: y * (1 - y),
    }
)


@vjp("add")
def _add(g, out, a, b):
    return [g, g]


@vjp("sub")
def _sub(g, out, a, b):
    return [g, -g]


@vjp("mul")
def _mul(g, out, a, b):
    return [g * L.conjugate(b), g * L.conjugate(a)]


@vjp("div")
def _div(g, out, a, b):
    scaled = g / L.conjugate(b)
    return [scaled, -(scaled * L.conjugate(a / b))]


@vjp("rem")
def _rem(g, out, a, b):
    return [g, -(g * L.trunc(a / b))]


@vjp("pow")
def _pow(g, out, a, b):
    to_a = L.where(L.eq(b, 0), L.like(g, 0), g * L.conjugate(b * L.pow_(a, b - 1)))
    vanishes = L.eq(a, 0)
    if not b.dtype.is_complex:
        vanishes = vanishes & (b >= 0)
    safe = L.where(L.eq(a, 0), L.like(a, 1), a)
    to_b = L.where(vanishes, L.like(g, 0), g * L.conjugate(out * L.log(safe)))
    if not b.dtype.is_complex:  # a negative power of zero has an infinite slope in the exponent
        to_b = L.where(L.eq(a, 0) & (b < 0), g * L.conjugate(out * L.log(a)), to_b)
    return [to_a, to_b]


@vjp("atan2")
def _atan2(g, out, y, x):
    norm = y * y + x * x
    scale = L.where(L.eq(norm, 0), L.like(g, 0), g / norm)
    return [scale * x, -(scale * y)]


def _extremum(better):
    def rule(g, out, a, b):
        """Ties share the cotangent equally, as PyTorch's maximum and minimum do."""
        half = L.where(L.eq(a, b), g / 2, g)
        zero = L.like(g, 0)
        return [L.where(better(b, a), zero, half), L.where(better(a, b), zero, half)]

    return rule


_elementwise("maximum", _extremum(lambda p, q: p > q))
_elementwise("minimum", _extremum(lambda p, q: p < q))


@vjp("copysign")
def _copysign(g, out, a, b):
    ratio = L.where(L.eq(a, 0), L.like(g, 0), out / a)
    return [g * ratio, None]


@vjp("abs")
def _abs(g, out, x):
    if x.dtype.is_complex:
        size = L.make_complex(out, L.like(out, 0))
        unit = L.where(L.eq(size, 0), L.like(x, 0), x / size)
        return [unit * L.make_complex(g, L.like(g, 0))]
    return [g * L.sign(x)]


@vjp("where")
def _where(g, out, c, x, y):
    zero = L.like(g, 0)
    return [None, L.where(c, g, zero), L.where(c, zero, g)]


@vjp("cast")
def _cast(g, out, x, dtype):
    if x.dtype.category < 2:
        return [None]
    return [L.cast(L.real(g) if g.dtype.is_complex and not x.dtype.is_complex else g, x.dtype)]


@vjp("real")
def _real(g, out, x):
    return [L.make_complex(g, L.like(g, 0))]


@vjp("imag")
def _imag(g, out, x):
    return [L.make_complex(L.like(g, 0), g)]


@vjp("complex")
def _complex(g, out, re, im):
    return [L.real(g), L.imag(g)]


@vjp("conj")
def _conj(g, out, x):
    return [L.conj(g)]


# --------------------------------------------------------------------------------- movement
@vjp("reshape")
def _reshape(g, out, x, shape):
    return [L.reshape(g, x.shape)]


@vjp("permute")
def _permute(g, out, x, axes):
    inverse = [0] * len(axes)
    for i, a in enumerate(axes):
        inverse[a] = i
    return [L.permute(g, inverse)]


@vjp("expand")
def _expand(g, out, x, shape):
    axes = [i for i, (n, m) in enumerate(zip(x.shape, shape, strict=True)) if n != m]
    wide = dtypes.OPMATH.get(g.dtype, g.dtype)  # halves add up in float32
    return [L.cast(L.sum_(L.cast(g, wide), axes, keepdim=True), g.dtype)]


@vjp("slice")
def _slice(g, out, x, starts, stops, steps):
    inner = [s - 1 for s in steps]
    spans = [(n - 1) * s + 1 if n else 0 for n, s in zip(g.shape, steps, strict=True)]
    high = [n - lo - span for n, lo, span in zip(x.shape, starts, spans, strict=True)]
    return [L.pad(g, starts, high, inner)]


@vjp("pad")
def _pad(g, out, x, low, high, inner):
    stops = [n - hi if m else lo for n, hi, lo, m in zip(g.shape, high, low, x.shape, strict=True)]
    return [L.slice_(g, low, stops, [i + 1 for i in inner])]


@vjp("flip")
def _flip(g, out, x, axes):
    return [L.flip(g, axes)]


@vjp("concat")
def _concat(g, out, *values, axis):
    grads, at = [], 0
    for v in values:
        grads.append(L.slice_axis(g, axis, at, at + v.shape[axis]))
        at += v.shape[axis]
    return grads


def _places(flat, offset, shape, strides):
    """Flat position of every element of a strided view, int64."""
    total = L.const(flat.graph, offset, L.iota(flat.graph, 1).dtype, shape)
    for d, s in enumerate(strides):
        if s and shape[d] > 1:
            total = total + L.arange_along(total, d) * s
    return total


@vjp("load")
def _load(g, out, flat, offset, shape, strides):
    zeros = L.like(flat, 0)
    return [L.put(zeros, _places(flat, offset, shape, strides), g, "add")]


@vjp("store")
def _store(g, out, flat, value, offset, strides):
    to_value = L.load(g, offset, value.shape, strides)
    return [L.store(g, L.like(value, 0), offset, strides), to_value]


# -------------------------------------------------------------------------------- reductions
def _spread(value, x, axes):
    """A reduced value back in the shape of x."""
    kept = [1 if i in axes else n for i, n in enumerate(x.shape)]
    return L.broadcast(L.reshape(value, kept), x.shape)


@vjp("sum")
def _sum(g, out, x, axes):
    return [_spread(g, x, axes)]


@vjp("prod")
def _prod(g, out, x, axes):
    """Exact with zeros: product of the others from both sides, along the flattened axes."""
    rest = [i for i in range(x.ndim) if i not in axes]
    moved = L.permute(x, rest + list(axes))
    rows = L.reshape(moved, (numel([x.shape[i] for i in rest]), numel([x.shape[i] for i in axes])))
    one = L.like(L.slice_axis(rows, 1, 0, min(1, rows.shape[1])), 1)
    before = L.scan(
        L.concat([one, L.slice_axis(rows, 1, 0, max(rows.shape[1] - 1, 0))], 1), 1, "prod"
    )
    behind = L.flip(
        L.concat([L.slice_axis(rows, 1, min(1, rows.shape[1]), rows.shape[1]), one], 1), [1]
    )
    others = L.reshape(before * L.flip(L.scan(behind, 1, "prod"), [1]), moved.shape)
    inverse = [0] * x.ndim
    for i, a in enumerate(rest + list(axes)):
        inverse[a] = i
    return [_spread(g, x, axes) * L.conjugate(L.permute(others, inverse))]


def _extreme(g, out, x, axes):
    """Equal extremes share the cotangent; amax, amin and the dim overloads have their own rules."""
    top = _spread(out, x, axes)
    hits = L.eq(x, top) | (L.isnan(x) & L.isnan(top))
    count = L.sum_(L.cast(hits, x.dtype), axes, keepdim=True)
    share = _spread(g, x, axes) / L.broadcast(count, x.shape)
    return [L.where(hits, share, L.like(x, 0))]


_elementwise("max", _extreme)
_elementwise("min", _extreme)


@vjp("scan")
def _scan(g, out, x, axis, op):
    if op == "sum":
        return [L.flip(L.scan(L.flip(g, [axis]), axis, "sum"), [axis])]
    if op == "prod":
        return [_cumprod(g, out, x, axis)]
    raise NotImplementedError("cumulative max and min are differentiated through their indices")


def _cumprod(g, out, x, axis):
    """dx_k = sum over i >= k of g_i * prod of x_j, j <= i, j != k; exact with zeros (O(n^2))."""
    n = x.shape[axis]
    if n == 0:
        return x
    moved, cot = L.move_axis(x, axis, x.ndim - 1), L.move_axis(g, axis, x.ndim - 1)
    shape = (*moved.shape[:-1], n, n)
    rows = L.expand(L.unsqueeze(moved, moved.ndim - 1), shape)  # rows[.., k, j] = x_j
    same = L.eq(L.arange_along(rows, len(shape) - 2), L.arange_along(rows, len(shape) - 1))
    without = L.scan(L.where(same, L.like(rows, 1), rows), len(shape) - 1, "prod")
    later = L.arange_along(rows, len(shape) - 1) >= L.arange_along(rows, len(shape) - 2)
    terms = L.conjugate(without) * L.expand(L.unsqueeze(cot, cot.ndim - 1), shape)
    total = L.sum_(L.where(later, terms, L.like(terms, 0)), [len(shape) - 1])
    return L.move_axis(total, x.ndim - 1, axis)


# -------------------------------------------------------------- contraction and convolution
@vjp("dot")
def _dot(g, out, a, b):
    return [L.dot(g, L.transpose(L.conjugate(b))), L.dot(L.transpose(L.conjugate(a)), g)]


@vjp("conv")
def _conv(g, result, x, w, out, **geometry):
    emit = g.graph.emit
    return [
        emit(PRIMITIVES["conv_grad_input"], (g, L.conjugate(w)), **geometry, shape=x.shape),
        emit(PRIMITIVES["conv_grad_weight"], (g, L.conjugate(x)), **geometry, shape=w.shape),
    ]


@vjp("conv_grad_input")
def _conv_grad_input(gg, out, g, w, shape, **geometry):
    emit = g.graph.emit
    return [
        emit(PRIMITIVES["conv"], (gg, L.conjugate(w)), **geometry, out=g.shape[2:]),
        emit(PRIMITIVES["conv_grad_weight"], (L.conjugate(g), gg), **geometry, shape=w.shape),
    ]


@vjp("conv_grad_weight")
def _conv_grad_weight(gg, out, g, x, shape, **geometry):
    emit = g.graph.emit
    return [
        emit(PRIMITIVES["conv"], (L.conjugate(x), gg), **geometry, out=g.shape[2:]),
        emit(PRIMITIVES["conv_grad_input"], (L.conjugate(g), gg), **geometry, shape=x.shape),
    ]


@vjp("window_max")
def _window_max(g, out, x, **geometry):
    index = g.graph.emit(PRIMITIVES["window_argmax"], (x,), **geometry)
    planes, rows = ((numel(v.shape[:2]), numel(v.shape[2:])) for v in (x, g))
    zeros = L.const(g, 0, g.dtype, planes)
    found = L.put_along(zeros, L.reshape(index, rows), L.reshape(g, rows), 1, "add")
    return [L.reshape(found, x.shape)]


@vjp("window_sum")
def _window_sum(g, y, x, out, **params):
    return [g.graph.emit(PRIMITIVES["window_sum_grad"], (g,), **params, shape=x.shape)]


@vjp("window_sum_grad")
def _window_sum_grad(gg, out, g, shape, **params):
    return [gg.graph.emit(PRIMITIVES["window_sum"], (gg,), **params, out=g.shape[2:])]


# -------------------------------------------------------------------------- gather, scatter
@vjp("take")
def _take(g, out, x, index):
    return [L.put(L.like(x, 0), index, g, "add"), None]


def _other_factors(x, index, source):
    """For each source, the product of everything else multiplied into its place; exact with
    zeros."""
    zero = L.eq(source, L.like(source, 0))
    safe = L.where(zero, L.like(source, 1), source)
    product = L.take(L.put(x, index, safe, "mul"), index)
    flags = L.cast(zero, dtypes.int64)
    empty = L.const(x.graph, 0, dtypes.int64, x.shape)
    others = L.take(L.put(empty, index, flags, "add"), index) - flags
    return L.where(L.eq(others, 0), product / safe, L.like(source, 0))


@vjp("put")
def _put(g, out, x, index, source, mode):
    if mode == "add":
        return [g, None, L.take(g, index)]
    if mode == "set":
        return [L.put(g, index, L.like(source, 0), "set"), None, L.take(g, index)]
    if mode == "mul":
        conjugate = L.conjugate(source)
        to_x = L.put(g, index, conjugate, "mul")
        return [to_x, None, L.take(g, index) * L.conjugate(_other_factors(x, index, source))]
    share = L.put(
        L.cast(L.eq(x, out), x.dtype),
        index,
        L.cast(L.eq(source, L.take(out, index)), x.dtype),
        "add",
    )
    share = g / L.maximum(share, L.like(share, 1))
    return [
        L.where(L.eq(x, out), share, L.like(x, 0)),
        None,
        L.where(L.eq(source, L.take(out, index)), L.take(share, index), L.like(source, 0)),
    ]
