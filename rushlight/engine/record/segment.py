"""The tape: a flat list of events since the last flush, and the flush itself.

An event is a tuple: an interned head, then (slot, offset) per tensor operand.  Heads are
    Call    an operator; its results take the next slots
    Bind    memory that exists already, bound to the next slot
    Write   a strided sub-range of a storage replaced; the storage's next value takes the next slot
so equal programs give equal tapes, and a tape with its set of wanted slots finds its plan.
"""

import sys
import threading
import weakref
from collections import OrderedDict
from typing import Any

from ..base import config
from ..runtime.opaque import OpaqueBuffer
from ..runtime.storage import Storage
from . import plan as plans

_new, _ref = object.__new__, weakref.ref
MAX_SLOTS = 4096
MAX_PENDING_BYTES = 1 << 28
PLAN_LIMIT = 512


class Bind:
    """Head of an event that binds realised memory."""

    __slots__ = ("dtype", "size")

    def __init__(self, dtype, size):
        self.dtype, self.size = dtype, size


class Write:
    """Head of an event that writes a value (slot, its meta) into a storage through `meta`."""

    __slots__ = ("meta", "value_meta")

    def __init__(self, meta, value_meta):
        self.meta, self.value_meta = meta, value_meta


_binds: dict = {}  # (dtype, size) -> the whole event: it has no operands
_writes: dict = {}


def _interned(table, key, made):
    if len(table) > 100_000:
        table.clear()
    return table.setdefault(key, made)


class Segment:
    """Events not yet executed, of one thread."""

    __slots__ = (
        "events",
        "refs",
        "scalars",
        "bound",
        "arrays",
        "opaque",
        "written",
        "count",
        "lines",
        "nbytes",
        "runs",
    )

    def __init__(self, runs=True):
        self.runs = runs  # False: recorded only to be read (record/rule.py)
        self.clear()

    def clear(self):
        """Start anew; whoever holds the old lists keeps them."""
        self.events, self.refs, self.scalars = [], [], []  # refs: per slot, weakly, who has it
        self.bound, self.arrays = [], []  # storages with memory, and that memory
        self.written, self.lines = {}, {}
        self.count = self.nbytes = 0
        self.opaque = False  # is some of that memory opaque?


class ThreadState:
    """What belongs to one thread: its open segment, its modes."""

    __slots__ = (
        "segment",
        "grad",
        "inference",
        "function_modes",
        "saved_hooks",
        "plain_subclasses",
        "anomaly",
        "anomaly_check_nan",
    )

    def __init__(self):
        self.segment = Segment()
        self.grad, self.inference = True, False
        self.function_modes, self.saved_hooks, self.plain_subclasses = [], [], 0
        self.anomaly, self.anomaly_check_nan = False, True


class _State(threading.local):
    """`state.mine` is this thread's ThreadState; hot paths fetch it once.  Elsewhere its fields
    are read and set on `state` itself."""

    def __init__(self):
        self.mine = ThreadState()


def _forward(name):
    def read(self):
        return getattr(self.mine, name)

    def write(self, value):
        setattr(self.mine, name, value)

    return property(read, write)


for _field in ThreadState.__slots__:
    setattr(_State, _field, _forward(_field))
state: Any = _State()
_lock = threading.RLock()
_plans: OrderedDict = OrderedDict()
counters = {"flushes": 0, "plans": 0}


def bind(segment, storage, dtype):
    """Give realised memory a slot in this segment (pending work of another segment runs first);
    immediate memory may be seen as another dtype."""
    if storage.segment is not None and storage.segment is not segment:
        flush(storage.segment)
    array, size = storage.array, storage.size
    if storage.dtype is not dtype:
        array = array.view(dtype.np)
        size = array.size
    key = (dtype, size)
    segment.events.append(_binds.get(key) or _interned(_binds, key, (Bind(dtype, size),)))
    segment.bound.append(storage)
    segment.arrays.append(array)
    if array.__class__ is OpaqueBuffer:
        segment.opaque = True
    segment.refs.append(None)
    storage.slot = segment.count
    segment.count += 1
    if not storage.immediate:
        storage.segment = segment


def record_call(segment, call, tensors, scalars):
    """Append a call; returns its result storages."""
    row = [call]
    immediate = config.EAGER
    for t in tensors:
        storage = t._st
        if storage.segment is not segment:
            immediate = storage.immediate or immediate
            bind(segment, storage, t._meta.plain.dtype)
        row.append(storage.slot)
        row.append(t._off)
    segment.events.append(tuple(row))
    if scalars:
        segment.scalars.extend(scalars)
    outs = []
    slot = segment.count
    for meta in call.out_metas:
        storage = _new(Storage)
        storage.array = storage.owner = None
        storage.dtype, storage.size, storage.device = meta.dtype, meta.numel, meta.device
        storage.segment, storage.slot = segment, slot
        storage.immediate, storage.version = False, 0
        slot += 1
        segment.refs.append(_ref(storage))
        outs.append(storage)
    segment.count = slot
    segment.nbytes += call.out_bytes
    if call.unordered:
        segment.lines[len(segment.events) - 1] = user_line()
    if immediate or slot > MAX_SLOTS or segment.nbytes > MAX_PENDING_BYTES:
        flush(segment)
    return outs


def record_write(target, value_storage, value_meta, segment):
    """`target`'s view of its storage becomes the value; pending like everything else."""
    storage = target._st
    meta = target._meta.plain
    if storage.segment is not segment:
        bind(segment, storage, meta.dtype)
    if value_storage.segment is not segment:
        old = storage.slot
        bind(segment, value_storage, value_meta.dtype)
        value_slot = value_storage.slot
        if value_storage is storage:
            storage.slot = old
    else:
        value_slot = value_storage.slot
    head = _writes.get((meta, value_meta)) or _interned(
        _writes, (meta, value_meta), Write(meta, value_meta)
    )
    segment.events.append((head, storage.slot, target._off, value_slot, 0))
    storage.slot = slot = segment.count
    segment.refs.append(_ref(storage))
    if storage.immediate:
        segment.written[slot] = storage
    segment.count = slot + 1
    if storage.immediate or value_storage.immediate or config.EAGER:
        flush(segment)


def flush(segment=None):
    """Execute the segment: everything still referenced gets memory; the tape is empty again."""
    segment = segment or state.mine.segment
    if not segment.events:
        return
    if not segment.runs:
        raise RuntimeError("a value is read, or too much is recorded, where nothing runs")
    with _lock:
        events, scalars, lines = segment.events, segment.scalars, segment.lines
        bound, arrays, opaque = segment.bound, segment.arrays, segment.opaque
        alive, wanted, updates = _wanted(segment)
        segment.clear()
        for storage in bound:
            storage.segment = None
        for storage in alive:
            storage.segment = None
        plan = _plan(tuple(events), wanted, updates, lines)
        if opaque:
            arrays = [a.fetch() if a.__class__ is OpaqueBuffer else a for a in arrays]
        for storage, array in zip(alive, plan.run(arrays, scalars)):  # noqa: B905 (costs here)
            if storage.array is None and storage.device.type != "opaque":
                storage.array = array
            else:
                _update(storage, array)
    counters["flushes"] += 1


def _wanted(segment):
    """(storages still referenced, their slots, which of them are the next content of what bound
    memory)."""
    alive, wanted, updates, slot = [], [], (), 0
    written, positions = segment.written, None
    for ref in segment.refs:
        if ref is not None:
            storage = ref()
            if storage is not None and (
                storage.slot == slot and storage.segment is segment or slot in written
            ):
                # immediate memory may be bound more than once: what is written to it is computed
                # aside
                if storage.array is not None and not storage.immediate:
                    positions = positions or {id(s): i for i, s in enumerate(segment.bound)}
                    updates += ((len(alive), positions[id(storage)]),)
                alive.append(storage)
                wanted.append(slot)
        slot += 1
    return alive, tuple(wanted), updates


def _plan(events, wanted, updates, lines):
    """The plan of this tape, made on its first time."""
    key = (events, wanted, updates, config.BACKEND)
    plan = _plans.get(key)
    if plan is None:
        plan = plans.build(events, wanted, dict(updates), lines)
        counters["plans"] += 1
        _plans[key] = plan
        while len(_plans) > PLAN_LIMIT:
            _plans.popitem(last=False)
    elif len(_plans) > PLAN_LIMIT // 2:  # before, nobody asks which is oldest
        _plans.move_to_end(key)
    return plan


def _update(storage, array):
    """Memory that exists (or is opaque) takes a result, unless it was computed in place."""
    if storage.device.type == "opaque":
        _put_back(storage, array)
    elif not _same_memory(storage.array, array):
        storage.array[...] = (
            array if array.dtype == storage.array.dtype else array.view(storage.array.dtype)
        )


def _put_back(storage, array):
    """Opaque memory takes a result computed in host memory."""
    if storage.array is None:
        storage.array = OpaqueBuffer(array)
    else:
        storage.array.put(array)


def _same_memory(a, b):
    return a is b or (
        a.__array_interface__["data"] == b.__array_interface__["data"] and a.nbytes == b.nbytes
    )


def realise(storage):
    """The storage's memory, pending work done."""
    if storage.segment is not None:
        flush(storage.segment)
    if storage.array is None:
        raise RuntimeError(
            "this tensor has no value: the operator that should have computed it, or "
            "one before it, raised an error when it ran"
        )
    return storage.array


def user_frame():
    """The innermost frame outside the package, or None."""
    frame = sys._getframe(1)
    while frame is not None and "rushlight" in frame.f_globals.get("__name__", "").split(".")[:1]:
        frame = frame.f_back
    return frame


def user_line():
    """(file, line) of the program's own line that is running."""
    frame = user_frame()
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else None
