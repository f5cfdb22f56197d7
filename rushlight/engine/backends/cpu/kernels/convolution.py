"""Convolutions as products whose right side is never made: see `patches.py`.

    forward:  out[n, o, pixel]  = sum over q of w[o, q] * patches(x)[q, (n, pixel)]
    weights:  w'[o, q] = sum over (n, pixel) of g[n, o, pixel] * patches(x)[q, (n, pixel)]

q counts the channels of a group and the places of the kernel.  The forward pass goes a few panels
of pixels at a time, through all of q; where images are so small that panels cross them, or sums are
narrowed, C is put together in scratch memory.  The weights' gradient is made transposed, a few
channels at a time: what the patches fill is then A.
"""

from . import narrow, patches, text
from .blocked import Blocked, Blocks, Group
from .text import Function
from .vectors import lanes, wide

# Words of a forward pass: buffers; units of work and those of a task; sizes; strides in bytes;
# pixels of an image; how they are cut: spans of chunks, of which only the last may be shorter;
# whether C is written at once; how many Groups describe a whole chunk and the last; where tables of
# `patches` are in scratch memory, and the bytes of one.
FORWARD = """x w c units each rows depth taps w_row x_group w_group c_group c_image pixels spans
    per_span span chunk direct full last tables_at table""".split()
# Of the weights' gradient: parts of so many channels of each group; columns are a group's outputs.
WEIGHTS = """x g c units each parts channels channels_each columns depth taps x_group g_group
    g_image g_pixel g_column c_group c_row pixels count tables_at""".split()


class _Convolution(Blocked):
    """What both have in common: arguments, blocks, geometry."""

    def __init__(self, name, dtype, fields, operands):
        f = self.f = Function(f"@{name}", text.KERNEL, linkage="internal")
        self.dtype, self.sums = dtype, wide(dtype).itemsize
        n = len(fields)
        given = self.given = {name: f.word("%args", i) for i, name in enumerate(fields)}
        self.operands = {
            name: f.at(f.word("%tab", given[name], "ptr"), f.word("%args", n + i))
            for i, name in enumerate(operands)
        }
        n += len(operands)
        self.blocks = Blocks(*[f.word("%args", n + i) for i in range(len(Blocks._fields))])
        n += len(Blocks._fields)
        self.geometry = f.at("%args", n, "i64")
        self.first_listed = f.at("%args", n + len(patches.WORDS), "i64")
        self.b_space = "%scratch"
        self.a_space = f.at("%scratch", self.blocks.a_at)
        self.c_space = f.at("%scratch", self.blocks.c_at)
        self.tables = f.at("%scratch", given["tables_at"])
        self.begin()

    def images(self, first, count, body):
        """Run ``body(image, first pixel, how many, how many before)`` for the images that so many
        pixels from one on lie in."""
        f, plane = self.f, self.given["pixels"]
        image, before = f.divided(first, plane)
        last = f.new(f"udiv i64 {f.add(f.add(first, count), -1)}, {plane}")

        def one(i, _):
            start = f.choose(f.new(f"icmp eq i64 {i}, 0"), "i64", before, "0")
            here = f.add(image, i)
            done = f.new(f"sub i64 {f.add(f.mul(here, plane), start)}, {first}")
            end = f.smaller(f.add(start, f.new(f"sub i64 {count}, {done}")), plane)
            body(here, start, f.new(f"sub i64 {end}, {start}"), done)

        f.loop(f.add(f.new(f"sub i64 {last}, {image}"), 1), one)

    def visit(self, pixel, pixels, table):
        self.f.call_own("visit", patches.VISIT, (self.geometry, pixel, pixels, table))

    def patch(self, to, row, table, *span):
        values = (self.x, to, row, self.geometry, table, *span)
        self.f.call_own("patches", patches.COPY, values)


class _Forward(_Convolution):
    """A few panels of pixels of a group at a time."""

    def __init__(self, dtype, isa):
        super().__init__("forward", dtype, FORWARD, "xwc")
        self.panel = isa.widest * lanes(dtype, isa)
        self.rows, self.depth_of_all = self.given["rows"], self.given["depth"]
        self.direct = self.f.new(f"icmp ne i64 {self.given['direct']}, 0")
        self.f.units(self.given, self.chunk)

    def chunk(self, u):
        f, given = self.f, self.given
        rest, j = f.divided(u, given["per_span"])
        group, s = f.divided(rest, given["spans"])
        offset = f.mul(j, given["chunk"])
        width = f.smaller(f.new(f"sub i64 {given['span']}, {offset}"), given["chunk"])
        self.pixel = f.add(f.mul(s, given["span"]), offset)
        whole = f.new(f"icmp eq i64 {width}, {given['chunk']}")
        self.count = f.choose(whole, "i64", given["full"], given["last"])
        beyond = f.at(self.first_listed, f.mul(given["full"], len(Group._fields)), "i64")
        self.listed = f.choose(whole, "ptr", self.first_listed, beyond)
        self.x = f.at(self.operands["x"], f.mul(group, given["x_group"]))
        self.w = f.at(self.operands["w"], f.mul(group, given["w_group"]))
        to = f.at(self.operands["c"], f.mul(group, given["c_group"]))
        size = self.dtype.itemsize
        there = f.at(f.at(to, f.mul(s, given["c_image"])), f.mul(offset, size))
        self.c = f.choose(self.direct, "ptr", there, self.c_space)
        row = f.mul(given["chunk"], self.sums)
        self.c_row = f.choose(self.direct, "i64", f.mul(given["pixels"], size), row)
        f.loop(width, lambda at, _: self.visit_panel(at, width), step=self.panel)
        self.add_up()
        f.branch(self.direct, lambda: None, lambda: self.put(to, width))

    def visit_panel(self, at, width):
        f = self.f
        pixels = f.smaller(f.new(f"sub i64 {width}, {at}"), self.panel)
        self.visit(f.add(self.pixel, at), pixels, self.table(at))

    def table(self, at):
        """The table of the panel that begins so many pixels into the chunk."""
        number = self.f.new(f"udiv i64 {at}, {self.panel}")
        return self.f.at(self.tables, self.f.mul(number, self.given["table"]))

    def put(self, to, width):
        """What was put together in scratch memory to the images it belongs to."""
        f, given, size = self.f, self.given, self.dtype.itemsize

        def image(number, start, count, done):
            source = f.at(self.c_space, f.mul(done, self.sums))
            target = f.at(f.at(to, f.mul(number, given["c_image"])), f.mul(start, size))

            def row(_, carried):
                f.call_own("narrow", narrow.PARAMETERS, (*carried, count))
                down = f.mul(given["chunk"], self.sums), f.mul(given["pixels"], size)
                return [f.at(p, step) for p, step in zip(carried, down, strict=True)]

            f.loop(given["rows"], row, [("ptr", source), ("ptr", target)])

        self.images(self.pixel, width, image)

    # ------------------------------------------------------------------------------ operands
    def start_a(self, k):
        return "ptr", self.f.at(self.w, self.f.mul(k, self.dtype.itemsize))

    def read_a(self, at, rows):
        return at, self.dtype.itemsize, self.given["w_row"]

    def beyond_a(self, at, rows):
        return self.f.at(at, self.f.mul(rows, self.given["w_row"]))

    def start_b(self, k):
        f, taps = self.f, self.given["taps"]
        self.channel, self.channels = (f.new(f"udiv i64 {x}, {taps}") for x in (k, self.depth))
        return "i64", self.pixel

    def pack_panel(self, at, space, now):
        table = self.table(self.f.new(f"sub i64 {at}, {self.pixel}"))
        self.patch(space, now.packed, table, self.channel, self.channels, at, now.columns)
        return self.f.add(at, now.columns)


class _Weights(_Convolution):
    """A few channels of a group at a time."""

    def __init__(self, dtype):
        super().__init__("weights", dtype, WEIGHTS, "xgc")
        f, given = self.f, self.given
        self.depth_of_all, self.unit = given["depth"], given["taps"]
        self.listed, self.count = self.first_listed, given["count"]
        self.c_row = f.mul(given["columns"], self.sums)
        self.narrowed = f.at(self.c_space, f.mul(self.c_row, self.rows_of(given["channels_each"])))
        f.units(given, self.part)

    def rows_of(self, channels):
        return self.f.mul(channels, self.given["taps"])

    def part(self, u):
        f, given, size = self.f, self.given, self.dtype.itemsize
        group, i = f.divided(u, given["parts"])
        self.first = f.mul(i, given["channels_each"])
        left = f.new(f"sub i64 {given['channels']}, {self.first}")
        self.rows = f.smaller(left, given["channels_each"])
        self.x = f.at(self.operands["x"], f.mul(group, given["x_group"]))
        self.g = f.at(self.operands["g"], f.mul(group, given["g_group"]))
        self.c = self.c_space
        self.add_up()
        rows = self.rows_of(self.rows)
        made = self.c_space
        if self.sums != size:
            made = self.narrowed
            count = f.mul(rows, given["columns"])
            f.call_own("narrow", narrow.PARAMETERS, (self.c_space, made, count))
        to = f.at(self.operands["c"], f.mul(group, given["c_group"]))
        to = f.at(to, f.mul(self.rows_of(self.first), size))
        down, across = (given["columns"], size), (rows, f.mul(given["columns"], size))
        self.pack(made, to, down, across, given["c_row"])

    # ------------------------------------------------------------------------------ operands
    def start_a(self, k):
        self.pixel = k
        self.visit(k, self.depth, self.tables)
        return "i64", self.first

    def read_a(self, at, rows):
        channels = self.f.new(f"udiv i64 {rows}, {self.unit}")
        span = self.tables, at, channels, self.pixel, self.depth
        self.patch(self.a_space, self.blocks.a_row, *span)
        return self.a_space, self.dtype.itemsize, self.blocks.a_row

    def beyond_a(self, at, rows):
        return self.f.add(at, self.f.new(f"udiv i64 {rows}, {self.unit}"))

    def start_b(self, k):
        self.pixel_of_b = k
        return "i64", "0"

    def pack_panel(self, at, space, now):
        f, given = self.f, self.given
        g = f.at(self.g, f.mul(at, given["g_column"]))

        def image(number, start, count, done):
            source = f.at(f.at(g, f.mul(number, given["g_image"])), f.mul(start, given["g_pixel"]))
            rows, columns = (count, given["g_pixel"]), (now.columns, given["g_column"])
            self.pack(source, f.at(space, f.mul(done, now.packed)), rows, columns, now.packed)

        self.images(self.pixel_of_b, self.depth, image)
        return f.add(at, now.columns)


def functions(dtype, isa):
    """The two kernels, of which each reads the words that its list names, then the operands'
    offsets in bytes, Blocks, the words of `patches`, and Groups."""
    return [_Forward(dtype, isa).f, _Weights(dtype).f]
