"""Run one random program on several implementations and find the first disagreement."""

import contextlib

import numpy as np

import rushlight
from rushlight.engine.base import config
from rushlight.engine.record.alone import READS
from rushlight.engine.record.segment import Segment, state

from .program import Author, Run


class Mismatch(AssertionError):
    """Implementations disagree."""


@contextlib.contextmanager
def mode(segments, name, eager=False, backend="", alone=False):
    """Run rushlight operator by operator, or on a given backend, recording into ``segments[name]``:
    each implementation has a tape of its own, so that nothing but its own reads makes it run.  With
    `alone`, as if every result so far had been read (engine/record/alone.py)."""
    before = config.EAGER, config.BACKEND, state.segment
    config.EAGER, config.BACKEND, state.segment = eager, backend, segments[name]
    state.reads, state.unread = READS + 1 if alone else 0, False
    try:
        yield
    finally:
        if alone:
            rushlight.frontend.flush_segment()
            state.reads = 0
        segments[name] = state.segment  # a flush begins another one
        config.EAGER, config.BACKEND, state.segment = before


MODES = {
    "recorded": {},
    "eager": dict(eager=True),
    "reference": dict(backend="reference"),
    "alone": dict(alone=True),
}


class Program:
    """A program being drawn and run on all implementations at once."""

    def __init__(self, seed, steps, torch=None, dtype="float64", numpy_sharing=False):
        self.runs = {name: Run(rushlight, dtype) for name in MODES}
        self.torch = torch
        if torch is not None:
            self.runs = {"torch": Run(torch, dtype), **self.runs}
        self.segments = {name: Segment() for name in MODES}
        self.lead = next(iter(self.runs.values()))
        self.steps, self.text, self.errors = steps, [], []
        self.tolerance = (
            dict(rtol=1e-8, atol=1e-10) if dtype == "float64" else dict(rtol=1e-4, atol=1e-4)
        )
        self.author = Author(seed, self.lead)
        if numpy_sharing:
            self.author.WEIGHTS = {**Author.WEIGHTS, "numpy": 30}
        self.features = dict(view_writes=False, read_between=False)

    def context(self, name):
        if name not in MODES:
            return contextlib.nullcontext()
        return mode(self.segments, name, **MODES[name])

    def run(self):
        for _ in range(self.steps):
            with self.context(self.names()[0]):
                instruction = self.author.next()
            if instruction is not None:
                self.step(instruction)
        self.step_last()
        self.check_all(values=True)

    def names(self):
        return list(self.runs)

    def step_last(self):
        with self.context(self.names()[0]):
            instruction = self.author.backward()
        if instruction is not None:
            self.step(instruction)

    def step(self, instruction):
        self.text.append(repr(instruction))
        self.note(instruction)
        keys = {}
        for name, run in self.runs.items():
            with self.context(name):
                keys[name] = run.execute(instruction)
        if len(set(keys.values())) > 1:
            raise Mismatch(f"error: {keys}")
        if keys[self.names()[0]] is not None:
            self.errors.append(keys[self.names()[0]])
            self.text[-1] += f"   # raises {self.errors[-1]}"
        if instruction[0] == "read":
            self.check_values(instruction[1])
        if instruction[0] == "grad" and keys[self.names()[0]] is None:
            self.check_found()
        self.check_all(values=False)

    def note(self, instruction):
        name = instruction[0]
        if name == "inplace" and self.lead.slots[instruction[1]]._is_view():
            self.features["view_writes"] = True
        if name in ("read", "branch") and any(t.requires_grad for t in self.lead.slots):
            self.features["read_between"] = True

    # ------------------------------------------------------------------- comparisons
    def observe(self, what, i):
        found = {}
        for name, run in self.runs.items():
            with self.context(name):
                try:
                    found[name] = getattr(run, what)(i)
                except RuntimeError as error:
                    from .program import key_of

                    found[name] = key_of(error)
        return found

    def same(self, what, i):
        found = self.observe(what, i)
        if len(set(map(repr, found.values()))) > 1:
            raise Mismatch(f"{what} of t{i}: {found}")

    def close(self, what, i):
        found = self.observe(what, i)
        first = found[self.names()[0]]
        for value in found.values():
            if (first is None) != (value is None) or isinstance(first, str) != isinstance(
                value, str
            ):
                raise Mismatch(f"{what} of t{i}: {found}")
            if (
                first is not None
                and not isinstance(first, str)
                and (
                    first.shape != value.shape
                    or not np.allclose(first, value, equal_nan=True, **self.tolerance)
                )
            ):
                raise Mismatch(f"{what} of t{i}: {found}")

    def check_values(self, i):
        self.close("values", i)

    def check_found(self):
        grads = {n: r.found for n, r in self.runs.items()}
        for k in range(len(self.lead.found)):
            values = {}
            for n, g in grads.items():
                with self.context(n):
                    values[n] = None if g[k] is None else np.array(g[k].detach().clone().numpy())
            first = values[self.names()[0]]
            for v in values.values():
                if (
                    (v is None) != (first is None)
                    or v is not None
                    and not np.allclose(v, first, equal_nan=True, **self.tolerance)
                ):
                    raise Mismatch(f"grad {k}: {values}")

    def check_all(self, values):
        for i in range(len(self.lead.slots)):
            self.same("meta", i)
            if values:
                self.close("values", i)
                self.close("grad_of", i)
                if not self.twice_differentiated():
                    self.same("node", i)
        logs = {name: run.log for name, run in self.runs.items()}
        if len(set(map(repr, logs.values()))) > 1:
            raise Mismatch(f"hook order: {logs}")
        for arrays in zip(*(run.arrays for run in self.runs.values()), strict=True):
            if not all(np.allclose(arrays[0], a, equal_nan=True, **self.tolerance) for a in arrays):
                raise Mismatch(f"shared arrays: {arrays}")

    def twice_differentiated(self):
        """Nodes of recorded backward passes carry other names here: one per operator."""
        return any("True" in t and ("'backward'" in t or "'grad'" in t) for t in self.text)
