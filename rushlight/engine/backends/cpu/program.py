"""A compiled graph: kernels in a table, host steps between them, buffers packed into one arena."""

import numpy as np

from ...base import dtypes
from ...base.shapes import numel
from ...runtime.storage import aligned_empty
from ...schedule import HostStep, Nest, schedule
from ...schedule.fuse import base
from .expressions import supported
from .jit import jit
from .lower import collapse, identity, lower, needs_start, structure
from .memory import plan_memory

SMALL_WORK = 20_000  # elements below which a run keeps the interpreter lock
NUMBER_BYTES = 16  # a slot of a run-time number; complex ones fill it
_kernels: dict = {}


class Program:
    """See execute.compile_graph.  Table entries: 0 the run-time numbers, 1 the arena, then inputs,
    then outputs."""

    def __init__(self, graph, scalars, updates, evaluate):
        self.graph, self.evaluate = graph, evaluate
        self.steps = schedule(graph, supported)
        self.inputs = graph.inputs
        self.slots = {v.index: NUMBER_BYTES * i for i, v in enumerate(scalars)}
        self.numbers = np.zeros(2 * max(len(scalars), 1), np.int64)
        self.packers = [_cell(self.numbers, i, v) for i, v in enumerate(scalars)]
        self.memory = plan_memory(graph, self.steps, updates)
        self.scalar_values = [(v.index, v.dtype.np) for v in scalars]
        self.table = np.zeros(2 + len(self.inputs) + len(self.memory.outputs), np.int64)
        self.table[0] = self.numbers.ctypes.data
        self.segments = self._segments()

    # ------------------------------------------------------------------------------ compile
    def _segments(self):
        """Runs of kernels, and host steps, in order."""
        out, pending, work = [], [], 0
        for step in self.steps:
            if isinstance(step, HostStep):
                if pending:
                    out.append(_Native(pending, work))
                    pending, work = [], 0
                out.append(step)
                continue
            if numel(step.shape):
                for nest in [*self._starts(step), step]:
                    pending.append(self._entry(nest))
                    work += numel(nest.shape) * max(len(nest.body), 1)
        if pending:
            out.append(_Native(pending, work))
        return out

    def _starts(self, nest):
        """Kernels that put a fold's identity where the nest adds into memory."""
        _, _, masks = collapse(nest)
        for r, mask in zip(nest.reductions, masks, strict=True):
            if needs_start(mask):
                v = r.out.value
                start = Nest(tuple(v.shape))
                start.body.append(("const", (), v.dtype, identity(r.op, v.dtype)))
                access = type(r.out)(v, 0, _contiguous(v.shape))
                start.stores.append((0, access))
                yield start

    def _entry(self, nest):
        shape, rows, masks = collapse(nest)
        key = structure(nest, shape, rows, masks)
        address = _kernels.get(key)
        if address is None:
            inner = key[5]
            compiler = jit()
            text = compiler.kernel_text(*_escaped(*lower("NAME", nest, len(shape), inner, masks)))
            address = _kernels[key] = compiler.function(text)
        return address, self._arguments(nest, shape, rows)

    def _arguments(self, nest, shape, rows):
        args = list(shape)
        accesses = nest.loads + [a for _, a in nest.stores] + [r.out for r in nest.reductions]
        for access, row in zip(accesses, rows, strict=False):
            entry, offset = self.memory.place(access.value)
            args += [entry, offset + access.offset * access.value.dtype.itemsize, *row]
        args += [nest.gathers[k] for k in sorted(nest.gathers)]
        for (const, _), row in zip(nest.indices, rows[len(accesses) :], strict=True):
            args += [const, *row]
        return args + [self.slots[v.index] for v in nest.scalars]

    # ---------------------------------------------------------------------------------- run
    def run(self, arrays, scalars):
        for cell, value in zip(self.packers, scalars, strict=True):
            cell[0] = value
        arena = _arena(self.memory.arena_bytes)
        outputs = [aligned_empty(numel(v.shape), v.dtype.np) for v in self.memory.outputs]
        table = self.table
        table[1] = arena.ctypes.data
        for i, a in enumerate(arrays):
            table[2 + i] = a.ctypes.data
        first = 2 + len(arrays)
        for i, a in enumerate(outputs):
            table[first + i] = a.ctypes.data
        buffers = [None, arena, *arrays, *outputs]
        env = {
            index: np.asarray(s, d)
            for (index, d), s in zip(self.scalar_values, scalars, strict=True)
        }
        for segment in self.segments:
            if isinstance(segment, _Native):
                segment.run(table)
            else:
                self._host(segment, buffers, env)
        return self.memory.results(arrays, outputs)

    def _host(self, step, buffers, env):
        """One primitive by the reference rule, on views of the buffers."""
        v, local = step.value, {}
        for i, access in zip(v.inputs, step.operands, strict=True):
            local[i.index] = (
                env[i.index]
                if i.index in env
                else strided(
                    self._array(access.value, buffers).reshape(-1),
                    access.offset,
                    i.shape,
                    access.strides,
                )
            )
        with np.errstate(all="ignore"):
            found = self.evaluate(v, local, self.graph.origins)
        if v.dtype is None:
            env[v.index] = found
        else:
            self._array(v, buffers)[...] = found

    def _array(self, v, buffers):
        """A stored value as an array of its own shape."""
        entry, offset = self.memory.place(base(v))
        flat = buffers[entry].view(np.uint8) if entry == 1 else buffers[entry]
        if entry == 1:
            flat = flat[offset : offset + numel(v.shape) * v.dtype.itemsize].view(v.dtype.np)
        elif flat.dtype != v.dtype.np:
            flat = flat.view(v.dtype.np)
        return flat[: numel(v.shape)].reshape(v.shape)


class _Native:
    """Consecutive kernels, run by one call."""

    def __init__(self, entries, work):
        positions, flat = [], []
        for _, args in entries:
            positions.append(len(flat))
            flat += args
        self.args = np.array(flat, np.int64)
        base_address = self.args.ctypes.data
        code = [len(entries)]
        for (address, _), at in zip(entries, positions, strict=True):
            code += [address, base_address + 8 * at]
        self.code = np.array(code, np.int64)
        self.address = self.code.ctypes.data
        self.small = work < SMALL_WORK

    def run(self, table):
        compiler = jit()
        compiler.staged[0] = self.address
        compiler.staged[1] = table.ctypes.data
        (compiler.run_holding_gil if self.small else compiler.run)()


def strided(flat, offset, shape, strides):
    """A NumPy view of flat memory (strides in elements, possibly negative)."""
    if 0 in shape:
        return np.empty(shape, flat.dtype)
    size = flat.dtype.itemsize
    return np.lib.stride_tricks.as_strided(flat[offset:], shape, [s * size for s in strides])


def _escaped(text, declarations, math):
    return (
        text.replace("{", "{{").replace("}", "}}").replace("@NAME(", "@{name}("),
        declarations,
        math,
    )


def _contiguous(shape):
    out, step = [0] * len(shape), 1
    for d in range(len(shape) - 1, -1, -1):
        out[d] = step
        step *= shape[d]
    return tuple(out)


def _cell(numbers, i, v):
    """Where run-time number i is written, as an array of its type."""
    kind = {dtypes.float64: np.float64, dtypes.complex128: np.complex128}.get(v.dtype, np.int64)
    return numbers[2 * i : 2 * i + 2].view(kind)


_arena_memory = [aligned_empty(1 << 16, np.dtype(np.uint8))]


def _arena(nbytes):
    """The arena all programs of the process share (runs hold the recorder's lock)."""
    if _arena_memory[0].size < nbytes:
        _arena_memory[0] = aligned_empty(nbytes + nbytes // 4, np.dtype(np.uint8))
    return _arena_memory[0]


def compile(graph, scalars, updates, evaluate):  # noqa: A001
    """The Program of a graph; `evaluate` is the reference rule of one value."""
    return Program(graph, scalars, updates, evaluate)
