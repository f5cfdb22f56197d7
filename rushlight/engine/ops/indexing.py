"""Gather and scatter with tensors of indices: index, index_put_, nonzero."""

from ..base import dtypes
from ..base.shapes import broadcast_shapes, broadcast_strides, numel, result_strides
from ..ir import lang as L
from .record import T, composite, operator


def _plan(self, indices):
    """(x with indexed axes merged in front, linear index, where the index axes go, other axes)."""
    at = [d for d, i in enumerate(indices) if i is not None]
    rest = [d for d in range(self.ndim) if d not in at]
    try:
        shape = broadcast_shapes(*(indices[d].shape for d in at))
    except RuntimeError:
        listed = ", ".join(str(list(indices[d].shape)) for d in at)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {listed}"
        ) from None
    linear = None
    for k, d in enumerate(at):
        _check_index_dtype(indices[d])
        i = L.broadcast(L.index_in(indices[d], self.shape[d], k), shape)
        linear = i if linear is None else linear * self.shape[d] + i
    x = L.permute(self, at + rest)
    x = L.reshape(x, (numel([self.shape[d] for d in at]), *(self.shape[d] for d in rest)))
    adjacent = at == list(range(at[0], at[-1] + 1))
    return x, linear, (at[0] if adjacent else 0), at, rest


def _check_index_dtype(index):
    if index.dtype not in (dtypes.int64, dtypes.int32, dtypes.int16, dtypes.int8):
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")


def _placed(values, count, position):
    """Move the first `count` axes so that they start at `position` among the others."""
    axes = (
        list(range(count, count + position))
        + list(range(count))
        + list(range(count + position, values.ndim))
    )
    return L.permute(values, axes)


def _index_layout(arguments, out_shapes):
    """TensorIterator's order of the operand (0 along index axes) and the indices together."""
    (_, x), (_, indices) = arguments
    at = [d for d, i in enumerate(indices) if i is not None]
    count = max(indices[d].ndim for d in at)
    position = at[0] if at == list(range(at[0], at[-1] + 1)) else 0
    rest = [d for d in range(x.ndim) if d not in at]
    strides = [x.strides[d] for d in rest]
    strides[position:position] = [0] * count
    shape, after = out_shapes[0], len(rest) - position
    operands = [(shape, tuple(strides))]
    for d in at:
        own = broadcast_strides(
            indices[d].shape, indices[d].strides, shape[position : position + count]
        )
        operands.append((shape, (0,) * position + own + (0,) * after))
    return [result_strides(shape, operands)]


@operator(
    "index.Tensor(Tensor self, Tensor?[] indices) -> Tensor",
    variants="internal",
    layout=_index_layout,
)
def index(self, indices):
    """Elements at the given positions; None keeps a dimension.  Index axes replace the indexed ones
    where these are adjacent, else they come first."""
    x, linear, position, _, _ = _plan(self, indices)
    return _placed(L.take(x, linear), linear.ndim, position)


@operator(
    "_index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor",
    variants="internal,inplace",
)
def index_put(self, indices, values, accumulate):
    """self with `values` written (or added) at the given positions."""
    if values.dtype is not self.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{self.dtype.type_name} for the destination and "
            f"{values.dtype.type_name} for the source."
        )
    x, linear, position, at, rest = _plan(self, indices)
    shape = list(linear.shape)
    target = [self.shape[d] for d in rest]
    target[position:position] = shape
    if len(values.shape) > len(target) or any(
        n not in (1, m) for n, m in zip(values.shape[::-1], target[::-1], strict=False)
    ):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values.shape)} cannot be "
            f"broadcast to indexing result of shape {target}"
        )
    source = L.broadcast(values, target)
    source = L.permute(
        source,
        [
            *range(position, position + len(shape)),
            *range(position),
            *range(position + len(shape), source.ndim),
        ],
    )
    out = L.put(x, linear, source, "add" if accumulate else "set")
    out = L.reshape(out, [self.shape[d] for d in at + rest])
    inverse = [0] * self.ndim
    for i, d in enumerate(at + rest):
        inverse[d] = i
    return L.permute(out, inverse)


@composite("function,method,out")
def nonzero(input, *, as_tuple=False):
    """Positions of the nonzero elements: (n, ndim) int64, or a tuple of n-vectors per dimension."""
    places = T.positions_of(input)
    if as_tuple:
        return tuple(places.unbind(1)) if input.ndim else (places.new_zeros((places.shape[0],)),)
    return places
