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


_binds: dict = {}
_writes: dict = {}


def _interned(table, cls, *key):
    found = table.get(key)
    if found is None:
        if len(table) > 100_000:
            table.clear()
        found = table[key] = cls(*key)
    return found


class Segment:
    """Events not yet executed, of one thread."""

    __slots__ = (
        "events",
        "refs",
        "scalars",
        "bound",
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
        self.events, self.refs, self.scalars = [], [], []
        self.bound, self.written, self.lines = [], {}, {}
        self.count = self.nbytes = 0


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


def bind(segment, storage):
    """Give realised memory a slot in this segment (pending work of another segment runs first)."""
    if storage.segment is not None and storage.segment is not segment:
        flush(storage.segment)
    array = storage.array
    segment.events.append((_interned(_binds, Bind, storage.dtype, storage.size),))
    segment.bound.append((storage, array))
    segment.refs.append(None)
    storage.slot = segment.count
    segment.count += 1
    if not storage.immediate:
        storage.segment = segment


def bind_as(segment, storage, dtype):
    """Bind immediate memory seen as another dtype."""
    if storage.dtype is dtype:
        return bind(segment, storage)
    array = storage.array.view(dtype.np)
    segment.events.append((_interned(_binds, Bind, dtype, array.size),))
    segment.bound.append((storage, array))
    segment.refs.append(None)
    storage.slot = segment.count
    segment.count += 1


def record_call(segment, call, tensors, scalars):
    """Append a call; returns its result storages."""
    row = [call]
    immediate = config.EAGER
    for t in tensors:
        storage = t._st
        if storage.segment is not segment:
            immediate = storage.immediate or immediate
            bind_as(segment, storage, t._meta.plain.dtype)
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
        bind_as(segment, storage, meta.dtype)
    if value_storage.segment is not segment:
        old = storage.slot
        bind_as(segment, value_storage, value_meta.dtype)
        value_slot = value_storage.slot
        if value_storage is storage:
            storage.slot = old
    else:
        value_slot = value_storage.slot
    head = _writes.get((meta, value_meta)) or _interned(_writes, Write, meta, value_meta)
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
    events = segment.events
    if not events:
        return
    if not segment.runs:
        raise RuntimeError("a value is read, or too much is recorded, where nothing runs")
    with _lock:
        refs, bound, scalars = segment.refs, segment.bound, segment.scalars
        written, lines = segment.written, segment.lines
        segment.clear()
        alive = []
        for slot, ref in enumerate(refs):
            if ref is None:
                continue
            storage = ref()
            if storage is not None and (
                storage.slot == slot and storage.segment is segment or slot in written
            ):
                alive.append((slot, storage))
        try:
            _run(tuple(events), alive, bound, scalars, lines)
        finally:
            for storage, _ in bound:
                storage.segment = None
            for _, storage in alive:
                storage.segment = None
    counters["flushes"] += 1


def _run(events, alive, bound, scalars, lines):
    position = {id(storage): i for i, (storage, _) in enumerate(bound)}
    # immediate memory may be bound more than once: what is written to it is computed aside
    wanted = tuple(
        [
            (slot, -1 if storage.immediate else position.get(id(storage), -1))
            for slot, storage in alive
        ]
    )
    key = (events, wanted, config.BACKEND)
    plan = _plans.get(key)
    if plan is None:
        plan = plans.build(events, wanted, lines)
        counters["plans"] += 1
        _plans[key] = plan
        while len(_plans) > PLAN_LIMIT:
            _plans.popitem(last=False)
    else:
        _plans.move_to_end(key)
    held = [a.fetch() if a.__class__ is OpaqueBuffer else a for _, a in bound]
    arrays = plan.run(held, scalars)
    for (_, storage), (_, at), array in zip(alive, wanted, arrays, strict=True):
        if storage.array is None and storage.device.type != "opaque":
            storage.array = array
        elif storage.device.type == "opaque":
            _put_back(storage, held[at] if array is None else array)
        elif array is not None and not _same_memory(storage.array, array):
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
