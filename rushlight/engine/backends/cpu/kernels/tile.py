"""The register tile: the one kernel that multiplies, for products and convolutions alike.

A tile of C has a few rows of a few vectors, held in registers, and is fed by a list of segments.
A segment brings K elements of every row of A, whose addresses it lists, and K rows of B:

    C[r, :] (+)= sum over segments, over k < K, of A_r[k] * B[k, :]

A matrix product is one segment; a convolution one a tap, whose rows point at pixels, or at zeros
beyond the border.  Addresses are listed, so any strides, padding and dilation are data.

    void tile(ptr segments, i64 count, i64 a_step, i64 b_step, ptr c, i64 c_step, i64 last, i64 add)

`segments` holds `count` times (K, address of B, addresses of TALLEST rows of A, of which a tile
reads its own), words of 64 bits.  Steps are in bytes: of A and B from k to k + 1, of C from row to
row.  `last` elements of the last vector are there (see `partial`); `add` keeps what C holds.
"""

import numpy as np

from ..expressions import MEMORY
from .text import Function
from .vectors import Vectors, wide

WORDS = 2  # of a segment, before the rows
LINE = 64  # bytes of a cache
PREFETCH = "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)"
TALLEST = 16  # more rows than any tile has


def masks_are_free(dtype, isa):
    return {dtype.itemsize, wide(dtype).itemsize} <= isa.masks


def partial(dtype, isa, vectors):
    """May the last vector of a tile be partial?  Where masks cost something only tiles of one
    vector have a version with a mask: scalar code, and as much of it for every vector more."""
    return vectors == 1 or masks_are_free(dtype, isa)


def plain(segments, c):
    """What a tile adds to C, by NumPy in double precision (integers: exactly, modulo 2**64).

    Args:
        segments: (rows of A (rows, K), B (K, columns)) each.
    """
    total = _exact(c)
    for a, b in segments:
        total = total + _exact(a) @ _exact(b)
    return total


def _exact(x):
    return x.astype(np.int64) if x.dtype.kind in "iu" else x.astype(np.float64)


def functions(dtype, isa, name="@tile", linkage="internal"):
    """(Functions, globals): all tiles of a dtype, and one that runs the tile it is told:

    void tile(i64 vectors, i64 rows, ptr segments, .., as above)
    """
    sizes = [(v, r) for v, most in enumerate(isa.rows, 1) for r in range(1, most + 1)]
    table = ["ptr null"] * (isa.widest + 1) * TALLEST
    for vectors, rows in sizes:
        table[vectors * TALLEST + rows] = f"ptr @{_name(vectors, rows)}"
    f = Function(name, CHOSEN, linkage)
    code = f.word("@tiles", f.add(f.mul("%vectors", TALLEST), "%rows"), "ptr")
    f.line(f"tail call void {code}({', '.join(PARAMETERS)})")
    listed = f"@tiles = internal constant [{len(table)} x ptr] [{', '.join(table)}]"
    return [*(_Tile(dtype, isa, *size).f for size in sizes), f], [listed]


PARAMETERS = (
    "ptr %segments",
    "i64 %count",
    "i64 %a_step",
    "i64 %b_step",
    "ptr %c",
    "i64 %c_step",
    "i64 %last",
    "i64 %add",
)
CHOSEN = ("i64 %vectors", "i64 %rows", *PARAMETERS)


def _name(vectors, rows):
    return f"tile{vectors}x{rows}"


class _Tile(Vectors):
    """Emits the tile of so many vectors and rows."""

    def __init__(self, dtype, isa, vectors, rows):
        name = f"@{_name(vectors, rows)}"
        super().__init__(Function(name, PARAMETERS, linkage="internal"), dtype, isa)
        self.vectors, self.rows = vectors, rows
        self.keys = [(r, j) for r in range(rows) for j in range(vectors)]
        if masks_are_free(dtype, isa) and vectors < isa.widest:
            self.body(self.mask())
        elif not partial(dtype, isa, vectors):
            self.body(None)
        else:
            whole = self.f.new(f"icmp eq i64 %last, {self.lanes}")
            self.f.branch(whole, lambda: self.body(None), lambda: self.body(self.mask()))

    def mask(self):
        """Which lanes of the last vector are there."""
        f, n = self.f, self.lanes
        kind = f"i{min(8 * self.wide_dtype.itemsize, 32)}"
        last = f.new(f"trunc i64 %last to {kind}")
        places = ", ".join(f"{kind} {i}" for i in range(n))
        return f.new(f"icmp ult <{n} x {kind}> <{places}>, {self.splat(last, kind)}")

    # ---------------------------------------------------------------------------------- body
    def body(self, mask):
        f = self.f
        self.fetch()

        def segment(i, sums):
            at = f.at("%segments", f.mul(i, WORDS + TALLEST), "i64")
            depth, b = f.word(at), f.word(at, 1, "ptr")
            rows = [f.word(at, WORDS + r, "ptr") for r in range(self.rows)]

            def step(k, carried):
                *sums, a_at, b_at = carried
                parts = self.row_of(b_at, self.dtype, mask)
                sums = dict(zip(self.keys, sums, strict=True))
                for r in range(self.rows):
                    a = self.number(f.at(rows[r], a_at))
                    for j, part in enumerate(parts):
                        sums[r, j] = self.multiply_add(a, part, sums[r, j])
                return [*sums.values(), f.add(a_at, "%a_step"), f.at(b_at, "%b_step")]

            start = [*((self.vector, s) for s in sums), ("i64", 0), ("ptr", b)]
            return f.loop(depth, step, start)[: len(self.keys)]

        zeros = [(self.vector, "zeroinitializer")] * len(self.keys)
        sums = dict(zip(self.keys, f.loop("%count", segment, zeros), strict=True))
        kept = f.new("icmp ne i64 %add, 0")
        f.branch(kept, lambda: self.write(sums, mask, True), lambda: self.write(sums, mask, False))

    def fetch(self):
        """Ask for the tile of C, which is far away when the sums are done."""
        f, lines = self.f, -(-self.vectors * self.lanes * self.wide_dtype.itemsize // LINE)
        f.declarations[PREFETCH] = None
        for r in range(self.rows):
            row = f.at("%c", f.mul("%c_step", r))
            for n in range(lines):
                at = f.at(row, n * LINE)
                f.line(f"call void @llvm.prefetch.p0(ptr {at}, i32 1, i32 3, i32 1)")

    def write(self, sums, mask, add):
        """The tile to C, on top of what it holds or not."""
        f = self.f
        for r in range(self.rows):
            row = f.at("%c", f.mul("%c_step", r))
            values = [sums[r, j] for j in range(self.vectors)]
            if add:
                held = self.row_of(row, self.wide_dtype, mask)
                values = [self.plus(v, h) for v, h in zip(values, held, strict=True)]
            for j, value in enumerate(values):
                last = mask if j == self.vectors - 1 else None
                self.store(value, f.at(row, j * self.lanes, self.wide), last)

    # -------------------------------------------------------------------------------- memory
    def number(self, pointer):
        """One element of A in all lanes."""
        kind = MEMORY[self.dtype]
        x = self.f.new(f"load {kind}, ptr {pointer}, align {self.dtype.itemsize}")
        return self.splat(self.widen(x, self.dtype, "{}"), self.wide)

    def row_of(self, pointer, dtype, mask):
        """The tile's columns of a row, wide; lanes that are not there are 0."""
        found, last = [], self.vectors - 1
        for j in range(self.vectors):
            at = self.f.at(pointer, j * self.lanes, MEMORY[dtype])
            x = self.load(at, dtype, mask if j == last else None)
            found.append(self.widen(x, dtype, f"<{self.lanes} x {{}}>"))
        return found
