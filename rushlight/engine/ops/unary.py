"""Elementwise functions of one operand."""

import math

import numpy as np

from ..base import dtypes
from ..ir import lang as L
from .derivatives import only_self
from .numeric import no_complex, not_implemented
from .record import T, composite, pointwise


def unary(schema_name, function, doc, *, promote="default", ref=None, **fields):
    """A record whose body is one function of the operand."""

    def body(self):
        return function(self)

    body.__doc__ = doc
    return pointwise(f"{schema_name}(Tensor self) -> Tensor", promote=promote, ref=ref, **fields)(
        body
    )


def integers_unchanged(function):
    """Rounding functions leave integers alone."""
    return lambda x: x if x.dtype.category <= dtypes.INT else function(x)


def _no_bool(op, common):
    if common is dtypes.bool_:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are "
            "trying to invert a mask, use the `~` or `logical_not()` operator instead."
        )


@np.vectorize
def _lgamma(x):
    """math.lgamma, infinite at the poles and at infinity."""
    pole = x <= 0 and x == math.floor(x) if math.isfinite(x) else math.isinf(x)
    return math.inf if pole else math.lgamma(x)


def _floating_only(op, common):
    if common.category != dtypes.FLOAT:
        raise not_implemented(f"{op.name}_cpu", common)


for _name, _function, _doc, _ref, _aliases in (
    ("exp", L.exp, "``e ** x``.", np.exp, ()),
    ("exp2", L.exp2, "``2 ** x``.", np.exp2, ("special.exp2",)),
    ("expm1", L.expm1, "``e ** x - 1``, accurate near 0.", np.expm1, ("special.expm1",)),
    ("log", L.log, "Natural logarithm; -inf at 0, NaN below.", np.log, ()),
    ("log2", L.log2, "Logarithm to base 2; -inf at 0, NaN below.", np.log2, ()),
    ("log10", L.log10, "Logarithm to base 10; -inf at 0, NaN below.", np.log10, ()),
    (
        "log1p",
        L.log1p,
        "``log(1 + x)``, accurate near 0; -inf at -1, NaN below.",
        np.log1p,
        ("special.log1p",),
    ),
    ("sqrt", L.sqrt, "Square root; NaN below 0.", np.sqrt, ()),
    ("rsqrt", L.rsqrt, "``1 / sqrt(x)``; inf at 0, NaN below.", lambda x: 1 / np.sqrt(x), ()),
    ("sin", L.sin, "Sine of radians.", np.sin, ()),
    ("cos", L.cos, "Cosine of radians.", np.cos, ()),
    (
        "asin",
        L.asin,
        "Angle in [-pi/2, pi/2] whose sine is x; NaN outside of [-1, 1].",
        np.arcsin,
        ("arcsin",),
    ),
    (
        "acos",
        L.acos,
        "Angle in [0, pi] whose cosine is x; NaN outside of [-1, 1].",
        np.arccos,
        ("arccos",),
    ),
    ("atan", L.atan, "Angle in (-pi/2, pi/2) whose tangent is x.", np.arctan, ("arctan",)),
    ("sinh", L.sinh, "Hyperbolic sine, ``(e ** x - e ** -x) / 2``.", np.sinh, ()),
    ("cosh", L.cosh, "Hyperbolic cosine, ``(e ** x + e ** -x) / 2``.", np.cosh, ()),
    ("tanh", L.tanh, "Hyperbolic tangent, in [-1, 1].", np.tanh, ()),
    ("asinh", L.asinh, "Inverse hyperbolic sine.", np.arcsinh, ("arcsinh",)),
    ("acosh", L.acosh, "Inverse hyperbolic cosine; NaN below 1.", np.arccosh, ("arccosh",)),
    (
        "atanh",
        L.atanh,
        "Inverse hyperbolic tangent; infinite at -1 and 1, NaN outside.",
        np.arctanh,
        ("arctanh",),
    ),
    (
        "erf",
        L.erf,
        "Error function, the integral of ``2 / sqrt(pi) e ** -t ** 2`` from 0 to x.",
        np.vectorize(math.erf),
        ("special.erf",),
    ),
    (
        "erfc",
        L.erfc,
        "``1 - erf(x)``, accurate for large x.",
        np.vectorize(math.erfc),
        ("special.erfc",),
    ),
    (
        "erfinv",
        L.erfinv,
        "Inverse of erf on [-1, 1]; infinite at the ends, NaN outside.",
        None,
        ("special.erfinv",),
    ),
    (
        "lgamma",
        L.lgamma,
        "Logarithm of the absolute gamma function.",
        _lgamma,
        ("special.gammaln",),
    ),
    ("digamma", L.digamma, "Derivative of lgamma.", None, ("special.digamma", "special.psi")),
    (
        "sigmoid",
        L.sigmoid,
        "``1 / (1 + e ** -x)``.",
        lambda x: 1 / (1 + np.exp(-x)),
        ("special.expit",),
    ),
):
    unary(_name, _function, _doc, promote="float", ref=_ref, aliases=_aliases)


unary(
    "tan",
    L.tan,
    "Tangent of radians.",
    promote="float",
    ref=np.tan,
    vjp=only_self(lambda g, out, x: g * L.conjugate(out * out + 1)),
)
unary(
    "neg",
    L.neg,
    "The number with the other sign, ``-x``; RuntimeError for bool.",
    ref=np.negative,
    dtypes=_no_bool,
    aliases=("negative",),
)
unary("reciprocal", lambda x: 1 / x, "``1 / x``.", promote="float", ref=np.reciprocal)
unary(
    "floor",
    integers_unchanged(L.floor),
    "Largest integer at most x.",
    ref=np.floor,
    dtypes=no_complex,
)
unary(
    "ceil",
    integers_unchanged(L.ceil),
    "Smallest integer at least x.",
    ref=np.ceil,
    dtypes=no_complex,
)
unary(
    "trunc",
    integers_unchanged(L.trunc),
    "The number without its fraction, rounded toward zero.",
    ref=np.trunc,
    aliases=("fix",),
    dtypes=no_complex,
)
unary(
    "frac",
    lambda x: x - L.trunc(x),
    "Fractional part, with the sign of x.",
    ref=lambda x: x - np.trunc(x),
    dtypes=_floating_only,
)


@pointwise("abs(Tensor self) -> Tensor", result="real", aliases=("absolute",), ref=np.abs)
def abs_(self):
    """Absolute value; the modulus of complex numbers."""
    return L.abs_(self) if self.dtype.is_signed and self.dtype is not dtypes.bool_ else self


@pointwise("sign(Tensor self) -> Tensor", ref=np.sign, dtypes=no_complex)
def sign(self):
    """-1, 0 or 1."""
    return self if self.dtype is dtypes.bool_ else L.sign(self)


@pointwise("sgn(Tensor self) -> Tensor", ref=np.sign)
def sgn(self):
    """sign for real numbers; ``x / |x|`` (0 at 0) for complex ones."""
    if not self.dtype.is_complex:
        return self if self.dtype is dtypes.bool_ else L.sign(self)
    size = L.abs_(self)
    size = L.make_complex(size, L.like(size, 0))
    return L.where(L.eq(self, L.like(self, 0)), L.like(self, 0), self / size)


@pointwise(
    "round(Tensor self) -> Tensor", aliases=("special.round",), ref=np.rint, dtypes=no_complex
)
def round_(self):
    """Nearest integer, halves to even."""
    return self if self.dtype.category <= dtypes.INT else L.round_(self)


@pointwise(
    "round.decimals(Tensor self, *, int decimals) -> Tensor",
    aliases=("special.round",),
    node="RoundBackward1",
    dtypes=no_complex,
)
def round_decimals(self, decimals):
    """Nearest number with `decimals` digits after the point."""
    if self.dtype.category <= dtypes.INT:
        return self
    scale = 10.0 ** abs(decimals)
    return L.round_(self * scale) / scale if decimals >= 0 else L.round_(self / scale) * scale


@pointwise("square(Tensor self) -> Tensor", node="PowBackward0", promote="integer", ref=np.square)
def square(self):
    """``x ** 2``."""
    return self * self


@pointwise("deg2rad(Tensor self) -> Tensor", promote="float", ref=np.deg2rad)
def deg2rad(self):
    """Degrees to radians."""
    return self * (math.pi / 180)


@pointwise("rad2deg(Tensor self) -> Tensor", promote="float", ref=np.rad2deg)
def rad2deg(self):
    """Radians to degrees."""
    return self * (180 / math.pi)


def _sinc_gradient(g, out, x):
    product = x * math.pi
    slope = (product * L.cos(product) - L.sin(product)) / (product * x)
    return L.where(L.eq(x, 0), L.like(g, 0), g * L.conjugate(slope))


@pointwise(
    "sinc(Tensor self) -> Tensor",
    promote="float",
    aliases=("special.sinc",),
    vjp=only_self(_sinc_gradient),
    ref=np.sinc,
)
def sinc(self):
    """``sin(pi x) / (pi x)``, 1 at 0."""
    product = self * math.pi
    zero = L.eq(self, L.like(self, 0))
    safe = L.where(zero, L.like(product, 1), product)
    return L.where(zero, L.like(self, 1), L.sin(safe) / safe)


@pointwise(
    "logit(Tensor self, float? eps=None) -> Tensor", promote="float", aliases=("special.logit",)
)
def logit(self, eps):
    """``log(x / (1 - x))``; x clamped into [eps, 1 - eps] where eps is given."""
    if eps is not None:
        self = L.where(self < eps, eps, L.where(self > 1 - eps, 1 - eps, self))
    return L.log(self / (1 - self))


@composite("function,method,out")
def positive(input):
    """The tensor itself; RuntimeError for bool."""
    if input.dtype is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@pointwise("conj_physical(Tensor self) -> Tensor")
def conj_physical(self):
    """Complex conjugate, computed at once; real numbers as they are."""
    return L.conjugate(self)


@composite()
def conj(input):
    """Complex conjugate (computed at once; real tensors as they are)."""
    return T.conj_physical(input) if input.dtype.is_complex else input


@pointwise(
    "angle(Tensor self) -> Tensor",
    ref=lambda x: np.where(np.isnan(x), x, np.where(x < 0, np.pi, 0)),
    result="real",
    promote="float",
)
def angle(self):
    """Argument of a complex number; 0 or pi for a real one, NaN stays."""
    if self.dtype.is_complex:
        return L.atan2(L.imag(self), L.real(self))
    flat = L.where(self < 0, L.like(self, math.pi), L.like(self, 0))
    return L.where(L.isnan(self), self, flat)


@pointwise(
    "nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor"
)
def nan_to_num(self, nan, posinf, neginf):
    """NaN and infinities replaced: by 0 and the largest finite numbers unless given."""
    if self.dtype.category <= dtypes.INT:
        return self
    if self.dtype.is_complex:
        return L.make_complex(
            *(nan_to_num.body(part, nan, posinf, neginf) for part in (L.real(self), L.imag(self)))
        )
    top = dtypes_max(self.dtype)
    out = L.where(L.isnan(self), 0.0 if nan is None else nan, self)
    out = L.where(L.eq(self, L.like(self, math.inf)), top if posinf is None else posinf, out)
    return L.where(L.eq(self, L.like(self, -math.inf)), -top if neginf is None else neginf, out)


def dtypes_max(dtype):
    """Largest finite number of a real floating dtype."""
    return float(np.finfo(dtype.np).max)
