"""Matrix products: the loops around the register tile, with every size and stride at run time.

    C[.., i, j] = sum over k of A[.., i, k] * B[.., k, j]

A panel of B or a block of A is first packed where its elements lie apart, or far enough apart that
reading them often costs more than copying them once.
"""

from typing import NamedTuple

from . import dots, narrow, text
from .blocked import Blocked, Blocks, Group
from .text import Function
from .vectors import wide


class Matrices(NamedTuple):
    """A batch of matrices: where they lie, and their strides, in bytes."""

    entry: int  # of the table of buffers
    offset: int
    batch: tuple
    row: int
    column: int

    def transposed(self):
        return self._replace(row=self.column, column=self.row)

    def moved(self, rows, columns):
        """Without the first rows and columns."""
        offset = self.offset + rows * self.row + columns * self.column
        return self._replace(offset=offset)


FIELDS = """a b c rows depth columns a_row a_step b_step b_column c_row c_column groups batches
    first count""".split()


def arguments(a, b, c, sizes, batch, part, groups, blocks):
    """The int64 words that describe one product to `function`.

    Args:
        a, b, c: Matrices; c's columns lie side by side unless they are dot products.
        sizes: (rows, depth, columns).
        batch: sizes of the batch dimensions.
        part: (first, how many) of the batch, counted through.
        groups: Group each, from left to right.
        blocks: Blocks.
    """
    words = [a.entry, b.entry, c.entry, *sizes, a.row, a.column, b.row, b.column, c.row, c.column]
    words += [len(groups), len(batch), *part, a.offset, b.offset, c.offset, *blocks]
    for group in groups:
        words += group
    for size, *steps in reversed([*zip(batch, a.batch, b.batch, c.batch, strict=True)]):
        words += [size, *steps]
    return words


def function(dtype):
    """``void product(..)``: the product that `arguments` describe at word ``args[1 + task]``."""
    return _Product(dtype).f


class _Product(Blocked):
    """A batch of products, cut as Blocked says, or taken apart into dot products."""

    def __init__(self, dtype):
        f = self.f = Function("@product", text.KERNEL, linkage="internal")
        self.dtype, self.narrows = dtype, wide(dtype) is not dtype
        n = len(FIELDS)
        args = f.at("%args", f.word("%args", f.add("%task", 1)), "i64")
        given = self.given = {name: f.word(args, i) for i, name in enumerate(FIELDS)}
        self.operands = [
            f.at(f.word("%tab", given[name], "ptr"), f.word(args, n + i))
            for i, name in enumerate("abc")
        ]
        at, count = n + 3, len(Blocks._fields)
        blocks = self.blocks = Blocks(*[f.word(args, at + i) for i in range(count)])
        self.b_space = "%scratch"
        self.a_space, self.c_space = (f.at("%scratch", x) for x in (blocks.a_at, blocks.c_at))
        self.packs_a, self.packs_b = (
            f.new(f"icmp ne i64 {packs}, 0") for packs in (blocks.packs_a, blocks.packs_b)
        )
        self.c_row, self.c_column = given["c_row"], given["c_column"]
        if self.narrows:
            self.c_column = wide(dtype).itemsize
            self.c_row = f.mul(given["columns"], self.c_column)
        self.rows, self.depth_of_all, self.count = given["rows"], given["depth"], given["groups"]
        self.listed = f.at(args, at + count, "i64")
        self.dims = f.at(self.listed, f.mul(given["groups"], len(Group._fields)), "i64")
        self.begin()
        f.loop(given["count"], self.matrices)

    def matrices(self, number, _):
        """One product of the batch."""
        f, given = self.f, self.given

        def along(d, carried):
            rest, *pointers = carried
            at = f.at(self.dims, f.mul(d, 4), "i64")
            size, *steps = [f.word(at, i) for i in range(4)]
            place = f.new(f"urem i64 {rest}, {size}")
            moved = [f.at(p, f.mul(place, s)) for p, s in zip(pointers, steps, strict=True)]
            return [f.new(f"udiv i64 {rest}, {size}"), *moved]

        start = [("i64", f.add(number, given["first"])), *(("ptr", p) for p in self.operands)]
        _, self.a, self.b, c = f.loop(given["batches"], along, start)
        self.c = self.c_space if self.narrows else c
        f.branch(f.new(f"icmp ne i64 {self.blocks.dots}, 0"), self.dots, self.add_up)
        if self.narrows:
            self.narrow(c)

    def narrow(self, c):
        """The wide sums to C, row by row."""
        f, given = self.f, self.given

        def row(_, carried):
            f.call_own("narrow", narrow.PARAMETERS, (*carried, given["columns"]))
            return f.at(carried[0], self.c_row), f.at(carried[1], given["c_row"])

        f.loop(given["rows"], row, [("ptr", self.c), ("ptr", c)])

    def dots(self):
        """A few rows of A, each by all columns of B."""
        f, given = self.f, self.given
        rows, depth = (given["rows"], given["a_row"]), (given["depth"], given["a_step"])
        packed = self.blocks.a_row
        f.branch(self.packs_a, lambda: self.pack(self.a, self.a_space, rows, depth, packed))
        few = f.choose(self.packs_a, "ptr", self.a_space, self.a)
        few_step = f.choose(self.packs_a, "i64", packed, given["a_row"])
        values = (self.b, given["b_column"], given["columns"], few, few_step, given["rows"])
        values += given["depth"], self.c, self.c_column, self.c_row
        f.call_own("dots", dots.PARAMETERS, values)

    # ------------------------------------------------------------------------------ operands
    def start_a(self, k):
        return "ptr", self.f.at(self.a, self.f.mul(k, self.given["a_step"]))

    def read_a(self, at, rows):
        f, given, blocks = self.f, self.given, self.blocks
        packed = (rows, given["a_row"]), (self.depth, given["a_step"])
        f.branch(self.packs_a, lambda: self.pack(at, self.a_space, *packed, blocks.a_row))
        step = f.choose(self.packs_a, "i64", self.dtype.itemsize, given["a_step"])
        row = f.choose(self.packs_a, "i64", blocks.a_row, given["a_row"])
        return f.choose(self.packs_a, "ptr", self.a_space, at), step, row

    def beyond_a(self, at, rows):
        return self.f.at(at, self.f.mul(rows, self.given["a_row"]))

    def start_b(self, k):
        return "ptr", self.b_block

    def pack_b(self, k):
        self.b_block = self.f.at(self.b, self.f.mul(k, self.given["b_step"]))
        self.f.branch(self.packs_b, lambda: Blocked.pack_b(self, k))

    def pack_panel(self, at, space, now):
        f, given = self.f, self.given
        rows, columns = (self.depth, given["b_step"]), (now.columns, given["b_column"])
        self.pack(at, space, rows, columns, now.packed)
        return f.at(at, f.mul(now.columns, given["b_column"]))

    def first_panel(self):
        return self.f.choose(self.packs_b, "ptr", self.b_space, self.b_block)

    def panel_steps(self, now):
        f, given = self.f, self.given
        step, beyond = Blocked.panel_steps(self, now)
        beside = f.mul(now.columns, given["b_column"])
        step = f.choose(self.packs_b, "i64", step, given["b_step"])
        return step, f.choose(self.packs_b, "i64", beyond, beside)
