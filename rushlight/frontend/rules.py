"""Update rules of optimizers: a few in-place operators on one parameter, recorded as one.

See engine/record/rule.py.  What cannot be recorded so runs directly, with the same result.
"""

from ..engine.base import config
from ..engine.record import record_call, record_write, state
from ..engine.record.rule import Untraceable, trace
from .tensor import wrap

LIMIT = 10_000
_ABSENT = object()
_known: dict = {}  # (function, metas, classes of the numbers) -> Rule, or None


def run_rule(function, tensors, numbers):
    """``function(*tensors, *numbers)``, which changes tensors in place and returns nothing.

    It may apply operators and write to its tensors; it passes its numbers to operators as they are
    and decides nothing by their values.

    >>> import rushlight as torch
    >>> from rushlight.frontend.rules import run_rule
    >>> x, y = torch.ones(2), torch.ones(2)
    >>> run_rule(lambda a, b, n: a.mul_(n).add_(b), (x, y), (3.0,))
    >>> x
    tensor([4., 4.])
    """
    mine = state.mine
    rule = None
    if not (mine.grad or mine.function_modes or config.EAGER) and _apart(tensors):
        key = (function, tuple([t._meta for t in tensors]), tuple([n.__class__ for n in numbers]))
        rule = _known.get(key, _ABSENT)
        if rule is _ABSENT:
            rule = _remember(key, numbers)
    if rule is None:
        function(*tensors, *numbers)
        return
    storages = record_call(mine, rule.call, tensors, numbers)
    for (i, meta, versions), storage in zip(rule.writes, storages, strict=True):
        record_write(mine, tensors[i], storage, meta)
        tensors[i]._vc.version += versions


def _apart(tensors):
    """Does each tensor fill a storage of its own, which nobody outside sees?"""
    seen = set()
    for t in tensors:
        storage = t._st
        if storage.immediate or t._off or t._inference or storage.size != t._meta.numel:
            return False
        seen.add(id(storage))
    return len(seen) == len(tensors)


def _remember(key, numbers):
    if len(_known) >= LIMIT:
        _known.clear()
    function, metas, _ = key
    try:
        rule = trace(function, metas, numbers, wrap)
    except Untraceable:
        rule = None
    _known[key] = rule
    return rule
