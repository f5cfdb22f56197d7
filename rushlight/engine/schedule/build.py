"""From a group of roots to a Nest: the instructions of every pass."""

import math
import sys

from ..base.dtypes import FLOAT, INT, bool_, int64
from ..base.shapes import contiguous_strides, numel
from .maps import (
    MOVEMENT,
    affine,
    along,
    base,
    domain,
    identity,
    kept_map,
    memory_under,
    passes,
    under,
)
from .nest import Access, Instruction, Nest, Scratch, rows_together
from .order import arrange
from .roots import weight

AGAIN = 6  # cost up to which a later pass computes an inner value again
FAR = 1 << 62  # larger than any index
LITERALS = (0, 1, -1)  # numbers that stay part of the code


def build(group, stored, turned):
    """The Nest of a group.

    `stored` are the indices of values that must be in memory, `turned` those of transpositions that
    are made as products.
    """
    return _Builder(group, stored, turned).run()


class _Builder:
    def __init__(self, group, stored, turned):
        self.group, self.stored, self.turned = group, stored, turned
        self.nest = Nest(group.shape, group.axes or ())
        self.ndim = len(group.shape)
        self.full = tuple(range(self.ndim))
        self.known = {}  # (pass or None for row, instruction) -> position
        self.memo = {}  # (pass, row level?, value, map) -> position
        self.rows = {}  # value index -> position, for what is made once a row
        self.homes = {}  # value index -> access of its memory or scratch, once it is written
        self.costs = {}
        self.constants = {}  # (bits, dtype) -> position in the nest's params
        self.number, self.at_row = 0, False

    def run(self):
        passes_needed = 1 + max(number for _, _, number, _ in self.group.members)
        by_pass = [[] for _ in range(passes_needed)]
        for member in self.group.members:
            by_pass[member[2]].append(member)
            if member[0] == "fold" and member[1].prim.name in ("argmax", "argmin"):
                by_pass[member[2] - 1].append(("peak", *member[1:]))
        for self.number, members in enumerate(by_pass):
            self.nest.passes.append(([], []))
            for row in (False, True):
                self.at_row = row
                for kind, v, _, target in members:
                    if (kind == "row") == row:
                        getattr(self, f"_member_{kind}")(v, target)
            self.at_row = False
            self._writes_last()
        self.nest.order = arrange(self.nest)
        self._size_scratch()
        return self.nest

    def _writes_last(self):
        """What a point writes may take the place of what it reads."""
        body, (inner, _) = self.nest.body, self.nest.passes[-1]
        inner.sort(key=lambda p: body[p].name in ("store", "scatter"))

    # ------------------------------------------------------------------------------- members
    def _member_value(self, v, _):
        ref = self.ref(v, identity(v.shape))
        again = v.index in self.group.crossing and self._cost(v) > AGAIN
        if v.index in self.stored:
            loops = contiguous_strides(domain(v.shape))
            self._store(v, ref, Access(v, 0, loops))
        elif again:
            self._store(v, ref, Access(Scratch(v.dtype), 0, None))

    def _store(self, v, ref, access):
        self.homes[v.index] = self._access(access)
        self.emit("store", (ref,), v.dtype, self.homes[v.index])

    def _member_row(self, v, _):
        at = along(v.shape, self.group.kept)
        self.rows[v.index] = self.compute(v, at)
        self._store_row(v, self.rows[v.index])

    def _store_row(self, v, ref):
        """Row values that are wanted outside go to memory after the pass."""
        if v.index in self.stored:
            at = along(v.shape, self.group.kept)
            _, strides = affine(at, contiguous_strides(v.shape), self.ndim)
            row, self.at_row = self.at_row, True
            self.emit("store", (ref,), v.dtype, self._access(Access(v, 0, strides)))
            self.at_row = row

    def _member_fold(self, v, _):
        x, name = v.inputs[0], v.prim.name
        if name in ("argmax", "argmin"):
            ref = self._position(v, x)
            name, dtype = "min", int64
        else:
            ref, dtype = self.ref(x, identity(x.shape)), v.dtype
        self.rows[v.index] = self.emit("fold", (ref,), dtype, name)
        self._store_row(v, self.rows[v.index])

    def _member_peak(self, v, _):
        """The extreme value of a row, on the way to its position."""
        x = v.inputs[0]
        ref = self.ref(x, identity(x.shape))
        self.rows["peak", v.index] = self.emit("fold", (ref,), x.dtype, v.prim.name[3:])

    def _position(self, v, x):
        """Where x is the row's extreme, or NaN, its index; else far away."""
        at = identity(x.shape)
        ref, peak = self.ref(x, at), self.rows["peak", v.index]
        hit = self.emit("eq", (ref, peak), bool_, (x.dtype, x.dtype))
        if x.dtype.category == FLOAT:
            broken = self.emit("isnan", (ref,), bool_, (x.dtype,))
            hit = self.emit("bitor", (hit, broken), bool_, (bool_, bool_))
        here = self._index(at[v.params["axis"]])
        far = self.emit("const", (), int64, repr(FAR))
        return self.emit("where", (hit, here, far), int64, (bool_, int64, int64))

    def _member_write(self, x, target):
        ref = self.ref(x, identity(x.shape))
        self.emit("store", (ref,), x.dtype, self._access(target))

    def _member_fill(self, v, target):
        zero = {0: "False", 3: "0j"}.get(v.dtype.category, "0")
        self.emit("store", (self.emit("const", (), v.dtype, zero),), v.dtype, self._access(target))

    def _member_scatter(self, source, v):
        index, at = v.inputs[1], identity(source.shape)
        row = self.ref(index, at[: index.ndim])
        ref = self.ref(source, at)
        strides = contiguous_strides(v.shape)
        const, loops = affine(at[index.ndim :], strides[1:], self.ndim)
        k = self._access(Access(v, const, loops), fresh=True)
        self.nest.rows[k] = strides[0]
        self.emit("scatter", (ref, row), source.dtype, (k, v.params["mode"]))

    # ----------------------------------------------------------------------------- references
    def ref(self, v, at):
        """The instruction that holds v at map `at`, in this pass."""
        key = (self.number, self.at_row, v.index, at)
        found = self.memo.get(key)
        if found is None:
            found = self.memo[key] = self._ref(v, at)
        return found

    def _ref(self, v, at):
        made = self.group.made.get(v.index)
        if made is None:
            if v.prim.name == "input" or self._placed(v):
                return self._load(v, contiguous_strides(v.shape), 0, at)
            return self.compute(v, at)
        if made[0] == "row":
            return self.rows[v.index]
        home = self.homes.get(v.index)
        if made[1] < self.number and home is not None and self._cost(v) > AGAIN:
            return self.emit("load", (), v.dtype, home)
        return self.compute(v, at)

    def _placed(self, v):
        return v.index in self.group.reads

    def _cost(self, v):
        """What computing an inner value again in a later pass costs."""
        found = self.costs.get(v.index)
        if found is None:
            found = self.costs[v.index] = self._cost_of(v)
        return found

    def _cost_of(self, v):
        made = self.group.made.get(v.index)
        if made is None and (v.prim.name == "input" or self._placed(v)):
            return 1
        if made is not None and made[0] == "row" or v.prim.kind == "source":
            return 0
        own = 0 if v.prim.name in MOVEMENT else weight(v.prim.name)
        return own + sum(self._cost(i) for i in v.inputs)

    def compute(self, v, at):
        """Emit v's own expression."""
        name = v.prim.name
        if name == "const":
            return self._constant(v)
        if name == "scalar":
            return self._scalar(v)
        if name == "iota":
            return self._index(at[0])
        if name in MOVEMENT:
            return self._moved(v, at)
        if name == "take":
            return self._gather(v, at)
        if v.prim.kind == "reduce":
            return self._single(v, at)
        refs = tuple([self.ref(i, at) for i in v.inputs])
        name = v.params["name"] if name == "special" else name
        if name == "clamp_index" or name in ("idiv", "rem") and v.dtype.category <= INT:
            return self._checked(v, refs)
        return self.emit(name, refs, v.dtype, tuple([i.dtype for i in v.inputs]))

    def emit(self, name, refs, dtype, extra):
        instruction = Instruction(name, refs, dtype, extra)
        key = (None if self.at_row else self.number, instruction)
        found = self.known.get(key)
        if found is None or name in ("store", "scatter"):
            found = self.known[key] = len(self.nest.body)
            self.nest.body.append(instruction)
            self.nest.passes[-1][self.at_row].append(found)
        return found

    def _checked(self, v, refs):
        """Instructions that can fail name the value that failed."""
        params = self.nest.params
        params.append(v.params.get("size", 0))
        params.append(v.index + 1)
        from_the_end = v.params.get("negative", False)
        extra = (len(params) - 2, v.inputs[0].dtype, from_the_end)
        return self.emit(v.prim.name, refs, v.dtype, extra)

    def _constant(self, v):
        """What a size may have decided is an argument of the kernel: another size, the same
        kernel."""
        value, dtype = v.params["value"], v.dtype
        if dtype is bool_ or dtype.is_complex or value in LITERALS or not math.isfinite(value):
            return self.emit("const", (), dtype, repr(value))
        if dtype.category == INT:
            bits = int(value)
        else:
            bits = int.from_bytes(dtype.np.type(value).tobytes(), sys.byteorder, signed=True)
        params = self.nest.params
        at = self.constants.setdefault((bits, dtype), len(params))
        if at == len(params):
            params.append(bits)
        return self.emit("argument", (), dtype, at)

    def _scalar(self, v):
        scalars = self.nest.scalars
        if v not in scalars:
            scalars.append(v)
        return self.emit("scalar", (), v.dtype, scalars.index(v))

    def _index(self, entry):
        row = affine((entry,), (1,), self.ndim)
        if row not in self.nest.indices:
            self.nest.indices.append(row)
        return self.emit("index", (), int64, self.nest.indices.index(row))

    def _single(self, v, at):
        """A reduction over one element."""
        if v.prim.name in ("argmax", "argmin"):
            return self.emit("const", (), int64, "0")
        return self.ref(v.inputs[0], kept_map(v, at))

    def _access(self, access, fresh=False):
        accesses = self.nest.accesses
        if not fresh and access.strides is not None:
            for k, have in enumerate(accesses):
                if have == access and k not in self.nest.rows:
                    return k
        accesses.append(access)
        return len(accesses) - 1

    def _load(self, v, strides, offset, at):
        const, loops = affine(at, strides, self.ndim)
        return self.emit("load", (), v.dtype, self._access(Access(v, offset + const, loops)))

    def _moved(self, v, at):
        x, p = v.inputs[0], v.params
        if v.prim.name == "load":
            return self._load(base(x), p["strides"], p["offset"], at)
        if not passes(v):
            return self._load(base(x), contiguous_strides(v.shape), 0, at)
        return self.ref(x, under(v, at))

    def _gather(self, v, at):
        x, index = v.inputs
        row = self.ref(index, at[: index.ndim])
        memory, offset, strides = memory_under(x, self.turned)
        const, loops = affine(at[index.ndim :], strides[1:], self.ndim)
        key = (self.number, self.at_row, row, memory.index, offset + const, loops, strides[0])
        found = self.known.get(key)
        if found is None:
            k = self._access(Access(memory, offset + const, loops), fresh=True)
            self.nest.rows[k] = strides[0]
            found = self.known[key] = self.emit("gather", (row,), v.dtype, k)
        return found

    def _size_scratch(self):
        """Scratch holds a few rows; where the innermost loop is kept, the whole domain."""
        nest = self.nest
        for k, access in enumerate(nest.accesses):
            if access.strides is None:
                folded = nest.order.inner if nest.order.lane is None else self.full
                sizes = [nest.shape[d] for d in folded]
                strides = dict(zip(folded, contiguous_strides(sizes), strict=True))
                rows = rows_together(numel(sizes)) if nest.order.lane is None else 1
                access.value.shape = (rows, *sizes)
                loops = tuple(strides.get(d, 0) for d in self.full)
                nest.accesses[k] = Access(access.value, 0, loops)
