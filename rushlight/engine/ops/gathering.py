"""Gather and scatter along a dimension; selection by masks."""

from ..base import dtypes
from ..base.shapes import numel, wrap_dim
from ..ir import lang as L
from .record import T, composite, operator


def check_index(name, index, self, d, source=None):
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(f"{name}(): Expected dtype int64 for index")
    if max(index.ndim, 1) != max(self.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    for a in range(index.ndim):
        if a != d and index.shape[a] > self.shape[a]:
            raise RuntimeError(
                f"Size does not match at dimension {a} expected index {list(index.shape)} to be no "
                f"larger than self {list(self.shape)} apart from dimension {d}"
            )


def as_vectors(*values):
    """0-d operands as vectors of one element."""
    return [L.reshape(v, (1,)) if v.ndim == 0 else v for v in values]


@operator(
    "gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor", out="exact"
)
def gather(self, dim, index, sparse_grad):
    """``out[i][j] = self[index[i][j]][j]`` (for dim 0): one element per index."""
    if sparse_grad:
        raise NotImplementedError("gather(sparse_grad=True): sparse gradients are not built yet")
    return _gathered(self, wrap_dim(dim, self.ndim), index, negative=False)


@operator(
    "_take_along(Tensor self, int dim, Tensor index) -> Tensor",
    variants="internal",
    node="GatherBackward0",
)
def _take_along(self, dim, index):
    """`gather` where negative indices count from the end."""
    return _gathered(self, dim, index, negative=True)


def _gathered(self, d, index, negative):
    shape = index.shape
    if numel(shape) == 0:
        flat = L.reshape(self, (numel(self.shape),))
        return L.reshape(L.slice_axis(flat, 0, 0, 0), shape)
    check_index("gather", index, self, d)
    x, i = as_vectors(self, index)
    return L.reshape(L.take_along(x, along(i, x, d, negative), d), shape)


def along(index, x, d, negative=False):
    """Indices along a dimension; negative ones are refused unless they may count from the end."""
    return L.index_in(index, x.shape[d], d, error=RuntimeError, negative=negative)


def _scattered(name, self, dim, index, source, mode):
    d, shape = wrap_dim(dim, self.ndim), self.shape
    if numel(index.shape) == 0:
        return self
    check_index(name, index, self, d, source)
    x, i = as_vectors(self, index)
    if source.ndim not in (0, i.ndim):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    if source.ndim and source.shape != i.shape:
        if any(n > m for n, m in zip(i.shape, source.shape, strict=True)):
            raise RuntimeError(
                f"Expected index {list(index.shape)} to be no larger than src "
                f"{list(source.shape)} apart from dimension {d}"
            )
        source = L.slice_(source, [0] * i.ndim, i.shape)
    source = L.broadcast(source, i.shape)
    out = L.put_along(x, along(i, x, d), source, d, mode)
    return L.reshape(out, shape)


_REDUCE = {None: "set", "add": "add", "multiply": "mul"}


def _mode(reduce):
    if reduce not in _REDUCE:
        raise RuntimeError("reduce argument must be either add or multiply.")
    return _REDUCE[reduce]


_FORMS = "function,method,inplace,out"


@operator("scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", variants=_FORMS)
def scatter(self, dim, index, src):
    """self with elements of `src` written at the indices along a dimension."""
    if src.dtype is not self.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    return _scattered("scatter", self, dim, index, _vector(src), "set")


def _vector(v):
    return L.reshape(v, (1,)) if v.ndim == 0 else v


@operator(
    "scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
    variants=_FORMS,
    node="ScatterBackward1",
)
def scatter_value(self, dim, index, value):
    """self with a number written at the indices along a dimension."""
    return _scattered("scatter", self, dim, index, _number(self, value), "set")


def _number(self, value):
    return (
        L.cast(value, self.dtype)
        if hasattr(value, "prim")
        else L.const(self.graph, value, self.dtype)
    )


@operator(
    "scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor",
    variants=_FORMS,
)
def scatter_reduce_src(self, dim, index, src, reduce):
    """self combined with `src` ("add" or "multiply") at the indices."""
    return _scattered("scatter", self, dim, index, _vector(src), _mode(reduce))


@operator(
    "scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce)"
    " -> Tensor",
    variants=_FORMS,
)
def scatter_value_reduce(self, dim, index, value, reduce):
    """self combined with a number ("add" or "multiply") at the indices."""
    return _scattered("scatter", self, dim, index, _number(self, value), _mode(reduce))


@operator("scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", variants=_FORMS)
def scatter_add(self, dim, index, src):
    """self with elements of `src` added at the indices along a dimension."""
    if src.dtype is not self.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    return _scattered("scatter_add", self, dim, index, _vector(src), "add")


@operator("index_select(Tensor self, int dim, Tensor index) -> Tensor", out="apart")
def index_select(self, dim, index):
    """Slices along a dimension, in the order of a vector of indices."""
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    d = wrap_dim(dim, self.ndim)
    if not self.ndim:
        return self
    size = self.shape[d]
    says = f"index_select(): INDICES element is out of DATA bounds, id={{}} axis_dim={size}"
    places = L.index_in(_vector(index), self.shape[d], d, says, RuntimeError, negative=False)
    rows = L.take(L.move_axis(self, d, 0), places)
    return L.move_axis(rows, 0, d)


def _by_rows(self, dim, index, source, mode):
    d = wrap_dim(dim, self.ndim)
    if not self.ndim:
        self, source = L.reshape(self, (1,)), _vector(source)
        return L.reshape(L.put(self, L.index_in(_vector(index), 1), source, mode), ())
    source = _vector(source)
    if source.ndim != self.ndim or any(
        n != m for a, (n, m) in enumerate(zip(source.shape, self.shape, strict=True)) if a != d
    ):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {list(self.shape)} source.shape = {list(source.shape)}"
        )
    if source.shape[d] != numel(index.shape):
        raise RuntimeError(
            f"Number of indices ({numel(index.shape)}) should be equal to source.size(dim): "
            f"({source.shape[d]}), for dim: {d}"
        )
    source = L.move_axis(source, d, 0)
    places = L.index_in(_vector(index), self.shape[d], d)
    out = L.put(L.move_axis(self, d, 0), places, source, mode)
    return L.move_axis(out, 0, d)


@operator(
    "index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
    variants=_FORMS,
)
def index_add(self, dim, index, source, alpha):
    """self with slices of ``alpha * source`` added at a vector of indices."""
    if source.dtype is not self.dtype:
        raise RuntimeError("index_add_(): self and source expected to have the same scalar type")
    if not (isinstance(alpha, int) and alpha == 1):
        source = source * L.broadcast(_number(self, alpha), source.shape)
    return _by_rows(self, dim, index, source, "add")


@operator(
    "index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor", variants=_FORMS
)
def index_copy(self, dim, index, source):
    """self with slices of `source` written at a vector of indices."""
    if source.dtype is not self.dtype:
        raise RuntimeError("index_copy_(): self and source expected to have the same dtype")
    return _by_rows(self, dim, index, source, "set")


@operator(
    "index_fill.Scalar(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
    variants="function,method,inplace",
)
def index_fill(self, dim, index, value):
    """self with a number in the slices at a vector of indices."""
    return _filled(self, dim, index, _number(self, value))


@operator(
    "index_fill.Tensor(Tensor self, int dim, Tensor index, Tensor value) -> Tensor",
    variants="function,method,inplace",
    node="IndexFillBackward1",
    vjp=lambda grads, outputs, **given: _fill_gradient(grads[0], **given),
)
def index_fill_tensor(self, dim, index, value):
    """self with a 0-d tensor's value in the slices at a vector of indices."""
    if value.ndim:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor "
            f"with {value.ndim} dimension(s)."
        )
    return _filled(self, dim, index, L.cast(value, self.dtype))


def _fill_gradient(g, self, dim, index, value):
    """A slice that is named twice counts once for the value."""
    kept = _filled(g, dim, index, L.const(g.graph, 0, g.dtype))
    return {"self": kept, "value": L.cast(L.sum_(g - kept), value.dtype)}


def _filled(self, dim, index, value):
    d = wrap_dim(dim, self.ndim)
    index = _vector(index)
    shape = [index.shape[0], *(n for a, n in enumerate(self.shape) if a != d)]
    source = L.broadcast(value, shape) if self.ndim else L.broadcast(value, index.shape)
    return _by_rows(self, dim, index, L.move_axis(source, 0, d) if self.ndim else source, "set")


@composite("function,method,out", out="apart")
def masked_select(input, mask):
    """The elements where a bool mask (broadcast) holds, as a vector."""
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    x, m = T.broadcast_tensors(input, mask)
    return x.reshape(1)[m.reshape(1)] if x.ndim == 0 else x[m]


@operator("take(Tensor self, Tensor index) -> Tensor", out="apart")
def take(self, index):
    """Elements of the flattened tensor at the indices, in the shape of the indices."""
    if index.dtype is not dtypes.int64:
        raise IndexError(f"take(): Expected a long tensor for index, but got {index.dtype}")
    if not numel(self.shape) and numel(index.shape):
        raise IndexError("take(): tried to take from an empty tensor")
    flat = L.reshape(self, (numel(self.shape),))
    return L.take(flat, L.index_in(index, numel(self.shape)))


@composite("function,method,out")
def take_along_dim(input, indices, dim=None):
    """`gather` with broadcasting; over the flattened tensors without `dim`."""
    if dim is None:
        return T._take_along(input.reshape(-1), 0, indices.reshape(-1))
    d = wrap_dim(dim, input.ndim)
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    shape = [
        max(a, b) if a != 1 and b != 1 else a * b if 0 in (a, b) else max(a, b)
        for a, b in zip(input.shape, indices.shape, strict=True)
    ]
    wide, places = list(shape), list(shape)
    wide[d], places[d] = input.shape[d], indices.shape[d]
    return T._take_along(input.expand(wide), d, indices.expand(places))
