"""The language operator bodies are written in: functions of Values, one per primitive, and sugar.

Python numbers become constants of the other operand's dtype; operands broadcast as in NumPy.
Importing this module gives Value its arithmetic operators.
"""

from ..base import dtypes
from ..base.shapes import broadcast_shapes, numel
from .graph import Graph, Value
from .primitives import PRIMITIVES as P

NUMBERS = (bool, int, float, complex)


def _emit(name, /, *inputs, **params):
    return inputs[0].graph.emit(P[name], inputs, **params)


def const(graph, value, dtype, shape=()):
    """A number of `dtype`, broadcast to `shape`; `graph` may be given as any of its values."""
    graph = graph if isinstance(graph, Graph) else graph.graph
    kind = (bool, int, float, complex)[dtype.category]
    if kind is not complex and isinstance(value, complex):
        value = value.real
    return broadcast(graph.emit(P["const"], (), value=kind(value), dtype=dtype), shape)


def like(x, value):
    """`value` in the shape and dtype of x."""
    return const(x.graph, value, x.dtype, x.shape)


def iota(graph, size):
    """int64 0 .. size - 1."""
    graph = graph if isinstance(graph, Graph) else graph.graph
    return graph.emit(P["iota"], (), size=size)


def arange_along(x, axis):
    """Index along `axis`, int64, in the shape of x."""
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    return broadcast(reshape(iota(x, x.shape[axis]), shape), x.shape)


# ------------------------------------------------------------------------------ movement
def reshape(x, shape):
    shape = tuple(shape)
    if x.prim.name == "reshape":
        x = x.inputs[0]
    return x if shape == x.shape else _emit("reshape", x, shape=shape)


def expand(x, shape):
    shape = tuple(shape)
    return x if shape == x.shape else _emit("expand", x, shape=shape)


def broadcast(x, shape):
    """NumPy broadcasting to `shape` (new axes in front)."""
    if x.shape == tuple(shape):
        return x
    return expand(reshape(x, (1,) * (len(shape) - x.ndim) + x.shape), shape)


def broadcast_all(*values):
    """Values (and numbers) in their common shape."""
    first = next(v for v in values if isinstance(v, Value))
    values = [v if isinstance(v, Value) else const(first.graph, v, first.dtype) for v in values]
    shape = broadcast_shapes(*(v.shape for v in values))
    return [broadcast(v, shape) for v in values]


def permute(x, axes):
    axes = tuple(axes)
    return x if axes == tuple(range(x.ndim)) else _emit("permute", x, axes=axes)


def transpose(x, a=-2, b=-1):
    axes = list(range(x.ndim))
    axes[a], axes[b] = axes[b], axes[a]
    return permute(x, axes)


def unsqueeze(x, axis):
    return reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


def move_axis(x, source, target):
    axes = [a for a in range(x.ndim) if a != source]
    axes.insert(target, source)
    return permute(x, axes)


def slice_(x, starts, stops, steps=None):
    steps = tuple(steps) if steps is not None else (1,) * x.ndim
    starts, stops = tuple(starts), tuple(stops)
    if starts == (0,) * x.ndim and stops == x.shape and steps == (1,) * x.ndim:
        return x
    return _emit("slice", x, starts=starts, stops=stops, steps=steps)


def slice_axis(x, axis, start, stop, step=1):
    starts, stops, steps = [0] * x.ndim, list(x.shape), [1] * x.ndim
    starts[axis], stops[axis], steps[axis] = start, stop, step
    return slice_(x, starts, stops, steps)


def select(x, axis, index):
    """x[..., index, ...] with the axis dropped; index >= 0."""
    return drop_axis(slice_axis(x, axis, index, index + 1), axis)


def drop_axis(x, axis):
    return reshape(x, (*x.shape[:axis], *x.shape[axis + 1 :]))


def pad(x, low, high, inner=None):
    low, high = tuple(low), tuple(high)
    inner = tuple(inner) if inner is not None else (0,) * x.ndim
    if not any(low) and not any(high) and not any(inner):
        return x
    return _emit("pad", x, low=low, high=high, inner=inner)


def flip(x, axes):
    return _emit("flip", x, axes=tuple(axes)) if axes else x


def concat(values, axis):
    values = list(values)
    return values[0] if len(values) == 1 else _emit("concat", *values, axis=axis)


def stack(values, axis):
    return concat([unsqueeze(v, axis) for v in values], axis)


def load(flat, offset, shape, strides):
    return _emit("load", flat, offset=offset, shape=tuple(shape), strides=tuple(strides))


def store(flat, value, offset, strides):
    return _emit("store", flat, value, offset=offset, strides=tuple(strides))


# ---------------------------------------------------------------------------- elementwise
def cast(x, dtype):
    return x if x.dtype is dtype else _emit("cast", x, dtype=dtype)


def where(condition, x, y):
    if not isinstance(x, Value) and not isinstance(y, Value):
        raise TypeError("where needs one Value among its branches")
    if not isinstance(x, Value):
        x = const(y.graph, x, y.dtype)
    if not isinstance(y, Value):
        y = const(x.graph, y, x.dtype)
    return _emit("where", *broadcast_all(condition, x, y))


def _unary(name):
    def function(x):
        return _emit(name, x)

    function.__name__ = name
    return function


def _binary(name):
    def function(x, y):
        return _emit(name, *broadcast_all(x, y))

    function.__name__ = name
    return function


(
    neg,
    sign,
    floor,
    ceil,
    round_,
    trunc,
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    sqrt,
    rsqrt,
    sin,
    cos,
    tan,
    asin,
    acos,
    atan,
    sinh,
    cosh,
    tanh,
    asinh,
    acosh,
    atanh,
    erf,
    erfc,
    erfinv,
    lgamma,
    digamma,
    normal_cdf,
    sigmoid,
    invert,
    conj,
    abs_,
    isnan,
    real_part,
    imag_part,
) = map(
    _unary,
    """
 neg sign floor ceil round trunc exp exp2 expm1 log log1p log2 log10 sqrt rsqrt
 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf erfc erfinv lgamma
 digamma normal_cdf sigmoid invert conj abs isnan real imag""".split(),
)
(
    add,
    sub,
    mul,
    div,
    idiv,
    rem,
    pow_,
    atan2,
    maximum,
    minimum,
    bitand,
    bitor,
    bitxor,
    shl,
    shr,
    nextafter,
    copysign,
    eq,
    ne,
    lt,
    le,
    gt,
    ge,
    make_complex,
) = map(
    _binary,
    """
 add sub mul div idiv rem pow atan2 maximum minimum bitand bitor bitxor shl shr
 nextafter copysign eq ne lt le gt ge complex""".split(),
)


def real(x):
    """Real part (x itself unless complex)."""
    return real_part(x) if x.dtype.is_complex else x


def imag(x):
    """Imaginary part; zeros for a real x."""
    return imag_part(x) if x.dtype.is_complex else like(x, 0)


def conjugate(x):
    return conj(x) if x.dtype.is_complex else x


def square(x):
    return x * x


def isfinite(x):
    return eq(x - x, like(x, 0))


def logical_not(x):
    return invert(cast(x, dtypes.bool_))


def special(name, *values):
    return _emit("special", *broadcast_all(*values), name=name)


def index_in(index, size, dim=0, says=None, error=IndexError, negative=True):
    """int64 indices in [0, size); checked when the program runs.

    Args:
        dim, says, error: what the refusal names, or its own words (``{}`` is the index), and type.
        negative: do negative ones count from the end?
    """
    says = says or f"index {{}} is out of bounds for dimension {dim} with size {size}"
    refusal = (error, says)
    return _emit(
        "clamp_index", cast(index, dtypes.int64), size=size, refusal=refusal, negative=negative
    )


# ------------------------------------------------------------------------------ reductions
def _reduction(name):
    def function(x, axes=None, keepdim=False):
        axes = tuple(range(x.ndim)) if axes is None else tuple(sorted(axes))
        out = x if not axes else _emit(name, x, axes=axes)
        return (
            reshape(out, [1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdim else out
        )

    function.__name__ = name
    return function


sum_, prod, max_, min_ = map(_reduction, "sum prod max min".split())


def any_(x, axes=None, keepdim=False):
    return max_(cast(x, dtypes.bool_), axes, keepdim)


def all_(x, axes=None, keepdim=False):
    return prod(cast(x, dtypes.bool_), axes, keepdim)


def mean(x, axes=None, keepdim=False):
    axes = tuple(range(x.ndim)) if axes is None else tuple(axes)
    count = numel([x.shape[a] for a in axes])
    total = sum_(x, axes, keepdim)
    return total / like(total, count if count else float("nan"))


def argmax(x, axis):
    return _emit("argmax", x, axis=axis)


def argmin(x, axis):
    return _emit("argmin", x, axis=axis)


# -------------------------------------------------------------------------- larger pieces
def dot(a, b):
    return _emit("dot", a, b)


def conv(x, w, **geometry):
    return _emit("conv", x, w, **geometry)


def take(x, index):
    return _emit("take", x, index)


def put(x, index, source, mode="set"):
    return _emit("put", x, index, source, mode=mode)


def take_along(x, index, axis):
    """x[.., index[..], ..] along one axis; other axes of index are at most x's."""
    return take(reshape(x, (numel(x.shape),)), linear_index(x.shape, index, axis))


def put_along(x, index, source, axis, mode):
    """x with source written (or combined) at index along an axis."""
    flat = put(reshape(x, (numel(x.shape),)), linear_index(x.shape, index, axis), source, mode)
    return reshape(flat, x.shape)


def linear_index(shape, index, axis):
    """Flat position in `shape` of index along `axis` and its own coordinates elsewhere."""
    total, step = None, 1
    for d in range(len(shape) - 1, -1, -1):
        along = index if d == axis else arange_along(index, d)
        term = along * step if step != 1 else along
        total = term if total is None else total + term
        step *= shape[d]
    return index if total is None else total


def scan(x, axis, op):
    return _emit("scan", x, axis=axis, op=op) if x.ndim else x


def argsort(x, axis, descending=False):
    return _emit("argsort", x, axis=axis, descending=descending)


def host(name, values, results, /, **params):
    """Call a host function; returns a tuple of Values."""
    call = values[0].graph.emit(
        P["host"], values, name=name, params=tuple(params.items()), results=tuple(results)
    )
    return tuple(_emit("item", call, index=i) for i in range(len(results)))


# --------------------------------------------------------------------------------- sugar
def _reflected(function):
    return lambda x, y: function(*reversed(broadcast_all(x, y)))


for _name, _function in dict(
    add=add, sub=sub, mul=mul, truediv=div, pow=pow_, and_=bitand, or_=bitor, xor=bitxor
).items():
    setattr(Value, f"__{_name.strip('_')}__", _function)
    setattr(Value, f"__r{_name.strip('_')}__", _reflected(_function))
for _name, _function in dict(lt=lt, le=le, gt=gt, ge=ge, neg=neg, invert=invert).items():
    setattr(Value, f"__{_name}__", _function)
