"""A rule: several in-place operators on a few tensors, recorded as one call.

An optimizer does the same handful of operators for every parameter.  They are recorded once, apart
from the program, and made into a Call of their own; from then on a parameter costs one event and
one write per tensor, however many operators the rule has.
"""

import numpy as np

from ..base.dtypes import float64
from ..ir.graph import Graph
from ..ir.primitives import PRIMITIVES
from ..runtime.storage import storage_of
from .call import Call
from .plan import Slot, replay
from .segment import SEALED, Segment, release, state

INPUT, SCALAR = PRIMITIVES["input"], PRIMITIVES["scalar"]


class Untraceable(Exception):
    """The rule does something a Call cannot: reads a value, computes with its numbers."""


class Rule:
    """`call` computes what `writes` lists: (position of a tensor, its Meta, in-place writes)."""

    __slots__ = ("call", "writes")

    def __init__(self, call, writes):
        self.call, self.writes = call, writes


def trace(function, metas, numbers, wrap):
    """The Rule of ``function(*tensors, *numbers)`` on tensors of these metas.

    Args:
        numbers: Python floats.  The function hands each to operators as it is.
        wrap: makes a tensor of a storage and a Meta.

    Raises: Untraceable.
    """
    if any(m.plain is not m or not m.dense or not m.numel or m.device.type != "cpu" for m in metas):
        raise Untraceable("tensors that are not dense in memory of the CPU")
    if any(n.__class__ is not float for n in numbers):
        raise Untraceable("numbers that are not floats")
    storages = [
        storage_of(m.dtype, m.numel, m.device, np.empty(m.numel, m.dtype.np)) for m in metas
    ]
    tensors = [wrap(s, m) for s, m in zip(storages, metas, strict=True)]
    given = [n * 1.0 for n in numbers]  # objects of their own: where each goes is seen by identity
    segment = Segment(runs=False)
    try:
        _record(segment, function, tensors, given)
        return _rule(function, segment, storages, metas, given)
    finally:
        release(segment)  # tensors that are not arguments were bound to it too


def _record(segment, function, tensors, numbers):
    mine = state.mine
    outer, mine.segment = mine.segment, segment
    try:
        function(*tensors, *numbers)
    except Exception as error:  # noqa: BLE001  (run directly, it raises the same where users see it)
        raise Untraceable(str(error)) from None
    finally:
        mine.segment = outer if outer.limit != SEALED else Segment()  # if the trace flushed it
    if not segment.events:
        raise Untraceable("nothing was recorded, or it ran at once")


def _rule(function, segment, storages, metas, given):
    graph = Graph()
    inputs = [graph.add_input(INPUT, m.shape, m.dtype) for m in metas]
    numbers = {id(n): graph.add_input(SCALAR, (), float64) for n in given}
    place = {id(s): i for i, s in enumerate(storages)}
    bound, scalars = iter(segment.bound), iter(segment.scalars)

    def bind(_):
        i = place.get(id(next(bound)))
        if i is None:
            raise Untraceable("a tensor that is not an argument")
        return Slot(inputs[i], metas[i])

    def scalar(_):
        found = numbers.get(id(next(scalars)))
        if found is None:
            raise Untraceable("a number that is not an argument")
        return found

    unused = numbers.keys() - {id(n) for n in segment.scalars}
    if unused:  # perhaps it equals an operator's default, which is part of the operator
        raise Untraceable("a number that no operator takes at run time")
    slots = replay(graph, segment.events, bind, scalar)
    writes, outputs = [], []
    for i, (storage, meta) in enumerate(zip(storages, metas, strict=True)):
        if storage.version:
            writes.append((i, meta, storage.version))
            outputs.append(slots[storage.slot].read(meta, 0))
    graph.outputs = outputs
    graph.inputs = [*inputs, *numbers.values()]
    out_metas = tuple([meta for _, meta, _ in writes])
    kinds = ("f",) * len(given)
    name = function.__name__.strip("_")
    return Rule(Call(None, name, name, graph, tuple(metas), kinds, out_metas), writes)
