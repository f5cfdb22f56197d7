"""Matrix products as kernels: which of a plan's run so, by what code, with what arguments."""

import functools
import itertools
import math
from typing import NamedTuple

from ...base import dtypes
from ...base.shapes import contiguous_strides
from ...schedule import HostStep
from ...schedule.maps import base
from ...schedule.nest import Access
from .jit import jit
from .kernels import blocked, product
from .kernels import isa as isas
from .kernels.vectors import lanes, wide

ALIGN = 64  # bytes
FEW = 3  # rows of A for which packing B does not pay
DEPTH, ROWS = 384, 192  # of a block, at most: a panel of B and a block of A stay near
PANELS = 6  # of B that are near at once
PACKED_ROWS = 128  # of A, from which on copying B costs less than reading it where it lies
PACKED_PANELS = 4  # of B, the same for transposed A
SPEED = 16  # multiplications in about the time of one element of a loop nest
TASK = 1 << 21  # multiplications that are worth a thread's while
MOST_TASKS = 64
SERVED = 256  # rows of a task that packs B, at least
ELEMENT = 8  # multiplications in about the time of reading an element


class Product(NamedTuple):
    """What a kernel is told of a product."""

    words: list
    tasks: int  # into which it may be cut
    scratch: int  # bytes that each needs
    work: int  # multiplications


def is_native(step):
    """Does this step run as a kernel?"""
    if not isinstance(step, HostStep) or step.source.prim.name != "dot":
        return False
    return step.value.dtype.category in (dtypes.INT, dtypes.FLOAT)


def of_step(step, place):
    """The Product of a step; `place`: value -> (table entry, byte offset)."""
    (a, _), (b, _) = step.operands
    operands = [_matrices(access, place) for _, access in step.operands]
    operands.append(_matrices(Access(step.value, 0, contiguous_strides(step.value.shape)), place))
    sizes = *a[-2:], b[-1]
    return plan(step.value.dtype, sizes, step.value.shape[:-2], *operands)


def plan(dtype, sizes, batch, a, b, c):
    """The Product of matrices.

    Args:
        sizes: (rows, depth, columns).
        batch: sizes of the batch dimensions.
        a, b, c: product.Matrices; c is contiguous.
    """
    if _turns(dtype, sizes, a, b):
        sizes = sizes[::-1]
        a, b, c = b.transposed(), a.transposed(), c.transposed()
    rows, depth, columns = sizes
    count = math.prod(batch)
    apart = columns > 1 and b.column != dtype.itemsize
    dots = rows <= FEW and b.row == dtype.itemsize and (columns == 1 or apart)
    blocks = _blocks(dtype, sizes, a, b, dots)
    work = count * max(rows * depth * columns, (rows + columns) * depth * ELEMENT)
    parts = [((0, count), (0, rows), (0, columns))]
    if work >= 2 * TASK:
        parts += _parts(dtype, count, rows, columns, min(work // TASK, MOST_TASKS), blocks)
    starts, words, space = [], [], 0
    for many, (top, height), (left, width) in parts:
        starts.append(len(parts) + len(words))
        part = height, depth, width
        moved = a.moved(top, 0), b.moved(0, left), c.moved(top, left)
        cut = _blocks(dtype, part, *moved[:2], dots)
        groups = [blocked.group(dtype, _isa(), *w) for w in blocked.widths(width, dtype, _isa())]
        words += product.arguments(*moved, part, batch, many, groups, cut)
        space = max(space, cut.space)
    return Product([*starts, *words], max(1, len(parts) - 1), space, work)


def _turns(dtype, sizes, a, b):
    """Is the product, all rows of which are short, better made transposed?"""
    rows, _, columns = sizes
    beside = a.column == b.row == dtype.itemsize and wide(dtype) is dtype
    return rows > columns and (columns == 1 or columns <= FEW and beside)


def _blocks(dtype, sizes, a, b, dots):
    """The Blocks of a product, or of a part of it."""
    rows, depth, columns = sizes
    size, sums = dtype.itemsize, wide(dtype)
    panels = blocked.widths(columns, dtype, _isa())
    deep = -(-depth // -(-depth // DEPTH)) if depth and not dots else max(depth, 1)
    packs_b = not dots and (columns > 1 and b.column != size or rows >= PACKED_ROWS)
    many = rows > 1 and sum(n for _, n, _ in panels) >= PACKED_PANELS
    packs_a = a.column != size and (dots or many)
    packed = sum(vectors * n for vectors, n, _ in panels) * lanes(dtype, _isa()) * size
    a_row = _aligned(deep * size) + ALIGN  # rows that are no power of 2 apart
    a_at = _aligned(deep * packed) if packs_b else 0
    c_at = a_at + (min(rows, ROWS) * a_row if packs_a else 0)
    space = c_at + (0 if sums is dtype else rows * columns * sums.itemsize)
    return blocked.Blocks(deep, ROWS, PANELS, packs_b, packs_a, dots, a_at, c_at, a_row, space)


def _parts(dtype, count, rows, columns, tasks, blocks):
    """[(first and how many of the batch, of rows, of columns)] of at most about so many tasks;
    what is packed for each serves many rows or columns."""
    if count >= tasks:
        return [(some, (0, rows), (0, columns)) for some in _cuts(count, tasks, 1)]
    tasks, panel, tile = -(-tasks // count), lanes(dtype, _isa()) * _isa().widest, _isa().rows[-1]
    if blocks.dots:
        left, top = _cuts(columns, tasks, 1), [(0, rows)]
    elif blocks.packs_a:
        left = [(0, columns)]
        top = _cuts(rows, min(tasks, rows // SERVED if blocks.packs_b else tasks), tile)
    elif blocks.packs_b:
        left = _cuts(columns, tasks, panel)
        top = _cuts(rows, min(-(-tasks // len(left)), rows // SERVED), tile)
    else:
        top = _cuts(rows, tasks, tile)
        left = _cuts(columns, -(-tasks // len(top)), panel)
    return [((n, 1), r, c) for n in range(count) for c in left for r in top]


def _cuts(size, parts, unit):
    """[(start, size)] of at most so many parts, of about equal whole units."""
    units = -(-size // unit)
    parts = max(1, min(parts, units))
    ends = [min(units * i // parts * unit, size) for i in range(parts + 1)]
    return [(low, high - low) for low, high in itertools.pairwise(ends)]


def _aligned(size):
    return -(-size // ALIGN) * ALIGN


def _matrices(access, place):
    """An operand's place and strides in bytes."""
    entry, offset = place(base(access.value))
    size = access.value.dtype.itemsize
    *batch, row, column = [s * size for s in access.strides]
    return product.Matrices(entry, offset + access.offset * size, tuple(batch), row, column)


@functools.cache
def _isa():
    return isas.of(jit().llvm.get_host_cpu_features())


@functools.cache
def code(dtype):
    """The address of the products of a dtype; LLVM's passes have nothing to add to their text."""
    return jit().functions([product.module(dtype, _isa())], optimize=False)[0]
