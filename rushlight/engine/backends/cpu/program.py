"""A compiled graph: kernels in a table, host steps between them, buffers packed into one arena."""

from functools import partial
from typing import NamedTuple

import numpy as np

from ...base import config, dtypes
from ...base.arrays import strided
from ...base.shapes import numel
from ...runtime import profile
from ...schedule import HostStep, expand, plan_memory, schedule, work
from ...schedule.maps import base
from . import contract, labels
from .address import ALIGN, address, aligned_empty, allocation, hand_over
from .expressions import supported
from .heap import keep_freed
from .jit import jit
from .loops import arguments, collapse, division, structure
from .lower import lower

CHECKED = ("clamp_index", "idiv", "rem")  # instructions that may note a failed check
SMALL_WORK = 60_000  # additions below which a run keeps the interpreter lock
TASK_WORK, MOST_TASKS = 1 << 18, 64
NANOSECONDS = 1 / 32  # that one addition takes, about
FIRST_NUMBER = 2  # cells before the run-time numbers: the failed check, the value it failed for
_kernels: dict = {}  # structure -> address of the kernel


class Program:
    """See execute.compile_graph.  Table entries: 0 the cells, 1 the arena, then inputs, then
    outputs."""

    def __init__(self, graph, scalars, updates, evaluate):
        graph, scalars = expand(graph, scalars)
        self.graph, self.evaluate = graph, evaluate
        self.slots = {v.index: 8 * (FIRST_NUMBER + 2 * i) for i, v in enumerate(scalars)}
        self.cells = np.zeros(FIRST_NUMBER + 2 * len(scalars), np.int64)
        self.status = memoryview(self.cells)
        self.numbers = [_cell(self.cells, i, v) for i, v in enumerate(scalars)]
        self.scalar_values = [(v.index, v.dtype.np) for v in scalars]
        steps = schedule(graph, supported)
        self.memory = plan_memory(graph, steps, updates)
        self.arena_bytes = self.memory.arena_bytes
        if "schedule" in config.DEBUG:
            print(self.memory)
        self.results = [allocation(numel(v.shape), v.dtype.np) for v in self.memory.outputs]
        fresh = [(True, i, False) for i in range(len(self.results))]
        self.returns_fresh = self.memory.plan == fresh
        self.table = np.zeros(2 + len(graph.inputs) + len(self.results), np.int64)
        self.table[0] = address(self.cells)
        self.segments = self._segments(self.memory.steps)
        self.has_host = any(isinstance(s, HostStep) for s in self.segments)
        if len(self.results) == len(self.segments) == 1 and self.returns_fresh:
            if not self.has_host and not self.checked:
                self._make_lean()

    # ------------------------------------------------------------------------------ compile
    def _segments(self, steps):
        """Runs of kernels, and host steps, in order."""
        jit().pool.reserve(self.memory.scratch_bytes)
        calls = {**self._nest_calls(steps), **self._product_calls(steps)}
        out: list = []
        for step in steps:
            if id(step) in calls:
                if not out or not isinstance(out[-1], _Native) or profile.active():
                    out.append(_Native(step))
                out[-1].calls += calls[id(step)]
            elif isinstance(step, HostStep):
                out.append(step)
        for segment in out:
            if isinstance(segment, _Native):
                segment.finish(self.table)
        return out

    def _nest_calls(self, steps):
        """{id of a nest: [Call]}; nests over nothing are left out."""
        nests = [s for s in steps if not isinstance(s, HostStep) and 0 not in s.shape]
        loops = {id(nest): collapse(nest) for nest in nests}
        addresses = self._compile(nests, loops)
        self.checked = any(i.name in CHECKED for nest in nests for i in nest.body)  # may one fail?
        return {id(n): [self._nest_call(n, loops[id(n)], addresses[id(n)])] for n in nests}

    def _nest_call(self, nest, loops, code):
        cost = work(nest)
        checked = any(i.name in CHECKED for i in nest.body)  # what failed is two words
        each, tasks = division(loops, 1 if checked else _tasks(cost))
        return Call(code, arguments(nest, loops, each, self.memory.place, self._slot), tasks, cost)

    def _product_calls(self, steps):
        """The same of the matrix products that are kernels."""
        found = {}
        for s in filter(contract.is_native, steps):
            self.behind = -(-self.memory.arena_bytes // ALIGN) * ALIGN
            found[id(s)] = [
                self._contraction(contract.code(s.value.dtype), work)
                for work in contract.of_step(s, self.memory.place, self._behind)
            ]
        return found

    def _contraction(self, code, made):
        jit().pool.reserve(made.scratch)
        return Call(code, made.words, made.tasks, made.work // contract.SPEED)

    def _behind(self, nbytes):
        """Memory behind the arena that one step uses."""
        at, self.behind = self.behind, self.behind + -(-nbytes // ALIGN) * ALIGN
        self.arena_bytes = max(self.arena_bytes, self.behind)
        return 1, at

    def _compile(self, nests, kernels):
        """Addresses of the nests' kernels; new ones are compiled together."""
        keys = {id(nest): structure(nest, kernels[id(nest)]) for nest in nests}
        new = {}
        for nest in nests:
            key = keys[id(nest)]
            if key not in _kernels and key not in new:
                loops = kernels[id(nest)]
                new[key] = jit().kernel_text(*lower("NAME", nest, loops), loops.narrow)
        if new:
            _kernels.update(zip(new, jit().functions(list(new.values())), strict=True))
        return {nest: _kernels[key] for nest, key in keys.items()}

    def _slot(self, v):
        return self.slots[v.index]

    # ---------------------------------------------------------------------------------- run
    def run(self, arrays, scalars):
        if scalars:
            for cell, value in zip(self.numbers, scalars, strict=True):
                cell[0] = value
        arena = _arena[0]
        if arena.size < self.arena_bytes:
            arena = _grow_arena(self.arena_bytes)
        outputs = [empty(n, d) for empty, n, d in self.results]
        buffers = [arena, *arrays, *outputs]
        handed = hand_over(buffers)
        if not self.has_host:
            for segment in self.segments:
                segment.run(handed)
        else:
            self._run_both(buffers, handed, scalars)
        if self.status[0]:
            self._fail()
        return outputs if self.returns_fresh else self._returned(arrays, outputs)

    def _make_lean(self):
        """`run` of kernels that cannot fail and have one result, written out: for a small operator
        it takes half the time."""
        ((empty, size, dtype),) = self.results
        (native,) = self.segments
        code, staged, call = native.address, native.staged, native.call
        numbers, nbytes = self.numbers, self.arena_bytes

        def run(arrays, scalars):
            if scalars:
                for cell, value in zip(numbers, scalars, strict=True):
                    cell[0] = value
            arena = _arena[0] if not nbytes or _arena[0].size >= nbytes else _grow_arena(nbytes)
            output = empty(size, dtype)
            buffers = [arena, *arrays, output]  # alive while native code reads it
            staged[0], staged[1] = code, hand_over(buffers)
            call()
            return (output,)

        self.run = run

    def _run_both(self, buffers, handed, scalars):
        """Kernels, and host steps between them; a failed check ends the run."""
        env = {
            index: np.asarray(s, d)
            for (index, d), s in zip(self.scalar_values, scalars, strict=True)
        }
        for segment in self.segments:
            if isinstance(segment, HostStep):
                if profile.active():
                    timed = profile.active().record(labels.what(segment)).timed
                    timed(self._host, segment, buffers, env)
                    continue
                self._host(segment, buffers, env)
            else:
                segment.run(handed)
                if self.status[0]:
                    return

    def _returned(self, arrays, outputs):
        """One array per graph output; an update already written in place is the input itself."""
        found = []
        for fresh, position, copy in self.memory.plan:
            source = outputs[position] if fresh else arrays[position]
            found.append(np.array(source, copy=True) if copy else source)
        return found

    def _fail(self):
        """Raise what the reference rule raises for the value that failed its check."""
        number, value = self.cells[:FIRST_NUMBER].tolist()
        self.cells[0] = 0
        v = self.graph.values[number - 1]
        operands = {i.index: np.full(1, value, i.dtype.np) for i in v.inputs}
        self.evaluate(v, operands, self.graph.origins)
        raise RuntimeError(f"{v.prim.name} failed for {value}")

    # --------------------------------------------------------------------------------- host
    def _host(self, step, buffers, env):
        """One primitive by the reference rule, on views of the buffers."""
        v, source, local = step.value, step.source, {}
        arrays = []
        for i, (shape, access) in zip(source.inputs, step.operands, strict=True):
            arrays.append(env[i.index] if i.index in env else self._view(shape, access, buffers))
            local[i.index] = arrays[-1]
        with np.errstate(all="ignore"):
            if source.prim.name == "dot" and v.dtype not in dtypes.HALVES:
                np.matmul(*arrays, out=self._array(v, buffers))
                return
            if v is not source:
                local = dict(zip([i.index for i in source.inputs], _turned(arrays), strict=True))
            found = self.evaluate(source, local, self.graph.origins)
        if v.dtype is None:
            env[v.index] = found
        else:
            self._array(v, buffers)[...] = found if v is source else found.swapaxes(-1, -2)

    def _view(self, shape, access, buffers):
        flat = self._array(access.value, buffers).reshape(-1)
        return strided(flat, access.offset, shape, access.strides)

    def _array(self, v, buffers):
        """A stored value as an array of its own shape."""
        if 0 in v.shape:
            return np.empty(v.shape, v.dtype.np)
        entry, offset = self.memory.place(base(v))
        flat = buffers[entry - 1]
        flat = flat.view(np.uint8) if entry == 1 else flat
        if entry == 1:
            flat = flat[offset : offset + numel(v.shape) * v.dtype.itemsize].view(v.dtype.np)
        elif flat.dtype != v.dtype.np:
            flat = flat.view(v.dtype.np)
        return flat[: numel(v.shape)].reshape(v.shape)


class Call(NamedTuple):
    """A kernel with its arguments, the tasks that threads may share, and its work, in additions."""

    code: int
    arguments: list
    tasks: int
    work: int


def _tasks(work):
    """Into how many tasks so much work may be cut."""
    return min(work // TASK_WORK, MOST_TASKS) if work >= 2 * TASK_WORK else 1


class _Native:
    """Consecutive kernels, run by one call."""

    def __init__(self, step):
        self.calls = []
        self.step = step  # the first

    def finish(self, table):
        """Lay out the code the table interpreter reads."""
        flat = [word for call in self.calls for word in call.arguments]
        self.args = np.array(flat, np.int64)
        at = address(self.args)
        code = [address(table), table.size - 1, len(self.calls)]
        for call in self.calls:
            code += [call.code, at, call.tasks, int(call.work * NANOSECONDS)]
            at += 8 * len(call.arguments)
        self.code = np.array(code, np.int64)
        self.address = address(self.code)
        self.staged = jit().staged
        small = sum(call.work for call in self.calls) < SMALL_WORK
        self.call = jit().run_holding_gil if small else jit().run
        if any(call.tasks > 1 for call in self.calls):
            self.call = self.with_helpers
        if profile.active():
            self.call = partial(profile.active().record(labels.what(self.step)).timed, self.call)

    def with_helpers(self):
        """Run kernels some of which threads share."""
        jit().pool.ready()
        jit().run()

    def run(self, handed):
        """Run the kernels, or those up to a failed check, on the arrays handed over."""
        staged = self.staged
        staged[0], staged[1] = self.address, handed
        self.call()


def _turned(arrays):
    return [a.swapaxes(-1, -2) for a in reversed(arrays)]


def _cell(cells, i, v):
    """Where run-time number i is written: two cells, which complex ones fill."""
    kind = {dtypes.float64: np.float64, dtypes.complex128: np.complex128}.get(v.dtype, np.int64)
    cell = cells[FIRST_NUMBER + 2 * i : FIRST_NUMBER + 2 * i + 2].view(kind)
    return cell if v.dtype.is_complex else memoryview(cell)


# The arena all programs of the process share (runs hold the recorder's lock).
_arena = [aligned_empty(1 << 16, np.dtype(np.uint8))]


def _grow_arena(nbytes):
    _arena[0] = aligned_empty(nbytes + nbytes // 4, np.dtype(np.uint8))
    return _arena[0]


keep_freed()  # from the first program on


def usable():
    """Can code for this processor be generated?"""
    return jit().usable


def compile(graph, scalars, updates, evaluate):  # noqa: A001
    """The Program of a graph; `evaluate` is the reference rule of one value."""
    return Program(graph, scalars, updates, evaluate)
