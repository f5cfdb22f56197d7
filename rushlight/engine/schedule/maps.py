"""Index maps: which element of an operand a point of the loops reads.

A map has one entry per axis of the value: (loop, coefficient, constant), loop -1 for a constant.
Loops are numbered over the sizes other than 1, so maps of (64, 1, 10) and (64, 10) are alike.
"""

from ..base.shapes import contiguous_strides
from .nest import Access

MOVEMENT = frozenset(("reshape", "permute", "expand", "slice", "flip", "load"))
FIXED = (-1, 0, 0)
_loops: list = []


def domain(shape):
    """The loops over a shape: its sizes other than 1."""
    return tuple([n for n in shape if n != 1])


def identity(shape):
    """The map of a value onto its own domain."""
    out, k = [], 0
    for n in shape:
        if n == 1:
            out.append(FIXED)
        else:
            out.append(loop(k))
            k += 1
    return tuple(out)


def loop(k):
    """The entry of an axis that loop k runs along."""
    while len(_loops) <= k:
        _loops.append((len(_loops), 1, 0))
    return _loops[k]


def along(shape, loops):
    """The map of a value whose axes other than 1 run along these loops, in order."""
    rest = iter(loops)
    return tuple([FIXED if n == 1 else loop(next(rest)) for n in shape])


def plain_loops(shape, at):
    """The loops the axes other than 1 run along, or None where `at` does more than that."""
    found = []
    for n, (d, c, k) in zip(shape, at, strict=True):
        if n == 1:
            if d >= 0 or k:
                return None
        elif c != 1 or k:
            return None
        else:
            found.append(d)
    return tuple(found)


def under(v, at):
    """The map of a movement's operand, given the result's; see `passes`."""
    x, p, name = v.inputs[0], v.params, v.prim.name
    if name == "reshape":
        rest = iter([a for a, n in zip(at, v.shape, strict=True) if n != 1])
        return tuple([next(rest) if n != 1 else FIXED for n in x.shape])
    if name == "expand":
        return tuple([FIXED if n == 1 else a for n, a in zip(x.shape, at, strict=True)])
    if name == "permute":
        inner = [FIXED] * len(at)
        for i, a in enumerate(p["axes"]):
            inner[a] = at[i]
        return tuple(inner)
    if name == "slice":
        return tuple(
            (d, c * st, k * st + lo)
            for (d, c, k), lo, st in zip(at, p["starts"], p["steps"], strict=True)
        )
    return tuple(
        (d, -c, n - 1 - k) if i in p["axes"] else (d, c, k)
        for i, ((d, c, k), n) in enumerate(zip(at, x.shape, strict=True))
    )


def kept_map(v, at):
    """The map of the operand of a reduction over single elements."""
    rest = iter(at)
    p = v.params
    axes = (p["axis"],) if "axis" in p else p["axes"]
    return tuple([FIXED if d in axes else next(rest) for d in range(v.inputs[0].ndim)])


def passes(v):
    """Do maps pass through this movement?  Else its operand must be in memory: `load` and reshapes
    that do more than add or drop sizes 1."""
    if v.prim.name == "reshape":
        return domain(v.inputs[0].shape) == domain(v.shape)
    return v.prim.name != "load"


def base(v):
    """The value whose memory v is: reshapes of contiguous memory are the memory."""
    while v.prim.name == "reshape":
        v = v.inputs[0]
    return v


def affine(at, strides, ndim):
    """(constant, coefficient per loop) of a map times strides."""
    const, coefficients = 0, [0] * ndim
    for (d, c, k), s in zip(at, strides, strict=True):
        const += k * s
        if d >= 0:
            coefficients[d] += c * s
    return const, tuple(coefficients)


def memory_under(v, stops):
    """(stored value, offset, strides per axis of v) behind the movements of v.

    `stops` holds indices of movements that are in memory while what they move is not.
    """
    source, at = v, None
    while source.prim.name in MOVEMENT and passes(source) and source.index not in stops:
        at = under(source, tuple((d, 1, 0) for d in range(v.ndim)) if at is None else at)
        source = source.inputs[0]
    if source.prim.name == "load":
        strides, offset = source.params["strides"], source.params["offset"]
        memory = base(source.inputs[0])
    else:
        strides, offset = contiguous_strides(source.shape), 0
        memory = base(source)
    if at is None:
        return memory, offset, tuple(strides)
    const, coefficients = affine(at, strides, v.ndim)
    return memory, const + offset, coefficients


def view(v, stops):
    """A value as an Access to the memory under its movements; strides are per axis of v."""
    return Access(*memory_under(v, stops))
