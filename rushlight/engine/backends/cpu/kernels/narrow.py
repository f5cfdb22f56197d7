"""What a product of a half type or of small integers ends with: its wide sums in their own type."""

from ....base import dtypes
from .text import Function
from .tile import element, lanes, wide

PARAMETERS = ("ptr %wide", "ptr %to", "i64 %count")


def function(dtype, isa):
    """``void narrow(ptr wide, ptr to, i64 count)``: halves are rounded to nearest even, NaN stays
    NaN, integers wrap."""
    return _Narrow(dtype, isa).f


class _Narrow:
    def __init__(self, dtype, isa):
        self.dtype = dtype
        f = self.f = Function("@narrow", PARAMETERS, linkage="internal")
        n = lanes(dtype, isa)
        whole = f.new(f"and i64 %count, {-n}")
        f.loop(whole, lambda i, _: self.some(i, n), step=n)
        rest = f.new(f"sub i64 %count, {whole}")
        f.loop(rest, lambda i, _: self.some(f.add(i, whole), 1))

    def some(self, place, n):
        """So many elements from a place on."""
        f, dtype = self.f, self.dtype
        before, after = (f"<{n} x {element(d)}>" for d in (wide(dtype), dtype))
        source = f.at("%wide", place, element(wide(dtype)))
        target = f.at("%to", place, element(dtype))
        x = f.new(f"load {before}, ptr {source}, align {wide(dtype).itemsize}")
        if dtype is dtypes.bfloat16:
            found = self.bfloat16(x, n)
        else:
            instruction = "fptrunc" if dtype is dtypes.float16 else "trunc"
            found = f.new(f"{instruction} {before} {x} to {after}")
        f.line(f"store {after} {found}, ptr {target}, align {dtype.itemsize}")

    def bfloat16(self, x, n):
        f, kind = self.f, f"<{n} x i32>"

        def every(number):
            return f"<{', '.join([f'i32 {number}'] * n)}>"

        bits = f.new(f"bitcast <{n} x float> {x} to {kind}")
        high = f.new(f"lshr {kind} {bits}, {every(16)}")
        odd = f.new(f"and {kind} {high}, {every(1)}")
        up = f.new(f"add {kind} {f.new(f'add {kind} {bits}, {every(32767)}')}, {odd}")
        rounded = f.new(f"lshr {kind} {up}, {every(16)}")
        is_nan = f.new(f"fcmp uno <{n} x float> {x}, {x}")
        chosen = f.new(f"select <{n} x i1> {is_nan}, {kind} {every(32704)}, {kind} {rounded}")
        return f.new(f"trunc {kind} {chosen} to <{n} x i16>")
