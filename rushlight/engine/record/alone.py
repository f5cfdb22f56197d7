"""A call that runs at once.

A program that reads every result before it goes on leaves nothing to fuse, and recording an
operator for itself costs more than a small one takes.  So after READS flushes in a row of one call
each, the next call runs as it is made, by the plan its tape would have had.  The first result that
is not read before the next call ends that: from there on everything is recorded again.
"""

import weakref

from numpy import ndarray

from ..base import config
from . import segment as tape
from .segment import bind_event, plan_lock, plan_of

READS = 8


def run_alone(mine, call, tensors, scalars):
    """The memory of the call's one result, or None where it has to be recorded: something is
    pending, or operands are not each the whole of plain memory."""
    segment = mine.segment
    if mine.unread or segment.events or not segment.runs:
        mine.reads, mine.unread = 0, False
        return None
    if not call.plain or config.EAGER or config.BACKEND:
        return None
    arrays = []
    for t in tensors:
        storage, meta = t._st, t._meta.plain
        array = storage.array
        if storage.segment is not None or storage.immediate or array.__class__ is not ndarray:
            return None
        if t._off or storage.size != meta.numel or storage.dtype is not meta.dtype:
            return None
        arrays.append(array)
    plan = call.alone()
    if plan is None:
        with plan_lock:
            plan = _plan(call)
        call.alone = weakref.ref(plan)
    if tape.locked:
        with plan_lock:
            (array,) = plan.run(arrays, scalars)
    else:
        (array,) = plan.run(arrays, scalars)
    mine.unread = True
    return array


tape.unlocked.add(run_alone.__code__)


def _plan(call):
    """The plan of the tape that would bind the operands and call."""
    binds = [bind_event(m.dtype, m.numel) for m in call.metas]
    row = [v for slot in range(len(binds)) for v in (slot, 0)]
    return plan_of((*binds, (call, *row)), (len(binds),), (), {})
