"""The loops a kernel runs, merged where every access allows it; what of them is structure."""

import math
from typing import NamedTuple

from ...schedule.nest import Instruction, rows_together

SHORT_ROW = 512  # elements
SHUFFLED = 4  # elements
LINE = 64  # elements, of one byte at least
FEWEST = 256  # columns of a part, whose rows are read one after the other


class Loops(NamedTuple):
    """Sizes, outermost first: `kept` of them outside, then `inner`, then a lane if `lane`.

    `together` rows go through a pass before the next pass begins (1: a row through all of them).
    `divided` is the position of the loop whose parts threads may run side by side, or None.
    `rows` are the strides of every access along these loops, `indices` the coefficients of index
    instructions; `written` are the positions of accesses that are.
    """

    sizes: tuple
    kept: int
    inner: int
    lane: bool
    rows: tuple
    indices: tuple
    written: frozenset
    divided: int | None
    together: int = 1

    @property
    def short(self):
        """Are there many short rows?  (Outer loops of a row, which a batch may be, do not count:
        its size is to need no other kernel.)"""
        rows = self.sizes[self.kept : self.kept + self.inner]
        return self.kept > 0 and not self.lane and math.prod(rows[-1:]) < SHORT_ROW

    @property
    def chunked(self):
        """The position of the loop that is run in chunks, or None."""
        if self.lane:
            return len(self.sizes) - 1
        return self.kept - 1 if self.together > 1 else None

    @property
    def one_block(self):
        """Is a row one loop of few elements?"""
        return self.short and self.inner == 1

    @property
    def narrow(self):
        """Are 256-bit vectors better?  Where rows are so short that a wide vector's remainder would
        take most of the time, and where vectors are loaded by shuffles."""
        return self.short or any(kinds[-1:] not in ("", "0", "1", "s") for kinds in self.classes())

    def classes(self):
        """Per access and index, what code depends on, a character a loop: "0", "s", or of the
        innermost loop "1" and, of what is read, small strides: shuffles load their vectors."""
        return tuple(
            "".join(["0" if s == 0 else "s" for s in row[:-1]]) + self._innermost(k, row[-1:])
            for k, row in enumerate((*self.rows, *self.indices))
        )

    def _innermost(self, k, stride):
        limit = 1 if k in self.written or k >= len(self.rows) else SHUFFLED
        return "".join(["0" if s == 0 else str(s) if 0 < s <= limit else "s" for s in stride])


def collapse(nest):
    """The Loops of a nest."""
    order = nest.order
    lane = [] if order.lane is None else [order.lane]
    rows = [a.strides for a in nest.accesses] + [c for _, c in nest.indices]
    kept = _merge([*order.kept, *lane], nest.shape, rows)
    inner = _merge(order.inner, nest.shape, rows)
    tail = [kept.pop()] if lane else []
    chosen = [*kept, *inner, *tail]
    found = [tuple([part[1][r] for part in chosen]) for r in range(len(rows))]
    n = len(nest.accesses)
    sizes = tuple([size for size, _ in chosen])
    rows, indices = tuple(found[:n]), tuple(found[n:])
    stores = [i.extra for i in nest.body if i.name in ("store", "scatter")]
    written = frozenset([k if isinstance(k, int) else k[0] for k in stores])
    divided = _divided(nest, len(kept), len(sizes), bool(lane))
    loops = Loops(sizes, len(kept), len(inner), bool(lane), rows, indices, written, divided)
    if loops.one_block and len(nest.passes) > 1:
        loops = loops._replace(together=rows_together(sizes[-1]))
    return loops


def _divided(nest, kept, count, lane):
    """The position of a loop whose iterations have nothing to do with each other."""
    if not count or any([i.name == "scatter" for i in nest.body]):
        return None
    if kept or not nest.axes:
        return 0
    return count - 1 if lane else None


def _merge(loops, shape, rows):
    """[(size, stride per row)] of loops; neighbours merge where they are one range everywhere."""
    out = []
    for d in loops:
        strides = [r[d] for r in rows]
        size = shape[d]
        if out:
            before, outer = out[-1]
            if all([o == s * size for o, s in zip(outer, strides, strict=True)]):
                out[-1] = (before * size, strides)
                continue
        out.append((size, strides))
    return out


def structure(nest, loops):
    """The key code is generated for."""
    return (
        loops.kept,
        loops.inner,
        loops.lane,
        loops.divided,
        loops.one_block,
        loops.together > 1,
        loops.narrow,
        loops.classes(),
        tuple([a.value.dtype for a in nest.accesses]),
        tuple(nest.body),
        tuple([(tuple(inner), tuple(row)) for inner, row in nest.passes]),
        tuple(sorted(nest.rows)),
        tuple([v.dtype for v in nest.scalars]),
        len(nest.params),
    )


def division(loops, tasks):
    """(iterations of the divided loop in a part, parts), of which there are at most so many."""
    if loops.divided is None:
        return 0, 1
    size = loops.sizes[loops.divided]
    each = -(-size // tasks)
    if loops.divided == len(loops.sizes) - 1:  # parts that begin on a cache line
        each = -(-max(each, FEWEST if loops.lane else 1) // LINE) * LINE
    return each, -(-size // each)


def arguments(nest, loops, each, place, slot):
    """The int64 arguments of a kernel, in the order lower.py reads them; `each`: see `division`."""
    args = [*loops.sizes] if loops.divided is None else [*loops.sizes, each]
    classes = loops.classes()
    for access, row, kinds in zip(nest.accesses, loops.rows, classes, strict=False):
        entry, offset = place(access.value)
        args += [entry, offset + access.offset * access.value.dtype.itemsize]
        args += [s for s, kind in zip(row, kinds, strict=True) if kind == "s"]
    args += [nest.rows[k] for k in sorted(nest.rows)]
    for (const, _), row, kinds in zip(
        nest.indices, loops.indices, classes[len(nest.accesses) :], strict=True
    ):
        args += [const, *(s for s, kind in zip(row, kinds, strict=True) if kind == "s")]
    args += [slot(v) for v in nest.scalars]
    return args + nest.params + [loops.together] * (loops.together > 1)


def levels(nest, loops, inner):
    """Per instruction of a pass: the position of the innermost loop it varies along.

    -1 is none of the pass's own loops; what has an effect happens in the innermost loop.
    """
    classes, first, last = loops.classes(), loops.kept, len(loops.sizes) - 1
    lane = last if loops.lane else -1
    found = {}

    def of_row(kinds):
        return max([d for d in range(first, last + 1) if kinds[d] != "0"], default=-1)

    for position in inner:
        i = nest.body[position]
        level = max([found.get(r, lane) for r in i.refs], default=-1)
        if i.name in ("store", "scatter", "fold"):
            level = last
        elif i.name in ("load", "gather"):
            level = max(level, of_row(classes[i.extra]))
        elif i.name == "index":
            level = of_row(classes[len(nest.accesses) + i.extra])
        found[position] = level
    return found


def accesses_of(nest, positions):
    """Accesses that these instructions touch."""
    found = set()
    for p in positions:
        i: Instruction = nest.body[p]
        if i.name in ("load", "store", "gather", "scatter"):
            found.add(i.extra[0] if i.name == "scatter" else i.extra)
    return found
