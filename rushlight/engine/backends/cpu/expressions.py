"""One instruction of a nest's body as LLVM IR.

Values: bool is i1 (one byte in memory), bfloat16 is its 16 bits, everything else its LLVM type.
Half types are computed in float32 and rounded back, as the reference does.
"""

import struct
import sys

import numpy as np

from ...base import dtypes
from ...base.shapes import numel
from .vmath import FUNCTIONS

TYPES = {
    dtypes.bool_: "i1",
    dtypes.uint8: "i8",
    dtypes.int8: "i8",
    dtypes.int16: "i16",
    dtypes.int32: "i32",
    dtypes.int64: "i64",
    dtypes.float16: "half",
    dtypes.bfloat16: "i16",
    dtypes.float32: "float",
    dtypes.float64: "double",
}
ARITHMETIC = frozenset(TYPES)
# Complex numbers are only moved here (as integers of their size); arithmetic on them is the host's.
TYPES.update({dtypes.complex32: "i32", dtypes.complex64: "i64", dtypes.complex128: "i128"})
MEMORY = {**TYPES, dtypes.bool_: "i8"}
SUFFIX = {"float": "f32", "double": "f64", "half": "f16"}
INTRINSICS = dict(
    floor="floor", ceil="ceil", trunc="trunc", round="roundeven", sqrt="sqrt", abs="fabs"
)
FLOAT_BINARY = dict(add="fadd", sub="fsub", mul="fmul", div="fdiv")
INT_BINARY = dict(add="add", sub="sub", mul="mul", bitand="and", bitor="or", bitxor="xor")
COMPARE = dict(
    eq=("oeq", "eq"),
    ne=("une", "ne"),
    lt=("olt", "lt"),
    le=("ole", "le"),
    gt=("ogt", "gt"),
    ge=("oge", "ge"),
)
FIRST_LOOP = 9  # metadata nodes of loops are numbered from here
NAMES = {"rem": "fmod"}  # primitives whose function has another name
VECTOR_MATH = frozenset(
    n for n in FUNCTIONS if n not in ("fmod", "remainder", "hypot", "logaddexp", "i0")
) | {"rem"}
SPECIAL = ("hypot", "logaddexp", "i0")  # `special` primitives with code
ANY_NUMBER = frozenset(("where", "cast", "isnan", "sign", "neg", "abs", "maximum", "minimum"))
INTEGER_ONLY = frozenset((*INT_BINARY, "invert", "idiv", "rem", "shl", "shr", "clamp_index"))
FOLDS = frozenset(("sum", "prod", "max", "min", "argmax", "argmin"))
MOVES = frozenset(("pad", "concat", "store"))


def supported(v):
    """Has a value code here?  (Else the reference rule runs.)"""
    name = v.prim.name
    if name == "take":
        return v.dtype in TYPES and numel(v.inputs[0].shape) > 0
    if name == "put":
        return v.dtype in TYPES and (
            v.params["mode"] == "set" or v.dtype in ARITHMETIC and v.dtype not in dtypes.HALVES
        )
    if name in MOVES:
        return v.dtype in TYPES
    if v.dtype not in ARITHMETIC or any(i.dtype not in ARITHMETIC for i in v.inputs):
        return False
    if name in ANY_NUMBER or name in COMPARE or name in FOLDS:
        return True
    if v.inputs[0].dtype.category != dtypes.FLOAT:
        return name in INTEGER_ONLY
    if name == "special":
        return v.params["name"] in SPECIAL
    if name == "nextafter":
        return v.dtype not in dtypes.HALVES
    return name in VECTOR_MATH or name in INTRINSICS or name in FLOAT_BINARY or name == "copysign"


def constant(value, dtype):
    """A number as an LLVM literal of the value type of `dtype`."""
    if dtype is dtypes.bool_:
        return "true" if value else "false"
    if dtype.category == dtypes.INT:
        bits = dtype.itemsize * 8
        wrapped = int(value) & ((1 << bits) - 1)
        return str(wrapped - (1 << bits) if wrapped >> (bits - 1) and dtype.is_signed else wrapped)
    if dtype.is_complex:
        return str(int.from_bytes(np.asarray(value, dtype.np).tobytes(), sys.byteorder))
    if dtype is dtypes.bfloat16:
        return str(int(dtype.np.type(value).view("uint16")))
    if dtype is dtypes.float16:
        return f"0xH{int(dtype.np.type(value).view('uint16')):04X}"
    rounded = float(dtype.np.type(value))
    return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"


def to_bfloat16(new, x, lanes=None):
    """A float32, or a vector of so many lanes, rounded to nearest even: 16 bits each.  `new` names
    an instruction."""

    def kind(element):
        return element if lanes is None else f"<{lanes} x {element}>"

    def every(number):
        return str(number) if lanes is None else f"<{', '.join([f'i32 {number}'] * lanes)}>"

    wide = kind("i32")
    bits = new(f"bitcast {kind('float')} {x} to {wide}")
    odd = new(f"and {wide} {new(f'lshr {wide} {bits}, {every(16)}')}, {every(1)}")
    rounded = new(f"add {wide} {new(f'add {wide} {bits}, {every(32767)}')}, {odd}")
    is_nan = new(f"fcmp uno {kind('float')} {x}, {x}")
    chosen = new(f"select {kind('i1')} {is_nan}, {wide} {every(2143289344)}, {wide} {rounded}")
    return new(f"trunc {wide} {new(f'lshr {wide} {chosen}, {every(16)}')} to {kind('i16')}")


class Emitter:
    """Appends lines to a function body; remembers declarations and math functions it used."""

    def __init__(self):
        self.lines, self.count = [], 0
        self.declarations, self.math, self.loops = {}, {}, 0

    def new(self, text):
        """A fresh name bound to the instruction `text`."""
        self.count += 1
        self.lines.append(f"  %t{self.count} = {text}")
        return f"%t{self.count}"

    def loop(self):
        """The number of a new loop's metadata node."""
        self.loops += 1
        return FIRST_LOOP + self.loops

    def intrinsic(self, name, kind, *arguments):
        full = f"@llvm.{name}.{SUFFIX.get(kind, kind)}"
        types = ", ".join([kind] * len(arguments))
        self.declarations[f"declare {kind} {full}({types})"] = True
        return self.new(f"call {kind} {full}({', '.join(f'{kind} {a}' for a in arguments)})")

    # ------------------------------------------------------------------------ half types
    def widen(self, x, dtype):
        """A half value as float32."""
        if dtype is dtypes.float16:
            return self.new(f"fpext half {x} to float")
        bits = self.new(f"shl i32 {self.new(f'zext i16 {x} to i32')}, 16")
        return self.new(f"bitcast i32 {bits} to float")

    def narrow(self, x, dtype):
        """A float32 rounded to a half type, to nearest even; NaN stays NaN."""
        if dtype is dtypes.float16:
            # A choice in between keeps LLVM from merging this with an earlier rounding from double,
            # which would call a library.  (canonicalize does too, but AVX2 cannot select it.)
            is_nan = self.new(f"fcmp uno float {x}, {x}")
            nan = constant(float("nan"), dtypes.float32)
            x = self.new(f"select i1 {is_nan}, float {nan}, float {x}")
            return self.new(f"fptrunc float {x} to half")
        return to_bfloat16(self.new, x)

    # ----------------------------------------------------------------------- instructions
    def apply(self, name, arguments, dtype, operand_dtypes):
        """The value of one elementwise primitive."""
        if name == "cast":
            return self.cast(arguments[0], operand_dtypes[0], dtype)
        if name == "where":
            kind = TYPES[dtype]
            return self.new(
                f"select i1 {arguments[0]}, {kind} {arguments[1]}, {kind} {arguments[2]}"
            )
        source = operand_dtypes[0]
        if source in dtypes.HALVES:
            wide = [self.widen(a, source) for a in arguments]
            found = self.apply(
                name,
                wide,
                dtypes.float32 if dtype is source else dtype,
                (dtypes.float32,) * len(wide),
            )
            return self.narrow(found, source) if dtype is source else found
        if source.category == dtypes.FLOAT:
            return self.floating(name, arguments, TYPES[source])
        return self.integer(name, arguments, source)

    def floating(self, name, a, kind):
        if name in FLOAT_BINARY:
            return self.new(f"{FLOAT_BINARY[name]} {kind} {a[0]}, {a[1]}")
        if name in COMPARE:
            return self.new(f"fcmp {COMPARE[name][0]} {kind} {a[0]}, {a[1]}")
        if name == "isnan":
            return self.new(f"fcmp uno {kind} {a[0]}, {a[0]}")
        if name == "neg":
            return self.new(f"fneg {kind} {a[0]}")
        if name in INTRINSICS:
            return self.intrinsic(INTRINSICS[name], kind, a[0])
        if name in ("maximum", "minimum", "copysign"):
            return (
                self.extreme(name, a, kind)
                if name != "copysign"
                else self.intrinsic(name, kind, *a)
            )
        if name == "sign":
            return self.sign(a[0], kind)
        name = NAMES.get(name, name)
        self.math[(name, kind)] = True
        typed = ", ".join(f"{kind} {x}" for x in a)
        return self.new(f"call {kind} @rl_{name}_{SUFFIX[kind]}({typed})")

    def extreme(self, name, a, kind):
        """The larger or smaller; NaN if one is NaN (an explicit select vectorises everywhere)."""
        better = self.new(f"fcmp {'ogt' if name == 'maximum' else 'olt'} {kind} {a[0]}, {a[1]}")
        first_nan = self.new(f"fcmp uno {kind} {a[0]}, {a[0]}")
        take_first = self.new(f"or i1 {better}, {first_nan}")
        return self.new(f"select i1 {take_first}, {kind} {a[0]}, {kind} {a[1]}")

    def sign(self, x, kind):
        zero, one = constant(0.0, _dtype(kind)), constant(1.0, _dtype(kind))
        unit = self.intrinsic("copysign", kind, one, x)
        is_zero = self.new(f"fcmp oeq {kind} {x}, {zero}")
        is_nan = self.new(f"fcmp uno {kind} {x}, {x}")
        found = self.new(f"select i1 {is_zero}, {kind} {zero}, {kind} {unit}")
        return self.new(f"select i1 {is_nan}, {kind} {x}, {kind} {found}")

    def integer(self, name, a, dtype):
        kind = TYPES[dtype]
        boolean = dtype is dtypes.bool_
        if name in INT_BINARY:
            operation = (
                {"add": "or", "mul": "and"}.get(name, INT_BINARY[name])
                if boolean
                else INT_BINARY[name]
            )
            return self.new(f"{operation} {kind} {a[0]}, {a[1]}")
        signed = "s" if dtype.is_signed else "u"
        if name in COMPARE:
            test = COMPARE[name][1]
            return self.new(
                f"icmp {test if test in ('eq', 'ne') else signed + test} {kind} {a[0]}, {a[1]}"
            )
        if name == "isnan":
            return "false"
        if name == "invert":
            return self.new(f"xor {kind} {a[0]}, {'true' if boolean else -1}")
        if name == "neg":
            return self.new(f"sub {kind} 0, {a[0]}")
        if name in ("maximum", "minimum"):
            better = self.new(
                f"icmp {signed}{'gt' if name == 'maximum' else 'lt'} {kind} {a[0]}, {a[1]}"
            )
            return self.new(f"select i1 {better}, {kind} {a[0]}, {kind} {a[1]}")
        if name in ("shl", "shr"):
            return self.shift(name, a, kind, dtype)
        below = self.new(f"icmp slt {kind} {a[0]}, 0") if dtype.is_signed else "false"
        if name == "abs":
            flipped = self.new(f"sub {kind} 0, {a[0]}")
            return self.new(f"select i1 {below}, {kind} {flipped}, {kind} {a[0]}")
        above = self.new(f"icmp ne {kind} {a[0]}, 0")
        unit = self.new(f"select i1 {below}, {kind} -1, {kind} 1")
        return self.new(f"select i1 {above}, {kind} {unit}, {kind} 0")

    def shift(self, name, a, kind, dtype):
        """Shifts by the width or more, or by less than 0, leave what all bits gone leaves."""
        bits = dtype.itemsize * 8
        inside = self.new(f"icmp ult {kind} {a[1]}, {bits}")
        by = self.new(f"select i1 {inside}, {kind} {a[1]}, {kind} 0")
        operation = "shl" if name == "shl" else "ashr" if dtype.is_signed else "lshr"
        found = self.new(f"{operation} {kind} {a[0]}, {by}")
        past = "0"
        if operation == "ashr":
            past = self.new(f"ashr {kind} {a[0]}, {bits - 1}")
        return self.new(f"select i1 {inside}, {kind} {found}, {kind} {past}")

    def checked(self, kernel, name, a, extra, size, check):
        """Instructions that can fail report the value and go on with a harmless one."""
        dtype, from_the_end = extra
        kind = TYPES[dtype]
        if name == "clamp_index":
            x = self.cast(a[0], dtype, dtypes.int64)
            lowest = self.new(f"sub i64 0, {size}") if from_the_end else "0"
            low = self.new(f"icmp slt i64 {x}, {lowest}")
            high = self.new(f"icmp sge i64 {x}, {size}")
            bad = self.new(f"or i1 {low}, {high}")
            kernel.report(bad, check, x)
            below = self.new(f"icmp slt i64 {x}, 0")
            wrapped = self.new(f"add i64 {x}, {size}")
            found = self.new(f"select i1 {below}, i64 {wrapped}, i64 {x}")
            return self.new(f"select i1 {bad}, i64 0, i64 {found}")
        zero = self.new(f"icmp eq {kind} {a[1]}, 0")
        kernel.report(zero, check, "0")
        by = self.new(f"select i1 {zero}, {kind} 1, {kind} {a[1]}")
        if not dtype.is_signed:
            return self.new(f"{'udiv' if name == 'idiv' else 'urem'} {kind} {a[0]}, {by}")
        negates = self.new(f"icmp eq {kind} {by}, -1")  # the one division that may overflow
        by = self.new(f"select i1 {negates}, {kind} 1, {kind} {by}")
        found = self.new(f"{'sdiv' if name == 'idiv' else 'srem'} {kind} {a[0]}, {by}")
        if name == "rem":
            return found
        negated = self.new(f"sub {kind} 0, {a[0]}")
        return self.new(f"select i1 {negates}, {kind} {negated}, {kind} {found}")

    # -------------------------------------------------------------------------------- cast
    def cast(self, x, source, target):
        if source is target:
            return x
        if source in dtypes.HALVES:
            return self.cast(self.widen(x, source), dtypes.float32, target)
        if target in dtypes.HALVES:
            return self.narrow(self.cast(x, source, dtypes.float32), target)
        a, b = TYPES[source], TYPES[target]
        floating = source.category == dtypes.FLOAT
        if target is dtypes.bool_:
            zero = constant(0, source)
            return self.new(f"fcmp une {a} {x}, {zero}" if floating else f"icmp ne {a} {x}, {zero}")
        if floating and target.category == dtypes.FLOAT:
            return self.new(f"{'fpext' if a == 'float' else 'fptrunc'} {a} {x} to {b}")
        if floating:  # through int64, so that what does not fit wraps as on the reference
            whole = self.new(f"fptosi {a} {x} to i64")
            return whole if b == "i64" else self.new(f"trunc i64 {whole} to {b}")
        signed = source.is_signed and source is not dtypes.bool_
        if target.category == dtypes.FLOAT:
            return self.new(f"{'s' if signed else 'u'}itofp {a} {x} to {b}")
        if source.itemsize > target.itemsize and source is not dtypes.bool_:
            return self.new(f"trunc {a} {x} to {b}")
        if source.itemsize == target.itemsize and source is not dtypes.bool_:
            return x
        return self.new(f"{'sext' if signed else 'zext'} {a} {x} to {b}")


def _dtype(kind):
    return dtypes.float32 if kind == "float" else dtypes.float64
