"""Primitives in terms of others that loop nests and contractions are made of."""

from ..ir.graph import Graph
from . import convolutions, windows

EXPANSIONS = {**windows.EXPANSIONS, **convolutions.EXPANSIONS}


def expand(graph, scalars):
    """(graph, scalars) without them; the same ones where there are none."""
    if not any(v.prim.name in EXPANSIONS for v in graph.values):
        return graph, scalars
    out, env = Graph(), {}
    for v in graph.values:
        operands = [env[i.index] for i in v.inputs]
        rule = EXPANSIONS.get(v.prim.name)
        found = rule(*operands, **v.params) if rule else out.emit(v.prim, operands, **v.params)
        env[v.index] = found
        if v.index in graph.origins:
            out.origins[found.index] = graph.origins[v.index]
    out.inputs, out.outputs = ([env[v.index] for v in vs] for vs in (graph.inputs, graph.outputs))
    return out, [env[v.index] for v in scalars]
