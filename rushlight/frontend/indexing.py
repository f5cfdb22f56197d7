"""``x[...]`` and ``x[...] = v``: views for ints, slices, None and Ellipsis, then tensors of
indices."""

import warnings

import numpy as np

from ..engine.base import dtypes
from ..engine.base.shapes import wrap_dim
from .creation import from_data, full_array, tensor
from .tensor import Tensor


def getitem(self, key):
    """The elements at `key`: a view where only ints, slices, None and Ellipsis are used."""
    viewed, indices = _apply_views(self, key)
    if indices is None:
        return viewed if viewed is not self else self.as_view()
    return _index(viewed, indices)


def setitem(self, key, value):
    """Write `value` (broadcast, converted) at `key`."""
    if key is False:
        return  # nothing is selected
    if isinstance(value, list | tuple | np.ndarray):
        raise TypeError(
            f"can't assign a {type(value).__name__} to a {self.type()} (hint: torch.tensor(value))"
        )
    viewed, indices = _apply_views(self, key)
    if not isinstance(value, Tensor):
        number = isinstance(value, bool | int | float | complex)
        value = (
            full_array((), value, self.dtype)
            if number
            else tensor(value, dtype=self.dtype, device=self.device)
        )
    if indices is None:
        viewed.copy_(_fit(value, viewed.shape))
        return
    value = value.to(self.dtype) if value.dtype is not self.dtype else value
    if (
        len(indices) == 1
        and _is_mask(indices[0])
        and value._meta.plain.numel == 1
        and indices[0].shape == viewed.shape
    ):
        viewed.masked_fill_(indices[0], value.reshape(()))
        return
    viewed.index_put_(indices, value)


def _fit(value, shape):
    """Leading sizes 1 that the target lacks are dropped, as PyTorch does; the rest must expand."""
    extra = value.ndim - len(shape)
    if extra > 0 and all(n == 1 for n in value.shape[:extra]):
        value = value.reshape(value.shape[extra:])
    for d, (n, m) in enumerate(zip(reversed(value.shape), reversed(shape), strict=False), 1):
        if n not in (1, m):
            raise RuntimeError(
                f"The expanded size of the tensor ({m}) must match the existing size ({n}) at "
                f"non-singleton dimension {len(shape) - d}.  Target sizes: {list(shape)}.  Tensor "
                f"sizes: {list(value.shape)}"
            )
    return value


def _apply_views(self, key):
    """Do everything that is a view; returns (view, index tensors or None)."""
    items = list(key) if isinstance(key, tuple) else [key]
    items = _expand_ellipsis(self, [_normal(i) for i in items])
    out, d, indices = self, 0, {}
    for item in items:
        if item is None:
            out = out.unsqueeze(d)
            d += 1
        elif isinstance(item, slice):
            if d >= out.ndim:
                _too_many(self, items)
            out = _slice(out, d, item)
            d += 1
        elif isinstance(item, bool):
            out = out.unsqueeze(d)
            indices[d] = tensor([0] if item else [], dtype=dtypes.int64)
            d += 1
        elif isinstance(item, Tensor):
            indices[d] = item
            d += item.ndim if _is_mask(item) else 1
        else:
            if d >= out.ndim:
                _too_many(self, items)
            out = _select(out, d, item, self.ndim - out.ndim + d)
    if not indices:
        return out, None
    return out, [indices.get(i) for i in range(max(indices) + 1)] if not any(
        _is_mask(i) for i in indices.values()
    ) else _spread(indices)


def _spread(indices):
    """Index list with masks in their first dimension (they take several)."""
    out, d = [], 0
    for at in sorted(indices):
        out += [None] * (at - d)
        out.append(indices[at])
        d = at + (indices[at].ndim if _is_mask(indices[at]) else 1)
    return out


def _normal(item):
    if item is None or item is Ellipsis or isinstance(item, bool | slice):
        return item
    if isinstance(item, Tensor):
        if item.ndim == 0 and item.dtype.category == dtypes.INT:
            return item  # a 0-d index tensor: advanced, but its value is not needed yet
        if item.ndim == 0 and item.dtype is dtypes.bool_:
            return bool(item)
        return item
    if isinstance(item, np.bool_):
        return bool(item)
    if isinstance(item, np.ndarray):
        return from_data(np.array(item), dtypes.from_numpy_dtype(item.dtype))
    if hasattr(item, "__index__"):
        return item.__index__()
    if isinstance(item, list | tuple | range):
        return tensor(list(item)) if len(item) else tensor([], dtype=dtypes.int64)
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables "
        f"are valid indices (got {type(item).__name__})"
    )


def _uses(item):
    if item is None or isinstance(item, bool):
        return 0
    return item.ndim if _is_mask(item) else 1


def _is_mask(item):
    return isinstance(item, Tensor) and item.dtype in (dtypes.bool_, dtypes.uint8)


def _expand_ellipsis(self, items):
    used = sum(_uses(i) for i in items if i is not Ellipsis)
    if used > self.ndim:
        _too_many(self, items)
    if not any(i is Ellipsis for i in items):
        return items
    at = next(k for k, i in enumerate(items) if i is Ellipsis)
    rest = [i for i in items[at + 1 :] if i is not Ellipsis]
    return items[:at] + [slice(None)] * (self.ndim - used) + rest


def _too_many(self, items):
    if self.ndim == 0:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or "
            "`tensor.item<T>()` in C++ to convert a 0-dim tensor to a number"
        )
    raise IndexError(f"too many indices for tensor of dimension {self.ndim}")


def _slice(t, d, item):
    bounds = [None if b is None else int(b) for b in (item.start, item.stop, item.step)]
    step = 1 if bounds[2] is None else bounds[2]
    if step <= 0:
        raise ValueError("step must be greater than zero")
    size = t.shape[d]
    if step == 1 and bounds[0] in (None, 0, -size) and (bounds[1] is None or bounds[1] >= size):
        return t  # the whole dimension: PyTorch makes no view for it
    return t.slice_view(d, bounds[0], bounds[1], step)


def _select(t, d, i, named):
    """One position of dimension d, which a refusal calls `named`."""
    size = t.shape[wrap_dim(d, t.ndim)]
    if not -size <= i < size:
        raise IndexError(f"index {i} is out of bounds for dimension {named} with size {size}")
    return t.select(d, i)


def positions(t, indices):
    """Masks become vectors of positions (which reads them)."""
    out, d = [], 0
    for i in indices:
        if i is None:
            out.append(None)
            d += 1
        elif _is_mask(i):
            if i.dtype is dtypes.uint8:
                warnings.warn(
                    "indexing with dtype torch.uint8 is now deprecated, please use a dtype "
                    "torch.bool instead.",
                    UserWarning,
                    stacklevel=5,
                )
            for k, n in enumerate(i.shape):
                if n != t.shape[d + k]:
                    raise IndexError(
                        f"The shape of the mask {list(i.shape)} at index {k} does not "
                        f"match the shape of the indexed tensor {list(t.shape)} at "
                        f"index {d + k}"
                    )
            out += list(i.nonzero(as_tuple=True))
            d += i.ndim
        else:
            out.append(i)
            d += 1
    return [i if i is None or i.device.type != "cpu" else i.to(t.device) for i in out]


def _index(t, indices):
    return t.index_values(positions(t, indices))
