"""What a convolution multiplies: the elements of images that each place of a kernel meets.

Row (c, kd, kh, kw), column (n, od, oh, ow) of the matrix is

    x[n, c, od * sd - pd + kd * dd, oh * sh - ph + kh * dh, ow * sw - pw + kw * dw]

or zero outside the image.  No such matrix is made: a panel or a block of it is copied when the tile
is about to read it.
"""

from .text import Function

# Words of a geometry: strides of x in bytes, then sizes of the image, the kernel and the output,
# then what the formula above has.
STEPS = "n_step c_step d_step h_step w_step".split()
GEOMETRY = """d h w kernel_d kernel_h kernel_w out_d out_h out_w stride_d stride_h stride_w
    padding_d padding_h padding_w dilation_d dilation_h dilation_w""".split()
WORDS = (*STEPS, *GEOMETRY)
PARAMETERS = (
    "ptr %x",
    "ptr %to",
    "i64 %row",
    "ptr %geometry",
    "i64 %channel",
    "i64 %channels",
    "i64 %pixel",
    "i64 %pixels",
)


def function(itemsize, isa):
    """``void patches(..)``: rows of so many channels from one on, columns of so many pixels, to
    rows of `row` bytes."""
    return _Patches(itemsize, isa).f


class _Patches:
    def __init__(self, itemsize, isa):
        self.size, self.lanes = itemsize, min(isa.lanes(itemsize), 16)
        self.kind = f"i{8 * itemsize}"
        self.vector = f"<{self.lanes} x {self.kind}>"
        f = self.f = Function("@patches", PARAMETERS, linkage="internal")
        g = self.g = {name: f.word("%geometry", i) for i, name in enumerate(WORDS)}
        first, before = self.divided("%pixel", g["out_w"])
        last = f.new(f"udiv i64 {f.add(f.add('%pixel', '%pixels'), -1)}, {g['out_w']}")
        lines = f.add(f.new(f"sub i64 {last}, {first}"), 1)
        self.before = before
        if itemsize in isa.masks:
            beside = f.new(f"icmp eq i64 {g['w_step']}, {itemsize}")
            once, twice = (f.new(f"icmp eq i64 {g['stride_w']}, {s}") for s in (1, 2))
            near, apart = (f.new(f"and i1 {beside}, {way}") for way in (once, twice))
            body = self.lines(first, lines)
            f.branch(
                near,
                lambda: body(self.contiguous),
                lambda: f.branch(apart, lambda: body(self.every_other), lambda: body(self.one)),
            )
        else:
            self.lines(first, lines)(self.one)

    def divided(self, x, y):
        return self.f.new(f"udiv i64 {x}, {y}"), self.f.new(f"urem i64 {x}, {y}")

    def lines(self, first, count):
        """Line after line of output pixels, each for all rows."""

        def emit(copy):
            self.f.loop(count, self.line(first, copy))

        return emit

    def line(self, first, copy):
        def body(number, _):
            f, g = self.f, self.g
            line = f.add(first, number)
            rest, oh = self.divided(line, g["out_h"])
            n, od = self.divided(rest, g["out_d"])
            start = f.choose(f.new(f"icmp eq i64 {number}, 0"), "i64", self.before, "0")
            done = f.new(f"sub i64 {f.add(f.mul(line, g['out_w']), start)}, %pixel")
            end = f.add(start, f.new(f"sub i64 %pixels, {done}"))
            self.width = f.new(f"sub i64 {f.smaller(end, g['out_w'])}, {start}")
            self.top, self.front, self.left = (
                f.new(f"sub i64 {f.mul(o, g[f'stride_{d}'])}, {g[f'padding_{d}']}")
                for d, o in (("h", oh), ("d", od), ("w", start))
            )
            image = f.at("%x", f.mul(n, g["n_step"]))
            image = f.at(image, f.mul("%channel", g["c_step"]))
            self.rows(image, f.at("%to", f.mul(done, self.size)), copy)

        return body

    def rows(self, image, to, copy):
        """All rows, of one line."""
        f, g = self.f, self.g

        def channel(c, to_c):
            plane = f.at(image, f.mul(c, g["c_step"]))

            def depth(kd, to_d):
                at_d = f.add(self.front, f.mul(kd, g["dilation_d"]))
                inside_d = f.new(f"icmp ult i64 {at_d}, {g['d']}")
                slab = f.at(plane, f.mul(at_d, g["d_step"]))

                def height(kh, to_h):
                    at_h = f.add(self.top, f.mul(kh, g["dilation_h"]))
                    inside_h = f.new(f"icmp ult i64 {at_h}, {g['h']}")
                    inside = f.new(f"and i1 {inside_d}, {inside_h}")
                    wide = f.choose(inside, "i64", g["w"], "0")
                    source = f.at(slab, f.mul(at_h, g["h_step"]))

                    def place(kw, to_w):
                        at_w = f.add(self.left, f.mul(kw, g["dilation_w"]))
                        copy(source, at_w, wide, to_w[0])
                        return [f.at(to_w[0], "%row")]

                    return f.loop(g["kernel_w"], place, [("ptr", to_h[0])])

                return f.loop(g["kernel_h"], height, [("ptr", to_d[0])])

            return f.loop(g["kernel_d"], depth, [("ptr", to_c[0])])

        f.loop("%channels", channel, [("ptr", to)])

    # ------------------------------------------------------------------ one row of one line
    def contiguous(self, source, start, wide, to):
        """Vectors of neighbours."""

        def some(v, _):
            f = self.f
            at = f.add(start, v)
            x = self.load(f.at(source, f.mul(at, self.size)), self.within(at, wide, 1))
            self.store(x, f.at(to, f.mul(v, self.size)), v)

        self.f.loop(self.width, some, step=self.lanes)

    def every_other(self, source, start, wide, to):
        """Vectors of every other element: two that are next to each other hold one."""

        def some(v, _):
            f, n = self.f, self.lanes
            at = f.add(start, f.mul(v, 2))
            halves = []
            for half in (0, n):
                here = f.add(at, half)
                pointer = f.at(source, f.mul(here, self.size))
                halves.append(self.load(pointer, self.within(here, wide, 1)))
            places = ", ".join(f"i32 {2 * i}" for i in range(n))
            mask = f"<{n} x i32> <{places}>"
            pair = f"{self.vector} {halves[0]}, {self.vector} {halves[1]}"
            self.store(f.new(f"shufflevector {pair}, {mask}"), f.at(to, f.mul(v, self.size)), v)

        self.f.loop(self.width, some, step=self.lanes)

    def one(self, source, start, wide, to):
        """Element by element; those outside are read from a zero."""

        def element(v, _):
            f, g = self.f, self.g
            at = f.add(start, f.mul(v, g["stride_w"]))
            inside = f.new(f"icmp ult i64 {at}, {wide}")
            pointer = f.choose(inside, "ptr", f.at(source, f.mul(at, g["w_step"])), "@nothing")
            x = f.new(f"load {self.kind}, ptr {pointer}, align {self.size}")
            at = f.at(to, f.mul(v, self.size))
            f.line(f"store {self.kind} {x}, ptr {at}, align {self.size}")

        self.f.loop(self.width, element)

    # ------------------------------------------------------------------------------- vectors
    def splat(self, x):
        f, n = self.f, self.lanes
        x = f.new(f"trunc i64 {x} to i32")
        one = f.new(f"insertelement <{n} x i32> poison, i32 {x}, i64 0")
        zeros = f"<{n} x i32> zeroinitializer"
        return f.new(f"shufflevector <{n} x i32> {one}, <{n} x i32> poison, {zeros}")

    @property
    def numbers(self):
        return f"<{', '.join(f'i32 {i}' for i in range(self.lanes))}>"

    def within(self, at, wide, step):
        """Which lanes of those that begin at a place of a line are inside the image."""
        f, n = self.f, self.lanes
        places = f.new(f"add <{n} x i32> {self.splat(at)}, {self.numbers}")
        return f.new(f"icmp ult <{n} x i32> {places}, {self.splat(wide)}")

    def load(self, pointer, mask):
        f, n = self.f, self.lanes
        arguments = [("ptr", pointer), ("i32", self.size), (f"<{n} x i1>", mask)]
        arguments.append((self.vector, "zeroinitializer"))
        return f.call(self.vector, f"masked.load.v{n}{self.kind}.p0", arguments)

    def store(self, x, pointer, v):
        """Those lanes of a vector, from lane v of the line on, that belong to it."""
        f, n = self.f, self.lanes
        left = self.splat(f.new(f"sub i64 {self.width}, {v}"))
        mask = f.new(f"icmp ugt <{n} x i32> {left}, {self.numbers}")
        name, kinds = f"masked.store.v{n}{self.kind}.p0", (self.vector, "ptr", "i32", f"<{n} x i1>")
        f.declarations[f"declare void @llvm.{name}({', '.join(kinds)})"] = None
        values = zip(kinds, (x, pointer, self.size, mask), strict=True)
        f.line(f"call void @llvm.{name}({', '.join(f'{k} {v}' for k, v in values)})")


GLOBALS = ["@nothing = internal constant [16 x i8] zeroinitializer, align 16"]
