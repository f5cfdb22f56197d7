"""Fusion: elementwise work, movement and reductions of one domain become one nest.

An elementwise value with one consumer, or a cheap one, is computed where it is used; one that
several kernels want is a root and is stored.  Roots join the latest nest of their shape that comes
after everything they read.
"""

from ..base.dtypes import int64
from ..base.shapes import contiguous_strides, numel
from .nest import Access, HostStep, Nest, Reduction

MOVEMENT = frozenset(("reshape", "permute", "expand", "slice", "flip", "load"))
REDUCTIONS = frozenset(("sum", "prod", "max", "min"))
SOURCES = frozenset(("const", "scalar", "iota"))
MAX_BODY = 60
MAX_DEPTH = 40
MAX_LOADS = 24


def schedule(graph, can_fuse):
    """Steps of the graph in order: Nests and HostSteps.

    `can_fuse(value)` tells whether the backend has code for an elementwise value, reduction or
    take. Afterwards every output value is stored, contiguous, by some step (or is an input).
    """
    return _Scheduler(graph, can_fuse).run()


class _Scheduler:
    def __init__(self, graph, can_fuse):
        self.graph, self.can_fuse = graph, can_fuse
        self.values = graph.live()
        self.users = {v.index: [] for v in self.values}
        for v in self.values:
            for i in v.inputs:
                self.users[i.index].append(v)
        self.steps, self.step_of = [], {}
        self.stored = {v.index for v in graph.inputs}
        self.outputs = {base(v).index for v in graph.outputs}
        self.roots = self._roots()

    # ------------------------------------------------------------------------- what to store
    def fusable(self, v):
        return v.prim.kind == "elementwise" and v.dtype is not None and self.can_fuse(v)

    def reducible(self, v):
        return v.prim.name in REDUCTIONS and self.can_fuse(v) and numel(v.inputs[0].shape) > 0

    def gatherable(self, v):
        return v.prim.name == "take" and self.can_fuse(v)

    def on_host(self, v):
        return not (
            v.prim.kind == "source"
            or v.prim.name in MOVEMENT
            or self.fusable(v)
            or self.reducible(v)
            or self.gatherable(v)
        )

    def _roots(self):
        roots = set()
        for v in self.values:
            if v.prim.name == "input":
                continue
            if self.on_host(v) or self.reducible(v) or v.index in self.outputs:
                roots.add(v.index)
            for i in v.inputs:
                if self.on_host(v):
                    roots.add(self.operand(i).value.index)
                elif self.gatherable(v) and i is v.inputs[0]:
                    roots.add(base(i).index)
        for v in self.values:
            if v.prim.name in MOVEMENT and not _nests_unit(v):
                roots.add(base(v.inputs[0]).index)
            if self.fusable(v) and self._wanted_often(v):
                roots.add(v.index)
        self._cut_long_chains(roots)
        return {r for r in roots if self.graph.values[r].prim.name != "input"}

    def _cut_long_chains(self, roots):
        """Bound what one root computes: long chains become kernels of MAX_DEPTH steps."""
        depth = {}
        for v in self.values:
            if v.index in roots or not v.inputs:
                depth[v.index] = 0
                continue
            depth[v.index] = 1 + max(depth[i.index] for i in v.inputs)
            if depth[v.index] >= MAX_DEPTH and self.fusable(v):
                roots.add(v.index)
                depth[v.index] = 0

    def _wanted_often(self, v):
        users = self.users[v.index]
        if len(users) < 2 and not any(u.prim.name == "expand" for u in users):
            return False
        return not all(i.prim.kind == "source" for i in v.inputs) and v.prim.name != "cast"

    # ------------------------------------------------------------------------------- steps
    def run(self):
        for v in self.values:
            if v.index in self.roots:
                self._place(v)
        self._store_what_is_used()
        return [s for s in self.steps if isinstance(s, HostStep) or s.stores or s.reductions]

    def _place(self, v):
        if self.on_host(v):
            operands = [self.operand(i) for i in v.inputs]
            for access in operands:
                self._ensure(access.value)
            self.step_of[v.index] = len(self.steps)
            self.steps.append(HostStep(v, operands))
            self.stored.add(v.index)
            return
        operand = v.inputs[0] if self.reducible(v) else v
        needs = set()
        self._needs(operand, needs, operand is v, operand.shape)
        at = self._nest_for(operand.shape, needs)
        nest = self.steps[at]
        builder = _Builder(self, nest)
        if self.reducible(v):
            ref = builder.ref(operand, _identity(operand.shape))
            out = Access(v, 0, _kept_strides(operand.shape, v.params["axes"]))
            nest.reductions.append(Reduction(ref, v.prim.name, tuple(v.params["axes"]), out))
            self.stored.add(v.index)
        else:
            nest.made[v.index] = builder.compute(v, _identity(v.shape))
        self.step_of[v.index] = at

    @staticmethod
    def operand(v):
        """What a host step reads for an input: a view of memory, numbers and ranges made there."""
        if v.shape is None:  # a host call with several results: its `item`s pick them
            return Access(v, 0, ())
        found = strided_view(v)
        return (
            Access(base(v), 0, contiguous_strides(v.shape))
            if found.value.prim.kind == "source" and found.value.prim.name != "input"
            else found
        )

    def _ensure(self, v):
        """A host operand must be in memory (sources are made there)."""
        if v.index not in self.stored and v.index not in self.step_of:
            self._place(v)
            self.roots.add(v.index)

    def _needs(self, v, found, top, domain):
        """Roots that computing v reads, each with whether it is read in place (same domain)."""
        stored = base(v).index
        if not top and (stored in self.step_of or stored in self.stored):
            found.add((stored, stored == v.index and tuple(v.shape) == tuple(domain)))
            return
        for i in v.inputs:
            same = v.prim.kind == "elementwise"
            self._needs(i, found, False, domain if same else ())

    def _nest_for(self, shape, needs):
        """Index of the nest that takes a root of this domain."""
        earliest = 0
        for index, same in needs:
            at = self.step_of.get(index)
            if at is None:
                continue
            step = self.steps[at]
            joins = (
                same
                and isinstance(step, Nest)
                and step.shape == tuple(shape)
                and index in step.made
            )
            earliest = max(earliest, at if joins else at + 1)
        for at in range(len(self.steps) - 1, max(earliest, len(self.steps) - 12) - 1, -1):
            step = self.steps[at]
            if (
                isinstance(step, Nest)
                and step.shape == tuple(shape)
                and len(step.body) < MAX_BODY
                and len(step.loads) < MAX_LOADS
            ):
                return at
        self.steps.append(Nest(tuple(shape)))
        return len(self.steps) - 1

    def _store_what_is_used(self):
        """Roots read outside their nest, by the host or as outputs, get memory."""
        wanted = set(self.outputs)
        for step in self.steps:
            if isinstance(step, HostStep):
                wanted.update(a.value.index for a in step.operands)
            else:
                wanted.update(a.value.index for a in step.loads)
        for step in self.steps:
            if isinstance(step, Nest):
                for index, ref in step.made.items():
                    if index in wanted:
                        v = self.graph.values[index]
                        step.stores.append((ref, Access(v, 0, contiguous_strides(v.shape))))


class _Builder:
    """Adds the computation of values to a nest's body; equal instructions are shared."""

    def __init__(self, scheduler, nest):
        self.s, self.nest = scheduler, nest
        self.known = {_key(instruction): i for i, instruction in enumerate(nest.body)}

    def emit(self, name, refs, dtype, extra=None):
        instruction = (name, tuple(refs), dtype, extra)
        key = _key(instruction)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = len(self.nest.body)
            self.nest.body.append(instruction)
        return found

    def ref(self, v, at):
        """The instruction that holds v at index map `at` (per axis: loop, coefficient,
        constant)."""
        nest = self.nest
        if v.index in nest.made and at == _identity(nest.shape):
            return nest.made[v.index]
        stored = base(v)
        if stored.index in self.s.stored or stored.index in self.s.step_of:
            return self._load(stored, contiguous_strides(v.shape), 0, at)
        return self.compute(v, at)

    def compute(self, v, at):
        name = v.prim.name
        if name == "const":
            return self.emit("const", (), v.dtype, v.params["value"])
        if name == "scalar":
            return self._scalar(v)
        if name == "iota":
            return self._index(at[0])
        if name in MOVEMENT:
            return self._moved(v, at)
        if name == "take":
            return self._gather(v, at)
        refs = [self.ref(i, at) for i in v.inputs]
        extra = tuple(i.dtype for i in v.inputs)
        return self.emit(name, refs, v.dtype, extra)

    def _scalar(self, v):
        if v not in self.nest.scalars:
            self.nest.scalars.append(v)
        return self.emit("scalar", (), v.dtype, self.nest.scalars.index(v))

    def _index(self, axis):
        row = _affine([(axis, 1)], len(self.nest.shape))
        if row not in self.nest.indices:
            self.nest.indices.append(row)
        return self.emit("index", (), int64, self.nest.indices.index(row))

    def _load(self, v, strides, offset, at, row=None):
        const, coefficients = _affine(list(zip(at, strides, strict=True)), len(self.nest.shape))
        access = Access(v, offset + const, coefficients)
        if row is None:
            for i, have in enumerate(self.nest.loads):
                if have == access and i not in self.nest.gathers:
                    return self.emit("load", (), v.dtype, i)
        self.nest.loads.append(access)
        return self.emit(
            "load" if row is None else "gather",
            () if row is None else (row,),
            v.dtype,
            len(self.nest.loads) - 1,
        )

    def _moved(self, v, at):
        x, p = v.inputs[0], v.params
        if v.prim.name == "load":
            return self._load(base(x), p["strides"], p["offset"], at)
        return self.ref(x, under(v, at))

    def _gather(self, v, at):
        x, index = v.inputs
        row = self.ref(index, at[: index.ndim])
        strides = contiguous_strides(x.shape)
        rest = at[index.ndim :]
        ref = self._load(base(x), strides[1:], 0, rest, row=row)
        self.nest.gathers[self.nest.body[ref][3]] = strides[0]
        return ref


def under(v, at):
    """The index map of a movement's operand, given the result's."""
    x, p, name = v.inputs[0], v.params, v.prim.name
    if name == "permute":
        inner = [None] * len(at)
        for i, a in enumerate(p["axes"]):
            inner[a] = at[i]
    elif name == "expand":
        inner = [(-1, 0, 0) if n == 1 else a for n, a in zip(x.shape, at, strict=True)]
    elif name == "slice":
        inner = [
            (d, c * st, k * st + lo)
            for (d, c, k), lo, st in zip(at, p["starts"], p["steps"], strict=True)
        ]
    elif name == "flip":
        inner = [
            (d, -c, n - 1 - k) if i in p["axes"] else (d, c, k)
            for i, ((d, c, k), n) in enumerate(zip(at, x.shape, strict=True))
        ]
    else:  # a reshape that only adds or drops sizes 1; others need memory
        rest = iter(a for a, n in zip(at, v.shape, strict=True) if n != 1)
        inner = [next(rest) if n != 1 else (-1, 0, 0) for n in x.shape]
    return tuple(inner)


def strided_view(v):
    """A value as an Access to the stored value under its movements."""
    at, shape = _identity(v.shape), v.shape
    while v.prim.name in MOVEMENT and _nests_unit(v):
        at, v = under(v, at), v.inputs[0]
    if v.prim.name == "load":
        strides, start, v = v.params["strides"], v.params["offset"], v.inputs[0]
    else:
        strides, start = contiguous_strides(v.shape), 0
    const, coefficients = _affine(list(zip(at, strides, strict=True)), len(shape))
    return Access(base(v), start + const, coefficients)


def base(v):
    """The value whose memory v is: reshapes of contiguous memory are the memory."""
    while v.prim.name == "reshape":
        v = v.inputs[0]
    return v


def _key(instruction):
    name, refs, dtype, extra = instruction
    return (name, refs, dtype, repr(extra) if isinstance(extra, float) else extra)


def _identity(shape):
    return tuple((d, 1, 0) for d in range(len(shape)))


def _affine(terms, ndim):
    """(constant, coefficient per loop) of a sum of index maps times strides."""
    const, coefficients = 0, [0] * ndim
    for (d, c, k), s in terms:
        const += k * s
        if d >= 0:
            coefficients[d] += c * s
    return const, tuple(coefficients)


def _kept_strides(shape, axes):
    """Strides of a reduced result over the loops of its operand (0 along reduced ones)."""
    kept = [n for i, n in enumerate(shape) if i not in axes]
    inner = iter(contiguous_strides(kept))
    return tuple(0 if i in axes else next(inner) for i in range(len(shape)))


def _unit_reshape(before, after):
    return [n for n in before if n != 1] == [n for n in after if n != 1]


def _nests_unit(v):
    """Can index maps pass through this movement without the operand being in memory?"""
    if v.prim.name == "load":
        return False
    return v.prim.name != "reshape" or _unit_reshape(v.inputs[0].shape, v.shape)
