"""The loops around the register tile, whatever fills its operands: blocks of K, blocks of rows,
panels of columns as wide as a tile, and the rows of a block in balanced tiles.

The sums of K's blocks add up in C: short chains keep the error small, and what a block reads stays
near.  Products and convolutions differ in where a panel of B or a block of A comes from.
"""

from typing import NamedTuple

from . import pack, tile
from .tile import TALLEST, WORDS, partial
from .vectors import lanes, wide


class Blocks(NamedTuple):
    """How a product is cut, and what is packed where in scratch memory, in bytes."""

    depth: int  # of a block of K, at most
    rows: int  # of a block of rows, at most
    panels: int  # of B that are multiplied by a block of rows before the next ones
    packs_b: bool = False
    packs_a: bool = False
    dots: bool = False  # a few rows, by B whose columns lie along K: dot products
    a_at: int = 0
    c_at: int = 0  # sums of a type that is then narrowed
    a_row: int = 0  # from row to row of a packed block of A
    space: int = 0  # all scratch memory


class Group(NamedTuple):
    """Panels of one width."""

    vectors: int  # of the tile
    most: int  # rows of it
    panels: int
    columns: int  # of a panel
    last: int  # of its last vector
    packed: int  # bytes of a packed row of B
    wide: int  # bytes of a row of C


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


def group(dtype, isa, vectors, panels, last):
    """The Group of so many panels, of which `widths` speaks."""
    each, most = lanes(dtype, isa), isa.rows[vectors - 1]
    columns, packed = (vectors - 1) * each + last, vectors * each * dtype.itemsize
    return Group(vectors, most, panels, columns, last, packed, columns * wide(dtype).itemsize)


class Blocked:
    """Emits the loops, outermost first: depth, blocks of rows, panels of one width, some of them,
    rows of tiles, tiles.

    Rows are counted in units of `unit`.  A subclass sets `f`, `blocks`, `rows`, `depth_of_all`,
    `listed` and `count` (the Groups in memory), `b_space`, `c` and `c_row`, and says where operands
    come from.
    """

    unit = 1

    # ------------------------------------------------------------------- what a subclass says
    def start_a(self, k):
        """(type, where A begins) at a depth."""
        raise NotImplementedError

    def read_a(self, at, rows):
        """(address, step, bytes between rows) of a block of rows, packed if need be."""
        raise NotImplementedError

    def beyond_a(self, at, rows):
        """Where the next block of rows begins."""
        raise NotImplementedError

    def start_b(self, k):
        """(type, where B begins) at a depth."""
        raise NotImplementedError

    def pack_panel(self, at, space, now):
        """Pack a panel; where the next one begins."""
        raise NotImplementedError

    def pack_b(self, k):
        """Pack all panels, one behind the other."""
        self.groups(self.pack_panels, self.start_b(k), ("ptr", self.b_space))

    def first_panel(self):
        """The address of the first panel."""
        return self.b_space

    def panel_steps(self, now):
        """(bytes from a row of a panel to the next, from a panel to the next)."""
        return now.packed, self.f.mul(self.depth, now.packed)

    # ------------------------------------------------------------------------------- loops
    def begin(self):
        """Memory for the tile's arguments, taken once."""
        self.segment = self.f.new(f"alloca [{WORDS + TALLEST} x i64], align 64")

    def add_up(self):
        """C (+)= A B; once at least: a sum over nothing is zero."""
        self.f.loop(self.f.larger(self.depth_of_all, 1), self.depth_block, step=self.blocks.depth)

    def depth_block(self, k, _):
        """A block of K: B packed if need be, then blocks of rows."""
        f = self.f
        self.depth = f.smaller(f.new(f"sub i64 {self.depth_of_all}, {k}"), self.blocks.depth)
        self.add = f.new(f"zext i1 {f.new(f'icmp ne i64 {k}, 0')} to i64")
        self.pack_b(k)
        start = [self.start_a(k), ("ptr", self.c)]
        self.balanced(self.rows, self.blocks.rows, self.row_block, start, self.unit)

    def balanced(self, rows, most, body, start, unit=1):
        """Run ``body(how many, positions)`` for the fewest blocks of at most so many rows, whose
        sizes differ by at most one; it returns the next block's positions.  All but what the body
        gets is counted in units of so many rows."""
        f = self.f
        blocks = f.new(f"udiv i64 {f.add(rows, f.new(f'sub i64 {most}, 1'))}, {most}")
        some = f.larger(blocks, 1)
        low, taller = f.new(f"udiv i64 {rows}, {some}"), f.new(f"urem i64 {rows}, {some}")

        def block(number, carried):
            one_more = f.new(f"icmp ult i64 {number}, {taller}")
            some = f.add(low, f.new(f"zext i1 {one_more} to i64"))
            return body(f.mul(some, unit), carried)

        f.loop(blocks, block, start)

    def groups(self, body, *start):
        """Run ``body(Group, positions)`` for each; it returns the next group's positions."""
        f, n = self.f, len(Group._fields)
        kinds = [kind for kind, _ in start]

        def group(number, carried):
            at = f.at(self.listed, f.mul(number, n), "i64")
            positions = [*zip(kinds, carried, strict=True)]
            return body(Group(*[f.word(at, i) for i in range(n)]), positions)

        f.loop(self.count, group, start)

    def pack_panels(self, now, start):
        """The panels of a group, one behind the other."""

        def panel(_, carried):
            at, space = carried
            beyond = self.f.at(space, self.f.mul(self.depth, now.packed))
            return self.pack_panel(at, space, now), beyond

        return self.f.loop(now.panels, panel, start)

    def pack(self, source, space, rows, columns, step):
        """Pack a matrix: (how many, bytes from one to the next) rows and columns of it, and bytes
        from a packed row to the next."""
        words = (source, space, rows[1], columns[1], rows[0], columns[0], step)
        self.f.call_own("pack", pack.PARAMETERS, words)

    def row_block(self, rows, carried):
        """A block of rows, then groups of panels."""
        at, c = carried
        self.rows_here = rows
        self.a_block, self.a_step, self.a_row = self.read_a(at, rows)
        self.groups(self.group, ("ptr", self.first_panel()), ("ptr", c))
        return self.beyond_a(at, rows), self.f.at(c, self.f.mul(rows, self.c_row))

    def group(self, now, start):
        """Panels of one width, as many at a time as stay near."""
        f = self.f
        self.now = now
        self.b_step, self.beyond = self.panel_steps(now)

        def some(first, carried):
            b, c = carried
            self.panels = f.smaller(f.new(f"sub i64 {now.panels}, {first}"), self.blocks.panels)
            self.b_first = b
            block = [("ptr", self.a_block), ("ptr", c)]
            self.balanced(self.rows_here, now.most, self.row_of_tiles, block)
            return (
                f.at(b, f.mul(self.panels, self.beyond)),
                f.at(c, f.mul(self.panels, now.wide)),
            )

        return f.loop(now.panels, some, start, step=self.blocks.panels)

    def row_of_tiles(self, height, carried):
        """So many rows of all those panels, tile by tile."""
        f = self.f
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
            steps = self.segment, 1, self.a_step, self.b_step
            values = (*steps, c, self.c_row, self.now.last, self.add)
            f.call_own("tile", tile.CHOSEN, (self.now.vectors, height, *values))
            return f.at(b, self.beyond), f.at(c, self.now.wide)

        f.loop(self.panels, tile_of, [("ptr", self.b_first), ("ptr", c)])
        return following, f.at(c, f.mul(height, self.c_row))
