"""torch.special: gamma functions, Bessel functions, the normal distribution, polynomials.

Values come from backends/reference/special_*.py; derivatives are formulas in the functions
themselves.
"""

import math

from ..base import dtypes
from ..ir import lang as L
from .derivatives import only_self
from .numeric import not_implemented
from .record import pointwise


def _no_complex(op, common):
    if common.is_complex:
        raise not_implemented(op.name, common)


_DIFFERENTIABLE = "i0 i0e i1 i1e erfcx ndtri log_ndtr".split()


def _function(name, doc, *, variants="special,out", parameter="self", **fields):
    """A record of one real operand whose value is the reference's function of the same name."""

    def body(**operand):
        return L.special(name, *operand.values())

    body.__doc__ = doc
    fields.setdefault("node", "Special" + "".join(map(str.capitalize, name.split("_"))))
    fields["node"] += "Backward0"
    return pointwise(
        f"{name}(Tensor {parameter}) -> Tensor",
        promote="float",
        dtypes=_no_complex,
        variants=variants,
        differentiable=name in _DIFFERENTIABLE,
        **fields,
    )(body)


# ------------------------------------------------------------------------------------ Bessel
_function(
    "i0",
    "Modified Bessel function of the first kind, order 0.",
    variants="function,method,inplace,out",
    node="I0",
    aliases=("special.i0",),
)
_function("i0e", "``exp(-abs(x)) * i0(x)``.")
_function("i1", "Modified Bessel function of the first kind, order 1.")
_function("i1e", "``exp(-abs(x)) * i1(x)``.")
for _order in "01":
    _function(f"bessel_j{_order}", f"Bessel function of the first kind, order {_order}.")
    _function(f"bessel_y{_order}", f"Bessel function of the second kind, order {_order}; x > 0.")
    _function(
        f"modified_bessel_k{_order}",
        f"Modified Bessel function of the second kind, order {_order}; x > 0.",
    )
    _function(
        f"scaled_modified_bessel_k{_order}",
        f"``exp(x)`` times the modified Bessel function of the second kind, order {_order}.",
        parameter="x",
    )

    def _modified_i(self, name="i" + _order):
        return L.special(name, self)

    _modified_i.__doc__ = f"Modified Bessel function of the first kind, order {_order}."
    pointwise(
        f"modified_bessel_i{_order}(Tensor self) -> Tensor",
        variants="special,out",
        promote="float",
        dtypes=_no_complex,
        differentiable=False,
    )(_modified_i)
_function("spherical_bessel_j0", "``sin(x) / x``, 1 at 0.", parameter="x")
_function(
    "airy_ai",
    "Airy function Ai, the solution of ``y'' = x y`` that falls for x > 0.",
    parameter="x",
)


# ----------------------------------------------------------------------- normal distribution
_function("erfcx", "``exp(x ** 2) * erfc(x)`` without overflow.")
_function("ndtri", "Inverse of ndtr on [0, 1]; infinite at the ends, NaN outside.")
_function("log_ndtr", "Logarithm of ndtr, accurate far below 0.")


@pointwise(
    "ndtr(Tensor self) -> Tensor", variants="special,out", promote="float", dtypes=_no_complex
)
def ndtr(self):
    """Normal distribution function, the area below the bell curve up to x."""
    scaled = self * math.sqrt(0.5)
    middle = (L.erf(scaled) + 1) * 0.5
    tail = L.erfc(L.abs_(scaled)) * 0.5
    ends = L.where(scaled > 0, 1 - tail, tail)
    return L.where(L.abs_(scaled) < 1, middle, ends)


@pointwise(
    "entr(Tensor self) -> Tensor",
    variants="special,out",
    node="SpecialEntrBackward0",
    promote="float",
    dtypes=_no_complex,
    vjp=only_self(lambda g, out, x: g * -(L.log(x) + 1)),
)
def entr(self):
    """``-x * log(x)``; 0 at 0, -inf below, NaN at NaN."""
    inside = L.where(self > 0, -(self * L.log(self)), L.like(self, -math.inf))
    inside = L.where(L.eq(self, 0), L.like(self, 0), inside)
    return L.where(L.isnan(self), self, inside)


# ------------------------------------------------------------------------------------- gamma
def _polygamma_values(n, x):
    if n == 0:
        return L.digamma(x)
    return L.special("trigamma", x) if n == 1 else L.special("polygamma", L.like(x, n), x)


@pointwise(
    "polygamma(int n, Tensor self) -> Tensor",
    variants="function,out",
    aliases=("special.polygamma",),
    promote="float",
    dtypes=_no_complex,
)
def polygamma(n, self):
    """Derivative of order n of digamma, n >= 0."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return _polygamma_values(n, self)


@pointwise(
    "mvlgamma(Tensor self, int p) -> Tensor",
    promote="float",
    dtypes=_no_complex,
    aliases=("special.multigammaln",),
)
def mvlgamma(self, p):
    """Logarithm of the multivariate gamma function of dimension p >= 1; x > (p - 1) / 2."""
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    total = L.like(self, p * (p - 1) / 4 * math.log(math.pi))
    for j in range(p):
        total = total + L.lgamma(self - j / 2)
    return total


def _floating(op, common):
    if common.category != dtypes.FLOAT:
        raise not_implemented(op.name, common)


for _name, _alias, _doc in (
    (
        "igamma",
        "special.gammainc",
        "Regularised lower incomplete gamma function P(self, other); derivative in `other` only.",
    ),
    (
        "igammac",
        "special.gammaincc",
        "Regularised upper incomplete gamma function, 1 - P; derivative in `other` only.",
    ),
):

    def _body(self, other, name=_name):
        return L.special(name, self, other)

    _body.__doc__ = _doc
    pointwise(
        f"{_name}(Tensor self, Tensor other) -> Tensor",
        numbers=(),
        dtypes=_floating,
        aliases=(_alias,),
    )(_body)


@pointwise(
    "zeta(Tensor self, Tensor other) -> Tensor",
    variants="special,out",
    node="SpecialZetaBackward0",
    numbers=("self", "other"),
    promote="float",
    dtypes=_no_complex,
)
def zeta(self, other):
    """Hurwitz zeta function, the sum over k >= 0 of ``(k + other) ** -self``."""
    return L.special("zeta", self, other)


# ------------------------------------------------------------------------------- polynomials
def _polynomial(name, doc):
    def body(x, n):
        return L.special(name, x, n)

    body.__doc__ = f"{doc}; 0 for a negative degree n."
    pointwise(
        f"{name}(Tensor x, Tensor n) -> Tensor",
        variants="special,out",
        numbers=("x", "n"),
        differentiable=False,
        promote="float",
        dtypes=_no_complex,
    )(body)


for _shift, _argument in (("", "x"), ("shifted_", "2 * x - 1")):
    for _kind, _which in zip("tuvw", ("first", "second", "third", "fourth"), strict=True):
        _polynomial(
            f"{_shift}chebyshev_polynomial_{_kind}",
            f"Chebyshev polynomial of the {_which} kind, of degree n at {_argument}",
        )
_polynomial("hermite_polynomial_h", "Physicist's Hermite polynomial of degree n at x")
_polynomial("hermite_polynomial_he", "Probabilist's Hermite polynomial of degree n at x")
_polynomial("laguerre_polynomial_l", "Laguerre polynomial of degree n at x")
_polynomial("legendre_polynomial_p", "Legendre polynomial of degree n at x")
