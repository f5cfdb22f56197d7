"""A loop nest as one LLVM function ``void k(ptr table, ptr args)``.

`table` holds buffer addresses (entry 0: the run-time numbers, 16 bytes each).  `args` holds int64s:
loop sizes, then per access: table entry, byte offset, a stride per loop (elements); then per gather
the row stride; then per index instruction: constant, coefficient per loop; then a number's byte
offset each.  The innermost strides that are 0 or 1 are part of the structure, everything else is
read from `args`, so one kernel serves every size.
"""

from ...base import dtypes
from .expressions import MEMORY, TYPES, Emitter, constant

IDENTITY = {"sum": 0, "prod": 1}


def collapse(nest):
    """The nest with sizes 1 dropped and loops merged wherever every access allows it."""
    rows = _rows(nest)
    masks = [[d in r.axes for d in range(len(nest.shape))] for r in nest.reductions]
    keep = [d for d, n in enumerate(nest.shape) if n != 1] or ([0] if nest.shape else [])
    shape = [nest.shape[d] for d in keep] or [1]
    rows = [[r[d] for d in keep] or [0] for r in rows]
    masks = [[m[d] for d in keep] or [True] for m in masks]
    for k in range(len(shape) - 2, -1, -1):
        if all(r[k] == r[k + 1] * shape[k + 1] for r in rows) and all(
            m[k] == m[k + 1] for m in masks
        ):
            shape[k : k + 2] = [shape[k] * shape[k + 1]]
            for row in rows:
                del row[k]
            for mask in masks:
                del mask[k]
    return tuple(shape), [tuple(r) for r in rows], [tuple(m) for m in masks]


def _rows(nest):
    return (
        [a.strides for a in nest.loads]
        + [a.strides for _, a in nest.stores]
        + [r.out.strides for r in nest.reductions]
        + [c for _, c in nest.indices]
    )


def structure(nest, shape, rows, masks):
    """The key code is generated for."""
    inner = [r[-1] if r[-1] in (0, 1) else "s" for r in rows]
    body = tuple((n, refs, d, _plain(e)) for n, refs, d, e in nest.body)
    dtype_of = [a.value.dtype for a in nest.loads]
    reductions = tuple(
        (r.ref, r.op, m, r.out.value.dtype) for r, m in zip(nest.reductions, masks, strict=True)
    )
    return (
        len(shape),
        tuple(dtype_of),
        body,
        tuple((r, a.value.dtype) for r, a in nest.stores),
        reductions,
        tuple(inner),
        tuple(sorted(nest.gathers)),
        len(nest.indices),
        tuple(v.dtype for v in nest.scalars),
    )


def _plain(extra):
    return (type(extra).__name__, repr(extra)) if isinstance(extra, float | bool | int) else extra


class _Function:
    """Emits one kernel."""

    def __init__(self, name, nest, ndim, inner, masks):
        self.nest, self.ndim, self.inner, self.masks = nest, ndim, inner, masks
        self.e = Emitter()
        self.e.lines = [
            f"define void @{name}(ptr noalias readonly %tab, ptr noalias readonly %arg) #0 {{",
            "entry:",
        ]
        self.accesses = len(nest.loads) + len(nest.stores) + len(nest.reductions)
        self.block = "entry"

    def arg(self, i):
        p = self.e.new(f"getelementptr i64, ptr %arg, i64 {i}")
        return self.e.new(f"load i64, ptr {p}, align 8, !invariant.load !0")

    def emit(self):
        self.prologue()
        self.loop(0)
        self.e.lines += ["  ret void", "}"]
        return "\n".join(self.e.lines)

    def prologue(self):
        e, n = self.e, self.ndim
        self.sizes = [self.arg(d) for d in range(n)]
        self.pointers, self.strides, at = [], [], n
        for k in range(self.accesses):
            entry, offset = self.arg(at), self.arg(at + 1)
            slot = e.new(f"getelementptr ptr, ptr %tab, i64 {entry}")
            base = e.new(f"load ptr, ptr {slot}, align 8, !invariant.load !0")
            self.pointers.append([e.new(f"getelementptr i8, ptr {base}, i64 {offset}")])
            self.strides.append([self.stride(k, d, at + 2 + d) for d in range(n)])
            at += 2 + n
        self.rows = {}
        for k in sorted(self.nest.gathers):
            self.rows[k] = self.arg(at)
            at += 1
        self.indices = []
        for k in range(len(self.nest.indices)):
            const = self.arg(at)
            self.indices.append(
                (const, [self.stride(self.accesses + k, d, at + 1 + d) for d in range(n)])
            )
            at += 1 + n
        self.numbers = [self.number(v, at + i) for i, v in enumerate(self.nest.scalars)]

    def stride(self, k, d, at):
        if d == self.ndim - 1 and self.inner[k] in (0, 1):
            return str(self.inner[k])
        return self.arg(at)

    def number(self, v, at):
        e = self.e
        base = e.new("load ptr, ptr %tab, align 8, !invariant.load !0")
        p = e.new(f"getelementptr i8, ptr {base}, i64 {self.arg(at)}")
        kind = "i64" if v.dtype is dtypes.bool_ else TYPES[v.dtype]
        x = e.new(f"load {kind}, ptr {p}, align 8, !invariant.load !0")
        return e.new(f"icmp ne i64 {x}, 0") if v.dtype is dtypes.bool_ else x

    # -------------------------------------------------------------------------------- loops
    def dtype_of(self, k):
        nest = self.nest
        if k < len(nest.loads):
            return nest.loads[k].value.dtype
        k -= len(nest.loads)
        if k < len(nest.stores):
            return nest.stores[k][1].value.dtype
        return nest.reductions[k - len(nest.stores)].out.value.dtype

    def loop(self, d):
        e, last = self.e, d == self.ndim - 1
        before = self.block
        kept = [r for r in range(len(self.nest.reductions)) if last and self.masks[r][-1]]
        e.lines += [
            f"  br label %L{d}",
            f"L{d}:",
            f"  %i{d} = phi i64 [0, %{before}], [%n{d}, %H{d}]",
        ]
        for r in kept:
            dtype = self.accumulator(r)
            e.lines.append(
                f"  %acc{r} = phi {TYPES[dtype]} [{self.identity(r)}, %{before}], [%sum{r}, %H{d}]"
            )
        self.block = f"L{d}"
        for k in range(self.accesses):
            self.pointers[k].append(self.advance(k, d))
        if last:
            self.body(kept)
        else:
            self.loop(d + 1)
        self.finish_loop(d, last, kept)

    def advance(self, k, d):
        e, s = self.e, self.strides[k][d]
        if s == "0":
            return self.pointers[k][-1]
        step = f"%i{d}" if s == "1" else e.new(f"mul i64 %i{d}, {s}")
        kind = MEMORY[self.dtype_of(k)]
        return e.new(f"getelementptr {kind}, ptr {self.pointers[k][-1]}, i64 {step}")

    def finish_loop(self, d, last, kept):
        e = self.e
        tail = ", !llvm.loop !1" if last else ""
        e.lines += [
            f"  br label %H{d}",
            f"H{d}:",
            f"  %n{d} = add nuw nsw i64 %i{d}, 1",
            f"  %c{d} = icmp ult i64 %n{d}, {self.sizes[d]}",
            f"  br i1 %c{d}, label %L{d}, label %X{d}{tail}",
            f"X{d}:",
        ]
        self.block = f"X{d}"
        for k in range(self.accesses):
            self.pointers[k].pop()
        for r in kept:
            self.write_back(r)

    # --------------------------------------------------------------------------------- body
    def body(self, kept):
        e, nest = self.e, self.nest
        made = []
        for name, refs, dtype, extra in nest.body:
            arguments = [made[r] for r in refs]
            if name == "load":
                made.append(self.read(extra, self.pointers[extra][-1]))
            elif name == "gather":
                step = e.new(f"mul i64 {arguments[0]}, {self.rows[extra]}")
                kind = MEMORY[dtype]
                made.append(
                    self.read(
                        extra,
                        e.new(f"getelementptr {kind}, ptr {self.pointers[extra][-1]}, i64 {step}"),
                    )
                )
            elif name == "const":
                made.append(constant(extra, dtype))
            elif name == "scalar":
                made.append(self.numbers[extra])
            elif name == "index":
                made.append(self.index(extra))
            else:
                made.append(e.apply(name, arguments, dtype, extra))
        for i, (ref, access) in enumerate(nest.stores):
            self.write(made[ref], self.pointers[len(nest.loads) + i][-1], access.value.dtype)
        for r in range(len(nest.reductions)):
            self.fold(r, made[nest.reductions[r].ref], r in kept)

    def index(self, k):
        const, coefficients = self.indices[k]
        total = const
        for d, c in enumerate(coefficients):
            if c == "0":
                continue
            term = f"%i{d}" if c == "1" else self.e.new(f"mul i64 %i{d}, {c}")
            total = self.e.new(f"add i64 {total}, {term}")
        return total

    def read(self, k, pointer):
        dtype = self.dtype_of(k)
        align = min(dtype.itemsize, 8)
        x = self.e.new(f"load {MEMORY[dtype]}, ptr {pointer}, align {align}, !llvm.access.group !2")
        return self.e.new(f"icmp ne i8 {x}, 0") if dtype is dtypes.bool_ else x

    def write(self, x, pointer, dtype, group=", !llvm.access.group !2"):
        if dtype is dtypes.bool_:
            x = self.e.new(f"zext i1 {x} to i8")
        self.e.lines.append(
            f"  store {MEMORY[dtype]} {x}, ptr {pointer}, align {min(dtype.itemsize, 8)}{group}"
        )

    # --------------------------------------------------------------------------- reductions
    def accumulator(self, r):
        return self.nest.reductions[r].out.value.dtype

    def identity(self, r):
        return constant(
            identity(self.nest.reductions[r].op, self.accumulator(r)), self.accumulator(r)
        )

    def combine(self, r, a, b):
        op, dtype = self.nest.reductions[r].op, self.accumulator(r)
        if op in ("max", "min"):
            if dtype is dtypes.bool_:
                return self.e.new(f"{'or' if op == 'max' else 'and'} i1 {a}, {b}")
            return self.e.apply(op + "imum", [a, b], dtype, (dtype, dtype))
        name = "add" if op == "sum" else "mul"
        if dtype in (dtypes.float32, dtypes.float64):
            return self.e.new(f"f{name} reassoc {TYPES[dtype]} {a}, {b}")
        return self.e.apply(name, [a, b], dtype, (dtype, dtype))

    def fold(self, r, x, kept):
        if kept:
            found = self.combine(r, f"%acc{r}", x)
            line = self.e.lines[-1]  # give the running value its phi's name
            assert line.startswith(f"  {found} = ")
            self.e.lines[-1] = line.replace(found, f"%sum{r}", 1)
            return
        k = len(self.nest.loads) + len(self.nest.stores) + r
        have = self.read(k, self.pointers[k][-1])
        self.write(self.combine(r, have, x), self.pointers[k][-1], self.accumulator(r))

    def write_back(self, r):
        k = len(self.nest.loads) + len(self.nest.stores) + r
        pointer, total = self.pointers[k][-1], f"%sum{r}"
        dtype = self.accumulator(r)
        if any(self.masks[r][:-1]):
            x = self.e.new(f"load {MEMORY[dtype]}, ptr {pointer}, align {dtype.itemsize}")
            have = self.e.new(f"icmp ne i8 {x}, 0") if dtype is dtypes.bool_ else x
            total = self.combine(r, have, total)
        self.write(total, pointer, dtype, "")


def identity(op, dtype):
    """What a fold starts from."""
    if op in IDENTITY:
        return IDENTITY[op]
    if dtype.category == dtypes.FLOAT:
        return float("-inf") if op == "max" else float("inf")
    if dtype is dtypes.bool_:
        return op == "min"
    bits = dtype.itemsize * 8 - (1 if dtype.is_signed else 0)
    low = -(1 << bits) if dtype.is_signed else 0
    return low if op == "max" else (1 << bits) - 1


def needs_start(mask):
    """Must memory hold the identity before the kernel runs?"""
    return not mask[-1] or any(mask[:-1])


def lower(name, nest, ndim, inner, masks):
    """(function text, declarations, math functions) of a kernel."""
    function = _Function(name, nest, ndim, inner, masks)
    text = function.emit()
    return text, list(function.e.declarations), list(function.e.math)
