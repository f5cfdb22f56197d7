"""Where values live: inputs where they are, outputs in memory of their own, the rest in an arena.

A value may take over memory whose old content nothing reads any more: an output that is an input's
next content (an update), the buffer a partial write starts from, an operand a nest is the last to
read.
"""

import bisect
import heapq

from ..base.shapes import numel
from .maps import base
from .nest import HostStep, Nest, Scratch

ALIGN = 64
FIRST_INPUT = 2  # table entries: 0 the run-time numbers, 1 the arena, then inputs, then outputs
SCRATCH = -1  # the entry of what lies in memory of the thread that runs a step


class Memory:
    """`places` maps a value's index to (table entry, byte offset)."""

    def __init__(self, steps):
        self.places, self.arena_bytes, self.scratch_bytes = {}, 0, 0
        self.steps = steps  # without the copies that turned out to be in place
        self.outputs = []  # values that get fresh memory, in table order
        self.plan = []  # per graph output: (from outputs?, position, copy?)

    def place(self, v):
        """(table entry, byte offset) of a stored value."""
        return self.places[v.index]

    def __str__(self):
        rows = [f"%{i} -> {entry}+{offset}" for i, (entry, offset) in self.places.items()]
        return f"arena {self.arena_bytes} bytes; " + ", ".join(rows)


class Lifetimes:
    """Per value index: (value, step of its first write), and the last step that reads it."""

    def __init__(self, graph, steps):
        self.first, self.last = {}, {}
        for at, step in enumerate(steps):
            for v in step.reads():
                self.last[v.index] = at
            for v in step.writes():
                if v.dtype is not None:
                    self.first.setdefault(v.index, (v, at))
                    self.last[v.index] = max(self.last.get(v.index, at), at)
        for v in graph.outputs:
            self.last[base(v).index] = len(steps)


def plan_memory(graph, steps, updates):
    """A Memory for the steps; `updates` is as in execute.compile_graph."""
    lives, memory = Lifetimes(graph, steps), Memory(steps)
    for i, v in enumerate(graph.inputs):
        memory.places[v.index] = (FIRST_INPUT + i, 0)
    owners = _start_in_place(graph, steps, updates, lives, memory)
    _place_outputs(graph, steps, updates, lives, memory, owners)
    _pack(steps, lives, memory, owners)
    return memory


# ----------------------------------------------------------------------------- partial writes
def _start_in_place(graph, steps, updates, lives, memory):
    """Drop copies whose source dies: the copy is the source from then on.  Returns {copy's index:
    the value whose memory it is}."""
    inputs = {v.index: i for i, v in enumerate(graph.inputs)}
    updated = {base(v).index: updates[i] for i, v in enumerate(graph.outputs) if i in updates}
    final = _final_versions(steps, lives)
    owners, dropped = {}, set()
    for at, step in enumerate(steps):
        pair = _whole_copy(step)
        if pair is None or lives.last[pair[0].index] > at:
            continue
        source, copy = pair
        root = owners.get(source.index, source)
        if root.index in inputs and updated.get(final(copy)) != inputs[root.index]:
            continue
        if root.index not in inputs and root.index not in lives.first:
            continue  # made of empty pieces: no step writes it
        owners[copy.index] = root
        dropped.add(at)
    memory.steps = [s for at, s in enumerate(steps) if at not in dropped]
    return owners


def _final_versions(steps, lives):
    """A function from a copied value to the last of the copies in place that starts there."""
    after = {}
    for at, step in enumerate(steps):
        pair = _whole_copy(step)
        if pair and lives.last[pair[0].index] <= at:
            after[pair[0].index] = pair[1].index

    def final(v):
        index = v.index
        while index in after:
            index = after[index]
        return index

    return final


def _whole_copy(step):
    """(source, copy) of a nest that begins a partial write by copying all of a stored value."""
    if not isinstance(step, Nest) or len(step.body) != 2:
        return None
    load, store = step.body
    if (load.name, store.name) != ("load", "store"):
        return None
    a, b = step.accesses[load.extra], step.accesses[store.extra]
    same = a.offset == b.offset == 0 and a.strides == b.strides
    begins = b.value.prim.name in ("store", "put")
    if same and begins and numel(a.value.shape) == numel(b.value.shape):
        return a.value, b.value
    return None


# ------------------------------------------------------------------------------------ outputs
def _place_outputs(graph, steps, updates, lives, memory, owners):
    inputs = {v.index: i for i, v in enumerate(graph.inputs)}
    taken, used = {}, set()
    fresh = FIRST_INPUT + len(graph.inputs)
    for i, v in enumerate(graph.outputs):
        root = base(v)
        owner = owners.get(root.index, root)
        if owner.index in inputs:
            at = inputs[owner.index]
            memory.places[root.index] = (FIRST_INPUT + at, 0)
            memory.plan.append((False, at, updates.get(i) != at))
        elif root.index in taken:  # two outputs of one value own memory of their own
            memory.plan.append((*taken[root.index], True))
        elif (
            i in updates
            and updates[i] not in used
            and _may_overwrite(graph.inputs[updates[i]], owner, steps, lives)
        ):
            used.add(updates[i])
            memory.places[owner.index] = memory.places[root.index] = (FIRST_INPUT + updates[i], 0)
            taken[root.index] = (False, updates[i])
            memory.plan.append((False, updates[i], False))
        else:
            taken[root.index] = (True, len(memory.outputs))
            place = (fresh + len(memory.outputs), 0)
            memory.places[owner.index] = memory.places[root.index] = place
            memory.plan.append((True, len(memory.outputs), False))
            memory.outputs.append(root)


def _may_overwrite(target, root, steps, lives):
    """Can `root` be written over the memory of `target`?

    Nothing may read the old content later, and the nest that first writes must read it only at the
    place it writes.
    """
    if root.dtype is not target.dtype or numel(root.shape) != numel(target.shape):
        return False
    if root.index not in lives.first:
        return False
    _, at = lives.first[root.index]
    last = lives.last.get(target.index, -1)
    return last < at or last == at and reads_where_it_writes(steps[at], target, root)


def reads_where_it_writes(step, target, root):
    """Does the nest read `target` only at the element of `root` it writes next?"""
    if isinstance(step, HostStep):
        return False
    written = None
    for inner, row in step.passes:
        reads_in_row = any(_touches(step, i, target) for i in row)
        if reads_in_row or written is not None and any(_touches(step, i, target) for i in inner):
            return False
        for i in inner:
            if _touches(step, i, root):
                if step.body[i].name != "store" or written is not None:
                    return False
                written = step.accesses[step.body[i].extra]
        if any(_touches(step, i, root) for i in row):
            return False
    return written is not None and all(
        i.name == "load" and (a.offset, a.strides) == (written.offset, written.strides)
        for i, a in step.effects("load", "gather", "scatter")
        if a.value is target
    )


def _touches(nest, position, v):
    i = nest.body[position]
    if i.name not in ("load", "store", "gather", "scatter"):
        return False
    return nest.accesses[i.extra[0] if i.name == "scatter" else i.extra].value is v


# -------------------------------------------------------------------------------------- arena
class _Arena:
    """Greedy interval packing: spans in use by address, and when each is free again."""

    def __init__(self):
        self.spans = []  # (start, end) in use, sorted
        self.ends = []  # heap of (last step, start, end)
        self.bytes = 0

    def free_before(self, step):
        """Give back what nothing reads from `step` on."""
        while self.ends and self.ends[0][0] < step:
            _, low, high = heapq.heappop(self.ends)
            self.spans.remove((low, high))

    def take(self, size, last):
        """The first gap of this size, in use up to step `last`."""
        at = 0
        for low, high in self.spans:
            if low - at >= size:
                break
            at = high
        return self.use(at, at + size, last)

    def use(self, low, high, last):
        """Mark a span as in use up to step `last`."""
        bisect.insort(self.spans, (low, high))
        heapq.heappush(self.ends, (last, low, high))
        self.bytes = max(self.bytes, high)
        return low

    def hand_over(self, low, high, last):
        """A span in use goes to another value."""
        self.ends = [e for e in self.ends if e[1] != low]
        heapq.heapify(self.ends)
        heapq.heappush(self.ends, (last, low, high))
        return low


def _pack(steps, lives, memory, owners):
    """Places for what has none yet."""
    last = dict(lives.last)
    for copy, owner in owners.items():
        last[owner.index] = max(last[owner.index], last[copy])
    scratch: dict = {}  # step -> bytes
    arena, dying = _Arena(), {}  # last step -> values in the arena that nothing reads after it
    for v, start in sorted(lives.first.values(), key=lambda entry: entry[1]):
        if v.index in memory.places or v.index in owners:
            continue
        if isinstance(v, Scratch):
            memory.places[v.index] = SCRATCH, scratch.get(start, 0)
            scratch[start] = scratch.get(start, 0) + _size(v)
            continue
        end = last[v.index]
        arena.free_before(start)
        old = _operand_to_replace(steps[start], dying.get(start, ()), v)
        if old is None:
            at = arena.take(_size(v), end)
        else:
            dying[start].remove(old)
            at = memory.places[old.index][1]
            arena.hand_over(at, at + _size(v), end)
        memory.places[v.index] = (1, at)
        dying.setdefault(end, []).append(v)
    memory.arena_bytes, memory.scratch_bytes = arena.bytes, max(scratch.values(), default=0)
    for copy, owner in owners.items():
        memory.places.setdefault(copy, memory.places[owner.index])


def _operand_to_replace(step, dying, v):
    """A value whose memory v may take over: it dies in the nest that makes v, read where v is
    written.  (One that the nest only reads by the name of a copy in its place stays.)"""
    read = [id(value) for value in step.reads()]
    for old in dying:
        if old.dtype.itemsize == v.dtype.itemsize and _size(old) == _size(v):
            if id(old) in read and reads_where_it_writes(step, old, v):
                return old
    return None


def _size(v):
    return max((numel(v.shape) * v.dtype.itemsize + ALIGN - 1) // ALIGN * ALIGN, ALIGN)
