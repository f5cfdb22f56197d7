"""How contractions are cut: into blocks that stay near, and into tasks that threads share."""

import functools
import itertools
from typing import NamedTuple

from .jit import jit
from .kernels import isa as isas

ALIGN = 64  # bytes
# Of a block, at most: a panel of B and a block of A stay near, and chains of sums short.
DEPTH, ROWS = 192, 192
PANELS = 10  # of B that are near at once
TASK = 1 << 21  # multiplications that are worth a thread's while
MOST_TASKS = 64


class Work(NamedTuple):
    """What a contraction's kernel is told."""

    words: list
    tasks: int  # into which it may be cut
    scratch: int  # bytes that each needs
    work: int  # multiplications


@functools.cache
def isa():
    """The row of the instruction sets' table for this processor."""
    return isas.of(jit().llvm.get_host_cpu_features())


def tasks(work):
    """Into how many tasks so many multiplications may be cut."""
    return min(work // TASK, MOST_TASKS) if work >= 2 * TASK else 1


def cuts(size, parts, unit):
    """[(start, size)] of at most so many parts, of about equal whole units."""
    units = -(-size // unit)
    parts = max(1, min(parts, units))
    ends = [min(units * i // parts * unit, size) for i in range(parts + 1)]
    return [(low, high - low) for low, high in itertools.pairwise(ends)]


def even(size, most):
    """The size of the largest of the fewest parts of at most so much, as even as can be."""
    return -(-size // -(-size // most)) if size else 1


def aligned(size):
    """So many bytes, to the end of a cache line."""
    return -(-size // ALIGN) * ALIGN
