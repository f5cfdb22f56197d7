"""Comparisons, logic, bits, choices and bounds."""

import math

import numpy as np

from ..base import dtypes
from ..ir import lang as L
from .numeric import no_complex
from .record import T, composite, numbered, operator, pointwise


def _comparison(name, function, doc, ref, aliases=(), ordered=True):
    def body(self, other):
        return function(self, other)

    body.__doc__ = doc
    pointwise(
        f"{name}(Tensor self, Tensor other) -> Tensor",
        result="bool",
        differentiable=False,
        dtypes=no_complex if ordered else None,
        aliases=aliases,
        ref=ref,
    )(body)


_comparison("eq", L.eq, "``self == other`` elementwise.", np.equal, ordered=False)
_comparison(
    "ne", L.ne, "``self != other`` elementwise.", np.not_equal, ("not_equal",), ordered=False
)
_comparison("lt", L.lt, "``self < other`` elementwise.", np.less, ("less",))
_comparison("le", L.le, "``self <= other`` elementwise.", np.less_equal, ("less_equal",))
_comparison("gt", L.gt, "``self > other`` elementwise.", np.greater, ("greater",))
_comparison("ge", L.ge, "``self >= other`` elementwise.", np.greater_equal, ("greater_equal",))


# --------------------------------------------------------------------------- predicates
def _predicate(name, function, doc, ref):
    def body(self):
        return function(self)

    body.__doc__ = doc
    pointwise(
        f"{name}(Tensor self) -> Tensor",
        variants="function,method,out",
        result="bool",
        differentiable=False,
        ref=ref,
    )(body)


def _false(x):
    return L.const(x.graph, False, dtypes.bool_, x.shape)


def _parts(test, join):
    """A test of floating values, of both parts of complex ones, constant for integers."""

    def run(x):
        if x.dtype.is_complex:
            return join(test(L.real(x)), test(L.imag(x)))
        return test(x) if x.dtype.category == dtypes.FLOAT else None

    return run


def _or_constant(run, constant):
    def whole(x):
        found = run(x)
        return L.const(x.graph, constant, dtypes.bool_, x.shape) if found is None else found

    return whole


_predicate("isnan", _or_constant(_parts(L.isnan, L.bitor), False), "Is it NaN?", np.isnan)
_predicate(
    "isinf",
    _or_constant(_parts(lambda x: L.eq(L.abs_(x), L.like(x, math.inf)), L.bitor), False),
    "Is it infinite?",
    np.isinf,
)
_predicate(
    "isfinite",
    _or_constant(_parts(L.isfinite, L.bitand), True),
    "Is it a finite number?",
    np.isfinite,
)
_predicate(
    "isposinf",
    _or_constant(_parts(lambda x: L.eq(x, L.like(x, math.inf)), L.bitor), False),
    "Is it +inf?",
    np.isposinf,
)
_predicate(
    "isneginf",
    _or_constant(_parts(lambda x: L.eq(x, L.like(x, -math.inf)), L.bitor), False),
    "Is it -inf?",
    np.isneginf,
)
_predicate(
    "signbit",
    lambda x: (
        L.lt(L.copysign(L.like(x, 1), x), L.like(x, 0))
        if x.dtype.category == dtypes.FLOAT
        else (L.lt(x, L.like(x, 0)) if x.dtype.is_signed else _false(x))
    ),
    "Is the sign negative?",
    np.signbit,
)


@pointwise(
    "isreal(Tensor self) -> Tensor", variants="function,method", result="bool", differentiable=False
)
def isreal(self):
    """Is the imaginary part 0?"""
    return (
        L.eq(L.imag(self), 0) if self.dtype.is_complex else L.eq(L.like(self, 0), L.like(self, 0))
    )


@pointwise(
    "logical_not(Tensor self) -> Tensor", result="bool", differentiable=False, ref=np.logical_not
)
def logical_not(self):
    """Is it zero?"""
    return L.logical_not(self)


def _logical(name, function, doc, ref):
    def body(self, other):
        return function(L.cast(self, dtypes.bool_), L.cast(other, dtypes.bool_))

    body.__doc__ = doc
    pointwise(
        f"{name}(Tensor self, Tensor other) -> Tensor",
        result="bool",
        numbers=(),
        differentiable=False,
        ref=ref,
    )(body)


_logical("logical_and", L.bitand, "Are both nonzero?", np.logical_and)
_logical("logical_or", L.bitor, "Is one of them nonzero?", np.logical_or)
_logical("logical_xor", L.bitxor, "Is exactly one of them nonzero?", np.logical_xor)


# --------------------------------------------------------------------------------- bits
def _integers_only(op, common):
    if common.category > dtypes.INT:
        raise RuntimeError(f"\"{op.name}_cpu\" not implemented for '{common.type_name}'")


def _bits(name, function, doc, ref):
    def body(self, other):
        return function(self, other)

    body.__doc__ = doc
    pointwise(
        f"{name}(Tensor self, Tensor other) -> Tensor",
        numbers=("self", "other"),
        dtypes=_integers_only,
        differentiable=False,
        ref=ref,
    )(body)


_bits("bitwise_and", L.bitand, "Bitwise and of integers or bools.", np.bitwise_and)
_bits("bitwise_or", L.bitor, "Bitwise or of integers or bools.", np.bitwise_or)
_bits("bitwise_xor", L.bitxor, "Bitwise exclusive or of integers or bools.", np.bitwise_xor)
_bits("bitwise_left_shift", L.shl, "Integers shifted left.", None)
_bits("bitwise_right_shift", L.shr, "Integers shifted right, keeping the sign.", None)


@pointwise("bitwise_not(Tensor self) -> Tensor", dtypes=_integers_only, differentiable=False)
def bitwise_not(self):
    """Bitwise complement; logical for bools."""
    return L.invert(self)


# ------------------------------------------------------------------------------ choices
@pointwise(
    "where.self(Tensor condition, Tensor self, Tensor other) -> Tensor",
    numbers=("self", "other"),
    variants="function,out",
    promotes=("self", "other"),
    node="WhereBackward0",
    ref=np.where,
    masks=True,
)
def where(condition, self, other):
    """Elements of `input` where the condition holds, of `other` elsewhere."""
    if condition.dtype is dtypes.uint8:
        condition = L.cast(condition, dtypes.bool_)
    if condition.dtype is not dtypes.bool_:
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with "
            f"dtype {condition.dtype.type_name}"
        )
    return L.where(condition, self, other)


@operator(
    "masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor",
    variants="function,method,inplace",
    node="MaskedFillBackward0",
)
def masked_fill(self, mask, value):
    """`value` where the mask is True."""
    return _masked_fill(self, mask, value)


@operator(
    "masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor",
    variants="function,method,inplace",
    node="MaskedFillBackward1",
)
def masked_fill_tensor(self, mask, value):
    """The 0-d tensor `value` where the mask is True."""
    if value.ndim:
        raise RuntimeError(
            "masked_fill_ only supports a 0-dimensional value tensor, but got tensor "
            f"with {value.ndim} dimension(s)."
        )
    return _masked_fill(self, mask, value)


def _masked_fill(self, mask, value):
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            "masked_fill_ only supports boolean masks, but got mask with dtype "
            f"{mask.dtype.type_name}"
        )
    if value.dtype.category > self.dtype.category and value.dtype.category > dtypes.INT:
        raise RuntimeError(f"value cannot be converted to type {self.dtype.name} without overflow")
    mask, self = L.broadcast_all(mask, self)
    return L.where(mask, L.broadcast(L.cast(value, self.dtype), self.shape), self)


# ------------------------------------------------------------------------------- bounds
def _extreme(name, function, doc, ref):
    def body(self, other):
        return function(self, other)

    body.__doc__ = doc
    pointwise(
        f"{name}(Tensor self, Tensor other) -> Tensor",
        variants="function,method,out",
        numbers=(),
        dtypes=no_complex,
        ref=ref,
        masks=True,
    )(body)


_extreme("maximum", L.maximum, "The larger of both; NaN if one is NaN.", np.maximum)
_extreme("minimum", L.minimum, "The smaller of both; NaN if one is NaN.", np.minimum)


def _rather_a_number(better):
    """The better operand, of equals the first; a number rather than NaN."""

    def function(a, b):
        first = better(a, b)
        if a.dtype.category == dtypes.FLOAT:
            first = first | L.isnan(b)
        return L.where(first, a, b)

    return function


_extreme("fmax", _rather_a_number(L.ge), "The larger of both; a number rather than NaN.", np.fmax)
_extreme("fmin", _rather_a_number(L.le), "The smaller of both; a number rather than NaN.", np.fmin)


def _nan_of(bound, x):
    """x, or the bound where that is NaN."""
    return L.where(L.isnan(bound), bound, x) if bound.dtype.category == dtypes.FLOAT else x


def _at_least(x, low):
    return _nan_of(low, L.where(x < low, low, x))


def _at_most(x, high):
    return _nan_of(high, L.where(x > high, high, x))


def _clamped(x, low, high):
    if low is not None:
        x = _at_least(x, low)
    return x if high is None else _at_most(x, high)


def _need_bound(low, high, name="clamp"):
    if low is None and high is None:
        raise RuntimeError(f"torch.{name}: At least one of 'min' or 'max' must not be None")


@pointwise(
    "clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
    aliases=("clip",),
    promotes=("self", "min", "max"),
    dtypes=no_complex,
    ref=np.clip,
    node="ClampBackward1",
    masks=True,
)
def clamp(self, min, max):  # noqa: A002
    """Values bounded by `min` and `max`; a NaN in any operand is the result."""
    _need_bound(min, max)
    return _clamped(self, min, max)


@pointwise(
    "clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor",
    aliases=("clip",),
    promotes=("self", "min", "max"),
    dtypes=no_complex,
    node="ClampBackward0",
    masks=True,
)
def clamp_tensor(self, min, max):  # noqa: A002
    """Values bounded elementwise; a NaN in any operand is the result."""
    _need_bound(min, max)
    return _clamped(self, min, max)


def _bound(name, which, function, doc, ref):
    def body(self, **bound):
        return function(self, *bound.values())

    body.__doc__ = doc
    for kind, overload in (("Scalar", ""), ("Tensor", ".Tensor")):
        pointwise(
            f"{name}{overload}(Tensor self, {kind} {which}) -> Tensor",
            promotes=("self", which),
            dtypes=no_complex,
            node=numbered(name.title().replace("_", ""), 1, 0),
            ref=ref,
            masks=True,
        )(body)


_bound("clamp_min", "min", _at_least, "Values at least `min`; NaN where either is.", np.maximum)
_bound("clamp_max", "max", _at_most, "Values at most `max`; NaN where either is.", np.minimum)


# ------------------------------------------------------------------------------- whole
@composite()
def equal(input, other):
    """Do both tensors have the same shape and elements?  A Python bool."""
    if input.shape != other.shape:
        return False
    return bool(T.eq(input, other).all())


@composite()
def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """``|input - other| <= atol + rtol * |other|`` elementwise."""
    if not T.is_tensor(input) or not T.is_tensor(other):
        raise TypeError("isclose(): both operands must be Tensors")
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{other.dtype} did not match {input.dtype}")
    if rtol < 0 or atol < 0:
        name = "rtol" if rtol < 0 else "atol"
        raise RuntimeError(
            f"{name} must be greater than or equal to zero, but got {rtol if rtol < 0 else atol}"
        )
    close = input == other
    if equal_nan and input.dtype.category >= dtypes.FLOAT:
        close = close | (T.isnan(input) & T.isnan(other))
    if rtol == 0 and atol == 0:
        return close
    a, b = (
        (input, other)
        if input.dtype.category >= dtypes.FLOAT
        else (input.to(T.get_default_dtype()), other.to(T.get_default_dtype()))
    )
    difference = (a - b).abs()
    return close | (T.isfinite(difference) & (difference <= atol + (rtol * b).abs()))


@composite()
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Is every element close?  A Python bool."""
    return bool(T.isclose(input, other, rtol, atol, equal_nan).all())
