"""What a convolution multiplies: the elements of images that each place of a kernel meets.

Row (c, kd, kh, kw), column (n, od, oh, ow) of the matrix is

    x[n, c, od * sd - pd + kd * dd, oh * sh - ph + kh * dh, ow * sw - pw + kw * dw]

or zero outside the image.  No such matrix is made: a panel or a block of it is copied when the tile
is about to read it.

Where a line's elements lie side by side, vectors are copied.  Which ones is worked out once for
some pixels (`visit`): for every place of the kernel where the vectors begin and which of their
lanes are inside the image, without regard to the channel.  A vector may reach beyond its line: what
it writes there is written again by the next, as rows and lines go in order, and a cache line is
free behind the last row.  Any other layout or stride goes element by element.
"""

from .text import Function

# Words of a geometry: strides of x in bytes, then sizes of the image, the kernel and the output,
# then what the formula above has.
STEPS = "n_step c_step d_step h_step w_step".split()
GEOMETRY = """d h w kernel_d kernel_h kernel_w out_d out_h out_w stride_d stride_h stride_w
    padding_d padding_h padding_w dilation_d dilation_h dilation_w""".split()
WORDS = (*STEPS, *GEOMETRY)
VISIT = ("ptr %geometry", "i64 %pixel", "i64 %pixels", "ptr %table")
COPY = (
    "ptr %x",
    "ptr %to",
    "i64 %row",
    "ptr %geometry",
    "ptr %table",
    "i64 %channel",
    "i64 %channels",
    "i64 %pixel",
    "i64 %pixels",
)
ENTRY = 3  # words of a vector: where it begins, and masks of one vector or of two for every other


def table_bytes(pixels, width, taps, lanes):
    """What a table of so many pixels takes, of lines of some width."""
    vectors = (pixels + width - 2) // width + 1 + pixels // lanes
    return 8 * (1 + vectors + ENTRY * taps * vectors)


def functions(itemsize, isa):
    """Two: ``void visit(..)`` fills a table for so many pixels from one on, ``void patches(..)``
    copies their rows of so many channels to rows of `row` bytes, by that table."""
    return [_Visit(itemsize, isa).f, _Patches(itemsize, isa).f]


class _Walk:
    """Words of the geometry, and how to go through places of the kernel and lines of pixels."""

    def __init__(self, name, parameters, itemsize, isa):
        self.size, self.lanes = itemsize, min(isa.lanes(itemsize), 16)
        self.kind = f"i{8 * itemsize}"
        self.vector = f"<{self.lanes} x {self.kind}>"
        self.vectors = itemsize in isa.masks
        f = self.f = Function(f"@{name}", parameters, linkage="internal")
        g = self.g = {name: f.word("%geometry", i) for i, name in enumerate(WORDS)}
        beside = f.new(f"icmp eq i64 {g['w_step']}, {itemsize}")
        near = f.new(f"icmp ule i64 {g['stride_w']}, 2")
        self.copied = f.new(f"and i1 {beside}, {near}") if self.vectors else "false"

    def lines(self, body, start=()):
        """Run ``body(carried)`` for every line of output pixels, or the part of it that is wanted:
        `done` pixels come before, `width` are in it; `image` is its offset in x, and `front`, `top`
        and `left` are where the kernel begins."""
        f, g = self.f, self.g
        first, before = f.divided("%pixel", g["out_w"])
        last = f.new(f"udiv i64 {f.add(f.add('%pixel', '%pixels'), -1)}, {g['out_w']}")

        def line(number, carried):
            at = f.add(first, number)
            rest, oh = f.divided(at, g["out_h"])
            n, od = f.divided(rest, g["out_d"])
            start = f.choose(f.new(f"icmp eq i64 {number}, 0"), "i64", before, "0")
            self.done = f.new(f"sub i64 {f.add(f.mul(at, g['out_w']), start)}, %pixel")
            end = f.add(start, f.new(f"sub i64 %pixels, {self.done}"))
            self.width = f.new(f"sub i64 {f.smaller(end, g['out_w'])}, {start}")
            self.front, self.top, self.left = (
                f.new(f"sub i64 {f.mul(o, g[f'stride_{d}'])}, {g[f'padding_{d}']}")
                for d, o in (("d", od), ("h", oh), ("w", start))
            )
            self.image = f.mul(n, g["n_step"])
            return body(carried)

        return f.loop(f.add(f.new(f"sub i64 {last}, {first}"), 1), line, start)

    def taps(self, body, start):
        """Run ``body(offset, column, width, carried)`` for every place of the kernel: the offset of
        the line of x it meets, the column where it begins, and the line's width, 0 if it is
        outside."""
        f, g = self.f, self.g
        kinds = [kind for kind, _ in start]

        def depth(kd, carried):
            at_d = f.add(self.front, f.mul(kd, g["dilation_d"]))
            inside_d = f.new(f"icmp ult i64 {at_d}, {g['d']}")
            slab = f.add(self.image, f.mul(at_d, g["d_step"]))

            def height(kh, carried):
                at_h = f.add(self.top, f.mul(kh, g["dilation_h"]))
                inside_h = f.new(f"icmp ult i64 {at_h}, {g['h']}")
                inside = f.new(f"and i1 {inside_d}, {inside_h}")
                wide = f.choose(inside, "i64", g["w"], "0")
                offset = f.add(slab, f.mul(at_h, g["h_step"]))

                def place(kw, carried):
                    column = f.add(self.left, f.mul(kw, g["dilation_w"]))
                    return body(offset, column, wide, carried)

                return f.loop(g["kernel_w"], place, [*zip(kinds, carried, strict=True)])

            return f.loop(g["kernel_h"], height, [*zip(kinds, carried, strict=True)])

        return f.loop(g["kernel_d"], depth, start)


class _Visit(_Walk):
    """The table: how many vectors a place of the kernel has, their offsets in a row, then of every
    place the vectors' entries."""

    def __init__(self, itemsize, isa):
        super().__init__("visit", VISIT, itemsize, isa)
        if self.vectors:
            self.f.branch(self.copied, self.fill)

    def fill(self):
        f = self.f
        counts = f.at("%table", 1, "i64")
        (count,) = self.lines(self.offsets(counts), [("i64", 0)])
        f.line(f"store i64 {count}, ptr %table, align 8")
        entries = f.at(counts, count, "i64")
        beyond = f.mul(count, ENTRY)

        def line(carried):
            (at,) = carried
            self.taps(lambda *given: self.entries(*given, beyond), [("ptr", at)])
            vectors = f.new(f"udiv i64 {f.add(self.width, self.lanes - 1)}, {self.lanes}")
            return [f.at(at, f.mul(vectors, ENTRY), "i64")]

        self.lines(line, [("ptr", entries)])

    def offsets(self, to):
        """The places of a line's vectors in a row."""

        def line(carried):
            f = self.f

            def vector(v, carried):
                place = f.mul(f.add(self.done, v), self.size)
                f.line(f"store i64 {place}, ptr {f.at(to, carried[0], 'i64')}, align 8")
                return [f.add(carried[0], 1)]

            return f.loop(self.width, vector, [("i64", carried[0])], step=self.lanes)

        return line

    def entries(self, offset, column, wide, carried, beyond):
        """The entries of a line's vectors for one place of the kernel."""
        f, g, n = self.f, self.g, self.lanes
        (at,) = carried
        outside = f.new(f"icmp eq i64 {wide}, 0")

        def vector(v, carried):
            here = f.add(column, f.mul(v, g["stride_w"]))
            begin = f.add(offset, f.mul(here, self.size))
            words = [f.choose(outside, "i64", "0", begin), self.within(here, wide)]
            words.append(self.within(f.add(here, n), wide))
            for i, word in enumerate(words):
                f.line(f"store i64 {word}, ptr {f.at(carried[0], i, 'i64')}, align 8")
            return [f.at(carried[0], ENTRY, "i64")]

        f.loop(self.width, vector, [("ptr", at)], step=n)
        return [f.at(at, beyond, "i64")]

    def within(self, at, wide):
        """Which lanes of neighbours that begin at a column are inside the image, as a word."""
        f, n = self.f, self.lanes
        places = f.new(f"add <{n} x i32> {self.splat(at)}, {self.numbers}")
        mask = f.new(f"icmp ult <{n} x i32> {places}, {self.splat(wide)}")
        return f.new(f"zext i{n} {f.new(f'bitcast <{n} x i1> {mask} to i{n}')} to i64")

    def splat(self, x):
        f, n = self.f, self.lanes
        x = f.new(f"trunc i64 {x} to i32")
        one = f.new(f"insertelement <{n} x i32> poison, i32 {x}, i64 0")
        zeros = f"<{n} x i32> zeroinitializer"
        return f.new(f"shufflevector <{n} x i32> {one}, <{n} x i32> poison, {zeros}")

    @property
    def numbers(self):
        return f"<{', '.join(f'i32 {i}' for i in range(self.lanes))}>"


class _Patches(_Walk):
    def __init__(self, itemsize, isa):
        super().__init__("patches", COPY, itemsize, isa)
        f, g = self.f, self.g
        self.x = f.at("%x", f.mul("%channel", g["c_step"]))
        if not self.vectors:
            self.elements()
            return
        once = f.new(f"icmp eq i64 {g['stride_w']}, 1")
        f.branch(
            self.copied,
            lambda: f.branch(
                once, lambda: self.copies(self.neighbours), lambda: self.copies(self.every_other)
            ),
            self.elements,
        )

    # ------------------------------------------------------------------------------- vectors
    def copies(self, read):
        """Row after row, all vectors of each."""
        f, g = self.f, self.g
        count = f.word("%table")
        places = f.at("%table", 1, "i64")
        entries = f.at(places, count, "i64")
        taps = f.mul(f.mul(g["kernel_d"], g["kernel_h"]), g["kernel_w"])

        def channel(c, carried):
            plane = f.at(self.x, f.mul(c, g["c_step"]))

            def tap(_, carried):
                entry, to = carried

                def vector(v, carried):
                    x = read(plane, carried[0])
                    at = f.at(to, f.word(places, v))
                    f.line(f"store {self.vector} {x}, ptr {at}, align {self.size}")
                    return [f.at(carried[0], ENTRY, "i64")]

                (beyond,) = f.loop(count, vector, [("ptr", entry)])
                return beyond, f.at(to, "%row")

            _, to = f.loop(taps, tap, [("ptr", entries), ("ptr", carried[0])])
            return [to]

        f.loop("%channels", channel, [("ptr", "%to")])

    def neighbours(self, plane, entry):
        return self.load(f"{self.f.at(plane, self.f.word(entry))}", self.f.word(entry, 1))

    def every_other(self, plane, entry):
        f, n = self.f, self.lanes
        at = f.at(plane, f.word(entry))
        parts = [
            self.load(f.at(at, half * n * self.size), f.word(entry, 1 + half)) for half in (0, 1)
        ]
        places = ", ".join(f"i32 {2 * i}" for i in range(n))
        pair = ", ".join(f"{self.vector} {x}" for x in parts)
        return f.new(f"shufflevector {pair}, <{n} x i32> <{places}>")

    def load(self, pointer, mask):
        f, n = self.f, self.lanes
        mask = f.new(f"bitcast i{n} {f.new(f'trunc i64 {mask} to i{n}')} to <{n} x i1>")
        arguments = [("ptr", pointer), ("i32", self.size), (f"<{n} x i1>", mask)]
        arguments.append((self.vector, "zeroinitializer"))
        return f.call(self.vector, f"masked.load.v{n}{self.kind}.p0", arguments)

    # ------------------------------------------------------------------------------ elements
    def elements(self):
        """Element by element; those outside are read from a zero."""
        f, g = self.f, self.g
        taps = f.mul(f.mul(g["kernel_d"], g["kernel_h"]), g["kernel_w"])

        def line(_):
            def channel(c, carried):
                plane = f.at(self.x, f.mul(c, g["c_step"]))

                def tap(offset, column, wide, carried):
                    self.line_of(f.at(plane, offset), column, wide, carried[0])
                    return [f.at(carried[0], "%row")]

                self.taps(tap, [("ptr", carried[0])])
                return [f.at(carried[0], f.mul(taps, "%row"))]

            f.loop("%channels", channel, [("ptr", f.at("%to", f.mul(self.done, self.size)))])

        self.lines(line)

    def line_of(self, source, column, wide, to):
        def element(v, _):
            f, g = self.f, self.g
            at = f.add(column, f.mul(v, g["stride_w"]))
            inside = f.new(f"icmp ult i64 {at}, {wide}")
            pointer = f.choose(inside, "ptr", f.at(source, f.mul(at, g["w_step"])), "@nothing")
            x = f.new(f"load {self.kind}, ptr {pointer}, align {self.size}")
            at = f.at(to, f.mul(v, self.size))
            f.line(f"store {self.kind} {x}, ptr {at}, align {self.size}")

        self.f.loop(self.width, element)


GLOBALS = ["@nothing = internal constant [16 x i8] zeroinitializer, align 16"]
