"""What the processor could do at best: multiply-adds in registers, with nothing else in the way."""

import ctypes
import time

import numpy as np

from .address import address, aligned_empty
from .cuts import isa
from .jit import jit
from .kernels import text

ROUNDS = 1 << 19  # of the loop in one run: 2 to 4 ms
RUNS = 20  # the best of them counts: others are disturbed, or the clock is not up yet
NUMBER = 4  # bytes of a float32


def usable():
    """Can code for this processor be generated?

    Raises: what importing llvmlite raises.
    """
    return jit().usable


def processor():
    """{what: its name or version} of the processor and of the compiler for it."""
    made = jit()
    return {
        "llvm_name": made.cpu,
        "isa": isa().name,
        "llvmlite": made.version.partition(" ")[0],
        "llvm": ".".join(map(str, made.llvm.llvm_version_info)),
    }


def fma_gflops():
    """Fused multiply-adds of float32 vectors on one thread, in GFLOP/s (two per number)."""
    (code,) = jit().functions([kernel(isa())], optimize=False)
    run = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(code)
    memory = aligned_empty(isa().lanes(NUMBER) * accumulators(isa()), np.dtype(np.float32))
    memory[:] = 0.5
    best = min(_seconds(run, ROUNDS, address(memory)) for _ in range(RUNS))
    return 2 * memory.size * ROUNDS / best / 1e9


def accumulators(isa):
    """Chains that wait for nothing but themselves: as many as the register tile has, which leaves
    two registers for the factors."""
    return isa.rows[-1] * isa.widest


def kernel(isa):
    """LLVM text of ``void NAME(i64 rounds, ptr memory)``.

    Every round adds to each accumulator the square of memory's first vector.  They are stored in
    the end: what nobody reads would not be computed.
    """
    f = text.Function("@NAME", ("i64 %rounds", "ptr %memory"))
    lanes = isa.lanes(NUMBER)
    kind = f"<{lanes} x float>"
    factor = f.new(f"load {kind}, ptr %memory")

    def add_square(sum_):
        return f.call(kind, f"fma.v{lanes}f32", [(kind, v) for v in (factor, factor, sum_)])

    first = [(kind, "zeroinitializer")] * accumulators(isa)
    sums = f.loop("%rounds", lambda _, sums: list(map(add_square, sums)), first)
    for i, s in enumerate(sums):
        f.line(f"store {kind} {s}, ptr {f.at('%memory', i * isa.vector)}")
    return text.module([f])


def _seconds(run, *arguments):
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start
