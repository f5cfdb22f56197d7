"""Rearranging elements: flatten, flip, roll, repeat, triangles and their kin."""

from ..base import shapes
from ..base.shapes import contiguous_strides, numel, unique_dims, wrap_dim
from ..ir import lang as L
from .record import T, composite, mutation, operator
from .reduce import sum_


@composite()
def flatten(input, start_dim=0, end_dim=-1):
    """Dimensions start_dim..end_dim merged into one: a view where strides allow it."""
    first, last = wrap_dim(start_dim, input.ndim), wrap_dim(end_dim, input.ndim)
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if input.ndim == 0:
        return input.reshape(1)
    if first == last:
        return input
    merged = numel(input.shape[first : last + 1])
    return input.reshape((*input.shape[:first], merged, *input.shape[last + 1 :]))


@composite()
def unflatten(input, dim, sizes):
    """One dimension split into several; one size may be -1."""
    d = wrap_dim(dim, input.ndim)
    if not len(sizes):
        raise RuntimeError("unflatten: sizes must be non-empty")
    try:
        inner = shapes.infer_size(tuple(int(n) for n in sizes), input.shape[d])
    except RuntimeError:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} "
            f"({input.shape[d]}) in the input tensor"
        ) from None
    return input.view((*input.shape[:d], *inner, *input.shape[d + 1 :]))


@composite()
def ravel(input):
    """All elements in one dimension."""
    return input.contiguous().view(-1)


@composite("method")
def view_as(input, other):
    """A view in the shape of `other`."""
    return input.view(other.shape)


@composite("method")
def reshape_as(input, other):
    """`input` in the shape of `other`."""
    return input.reshape(other.shape)


@composite()
def broadcast_to(input, *sizes, size=None):
    """`input` expanded to a shape."""
    return input.expand(*sizes) if size is None else input.expand(size)


@composite("function")
def broadcast_tensors(*tensors):
    """Tensors expanded to their common shape."""
    tensors = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
    shape = shapes.broadcast_shapes(*(tuple(t.shape) for t in tensors))
    return tuple(t.expand(shape) for t in tensors)


@composite("function")
def broadcast_shapes(*sizes):
    """The shape tensors of these shapes broadcast to."""
    found = [(s,) if isinstance(s, int) else tuple(s) for s in sizes]
    return shapes.Size(shapes.broadcast_shapes(*found))


@composite()
def movedim(input, source, destination):
    """Dimensions moved to other positions; the rest keep their order."""
    sources = (source,) if isinstance(source, int) else tuple(source)
    targets = (destination,) if isinstance(destination, int) else tuple(destination)
    if len(sources) != len(targets):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: source "
            f"({list(sources)} dims) should contain the same number of dims as "
            f"destination ({list(targets)} dims)"
        )
    sources = [wrap_dim(d, input.ndim) for d in sources]
    targets = [wrap_dim(d, input.ndim) for d in targets]
    for name, dims in (("source", sources), ("destination", targets)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({dims})")
    order = [None] * input.ndim
    for s, t in zip(sources, targets, strict=True):
        order[t] = s
    rest = iter(d for d in range(input.ndim) if d not in sources)
    return input.permute([next(rest) if d is None else d for d in order])


@composite()
def moveaxis(input, source, destination):
    """Dimensions moved to other positions."""
    return T.movedim(input, source, destination)


@operator("flip(Tensor self, int[] dims) -> Tensor", variants="function,method")
def flip(self, dims):
    """Elements in reverse order along dimensions (a copy)."""
    axes = unique_dims(dims, self.ndim)
    return L.flip(self, axes) if axes and self.ndim else self


@composite()
def fliplr(input):
    """Columns in reverse order."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return T.flip(input, (1,))


@composite()
def flipud(input):
    """Rows in reverse order."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return T.flip(input, (0,))


@operator("roll(Tensor self, int[1] shifts, int[1] dims=[]) -> Tensor", variants="function,method")
def roll(self, shifts, dims):
    """Elements shifted along dimensions, what falls off comes in at the other end."""
    if not shifts:
        raise RuntimeError("`shifts` required")
    if not dims:
        if len(shifts) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:0")
        flat = L.reshape(self, (numel(self.shape),))
        return L.reshape(_rolled(flat, 0, shifts[0]), self.shape)
    if len(shifts) != len(dims):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
        )
    if not self.ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    for shift, d in zip(shifts, dims, strict=True):
        self = _rolled(self, wrap_dim(d, self.ndim), shift)
    return self


def _rolled(x, axis, shift):
    size = x.shape[axis] if x.ndim else 0
    if size == 0 or shift % size == 0:
        return x
    cut = size - shift % size
    head, tail = L.slice_axis(x, axis, 0, cut), L.slice_axis(x, axis, cut, size)
    return L.concat([tail, head], axis)


@operator("repeat(Tensor self, int[] repeats) -> Tensor", variants="method")
def repeat(self, repeats):
    """The tensor repeated along every dimension; new dimensions come in front."""
    if len(repeats) < self.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor"
        )
    if any(n < 0 for n in repeats):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(repeats)}")
    shape = (1,) * (len(repeats) - self.ndim) + self.shape
    paired = [n for size in shape for n in (1, size)]
    wide = [n for pair in zip(repeats, shape, strict=True) for n in pair]
    x = L.expand(L.reshape(self, paired), wide)
    return L.reshape(x, [r * n for r, n in zip(repeats, shape, strict=True)])


@composite()
def tile(input, *dims):
    """The tensor repeated; missing repeats in front are 1."""
    dims = dims[0] if len(dims) == 1 and isinstance(dims[0], list | tuple) else dims
    return input.repeat((1,) * (input.ndim - len(dims)) + tuple(dims))


def _triangle(name, keep, doc):
    def body(self, diagonal):
        if self.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        rows, columns = L.arange_along(self, self.ndim - 2), L.arange_along(self, self.ndim - 1)
        return L.where(keep(columns - rows, diagonal), self, L.like(self, 0))

    body.__doc__ = doc
    operator(
        f"{name}(Tensor self, int diagonal=0) -> Tensor", variants="function,method,inplace,out"
    )(body)


_triangle("tril", lambda offset, k: offset <= k, "The lower triangle; the rest is 0.")
_triangle("triu", lambda offset, k: offset >= k, "The upper triangle; the rest is 0.")


@mutation("fill_diagonal(Tensor self, Scalar fill_value, bool wrap=False) -> Tensor")
def fill_diagonal(self, fill_value, wrap):
    """The main diagonal becomes a number; in a tall matrix it starts again below with `wrap`."""
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.ndim > 2 and len(set(self.shape)) != 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    step = sum(contiguous_strides(self.shape))
    count = numel(self.shape)
    place = L.reshape(L.iota(self, count), self.shape)
    hit = L.eq(L.rem(place, L.like(place, max(step, 1))), L.like(place, 0))
    rows, columns = self.shape[0], self.shape[1]
    if self.ndim == 2 and rows > columns and not wrap:
        hit = hit & L.lt(place, L.like(place, columns * columns))
    return L.where(hit, L.broadcast(L.cast(fill_value, self.dtype), self.shape), self)


@composite("method")
def sum_to_size(input, *size):
    """Sum over what broadcasting a tensor of `size` to this one repeats."""
    size = size[0] if len(size) == 1 and isinstance(size[0], list | tuple) else size
    lead = input.ndim - len(size)
    pairs = zip(size, input.shape[max(lead, 0) :], strict=False)
    if lead < 0 or any(n not in (1, m) for n, m in pairs):
        raise RuntimeError(
            f"size {{{list(size)}}} is not expandable to size {{{list(input.shape)}}}."
        )
    dims = [d for d in range(input.ndim) if d < lead or size[d - lead] != input.shape[d]]
    if not size:
        return input.sum()
    out = input.sum(dims, True) if dims else input
    return out.reshape(tuple(size))


@composite("function,method,out")
def diag(input, diagonal=0):
    """A vector on the diagonal of a matrix, or the diagonal of a matrix."""
    if input.ndim == 1:
        return T.diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return T.diagonal(input, diagonal).clone()


@operator(
    "diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
    variants="function,method",
)
def diag_embed(self, offset, dim1, dim2):
    """The last dimension on a diagonal of two new ones, zeros elsewhere."""
    ndim = self.ndim + 1
    a, b = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = self.shape[-1] + abs(offset)
    rows = L.pad(
        self, [0] * (self.ndim - 1) + [max(-offset, 0)], [0] * (self.ndim - 1) + [max(offset, 0)]
    )
    wide = L.broadcast(L.unsqueeze(rows, self.ndim), (*self.shape[:-1], n, n))
    at_row, at_column = L.arange_along(wide, ndim - 2), L.arange_along(wide, ndim - 1)
    out = L.where(L.eq(at_column - at_row, L.like(at_row, offset)), wide, L.like(wide, 0))
    order = [d for d in range(ndim) if d not in (a, b)]
    axes = [0] * ndim
    for position, d in enumerate(order):
        axes[d] = position
    axes[a], axes[b] = ndim - 2, ndim - 1
    return L.permute(out, axes)


@operator("trace(Tensor self) -> Tensor", variants="function,method")
def trace(self):
    """Sum of a matrix's diagonal."""
    if self.ndim != 2:
        raise RuntimeError("trace: expected a matrix")
    n = min(self.shape)
    flat = L.reshape(self, (numel(self.shape),))
    found = L.take(flat, L.iota(self, n) * (self.shape[1] + 1))
    return sum_.body(found, None)
