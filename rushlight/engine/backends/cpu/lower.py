"""A loop nest as one LLVM function ``void k(ptr table, ptr args, i64 task, ptr scratch)``.

`table` holds buffer addresses; entry 0 holds 8-byte cells: the check that failed, the value it
failed for, then the run-time numbers (two cells each).  `args` is what `loops.arguments` lists,
`task` the part of the divided loop to run (-1: all), `scratch` memory of the thread that runs it.
Loops are emitted for scalar bodies; LLVM's vectorizer makes them SIMD, told by metadata that
iterations are independent.

Where the innermost loop is folded, a row's accumulators are registers; short rows go a few at a
time through each pass.  Where it is kept (a lane), the kernel takes LANES columns at a time and
folds them side by side in small arrays on the stack.
Sums run in blocks of short chains that are then added in double precision.
"""

from contextlib import contextmanager

from ...base import dtypes
from ...schedule.nest import MOST_ROWS, Scratch
from .expressions import MEMORY, TYPES, Emitter, constant
from .folds import ArrayFold, RegisterFold
from .kernels.text import KERNEL
from .loops import accesses_of, levels

LANES = 1024
ROW_BLOCK = 4096  # elements of a row summed before they join the total
LANE_BLOCK = 128  # the same, for columns
ROWS = (4, 2)  # so many are folded at once, column by column, then the rest one by one
FEW = 4  # instructions of a pass for which that pays
GROUP = ", !llvm.access.group !2"


class Kernel:
    """Emits one kernel."""

    def __init__(self, name, nest, loops):
        self.nest, self.loops = nest, loops
        self.classes = loops.classes()
        self.e = Emitter()
        self.e.lines = [f"define void @{name}({', '.join(KERNEL)}) #0 {{", "entry:"]
        self.made = {}  # instruction -> LLVM value
        self.count, self.at = 0, 0
        self.counters = {}  # loop position -> LLVM name of its index
        self.chunked = loops.chunked  # the loop taken in chunks: lanes, or rows
        self.folds = {}  # fold instruction -> its accumulator
        self.arrays = {}  # row value -> stack array of it, one element a lane

    # ------------------------------------------------------------------------------ prologue
    def arg(self):
        """The next argument."""
        p = self.e.new(f"getelementptr i64, ptr %args, i64 {self.at}")
        self.at += 1
        return self.e.new(f"load i64, ptr {p}, align 8, !invariant.load !0")

    def prologue(self):
        e, nest, loops = self.e, self.nest, self.loops
        self.sizes = [self.arg() for _ in loops.sizes]
        first = self.part() if loops.divided is not None else None
        self.pointers, self.strides = [], []
        n = len(nest.accesses)
        for k, access in enumerate(nest.accesses):
            entry, offset = self.arg(), self.arg()
            slot = e.new(f"getelementptr ptr, ptr %tab, i64 {entry}")
            base = e.new(f"load ptr, ptr {slot}, align 8, !invariant.load !0")
            base = "%scratch" if isinstance(access.value, Scratch) else base
            self.pointers.append([e.new(f"getelementptr i8, ptr {base}, i64 {offset}")])
            self.strides.append([self.stride(c) for c in self.classes[k]])
        self.rows = {k: self.arg() for k in sorted(nest.rows)}
        self.indices = [
            (self.arg(), [self.stride(c) for c in self.classes[n + k]])
            for k in range(len(nest.indices))
        ]
        self.cells = e.new("load ptr, ptr %tab, align 8, !invariant.load !0")
        self.numbers = [self.number(v) for v in nest.scalars]
        self.params = [self.arg() for _ in nest.params]
        self.chunk = str(LANES) if loops.lane else self.arg() if loops.together > 1 else None
        if first is not None:
            self.begin_at(loops.divided, first)

    def part(self):
        """Where this task's part of the divided loop begins; the loop is as long as the part."""
        e, d, each = self.e, self.loops.divided, self.arg()
        whole = e.new("icmp slt i64 %task, 0")
        begin = e.new(f"mul i64 %task, {each}")
        width = self.smaller(e.new(f"sub i64 {self.sizes[d]}, {begin}"), each)
        self.sizes[d] = e.new(f"select i1 {whole}, i64 {self.sizes[d]}, i64 {width}")
        return e.new(f"select i1 {whole}, i64 0, i64 {begin}")

    def begin_at(self, d, first):
        """Everything moves to an iteration of a loop."""
        e = self.e
        for k in range(len(self.pointers)):
            if self.classes[k][d] != "0":
                self.pointers[k] = [self.advance(k, d, first)]
        for k, (total, coefficients) in enumerate(self.indices):
            if coefficients[d] != "0":
                moved = e.new(f"mul i64 {first}, {coefficients[d]}")
                self.indices[k] = e.new(f"add i64 {total}, {moved}"), coefficients

    def stride(self, kind):
        return self.arg() if kind == "s" else kind

    def number(self, v):
        e = self.e
        p = e.new(f"getelementptr i8, ptr {self.cells}, i64 {self.arg()}")
        kind = "i64" if v.dtype is dtypes.bool_ else TYPES[v.dtype]
        x = e.new(f"load {kind}, ptr {p}, align 8")
        return e.new(f"icmp ne i64 {x}, 0") if v.dtype is dtypes.bool_ else x

    def emit(self):
        """The function's text."""
        self.prologue()
        self.make_folds()
        loops = self.loops
        everything = range(len(self.nest.accesses))
        outer = loops.kept if self.chunked is None else min(loops.kept, self.chunked)
        opened = [self.open(d, self.sizes[d], everything) for d in range(outer)]
        if self.chunked is None:
            for number in range(len(self.nest.passes)):
                self.row_pass(number)
        else:
            self.chunks(everything)
        for frame in reversed(opened):
            self.close(frame)
        self.e.lines += ["  ret void", "}"]
        return "\n".join(self.e.lines)

    def make_folds(self):
        """Accumulators live on the stack; those of rows become registers."""
        make = ArrayFold if self.loops.lane else RegisterFold
        for inner, _ in self.nest.passes:
            for position in inner:
                i = self.nest.body[position]
                if i.name == "fold":
                    self.folds[position] = make(self, i.extra, i.dtype, self.loops.one_block)

    # --------------------------------------------------------------------------------- loops
    def label(self, text):
        self.count += 1
        return f"{text}{self.count}"

    def branch(self, label):
        self.e.lines += [f"  br label %{label}", f"{label}:"]

    def open(self, position, end, used, start="0", step="1"):
        """Begin a loop from start to end; pointers of `used` accesses advance along `position`."""
        e = self.e
        before, head = self.label("B"), self.label("L")
        self.branch(before)
        self.branch(head)
        i, n = f"%i{head}", f"%n{head}"
        e.lines.append(f"  {i} = phi i64 [{start}, %{before}], [{n}, %H{head}]")
        frame = (position, head, i, n, end, step, [])
        if position is not None:
            self.counters[position] = i
            for k in used:
                if self.classes[k][position] != "0":
                    self.pointers[k].append(self.advance(k, position, i))
                    frame[-1].append(k)
        return frame

    def advance(self, k, d, i):
        e, s = self.e, self.strides[k][d]
        step = i if s == "1" else e.new(f"mul nsw i64 {i}, {s}")
        kind = MEMORY[self.nest.accesses[k].value.dtype]
        return e.new(f"getelementptr inbounds {kind}, ptr {self.pointers[k][-1]}, i64 {step}")

    def close(self, frame, innermost=False):
        """End a loop; innermost loops get the vectorizer's metadata."""
        _, head, i, n, end, step, advanced = frame
        tail = f", !llvm.loop !{self.e.loop()}" if innermost else ""
        self.branch(f"H{head}")
        self.e.lines += [
            f"  {n} = add nuw nsw i64 {i}, {step}",
            f"  %c{head} = icmp ult i64 {n}, {end}",
            f"  br i1 %c{head}, label %{head}, label %X{head}{tail}",
            f"X{head}:",
        ]
        for k in advanced:
            self.pointers[k].pop()

    def smaller(self, a, b):
        less = self.e.new(f"icmp ult i64 {a}, {b}")
        return self.e.new(f"select i1 {less}, i64 {a}, i64 {b}")

    # ---------------------------------------------------------------------------- row passes
    def plan(self, inner):
        """(instructions by level, accesses, folds, does a sum need blocks) of a pass."""
        level = levels(self.nest, self.loops, inner)
        by_level: dict = {}
        for p in inner:
            by_level.setdefault(level[p], []).append(p)
        folds = [self.folds[p] for p in inner if p in self.folds]
        return by_level, accesses_of(self.nest, inner), folds, any(f.blocked for f in folds)

    def row_pass(self, number):
        inner, row = self.nest.passes[number]
        self.row_loops(inner)
        for p in row:
            self.instruction(p, "")

    def row_loops(self, inner):
        """The loops over one row."""
        by_level, used, folds, blocked = self.plan(inner)
        for f in folds:
            f.begin()
        self.run(by_level, -1)
        positions = range(self.loops.kept, len(self.sizes))
        frames = []
        for d in positions:
            end, start = self.sizes[d], "0"
            if blocked and d == positions[-1]:
                frames.append(self.open(None, end, (), step=str(ROW_BLOCK)))
                start = frames[-1][2]
                end = self.smaller(self.e.new(f"add i64 {start}, {ROW_BLOCK}"), end)
                for f in folds:
                    f.begin_block()
            frames.append(self.open(d, end, used, start))
            self.run(by_level, d)
        for frame in reversed(frames):
            self.close(frame, innermost=frame is frames[-1])
            if blocked and frame is frames[-1]:
                for f in folds:
                    f.end_block()
        for p in inner:
            if p in self.folds:
                self.made[p] = self.folds[p].result()

    def group_pass(self, number):
        """A pass over the rows of a chunk: one waits less for what another folds, and what is
        computed once a row is a loop of its own, that vectorizes."""
        inner, row = self.nest.passes[number]
        found = [p for p in inner if p in self.folds]
        used = accesses_of(self.nest, inner)
        frame = self.open(self.chunked, self.width, used)
        self.lane, self.fresh = frame[2], set()
        scratch = [k for k in used if isinstance(self.nest.accesses[k].value, Scratch)]
        for k in scratch:
            self.pointers[k].append(self.row_of_scratch(k))
        self.row_loops(inner)
        for p in found:
            self.keep(p, self.lane)
        for k in scratch:
            self.pointers[k].pop()
        self.close(frame)
        self.rows_of_chunk(row, row, self.later_refs(number))

    def row_of_scratch(self, k):
        at = self.e.new(f"mul i64 {self.lane}, {self.sizes[-1]}")
        kind = MEMORY[self.nest.accesses[k].value.dtype]
        return self.e.new(f"getelementptr inbounds {kind}, ptr {self.pointers[k][-1]}, i64 {at}")

    def run(self, by_level, level):
        """Instructions that vary along this loop and no deeper one."""
        for p in by_level.get(level, ()):
            self.instruction(p, GROUP)

    # ------------------------------------------------------------------------------- chunks
    def chunks(self, everything):
        """LANES columns, or a few short rows, at a time."""
        d = self.chunked
        chunk = self.open(None, self.sizes[d], (), step=self.chunk)
        self.first = chunk[2]
        rest = self.e.new(f"sub i64 {self.sizes[d]}, {self.first}")
        self.width = self.smaller(rest, self.chunk)
        moving = [k for k in everything if self.classes[k][d] != "0"]
        for k in moving:
            self.pointers[k].append(self.advance(k, d, self.first))
        for number in range(len(self.nest.passes)):
            if self.loops.lane:
                self.lane_pass(number)
            else:
                self.group_pass(number)
        for k in moving:
            self.pointers[k].pop()
        self.close(chunk)

    def each_lane(self, action, used=()):
        """A loop over the columns or rows of the chunk."""
        frame = self.open(self.chunked, self.width, used)
        action(frame[2])
        self.close(frame, innermost=True)

    # --------------------------------------------------------------------------- lane passes

    def lane_pass(self, number):
        inner, row = self.nest.passes[number]
        by_level, used, folds, blocked = self.plan(inner)
        totals = [f for f in folds if f.blocked]
        if folds:
            self.each_lane(lambda c: [f.begin(c) for f in folds])
        several = self.several_blocks() if blocked else None
        self.each_lane_if(several, lambda c: [f.begin_total(c) for f in totals])
        self.run(by_level, -1)
        self.lane_loops(by_level, used, totals, several)
        self.each_lane_if(several, lambda c: [f.end_total(c) for f in totals])
        self.lane_row(number, inner, row)

    def lane_loops(self, by_level, used, totals, several):
        """The loops of a pass around its lanes; the last of them in blocks, a few rows at once."""
        last = len(self.sizes) - 2
        frames = []
        for d in range(self.loops.kept, last):
            frames.append(self.open(d, self.sizes[d], used))
            self.run(by_level, d)
        end, start = self.sizes[last], "0"
        if totals:
            frames.append(self.open(None, end, (), step=str(LANE_BLOCK)))
            start = frames[-1][2]
            end = self.smaller(self.e.new(f"add i64 {start}, {LANE_BLOCK}"), end)
        self.lane_rows(by_level, used, last, start, end)
        self.each_lane_if(several, lambda c: [f.end_block(c) for f in totals])
        for frame in reversed(frames):
            self.close(frame)

    def lane_rows(self, by_level, used, d, start, end):
        """Rows start to end of loop d: every lane of several rows at once, then row by row."""
        e, rest = self.e, start
        for together in ROWS if self.folds_rows(by_level) else ():
            count = e.new(f"sub i64 {end}, {rest}")
            whole = e.new(f"and i64 {count}, {-together}")
            stop = e.new(f"add i64 {rest}, {whole}")
            with self.when(e.new(f"icmp ne i64 {whole}, 0")):
                self.row_group(by_level, used, d, rest, stop, together)
            rest = stop
        with self.when(e.new(f"icmp ult i64 {rest}, {end}")):
            self.row_group(by_level, used, d, rest, end, 1)

    def row_group(self, by_level, used, d, start, end, together):
        frame = self.open(d, end, used, start, str(together))
        if together == 1:
            self.run(by_level, d)
            self.each_lane(lambda c: self.lane_body(by_level, c), used)
        else:
            self.each_lane(lambda c: self.bodies(by_level, used, d, c, together), used)
        self.close(frame)

    def bodies(self, by_level, used, d, c, together):
        """One lane of several rows: an accumulator is then read and written once for them."""
        first, along = self.counters[d], [k for k in used if self.classes[k][d] != "0"]
        for row in range(together):
            self.counters[d] = self.e.new(f"add i64 {first}, {row}")
            for k in along:
                self.pointers[k].append(self.advance(k, d, str(row)))
            self.run(by_level, d)
            self.lane_body(by_level, c)
            for k in along:
                self.pointers[k].pop()
        self.counters[d] = first

    def folds_rows(self, by_level):
        """Does the pass only fold, with few instructions?"""
        names = [self.nest.body[p].name for level in by_level.values() for p in level]
        return "fold" in names and len(names) <= FEW and not {"store", "scatter"} & {*names}

    @contextmanager
    def when(self, condition):
        """What is emitted here runs where a run-time condition holds."""
        then, after = self.label("T"), self.label("A")
        self.e.lines += [f"  br i1 {condition}, label %{then}, label %{after}", f"{then}:"]
        yield
        self.branch(after)

    def several_blocks(self):
        """Is more folded than one block holds?"""
        count = "1"
        for d in range(self.loops.kept, len(self.sizes) - 1):
            count = self.e.new(f"mul i64 {count}, {self.sizes[d]}")
        return self.e.new(f"icmp ugt i64 {count}, {LANE_BLOCK}")

    def each_lane_if(self, condition, action):
        """The same, where a run-time condition holds; nothing where there is none."""
        if condition is not None:
            with self.when(condition):
                self.each_lane(action)

    def lane_body(self, by_level, c):
        self.lane, self.fresh = c, set()
        self.run(by_level, len(self.sizes) - 1)

    def lane_row(self, number, inner, row):
        """Row values of a chunk, kept in arrays for the passes that follow."""
        found = [p for p in inner if p in self.folds]

        def results(c):
            for p in found:
                self.made[p] = self.folds[p].result(c)

        self.rows_of_chunk((*found, *row), row, self.later_refs(number), results)

    def rows_of_chunk(self, made, row, later, before=lambda c: None):
        """Row values of a chunk: those in `made` that passes to come read are kept in arrays."""
        if not made:
            return

        def action(c):
            self.lane, self.fresh = c, {*made}
            before(c)
            for p in row:
                self.instruction(p, GROUP)
            for p in made:
                if p in later:
                    self.keep(p, c)

        self.each_lane(action, accesses_of(self.nest, row))
        self.fresh = set()

    def later_refs(self, number):
        body = self.nest.body
        return {
            r
            for inner, row in self.nest.passes[number + 1 :]
            for p in (*inner, *row)
            for r in body[p].refs
        }

    def keep(self, p, c):
        dtype = self.nest.body[p].dtype
        name = self.arrays[p] = f"%row{p}"
        self.stack(name, MEMORY[dtype], LANES if self.loops.lane else MOST_ROWS)
        at = self.e.new(f"getelementptr {MEMORY[dtype]}, ptr {name}, i64 {c}")
        self.write(self.made[p], at, dtype)

    def stack(self, name, kind, count=LANES):
        """An array in the function's frame."""
        line = f"  {name} = alloca [{count} x {kind}], align 64"
        if line not in self.e.lines:
            self.e.lines.insert(2, line)

    def value(self, p):
        """The LLVM value of an instruction here."""
        if p in self.arrays and p not in self.fresh:
            dtype = self.nest.body[p].dtype
            at = self.e.new(f"getelementptr {MEMORY[dtype]}, ptr {self.arrays[p]}, i64 {self.lane}")
            return self.read(at, dtype)
        return self.made[p]

    # --------------------------------------------------------------------------------- body
    def instruction(self, p, group):
        name, refs, dtype, extra = self.nest.body[p]
        if name in OWN:
            found = getattr(self, f"_{name}")(p, [self.value(r) for r in refs], dtype, extra, group)
        elif isinstance(extra[0], int):
            size, check = self.params[extra[0] : extra[0] + 2]
            refs = [self.value(r) for r in refs]
            found = self.e.checked(self, name, refs, extra[1:], size, check)
        else:
            found = self.e.apply(name, [self.value(r) for r in refs], dtype, extra)
        self.made[p] = found

    def _const(self, p, refs, dtype, extra, group):
        return constant(NUMBERS[dtype.category](extra), dtype)

    def _argument(self, p, refs, dtype, extra, group):
        kind, bits = TYPES[dtype], self.params[extra]
        if dtype.itemsize < 8:
            bits = self.e.new(f"trunc i64 {bits} to i{8 * dtype.itemsize}")
        if kind[0] == "i":
            return bits
        return self.e.new(f"bitcast i{8 * dtype.itemsize} {bits} to {kind}")

    def _scalar(self, p, refs, dtype, extra, group):
        return self.numbers[extra]

    def _index(self, p, refs, dtype, extra, group):
        total, coefficients = self.indices[extra]
        for d, c in enumerate(coefficients):
            if c == "0":
                continue
            i = self.counters[d]
            if d == self.chunked:
                i = self.e.new(f"add i64 {i}, {self.first}")
            term = i if c == "1" else self.e.new(f"mul i64 {i}, {c}")
            total = self.e.new(f"add i64 {total}, {term}")
        return total

    def _load(self, p, refs, dtype, k, group):
        return self.read(self.pointers[k][-1], dtype, group)

    def _gather(self, p, refs, dtype, k, group):
        return self.read(self.in_row(k, refs[0], dtype), dtype, group)

    def in_row(self, k, row, dtype):
        step = self.e.new(f"mul i64 {row}, {self.rows[k]}")
        return self.e.new(f"getelementptr {MEMORY[dtype]}, ptr {self.pointers[k][-1]}, i64 {step}")

    def _store(self, p, refs, dtype, k, group):
        self.write(refs[0], self.pointers[k][-1], dtype, group)

    def _scatter(self, p, refs, dtype, extra, group):
        """Rows may repeat: only columns of one row are independent."""
        k, mode = extra
        at = self.in_row(k, refs[1], dtype)
        x = refs[0]
        if mode != "set":
            name = {"min": "minimum", "max": "maximum"}.get(mode, mode)
            x = self.e.apply(name, [self.read(at, dtype, ""), x], dtype, (dtype, dtype))
        self.write(x, at, dtype, "")

    def _fold(self, p, refs, dtype, extra, group):
        if self.loops.lane:
            self.folds[p].add(refs[0], self.lane)
        else:
            self.folds[p].add(refs[0])

    def read(self, pointer, dtype, group=GROUP):
        align = min(dtype.itemsize, 8)
        x = self.e.new(f"load {MEMORY[dtype]}, ptr {pointer}, align {align}{group}")
        return self.e.new(f"icmp ne i8 {x}, 0") if dtype is dtypes.bool_ else x

    def write(self, x, pointer, dtype, group=GROUP):
        if dtype is dtypes.bool_:
            x = self.e.new(f"zext i1 {x} to i8")
        align = min(dtype.itemsize, 8)
        self.e.lines.append(f"  store {MEMORY[dtype]} {x}, ptr {pointer}, align {align}{group}")

    def report(self, bad, check, value):
        """Note a failed check, if it is the first."""
        e, fails, goes_on = self.e, self.label("bad"), self.label("good")
        e.lines += [f"  br i1 {bad}, label %{fails}, label %{goes_on}", f"{fails}:"]
        have = e.new(f"load i64, ptr {self.cells}, align 8")
        first = e.new(f"icmp eq i64 {have}, 0")
        cell = e.new(f"getelementptr i64, ptr {self.cells}, i64 1")
        for pointer, x in ((self.cells, check), (cell, value)):
            old = e.new(f"load i64, ptr {pointer}, align 8")
            new = e.new(f"select i1 {first}, i64 {x}, i64 {old}")
            e.lines.append(f"  store i64 {new}, ptr {pointer}, align 8")
        self.branch(goes_on)


OWN = frozenset("load store gather scatter const argument scalar index fold".split())
NUMBERS = (
    lambda text: text == "True",
    lambda text: int(float(text)) if "." in text else int(text),
    float,
    complex,
)


def lower(name, nest, loops):
    """(function text, declarations, math functions, number of loop metadata nodes) of a kernel."""
    kernel = Kernel(name, nest, loops)
    text = kernel.emit()
    return text, list(kernel.e.declarations), list(kernel.e.math), kernel.e.loops
