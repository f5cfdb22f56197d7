"""Vectors of accumulators: how elements come to them from memory, and what is done with them."""

from ....base import dtypes
from ..expressions import MEMORY, SUFFIX


def wide(dtype):
    """The dtype of accumulators and of C: half types are multiplied in float32 and integers below
    32 bits in int32, until what is done with C next narrows it."""
    if dtype.category == dtypes.INT:
        return dtype if dtype.itemsize > 4 else dtypes.int32
    return dtypes.OPMATH.get(dtype, dtype)


def lanes(dtype, isa):
    """Columns of a vector of accumulators."""
    return isa.lanes(wide(dtype).itemsize)


class Vectors:
    """Emits instructions on vectors of a dtype's accumulators into a Function `f`."""

    def __init__(self, f, dtype, isa):
        self.f, self.dtype, self.wide_dtype = f, dtype, wide(dtype)
        self.lanes = lanes(dtype, isa)
        self.wide = MEMORY[self.wide_dtype]
        self.vector = f"<{self.lanes} x {self.wide}>"

    @property
    def floating(self):
        return self.wide_dtype.category == dtypes.FLOAT

    def multiply_add(self, a, b, c):
        kind, f = self.vector, self.f
        if self.floating:
            arguments = [(kind, a), (kind, b), (kind, c)]
            return f.call(kind, f"fma.v{self.lanes}{SUFFIX[self.wide]}", arguments)
        return f.new(f"add {kind} {f.new(f'mul {kind} {a}, {b}')}, {c}")

    def plus(self, a, b, kind=None):
        """The sum of vectors, or of two numbers of another type."""
        add = "fadd" if self.floating else "add"
        return self.f.new(f"{add} {kind or self.vector} {a}, {b}")

    def splat(self, x, kind):
        n = self.lanes
        one = self.f.new(f"insertelement <{n} x {kind}> poison, {kind} {x}, i64 0")
        zeros = f"<{n} x i32> zeroinitializer"
        return self.f.new(f"shufflevector <{n} x {kind}> {one}, <{n} x {kind}> poison, {zeros}")

    def load(self, pointer, dtype, mask):
        kind, align = f"<{self.lanes} x {MEMORY[dtype]}>", dtype.itemsize
        if mask is None:
            return self.f.new(f"load {kind}, ptr {pointer}, align {align}")
        arguments = [("ptr", pointer), ("i32", align), (f"<{self.lanes} x i1>", mask)]
        name = f"masked.load.v{self.lanes}{SUFFIX.get(MEMORY[dtype], MEMORY[dtype])}.p0"
        return self.f.call(kind, name, [*arguments, (kind, "zeroinitializer")])

    def store(self, value, pointer, mask):
        kind, align = self.vector, self.wide_dtype.itemsize
        if mask is None:
            self.f.line(f"store {kind} {value}, ptr {pointer}, align {align}")
            return
        name = f"masked.store.v{self.lanes}{SUFFIX.get(self.wide, self.wide)}.p0"
        lanes = f"<{self.lanes} x i1>"
        self.f.declarations[f"declare void @llvm.{name}({kind}, ptr, i32, {lanes})"] = None
        self.f.line(
            f"call void @llvm.{name}({kind} {value}, ptr {pointer}, i32 {align}, {lanes} {mask})"
        )

    def widen(self, x, dtype, shape):
        """Elements as the accumulators have them; `shape` makes a type of an element's."""
        f = self.f
        if dtype is self.wide_dtype:
            return x
        kind, target = shape.format(MEMORY[dtype]), shape.format(self.wide)
        if dtype is dtypes.bfloat16:
            whole = shape.format("i32")
            bits = f.new(f"zext {kind} {x} to {whole}")
            by = "16" if shape == "{}" else f"<{', '.join(['i32 16'] * self.lanes)}>"
            return f.new(f"bitcast {whole} {f.new(f'shl {whole} {bits}, {by}')} to {target}")
        signed = "fpext" if dtype is dtypes.float16 else "sext" if dtype.is_signed else "zext"
        return f.new(f"{signed} {kind} {x} to {target}")
