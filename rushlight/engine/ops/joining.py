"""Joining tensors: cat, stack and their kin."""

from ..base.promote import result_type
from ..base.shapes import channels_last_strides, suggests_channels_last, wrap_dim
from ..ir import lang as L
from .record import T, composite, operator


def _common(tensors):
    return result_type([(t.dtype, t.ndim) for t in tensors])


@operator(
    "cat(Tensor[] tensors, int dim=0) -> Tensor",
    variants="function,out",
    aliases=("concat", "concatenate"),
    out="apart",
    strides=lambda metas, out: [_cat_strides(metas, out[0])],
)
def cat(tensors, dim):
    """Tensors joined along a dimension; other sizes agree (1-d empty ones are skipped)."""
    if not tensors:
        raise ValueError("expected a non-empty list of Tensors")
    for i, t in enumerate(tensors):
        if not t.ndim:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    common = _common(tensors)
    kept = [t for t in tensors if t.shape != (0,)]
    if not kept:
        return L.cast(tensors[0], common)
    first = kept[0]
    d = wrap_dim(dim, first.ndim)
    for i, t in enumerate(kept):
        if t.ndim != first.ndim:
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {first.ndim} and {t.ndim}"
            )
        for a in range(t.ndim):
            if a != d and t.shape[a] != first.shape[a]:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {d}. Expected "
                    f"size {first.shape[a]} but got size {t.shape[a]} for tensor number "
                    f"{i} in the list."
                )
    return L.concat([L.cast(t, common) for t in kept], d)


def _cat_strides(metas, shape):
    """channels_last is kept where every operand has it."""
    kept = [m for m in metas if tuple(m.shape) != (0,)]
    if kept and all(suggests_channels_last(m.shape, m.strides) for m in kept):
        return channels_last_strides(shape)
    return None


@operator("stack(Tensor[] tensors, int dim=0) -> Tensor", variants="function,out")
def stack(tensors, dim):
    """Tensors of one shape joined along a new dimension."""
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tensors[0]
    d = wrap_dim(dim, first.ndim + 1)
    for i, t in enumerate(tensors):
        if t.shape != first.shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got "
                f"{list(first.shape)} at entry 0 and {list(t.shape)} at entry {i}"
            )
    common = _common(tensors)
    return L.stack([L.cast(t, common) for t in tensors], d)


def _at_least(name, grow):
    def body(*tensors):
        if len(tensors) == 1 and isinstance(tensors[0], list | tuple):
            return tuple(grow(t) for t in tensors[0])
        if len(tensors) == 1:
            return grow(tensors[0])
        return tuple(grow(t) for t in tensors)

    body.__name__ = name
    body.__doc__ = f"Views with at least {name[8]} dimension(s)."
    composite("function")(body)


def _two(t):
    return t.reshape(1, 1) if t.ndim == 0 else t.unsqueeze(0) if t.ndim == 1 else t


def _three(t):
    if t.ndim == 0:
        return t.reshape(1, 1, 1)
    if t.ndim == 1:
        return t.unsqueeze(0).unsqueeze(-1)
    return t.unsqueeze(-1) if t.ndim == 2 else t


_at_least("atleast_1d", lambda t: t.reshape(1) if t.ndim == 0 else t)
_at_least("atleast_2d", _two)
_at_least("atleast_3d", _three)


def _some(tensors, name):
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")


@composite("function,out")
def hstack(tensors):
    """Joined along columns (dimension 1; 0 for vectors)."""
    _some(tensors, "hstack")
    grown = T.atleast_1d(list(tensors))
    return T.cat(list(grown), 0 if grown[0].ndim == 1 else 1)


@composite("function,out", aliases=("row_stack",))
def vstack(tensors):
    """Joined along rows."""
    _some(tensors, "vstack")
    return T.cat(list(T.atleast_2d(list(tensors))), 0)


@composite("function,out")
def dstack(tensors):
    """Joined along the third dimension."""
    _some(tensors, "dstack")
    return T.cat(list(T.atleast_3d(list(tensors))), 2)


@composite("function,out")
def column_stack(tensors):
    """Vectors as columns, joined with matrices."""
    return T.hstack([t.reshape(t.numel(), 1) if t.ndim <= 1 else t for t in tensors])
