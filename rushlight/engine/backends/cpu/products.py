"""Matrix products as kernels: what they are told, and into which tasks they are cut."""

import math

from ...base.shapes import contiguous_strides
from ...schedule.maps import base
from ...schedule.nest import Access
from .cuts import ALIGN, DEPTH, PANELS, ROWS, Work, aligned, cuts, even, isa, tasks
from .kernels import blocked, contraction, product
from .kernels.vectors import lanes, wide

# Cycles: of adding up the lanes of a dot product's vector; of packing an element that lies along
# K.
FOLD, TURN = 9, 0.55
# Rows of A from which on copying B costs less than reading it where it lies, if its rows are so
# many bytes apart.
PACKED_ROWS, APART = 128, 1024
PACKED_PANELS = 4  # of B, the same for transposed A
SERVED = 256  # rows of a task that packs B, at least
ELEMENT = 8  # multiplications in about the time of reading an element
PRODUCT = contraction.KINDS.index("product")


def of_step(step, place, behind):
    """The kernel's Works on a step; see `contract.of_step`."""
    (a, _), (b, _) = step.operands
    found = Access(step.value, 0, contiguous_strides(step.value.shape))
    accesses = [
        access._replace(value=step.value) if 0 in shape else access  # it may be nowhere
        for shape, access in step.operands
    ]
    operands = [_matrices(access, place) for access in (*accesses, found)]
    sizes = *a[-2:], b[-1]
    return [plan(step.value.dtype, sizes, step.value.shape[:-2], *operands)]


def plan(dtype, sizes, batch, a, b, c):
    """The Work of a product of matrices.

    Args:
        sizes: (rows, depth, columns).
        batch: sizes of the batch dimensions.
        a, b, c: product.Matrices; c is contiguous.
    """
    dots = _are_dots(dtype, sizes, a, b)
    if sizes[0] > sizes[2] and (sizes[2] == 1 or dots and wide(dtype) is dtype):
        sizes = sizes[::-1]
        a, b, c = b.transposed(), a.transposed(), c.transposed()
        dots = _are_dots(dtype, sizes, a, b)
    rows, depth, columns = sizes
    count = math.prod(batch)
    blocks = _blocks(dtype, sizes, a, b, dots)
    work = count * max(rows * depth * columns, (rows + columns) * depth * ELEMENT)
    parts = [((0, count), (0, rows), (0, columns))]
    if tasks(work) > 1:
        parts += _parts(dtype, count, rows, columns, tasks(work), blocks)
    starts, words, space = [], [], 0
    for many, (top, height), (left, width) in parts:
        starts.append(len(parts) + len(words))
        part = height, depth, width
        moved = a.moved(top, 0), b.moved(0, left), c.moved(top, left)
        cut = _blocks(dtype, part, *moved[:2], dots)
        groups = [blocked.group(dtype, isa(), *w) for w in blocked.widths(width, dtype, isa())]
        words += product.arguments(*moved, part, batch, many, groups, cut)
        space = max(space, cut.space)
    return Work([PRODUCT, *starts, *words], max(1, len(parts) - 1), space, work)


def _are_dots(dtype, sizes, a, b):
    """Is the product quicker by dot products than by tiles, for which B would have to be packed?"""
    rows, depth, columns = sizes
    if b.row != dtype.itemsize or columns > 1 and b.column == dtype.itemsize:
        return False
    if rows == 1:
        return True
    each = lanes(dtype, isa())
    by_tiles = depth * (columns * TURN + rows * -(-columns // each) / 2)
    return a.column == b.row and rows * columns * (depth / each / 2 + FOLD) < by_tiles


def _blocks(dtype, sizes, a, b, dots):
    """The Blocks of a product, or of a part of it."""
    rows, depth, columns = sizes
    size, sums = dtype.itemsize, wide(dtype)
    panels = blocked.widths(columns, dtype, isa())
    deep = max(depth, 1) if dots else even(depth, DEPTH)
    apart = columns > 1 and b.column != size
    packs_b = not dots and (apart or rows >= PACKED_ROWS and b.row >= APART)
    many = rows > 1 and sum(n for _, n, _ in panels) >= PACKED_PANELS
    packs_a = a.column != size and (dots or many)
    packed = sum(vectors * n for vectors, n, _ in panels) * lanes(dtype, isa()) * size
    a_row = aligned(deep * size) + ALIGN  # rows that are no power of 2 apart
    a_at = aligned(deep * packed) if packs_b else 0
    c_at = a_at + (min(rows, ROWS) * a_row if packs_a else 0)
    space = c_at + (0 if sums is dtype else rows * columns * sums.itemsize)
    return blocked.Blocks(deep, ROWS, PANELS, packs_b, packs_a, dots, a_at, c_at, a_row, space)


def _parts(dtype, count, rows, columns, wanted, blocks):
    """[(first and how many of the batch, of rows, of columns)] of at most about so many tasks;
    what is packed for each serves many rows or columns."""
    if count >= wanted:
        return [(some, (0, rows), (0, columns)) for some in cuts(count, wanted, 1)]
    wanted, panel, tile = -(-wanted // count), lanes(dtype, isa()) * isa().widest, isa().rows[-1]
    if blocks.dots:
        left, top = cuts(columns, wanted, 1), [(0, rows)]
    elif blocks.packs_a:
        left = [(0, columns)]
        top = cuts(rows, min(wanted, rows // SERVED if blocks.packs_b else wanted), tile)
    elif blocks.packs_b:
        left = cuts(columns, wanted, panel)
        top = cuts(rows, min(-(-wanted // len(left)), rows // SERVED), tile)
    elif rows < columns:
        left = cuts(columns, wanted, panel)
        top = cuts(rows, -(-wanted // len(left)), tile)
    else:
        top = cuts(rows, wanted, tile)
        left = cuts(columns, -(-wanted // len(top)), panel)
    return [((n, 1), r, c) for n in range(count) for c in left for r in top]


def _matrices(access, place):
    """An operand's place and strides in bytes."""
    entry, offset = place(base(access.value))
    size = access.value.dtype.itemsize
    *batch, row, column = [s * size for s in access.strides]
    return product.Matrices(entry, offset + access.offset * size, tuple(batch), row, column)
