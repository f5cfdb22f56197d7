"""Interpret a graph value by value."""

import numpy as np

from ...base import dtypes
from .rules import RULES


class Program:
    """A graph to interpret; `run` returns a fresh 1-d array per output."""

    def __init__(self, graph, scalars):
        self.graph = graph
        self.inputs = [v.index for v in graph.inputs]
        self.scalars = [(v.index, v.dtype.np) for v in scalars]
        self.steps = [v for v in graph.live() if v.inputs or v.prim.name in ("const", "iota")]
        self.last_use = _last_uses(self.steps, graph.outputs)

    def run(self, arrays, scalars):
        env = dict(zip(self.inputs, arrays, strict=True))
        env.update((i, np.asarray(s, d)) for (i, d), s in zip(self.scalars, scalars, strict=True))
        borrowed = {id(a) for a in arrays}
        with np.errstate(all="ignore"):
            for v in self.steps:
                env[v.index] = evaluate(v, env, self.graph.origins)
                for done in self.last_use.get(v.index, ()):
                    env.pop(done, None)
        return [_owned(env[v.index], borrowed) for v in self.graph.outputs]


def evaluate(v, env, origins):
    """One primitive on arrays; a result has exactly the dtype and shape the value declares."""
    arguments = [_known(env[i.index], i.dtype) for i in v.inputs]
    if v.prim.name == "clamp_index":
        return RULES["clamp_index"](*arguments, **v.params, origin=origins.get(v.index))
    out = RULES[v.prim.name](*arguments, **v.params)
    if v.dtype is not None and getattr(out, "dtype", None) != v.dtype.np:
        out = np.asarray(out).astype(v.dtype.np)
    return out


def _known(array, dtype):
    """complex32 as complex64: NumPy has the values, but not that they are complex."""
    return array.astype(np.complex64) if dtype is dtypes.complex32 else array


def _last_uses(steps, outputs):
    kept = {v.index for v in outputs}
    last = {}
    for v in steps:
        for i in v.inputs:
            last[i.index] = v.index
    uses = {}
    for value, user in last.items():
        if value not in kept:
            uses.setdefault(user, []).append(value)
    return uses


def _owned(value, borrowed):
    flat = np.ascontiguousarray(value).reshape(-1)
    if flat.base is None and flat.flags.owndata and id(flat) not in borrowed:
        borrowed.add(id(flat))
        return flat
    return flat.copy()


def compile(graph, scalars, updates):  # noqa: A001
    """The Program of a graph (see execute.compile_graph)."""
    return Program(graph, scalars)
