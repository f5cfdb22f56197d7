"""The tape: a flat list of events since the last flush, and the flush itself.

An event is a tuple: an interned head, then (slot, offset) per tensor operand.  Heads are
    Call    an operator; its results take the next slots
    Bind    memory that exists already, bound to the next slot
    Write   a strided sub-range of a storage replaced; the storage's next value takes the next slot
so equal programs give equal tapes, and a tape with its set of wanted slots finds its plan.

Any thread may flush any segment.  The owner appends without a lock: an operator first adds what
belongs to its event and the event last, which is when the event counts.  Who flushes seals the
segment (`limit` = SEALED) and takes the events there are; an owner that finds its segment sealed
when it has appended asks whether its event was among them, and else records it again (`settle`).
A storage goes from one segment to another under a lock.  docs/decisions/0003-threads.md says more.
"""

import sys
import threading
import time
import weakref
from collections import OrderedDict
from sys import getrefcount
from typing import Any

from ..base import config
from ..base.device import cpu
from ..base.locks import process_lock
from ..runtime.opaque import OpaqueBuffer
from ..runtime.storage import Storage
from . import plan as plans
from .call import NOTED_BYTES

MAX_SLOTS = 4096
SEALED = -1  # the limit of a segment that takes no more events
UNREAD = -1  # the slot of what ran alone, until it is read
MAX_PENDING_BYTES = MAX_SLOTS * NOTED_BYTES  # which smaller results alone cannot fill
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


def bind_event(dtype, size):
    """The event that binds memory: the same object for the same memory."""
    return _interned(_binds, (dtype, size), (Bind(dtype, size),))


def _interned(table, key, made):
    if len(table) > 100_000:
        table.clear()
    return table.setdefault(key, made)


class Segment:
    """Events not yet executed, of one thread; it is flushed once."""

    __slots__ = (
        "events",
        "refs",
        "scalars",
        "bound",
        "arrays",
        "opaque",
        "guests",
        "writes",
        "count",
        "lines",
        "nbytes",
        "runs",
        "limit",
        "taken",
        "__weakref__",
    )

    def __init__(self, runs=True):
        self.runs = runs  # False: recorded only to be read (record/rule.py)
        self.events, self.refs, self.scalars = [], [], []  # refs: per slot, whose value it is
        self.bound, self.arrays = [], []  # storages with memory, and that memory
        self.guests = {}  # of the bound, those that are at home in another segment: their slots
        self.lines = {}
        self.count = self.nbytes = 0
        self.opaque = False  # is some of that memory opaque?
        self.writes = False  # is there a Write?
        self.limit = MAX_SLOTS  # a record that fills a slot beyond flushes


class ThreadState:
    """What belongs to one thread: its open segment, its modes."""

    __slots__ = (
        "segment",
        "grad",
        "inference",
        "function_modes",
        "saved_hooks",
        "plain_subclasses",
        "passes",
        "device",
        "outer_devices",
        "anomaly",
        "anomaly_check_nan",
        "reads",
        "unread",
    )

    def __init__(self):
        self.segment = Segment()
        self.grad, self.inference = True, False
        self.function_modes, self.saved_hooks, self.plain_subclasses = [], [], 0
        self.passes = []  # the backward passes under way, innermost last
        self.device, self.outer_devices = cpu, []  # where factories put tensors
        self.anomaly, self.anomaly_check_nan = False, True
        self.reads = 0  # flushes in a row of one call each
        self.unread = False  # did a call run alone whose result nobody has read?


class _State(threading.local):
    """`state.mine` is this thread's ThreadState; hot paths fetch it once.  Elsewhere its fields
    are read and set on `state` itself."""

    def __init__(self):
        if _alone:
            _part()
        self.mine = ThreadState()


def _forward(name):
    def read(self):
        return getattr(self.mine, name)

    def write(self, value):
        setattr(self.mine, name, value)

    return property(read, write)


for _field in ThreadState.__slots__:
    setattr(_State, _field, _forward(_field))
_alone = False
state: Any = _State()
_alone = True  # has one thread only recorded anything?  Then it takes no locks
_joining = process_lock()  # who gives a storage to a segment; held for moments only
plan_lock = process_lock()  # who runs a plan: plans, programs and their arena are for one at a time
_parting = threading.Lock()
locked = False  # are segments and storages changed under _joining?
unlocked: set = set()  # the code of the functions that go without while it is not
_borrowers: tuple = ()  # the segments with guests, weakly
_plans: OrderedDict = OrderedDict()
counters = {"flushes": 0, "plans": 0}


def _part():
    """A second thread records: from now on locks are taken.  It goes on when the first one has left
    what it entered without."""
    global _alone, locked
    with _parting:
        if _alone:
            locked = True
            while any(map(_is_recording, sys._current_frames().items())):
                time.sleep(0)
            _alone = False


def _is_recording(thread_and_frame):
    thread, frame = thread_and_frame
    while frame is not None and thread != threading.get_ident():
        if frame.f_code in unlocked:
            return True
        frame = frame.f_back
    return False


def bind(segment, storage, dtype, held=False):
    """The slot of realised memory in this segment (what another segment has pending on it runs
    first); immediate memory may be seen as another dtype."""
    if not held and (locked or storage.segment is not None or segment.limit == SEALED):
        return _bind_locked(segment, storage, dtype)
    array, size = storage.array, storage.size
    if array is None:
        _refuse_missing()
    if storage.dtype is not dtype:
        array = array.view(dtype.np)
        size = array.size
    if array.__class__ is OpaqueBuffer:
        segment.opaque = True
    segment.bound.append(storage)
    segment.arrays.append(array)
    segment.refs.append(None)
    segment.events.append(_binds.get((dtype, size)) or bind_event(dtype, size))
    slot = segment.count
    segment.count = slot + 1
    if storage.segment is None and not storage.immediate:
        storage.segment, storage.slot = segment, slot
    return slot


unlocked.add(bind.__code__)


def _bind_locked(segment, storage, dtype):
    with _joining:
        if segment.limit == SEALED:
            return 0  # the record will be made again
        home = storage.segment
        if home is None or home.refs[storage.slot] is None:  # its memory is its value
            return _bind_shared(segment, storage, dtype)
    flush(home)
    return _bind_locked(segment, storage, dtype)


def _bind_shared(segment, storage, dtype):
    """Memory that may be at home in another segment: then this one is noted, for a write must
    flush both."""
    global _borrowers
    slot = segment.guests.get(storage)
    if slot is None:
        slot = bind(segment, storage, dtype, held=True)
    if storage.segment is None:
        if not storage.immediate:
            storage.segment, storage.slot = segment, slot
    elif storage.segment is not segment:
        if not segment.guests:
            _borrowers = (*[ref for ref in _borrowers if ref() is not None], weakref.ref(segment))
        segment.guests[storage] = slot
    return slot


def _holders(storage, besides=None):
    """The segments with events on this storage's memory."""
    found = [storage.segment, *[ref() for ref in _borrowers]]
    return [
        s
        for s in found
        if s is not None and s is not besides and (s is found[0] or storage in s.guests)
    ]


def record_call(mine, call, tensors, scalars):
    """Append a call; returns its result storages."""
    segment = mine.segment
    row = [call]
    immediate = config.EAGER
    for t in tensors:
        storage = t._st
        if storage.segment is segment:
            row.append(storage.slot)
        else:
            immediate = storage.immediate or immediate
            row.append(bind(segment, storage, t._meta.plain.dtype))
        row.append(t._off)
    if scalars:
        segment.scalars.extend(scalars)
    outs = []
    first = slot = segment.count
    for meta in call.out_metas:
        storage = Storage()
        storage.array = storage.owner = None
        storage.dtype, storage.size, storage.device = meta.dtype, meta.numel, meta.device
        storage.segment, storage.slot = segment, slot
        storage.immediate, storage.version = False, 0
        slot += 1
        segment.refs.append(storage)
        outs.append(storage)
    segment.count = slot
    if call.noted:
        immediate = note(segment, call) or immediate
    segment.events.append(tuple(row))
    if (immediate or slot > segment.limit) and not settle(segment, first):
        return record_call(mine, call, tensors, scalars)
    return outs


def note(segment, call):
    """Before the event of a call that is large, or whose errors tell the program's line: is so much
    pending that the segment must be flushed?"""
    segment.nbytes += call.out_bytes
    if call.unordered:
        segment.lines[len(segment.events)] = user_line()
    return segment.nbytes > MAX_PENDING_BYTES


def settle(segment, slot):
    """Flush after a record.  Was the event that fills `slot` in time?  Else another thread had
    sealed the segment before, and the caller records again."""
    flush(segment)
    return slot < segment.taken


def record_write(mine, target, value_storage, value_meta):
    """`target`'s view of its storage becomes the value; pending like everything else."""
    segment, storage, meta = mine.segment, target._st, target._meta.plain
    value_slot = value_storage.slot
    if value_storage.segment is not segment:
        value_slot = bind(segment, value_storage, value_meta.dtype)
    slot = storage.slot
    if storage.segment is not segment:
        slot = bind(segment, storage, meta.dtype)
    head = _writes.get((meta, value_meta)) or _interned(
        _writes, (meta, value_meta), Write(meta, value_meta)
    )
    guarded = locked or _borrowers or segment.limit == SEALED
    if guarded and not _join_alone(segment, storage):
        record_write(mine, target, value_storage, value_meta)
        return
    try:
        event = head, slot, target._off, value_slot, 0
        segment.refs[slot] = None  # its value is that of the slot to come
        storage.slot = slot = segment.count
        segment.refs.append(storage)
        segment.writes = True
        segment.count = slot + 1
        segment.events.append(event)
    finally:
        if guarded:
            _joining.release()
    if storage.immediate or value_storage.immediate or config.EAGER:
        flush(segment)


unlocked.add(record_write.__code__)


def _join_alone(segment, storage):
    """Take _joining for a write, if no other segment reads the memory and this one is open; else
    flush those."""
    _joining.acquire()
    others = _holders(storage, segment)
    if not others and segment.limit != SEALED:
        return True
    _joining.release()
    for other in others or [segment]:
        flush(other)
    return False


def flush(segment=None):
    """Execute the segment: everything still referenced gets memory, and its thread starts a new
    one.  Where another thread is at that, wait for it."""
    mine = state.mine
    if segment is None:
        segment = mine.segment
        mine.unread = False
    if not segment.events and segment.limit != SEALED:
        return
    if not segment.runs:
        raise RuntimeError("a value is read, or too much is recorded, where nothing runs")
    with plan_lock:
        own = segment is mine.segment
        if own:
            mine.segment = Segment()
            mine.reads = mine.reads + 1 if segment.count == len(segment.bound) + 1 else 0
        if segment.limit == SEALED:
            return
        if not own:
            _flush_foreign(segment)
            return
        segment.limit, segment.taken = SEALED, segment.count
        _execute(segment, tuple(segment.events), segment.refs, segment.scalars)


def _flush_foreign(segment):
    """The thread of this segment may be about to add an event, and hold the segment for long."""
    with _joining:
        segment.limit = SEALED
        events = tuple(segment.events)
    segment.taken, numbers = _extent(events)
    try:
        _execute(segment, events, segment.refs[: segment.taken], segment.scalars[:numbers])
    finally:
        for held in (segment.events, segment.bound, segment.arrays, segment.guests):
            held.clear()


def _extent(events):
    """(slots, scalars) of these events."""
    slots = numbers = 0
    for event in events:
        head = event[0]
        if head.__class__ is Bind or head.__class__ is Write:
            slots += 1
        else:
            slots += len(head.out_metas)
            numbers += len(head.graph.inputs) - len(head.metas)
    return slots, numbers


def _execute(segment, events, refs, scalars):
    alive: Any = ()
    try:
        alive, wanted, updates = _wanted(segment, refs)
        plan = plan_of(events, wanted, updates, segment.lines)
        arrays = segment.arrays
        if segment.opaque:
            arrays = [a.fetch() if a.__class__ is OpaqueBuffer else a for a in arrays]
        for storage, array in zip(alive, plan.run(arrays, scalars)):  # noqa: B905 (costs here)
            if storage.array is None and storage.device is cpu:
                storage.array = array
            else:
                _update(storage, array)
            storage.segment = None  # other threads go by it
        alive = ()
        counters["flushes"] += 1
    finally:
        release(segment, alive)


def release(segment, alive=()):
    """The segment is over: its storages (those left of `alive`, and bound ones) are of no segment,
    which needs no lock: nobody else takes them from it.  And it lets go of them."""
    for storage in alive:
        storage.segment = None
    for storage in segment.bound:
        if storage.segment is segment:
            storage.segment = None
    if locked or segment.guests:
        _release_shared(segment)
    else:
        segment.refs.clear()


def _release_shared(segment):
    """The same where others may be looking: who looks into refs (_bind_locked) holds the lock."""
    global _borrowers
    with _joining:
        segment.refs.clear()
        if segment.guests:
            _borrowers = tuple([ref for ref in _borrowers if ref() not in (None, segment)])


def _references(storages):
    """How many references _wanted's loop sees to the first of these."""
    for storage in storages:
        return getrefcount(storage)


_UNUSED = _references([object()])  # to a storage that only its segment holds


def _wanted(segment, refs):
    """(storages still referenced, their slots, which of them are the next content of what bound
    memory)."""
    unused = _UNUSED if refs is segment.refs else _UNUSED + 1
    alive, slots, updates = [], [], ()
    for storage in refs:
        if storage is not None and getrefcount(storage) > unused:
            alive.append(storage)
            slots.append(storage.slot)
    if segment.writes:
        # immediate memory may be bound more than once: what is written to it is computed aside
        place = {id(s): i for i, s in enumerate(segment.bound) if not s.immediate}
        updates = tuple([(i, place[id(s)]) for i, s in enumerate(alive) if id(s) in place])
    return alive, tuple(slots), updates


def plan_of(events, wanted, updates, lines):
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
    """Opaque or existing memory takes a result, unless it was computed in place."""
    if storage.device.type == "opaque":
        _put_back(storage, array)
    elif storage.array is None:
        storage.array = array
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
    """The storage's memory, pending work done, also what others have recorded of reading it."""
    segment = storage.segment
    if _borrowers:
        for segment in _holders(storage):
            flush(segment)
    elif segment is not None:
        flush(segment)
    elif storage.slot == UNREAD:
        storage.slot, state.mine.unread = 0, False
    if storage.array is None:
        _refuse_missing()
    return storage.array


def _refuse_missing():
    raise RuntimeError(
        "this tensor has no value: the operator that should have computed it, or "
        "one before it, raised an error when it ran"
    )


def expose(storage):
    """Something outside will see this memory: pending work runs, and from now on nothing waits."""
    while True:
        realise(storage)
        with _joining:
            if not _holders(storage):
                storage.immediate = True
                return


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
