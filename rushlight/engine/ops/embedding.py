"""Tables looked up by index: embedding, embedding_bag, one_hot."""

import math

from ..base import dtypes
from ..base.shapes import numel
from ..ir import lang as L
from .distance import norm_values
from .numeric import number_like, wide
from .record import T, composite, mutation, operator

_MODES = {"sum": 0, "mean": 1, "max": 2}


def row_index(indices, rows):
    """Indices as int64, checked against [0, rows) when they are used (no wrapping)."""
    return L.index_in(indices, rows, says="index out of range in self", negative=False)


def _check_table(weight, indices, name):
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if indices.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following "
            "scalar types: Long, Int; but got "
            f"torch.{indices.dtype.type_name}Tensor instead (while checking "
            f"arguments for {name})"
        )


# ------------------------------------------------------------------------------- embedding
def _embedding_gradient(grads, outputs, weight, indices, padding_idx, scale_grad_by_freq, sparse):
    index = row_index(indices, weight.shape[0])
    g = wide(grads[0])
    if padding_idx >= 0:
        padding = L.reshape(L.eq(index, L.like(index, padding_idx)), (*index.shape, 1))
        g = L.where(L.broadcast(padding, g.shape), L.like(g, 0), g)
    if scale_grad_by_freq:
        g = g / L.broadcast(L.unsqueeze(_frequencies(index, weight, g.dtype), index.ndim), g.shape)
    return {"weight": L.put(L.const(g, 0, g.dtype, weight.shape), index, g, "add")}


def _frequencies(index, weight, dtype):
    """How often each index of a batch occurs in it."""
    zeros = L.const(index, 0, dtype, (weight.shape[0],))
    return L.take(L.put(zeros, index, L.const(index, 1, dtype, index.shape), "add"), index)


@operator(
    "embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool "
    "scale_grad_by_freq=False, bool sparse=False) -> Tensor",
    variants="function",
    vjp=_embedding_gradient,
)
def embedding(weight, indices, padding_idx, scale_grad_by_freq, sparse):
    """Rows of a table: weight (V, D), indices of any shape S: (S, D); the gradient is dense."""
    _check_table(weight, indices, "embedding")
    return L.take(weight, row_index(indices, weight.shape[0]))


@mutation(
    "_embedding_renorm(Tensor self, Tensor indices, float max_norm, float norm_type) -> Tensor",
    structural=("norm_type",),
    differentiable=False,
)
def embedding_renorm(self, indices, max_norm, norm_type):
    """Scale the rows that are looked up down to `max_norm`."""
    index = row_index(indices, self.shape[0])
    used = L.put(
        L.const(self, 0, dtypes.int64, (self.shape[0],)),
        index,
        L.const(self, 1, dtypes.int64, index.shape),
        "set",
    )
    x = wide(self)
    norm = norm_values(x, norm_type, [1], True)
    limit = number_like(max_norm, norm)
    large = L.unsqueeze(L.cast(used, dtypes.bool_), 1) & (norm > limit)
    scale = L.where(large, limit / (norm + 1e-7), L.like(norm, 1))
    return L.cast(x * L.broadcast(scale, x.shape), self.dtype)


@composite("function", name="embedding_renorm_")
def embedding_renorm_(input, indices, max_norm, norm_type):
    """Scale the rows of a table that `indices` name down to a norm of `max_norm`, in place."""
    return input._embedding_renorm_(indices, max_norm, norm_type)


def _renormed(weight, indices, max_norm, norm_type):
    if max_norm is not None:
        with T.no_grad():
            weight._embedding_renorm_(indices, float(max_norm), float(norm_type))


def _check_known(indices, rows):
    """Refuse indices out of range at the call where their values are known already.

    Those still to be computed are checked when they are used.
    """
    if indices._st.segment is None and indices.numel() and indices.device.type != "meta":
        values = indices._array()
        if values.min() < 0 or values.max() >= rows:
            raise IndexError("index out of range in self")


def _padding(padding_idx, rows):
    """Non-negative padding index, or -1 for none."""
    if padding_idx is None:
        return -1
    if padding_idx > 0 and padding_idx >= rows or padding_idx < -rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    return padding_idx + rows if padding_idx < 0 else padding_idx


@composite("nn", name="embedding")
def nn_embedding(
    input,
    weight,
    padding_idx=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    sparse=False,
):
    """Rows of a table.

    Args:
        input: indices, int64 or int32, any shape S.
        weight: (V, D).
        padding_idx: this row gets no gradient.
        max_norm: rows looked up are first scaled down to this `norm_type`-norm, in place.
        scale_grad_by_freq: divide gradients by how often an index occurs.
        sparse: asks for a gradient in sparse layout; it is dense here, with the same values.

    Returns: (S, D).
    """
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    _check_known(input, weight.shape[0])
    _renormed(weight, input, max_norm, norm_type)
    padding = _padding(padding_idx, weight.shape[0])
    return T.embedding(weight, input, padding, scale_grad_by_freq, sparse)


# ---------------------------------------------------------------------------------- bags
def _bag_of_each(offsets, count, include_last_offset):
    """(bag number of every index, number of bags)."""
    starts = L.cast(offsets, dtypes.int64)
    bags = starts.shape[0] - 1 if include_last_offset else starts.shape[0]
    starts = L.slice_axis(starts, 0, 0, bags)
    marks = L.put(L.const(starts, 0, dtypes.int64, (count + 1,)), starts, L.like(starts, 1), "add")
    return L.slice_axis(L.scan(marks, 0, "sum"), 0, 0, count) - 1, bags


def _bag_parts(weight, indices, offsets, include_last_offset, padding_idx):
    index = row_index(indices, weight.shape[0])
    bag, bags = _bag_of_each(offsets, indices.shape[0], include_last_offset)
    counted = (
        L.like(L.cast(index, dtypes.bool_), True)
        if padding_idx < 0
        else L.ne(index, L.like(index, padding_idx))
    )
    return index, bag, bags, counted


def _bag_sizes(bag, bags, counted, dtype):
    """Indices per bag that count, at least 1."""
    sizes = L.put(L.const(bag, 0, dtype, (bags,)), bag, L.cast(counted, dtype), "add")
    return sizes, L.where(sizes < 1, L.like(sizes, 1), sizes)


def _over(v, x):
    return L.broadcast(L.unsqueeze(v, 1), x.shape)


def _bag_rows(weight, index, counted, per_sample_weights, lowest):
    rows = L.take(wide(weight), index)
    if per_sample_weights is not None:
        rows = rows * _over(L.cast(per_sample_weights, rows.dtype), rows)
    return L.where(_over(counted, rows), rows, L.like(rows, lowest))


@operator(
    "_embedding_bag_values(Tensor weight, Tensor indices, Tensor offsets, Tensor? "
    "per_sample_weights, str mode, bool include_last_offset, int padding_idx, "
    "bool scale_grad_by_freq) -> Tensor",
    variants="internal",
    node="EmbeddingBagBackward0",
    vjp=lambda grads, outputs, **args: _bag_gradient(grads[0], outputs[0], **args),
)
def embedding_bag_values(
    weight,
    indices,
    offsets,
    per_sample_weights,
    mode,
    include_last_offset,
    padding_idx,
    scale_grad_by_freq,
):
    """Sum, mean or maximum of the rows of each bag; an empty bag gives zeros."""
    index, bag, bags, counted = _bag_parts(
        weight, indices, offsets, include_last_offset, padding_idx
    )
    rows = _bag_rows(weight, index, counted, per_sample_weights, -math.inf if mode == "max" else 0)
    shape = (bags, weight.shape[1])
    sizes, safe = _bag_sizes(bag, bags, counted, rows.dtype)
    if mode == "max":
        top = L.put(L.const(rows, -math.inf, rows.dtype, shape), bag, rows, "max")
        return L.cast(L.where(_over(sizes < 1, top), L.like(top, 0), top), weight.dtype)
    total = L.put(L.const(rows, 0, rows.dtype, shape), bag, rows, "add")
    return L.cast(total / _over(safe, total) if mode == "mean" else total, weight.dtype)


def _bag_gradient(
    g,
    out,
    weight,
    indices,
    offsets,
    per_sample_weights,
    mode,
    include_last_offset,
    padding_idx,
    scale_grad_by_freq,
):
    index, bag, bags, counted = _bag_parts(
        weight, indices, offsets, include_last_offset, padding_idx
    )
    g = wide(g)
    if mode == "mean":
        g = g / _over(_bag_sizes(bag, bags, counted, g.dtype)[1], g)
    each = L.take(g, bag)
    each = L.where(_over(counted, each), each, L.like(each, 0))
    found = {}
    if mode == "max":
        each = _to_winners(each, L.take(wide(weight), index), L.take(wide(out), bag), bag, bags)
    if per_sample_weights is not None:
        found["per_sample_weights"] = L.sum_(each * L.take(wide(weight), index), [1])
        each = each * _over(L.cast(per_sample_weights, each.dtype), each)
    if scale_grad_by_freq:
        each = each / _over(_frequencies(index, weight, each.dtype), each)
    found["weight"] = L.put(L.const(g, 0, g.dtype, weight.shape), index, each, "add")
    return found


def _to_winners(each, rows, top, bag, bags):
    """Keep the cotangent of the first row of a bag that holds its maximum."""
    number = L.arange_along(rows, 0)
    last = rows.shape[0]
    place = L.where(L.eq(rows, top), number, L.like(number, last))
    first = L.put(L.const(rows, last, dtypes.int64, (bags, rows.shape[1])), bag, place, "min")
    return L.where(L.eq(number, L.take(first, bag)), each, L.like(each, 0))


def _checked_bags(input, offsets, per_sample_weights, mode, weight):
    """(1-d indices, offsets, 1-d weights per sample) of both forms of input."""
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ValueError(
            "embedding_bag: If per_sample_weights "
            f"({tuple(per_sample_weights.shape)}) is not None, then it must have the "
            f"same shape as the input ({tuple(input.shape)})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is "
                "a mini-batch of fixed length sequences. However, found offsets of "
                f"type {type(offsets)}"
            )
        n, size = input.shape
        offsets = T.arange(0, n * size, size) if size else T.zeros(n, dtype=T.int64)
        flat = None if per_sample_weights is None else per_sample_weights.reshape(-1)
        return input.reshape(-1), offsets, flat
    if input.ndim != 1:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    if not isinstance(offsets, T.Tensor):
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    return input, offsets, per_sample_weights


@composite("nn")
def embedding_bag(
    input,
    weight,
    offsets=None,
    max_norm=None,
    norm_type=2,
    scale_grad_by_freq=False,
    mode="mean",
    sparse=False,
    per_sample_weights=None,
    include_last_offset=False,
    padding_idx=None,
):
    """Sum, mean or maximum of embeddings per bag of indices.

    Args:
        input: (B, n), bags of one size; or (N,), with `offsets` (B,) where bags start.
        weight: (V, D).
        per_sample_weights: in the shape of input; mode "sum" only.
        include_last_offset: the last offset is N, not another bag.
        padding_idx: this index counts for nothing.
        sparse: asks for a gradient in sparse layout; it is dense here, with the same values.

    Returns: (B, D).
    """
    if weight.dtype is T.int64 and input.is_floating_point():
        weight, input = input, weight  # the order of arguments before PyTorch 0.4
    if mode not in _MODES:
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. "
            "per_sample_weights is only supported for mode='sum' (got "
            f"mode='{mode}'). Please open a feature request on GitHub."
        )
    indices, offsets, weights = _checked_bags(input, offsets, per_sample_weights, mode, weight)
    if include_last_offset and offsets.shape[0] == 0:
        raise RuntimeError("include_last_offset: number of offset should be at least 1")
    _renormed(weight, indices, max_norm, norm_type)
    return T._embedding_bag_values(
        weight,
        indices,
        offsets,
        weights,
        mode,
        include_last_offset,
        _padding(padding_idx, weight.shape[0]),
        scale_grad_by_freq,
    )


# -------------------------------------------------------------------------------- one_hot
@operator(
    "_one_hot(Tensor self, int num_classes) -> Tensor", variants="internal", differentiable=False
)
def one_hot_values(self, num_classes):
    """1 at the class, along a new last dimension."""
    shape = (*self.shape, num_classes)
    spread = L.broadcast(L.unsqueeze(self, self.ndim), shape)
    return L.cast(L.eq(L.arange_along(spread, self.ndim), spread), dtypes.int64)


@composite("nn")
def one_hot(tensor, num_classes=-1):
    """int64 (*, num_classes) with a 1 at the class of each element; -1: largest class plus 1."""
    if tensor.dtype is not T.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if numel(tensor.shape) == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return T.empty(*tensor.shape, num_classes, dtype=T.int64)
    if int(tensor.min()) < 0:
        raise RuntimeError("Class values must be non-negative.")
    highest = int(tensor.max())
    if num_classes == -1:
        num_classes = highest + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif num_classes <= highest:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return T._one_hot(tensor, num_classes)
