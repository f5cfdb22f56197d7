"""Shapes and strides: broadcasting, views, TensorIterator's result strides, overlap.

Only arithmetic and comparison on sizes, so symbolic sizes can enter later.  Strides count elements.
"""


class Size(tuple):
    """The shape of a tensor: a tuple of ints with ``numel()``.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).shape
    torch.Size([2, 3])
    """

    __slots__ = ()

    def numel(self):
        """Number of elements of a tensor of this shape."""
        return numel(self)

    def __repr__(self):
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, key):
        found = tuple.__getitem__(self, key)
        return Size(found) if isinstance(key, slice) else found

    def __add__(self, other):
        if not isinstance(other, tuple):
            return NotImplemented
        return Size(tuple.__add__(self, other))

    def __radd__(self, other):
        if not isinstance(other, tuple):
            return NotImplemented
        return Size(tuple.__add__(other, self))

    def __mul__(self, n):
        return Size(tuple.__mul__(self, n))

    __rmul__ = __mul__

    def __reduce__(self):
        return Size, (tuple(self),)


Size.__module__ = "rushlight"


def numel(shape):
    """Number of elements of a shape."""
    n = 1
    for s in shape:
        n *= s
    return n


def wrap_dim(dim, ndim, what="Dimension"):
    """A dimension index in [0, ndim); IndexError as PyTorch words it."""
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"dimension must be an int, not {type(dim).__name__}")
    dim = dim.__index__()
    limit = max(ndim, 1)
    if not -limit <= dim < limit:
        raise IndexError(
            f"{what} out of range (expected to be in range of "
            f"[{-limit}, {limit - 1}], but got {dim})"
        )
    return dim + limit if dim < 0 else dim


def wrap_dims(dims, ndim):
    """Distinct wrapped dimensions, sorted; None or () means all of them."""
    if dims is None:
        return tuple(range(ndim))
    if not isinstance(dims, (tuple, list)):
        dims = (dims,)
    if not len(dims):
        return tuple(range(ndim))
    return unique_dims(dims, ndim)


def unique_dims(dims, ndim):
    """Wrapped dimensions, sorted; RuntimeError where one appears twice."""
    wrapped = [wrap_dim(d, ndim) for d in dims]
    for i, d in enumerate(wrapped):
        if d in wrapped[:i]:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return tuple(sorted(d for d in wrapped if d < ndim))


def contiguous_strides(shape, order=None):
    """Row-major strides; `order` lists dimensions from the innermost outward."""
    out, step = [0] * len(shape), 1
    for d in order if order is not None else range(len(shape) - 1, -1, -1):
        out[d] = step
        step *= max(shape[d], 1)
    return tuple(out)


def is_contiguous(shape, strides):
    """Row-major without gaps; sizes 1 and empty tensors do not care."""
    step = 1
    for n, s in zip(reversed(shape), reversed(strides), strict=True):
        if n == 0:
            return True
        if n != 1 and s != step:
            step = -1  # an empty dimension further out may still make it contiguous
        step *= n if step > 0 else 1
        if step < 0:
            return 0 in shape
    return True


def is_dense(shape, strides):
    """Non-overlapping and dense: some permutation of the dimensions is contiguous."""
    if 0 in shape:
        return True
    step = 1
    for s, n in sorted((s, n) for s, n in zip(strides, shape, strict=True) if n != 1):
        if s != step:
            return False
        step *= n
    return True


CHANNELS_LAST_ORDER = {4: (1, 3, 2, 0), 5: (1, 4, 3, 2, 0)}


def channels_last_strides(shape):
    """Strides of channels_last (4-d) or channels_last_3d (5-d)."""
    return contiguous_strides(shape, CHANNELS_LAST_ORDER[len(shape)])


def suggests_channels_last(shape, strides):
    """Does PyTorch take strides for channels_last?  Sizes of 1 leave a choice, which operators make
    by this rule: strides grow from the channels over the last dimension to the batch, and where
    batch and channels cannot be told apart it is row-major."""
    order = CHANNELS_LAST_ORDER.get(len(shape))
    if order is None or 0 in shape or strides[1] == 0:
        return False
    least = 0
    for d in order:
        if strides[d] < least or d == 0 and strides[1] == least:
            return False
        least = strides[d] * shape[d]
    return True


def is_channels_last(shape, strides):
    """Laid out NHWC (or NDHWC) exactly; sizes 1 do not care."""
    if len(shape) not in CHANNELS_LAST_ORDER or 0 in shape:
        return False
    step = 1
    for d in CHANNELS_LAST_ORDER[len(shape)]:
        if shape[d] != 1:
            if strides[d] != step:
                return False
            step *= shape[d]
    return True


def broadcast_shapes(*shapes):
    """NumPy broadcasting, with PyTorch's words on failure."""
    ndim = max(map(len, shapes), default=0)
    out = [1] * ndim
    for shape in shapes:
        pad = ndim - len(shape)
        for i, n in enumerate(shape):
            have = out[pad + i]
            if n == have or n == 1:
                continue
            if have != 1:
                raise RuntimeError(
                    f"The size of tensor a ({have}) must match the size of tensor b "
                    f"({n}) at non-singleton dimension {pad + i}"
                )
            out[pad + i] = n
    return tuple(out)


def broadcast_strides(shape, strides, target):
    """Strides of `shape` expanded to `target`."""
    pad = len(target) - len(shape)
    return (0,) * pad + tuple(
        0 if n == 1 and t != 1 else s for n, s, t in zip(shape, strides, target[pad:], strict=True)
    )


def expand_strides(shape, strides, target):
    """Strides of Tensor.expand (a new size-1 leading dimension gets the stride PyTorch shows)."""
    pad = len(target) - len(shape)
    out = [
        0 if n == 1 and t != 1 else s for n, s, t in zip(shape, strides, target[pad:], strict=True)
    ]
    for i in range(pad - 1, -1, -1):
        out.insert(0, target[i + 1] * out[0] if target[i] == 1 and shape else 0)
    return tuple(out)


def _iterator_order(shape, wide):
    def compare(d0, d1):
        for st in wide:
            if st[d0] == 0 or st[d1] == 0:
                continue
            if st[d0] != st[d1]:
                return -1 if st[d0] < st[d1] else 1
            if shape[d0] > shape[d1]:
                return 1
        return 0

    perm = list(range(len(shape) - 1, -1, -1))
    for i in range(1, len(perm)):
        d1 = i
        for d0 in range(i - 1, -1, -1):
            order = compare(perm[d0], perm[d1])
            if order > 0:
                perm[d0], perm[d1] = perm[d1], perm[d0]
                d1 = d0
            elif order < 0:
                break
    return perm


def result_strides(shape, operands):
    """TensorIterator's strides of a pointwise result; operands = [(shape, strides)]."""
    same = [o for o in operands if o[0] == shape]
    if len(same) == len(operands):
        if all(is_contiguous(*o) for o in operands):
            return contiguous_strides(shape)
        first = operands[0][1]
        if all(o[1] == first and is_dense(*o) for o in operands):
            return first
    wide = [broadcast_strides(s, st, shape) for s, st in operands]
    order = _iterator_order(shape, wide)
    if order == list(range(len(shape) - 1, -1, -1)):
        return contiguous_strides(shape)
    out, step = [0] * len(shape), 1
    for d in order:  # unlike in row-major strides, an empty dimension makes outer strides 0
        out[d] = step
        step *= shape[d]
    return tuple(out)


def like_strides(shape, strides):
    """Strides of ``*_like`` and ``clone``: kept where dense, else in iterator order."""
    if is_dense(shape, strides):
        return strides
    return contiguous_strides(shape, _iterator_order(shape, [strides]))


def view_strides(shape, strides, new):
    """Strides of ``view(new)``, or None where the memory cannot be seen that way."""
    if numel(shape) == 0:
        return strides if tuple(shape) == tuple(new) else contiguous_strides(new)
    if not shape:
        return (1,) * len(new)
    out, d, base, tn, vn = [0] * len(new), len(new) - 1, strides[-1], 1, 1
    for t in range(len(shape) - 1, -1, -1):
        tn *= shape[t]
        if t == 0 or (shape[t - 1] != 1 and strides[t - 1] != tn * base):
            while d >= 0 and (vn < tn or new[d] == 1):
                out[d] = vn * base
                vn *= new[d]
                d -= 1
            if vn != tn:
                return None
            if t > 0:
                base, tn, vn = strides[t - 1], 1, 1
    return tuple(out) if d == -1 else None


def infer_size(new, count):
    """Resolve one -1 in a requested shape of `count` elements."""
    new = tuple(new)
    known, hole = 1, None
    for i, n in enumerate(new):
        if n == -1:
            if hole is not None:
                raise RuntimeError("only one dimension can be inferred")
            hole = i
        elif n < 0:
            raise RuntimeError(f"invalid shape dimension {n}")
        else:
            known *= n
    if hole is None:
        if known != count:
            raise RuntimeError(f"shape '{list(new)}' is invalid for input of size {count}")
        return new
    if known == 0:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(new)} because "
            "the unspecified dimension size -1 can be any value and is ambiguous"
        )
    if count % known:
        raise RuntimeError(f"shape '{list(new)}' is invalid for input of size {count}")
    return (*new[:hole], count // known, *new[hole + 1 :])


def extent(shape, strides):
    """Number of storage elements a view spans from its offset (0 when empty)."""
    if 0 in shape:
        return 0
    return 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))


def has_zero_stride(shape, strides):
    """Does an expanded dimension make several elements share one location?"""
    return not is_dense(shape, strides) and any(
        n > 1 and s == 0 for n, s in zip(shape, strides, strict=True)
    )
