"""Tensors built from vectors and index ranges: grids, products, blocks, triangles, repeats."""

import itertools

from ..base import dtypes, shapes
from ..base.shapes import numel, wrap_dim
from ..ir import lang as L
from .record import T, composite, operator


@composite()
def rot90(input, k=1, dims=(0, 1)):
    """A tensor turned by `k` right angles in the plane of two dimensions, from the first to the
    second."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == input.ndim:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    a, b = (_rotation_dim(d, input.ndim) for d in dims)
    turn = k % 4
    if turn == 1:
        return T.flip(input, (b,)).transpose(a, b).contiguous()
    if turn == 2:
        return T.flip(input, (a, b))
    if turn == 3:
        return T.flip(input, (a,)).transpose(a, b).contiguous()
    return input.clone(memory_format=T.contiguous_format)


def _rotation_dim(d, ndim):
    if not -ndim <= d < ndim:
        raise RuntimeError(f"Rotation dim0 out of range, dim = {d}")
    return d % ndim


@composite("function")
def meshgrid(*tensors, indexing=None):
    """Coordinates of a grid: one expanded view per vector.

    Args:
        tensors: vectors or 0-d tensors of one dtype.
        indexing: "ij" (the default) or "xy", which exchanges the first two dimensions.
    """
    tensors = list(tensors[0] if len(tensors) == 1 and not T.is_tensor(tensors[0]) else tensors)
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for t in tensors:
        if t.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t.ndim}D"
            )
        if t.dtype is not tensors[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    swap = indexing == "xy" and len(tensors) >= 2
    if swap:
        tensors[0], tensors[1] = tensors[1], tensors[0]
    shape, count = [t.numel() for t in tensors], len(tensors)
    grids = [
        t.reshape([-1 if d == i else 1 for d in range(count)]).expand(shape)
        for i, t in enumerate(tensors)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@composite("function")
def cartesian_prod(*tensors):
    """All combinations of elements of vectors, one per row."""
    tensors = tensors[0] if len(tensors) == 1 and not T.is_tensor(tensors[0]) else tensors
    for t in tensors:
        if t.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return T.stack([g.flatten() for g in T.meshgrid(list(tensors), indexing="ij")], dim=1)


@composite("function")
def combinations(input, r=2, with_replacement=False):
    """Combinations of `r` elements of a vector, one per row, in order of position."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty((0,))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(len(input)), r))
    index = T.tensor(rows, dtype=dtypes.int64).reshape(len(rows), r)
    return T.stack([T.index_select(input, 0, index[:, i]) for i in range(r)], dim=1)


@operator("_block_diag(Tensor[] tensors) -> Tensor", variants="internal", node="BlockDiagBackward0")
def _block_diag(tensors):
    """Matrices along the diagonal of one, zeros elsewhere."""
    common = tensors[0].dtype
    for t in tensors[1:]:
        common = dtypes.promote_types(common, t.dtype)
    blocks = [L.cast(L.reshape(t, _as_matrix(t.shape)), common) for t in tensors]
    width, at, rows = sum(b.shape[1] for b in blocks), 0, []
    for b in blocks:
        rows.append(L.pad(b, (0, at), (0, width - at - b.shape[1])))
        at += b.shape[1]
    return L.concat(rows, 0)


def _as_matrix(shape):
    return (1,) * (2 - len(shape)) + tuple(shape)


@composite("function")
def block_diag(*tensors):
    """A matrix with the given matrices (vectors and 0-d tensors as rows) along its diagonal."""
    tensors = tensors[0] if len(tensors) == 1 and not T.is_tensor(tensors[0]) else tensors
    for i, t in enumerate(tensors):
        if t.ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{i} has {t.ndim} dimensions"
            )
    return T._block_diag(list(tensors)) if tensors else T.empty((1, 0))


@composite()
def diagflat(input, offset=0):
    """A matrix with the flattened input on a diagonal."""
    return T.diag_embed(input.contiguous().view(-1), offset)


# ------------------------------------------------------------------------------ triangles
def _triangle_indices(name, keep, doc):
    def body(
        row, col, offset=0, *, dtype=dtypes.int64, layout=None, device="cpu", pin_memory=False
    ):
        if row < 0 or col < 0:
            which, n = ("row", row) if row < 0 else ("column", col)
            raise RuntimeError(f"{which} must be non-negative, got {n}")
        if pin_memory or layout not in (None, T.strided):
            raise RuntimeError(f"{name}: only strided, unpinned results are supported")
        rows, columns = T.arange(row).unsqueeze(1), T.arange(col)
        found = T.nonzero(keep(columns - rows, offset))
        return found.t().contiguous().to(device, dtype)

    body.__doc__ = doc
    composite("function", name=name)(body)


_triangle_indices(
    "tril_indices",
    lambda off, k: off <= k,
    "(2, n) rows and columns of a matrix's lower triangle, in row-major order.",
)
_triangle_indices(
    "triu_indices",
    lambda off, k: off >= k,
    "(2, n) rows and columns of a matrix's upper triangle, in row-major order.",
)


@composite("function")
def unravel_index(indices, shape):
    """Coordinates in `shape` of flat (row-major) indices: a tuple of tensors."""
    if indices.dtype.category != dtypes.INT:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    if any(n < 0 for n in shape):
        raise ValueError(f"'shape' cannot have negative values, but got {shape}")
    if indices.numel():
        low, high = int(indices.min()), int(indices.max())
        if low < -numel(shape) or high >= numel(shape):
            raise ValueError(f"'indices' {low}..{high} are out of range for shape {shape}")
    steps = shapes.contiguous_strides(shape)
    return tuple((indices // step) % size for step, size in zip(steps, shape, strict=True))


# -------------------------------------------------------------------------------- repeats
@composite()
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Elements (or slices along `dim`) repeated one after the other.

    Args:
        repeats: an int, or a vector of ints, one per slice. With `input` alone it is the repeats:
            the result has index i ``input[i]`` times.
        output_size: length of the result along `dim`, where it is known.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2])
    """
    if repeats is None:
        return _repeated_positions(input, output_size)
    x = input.reshape(-1) if dim is None else input
    x = x.reshape(1) if not x.ndim else x
    d = wrap_dim(0 if dim is None else dim, x.ndim)
    size = x.shape[d]
    if T.is_tensor(repeats):
        if repeats.ndim == 0 or len(repeats) == 1 and size != 1:
            repeats = repeats.reshape(1).expand(size)
        if repeats.ndim != 1 or len(repeats) != size:
            raise RuntimeError(
                f"repeats must have the same size as input along dim, but got repeats.size(0) = "
                f"{repeats.numel()} and input.size({d}) = {size}"
            )
        return T.index_select(x, d, _repeated_positions(repeats, output_size))
    if repeats < 0:
        raise RuntimeError(f"repeats has to be non-negative, but got {repeats}")
    if output_size is not None and output_size != size * repeats:
        raise RuntimeError(
            f"repeat_interleave: Invalid output_size, expected {size * repeats} but got "
            f"{output_size}"
        )
    wide = x.unsqueeze(d + 1).expand((*x.shape[: d + 1], repeats, *x.shape[d + 1 :]))
    return wide.clone(memory_format=T.contiguous_format).flatten(d, d + 1)


def _repeated_positions(repeats, output_size):
    """Position i as often as repeats[i] says (reads it)."""
    if repeats.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if repeats.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError("repeats has to be Long or Int tensor")
    counts = repeats.tolist()
    if any(n < 0 for n in counts):
        raise RuntimeError("repeats can not be negative")
    found = [i for i, n in enumerate(counts) for _ in range(n)]
    if output_size is not None and output_size != len(found):
        raise RuntimeError(
            f"allocated size does not match required size: output_size is {output_size}, the "
            f"repeats add up to {len(found)}"
        )
    return T.tensor(found, dtype=dtypes.int64).to(repeats.dtype)
