"""A call that runs at once.

A program that reads every result before it goes on leaves nothing to fuse, and recording an
operator for itself costs more than a small one takes.  So after READS flushes in a row of one call
each, the next call runs as it is made, by the plan its tape would have had.  The first result that
is not read before the next call ends that: from there on everything is recorded again.
"""

from numpy import ndarray

from ..base import config
from ..base.device import cpu
from ..runtime.storage import storage_of
from .segment import UNREAD, bind_event, plan_lock, plan_of

READS = 8


def run_alone(mine, call, tensors, scalars):
    """The storage of the call's one result, or None where it has to be recorded: something is
    pending, or not plain memory of this thread's own."""
    segment = mine.segment
    if mine.unread or segment.events or not segment.runs:
        mine.reads = 0
        mine.unread = False
        return None
    if call.unordered or call.device is not cpu or config.EAGER:
        return None
    events, arrays, row = [], [], [call]
    for t in tensors:
        storage = t._st
        array, dtype = storage.array, storage.dtype
        if storage.segment is not None or storage.immediate or array.__class__ is not ndarray:
            return None
        if dtype is not t._meta.plain.dtype:
            return None
        row += len(arrays), t._off
        events.append(bind_event(dtype, storage.size))
        arrays.append(array)
    events.append(tuple(row))
    with plan_lock:
        plan = plan_of(tuple(events), (len(arrays),), (), {})
        (array,) = plan.run(arrays, scalars)
    meta = call.out_metas[0]
    made = storage_of(meta.dtype, meta.numel, meta.device, array)
    made.slot = UNREAD
    mine.unread = True
    return made
