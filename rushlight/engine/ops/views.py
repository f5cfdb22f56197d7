"""Views: results that share the operand's memory.

`geometry(meta, offset, ...)` gives (shape, strides, offset), or a list of them; the body says the
same on values, for derivatives and for symbolic use.
"""

from ..base import dtypes, shapes
from ..base.shapes import wrap_dim
from ..ir import lang as L
from .record import T, composite, view


def _keep(meta, offset, drop=()):
    """Geometry with some dimensions dropped."""
    kept = [d for d in range(meta.ndim) if d not in drop]
    return tuple(meta.shape[d] for d in kept), tuple(meta.strides[d] for d in kept), offset


def _at(values, d, new):
    return (*values[:d], *new, *values[d + 1 :])


def _select_place(shape, dim, index):
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, len(shape))
    size = shape[dim]
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(shape)} at "
            f"dimension {dim}"
        )
    return dim, index % size


def _select_geometry(meta, offset, dim, index):
    d, i = _select_place(meta.shape, dim, index)
    shape, strides, _ = _keep(meta, offset, (d,))
    return shape, strides, offset + i * meta.strides[d]


@view("select.int(Tensor self, int dim, int index) -> Tensor", geometry=_select_geometry)
def select(self, dim, index):
    """The slice ``[..., index, ...]`` at a dimension, which disappears."""
    return L.select(self, *_select_place(self.shape, dim, index))


def slice_range(size, start, end, step):
    """(start, stop, count) of Python's start:end:step on `size` elements."""
    if step <= 0:
        raise ValueError("step must be greater than zero")
    start = 0 if start is None else start
    end = size if end is None else end
    start = max(start + size, 0) if start < 0 else min(start, size)
    end = max(end + size, 0) if end < 0 else min(end, size)
    end = max(start, end)
    return start, end, -(-(end - start) // step)


def _slice_geometry(meta, offset, dim, start, end, step):
    if not meta.ndim:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, meta.ndim)
    lo, _, count = slice_range(meta.shape[d], start, end, step)
    return (
        _at(meta.shape, d, (count,)),
        _at(meta.strides, d, (meta.strides[d] * step,)),
        offset + lo * meta.strides[d],
    )


@view(
    "slice.Tensor(Tensor self, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
    geometry=_slice_geometry,
    variants="internal",
)
def slice_(self, dim, start, end, step):
    """``[start:end:step]`` along one dimension."""
    d = wrap_dim(dim, self.ndim)
    lo, hi, _ = slice_range(self.shape[d], start, end, step)
    return L.slice_axis(self, d, lo, hi, step)


def narrow_range(shape, dim, start, length):
    d = wrap_dim(dim, len(shape))
    size = shape[d]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= start <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})"
        )
    start = start + size if start < 0 else start
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return d, start


@composite()
def narrow(input, dim, start, length):
    """`length` elements from `start` along a dimension."""
    if not input.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if T.is_tensor(start) and (start.ndim or start.dtype.category != dtypes.INT):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    d, lo = narrow_range(input.shape, dim, int(start), length)
    return T.slice(input, d, lo, lo + length, 1)


def _transpose_axes(ndim, a, b):
    a, b = wrap_dim(a, ndim), wrap_dim(b, ndim)
    axes = list(range(ndim))
    if ndim:
        axes[a], axes[b] = axes[b], axes[a]
    return tuple(axes)


def _permuted(meta, offset, axes):
    return (tuple(meta.shape[a] for a in axes), tuple(meta.strides[a] for a in axes), offset)


@view(
    "transpose.int(Tensor self, int dim0, int dim1) -> Tensor",
    aliases=("swapaxes", "swapdims"),
    geometry=lambda m, o, dim0, dim1: _permuted(m, o, _transpose_axes(m.ndim, dim0, dim1)),
)
def transpose(self, dim0, dim1):
    """Two dimensions exchanged."""
    return L.permute(self, _transpose_axes(self.ndim, dim0, dim1))


def _t_axes(ndim):
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return tuple(reversed(range(ndim)))


@view(
    "t(Tensor self) -> Tensor",
    geometry=lambda m, o: _permuted(m, o, _t_axes(m.ndim)),
    node="TBackward0",
)
def t(self):
    """Transpose of a matrix; smaller tensors as they are."""
    return L.permute(self, _t_axes(self.ndim))


def _permute_axes(ndim, dims):
    if len(dims) != ndim:
        raise RuntimeError(
            "permute(): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {ndim} "
            f"is not equal to len(dims) = {len(dims)}"
        )
    axes = tuple(wrap_dim(d, ndim) for d in dims)
    if len(set(axes)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return axes


@view(
    "permute(Tensor self, int[] dims) -> Tensor",
    geometry=lambda m, o, dims: _permuted(m, o, _permute_axes(m.ndim, dims)),
)
def permute(self, dims):
    """Dimensions in another order."""
    return L.permute(self, _permute_axes(self.ndim, dims))


def _view_geometry(meta, offset, size):
    shape = shapes.infer_size(size, meta.numel)
    strides = shapes.view_strides(meta.shape, meta.strides, shape)
    if strides is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least "
            "one dimension spans across two contiguous subspaces). Use .reshape(...) "
            "instead."
        )
    return shape, strides, offset


@view("view(Tensor self, int[] size) -> Tensor", geometry=_view_geometry, variants="internal")
def view_(self, size):
    """The same memory in another shape; RuntimeError where strides do not allow it."""
    return L.reshape(self, shapes.infer_size(size, shapes.numel(self.shape)))


@composite()
def reshape(input, *shape):
    """Another shape: a view where strides allow it, else a copy."""
    shape = shape[0] if len(shape) == 1 and isinstance(shape[0], list | tuple) else shape
    shape = shapes.infer_size(tuple(int(n) for n in shape), input.numel())
    meta = input._meta.plain
    if shapes.view_strides(meta.shape, meta.strides, shape) is not None:
        return input.view(shape)
    return input.clone(memory_format=T.contiguous_format).view(shape)


def _expand_shape(shape, size):
    if len(size) < len(shape):
        raise RuntimeError(
            f"expand({{{list(shape)}}}, size={list(size)}): the number of sizes "
            f"provided ({len(size)}) must be greater or equal to the number of "
            f"dimensions in the tensor ({len(shape)})"
        )
    pad = len(size) - len(shape)
    out = []
    for i, n in enumerate(size):
        have = shape[i - pad] if i >= pad else 1
        if n == -1:
            if i < pad:
                raise RuntimeError(
                    f"expand({list(shape)}, size={list(size)}): The expanded size of "
                    f"the tensor (-1) isn't allowed in a leading, non-existing "
                    f"dimension {i}"
                )
            n = have
        if have not in (1, n):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size "
                f"({have}) at non-singleton dimension {i}.  Target sizes: "
                f"{list(size)}.  Tensor sizes: {list(shape)}"
            )
        if n < 0:
            raise RuntimeError(f"expand: negative size {n}")
        out.append(n)
    return tuple(out)


def _expand_geometry(meta, offset, size, implicit):
    shape = _expand_shape(meta.shape, size)
    return shape, shapes.expand_strides(meta.shape, meta.strides, shape), offset


@view(
    "expand(Tensor self, int[] size, *, bool implicit=False) -> Tensor",
    geometry=_expand_geometry,
    variants="internal",
)
def expand(self, size, implicit):
    """Dimensions of size 1 repeated without copying (stride 0)."""
    return L.broadcast(self, _expand_shape(self.shape, size))


@composite("method")
def expand_as(input, other):
    """`input` expanded to the shape of `other`."""
    return input.expand(other.shape)


def _squeezed(shape, dims):
    if dims is None:
        return tuple(d for d, n in enumerate(shape) if n == 1)
    wrapped = shapes.unique_dims(dims, len(shape))
    return tuple(d for d in wrapped if shape[d] == 1)


@view("squeeze(Tensor self) -> Tensor", geometry=lambda m, o: _keep(m, o, _squeezed(m.shape, None)))
def squeeze(self):
    """Every dimension of size 1 dropped."""
    return L.reshape(self, [n for n in self.shape if n != 1])


@view(
    "squeeze.dim(Tensor self, int dim) -> Tensor",
    node="SqueezeBackward1",
    geometry=lambda m, o, dim: _keep(m, o, _squeezed(m.shape, (dim,))),
)
def squeeze_dim(self, dim):
    """One dimension dropped where its size is 1."""
    drop = _squeezed(self.shape, (dim,))
    return L.reshape(self, [n for d, n in enumerate(self.shape) if d not in drop])


@view(
    "squeeze.dims(Tensor self, int[] dim) -> Tensor",
    node="SqueezeBackward2",
    geometry=lambda m, o, dim: _keep(m, o, _squeezed(m.shape, dim) if dim else ()),
)
def squeeze_dims(self, dim):
    """Some dimensions dropped where their size is 1."""
    drop = _squeezed(self.shape, dim) if dim else ()
    return L.reshape(self, [n for d, n in enumerate(self.shape) if d not in drop])


def _unsqueeze_geometry(meta, offset, dim):
    d = wrap_dim(dim, meta.ndim + 1)
    step = meta.shape[d] * meta.strides[d] if d < meta.ndim else 1
    return (
        (*meta.shape[:d], 1, *meta.shape[d:]),
        (*meta.strides[:d], step, *meta.strides[d:]),
        offset,
    )


@view("unsqueeze(Tensor self, int dim) -> Tensor", geometry=_unsqueeze_geometry)
def unsqueeze(self, dim):
    """A new dimension of size 1."""
    return L.unsqueeze(self, wrap_dim(dim, self.ndim + 1))


def _unbind_geometry(meta, offset, dim):
    if not meta.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    d = wrap_dim(dim, meta.ndim)
    shape, strides, _ = _keep(meta, offset, (d,))
    return [(shape, strides, offset + i * meta.strides[d]) for i in range(meta.shape[d])]


@view("unbind.int(Tensor self, int dim=0) -> Tensor[]", geometry=_unbind_geometry, multi=True)
def unbind(self, dim):
    """All slices along a dimension."""
    d = wrap_dim(dim, self.ndim)
    return tuple(L.select(self, d, i) for i in range(self.shape[d]))


def _split_bounds(size, pieces):
    bounds, at = [], 0
    for n in pieces:
        bounds.append((at, at + n))
        at += n
    return bounds


def split_sizes(shape, split_size, dim):
    """(dimension, sizes of the pieces) of split with one size."""
    if not shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, len(shape))
    size = shape[d]
    if split_size < 0:
        raise RuntimeError(
            f"split expects split_size be non-negative, but got split_size={split_size}"
        )
    if split_size == 0:
        if size:
            raise RuntimeError(
                f"split_size can only be 0 if dimension size is 0, but got dimension size of {size}"
            )
        return d, [0]
    count = max(-(-size // split_size), 1)
    return d, [min(split_size, size - i * split_size) for i in range(count)]


def _checked_sizes(shape, split_sizes_, dim):
    if not shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, len(shape))
    if sum(split_sizes_) != shape[d]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {shape[d]} (input "
            f"tensor's size at dimension {d}), but got split_sizes={list(split_sizes_)}"
        )
    if any(n < 0 for n in split_sizes_):
        raise RuntimeError(
            "split_with_sizes expects split_sizes have only non-negative entries, but "
            f"got split_sizes={list(split_sizes_)}"
        )
    return d, split_sizes_


def _pieces_geometry(meta, offset, d, sizes):
    return [
        (_at(meta.shape, d, (hi - lo,)), meta.strides, offset + lo * meta.strides[d])
        for lo, hi in _split_bounds(meta.shape[d], sizes)
    ]


def _pieces(x, d, sizes):
    return tuple(L.slice_axis(x, d, lo, hi) for lo, hi in _split_bounds(x.shape[d], sizes))


@view(
    "split.Tensor(Tensor self, int split_size, int dim=0) -> Tensor[]",
    multi=True,
    variants="internal",
    geometry=lambda m, o, split_size, dim: _pieces_geometry(
        m, o, *split_sizes(m.shape, split_size, dim)
    ),
)
def split_one(self, split_size, dim):
    """Pieces of one size (the last may be shorter)."""
    return _pieces(self, *split_sizes(self.shape, split_size, dim))


@view(
    "split_with_sizes(Tensor self, int[] split_sizes, int dim=0) -> Tensor[]",
    multi=True,
    geometry=lambda m, o, split_sizes, dim: _pieces_geometry(
        m, o, *_checked_sizes(m.shape, split_sizes, dim)
    ),
)
def split_with_sizes(self, split_sizes, dim):
    """Pieces of given sizes."""
    return _pieces(self, *_checked_sizes(self.shape, split_sizes, dim))


@composite()
def chunk(input, chunks, dim=0):
    """At most `chunks` pieces of equal size (the last may be shorter)."""
    if not input.ndim:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    size = input.shape[wrap_dim(dim, input.ndim)]
    step = -(-size // chunks)
    if step == 0:
        return T.split_with_sizes(input, [0] * chunks, dim)
    return T.split(input, step, dim)


def _diagonal_place(shape, offset, dim1, dim2):
    a, b = wrap_dim(dim1, len(shape)), wrap_dim(dim2, len(shape))
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    rows, columns = shape[a], shape[b]
    count = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    return a, b, count, max(-offset, 0), max(offset, 0)


def _diagonal_geometry(meta, place, offset, dim1, dim2):
    a, b, count, row, column = _diagonal_place(meta.shape, offset, dim1, dim2)
    shape, strides, _ = _keep(meta, place, (a, b))
    start = place + (row * meta.strides[a] + column * meta.strides[b] if count else 0)
    return (*shape, count), (*strides, meta.strides[a] + meta.strides[b]), start


@view(
    "diagonal(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor",
    geometry=_diagonal_geometry,
)
def diagonal(self, offset, dim1, dim2):
    """A diagonal of two dimensions, as the last dimension of the result."""
    a, b, count, row, column = _diagonal_place(self.shape, offset, dim1, dim2)
    rest = [d for d in range(self.ndim) if d not in (a, b)]
    x = L.permute(self, [a, b, *rest])
    if count == 0:
        return L.const(self.graph, 0, self.dtype, (*x.shape[2:], 0))
    flat = L.reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))
    place = L.iota(self, count) * (x.shape[1] + 1) + (row * x.shape[1] + column)
    return L.move_axis(L.take(flat, place), 0, len(rest))


def _unfold_place(shape, dimension, size, step):
    d = wrap_dim(dimension, len(shape))
    limit = shape[d] if shape else 1
    if size > limit:
        raise RuntimeError(
            f"maximum size for tensor at dimension {d} is {limit} but size is {size}"
        )
    if size < 0 or step <= 0:
        raise RuntimeError(
            f"step is {step} but must be > 0" if step <= 0 else f"size is {size} but must be >= 0"
        )
    return d, (limit - size) // step + 1


def _unfold_geometry(meta, offset, dimension, size, step):
    d, count = _unfold_place(meta.shape, dimension, size, step)
    if not meta.ndim:
        return (size,), (1,), offset
    stride = meta.strides[d]
    return (
        (*_at(meta.shape, d, (count,)), size),
        (*_at(meta.strides, d, (stride * step,)), stride),
        offset,
    )


@view(
    "unfold(Tensor self, int dimension, int size, int step) -> Tensor",
    geometry=_unfold_geometry,
    variants="method",
)
def unfold(self, dimension, size, step):
    """All windows of `size` along a dimension, `step` apart, as a new last dimension."""
    d, count = _unfold_place(self.shape, dimension, size, step)
    if not self.ndim:
        return L.reshape(self, (1,)) if size else L.const(self.graph, 0, self.dtype, (0,))
    starts = L.broadcast(L.reshape(L.iota(self, count) * step, (count, 1)), (count, size))
    index = starts + L.broadcast(L.reshape(L.iota(self, size), (1, size)), (count, size))
    windows = L.take(L.move_axis(self, d, 0), index)  # (count, size, rest)
    return L.move_axis(L.move_axis(windows, 1, windows.ndim - 1), 0, d)


@view(
    "alias(Tensor self) -> Tensor",
    variants="internal",
    geometry=lambda m, o: (m.shape, m.strides, o),
)
def alias(self):
    """The whole tensor."""
    return self


def _as_strided_geometry(meta, offset, size, stride, storage_offset):
    start = offset if storage_offset is None else storage_offset
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in stride):
        raise RuntimeError(
            "as_strided: Negative strides are not supported at the moment, got "
            f"strides: {list(stride)}"
        )
    if start < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {start}")
    return tuple(size), tuple(stride), start


@view(
    "as_strided(Tensor self, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
    geometry=_as_strided_geometry,
    absolute=True,
    variants="function",
)
def as_strided(self, size, stride, storage_offset):
    """Any geometry over the storage; its derivative is given where the view is made."""
    raise AssertionError("as_strided's graph depends on its operand's place in memory")


def _real_geometry(meta, offset):
    if not meta.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return (*meta.shape, 2), (*(2 * s for s in meta.strides), 1), 2 * offset


@view(
    "view_as_real(Tensor self) -> Tensor",
    geometry=_real_geometry,
    absolute=True,
    seen_as=lambda dtype: dtype.to_real(),
    variants="function",
)
def view_as_real(self):
    """Complex numbers as pairs of real ones, in a new last dimension; the memory is shared."""
    return L.stack([L.real(self), L.imag(self)], self.ndim)


def _complex_geometry(meta, offset):
    if meta.dtype.category != dtypes.FLOAT or meta.dtype is dtypes.bfloat16:
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a "
            f"tensor of scalar type: {meta.dtype.type_name}"
        )
    if not meta.ndim:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if meta.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if meta.strides[-1] != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(s % 2 for s in meta.strides[:-1]):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    if offset % 2:
        raise RuntimeError("Tensor must have a storage_offset divisible by 2")
    return meta.shape[:-1], tuple(s // 2 for s in meta.strides[:-1]), offset // 2


@view(
    "view_as_complex(Tensor self) -> Tensor",
    geometry=_complex_geometry,
    absolute=True,
    seen_as=lambda dtype: dtype.to_complex(),
    variants="function",
)
def view_as_complex(self):
    """Pairs of real numbers in the last dimension as complex ones; the memory is shared."""
    last = self.ndim - 1
    return L.make_complex(L.select(self, last, 0), L.select(self, last, 1))


@composite("function")
def real(input):
    """The real parts: a view; a real tensor as it is."""
    return T.view_as_real(input).select(-1, 0) if input.is_complex() else input


@composite("function")
def imag(input):
    """The imaginary parts of a complex tensor: a view."""
    if not input.is_complex():
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return T.view_as_real(input).select(-1, 1)


@composite()
def adjoint(input):
    """Conjugate transpose of matrices (the last two dimensions)."""
    return input.mH
