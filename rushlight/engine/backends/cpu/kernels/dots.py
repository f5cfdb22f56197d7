"""Products with a few rows or columns, where both operands lie along K: dot products, vector by
vector.

A tile would use a lane for each of the few, and transposing the large operand for it would cost
more than the product, which reads everything once.
"""

from ..expressions import MEMORY
from .text import Function
from .vectors import Vectors

PARAMETERS = (
    "ptr %long",
    "i64 %long_step",
    "i64 %count",
    "ptr %few",
    "i64 %few_step",
    "i64 %few_count",
    "i64 %depth",
    "ptr %c",
    "i64 %c_long",
    "i64 %c_few",
)
BLOCKS = ((4, 2), (1, 4))  # vectors of `long` at once, and accumulators of each
CHAIN = 1 << 12  # elements a lane adds up before its sum joins the others: short chains err less


def function(dtype, isa):
    """``void dots(..)``: c[i, j] = sum over k < depth of long_i[k] * few_j[k]; long_i lies at
    ``long + i * long_step``, c[i, j] at ``c + i * c_long + j * c_few``: all in bytes."""
    return _Dots(dtype, isa).f


class _Dots(Vectors):
    def __init__(self, dtype, isa):
        super().__init__(Function("@dots", PARAMETERS, linkage="internal"), dtype, isa)
        f = self.f
        start = [("ptr", "%long"), ("ptr", "%c")]
        left = "%count"
        for rows, vectors in BLOCKS:
            whole = f.new(f"sub i64 {left}, {f.new(f'urem i64 {left}, {rows}')}")
            left = f.new(f"sub i64 {left}, {whole}")
            ends = f.loop(whole, self.block(rows, vectors), start, step=rows)
            start = [("ptr", p) for p in ends]

    def block(self, rows, vectors):
        """So many vectors of `long` by each of the few."""

        def body(_, carried):
            f = self.f
            long, c = carried
            longs = [f.at(long, f.mul("%long_step", r)) for r in range(rows)]

            def one(j, _):
                few = f.at("%few", f.mul(j, "%few_step"))
                for r, total in enumerate(self.sums(longs, few, vectors)):
                    place = f.add(f.mul("%c_long", r), f.mul("%c_few", j))
                    kind, align = MEMORY[self.wide_dtype], self.wide_dtype.itemsize
                    f.line(f"store {kind} {total}, ptr {f.at(c, place)}, align {align}")

            f.loop("%few_count", one)
            return f.at(longs[-1], "%long_step"), f.at(c, f.mul("%c_long", rows))

        return body

    def sums(self, longs, few, vectors):
        """The sums of products, one for each address of `longs`."""
        f, vector, step = self.f, self.vector, vectors * self.lanes
        count = len(longs) * vectors
        whole = f.new(f"sub i64 %depth, {f.new(f'urem i64 %depth, {step}')}")
        zeros = [(vector, "zeroinitializer")] * count

        def chain(k, totals):
            end = f.smaller(f.new(f"sub i64 {whole}, {k}"), CHAIN * step)

            def some(i, sums):
                place = f.add(k, i)
                found = []
                parts = [self.part(few, f.add(place, v * self.lanes)) for v in range(vectors)]
                for r, long in enumerate(longs):
                    for v, part in enumerate(parts):
                        x = self.part(long, f.add(place, v * self.lanes))
                        sum = sums[r * vectors + v]
                        found.append(self.multiply_add(x, part, sum))
                return found

            sums = f.loop(end, some, zeros, step=step)
            return [self.plus(t, s) for t, s in zip(totals, sums, strict=True)]

        totals = f.loop(whole, chain, zeros, step=CHAIN * step)
        firsts = [self.folded(totals[r * vectors : (r + 1) * vectors]) for r in range(len(longs))]
        return self.rest(longs, few, whole, firsts)

    def rest(self, longs, few, whole, firsts):
        """On top of the sums, the elements beyond whole vectors."""
        f, kind = self.f, MEMORY[self.wide_dtype]

        def element(i, sums):
            place = f.add(whole, i)
            b = self.part(few, place, 1)
            times = "fmul" if self.floating else "mul"
            products = [f.new(f"{times} {kind} {self.part(x, place, 1)}, {b}") for x in longs]
            return [self.plus(s, p, kind) for s, p in zip(sums, products, strict=True)]

        left = f.new(f"sub i64 %depth, {whole}")
        return f.loop(left, element, [(kind, x) for x in firsts])

    def folded(self, sums):
        """All lanes of all these vectors, added up in pairs."""
        f, vector, n = self.f, self.vector, self.lanes
        while len(sums) > 1:
            half = len(sums) // 2
            sums = [self.plus(a, b) for a, b in zip(sums[:half], sums[half:], strict=True)]
        (x,) = sums
        half = n // 2
        while half:
            places = ", ".join(f"i32 {(i + half) % n}" for i in range(n))
            shuffled = f"shufflevector {vector} {x}, {vector} poison, <{n} x i32> <{places}>"
            x, half = self.plus(x, f.new(shuffled)), half // 2
        return f.new(f"extractelement {vector} {x}, i64 0")

    def part(self, pointer, place, lanes=None):
        """Elements from a place on, wide; one as a number."""
        at = self.f.at(pointer, place, MEMORY[self.dtype])
        shape = "{}" if lanes == 1 else f"<{self.lanes} x {{}}>"
        kind, align = shape.format(MEMORY[self.dtype]), self.dtype.itemsize
        return self.widen(self.f.new(f"load {kind}, ptr {at}, align {align}"), self.dtype, shape)
