"""Straight-line LLVM IR from Python expressions: the notation in which the vector math is written.

A `Body` is one function under construction, a `Value` one SSA value with Python's operators.
Numbers become literals of the type beside them.  Nothing here branches: conditions are `i1` values
for `Body.select`, so a loop around the inlined function stays one basic block and LLVM can
vectorise it at any width.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

from .vmath_coefficients import COEFFICIENTS

MANTISSA_BITS = {"float": 23, "double": 52}
BIAS = {"float": 127, "double": 1023}
INTEGER = {"float": "i32", "double": "i64"}
SUFFIX = {"float": "f32", "double": "f64", "i32": "i32", "i64": "i64"}
SIGN_BIT = {"float": 1 << 31, "double": 1 << 63}

Operand = Union["Value", int, float]


def literal(value: float, type: str) -> str:
    """LLVM's spelling: an integer, or a hexadecimal double (rounded to float32 for `float`)."""
    if type not in MANTISSA_BITS:
        return str(int(value))
    value = float(value)
    if type == "float":
        value = struct.unpack("f", struct.pack("f", value))[0]
    return f"0x{struct.unpack('Q', struct.pack('d', value))[0]:016X}"


@dataclass(frozen=True, eq=False)
class Value:
    """An SSA value (or literal) of one scalar type."""

    body: Body
    text: str
    type: str

    def _binary(self, op: str, other: Operand, swap: bool = False) -> Value:
        a, b = self, self.body.value(other, self.type)
        if swap:
            a, b = b, a
        op = "f" + op if self.type in MANTISSA_BITS else op
        return self.body.emit(f"{op} {self.type} {a.text}, {b.text}", self.type)

    def _compare(self, op: str, other: Operand) -> Value:
        other = self.body.value(other, self.type)
        prefix = (
            "fcmp o" if self.type in MANTISSA_BITS else "icmp " + "s" * (op not in ("eq", "ne"))
        )
        return self.body.emit(f"{prefix}{op} {self.type} {self.text}, {other.text}", "i1")

    def __add__(self, other: Operand) -> Value:
        return self._binary("add", other)

    def __sub__(self, other: Operand) -> Value:
        return self._binary("sub", other)

    def __mul__(self, other: Operand) -> Value:
        return self._binary("mul", other)

    def __truediv__(self, other: Operand) -> Value:
        return self._binary("div", other)

    def __radd__(self, other: Operand) -> Value:
        return self._binary("add", other, swap=True)

    def __rsub__(self, other: Operand) -> Value:
        return self._binary("sub", other, swap=True)

    def __rmul__(self, other: Operand) -> Value:
        return self._binary("mul", other, swap=True)

    def __rtruediv__(self, other: Operand) -> Value:
        return self._binary("div", other, swap=True)

    def __neg__(self) -> Value:
        return self.body.emit(f"fneg {self.type} {self.text}", self.type)

    def __and__(self, other: Operand) -> Value:
        return self._binary("and", other)

    def __or__(self, other: Operand) -> Value:
        return self._binary("or", other)

    def __xor__(self, other: Operand) -> Value:
        return self._binary("xor", other)

    def __lshift__(self, other: Operand) -> Value:
        return self._binary("shl", other)

    def __rshift__(self, other: Operand) -> Value:
        """Logical shift: 64-bit arithmetic shifts do not exist in AVX2."""
        return self._binary("lshr", other)

    def __lt__(self, other: Operand) -> Value:
        return self._compare("lt", other)

    def __le__(self, other: Operand) -> Value:
        return self._compare("le", other)

    def __gt__(self, other: Operand) -> Value:
        return self._compare("gt", other)

    def __ge__(self, other: Operand) -> Value:
        return self._compare("ge", other)

    def equals(self, other: Operand) -> Value:
        return self._compare("eq", other)

    def differs(self, other: Operand) -> Value:
        """Ordered for reals: false when either side is NaN."""
        return self._compare("ne", other)


class Body:
    """One function body.

    Args:
        type: 'float' or 'double', the type of arithmetic.
        bits: 24 or 53, the accuracy wanted (24 in double arithmetic serves a float32 result).
    """

    def __init__(self, type: str, bits: int):
        self.type, self.bits = type, bits
        self.lines: list[str] = []
        self.declarations: dict[str, None] = {}

    def emit(self, instruction: str, type: str) -> Value:
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {instruction}")
        return Value(self, name, type)

    def value(self, x: Operand, type: str | None = None) -> Value:
        if isinstance(x, Value):
            return x
        type = type or self.type
        return Value(self, literal(x, type), type)

    def intrinsic(self, name: str, *operands: Operand) -> Value:
        type = next((x.type for x in operands if isinstance(x, Value)), self.type)
        values = [self.value(x, type) for x in operands]
        symbol = f"@llvm.{name}.{SUFFIX[type]}"
        self.declarations[f"declare {type} {symbol}({', '.join([type] * len(values))})"] = None
        arguments = ", ".join(f"{type} {v.text}" for v in values)
        return self.emit(f"call {type} {symbol}({arguments})", type)

    def fma(self, a: Operand, b: Operand, c: Operand) -> Value:
        """a * b + c, rounded once."""
        return self.intrinsic("fma", a, b, c)

    def abs(self, x: Value) -> Value:
        return self.intrinsic("fabs", x)

    def copysign(self, magnitude: Operand, sign: Value) -> Value:
        return self.intrinsic("copysign", magnitude, sign)

    def sqrt(self, x: Value) -> Value:
        return self.intrinsic("sqrt", x)

    def round(self, x: Value) -> Value:
        """To the nearest integer, ties to even."""
        return self.intrinsic("roundeven", x)

    def select(self, condition: Value, a: Operand, b: Operand) -> Value:
        type = next((x.type for x in (a, b) if isinstance(x, Value)), self.type)
        a, b = self.value(a, type), self.value(b, type)
        return self.emit(f"select i1 {condition.text}, {type} {a.text}, {type} {b.text}", type)

    def unordered(self, x: Value, y: Value) -> Value:
        """Whether either is NaN."""
        return self.emit(f"fcmp uno {x.type} {x.text}, {y.text}", "i1")

    def negate(self, condition: Value) -> Value:
        return condition ^ self.value(1, "i1")

    def at_most(self, x: Value, bound: float) -> Value:
        """min(x, bound) that lets NaN through: one instruction on x86."""
        return self.select(self.value(bound, x.type) < x, bound, x)

    def at_least(self, x: Value, bound: float) -> Value:
        """max(x, bound) that lets NaN through."""
        return self.select(self.value(bound, x.type) > x, bound, x)

    def bits_of(self, x: Value) -> Value:
        return self.emit(f"bitcast {x.type} {x.text} to {INTEGER[x.type]}", INTEGER[x.type])

    def from_bits(self, i: Value) -> Value:
        type = "float" if i.type == "i32" else "double"
        return self.emit(f"bitcast {i.type} {i.text} to {type}", type)

    def extend(self, x: Value) -> Value:
        return self.emit(f"fpext float {x.text} to double", "double")

    def truncate(self, x: Value) -> Value:
        return self.emit(f"fptrunc double {x.text} to float", "float")

    def to_real(self, i: Value) -> Value:
        """A signed i32 as float."""
        return self.emit(f"sitofp i32 {i.text} to float", "float")

    def table(self, name: str) -> tuple[float, ...]:
        """The coefficients fitted for this body's arithmetic and accuracy."""
        return COEFFICIENTS[name, "f32" if self.type == "float" else str(self.bits)]

    def polynomial(self, coefficients: Sequence[float], x: Value) -> Value:
        """Horner's rule, lowest order first."""
        total = self.value(coefficients[-1], x.type)
        for c in reversed(coefficients[:-1]):
            total = self.fma(total, x, c)
        return total

    # Error-free transformations: (rounded result, what rounding lost).

    def two_sum(self, a: Operand, b: Operand) -> tuple[Value, Value]:
        a, b = self.value(a), self.value(b)
        s = a + b
        t = s - a
        return s, (a - (s - t)) + (b - t)

    def fast_two_sum(self, a: Operand, b: Operand) -> tuple[Value, Value]:
        """two_sum for |a| >= |b|."""
        a, b = self.value(a), self.value(b)
        s = a + b
        return s, b - (s - a)

    def two_product(self, a: Value, b: Operand) -> tuple[Value, Value]:
        p = a * b
        return p, self.fma(a, b, -p)
