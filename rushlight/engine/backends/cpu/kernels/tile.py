"""The register tile: the one kernel that multiplies, for products and convolutions alike.

A tile of C has a few rows of a few vectors, held in registers, and is fed by a list of segments.
A segment brings K elements of every row of A, whose addresses it lists, and K rows of B:

    C[r, :] (+)= sum over segments, over k < K, of A_r[k] * B[k, :]

A matrix product is one segment; a convolution one a tap, whose rows point at pixels, or at zeros
beyond the border.  Addresses are listed, so any strides, padding and dilation are data.

    void tile(ptr segments, i64 count, i64 a_step, i64 b_step, ptr c, i64 c_step, i64 last, i64 add)

`segments` holds `count` times (K, address of B, addresses of the rows of A), words of 64 bits, with
room for the most rows the instruction set allows.  Steps are in bytes: of A and B from k to k + 1,
of C from row to row.  `last` elements of the last vector are there (see Tile.partial); `add` keeps
what C holds.
"""

from typing import NamedTuple

import numpy as np

from ....base import dtypes
from .text import Function

FLOATS = {
    dtypes.float32: "float",
    dtypes.float64: "double",
    dtypes.float16: "half",
    dtypes.bfloat16: "i16",
}
WORDS = 2  # of a segment, before the rows


class Tile(NamedTuple):
    """What the code of a tile depends on, besides the instruction set and the number of rows.

    Half types are multiplied in float32 and integers below 32 bits in int32; that is what C holds
    then, until what is done with it next narrows it.
    """

    dtype: object
    vectors: int

    @property
    def wide(self):
        """The dtype of the accumulators and of C."""
        if self.dtype.category == dtypes.INT:
            return self.dtype if self.dtype.itemsize > 4 else dtypes.int32
        return dtypes.OPMATH.get(self.dtype, self.dtype)

    def partial(self, isa):
        """May the last vector be partial?  Where masks cost something only tiles of one vector have
        a version with a mask: scalar code, and as much of it for every vector more."""
        return self.vectors == 1 or self.masks_are_free(isa)

    def masks_are_free(self, isa):
        return {self.dtype.itemsize, self.wide.itemsize} <= isa.masks

    def width(self, isa):
        """Columns of the tile."""
        return self.vectors * isa.lanes(self.wide.itemsize)


def element(dtype):
    """The LLVM type of an element in memory."""
    return FLOATS.get(dtype) or f"i{8 * dtype.itemsize}"


def balanced(rows, most):
    """(height, how many tiles) that split so many rows in the fewest tiles, of two heights at most:
    no tile is left that is far from full.

    >>> balanced(64, 6)
    [(6, 9), (5, 2)]
    """
    tiles = -(-rows // most)
    low, more = divmod(rows, tiles) if tiles else (0, 0)
    return [(h, n) for h, n in ((low + 1, more), (low, tiles - more)) if n]


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


def module(tile, isa):
    """LLVM text of a function @NAME that runs the tile of as many rows as its first argument says:

    void NAME(i64 rows, ptr segments, .., as above)
    """
    most = isa.rows[tile.vectors - 1]
    parts = [_Tile(tile, isa, rows) for rows in range(1, most + 1)]
    declarations = dict.fromkeys(d for part in parts for d in part.f.declarations)
    table = ", ".join(["ptr null", *(f"ptr @tile{rows}" for rows in range(1, most + 1))])
    f = Function("@NAME", ["i64 %rows", *PARAMETERS])
    code = f.word("@tiles", "%rows", "ptr")
    f.line(f"tail call void {code}({', '.join(PARAMETERS)})")
    return "\n".join(
        [
            *declarations,
            f"@tiles = internal constant [{most + 1} x ptr] [{table}]",
            *(part.f.text() for part in parts),
            f.text(),
            'attributes #0 = { nounwind "prefer-vector-width"="512" }',
        ]
    )


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


class _Tile:
    """Emits the tile of so many rows."""

    def __init__(self, tile, isa, rows):
        self.tile, self.isa, self.rows = tile, isa, rows
        self.lanes = isa.lanes(tile.wide.itemsize)
        self.wide = element(tile.wide)
        self.vector = f"<{self.lanes} x {self.wide}>"
        self.keys = [(r, j) for r in range(rows) for j in range(tile.vectors)]
        self.f = Function(f"@tile{rows}", PARAMETERS, linkage="internal")
        if tile.masks_are_free(isa):
            self.body(self.mask())
        elif not tile.partial(isa):
            self.body(None)
        else:
            whole = self.f.new(f"icmp eq i64 %last, {self.lanes}")
            self.f.branch(whole, lambda: self.body(None), lambda: self.body(self.mask()))

    def mask(self):
        """Which lanes of the last vector are there."""
        f, n = self.f, self.lanes
        kind = f"i{min(8 * self.tile.wide.itemsize, 32)}"
        last = f.new(f"trunc i64 %last to {kind}")
        places = ", ".join(f"{kind} {i}" for i in range(n))
        return f.new(f"icmp ult <{n} x {kind}> <{places}>, {self.splat(last, kind)}")

    def splat(self, x, kind):
        n = self.lanes
        one = self.f.new(f"insertelement <{n} x {kind}> poison, {kind} {x}, i64 0")
        zeros = f"<{n} x i32> zeroinitializer"
        return self.f.new(f"shufflevector <{n} x {kind}> {one}, <{n} x {kind}> poison, {zeros}")

    # ---------------------------------------------------------------------------------- body
    def body(self, mask):
        f, most = self.f, self.isa.rows[self.tile.vectors - 1]

        def segment(i, sums):
            at = f.at("%segments", f.mul(i, WORDS + most), "i64")
            depth, b = f.word(at), f.word(at, 1, "ptr")
            rows = [f.word(at, WORDS + r, "ptr") for r in range(self.rows)]

            def step(k, carried):
                *sums, a_at, b_at = carried
                parts = self.row_of(b_at, self.tile.dtype, mask)
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

    def write(self, sums, mask, add):
        """The tile to C, on top of what it holds or not."""
        f = self.f
        for r in range(self.rows):
            row = f.at("%c", f.mul("%c_step", r))
            values = [sums[r, j] for j in range(self.tile.vectors)]
            if add:
                held = self.row_of(row, self.tile.wide, mask)
                plus = "fadd" if self.floating else "add"
                values = [
                    f.new(f"{plus} {self.vector} {v}, {h}")
                    for v, h in zip(values, held, strict=True)
                ]
            for j, value in enumerate(values):
                last = mask if j == self.tile.vectors - 1 else None
                self.store(value, f.at(row, j * self.lanes, self.wide), last)

    @property
    def floating(self):
        return self.tile.wide.category == dtypes.FLOAT

    def multiply_add(self, a, b, c):
        kind, f = self.vector, self.f
        if self.floating:
            suffix = {"float": "f32", "double": "f64"}[self.wide]
            arguments = [(kind, a), (kind, b), (kind, c)]
            return f.call(kind, f"fma.v{self.lanes}{suffix}", arguments)
        return f.new(f"add {kind} {f.new(f'mul {kind} {a}, {b}')}, {c}")

    # -------------------------------------------------------------------------------- memory
    def number(self, pointer):
        """One element of A in all lanes."""
        kind = element(self.tile.dtype)
        x = self.f.new(f"load {kind}, ptr {pointer}, align {self.tile.dtype.itemsize}")
        return self.splat(self.widen(x, self.tile.dtype, "{}"), self.wide)

    def row_of(self, pointer, dtype, mask):
        """The tile's columns of a row, wide; lanes that are not there are 0."""
        found, last = [], self.tile.vectors - 1
        for j in range(self.tile.vectors):
            at = self.f.at(pointer, j * self.lanes, element(dtype))
            x = self.load(at, dtype, mask if j == last else None)
            found.append(self.widen(x, dtype, f"<{self.lanes} x {{}}>"))
        return found

    def load(self, pointer, dtype, mask):
        kind, align = f"<{self.lanes} x {element(dtype)}>", dtype.itemsize
        if mask is None:
            return self.f.new(f"load {kind}, ptr {pointer}, align {align}")
        arguments = [("ptr", pointer), ("i32", align), (f"<{self.lanes} x i1>", mask)]
        name = f"masked.load.v{self.lanes}{_suffix(dtype)}.p0"
        return self.f.call(kind, name, [*arguments, (kind, "zeroinitializer")])

    def store(self, value, pointer, mask):
        kind, align = self.vector, self.tile.wide.itemsize
        if mask is None:
            self.f.line(f"store {kind} {value}, ptr {pointer}, align {align}")
            return
        name = f"masked.store.v{self.lanes}{_suffix(self.tile.wide)}.p0"
        lanes = f"<{self.lanes} x i1>"
        self.f.declarations[f"declare void @llvm.{name}({kind}, ptr, i32, {lanes})"] = None
        self.f.line(
            f"call void @llvm.{name}({kind} {value}, ptr {pointer}, i32 {align}, {lanes} {mask})"
        )

    def widen(self, x, dtype, shape):
        """Elements as the accumulators have them; `shape` makes a type of an element's."""
        f, wide = self.f, self.tile.wide
        if dtype is wide:
            return x
        kind, target = shape.format(element(dtype)), shape.format(self.wide)
        if dtype is dtypes.bfloat16:
            whole = shape.format("i32")
            bits = f.new(f"zext {kind} {x} to {whole}")
            by = "16" if shape == "{}" else f"<{', '.join(['i32 16'] * self.lanes)}>"
            return f.new(f"bitcast {whole} {f.new(f'shl {whole} {bits}, {by}')} to {target}")
        signed = "fpext" if dtype is dtypes.float16 else "sext" if dtype.is_signed else "zext"
        return f.new(f"{signed} {kind} {x} to {target}")


def _suffix(dtype):
    kind = element(dtype)
    return {"float": "f32", "double": "f64", "half": "f16"}.get(kind, kind)
