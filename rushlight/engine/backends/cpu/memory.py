"""Where values live: inputs where they are, outputs in memory of their own, the rest in an
arena."""

from dataclasses import dataclass, field

import numpy as np

from ...base.shapes import numel
from ...schedule import Nest
from ...schedule.fuse import base

ALIGN = 64


@dataclass
class Memory:
    """`place(value)` is (table entry, byte offset)."""

    places: dict
    arena_bytes: int
    outputs: list  # values that get fresh memory, in table order
    plan: list = field(default_factory=list)  # per graph output: (from outputs, position, copy)

    def place(self, v):
        return self.places[v.index]

    def results(self, arrays, outputs):
        """One array per graph output; an update already written in place is the input itself."""
        found = []
        for fresh, position, copy in self.plan:
            source = outputs[position] if fresh else arrays[position]
            found.append(np.array(source, copy=True) if copy else source)
        return found


def plan_memory(graph, steps, updates):
    """Give every stored value a place; see Memory."""
    position = {v.index: i for i, v in enumerate(graph.inputs)}
    places = {v.index: (2 + i, 0) for i, v in enumerate(graph.inputs)}
    first_use, last_use = _lifetimes(steps)
    memory = Memory(places, 0, [])
    _place_outputs(graph, steps, updates, memory, position, first_use, last_use)
    memory.arena_bytes = _pack(first_use, last_use, places)
    return memory


def _lifetimes(steps):
    """value index -> (value, step that writes it); value index -> last step that reads it."""
    first, last = {}, {}
    for at, step in enumerate(steps):
        for v in step.writes():
            if v.dtype is not None:
                first.setdefault(v.index, (v, at))
        for v in step.reads():
            last[base(v).index] = at
    return first, last


def _place_outputs(graph, steps, updates, memory, position, first_use, last_use):
    taken = {}
    for v in graph.outputs:  # an input that is itself an output is read once more, at the end
        if base(v).index in position:
            last_use[base(v).index] = len(steps)
    offset = 2 + len(graph.inputs)
    for i, v in enumerate(graph.outputs):
        root = base(v)
        if root.index in position:
            at = position[root.index]
            memory.plan.append((False, at, updates.get(i) != at))
        elif root.index in taken:  # two outputs of one value own memory of their own
            memory.plan.append((*taken[root.index], True))
        elif i in updates and _may_overwrite(
            graph.inputs[updates[i]], root, steps, first_use, last_use
        ):
            memory.places[root.index] = (2 + updates[i], 0)
            taken[root.index] = (False, updates[i])
            memory.plan.append((False, updates[i], False))
        else:
            taken[root.index] = (True, len(memory.outputs))
            memory.places[root.index] = (offset + len(memory.outputs), 0)
            memory.plan.append((True, len(memory.outputs), False))
            memory.outputs.append(root)


def _may_overwrite(target, root, steps, first_use, last_use):
    """Can `root` be written over the input it replaces?  Nothing may read the old content later,
    and the nest that writes must read it only at the place it writes."""
    _, at = first_use[root.index]
    if last_use.get(target.index, -1) > at or root.dtype is not target.dtype:
        return False
    step = steps[at]
    if not isinstance(step, Nest):
        return last_use.get(target.index, -1) < at
    (store,) = [a for _, a in step.stores if a.value is root] or [None]
    if store is None:
        return False
    return all(
        a.strides == store.strides and a.offset == store.offset
        for i, a in enumerate(step.loads)
        if a.value is target and i not in step.gathers
    ) and not any(step.loads[i].value is target for i in step.gathers)


def _pack(first_use, last_use, places):
    """Greedy interval packing of what is left; returns the arena's size."""
    live, size = [], 0
    for v, start in sorted(first_use.values(), key=lambda entry: entry[1]):
        if v.index in places:
            continue
        nbytes = max((numel(v.shape) * v.dtype.itemsize + ALIGN - 1) // ALIGN * ALIGN, ALIGN)
        live = [block for block in live if block[0] >= start]
        at = 0
        for _, low, high in sorted(live, key=lambda block: block[1]):
            if low - at >= nbytes:
                break
            at = max(at, high)
        places[v.index] = (1, at)
        live.append((last_use.get(v.index, start), at, at + nbytes))
        size = max(size, at + nbytes)
    return size
