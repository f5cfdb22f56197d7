"""Winograd's minimal filtering F(2 x 2, 3 x 3) (Lavin, Gray 2016): 16 multiplications where four
outputs of a 3 x 3 kernel take 36.

    u = G w G',  v = B' d B,  out = A' (sum over channels of u * v) A

d are squares of 4 x 4 that are 2 apart, for tiles of 2 x 2 outputs.  For each of the 16 places of a
square u, v and their products are matrices: (outputs, channels), (channels, tiles), (outputs,
tiles).  u is made once (`turn_weights`), the others for a few panels of tiles at a time, so that
they stay near.

Squares along a line are taken vector by vector, their columns sorted into even and odd ones.  Where
they begin and what of them is inside the image is worked out once for all channels, as in
`patches.py`.
"""

from . import text
from .blocked import Blocked, Blocks, Group
from .text import Function
from .vectors import Vectors

SQUARE = 16  # places
# Words: buffers; units of work and those of a task; sizes; strides of x and out in bytes; tiles of
# an image and of a line; how tiles are cut; where scratch memory holds what, and the bytes of a
# table.
FIELDS = """x u c units each rows depth u_row u_place x_image x_channel x_line c_image c_channel
    c_line h w out_h out_w top left tiles across total chunk full last v_at v_place v_panel m_at
    m_row m_place tables_at table""".split()
WEIGHTS = "w u units each columns w_row w_column w_h w_w u_row u_place".split()
ROW_WORDS = 5  # of a line of squares: where it begins, masks of four vectors
OUT_WORDS = 5  # where the first line of outputs begins, masks of two vectors of each of two lines
ENTRY = 4 * ROW_WORDS + OUT_WORDS + 1  # and the place in a panel, before them


def table_bytes(tiles, across, count):
    """What a table of so many tiles takes, of lines of some length and vectors of some."""
    return 8 * (1 + ENTRY * ((tiles + across - 2) // across + 1 + tiles // count))


class _Kernel(Vectors):
    """A function with arguments as words."""

    def __init__(self, name, dtype, isa, fields, operands):
        super().__init__(Function(f"@{name}", text.KERNEL, linkage="internal"), dtype, isa)
        f, self.size = self.f, dtype.itemsize
        given = self.given = {name: f.word("%args", i) for i, name in enumerate(fields)}
        self.operands = {
            name: f.at(f.word("%tab", given[name], "ptr"), f.word("%args", len(fields) + i))
            for i, name in enumerate(operands)
        }
        self.used = len(fields) + len(operands)

    def minus(self, a, b):
        return self.f.new(f"fsub {self.vector} {a}, {b}")

    def times(self, a, b):
        return self.f.new(f"fmul {self.vector} {a}, {b}")

    def masked(self, pointer, mask):
        """Lanes of a vector that a word names."""
        return self.load(pointer, self.dtype, self.lanes_of(mask))

    def lanes_of(self, word):
        f, n = self.f, self.lanes
        return f.new(f"bitcast i{n} {f.new(f'trunc i64 {word} to i{n}')} to <{n} x i1>")

    def word_of(self, mask):
        f, n = self.f, self.lanes
        return f.new(f"zext i{n} {f.new(f'bitcast <{n} x i1> {mask} to i{n}')} to i64")

    def numbers(self, at):
        """at, at + 1, .. as a vector."""
        n = self.lanes
        listed = ", ".join(f"i32 {i}" for i in range(n))
        first = self.splat(self.f.new(f"trunc i64 {at} to i32"), "i32")
        return self.f.new(f"add <{n} x i32> {first}, <{listed}>")

    def below(self, at, end):
        """Which of at, at + 1, .. are from 0 to below an end, as a word."""
        n = self.lanes
        end = self.splat(self.f.new(f"trunc i64 {end} to i32"), "i32")
        return self.word_of(self.f.new(f"icmp ult <{n} x i32> {self.numbers(at)}, {end}"))

    def shuffled(self, a, b, places):
        n = self.lanes
        mask = f"<{n} x i32> <{', '.join(f'i32 {p}' for p in places)}>"
        return self.f.new(f"shufflevector {self.vector} {a}, {self.vector} {b}, {mask}")


# ------------------------------------------------------------------------------------ weights
class _Weights(_Kernel):
    """u of one output, vector by vector of channels."""

    def __init__(self, dtype, isa):
        super().__init__("turn_weights", dtype, isa, WEIGHTS, "wu")
        n = self.lanes
        self.half = self.splat(0.5, self.wide)
        column = self.splat(self.given["w_column"], "i64")
        listed = ", ".join(f"i64 {i}" for i in range(n))
        self.columns = self.f.new(f"mul <{n} x i64> {column}, <{listed}>")
        self.f.units(self.given, self.output)

    def output(self, o):
        f, given = self.f, self.given
        w = f.at(self.operands["w"], f.mul(o, given["w_row"]))
        u = f.at(self.operands["u"], f.mul(o, given["u_row"]))

        def some(c, _):
            here = f.at(w, f.mul(c, given["w_column"]))
            mask = self.lanes_of(self.below("0", f.new(f"sub i64 {given['columns']}, {c}")))
            rows = [[self.gathered(here, i, j, mask) for j in range(3)] for i in range(3)]
            across = [self.turned(row) for row in rows]
            down = [self.turned(column) for column in zip(*across, strict=True)]
            to = f.at(u, f.mul(c, self.size))
            for j, column in enumerate(down):
                for i, x in enumerate(column):
                    self.store(x, f.at(to, f.mul(given["u_place"], 4 * i + j)), None)

        f.loop(given["columns"], some, step=self.lanes)

    def gathered(self, pointer, i, j, mask):
        """One place of the kernels of neighbouring channels."""
        f, n = self.f, self.lanes
        at = f.add(f.mul(self.given["w_h"], i), f.mul(self.given["w_w"], j))
        pointers = f.new(f"getelementptr i8, ptr {f.at(pointer, at)}, <{n} x i64> {self.columns}")
        name = f"masked.gather.v{n}{'f32' if self.size == 4 else 'f64'}.v{n}p0"
        arguments = [(f"<{n} x ptr>", pointers), ("i32", self.size), (f"<{n} x i1>", mask)]
        return f.call(self.vector, name, [*arguments, (self.vector, "zeroinitializer")])

    def turned(self, three):
        """G by a column."""
        a, b, c = three
        ends = self.times(self.half, self.plus(a, c))
        middle = self.times(self.half, b)
        return a, self.plus(ends, middle), self.minus(ends, middle), c


# -------------------------------------------------------------------------------- convolution
class _Convolution(_Kernel, Blocked):
    """A few panels of tiles at a time."""

    def __init__(self, dtype, isa):
        super().__init__("winograd", dtype, isa, FIELDS, "xuc")
        f, given, at = self.f, self.given, self.used
        self.blocks = Blocks(*[f.word("%args", at + i) for i in range(len(Blocks._fields))])
        self.first_listed = f.at("%args", at + len(Blocks._fields), "i64")
        self.panel = isa.widest * self.lanes
        self.rows, self.depth_of_all, self.c_row = given["rows"], given["depth"], given["m_row"]
        self.v, self.m, self.tables = (
            f.at("%scratch", given[name]) for name in ("v_at", "m_at", "tables_at")
        )
        self.begin()
        f.units(given, self.chunk)

    def chunk(self, unit):
        f, given = self.f, self.given
        first = f.mul(unit, given["chunk"])
        width = f.smaller(f.new(f"sub i64 {given['total']}, {first}"), given["chunk"])
        whole = f.new(f"icmp eq i64 {width}, {given['chunk']}")
        self.count = f.choose(whole, "i64", given["full"], given["last"])
        beyond = f.at(self.first_listed, f.mul(given["full"], len(Group._fields)), "i64")
        self.listed = f.choose(whole, "ptr", self.first_listed, beyond)

        def turn(at, table):
            number = f.new(f"udiv i64 {at}, {self.panel}")
            self.squares(table, f.at(self.v, f.mul(number, given["v_panel"])))

        self.each_panel(first, width, turn)
        f.loop(SQUARE, self.place)
        self.each_panel(
            None, width, lambda at, table: self.outputs(table, f.at(self.m, f.mul(at, self.size)))
        )

    def each_panel(self, first, width, body):
        """Run ``body(tiles before, table)`` for the panels of so many tiles from one on, whose
        tables are worked out."""
        f = self.f

        def panel(at, _):
            number = f.new(f"udiv i64 {at}, {self.panel}")
            table = f.at(self.tables, f.mul(number, self.given["table"]))
            if first is not None:
                tiles = f.smaller(f.new(f"sub i64 {width}, {at}"), self.panel)
                self.visit(f.add(first, at), tiles, table)
            body(at, table)

        f.loop(width, panel, step=self.panel)

    # --------------------------------------------------------------------- where squares are
    def visit(self, first, tiles, table):
        """The table of a panel: how many vectors, and of each its place in the panel, its four
        lines in x, and its outputs."""
        f, given = self.f, self.given
        line0, before = f.divided(first, given["across"])
        last = f.new(f"udiv i64 {f.add(f.add(first, tiles), -1)}, {given['across']}")
        down = f.new(f"udiv i64 {given['tiles']}, {given['across']}")

        def line(number, carried):
            here = f.add(line0, number)
            image, ty = f.divided(here, down)
            start = f.choose(f.new(f"icmp eq i64 {number}, 0"), "i64", before, "0")
            done = f.new(f"sub i64 {f.add(f.mul(here, given['across']), start)}, {first}")
            end = f.smaller(f.add(start, f.new(f"sub i64 {tiles}, {done}")), given["across"])
            width = f.new(f"sub i64 {end}, {start}")

            def vector(v, carried):
                at, count = carried
                f.line(f"store i64 {f.mul(f.add(done, v), self.size)}, ptr {at}, align 8")
                left = f.new(f"sub i64 {width}, {v}")
                self.entry(f.at(at, 1, "i64"), image, ty, f.add(start, v), left)
                return f.at(at, ENTRY, "i64"), f.add(count, 1)

            kinds = ("ptr", "i64")
            return f.loop(width, vector, [*zip(kinds, carried, strict=True)], step=self.lanes)

        lines = f.add(f.new(f"sub i64 {last}, {line0}"), 1)
        _, count = f.loop(lines, line, [("ptr", f.at(table, 1, "i64")), ("i64", 0)])
        f.line(f"store i64 {count}, ptr {table}, align 8")

    def entry(self, at, image, ty, tx, left):
        """Of one vector, `left` of whose squares there are."""
        f, given, n = self.f, self.given, self.lanes
        top = f.new(f"sub i64 {f.mul(ty, 2)}, {given['top']}")
        column = f.new(f"sub i64 {f.mul(tx, 2)}, {given['left']}")
        words = []
        for i in range(4):
            y = f.add(top, i)
            inside = f.new(f"icmp ult i64 {y}, {given['h']}")
            wide = f.choose(inside, "i64", given["w"], "0")
            line = f.add(f.mul(image, given["x_image"]), f.mul(y, given["x_line"]))
            offset = f.add(line, f.mul(column, self.size))
            words.append(f.choose(inside, "i64", offset, "0"))
            words += [self.below(f.add(column, s), wide) for s in (0, n, 2, n + 2)]
        x, y = f.mul(tx, 2), f.mul(ty, 2)
        line = f.add(f.mul(image, given["c_image"]), f.mul(y, given["c_line"]))
        words.append(f.add(line, f.mul(x, self.size)))
        most = f.smaller(f.new(f"sub i64 {given['out_w']}, {x}"), f.mul(left, 2))
        second = f.new(f"icmp ult i64 {f.add(y, 1)}, {given['out_h']}")
        for end in (most, f.choose(second, "i64", most, "0")):
            words += [self.below(s, end) for s in (0, n)]
        for i, word in enumerate(words):
            f.line(f"store i64 {word}, ptr {f.at(at, i, 'i64')}, align 8")

    # --------------------------------------------------------------------------- transforms
    def entries(self, table, body):
        """Run ``body(place, entry)`` for every vector of a table."""
        f = self.f

        def one(_, carried):
            body(f.word(carried[0]), f.at(carried[0], 1, "i64"))
            return [f.at(carried[0], ENTRY, "i64")]

        f.loop(f.word(table), one, [("ptr", f.at(table, 1, "i64"))])

    def squares(self, table, v):
        """v of all channels of a panel."""
        f, given = self.f, self.given

        def channel(c, carried):
            x, to = carried

            def vector(place, entry):
                rows = [self.columns(x, f.at(entry, i * ROW_WORDS, "i64")) for i in range(4)]
                down = [self.differences(column) for column in zip(*rows, strict=True)]
                across = [self.differences(row) for row in zip(*down, strict=True)]
                at = f.at(to, place)
                for k, value in enumerate(x for row in across for x in row):
                    self.store(value, f.at(at, f.mul(given["v_place"], k)), None)

            self.entries(table, vector)
            return f.at(x, given["x_channel"]), f.at(to, self.panel * self.size)

        f.loop(given["depth"], channel, [("ptr", self.operands["x"]), ("ptr", v)])

    def columns(self, x, words):
        """The four columns of squares in a line: every other element, from the first on, from the
        second, third and fourth."""
        f, n = self.f, self.lanes
        at = f.at(x, f.word(words))
        shifts = (0, n, 2, n + 2)
        parts = [
            self.masked(f.at(at, s * self.size), f.word(words, 1 + i)) for i, s in enumerate(shifts)
        ]
        pairs = parts[:2], parts[2:]
        return [self.shuffled(*pair, range(k, 2 * n, 2)) for pair in pairs for k in (0, 1)]

    def differences(self, four):
        """B' by a column."""
        a, b, c, d = four
        return self.minus(a, c), self.plus(b, c), self.minus(c, b), self.minus(b, d)

    def outputs(self, table, m):
        """The outputs of a panel."""
        f, given, n = self.f, self.given, self.lanes

        def output(_, carried):
            at_m, to = carried

            def vector(place, entry):
                at = f.at(at_m, place)
                found = [
                    self.load(f.at(at, f.mul(given["m_place"], k)), self.dtype, None)
                    for k in range(SQUARE)
                ]
                rows = [self.sums(found[i : i + 4]) for i in range(0, SQUARE, 4)]
                columns = [self.sums(column) for column in zip(*rows, strict=True)]
                words = f.at(entry, 4 * ROW_WORDS, "i64")
                first = f.at(to, f.word(words))
                for i, line in enumerate(zip(*columns, strict=True)):
                    for half in (0, 1):
                        places = [k // 2 + n * (k % 2) for k in range(half * n, half * n + n)]
                        mask = self.lanes_of(f.word(words, 1 + 2 * i + half))
                        here = f.at(first, half * n * self.size)
                        here = f.at(here, given["c_line"]) if i else here
                        self.store(self.shuffled(*line, places), here, mask)

            self.entries(table, vector)
            return f.at(at_m, given["m_row"]), f.at(to, given["c_channel"])

        f.loop(given["rows"], output, [("ptr", m), ("ptr", self.operands["c"])])

    def sums(self, four):
        """A' by a column."""
        a, b, c, d = four
        return self.plus(self.plus(a, b), c), self.minus(self.minus(b, c), d)

    # ------------------------------------------------------------------------------ products
    def place(self, k, _):
        """The product for one place of the squares."""
        f, given = self.f, self.given
        self.u = f.at(self.operands["u"], f.mul(k, given["u_place"]))
        self.v_here = f.at(self.v, f.mul(k, given["v_place"]))
        self.c = f.at(self.m, f.mul(k, given["m_place"]))
        self.add_up()

    def start_a(self, k):
        return "ptr", self.f.at(self.u, self.f.mul(k, self.size))

    def read_a(self, at, rows):
        return at, self.size, self.given["u_row"]

    def beyond_a(self, at, rows):
        return self.f.at(at, self.f.mul(rows, self.given["u_row"]))

    def pack_b(self, k):
        """v is as packed panels are."""
        self.panel_at = self.f.at(self.v_here, self.f.mul(k, self.panel * self.size))

    def first_panel(self):
        return self.panel_at

    def panel_steps(self, now):
        return self.panel * self.size, self.given["v_panel"]


def functions(dtype, isa):
    """The kernels: of weights, and of a convolution, each of which reads the words that its list
    names, the operands' offsets in bytes, then Blocks and Groups."""
    return [_Weights(dtype, isa).f, _Convolution(dtype, isa).f]
