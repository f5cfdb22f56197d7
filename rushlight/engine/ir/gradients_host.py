"""Derivatives of host functions: a table by name that the families below fill.

`HOST[name](grads, outs, inputs, **params)` gets the cotangents of the results (None where there is
none), the results and the operands, and returns one cotangent or None per operand.
"""

from ..ir import lang as L
from .gradients import vjp

HOST: dict = {}


def host_vjp(*names):
    """Decorator: the rule below belongs to the host functions of these names."""

    def register(rule):
        for name in names:
            HOST[name] = rule
        return rule

    return register


class Bundle(dict):
    """The cotangent of a host call: result number -> cotangent."""

    def __add__(self, other):
        both = Bundle(self)
        for i, g in other.items():
            both[i] = both[i] + g if i in both else g
        return both


@vjp("item")
def _item(g, out, call, index):
    return [Bundle({index: g})]


def pull_back(bundle, outs, inputs, name, params):
    """Cotangents of a host call's operands."""
    if name not in HOST:
        raise NotImplementedError(f"derivative of host function {name} is not implemented")
    grads = [bundle.get(i) for i in range(len(outs))]
    return HOST[name](grads, outs, inputs, **dict(params))


def zeros_for(g, out):
    """g, or zeros like the result it belongs to."""
    return L.like(out, 0) if g is None else g
