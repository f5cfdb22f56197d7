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
# Of long and few, and vectors of each, at once.
BLOCKS = ((4, 4, 1), (4, 3, 1), (4, 2, 1), (4, 1, 2), (1, 4, 1), (1, 1, 4))
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
        for longs in sorted({longs for longs, _, _ in BLOCKS}, reverse=True):
            whole = f.new(f"sub i64 {left}, {f.new(f'urem i64 {left}, {longs}')}")
            left = f.new(f"sub i64 {left}, {whole}")
            start = [
                ("ptr", p) for p in f.loop(whole, self.some_long(longs), start, step=longs)
            ]

    def some_long(self, count):
        """So many of `long` by all of the few."""

        def body(_, carried):
            f = self.f
            long, c = carried
            longs = [f.at(long, f.mul("%long_step", i)) for i in range(count)]
            start, left = [("ptr", "%few"), ("ptr", c)], "%few_count"
            for fews, vectors in [(n, v) for longs_, n, v in BLOCKS if longs_ == count]:
                whole = f.new(f"sub i64 {left}, {f.new(f'urem i64 {left}, {fews}')}")
                left = f.new(f"sub i64 {left}, {whole}")
                block = self.block(longs, fews, vectors)
                start = [("ptr", p) for p in f.loop(whole, block, start, step=fews)]
            return f.at(longs[-1], "%long_step"), f.at(c, f.mul("%c_long", count))

        return body

    def block(self, longs, count, vectors):
        """Some of `long` by so many of the few."""

        def body(_, carried):
            f = self.f
            few, c = carried
            fews = [f.at(few, f.mul("%few_step", j)) for j in range(count)]
            pairs = [(i, j) for i in range(len(longs)) for j in range(count)]
            kind, align = MEMORY[self.wide_dtype], self.wide_dtype.itemsize
            for (i, j), total in zip(pairs, self.sums(longs, fews, pairs, vectors), strict=True):
                place = f.add(f.mul("%c_long", i), f.mul("%c_few", j))
                f.line(f"store {kind} {total}, ptr {f.at(c, place)}, align {align}")
            return f.at(fews[-1], "%few_step"), f.at(c, f.mul("%c_few", count))

        return body

    def sums(self, longs, fews, pairs, vectors):
        """The sums of products of pairs of addresses."""
        f, vector, step = self.f, self.vector, vectors * self.lanes
        whole = f.new(f"sub i64 %depth, {f.new(f'urem i64 %depth, {step}')}")
        zeros = [(vector, "zeroinitializer")] * (len(pairs) * vectors)

        def chain(k, totals):
            end = f.smaller(f.new(f"sub i64 {whole}, {k}"), CHAIN * step)
            some = self.some(k, longs, fews, pairs, vectors)
            sums = f.loop(end, some, zeros, step=step)
            return [self.plus(t, s) for t, s in zip(totals, sums, strict=True)]

        totals = f.loop(whole, chain, zeros, step=CHAIN * step)
        sums = [self.joined(totals[n : n + vectors]) for n in range(0, len(totals), vectors)]
        if vectors > 1:  # vectors that are left
            rest = f.new(f"sub i64 %depth, {whole}")
            rest = f.new(f"sub i64 {rest}, {f.new(f'urem i64 {rest}, {self.lanes}')}")
            some = self.some(whole, longs, fews, pairs, 1)
            sums = f.loop(rest, some, [(vector, s) for s in sums], step=self.lanes)
            whole = f.add(whole, rest)
        return self.rest(longs, fews, pairs, whole, [self.folded(s) for s in sums])

    def some(self, start, longs, fews, pairs, vectors):
        """A loop's body: so many vectors of all addresses, from a place on."""

        def body(i, sums):
            f = self.f
            at = [f.add(f.add(start, i), v * self.lanes) for v in range(vectors)]
            a, b = ([[self.part(p, x) for x in at] for p in ps] for ps in (longs, fews))
            terms = [(a[i][v], b[j][v]) for i, j in pairs for v in range(vectors)]
            return [self.multiply_add(*t, s) for t, s in zip(terms, sums, strict=True)]

        return body

    def rest(self, longs, fews, pairs, whole, firsts):
        """On top of the sums, the elements beyond whole vectors."""
        f, kind = self.f, MEMORY[self.wide_dtype]
        times = "fmul" if self.floating else "mul"

        def element(i, sums):
            at = f.add(whole, i)
            a, b = ([self.part(p, at, 1) for p in ps] for ps in (longs, fews))
            products = [f.new(f"{times} {kind} {a[i]}, {b[j]}") for i, j in pairs]
            return [self.plus(s, p, kind) for s, p in zip(sums, products, strict=True)]

        left = f.new(f"sub i64 %depth, {whole}")
        return f.loop(left, element, [(kind, x) for x in firsts])

    def joined(self, sums):
        """The sum of vectors, in pairs."""
        while len(sums) > 1:
            half = len(sums) // 2
            sums = [self.plus(a, b) for a, b in zip(sums[:half], sums[half:], strict=True)]
        return sums[0]

    def folded(self, x):
        """The sum of a vector's lanes, in pairs."""
        f, vector, n = self.f, self.vector, self.lanes
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
