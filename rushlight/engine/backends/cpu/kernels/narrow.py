"""Wide sums in their own type: what contractions of half types and of small integers end with."""

from ....base import dtypes
from ..expressions import MEMORY, to_bfloat16
from .text import Function
from .vectors import lanes, wide

PARAMETERS = ("ptr %wide", "ptr %to", "i64 %count")


def function(dtype, isa):
    """``void narrow(ptr wide, ptr to, i64 count)``: halves are rounded to nearest even, NaN stays
    NaN, integers wrap; sums of other types are copied."""
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
        before, after = (f"<{n} x {MEMORY[d]}>" for d in (wide(dtype), dtype))
        source = f.at("%wide", place, MEMORY[wide(dtype)])
        target = f.at("%to", place, MEMORY[dtype])
        x = f.new(f"load {before}, ptr {source}, align {wide(dtype).itemsize}")
        if dtype is wide(dtype):
            found = x
        elif dtype is dtypes.bfloat16:
            found = to_bfloat16(f.new, x, n)
        else:
            instruction = "fptrunc" if dtype is dtypes.float16 else "trunc"
            found = f.new(f"{instruction} {before} {x} to {after}")
        f.line(f"store {after} {found}, ptr {target}, align {dtype.itemsize}")
