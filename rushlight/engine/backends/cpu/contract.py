"""Matrix products as kernels: which of a plan's run so, by what code, with what arguments."""

import functools
import math

from ...base import dtypes
from ...base.shapes import contiguous_strides
from ...schedule import HostStep
from ...schedule.maps import base
from ...schedule.nest import Access
from .jit import jit
from .kernels import isa as isas
from .kernels import product, tile

ALIGN = 64  # bytes
# NumPy's library takes threads for larger matrices, which these loops do not have yet.
MOST_WORK = 1 << 18  # multiplications of one matrix product
FEWEST_PACKED = 4  # rows of A for which packing B pays
DEPTH, ROWS = 256, 192  # of a block, at most: a panel of B and a block of A stay near
PANELS = 8  # of B that are near at once
PACKED_ROWS = 128  # of A, from which on copying B costs less than reading it where it lies
PACKED_PANELS = 4  # of B, the same for transposed A
SPEED = 16  # multiplications in about the time of one element of a loop nest


def is_native(step):
    """Does this step run as a kernel?"""
    if not isinstance(step, HostStep) or step.source.prim.name != "dot":
        return False
    rows, depth, columns = _sizes(step)
    few = rows < FEWEST_PACKED and _is_packed(step)
    number = step.value.dtype.category in (dtypes.INT, dtypes.FLOAT)
    # Over nothing too C is written, and its wide sums take memory.
    return number and rows * max(depth, 1) * columns <= MOST_WORK and not few


def pack_bytes(step):
    """Memory that a step's kernel packs into."""
    return _cut(step)[2]


def kernel(step, place, pack_at):
    """(address, arguments, work) of a step's kernel.

    Args:
        place: value -> (table entry, byte offset).
        pack_at: such a place, of `pack_bytes`.
    """
    rows, depth, columns = _sizes(step)
    a, b = [_matrices(access, place) for _, access in step.operands]
    c = _matrices(Access(step.value, 0, contiguous_strides(step.value.shape)), place)
    c = c._replace(row=columns * tile.wide(step.value.dtype).itemsize)
    groups, blocks, _ = _cut(step)
    entry, at = pack_at
    blocks = blocks.moved(entry, at)
    batch = step.value.shape[:-2]
    words = product.arguments(a, b, c, (rows, depth), batch, groups, blocks)
    return code(step.value.dtype), words, math.prod(batch) * rows * depth * columns // SPEED


def cut(dtype, sizes, a_column, b_column):
    """(groups, blocks, bytes to pack into) of a product.

    Args:
        sizes: (rows, depth, columns).
        a_column, b_column: bytes from one column of an operand to the next.
    """
    isa, size = _isa(), dtype.itemsize
    rows, depth, columns = sizes
    groups = [_group(dtype, *w) for w in product.widths(columns, dtype, isa)]
    panels = sum(g.panels for g in groups)
    deep = -(-depth // -(-depth // DEPTH)) if depth else 1
    packs_b = columns > 1 and b_column != size or rows >= PACKED_ROWS
    packs_a = rows > 1 and a_column != size and panels >= PACKED_PANELS
    b_bytes = deep * sum(g.panels * g.packed for g in groups) if packs_b else 0
    a_step = _aligned(min(rows, ROWS) * size + ALIGN)  # rows that are no power of 2 apart
    a_at = _aligned(b_bytes)
    c_at = a_at + (deep * a_step if packs_a else 0)
    blocks = product.Blocks(
        deep, ROWS, PANELS, packs_b, packs_a, a_at=a_at, c_at=c_at, a_step=a_step, a_row=size
    )
    wide = tile.wide(dtype)
    return groups, blocks, c_at + (0 if wide is dtype else rows * columns * wide.itemsize)


def _aligned(size):
    return -(-size // ALIGN) * ALIGN


def _cut(step):
    (_, a), (_, b) = step.operands
    size = step.value.dtype.itemsize
    return cut(step.value.dtype, _sizes(step), a.strides[-1] * size, b.strides[-1] * size)


def _sizes(step):
    """(rows, depth, columns)."""
    (a, _), (b, _) = step.operands
    return *a[-2:], b[-1]


def _is_packed(step):
    """Are columns of B apart?"""
    (b, access) = step.operands[1]
    return b[-1] > 1 and access.strides[-1] != 1


def _matrices(access, place):
    """An operand's place and strides in bytes."""
    entry, offset = place(base(access.value))
    size = access.value.dtype.itemsize
    *batch, row, column = [s * size for s in access.strides]
    return product.Matrices(entry, offset + access.offset * size, batch, row, column)


def _group(dtype, vectors, panels, last):
    lanes, size = tile.lanes(dtype, _isa()), dtype.itemsize
    columns, most = (vectors - 1) * lanes + last, _isa().rows[vectors - 1]
    wide = columns * tile.wide(dtype).itemsize
    return product.Group(vectors, most, panels, columns, last, vectors * lanes * size, wide)


@functools.cache
def _isa():
    return isas.of(jit().llvm.get_host_cpu_features())


@functools.cache
def code(dtype):
    """The address of the products of a dtype; LLVM's passes have nothing to add to their text."""
    return jit().functions([product.module(dtype, _isa())], optimize=False)[0]
