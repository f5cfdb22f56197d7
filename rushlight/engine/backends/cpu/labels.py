"""Steps as a profile reports them."""

import math

from ...base.shapes import numel
from ...runtime.profile import What
from ...schedule import HostStep
from .contract import PLANNERS

SILENT = frozenset("load store const argument scalar index".split())


def what(step):
    """The What of a step."""
    return _host(step) if isinstance(step, HostStep) else _nest(step)


def _nest(nest):
    names = [i.name if i.name != "fold" else f"fold {i.extra}" for i in nest.body]
    shown = " ".join(n for n in names if n not in SILENT)
    folded = f" fold {list(nest.axes)}" if nest.axes else ""
    nbytes, seen = 0, set()
    for access in nest.accesses:
        v = access.value
        if v.shape is not None and v.index not in seen:
            seen.add(v.index)
            nbytes += min(numel(v.shape), numel(nest.shape)) * v.dtype.itemsize
    return What(f"nest {list(nest.shape)}{folded}", shown or "copy", 0, nbytes)


def _host(step):
    shapes = [shape for shape, _ in step.operands]
    name = step.source.prim.name
    detail = " x ".join(str(list(s)) for s in shapes if s is not None)
    values = [access.value for _, access in step.operands]
    nbytes = sum(
        numel(s) * v.dtype.itemsize
        for s, v in zip(shapes, values, strict=True)
        if s is not None and v.dtype is not None
    )
    if step.value.dtype is not None:
        nbytes += numel(step.value.shape) * step.value.dtype.itemsize
    return What(name if name in PLANNERS else f"host {name}", detail, _flops(step), nbytes)


def _flops(step):
    name = step.source.prim.name
    if name not in PLANNERS:
        return 0
    (first, _), (second, _) = step.operands
    if name == "dot":
        return 2 * numel(first) * second[-1]
    weights = second if name == "conv" else step.value.shape
    out = step.value.shape if name == "conv" else first
    return 2 * numel(out) * math.prod(weights[1:])
