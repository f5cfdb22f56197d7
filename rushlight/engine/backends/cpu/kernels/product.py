"""Matrix products: the loops around the register tile, with every size and stride at run time.

    C[.., i, j] = sum over k of A[.., i, k] * B[.., k, j]

K goes in blocks of DEPTH, whose sums are added up in C: short chains keep the error small, and a
panel of B stays near.  Within a block, columns go in panels as wide as a tile and rows in balanced
tiles.  Rows of B are read where they lie; where its columns are apart, a panel is first packed.

One function serves every product: the tiles it calls are among its arguments.
"""

from typing import NamedTuple

from .text import Function
from .tile import PARAMETERS, WORDS

DEPTH = 512
TALLEST = 16  # rows of a tile


class Matrices(NamedTuple):
    """A batch of matrices: where they lie, and their strides, in bytes."""

    entry: int  # of the table of buffers
    offset: int
    batch: tuple
    row: int
    column: int


class Group(NamedTuple):
    """Panels of one width."""

    tile: int  # address of the tile's function
    most: int  # its rows at most
    panels: int
    columns: int  # of a panel
    last: int  # of its last vector
    packed: int  # bytes of a packed row of B
    wide: int  # bytes of a row of C


FIELDS = (
    "a b c pack_entry pack_offset pack rows depth a_row a_step b_step b_column c_row groups batches"
).split()


def arguments(a, b, c, shape, batch, groups, pack=(0, 0, 0)):
    """The int64 words that `module`'s function reads.

    Args:
        a, b, c: Matrices.
        shape: (rows, depth): what `groups` say of the columns is the rest.
        batch: sizes of the batch dimensions.
        groups: Group each, from left to right.
        pack: (entry and offset of memory for a panel, address of the function that packs); an
            address of 0 reads B where it lies.
    """
    words = [a.entry, b.entry, c.entry, *pack, *shape]
    words += [a.row, a.column, b.row, b.column, c.row, len(groups), len(batch)]
    words += [a.offset, b.offset, c.offset]
    for group in groups:
        words += group
    for size, *steps in reversed([*zip(batch, a.batch, b.batch, c.batch, strict=True)]):
        words += [size, *steps]
    return words


def widths(columns, tile, isa):
    """[(vectors, panels, columns of the last vector)] that cover so many columns.

    >>> from . import isa as isas
    >>> from ....base import dtypes
    >>> from .tile import Tile
    >>> widths(200, Tile(dtypes.float32, 1), isas.TABLE[0])
    [(4, 3, 16), (1, 1, 8)]
    """
    lanes, most = isa.lanes(tile.wide.itemsize), isa.widest
    vectors, rest = divmod(columns, lanes)
    panels, vectors = divmod(vectors, most)
    found = [(most, panels, lanes)] if panels else []
    if rest and tile._replace(vectors=vectors + 1).partial(isa):
        return [*found, (vectors + 1, 1, rest)]
    found += [(vectors, 1, lanes)] if vectors else []
    return found + ([(1, 1, rest)] if rest else [])


def module():
    """LLVM text of ``void NAME(ptr tab, ptr args)``: see `arguments`."""
    loops = _Loops()
    f = loops.f
    return "\n".join([*f.declarations, f.text(), "attributes #0 = { nounwind }"])


class _Loops:
    """Emits the loops, outermost first: batch, depth, groups of panels, panels, tiles."""

    def __init__(self):
        f = self.f = Function("@NAME", ["ptr %tab", "ptr %args"])
        n = len(FIELDS)
        self.given = {name: f.word("%args", i) for i, name in enumerate(FIELDS)}
        offsets = [f.word("%args", n + i) for i in range(3)]
        self.operands = [
            f.at(f.word("%tab", self.given[name], "ptr"), offset)
            for name, offset in zip("abc", offsets, strict=True)
        ]
        space = f.word("%tab", self.given["pack_entry"], "ptr")
        self.space = f.at(space, self.given["pack_offset"])
        self.packs = f.new(f"icmp ne i64 {self.given['pack']}, 0")
        self.pack = f.new(f"inttoptr i64 {self.given['pack']} to ptr")
        self.groups = f.at("%args", n + 3, "i64")
        self.dims = f.at(self.groups, f.mul(self.given["groups"], len(Group._fields)), "i64")
        self.segment = f.new(f"alloca [{WORDS + TALLEST} x i64], align 64")
        count = f.loop(self.given["batches"], self.times, [("i64", 1)])[0]
        f.loop(count, self.matrices)

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
        _, self.a, self.b, self.c = f.loop(self.given["batches"], along, start)
        # Once at least: a sum over nothing is zero.
        f.loop(f.larger(self.given["depth"], 1), self.block, step=DEPTH)

    def block(self, k, _):
        """A block of K."""
        f = self.f
        self.depth = f.smaller(f.new(f"sub i64 {self.given['depth']}, {k}"), DEPTH)
        self.add = f.new(f"zext i1 {f.new(f'icmp ne i64 {k}, 0')} to i64")
        self.a_block = f.at(self.a, f.mul(k, self.given["a_step"]))
        b = f.at(self.b, f.mul(k, self.given["b_step"]))
        f.loop(self.given["groups"], self.group, [("ptr", b), ("ptr", self.c)])

    def group(self, number, carried):
        """Panels of one width."""
        f = self.f
        at = f.at(self.groups, f.mul(number, len(Group._fields)), "i64")
        group = [f.word(at, i) for i in range(len(Group._fields))]
        self.now = Group(*group)
        self.tile = f.new(f"inttoptr i64 {self.now.tile} to ptr")
        return f.loop(self.now.panels, self.panel, [("ptr", p) for p in carried])

    def panel(self, _, carried):
        """A panel of columns: packed if need be, then tile by tile."""
        f, given, now = self.f, self.given, self.now
        b, c = carried

        def pack():
            words = (given["b_step"], given["b_column"], self.depth, now.columns, now.packed)
            f.line(f"call void {self.pack}(ptr {b}, ptr {self.space}, "
                   f"{', '.join(f'i64 {w}' for w in words)})")  # fmt: skip

        f.branch(self.packs, pack)
        rows_of_b = f.new(f"select i1 {self.packs}, ptr {self.space}, ptr {b}")
        self.step = f.new(f"select i1 {self.packs}, i64 {now.packed}, i64 {given['b_step']}")
        f.line(f"store i64 {self.depth}, ptr {self.segment}, align 8")
        f.line(f"store ptr {rows_of_b}, ptr {f.at(self.segment, 1, 'i64')}, align 8")
        more = f.add(given["rows"], f.new(f"sub i64 {now.most}, 1"))
        tiles = f.new(f"udiv i64 {more}, {now.most}")
        some = f.larger(tiles, 1)
        self.low = f.new(f"udiv i64 {given['rows']}, {some}")
        self.taller = f.new(f"urem i64 {given['rows']}, {some}")
        f.loop(tiles, self.rows_of_tile, [("ptr", self.a_block), ("ptr", c)])
        return f.at(b, f.mul(now.columns, given["b_column"])), f.at(c, now.wide)

    def rows_of_tile(self, number, carried):
        f, given = self.f, self.given
        a, c = carried
        one_more = f.new(f"icmp ult i64 {number}, {self.taller}")
        height = f.add(self.low, f.new(f"zext i1 {one_more} to i64"))

        def row(r, carried):
            place = f.at(self.segment, f.add(r, WORDS), "i64")
            f.line(f"store ptr {carried[0]}, ptr {place}, align 8")
            return [f.at(carried[0], given["a_row"])]

        (following,) = f.loop(height, row, [("ptr", a)])
        values = (self.segment, 1, given["a_step"], self.step, c, given["c_row"], self.now.last)
        kinds = [p.split()[0] for p in PARAMETERS]
        typed = ", ".join(f"{k} {v}" for k, v in zip(kinds, (*values, self.add), strict=True))
        f.line(f"call void {self.tile}(i64 {height}, {typed})")
        return following, f.at(c, f.mul(height, given["c_row"]))
