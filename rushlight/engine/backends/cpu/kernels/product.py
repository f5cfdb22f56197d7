"""Matrix products: the loops around the register tile, with every size and stride at run time.

    C[.., i, j] = sum over k of A[.., i, k] * B[.., k, j]

K goes in blocks, whose sums are added up in C: short chains keep the error small, and a panel of B
stays near.  Rows go in blocks too, columns in panels as wide as a tile, and the rows of a block in
balanced tiles.  A panel of B or a block of A is first packed where its elements lie apart, or far
enough apart that reading them often costs more than copying them once.

One object serves every product of a dtype.
"""

from typing import NamedTuple

from . import narrow, pack, text, tile
from .text import Function
from .tile import TALLEST, WORDS, lanes, partial


class Matrices(NamedTuple):
    """A batch of matrices: where they lie, and their strides, in bytes."""

    entry: int  # of the table of buffers
    offset: int
    batch: tuple
    row: int
    column: int


class Blocks(NamedTuple):
    """How a product is cut, and what is packed."""

    depth: int  # of a block of K, at most
    rows: int  # of a block of rows, at most
    panels: int  # of B that are multiplied by a block of rows before the next ones
    packs_b: bool = False
    packs_a: bool = False
    entry: int = 0  # of the memory to pack into
    b_at: int = 0  # where in it, in bytes
    a_at: int = 0
    c_at: int = 0  # sums of a type that is then narrowed
    a_step: int = 0  # bytes from k to k + 1 of a packed block of A
    a_row: int = 0  # from row to row

    def moved(self, entry, offset):
        """With the memory to pack into at a place."""
        places = {name: getattr(self, name) + offset for name in ("b_at", "a_at", "c_at")}
        return self._replace(entry=entry, **places)


class Group(NamedTuple):
    """Panels of one width."""

    vectors: int  # of the tile
    most: int  # rows of it
    panels: int
    columns: int  # of a panel
    last: int  # of its last vector
    packed: int  # bytes of a packed row of B
    wide: int  # bytes of a row of C


FIELDS = "a b c rows depth a_row a_step b_step b_column c_row size groups batches".split()


def arguments(a, b, c, shape, batch, groups, blocks):
    """The int64 words that `module`'s function reads.

    Args:
        a, b, c: Matrices; c's are contiguous, and `row` says what a row of sums takes.
        shape: (rows, depth): what `groups` say of the columns is the rest.
        batch: sizes of the batch dimensions.
        groups: Group each, from left to right.
        blocks: Blocks.
    """
    words = [a.entry, b.entry, c.entry, *shape]
    size = shape[0] * sum(g.panels * g.columns for g in groups)
    words += [a.row, a.column, b.row, b.column, c.row, size, len(groups), len(batch)]
    words += [a.offset, b.offset, c.offset, *blocks]
    for group in groups:
        words += group
    for size, *steps in reversed([*zip(batch, a.batch, b.batch, c.batch, strict=True)]):
        words += [size, *steps]
    return words


def widths(columns, dtype, isa):
    """[(vectors, panels, columns of the last vector)] that cover so many columns.

    >>> from rushlight.engine.backends.cpu.kernels.isa import TABLE
    >>> from rushlight.engine.base import dtypes
    >>> widths(200, dtypes.float32, TABLE[0])
    [(4, 3, 16), (1, 1, 8)]
    """
    each, most = lanes(dtype, isa), isa.widest
    vectors, rest = divmod(columns, each)
    panels, vectors = divmod(vectors, most)
    found = [(most, panels, each)] if panels else []
    if rest and partial(dtype, isa, vectors + 1):
        return [*found, (vectors + 1, 1, rest)]
    found += [(vectors, 1, each)] if vectors else []
    return found + ([(1, 1, rest)] if rest else [])


def module(dtype, isa):
    """LLVM text of ``void NAME(ptr tab, ptr args)``: see `arguments`.  The loops, all tiles and
    what packs are one object, so that no other size compiles anything."""
    tiles, table = tile.functions(dtype, isa)
    parts = [*tiles, pack.function(dtype.itemsize, isa)]
    narrows = tile.wide(dtype) is not dtype
    parts += [narrow.function(dtype, isa)] if narrows else []
    return text.module([*parts, _Loops(narrows).f], table)


class _Loops:
    """Emits the loops, outermost first: batch, depth, blocks of rows, panels of one width, some
    of them, rows of tiles, tiles."""

    def __init__(self, narrows):
        f = self.f = Function("@NAME", ["ptr %tab", "ptr %args"])
        self.narrows = narrows
        n = len(FIELDS)
        self.given = {name: f.word("%args", i) for i, name in enumerate(FIELDS)}
        self.operands = [
            self.buffer(self.given[name], f.word("%args", n + i)) for i, name in enumerate("abc")
        ]
        at, count = n + 3, len(Blocks._fields)
        blocks = self.blocks = Blocks(*[f.word("%args", at + i) for i in range(count)])
        self.b_space, self.a_space, self.c_space = (
            self.buffer(blocks.entry, at) for at in (blocks.b_at, blocks.a_at, blocks.c_at)
        )
        self.packs_a, self.packs_b = (
            f.new(f"icmp ne i64 {packs}, 0") for packs in (blocks.packs_a, blocks.packs_b)
        )
        self.listed = f.at("%args", at + count, "i64")
        self.dims = f.at(self.listed, f.mul(self.given["groups"], len(Group._fields)), "i64")
        self.segment = f.new(f"alloca [{WORDS + TALLEST} x i64], align 64")
        count = f.loop(self.given["batches"], self.times, [("i64", 1)])[0]
        f.loop(count, self.matrices)

    def buffer(self, entry, offset):
        return self.f.at(self.f.word("%tab", entry, "ptr"), offset)

    def times(self, d, carried):
        size = self.f.word(self.dims, self.f.mul(d, 4))
        return [self.f.mul(carried[0], size)]

    def matrices(self, number, _):
        """One product of the batch."""
        f = self.f

        def along(d, carried):
            rest, *pointers = carried
            at = f.at(self.dims, f.mul(d, 4), "i64")
            size, *steps = [f.word(at, i) for i in range(4)]
            place = f.new(f"urem i64 {rest}, {size}")
            moved = [f.at(p, f.mul(place, s)) for p, s in zip(pointers, steps, strict=True)]
            return [f.new(f"udiv i64 {rest}, {size}"), *moved]

        start = [("i64", number), *(("ptr", p) for p in self.operands)]
        _, self.a, self.b, c = f.loop(self.given["batches"], along, start)
        self.c = self.c_space if self.narrows else c
        # Once at least: a sum over nothing is zero.
        f.loop(f.larger(self.given["depth"], 1), self.depth_block, step=self.blocks.depth)
        if self.narrows:
            f.line(f"call void @narrow(ptr {self.c}, ptr {c}, i64 {self.given['size']})")

    def depth_block(self, k, _):
        """A block of K: B packed if need be, then blocks of rows."""
        f, given = self.f, self.given
        self.depth = f.smaller(f.new(f"sub i64 {given['depth']}, {k}"), self.blocks.depth)
        self.add = f.new(f"zext i1 {f.new(f'icmp ne i64 {k}, 0')} to i64")
        self.b_block = f.at(self.b, f.mul(k, given["b_step"]))
        f.branch(self.packs_b, lambda: self.groups(self.pack_panels, self.b_block, self.b_space))
        a = f.at(self.a, f.mul(k, given["a_step"]))
        self.balanced(given["rows"], self.blocks.rows, self.row_block, [a, self.c])

    def balanced(self, rows, most, body, pointers):
        """Run ``body(how many, pointers)`` for the fewest blocks of at most so many rows, whose
        sizes differ by at most one; it returns the next block's pointers."""
        f = self.f
        blocks = f.new(f"udiv i64 {f.add(rows, f.new(f'sub i64 {most}, 1'))}, {most}")
        some = f.larger(blocks, 1)
        low, taller = f.new(f"udiv i64 {rows}, {some}"), f.new(f"urem i64 {rows}, {some}")

        def block(number, carried):
            one_more = f.new(f"icmp ult i64 {number}, {taller}")
            return body(f.add(low, f.new(f"zext i1 {one_more} to i64")), carried)

        f.loop(blocks, block, [("ptr", p) for p in pointers])

    def groups(self, body, *pointers):
        """Run ``body(Group, pointers)`` for each; it returns the next group's pointers."""
        f, n = self.f, len(Group._fields)

        def group(number, carried):
            at = f.at(self.listed, f.mul(number, n), "i64")
            return body(Group(*[f.word(at, i) for i in range(n)]), carried)

        f.loop(self.given["groups"], group, [("ptr", p) for p in pointers])

    def pack_panels(self, now, carried):
        """The panels of a group, one behind the other."""
        f, given = self.f, self.given
        steps = given["b_step"], given["b_column"]

        def panel(_, carried):
            b, space = carried
            self.pack(b, space, steps, now.columns, now.packed)
            beyond = f.at(b, f.mul(now.columns, given["b_column"]))
            return beyond, f.at(space, f.mul(self.depth, now.packed))

        return f.loop(now.panels, panel, [("ptr", p) for p in carried])

    def pack(self, source, space, steps, columns, step):
        """Pack `depth` rows of so many columns."""
        words = ", ".join(f"i64 {w}" for w in (*steps, self.depth, columns, step))
        self.f.line(f"call void @pack(ptr {source}, ptr {space}, {words})")

    def row_block(self, rows, carried):
        """A block of rows: A packed if need be, then groups of panels."""
        f, given, blocks = self.f, self.given, self.blocks
        a, c = carried
        self.rows = rows
        steps = given["a_step"], given["a_row"]
        f.branch(self.packs_a, lambda: self.pack(a, self.a_space, steps, rows, blocks.a_step))
        self.a_block = self.choose(self.packs_a, "ptr", self.a_space, a)
        self.a_step = self.choose(self.packs_a, "i64", blocks.a_step, given["a_step"])
        self.a_row = self.choose(self.packs_a, "i64", blocks.a_row, given["a_row"])
        self.groups(self.group, self.choose(self.packs_b, "ptr", self.b_space, self.b_block), c)
        return f.at(a, f.mul(rows, given["a_row"])), f.at(c, f.mul(rows, given["c_row"]))

    def choose(self, condition, kind, a, b):
        return self.f.new(f"select i1 {condition}, {kind} {a}, {kind} {b}")

    def group(self, now, carried):
        """Panels of one width, as many at a time as stay near."""
        f, given = self.f, self.given
        self.now = now
        beside = f.mul(now.columns, given["b_column"])
        self.b_step = self.choose(self.packs_b, "i64", now.packed, given["b_step"])
        self.beyond = self.choose(self.packs_b, "i64", f.mul(self.depth, now.packed), beside)

        def some(first, carried):
            b, c = carried
            self.panels = f.smaller(f.new(f"sub i64 {now.panels}, {first}"), self.blocks.panels)
            self.b_first = b
            self.balanced(self.rows, now.most, self.row_of_tiles, [self.a_block, c])
            return (
                f.at(b, f.mul(self.panels, self.beyond)),
                f.at(c, f.mul(self.panels, now.wide)),
            )

        start = [("ptr", p) for p in carried]
        return f.loop(now.panels, some, start, step=self.blocks.panels)

    def row_of_tiles(self, height, carried):
        """So many rows of all those panels, tile by tile."""
        f, c_row = self.f, self.given["c_row"]
        a, c = carried

        def row(r, carried):
            place = f.at(self.segment, f.add(r, WORDS), "i64")
            f.line(f"store ptr {carried[0]}, ptr {place}, align 8")
            return [f.at(carried[0], self.a_row)]

        (following,) = f.loop(height, row, [("ptr", a)])
        f.line(f"store i64 {self.depth}, ptr {self.segment}, align 8")

        def tile_of(_, carried):
            b, c = carried
            f.line(f"store ptr {b}, ptr {f.at(self.segment, 1, 'i64')}, align 8")
            values = (self.segment, 1, self.a_step, self.b_step, c, c_row, self.now.last, self.add)
            kinds = [p.split()[0] for p in tile.PARAMETERS]
            typed = ", ".join(f"{k} {v}" for k, v in zip(kinds, values, strict=True))
            f.line(f"call void @tile(i64 {self.now.vectors}, i64 {height}, {typed})")
            return f.at(b, self.beyond), f.at(c, self.now.wide)

        f.loop(self.panels, tile_of, [("ptr", self.b_first), ("ptr", c)])
        return following, f.at(c, f.mul(height, c_row))
