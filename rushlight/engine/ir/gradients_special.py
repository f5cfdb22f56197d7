"""Derivatives of the rare functions behind the `special` primitive.

`SPECIAL[name](g, out, *operands)` returns one cotangent per operand; functions without a rule here
(and operands with None) raise when a gradient with respect to them is computed, as in PyTorch.
"""

import math

from . import lang as L
from .gradients import vjp


def _factor(slope):
    """A function of one operand with derivative slope(x, y)."""
    return lambda g, out, x: [g * slope(x, out)]


def _i1(x, y):
    """I_0 - I_1 / x; one half at 0."""
    zero = L.eq(x, 0)
    safe = L.where(zero, L.like(x, 1), x)
    return L.where(zero, L.like(x, 0.5), L.special("i0", x) - y / safe)


def _i1e(x, y):
    zero = L.eq(x, 0)
    safe = L.where(zero, L.like(x, 1), x)
    slope = L.special("i0e", safe) - y * (L.sign(safe) + 1 / safe)
    return L.where(zero, L.like(x, 0.5), slope)


def _incomplete(sign):
    def rule(g, out, a, x):
        density = L.exp((a - 1) * L.log(x) - x - L.lgamma(a))
        return [None, g * (density * sign)]

    return rule


SPECIAL = {
    "trigamma": _factor(lambda x, y: L.special("polygamma", L.like(x, 2), x)),
    "polygamma": lambda g, out, n, x: [None, g * L.special("polygamma", n + 1, x)],
    "zeta": lambda g, out, s, q: [None, g * -(s * L.special("zeta", s + 1, q))],
    "igamma": _incomplete(1),
    "igammac": _incomplete(-1),
    "i0": _factor(lambda x, y: L.special("i1", x)),
    "i0e": _factor(lambda x, y: L.special("i1e", x) - L.sign(x) * y),
    "i1": _factor(_i1),
    "i1e": _factor(_i1e),
    "erfcx": _factor(lambda x, y: 2 * x * y - 2 / math.sqrt(math.pi)),
    "ndtri": _factor(lambda x, y: math.sqrt(2 * math.pi) * L.exp(0.5 * y * y)),
    "log_ndtr": _factor(
        lambda x, y: math.sqrt(2 / math.pi) / L.special("erfcx", x * -math.sqrt(0.5))
    ),
}


@vjp("special")
def _special(g, out, *operands, name):
    rule = SPECIAL.get(name)
    found = [None] * len(operands) if rule is None else rule(g, out, *operands)
    return [undefined(x, name) if c is None else c for x, c in zip(operands, found, strict=True)]


def undefined(operand, name):
    """In the place of the cotangent of `operand`: raises when it is computed."""
    return L.host("undefined_gradient", [operand], [(operand.shape, operand.dtype)], name=name)[0]
