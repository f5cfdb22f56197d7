"""Accumulators of reductions, in registers for a row and in stack arrays for lanes.

Sums of floating numbers have two levels: a block's short chains, in float32 for half types, and a
total in double precision.  max and min of floating numbers let NaN through.
"""

from ...base import dtypes
from .expressions import TYPES, constant


def identity(op, dtype):
    """What a fold starts from."""
    if op in ("sum", "prod"):
        return 0 if op == "sum" else 1
    if dtype.category == dtypes.FLOAT:
        return float("-inf") if op == "max" else float("inf")
    if dtype is dtypes.bool_:
        return op == "min"
    bits = dtype.itemsize * 8 - (1 if dtype.is_signed else 0)
    low = -(1 << bits) if dtype.is_signed else 0
    return low if op == "max" else (1 << bits) - 1


class _Fold:
    """`begin`, then per block `begin_block`, `add` for each element and `end_block`, then `result`;
    folds without blocks (all there is may be one) are only begun, added to and read."""

    def __init__(self, kernel, op, dtype, one_block):
        self.k, self.e, self.op, self.dtype = kernel, kernel.e, op, dtype
        self.work = dtypes.float32 if dtype in dtypes.HALVES else dtype
        floating = self.work.category == dtypes.FLOAT
        self.blocked = floating and op == "sum" and not one_block
        self.nan = floating and op in ("max", "min")
        kernel.count += 1
        self.name = f"%fold{kernel.count}"
        self.kind = "i8" if self.work is dtypes.bool_ else TYPES[self.work]
        self.make(self.name, self.kind)
        if self.blocked:
            self.make(f"{self.name}t", "double")

    def set(self, at, x, dtype):
        self.k.write(x, at, dtype, self.group)

    def get(self, at, dtype):
        return self.k.read(at, dtype, self.group)

    def start(self):
        return constant(identity(self.op, self.work), self.work)

    def begin(self, *lane):
        """Before the first element of a row."""
        if self.blocked:
            self.set(self.at("t", *lane), constant(0, dtypes.float64), dtypes.float64)
        else:
            self.set(self.at("", *lane), self.start(), self.work)

    def begin_block(self, *lane):
        """A block of a sum starts."""
        if self.blocked:
            self.set(self.at("", *lane), self.start(), self.work)

    def end_block(self, *lane):
        """A block of a sum joins the total."""
        if self.blocked:
            block = self.e.cast(self.get(self.at("", *lane), self.work), self.work, dtypes.float64)
            at = self.at("t", *lane)
            total = self.e.new(f"fadd double {self.get(at, dtypes.float64)}, {block}")
            self.set(at, total, dtypes.float64)

    def add(self, x, *lane):
        """One element."""
        if self.dtype is not self.work:
            x = self.e.widen(x, self.dtype)
        at = self.at("", *lane)
        self.set(at, self.combine(self.get(at, self.work), x), self.work)

    def combine(self, a, b):
        op, kind = self.op, TYPES[self.work]
        if self.work is dtypes.bool_:
            return self.e.new(f"{'or' if op in ('max', 'sum') else 'and'} i1 {a}, {b}")
        if op in ("max", "min"):
            name = f"{op}imum"
            return self.e.apply(name, [b, a], self.work, (self.work, self.work))
        name = "add" if op == "sum" else "mul"
        if self.work.category == dtypes.FLOAT:
            return self.e.new(f"f{name} reassoc {kind} {a}, {b}")
        return self.e.new(f"{name} {kind} {a}, {b}")

    def result(self, *lane):
        """The folded value, in the fold's own dtype."""
        if self.blocked:
            total = self.get(self.at("t", *lane), dtypes.float64)
            x = self.e.cast(total, dtypes.float64, self.work)
        else:
            x = self.get(self.at("", *lane), self.work)
        return self.e.narrow(x, self.dtype) if self.dtype is not self.work else x


class RegisterFold(_Fold):
    """One accumulator; mem2reg makes it a register, the vectorizer several."""

    group = ""

    def make(self, name, kind):
        self.k.stack(name, kind, 1)
        if self.nan and name == self.name:
            self.flag = "i64" if kind == "double" else "i32"
            self.k.stack(f"{name}n", self.flag, 1)

    def at(self, suffix, *_):
        return f"{self.name}{suffix}"

    def begin(self, *lane):
        super().begin()
        if self.nan:
            self.e.lines.append(f"  store {self.flag} 0, ptr {self.name}n, align 8")

    def combine(self, a, b):
        """max and min compare without NaN, which a flag remembers: a pattern that vectorises."""
        if not self.nan:
            return super().combine(a, b)
        e = self.e
        is_nan = e.new(f"fcmp uno {self.kind} {b}, {b}")
        wide = e.new(f"zext i1 {is_nan} to {self.flag}")
        have = e.new(f"load {self.flag}, ptr {self.name}n, align 8")
        flag = e.new(f"or {self.flag} {have}, {wide}")
        e.lines.append(f"  store {self.flag} {flag}, ptr {self.name}n, align 8")
        test = "ogt" if self.op == "max" else "olt"
        better = e.new(f"fcmp nnan nsz {test} {self.kind} {b}, {a}")
        return e.new(f"select nnan nsz i1 {better}, {self.kind} {b}, {self.kind} {a}")

    def result(self, *lane):
        if not self.nan:
            return super().result()
        e = self.e
        have = e.new(f"load {self.flag}, ptr {self.name}n, align 8")
        broken = e.new(f"icmp ne {self.flag} {have}, 0")
        nan = constant(float("nan"), self.work)
        best = self.get(self.name, self.work)
        x = e.new(f"select i1 {broken}, {self.kind} {nan}, {self.kind} {best}")
        return e.narrow(x, self.dtype) if self.dtype is not self.work else x


class ArrayFold(_Fold):
    """One accumulator a lane.  Totals are only kept where there is more than one block (`several`
    holds), which the kernel sees as it runs."""

    group = ", !llvm.access.group !2"

    def make(self, name, kind):
        self.k.stack(name, kind)

    def at(self, suffix, lane):
        kind = "double" if suffix == "t" else self.kind
        return self.e.new(f"getelementptr {kind}, ptr {self.name}{suffix}, i64 {lane}")

    def begin(self, lane):
        self.set(self.at("", lane), self.start(), self.work)

    def begin_total(self, lane):
        """Before the first of several blocks."""
        self.set(self.at("t", lane), constant(0, dtypes.float64), dtypes.float64)

    def end_block(self, lane):
        super().end_block(lane)
        self.begin(lane)

    def end_total(self, lane):
        """After the last of several blocks."""
        total = self.get(self.at("t", lane), dtypes.float64)
        self.set(self.at("", lane), self.e.cast(total, dtypes.float64, self.work), self.work)

    def result(self, lane):
        x = self.get(self.at("", lane), self.work)
        return self.e.narrow(x, self.dtype) if self.dtype is not self.work else x
