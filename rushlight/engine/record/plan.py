"""From a tape to a program: slots become Values, calls are inlined, wanted slots become outputs.

A slot is remembered as the shaped Value that made it, with its strides; reading it through another
view turns into movement primitives where the geometry allows, else into a strided `load`.
"""

from ..base import shapes
from ..execute import compile_graph
from ..ir import lang as L
from ..ir.graph import Graph, inline
from ..ir.primitives import PRIMITIVES

INPUT, SCALAR = PRIMITIVES["input"], PRIMITIVES["scalar"]


class Slot:
    """A storage value: `node` is shaped and laid out by `meta`, or flat where meta is None."""

    __slots__ = ("node", "meta")

    def __init__(self, node, meta=None):
        self.node, self.meta = node, meta

    def flat(self):
        return self.node if self.meta is None else flatten(self.node, self.meta)

    def read(self, meta, offset):
        if self.meta is meta and offset == 0:
            return self.node
        if meta.numel == 0:
            return L.const(self.node.graph, 0, meta.dtype, meta.shape)
        source = self.flat()
        moved = view_by_movement(source, offset, meta.shape, meta.strides)
        return L.load(source, offset, meta.shape, meta.strides) if moved is None else moved


def build(events, wanted, updates, lines):
    """The plan of a tape, a program whose `run(bound arrays, scalars)` returns one 1-d array per
    wanted slot.

    `wanted` lists slots; `updates` maps a position there to that of the bound memory it is the next
    content of.
    """
    graph, bound, scalars = Graph(), [], []

    def bind(head):
        node = graph.emit(INPUT, (), index=len(bound), shape=(head.size,), dtype=head.dtype)
        bound.append(node)
        return Slot(node)

    def scalar(dtype):
        scalars.append(graph.emit(SCALAR, (), index=len(scalars), shape=(), dtype=dtype))
        return scalars[-1]

    slots = replay(graph, events, bind, scalar, lines)
    graph.inputs = bound
    graph.outputs = [slots[slot].flat() for slot in wanted]
    return compile_graph(graph, scalars, updates)


def replay(graph, events, bind, scalar, lines=()):
    """Put a tape's calls and writes into a graph; returns its slots.

    Args:
        bind: from the head of a Bind to the Slot it stands for.
        scalar: from a dtype to the Value of the tape's next run-time number.
    """
    slots = []
    for number, event in enumerate(events):
        head = event[0]
        if not hasattr(head, "graph"):
            slots.append(bind(head) if len(event) == 1 else _write(slots, *event))
            continue
        start = len(graph.values)
        args = [
            slots[event[2 * i + 1]].read(m.plain, event[2 * i + 2])
            for i, m in enumerate(head.metas)
        ]
        args += [scalar(v.dtype) for v in head.graph.inputs[len(head.metas) :]]
        outs = inline(head.graph, graph, args)
        slots += [Slot(v, meta) for v, meta in zip(outs, head.out_metas, strict=True)]
        if number in lines:
            _annotate(graph, start, head, lines[number])
    return slots


def _annotate(graph, start, call, line):
    """Checked values remember operator and user line for their run-time error."""
    for v in graph.values[start:]:
        if v.prim.name == "clamp_index":
            graph.origins[v.index] = (call.op.name, line)


def _write(slots, head, target, offset, source, _):
    meta = head.meta
    value = slots[source].read(head.value_meta, 0)
    old = slots[target]
    if value.shape != meta.shape:
        value = L.broadcast(value, meta.shape)
    if meta.dense and offset == 0 and meta.numel == _size(old):
        return Slot(value, meta)
    return Slot(L.store(old.flat(), value, offset, meta.strides))


def _size(slot):
    return shapes.numel(slot.node.shape)


def flatten(node, meta):
    """The 1-d storage content of a shaped value laid out densely by meta's strides."""
    if not meta.contiguous:
        order = sorted(
            range(meta.ndim), key=lambda d: (-meta.strides[d], d) if meta.shape[d] != 1 else (0, d)
        )
        node = L.permute(node, order)
    return L.reshape(node, (meta.numel,))


def view_by_movement(flat, offset, shape, strides):
    """The strided view as slices of nested reshapes, or None where strides do not nest."""
    axes = sorted(
        (d for d in range(len(shape)) if strides[d] and shape[d] > 1), key=lambda d: -strides[d]
    )
    node, length = flat, flat.shape[0]
    for d in axes:
        step, count = strides[d], shape[d]
        first, offset = divmod(offset, step)
        if length % step or first + count > length // step:
            return None
        blocks = L.reshape(node, (*node.shape[:-1], length // step, step))
        node = L.slice_axis(blocks, node.ndim - 1, first, first + count)
        length = step
    node = L.slice_axis(node, node.ndim - 1, offset, offset + 1)
    node = L.permute(L.reshape(node, [shape[d] for d in axes]), _rank(axes))
    kept = [shape[d] if d in axes else 1 for d in range(len(shape))]
    return L.expand(L.reshape(node, kept), shape)


def _rank(axes):
    """Permutation that puts axes (listed outermost stride first) back into dimension order."""
    return tuple(sorted(range(len(axes)), key=lambda i: axes[i]))
