"""How samples become a batch: `default_collate`, and `default_convert` where nothing is batched."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence

import numpy as np

from ... import frontend as rl

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

CollateFns = dict[type | tuple[type, ...], Callable]

_TEXT_OR_OBJECT = re.compile(r"[SaUO]")  # in the `str` of a NumPy dtype
_UNSUPPORTED = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def default_convert(data):
    """Turn every NumPy array and number in `data` into a tensor, and leave all else as it is.

    Args:
        data: one sample: any nesting of mappings, sequences and leaves. Plain tuples come back
            as lists.

    >>> import numpy as np
    >>> from rushlight.utils.data import default_convert
    >>> default_convert({"a": np.array([1, 2]), "b": "text"})
    {'a': tensor([1, 2]), 'b': 'text'}
    """
    if isinstance(data, rl.Tensor):
        return data
    # Array types of other packages stay theirs, though they may derive from NumPy's.
    if isinstance(data, np.ndarray | np.generic) and type(data).__module__ == "numpy":
        return data if _TEXT_OR_OBJECT.search(data.dtype.str) else rl.as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(item) for item in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like_sequence(data, [default_convert(item) for item in data])
    return data


def collate(batch, *, collate_fn_map: CollateFns | None = None):
    """Batch samples, with one function for each type of leaf.

    Args:
        batch: samples of one structure, at least one.
        collate_fn_map: from a type, or tuple of types, to
            ``fn(batch, *, collate_fn_map)``. An exact type is tried first, then `isinstance`
            in the dictionary's order.

    Raises:
        TypeError: if a leaf has none of the types.
        RuntimeError: if the sequences of one place differ in length.
    """
    elem = batch[0]
    collate_fn = _find_collate_fn(elem, collate_fn_map or {})
    if collate_fn is not None:
        return collate_fn(batch, collate_fn_map=collate_fn_map)
    if isinstance(elem, Mapping):
        columns = {key: [sample[key] for sample in batch] for key in elem}
        return _like_mapping(
            elem, {key: collate(col, collate_fn_map=collate_fn_map) for key, col in columns.items()}
        )
    if not isinstance(elem, Sequence):
        raise TypeError(_UNSUPPORTED.format(type(elem)))
    is_namedtuple = isinstance(elem, tuple) and hasattr(elem, "_fields")
    if not is_namedtuple and any(len(sample) != len(elem) for sample in batch):
        raise RuntimeError(
            "each element in list of batch should be of equal size, "
            f"got {sorted({len(sample) for sample in batch})}"
        )
    items = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=False)]
    if is_namedtuple:
        return type(elem)(*items)
    return items if isinstance(elem, tuple) else _like_sequence(elem, items)


def _find_collate_fn(elem, collate_fn_map: CollateFns) -> Callable | None:
    if type(elem) in collate_fn_map:
        return collate_fn_map[type(elem)]
    return next((fn for kind, fn in collate_fn_map.items() if isinstance(elem, kind)), None)


def _like_mapping(like, items: dict):
    """`items` in a mapping of the same type, with its other properties; else in a plain dict."""
    try:
        if isinstance(like, MutableMapping):
            clone = copy.copy(like)
            clone.update(items)
            return clone
        return type(like)(items)
    except TypeError:  # no copy(), update() or such a constructor
        return items


def _like_sequence(like, items: list):
    """`items` in a sequence of the same type, with its other properties; else in a plain list."""
    try:
        if isinstance(like, MutableSequence):
            clone = copy.copy(like)
            for i, item in enumerate(items):
                clone[i] = item
            return clone
        return type(like)(items)
    except TypeError:  # no copy(), item assignment or such a constructor, as with `range`
        return items


def collate_tensor_fn(batch, *, collate_fn_map: CollateFns | None = None):
    """Stack tensors along a new first dimension."""
    elem = batch[0]
    kind = "nested" if elem.is_nested else "sparse" if elem.layout != rl.strided else None
    if kind is not None:
        raise RuntimeError(
            f"Batches of {kind} tensors are not currently supported by the default collate_fn; "
            "please provide a custom collate_fn to handle them appropriately."
        )
    return rl.stack(batch, 0)


def collate_numpy_array_fn(batch, *, collate_fn_map: CollateFns | None = None):
    """Convert arrays to tensors and collate those."""
    dtype = batch[0].dtype
    if _TEXT_OR_OBJECT.search(dtype.str):
        raise TypeError(_UNSUPPORTED.format(dtype))
    return collate([rl.as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch, *, collate_fn_map: CollateFns | None = None):
    """A tensor (N,) of the NumPy numbers' dtype."""
    return rl.as_tensor(batch)


def collate_float_fn(batch, *, collate_fn_map: CollateFns | None = None):
    """A float64 tensor (N,)."""
    return rl.tensor(batch, dtype=rl.float64)


def collate_int_fn(batch, *, collate_fn_map: CollateFns | None = None):
    """An int64 (of bools: bool) tensor (N,)."""
    return rl.tensor(batch)


def collate_str_fn(batch, *, collate_fn_map: CollateFns | None = None):
    """Text and bytes stay as they are."""
    return batch


# Order matters: np.float64 is a float too, and a bool is an int. Users may add to it.
default_collate_fn_map: CollateFns = {
    rl.Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch):
    """Batch samples: leaves get a new first dimension N, the structure around them stays.

    Tensors are stacked; arrays and numbers become tensors (floats float64, ints int64); text
    stays a list. Mappings, namedtuples and sequences keep their type; plain tuples become lists.

    Args:
        batch: N samples of one structure, N at least 1.

    Raises:
        TypeError: if a leaf is of another kind.
        RuntimeError: if the sequences of one place differ in length, or tensors in shape.

    >>> from rushlight.utils.data import default_collate
    >>> default_collate([{"x": 0, "y": "a"}, {"x": 1, "y": "b"}])
    {'x': tensor([0, 1]), 'y': ['a', 'b']}
    >>> default_collate([(0, 1.5), (2, 2.5)])
    [tensor([0, 2]), tensor([1.5000, 2.5000], dtype=torch.float64)]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
