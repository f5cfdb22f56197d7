"""Values and graphs: a flat list of primitive applications, hash-consed as it is built."""

from ..base import dtypes


class Value:
    """One application of a primitive.  `shape`/`dtype` describe its result; a primitive with
    several results has shape None and `item` values pick them.  Operators come from `lang`."""

    __slots__ = ("prim", "inputs", "params", "shape", "dtype", "graph", "index")

    def __init__(self, graph, prim, inputs, params, shape, dtype):
        self.graph, self.prim, self.inputs, self.params = graph, prim, inputs, params
        self.shape, self.dtype = shape, dtype
        self.index = len(graph.values)

    @property
    def ndim(self):
        return len(self.shape)

    def __repr__(self):
        return f"%{self.index}"

    __hash__ = object.__hash__


class Graph:
    """Values in topological order, the inputs among them, and the outputs."""

    def __init__(self):
        self.values, self.inputs, self.outputs = [], [], []
        self._known = {}
        self.origins = {}  # value index -> (operator, user line), for run-time errors

    def emit(self, prim, inputs=(), **params):
        """The value `prim(*inputs, **params)`; an equal one already built is returned instead."""
        key = (prim.name, tuple(v.index for v in inputs), _hashable(params))
        found = self._known.get(key)
        if found is None:
            shape, dtype = prim.infer(*inputs, **params)
            found = Value(self, prim, tuple(inputs), params, shape, dtype)
            self.values.append(found)
            self._known[key] = found
        return found

    def add_input(self, prim, shape, dtype, **params):
        """A new input value, numbered in order."""
        value = self.emit(
            prim, (), index=len(self.inputs), shape=tuple(shape), dtype=dtype, **params
        )
        self.inputs.append(value)
        return value

    def live(self, outputs=None):
        """The values the outputs need, in order."""
        needed = set()
        stack = list(self.outputs if outputs is None else outputs)
        while stack:
            v = stack.pop()
            if v.index not in needed:
                needed.add(v.index)
                stack.extend(v.inputs)
        return [self.values[i] for i in sorted(needed)]


def _hashable(params):
    out = []
    for v in params.values():
        if isinstance(v, float | complex):  # 0.0 == -0.0 and 1.0 == 1 must stay apart
            v = (type(v), repr(v))
        elif isinstance(v, bool | int):
            v = (type(v), v)
        out.append(v)
    return tuple(out)


def inline(source, target, arguments):
    """Copy `source`'s live values into `target` with its inputs replaced; returns its outputs."""
    env = {v.index: a for v, a in zip(source.inputs, arguments, strict=True)}
    for v in source.live():
        if v.index not in env:
            env[v.index] = target.emit(v.prim, [env[i.index] for i in v.inputs], **v.params)
    return [env[v.index] for v in source.outputs]


def is_integral(dtype):
    return dtype.category <= dtypes.INT
