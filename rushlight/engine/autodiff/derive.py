"""The derived derivative of a graph.

The cotangent graph may read the forward inputs and the forward outputs (PyTorch's saved values);
everything in between is computed again, and common subexpressions make that free where forward and
backward meet in one plan.
"""

from dataclasses import dataclass

from ..base import dtypes
from ..ir import gradients_fft, gradients_linalg, gradients_special  # noqa: F401 (the vjp tables)
from ..ir import lang as L
from ..ir.gradients_host import HOST, pull_back
from ..ir.graph import Graph
from ..ir.primitives import PRIMITIVES

INPUT = PRIMITIVES["input"]


@dataclass
class Derivative:
    """`graph` maps (used inputs, used outputs, given cotangents) to the wanted cotangents, in
    order; one that nothing contributes to is zeros."""

    graph: Graph
    inputs: tuple  # positions of the forward inputs it reads
    outputs: tuple  # positions of the forward outputs it reads


def derive(forward, needs, given, rule=None):
    """Derivative of `forward` for the inputs in `needs`, given cotangents of the outputs `given`.

    `rule(grads, inputs, outputs)` is an operator's own derivative: lists of Values (None where no
    cotangent arrives) to one cotangent or None per forward input.
    """
    graph = Graph()
    inputs = [_like_input(graph, v) for v in forward.inputs]
    outputs = [_like_input(graph, v) for v in forward.outputs]
    grads = [_like_input(graph, v) if i in given else None for i, v in enumerate(forward.outputs)]
    if rule is not None:
        found = rule(grads, inputs, outputs)
    else:
        found = _reverse(forward, graph, inputs, outputs, grads, needs)
    return _pruned(graph, forward, inputs, outputs, grads, needs, found)


def _like_input(graph, v):
    if v.prim.name in ("scalar",):
        return graph.add_input(v.prim, v.shape, v.dtype)
    return graph.add_input(INPUT, v.shape, v.dtype)


def _reverse(forward, graph, inputs, outputs, grads, needs):
    live = forward.live()
    active = _active(forward, live, needs)
    env = {v.index: new for v, new in zip(forward.inputs, inputs, strict=True)}
    for v, new in zip(forward.outputs, outputs, strict=True):
        env.setdefault(v.index, new)
        while v.prim.name == "reshape":  # what is under a reshape is known from the output too
            v = v.inputs[0]
            env.setdefault(v.index, L.reshape(new, v.shape))
    for v in live:
        if v.index not in env:
            env[v.index] = graph.emit(v.prim, [env[i.index] for i in v.inputs], **v.params)
    cotangents = {}
    for v, g in zip(forward.outputs, grads, strict=True):
        if g is not None:
            _accumulate(cotangents, v, g)
    for v in reversed(live):
        if v.index in cotangents and v.inputs and v.index in active:
            if v.prim.name == "host":
                outs = _results(forward, v, env)
                arguments = [env[i.index] for i in v.inputs]
                found = pull_back(
                    cotangents[v.index], outs, arguments, v.params["name"], v.params["params"]
                )
            else:
                found = v.prim.vjp(
                    cotangents[v.index], env[v.index], *[env[i.index] for i in v.inputs], **v.params
                )
            _distribute(v, found, cotangents, active)
    return [cotangents.get(v.index) for v in forward.inputs]


def _active(forward, live, needs):
    """Values on a differentiable path from a needed input."""
    active = {forward.inputs[i].index for i in needs}
    for v in live:
        if _differentiable(v) and any(i.index in active for i in v.inputs):
            active.add(v.index)
    return active


def _differentiable(v):
    if v.prim.name == "host":
        return v.params["name"] in HOST
    return v.dtype.category >= dtypes.FLOAT and v.prim.vjp is not None


def _results(forward, call, env):
    """The results of a host call: saved ones, else from the call made again."""
    items = {v.params["index"]: v for v in forward.values if call in v.inputs}
    again = env[call.index]
    return [
        env[items[i].index]
        if i in items and items[i].index in env
        else again.graph.emit(PRIMITIVES["item"], (again,), index=i)
        for i in range(len(call.params["results"]))
    ]


def _distribute(v, found, cotangents, active):
    for i, g in zip(v.inputs, found, strict=True):
        if g is not None and i.index in active:
            _accumulate(cotangents, i, g)


def _accumulate(cotangents, v, g):
    have = cotangents.get(v.index)
    cotangents[v.index] = g if have is None else have + g


def _pruned(graph, forward, inputs, outputs, grads, needs, found):
    kept = []
    for i in needs:
        g, source = found[i], forward.inputs[i]
        if g is None:
            g = L.const(graph, 0, source.dtype, source.shape)
        if g.dtype is not source.dtype:
            g = L.cast(L.real(g) if not source.dtype.is_complex else g, source.dtype)
        assert g.shape == source.shape, (g.shape, source.shape)
        kept.append(g)
    graph.outputs = kept
    live = {v.index for v in graph.live()}
    uses_in = tuple(i for i, v in enumerate(inputs) if v.index in live)
    uses_out = tuple(i for i, v in enumerate(outputs) if v.index in live)
    graph.inputs = (
        [inputs[i] for i in uses_in]
        + [outputs[i] for i in uses_out]
        + [g for g in grads if g is not None]
    )
    return Derivative(graph, uses_in, uses_out)
