"""Cutting tensors in pieces: tensor_split and its kin, and the `unsafe_` splits."""

from ..base import dtypes
from ..base.shapes import wrap_dim
from .record import T, composite


def _sections(size, count):
    """Bounds of `count` nearly equal pieces; the first ones are longer."""
    least, longer = divmod(size, count)
    bounds = [0]
    for i in range(count):
        bounds.append(bounds[-1] + least + (i < longer))
    return bounds


def _as_python(given):
    """Ints for a 0-d tensor, a list for a vector."""
    if given.ndim > 1 or given.dtype is not dtypes.int64:
        raise RuntimeError(
            "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or "
            f"one-dimensional tensor of dtype Long, but got a tensor with {given.ndim} dims of "
            f"dtype {given.dtype.type_name}"
        )
    return given.tolist()


@composite()
def tensor_split(
    input,
    indices_or_sections=None,
    dim=0,
    *,
    indices=None,
    sections=None,
    tensor_indices_or_sections=None,
):
    """Views cut at indices, or `sections` pieces whose sizes differ by at most one.

    Args:
        indices_or_sections: an int, a list of ints, or an int64 tensor of either.

    >>> import rushlight as torch
    >>> [len(p) for p in torch.arange(7).tensor_split(3)]
    [3, 2, 2]
    """
    given = next(
        g
        for g in (indices_or_sections, indices, sections, tensor_indices_or_sections, ())
        if g is not None
    )
    if not input.ndim:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    d = wrap_dim(dim, input.ndim)
    size = input.shape[d]
    given = _as_python(given) if T.is_tensor(given) else given
    if isinstance(given, list | tuple):
        bounds = [0, *map(int, given), size]
    else:
        if given <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {given}")
        bounds = _sections(size, int(given))
    return tuple(T.slice(input, d, lo, hi, 1) for lo, hi in zip(bounds, bounds[1:], strict=False))


def _along(name, axis_of, least, where):
    def body(input, indices_or_sections=None, *, indices=None, sections=None):
        given = next(g for g in (indices_or_sections, indices, sections, ()) if g is not None)
        if input.ndim < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension but got a tensor "
                f"with {input.ndim} dimensions!"
            )
        d = axis_of(input)
        if isinstance(given, int) and (given <= 0 or input.shape[d] % given):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {d}, but the size of the "
                f"dimension {input.shape[d]} is not divisible by the split_size {given}!"
            )
        return T.tensor_split(input, given, d)

    body.__doc__ = (
        f"`tensor_split` along {where}; for an int the pieces are equal, or RuntimeError is raised."
    )
    composite(name=name)(body)


_along("hsplit", lambda x: 0 if x.ndim == 1 else 1, 1, "columns (dimension 1; 0 of a vector)")
_along("vsplit", lambda x: 0, 2, "rows (dimension 0)")
_along("dsplit", lambda x: 2, 3, "depth (dimension 2)")


# ------------------------------------------------------------------------- unsafe splits
def _untied(pieces):
    """Pieces that share the memory but may be written in place, each with a version of its own."""
    out = []
    for piece in pieces:
        free = piece.data
        free._fn, free._nr, free._rg = piece._fn, piece._nr, piece._rg
        out.append(free)
    return tuple(out)


@composite()
def unsafe_split(input, split_size, dim=0):
    """`split` whose pieces autograd takes for independent tensors."""
    return _untied(T.split(input, split_size, dim))


@composite()
def unsafe_split_with_sizes(input, split_sizes, dim=0):
    """`split_with_sizes` whose pieces autograd takes for independent tensors."""
    return _untied(T.split_with_sizes(input, split_sizes, dim))


@composite()
def unsafe_chunk(input, chunks, dim=0):
    """`chunk` whose pieces autograd takes for independent tensors."""
    return _untied(T.chunk(input, chunks, dim))
