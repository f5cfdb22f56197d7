"""Derivatives of pointwise records written as formulas of their operands."""

from ..ir import lang as L
from ..ir.gradients_special import undefined
from ..ir.graph import Value
from .memory import sum_to


def partials(rule):
    """The `vjp` of a pointwise record from ``rule(g, out, **operands) -> {name: cotangent}``.

    The rule sees operands broadcast and in the result's dtype, and works in it: in half types every
    step rounds, as in PyTorch's own formulas (inf and NaN appear where they appear there).
    """

    def vjp(grads, outputs, **given):
        g, out = grads[0], outputs[0]
        ready = {name: _operand(v, g) for name, v in given.items()}
        found = rule(g, out, **ready)
        return {name: _back(c, given[name]) for name, c in found.items() if c is not None}

    return vjp


def _operand(v, g):
    """A tensor or a run-time number as the body saw it; everything else as it is."""
    return L.broadcast(L.cast(v, g.dtype), g.shape) if isinstance(v, Value) else v


def _back(cotangent, operand):
    """Down to the shape and dtype of the operand; nothing for a number."""
    if not isinstance(operand, Value) or operand.dtype.category < 2:
        return None
    if cotangent.dtype.is_complex and not operand.dtype.is_complex:
        cotangent = L.real(cotangent)
    return L.cast(sum_to(cotangent, operand.shape), operand.dtype)


def no_derivative(name, parameters=("self", "other")):
    """The `vjp` of an operator PyTorch cannot differentiate: an error where a gradient is read."""

    def vjp(grads, outputs, **given):
        tensors = {p: given[p] for p in parameters if isinstance(given.get(p), Value)}
        return {p: undefined(v, name) for p, v in tensors.items()}

    vjp.refuses = True  # the documentation says so
    return vjp


def only_self(formula):
    """`partials` of an operator of one operand: ``formula(g, out, self) -> cotangent``."""
    return partials(lambda g, out, self: {"self": formula(g, out, self)})
