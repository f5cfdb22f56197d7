"""Copies of a panel of B, or of a block of A, with its columns side by side, for a tile to read.

Where a column's elements lie side by side (a transposed matrix), square blocks go through
registers, turned by shuffles; where a row's do, whole vectors are copied.  What is left, and any
other strides, go element by element.
"""

from .text import Function

PARAMETERS = (
    "ptr %b",
    "ptr %to",
    "i64 %b_step",
    "i64 %b_column",
    "i64 %depth",
    "i64 %columns",
    "i64 %row",
)


def function(itemsize, isa):
    """``void pack(ptr b, ptr to, i64 b_step, i64 b_column, i64 depth, i64 columns, i64 row)``:
    element (k, j) at ``b + k * b_step + j * b_column`` goes to ``to + k * row + j * itemsize``.
    Strides are in bytes."""
    return _Pack(itemsize, isa).f


class _Pack:
    def __init__(self, itemsize, isa):
        self.size, self.lanes = itemsize, min(isa.lanes(itemsize), 16)
        self.kind = f"i{8 * itemsize}"
        self.vector = f"<{self.lanes} x {self.kind}>"
        f = self.f = Function("@pack", PARAMETERS, linkage="internal")
        whole_j = f.new(f"and i64 %columns, {-self.lanes}")
        plain = f.new(f"icmp eq i64 %b_column, {itemsize}")
        f.branch(plain, lambda: self.copied(whole_j), lambda: self.turned(whole_j))

    def copied(self, whole):
        """Vectors of a row, then the rest of it."""
        f = self.f

        def row(k, _):
            def vector(j, _):
                source, target = self.place(k, j)
                x = f.new(f"load {self.vector}, ptr {source}, align {self.size}")
                f.line(f"store {self.vector} {x}, ptr {target}, align {self.size}")

            f.loop(whole, vector, step=self.lanes)

        f.loop("%depth", row)
        self.elements("0", "%depth", whole, "%columns")

    def turned(self, whole_j):
        """Blocks, then what is right of them at their height, then what is below."""
        f = self.f
        beside = f.new(f"icmp eq i64 %b_step, {self.size}")
        whole_k = f.new(f"and i64 %depth, {-self.lanes}")
        blocks_k, blocks_j = (
            f.new(f"select i1 {beside}, i64 {whole}, i64 0") for whole in (whole_k, whole_j)
        )

        def column_of_blocks(j, _):
            f.loop(blocks_k, self.block(j), step=self.lanes)

        f.loop(blocks_j, column_of_blocks, step=self.lanes)
        self.elements("0", blocks_k, blocks_j, "%columns")
        self.elements(blocks_k, "%depth", "0", "%columns")

    def place(self, k, j):
        f = self.f
        source = f.at("%b", f.add(f.mul(k, "%b_step"), f.mul(j, "%b_column")))
        return source, f.at("%to", f.add(f.mul(k, "%row"), f.mul(j, self.size)))

    def elements(self, k_from, k_to, j_from, j_to):
        """Element by element."""
        f = self.f

        def row(i, _):
            k = f.add(i, k_from)

            def element(n, _):
                source, target = self.place(k, f.add(n, j_from))
                x = f.new(f"load {self.kind}, ptr {source}, align {self.size}")
                f.line(f"store {self.kind} {x}, ptr {target}, align {self.size}")

            f.loop(f.new(f"sub i64 {j_to}, {j_from}"), element)

        f.loop(f.new(f"sub i64 {k_to}, {k_from}"), row)

    def block(self, j):
        def turn(k, _):
            f, n = self.f, self.lanes
            rows = []
            for i in range(n):
                source, _ = self.place(k, f.add(j, i))
                rows.append(f.new(f"load {self.vector}, ptr {source}, align {self.size}"))
            for i, row in enumerate(self.transposed(rows)):
                _, target = self.place(f.add(k, i), j)
                f.line(f"store {self.vector} {row}, ptr {target}, align {self.size}")

        return turn

    def transposed(self, rows):
        """A square of vectors turned: log2 stages, each of which swaps halves of blocks."""
        n, half = len(rows), len(rows) // 2
        while half:
            following = [None] * n
            for i in range(n):
                if not i & half:
                    a, b = rows[i], rows[i | half]
                    low = [q if not q & half else (q ^ half) + n for q in range(n)]
                    high = [(q | half) if not q & half else q + n for q in range(n)]
                    following[i], following[i | half] = (self.shuffle(a, b, p) for p in (low, high))
            rows, half = following, half // 2
        return rows

    def shuffle(self, a, b, places):
        n = self.lanes
        mask = f"<{n} x i32> <{', '.join(f'i32 {p}' for p in places)}>"
        return self.f.new(f"shufflevector {self.vector} {a}, {self.vector} {b}, {mask}")
