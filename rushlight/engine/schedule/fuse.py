"""Fusion: roots of one domain that share memory or values become one nest.

Roots are placed in order.  Each joins the nest of an operand, or one that reads the same memory,
where loops agree and everything it needs exists by then; otherwise it starts a nest of its own.
"""

from ..base.shapes import contiguous_strides
from .maps import (
    MOVEMENT,
    base,
    domain,
    identity,
    kept_map,
    memory_under,
    passes,
    plain_loops,
    under,
    view,
)
from .nest import Access, HostStep
from .roots import Roots

MAX_SIZE = 120  # instructions
MAX_READS = 20  # distinct values in memory
NEIGHBOURS = 4


class Group:
    """A nest being collected.  `made` maps a root to (level, pass): inner values are made at every
    point, row values once a row, after that pass."""

    __slots__ = (
        "shape",
        "axes",
        "kept",
        "members",
        "made",
        "reads",
        "crossing",
        "size",
        "at",
        "fixed",
    )

    def __init__(self, shape, at):
        self.shape, self.at = shape, at
        self.axes = None
        self.kept = tuple(range(len(shape)))
        self.members, self.made = [], {}
        self.reads, self.crossing = set(), set()  # from memory; from an earlier pass
        self.size, self.fixed = 0, False

    def fold(self, axes):
        """Fix which loops are folded."""
        self.axes = axes
        self.kept = tuple(d for d in range(len(self.shape)) if d not in axes)


def fuse(graph, can_fuse):
    """Steps of the graph in order: Groups and HostSteps; see `schedule`."""
    return _Fusion(graph, can_fuse)


class _Fusion:
    def __init__(self, graph, can_fuse):
        self.graph, self.values = graph, graph.live()
        self.roots = Roots(graph, self.values, can_fuse)
        self.steps, self.step_of = [], {}
        self.readers = {}  # index of a stored value -> groups that read it
        self.wanted = {base(v).index for v in graph.outputs}  # what must be in memory
        for v in self.values:
            kind = self.roots.found.get(v.index)
            if kind and v.index not in self.step_of:
                getattr(self, f"_place_{kind}")(v)

    # -------------------------------------------------------------------------------- needs
    def needs(self, v, at, found, top=False):
        """Collect (root or input, map) of everything that computing v at `at` reads."""
        while True:
            if not top and (v.index in self.step_of or v.prim.name == "input"):
                found[(v.index, at)] = v
                return
            top = False
            if v.prim.name not in MOVEMENT:
                break
            if not passes(v):
                memory = base(v.inputs[0])
                found[(memory.index, None)] = memory
                return
            at, v = under(v, at), v.inputs[0]
        if v.prim.name == "take":
            memory = memory_under(v.inputs[0], self.roots.turned)[0]
            found[(memory.index, None)] = memory
            self.needs(v.inputs[1], at[: v.inputs[1].ndim], found)
        elif v.prim.kind == "reduce":
            self.needs(v.inputs[0], kept_map(v, at), found)
        else:
            for i in v.inputs:
                self.needs(i, at, found)

    # --------------------------------------------------------------------------------- host
    def _place_host(self, v):
        product = self.roots.turned.get(v.index)
        whole = self.roots.whole(v)
        operands = [
            (i.shape, self._operand(i, k in whole)) for k, i in enumerate((product or v).inputs)
        ]
        if product is not None:
            operands = [_turned(*operand) for operand in reversed(operands)]
        self.wanted.update(a.value.index for _, a in operands)
        self.step_of[v.index] = len(self.steps)
        self.steps.append(HostStep(v, product or v, operands))

    def _operand(self, v, contiguous=False):
        """A host operand: a view of memory; numbers and ranges are put there first, and what is
        wanted contiguous."""
        if v.shape is None:  # a host call with several results: its `item`s pick them
            return Access(v, 0, ())
        found = view(v, self.roots.turned)
        if contiguous:
            found = Access(base(v), 0, contiguous_strides(v.shape))
        source = found.value
        if source.prim.name != "input" and source.index not in self.step_of:
            self._place_value(source)
        return found

    # --------------------------------------------------------------------------------- folds
    def _place_fold(self, v):
        x = v.inputs[0]
        axes = (v.params["axis"],) if "axis" in v.params else v.params["axes"]
        at = identity(x.shape)
        folded = tuple(sorted({at[i][0] for i in axes} - {-1}))
        if not folded:
            return self._place_value(v)
        needs = {}
        self.needs(x, identity(x.shape), needs)
        steps = 2 if v.prim.name in ("argmax", "argmin") else 1
        group, number = self._find(domain(x.shape), needs, folded)
        if group.axes is None:
            group.fold(folded)
        self._join(group, "fold", v, number + steps - 1, "row", needs)

    # -------------------------------------------------------------------------------- values
    def _place_value(self, v):
        needs = {}
        self.needs(v, identity(v.shape), needs, top=True)
        found = self._find_row(domain(v.shape), needs)
        if found:
            return self._join(found[0], "row", v, found[1], "row", needs)
        group, number = self._find(domain(v.shape), needs, None)
        self._join(group, "value", v, number, "inner", needs)

    def _join(self, group, kind, v, number, level, needs, target=None):
        group.members.append((kind, v, number, target))
        group.size += 1 + self.roots.size.get(v.index, 0)
        if target is None:
            group.made[v.index] = (level, number)
            self.step_of[v.index] = group.at
        for index, at in needs:
            made = group.made.get(index) if at is not None else None
            if made and made[0] == "inner" and made[1] < number:
                group.crossing.add(index)
            if made is None:
                self.wanted.add(index)
                group.reads.add(index)
                self.readers.setdefault(index, []).append(group)

    def _find(self, shape, needs, axes):
        """(group, pass) for an inner root: the best that fits, else a new one."""
        best = None
        for group in self._candidates(needs):
            if group.shape != shape or not self._room(group, needs):
                continue
            if axes is not None and group.axes not in (None, axes):
                continue
            number = self._pass_of(group, needs)
            if number is not None and (best is None or group.at > best[0].at):
                best = group, number
        return best or (self._new_group(shape), 0)

    def _find_row(self, shape, needs):
        """(group, pass) where a root is computed from row values, once a row."""
        for group in self._candidates(needs):
            if group.axes is None or domain_of(group) != shape or not self._room(group, needs):
                continue
            number = self._row_pass(group, needs)
            if number is not None:
                return group, number
        return None

    @staticmethod
    def _room(group, needs):
        return (
            not group.fixed
            and group.size + len(needs) < MAX_SIZE
            and len(group.reads) + len(needs) <= MAX_READS
        )

    def _candidates(self, needs):
        """Groups that make, or last read, something needed."""
        found = {}
        for index, _ in needs:
            at = self.step_of.get(index)
            if at is not None and at >= 0 and isinstance(self.steps[at], Group):
                found[at] = self.steps[at]
            for group in self.readers.get(index, ())[-NEIGHBOURS:]:
                found[group.at] = group
        return found.values()

    def _pass_of(self, group, needs):
        """The first pass of `group` in which all needs exist, or None."""
        made = self._made_by(group, needs)
        points = tuple(range(len(group.shape)))
        if made is None or any(
            loops != (group.kept if level == "row" else points) for level, _, loops in made
        ):
            return None
        return max([number + (level == "row") for level, number, _ in made], default=0)

    def _row_pass(self, group, needs):
        """The pass of `group` after which all needs exist as its row values, or None."""
        made = self._made_by(group, needs)
        rows = tuple(range(len(group.kept)))
        if not made or any(level != "row" or loops != rows for level, _, loops in made):
            return None
        return max(number for _, number, _ in made)

    def _made_by(self, group, needs):
        """[(level, pass, loops it is read along)] of the needs that `group` makes; None where a
        need exists only later, or the group cannot hand it on."""
        found = []
        for (index, at), v in needs.items():
            step = self.step_of.get(index, -1)
            if step > group.at or step == group.at and (index not in group.made or at is None):
                return None
            if step == group.at:
                found.append((*group.made[index], plain_loops(v.shape, at)))
        return found

    def _new_group(self, shape):
        group = Group(shape, len(self.steps))
        self.steps.append(group)
        return group

    # -------------------------------------------------------------------------------- writes
    def _place_write(self, v):
        getattr(self, f"_write_{v.prim.name}")(v)

    def _write(self, v, x, offset, strides, after):
        """Store x into v's memory, after step `after`; strides are per axis of x."""
        if 0 in x.shape:
            return after
        needs, best = {}, None
        self.needs(x, identity(x.shape), needs)
        for group in self._candidates(needs):
            fits = group.shape == domain(x.shape) and self._room(group, needs)
            if fits and group.at > after:
                number = self._pass_of(group, needs)
                if number is not None and (best is None or group.at > best[0].at):
                    best = group, number
        group, number = best or (self._new_group(domain(x.shape)), 0)
        target = Access(v, offset, _looped(x, strides))
        self._join(group, "write", x, number, "inner", needs, target)
        return group.at

    def _begin(self, v, x):
        """The step that fills v's memory with x (or zeros), parts of which are replaced later."""
        group, needs = self._new_group(domain(v.shape)), {}
        if x is not None:
            self.needs(x, identity(x.shape), needs)
        target = Access(v, 0, _looped(v, contiguous_strides(v.shape)))
        self._join(group, "fill" if x is None else "write", x or v, 0, "inner", needs, target)
        group.fixed = True
        return group.at

    def _write_concat(self, v):
        strides, axis, start, last = contiguous_strides(v.shape), v.params["axis"], 0, -1
        for x in v.inputs:
            last = max(last, self._write(v, x, start * strides[axis], strides, -1))
            start += x.shape[axis]
        self.step_of[v.index] = last

    def _write_pad(self, v):
        x, p = v.inputs[0], v.params
        strides = contiguous_strides(v.shape)
        after = self._begin(v, None)
        offset = sum(low * s for low, s in zip(p["low"], strides, strict=True))
        steps = tuple(s * (1 + k) for s, k in zip(strides, p["inner"], strict=True))
        self.step_of[v.index] = self._write(v, x, offset, steps, after)

    def _write_store(self, v):
        flat, x = v.inputs
        after = self._begin(v, flat)
        self.step_of[v.index] = self._write(v, x, v.params["offset"], v.params["strides"], after)

    def _write_put(self, v):
        x, index, source = v.inputs
        after = self._begin(v, x)
        if 0 not in source.shape:
            needs = {}
            self.needs(source, identity(source.shape), needs)
            self.needs(index, identity(source.shape)[: index.ndim], needs)
            group = self._new_group(domain(source.shape))
            group.fixed = True
            self._join(group, "scatter", source, 0, "inner", needs, v)
            after = group.at
        self.step_of[v.index] = after


def _turned(shape, access):
    """An operand with its last two axes swapped."""
    *outer, a, b = access.strides
    return (*shape[:-2], shape[-1], shape[-2]), access._replace(strides=(*outer, b, a))


def _looped(v, strides):
    """Strides of the axes that are loops."""
    return tuple([s for s, n in zip(strides, v.shape, strict=True) if n != 1])


def domain_of(group):
    """The sizes of a group's kept loops."""
    return tuple(group.shape[d] for d in group.kept)
