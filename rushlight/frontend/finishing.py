"""`dispatch.finish` for one result of one, two or three operands: most calls of most programs.

What `finish_all` and `record_call` do in loops is written out here, which takes 0.65 us where they
take 1.04 (one operand); the text is made once for each number of operands.
"""

from ..engine.base import config
from ..engine.record import segment, state
from ..engine.record.alone import READS, run_alone
from ..engine.runtime.storage import Storage
from .dispatch import attach, finish
from .tensor import Tensor, _new

LIMIT = 3  # operands

_HEAD = """
def finish{n}(call, {tensors}, scalars):
    if not call.usual:
        return finish(call, ({tensors},), scalars)
    mine = state.mine
    array = run_alone(mine, call, ({tensors},), scalars) if mine.reads > READS else None
    if array is not None:
        segment, slot = None, UNREAD
    else:
        segment = mine.segment
        now = config.EAGER
"""
_OPERAND = """
        storage = {t}._st
        if storage.segment is segment:
            slot_{t} = storage.slot
        else:
            now = storage.immediate or now
            slot_{t} = bind(segment, storage, {t}._meta.plain.dtype)
"""
_TAIL = """
        if scalars:
            segment.scalars.extend(scalars)
        slot = segment.count
    meta = call.out_metas[0]
    storage = Storage()
    storage.array, storage.owner = array, None
    storage.dtype, storage.size, storage.device = meta.dtype, meta.numel, meta.device
    storage.segment, storage.slot = segment, slot
    storage.immediate, storage.version = False, 0
    if array is None:
        segment.refs.append(storage)
        segment.count = slot + 1
        if call.noted:
            now = note(segment, call) or now
        segment.events.append((call, {places}))
        if now or slot > segment.limit:
            if not settle(segment, slot):
                return finish{n}(call, {tensors}, scalars)
    result = _new(Tensor)
    result._st = result._vc = storage
    result._off, result._meta = 0, meta
    result._rg, result._fn, result._nr, result._view = False, None, 0, None
    if mine.inference:
        result._inference = True
    elif mine.grad and call.differentiable and ({recording}):
        attach(mine, call, ({tensors},), scalars, (result,))
    return result
"""


def _source(n):
    names = [f"t{i}" for i in range(n)]
    words = {
        "n": n,
        "tensors": ", ".join(names),
        "places": ", ".join(f"slot_{t}, {t}._off" for t in names),
        "recording": " or ".join(
            f"{t}._rg or {t}._view is not None and {t}._view.base._rg" for t in names
        ),
    }
    operands = "".join(_OPERAND.format(t=t) for t in names)
    return _HEAD.format(**words) + operands + _TAIL.format(**words)


def _functions():
    scope = {**vars(segment), "_new": _new, "Storage": Storage, "Tensor": Tensor}
    scope.update(state=state, config=config, attach=attach, finish=finish)
    scope.update(run_alone=run_alone, READS=READS)
    for n in range(1, LIMIT + 1):
        exec(compile(_source(n), f"<rushlight finish{n}>", "exec"), scope)  # noqa: S102
    return {f"finish{n}": scope[f"finish{n}"] for n in range(1, LIMIT + 1)}


FINISH = _functions()  # name -> function of (call, tensors one by one, scalars)
