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
from .kernels import pack, product, tile

ALIGN = 64  # bytes
# NumPy's library takes threads for larger matrices, which these loops do not have yet.
MOST_WORK = 1 << 18  # multiplications of one matrix product
FEWEST_PACKED = 4  # rows of A for which packing B pays
SPEED = 16  # multiplications in about the time of one element of a loop nest
DTYPES = (dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64)


def is_native(step):
    """Does this step run as a kernel?"""
    if not isinstance(step, HostStep) or step.source.prim.name != "dot":
        return False
    rows, depth, columns = _sizes(step)
    few = rows < FEWEST_PACKED and _is_packed(step)
    return step.value.dtype in DTYPES and rows * depth * columns <= MOST_WORK and not few


def pack_bytes(step):
    """Memory a kernel needs for a panel of B."""
    if not _is_packed(step):
        return 0
    widest = tile.Tile(step.value.dtype, _isa().widest)
    return product.DEPTH * widest.width(_isa()) * step.value.dtype.itemsize


def kernel(step, place, pack_at):
    """(address, arguments, work) of a step's kernel.

    Args:
        place: value -> (table entry, byte offset).
        pack_at: such a place for a panel of B.
    """
    dtype = step.value.dtype
    rows, depth, columns = _sizes(step)
    groups = [_group(dtype, *w) for w in product.widths(columns, tile.Tile(dtype, 1), _isa())]
    packing = (*pack_at, _packing(dtype.itemsize)) if _is_packed(step) else (0, 0, 0)
    a, b = [_matrices(access, place) for _, access in step.operands]
    c = _matrices(Access(step.value, 0, contiguous_strides(step.value.shape)), place)
    batch = step.value.shape[:-2]
    words = product.arguments(a, b, c, (rows, depth), batch, groups, packing)
    return _loops(), words, math.prod(batch) * rows * depth * columns // SPEED


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
    lanes, size = _isa().lanes(dtype.itemsize), dtype.itemsize
    columns, most = (vectors - 1) * lanes + last, _isa().rows[vectors - 1]
    address = _tile(dtype, vectors)
    return product.Group(
        address, most, panels, columns, last, vectors * lanes * size, columns * size
    )


@functools.cache
def _isa():
    return isas.of(jit().llvm.get_host_cpu_features())


@functools.cache
def _tile(dtype, vectors):
    return _compiled(tile.module(tile.Tile(dtype, vectors), _isa()))


@functools.cache
def _packing(itemsize):
    return _compiled(pack.module(itemsize, _isa()))


@functools.cache
def _loops():
    return _compiled(product.module())


def _compiled(text):
    return jit().functions([text], optimize=False)[0]  # written as the processor is to run it
