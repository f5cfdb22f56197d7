"""Tensors taken apart for pickling and put together again: the functions that checkpoints name.

PyTorch's pickles call ``torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ...)``;
these functions have its names and arguments. `reduce_tensor` is the other direction.
Next: serialization_pickle.py, which gives them their public names.
"""

import functools
import io
import operator
import warnings
from collections import OrderedDict
from typing import Any

from .. import frontend as rl
from . import storage_api
from .printing import COMPRESSED_INDICES

# Saved by torch.save as numbers of one of these types, each with its own legacy storage class.
STORAGE_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
}


class TypedStorage:
    """An untyped storage read as elements of one dtype, as checkpoints describe storages.

    Args:
        wrap_storage: the untyped storage, which is shared.
        dtype: the type of its elements.
        start, numel: the part of the storage that is meant, in elements; None: up to its end.

    >>> import io
    >>> import rushlight as torch
    >>> file = io.BytesIO()
    >>> torch.save(torch.tensor([1, 2]).untyped_storage(), file)
    >>> _ = file.seek(0)
    >>> storage = torch.load(file, weights_only=False)
    >>> storage.dtype, len(storage)
    (torch.uint8, 16)
    """

    def __init__(self, *, wrap_storage, dtype, start: int = 0, numel: int | None = None):
        self._untyped_storage = wrap_storage
        self.dtype = dtype
        self.start = start
        self._numel = wrap_storage.nbytes() // dtype.itemsize - start if numel is None else numel

    @property
    def device(self):
        return self._untyped_storage.device

    def untyped(self):
        """The storage without its dtype."""
        return self._untyped_storage

    def nbytes(self) -> int:
        """Size in bytes."""
        return self._numel * self.dtype.itemsize

    def element_size(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

    def __len__(self) -> int:
        return self._numel

    size = __len__

    def __getitem__(self, index):
        return self._tensor()[index].item() if isinstance(index, int) else self.tolist()[index]

    def tolist(self) -> list:
        """The elements as Python numbers."""
        return self._tensor().tolist()

    def __repr__(self) -> str:
        return f"TypedStorage(dtype={self.dtype}, device={self.device}, size={len(self)})"

    def __reduce__(self):
        from .serialization import save

        buffer = io.BytesIO()
        save(self, buffer, _use_new_zipfile_serialization=False)
        return _load_from_bytes, (buffer.getvalue(),)

    def _tensor(self):
        return _rebuild_tensor(self, 0, (len(self),), (1,))


def _load_from_bytes(b: bytes):
    # Named by pickles made without torch.save. Whoever unpickles those has trusted them already.
    from .serialization import load

    return load(io.BytesIO(b), weights_only=False)


class MetaStorage:
    """Stands for a storage that was not read, because its tensors go to the meta device."""

    def __init__(self, nbytes: int):
        self._nbytes = nbytes
        self.device = rl.device("meta")

    def nbytes(self) -> int:
        return self._nbytes


# --- taking apart ----------------------------------------------------------------------------


def reduce_tensor(t) -> tuple:
    """What ``Tensor.__reduce_ex__`` returns: a function of this module and its arguments.

    The storage goes along whole and once, so tensors that share it still do after loading. Hooks
    and history are left behind; attributes and the class of a subclass are kept.
    """
    _warn_of_hooks(t)
    function, arguments = _reduce_plain(t)
    state = _get_obj_state(t)
    if type(t) is rl.Tensor and not state:
        return function, arguments
    return _rebuild_from_type_v2, (function, type(t), arguments, state)


def _reduce_plain(t) -> tuple:
    if str(t.layout) != "torch.strided":
        return _rebuild_sparse_tensor, (t.layout, _sparse_parts(t))
    size, stride = tuple([*t.shape]), tuple([*t.stride()])  # new objects: pickle writes each
    if t.device.type == "meta":
        return _rebuild_meta_tensor_no_storage, (t.dtype, size, stride, t.requires_grad)
    t = t.resolve_conj().resolve_neg() if t.is_conj() or t.is_neg() else t
    untyped = t.untyped_storage()
    place: tuple = (t.storage_offset(), size, stride, t.requires_grad, OrderedDict())
    if t.dtype in typed_dtypes():
        typed = TypedStorage(wrap_storage=untyped, dtype=t.dtype)
        return _rebuild_tensor_v2, (typed, *place)
    return _rebuild_tensor_v3, (untyped, *place, t.dtype)


@functools.cache
def typed_dtypes() -> dict[Any, str]:
    """The dtypes that have a legacy storage class, with its name; others are saved as bytes."""
    return {getattr(rl, dtype): name for name, dtype in STORAGE_DTYPES.items()}


def _sparse_parts(t) -> tuple:
    if str(t.layout) == "torch.sparse_coo":
        return t._indices(), t._values(), t.size(), t.is_coalesced()
    compressed, plain = COMPRESSED_INDICES[str(t.layout)]
    return getattr(t, compressed)(), getattr(t, plain)(), t.values(), t.size()


def _warn_of_hooks(t) -> None:
    for hook in (getattr(t, "_backward_hooks", None) or {}).values():
        if not getattr(hook, "__torch_unserializable__", False):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized. If this is expected, "
                "decorate the function with @torch.utils.hooks.unserializable_hook to suppress "
                "this warning",
                stacklevel=4,
            )


def _get_obj_state(obj) -> Any:
    """The attributes a program has put on a tensor: its ``__dict__`` and its subclass's slots."""
    if type(obj).__getstate__ is not object.__getstate__:
        return obj.__getstate__()
    slots = {name: getattr(obj, name) for name in _user_slots(type(obj)) if hasattr(obj, name)}
    state = {name: value for name, value in vars(obj).items() if not _is_internal(name)}
    return (state, slots) if slots else state


def _is_internal(name: str) -> bool:
    """Whether an attribute is the tensor itself, such as its gradient, and not a program's."""
    return hasattr(rl.Tensor, name)


def _user_slots(cls: type) -> list[str]:
    """Slots that a program's subclasses declare; those of our own classes are the tensor itself."""
    root = __name__.partition(".")[0]
    names: list[str] = []
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] != root:
            slots = vars(base).get("__slots__", ())
            names += (slots,) if isinstance(slots, str) else slots
    return [name for name in names if name not in ("__dict__", "__weakref__")]


# --- putting together ------------------------------------------------------------------------


def _rebuild_tensor(storage, storage_offset, size, stride):
    return _build(storage, storage.dtype, storage_offset, size, stride, False)


def _rebuild_tensor_v2(
    storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None
):
    tensor = _build(storage, storage.dtype, storage_offset, size, stride, requires_grad)
    return _finish(tensor, backward_hooks, metadata)


def _rebuild_tensor_v3(
    storage, storage_offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None
):
    tensor = _build(storage, dtype, storage_offset, size, stride, requires_grad)
    return _finish(tensor, backward_hooks, metadata)


def _rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad):
    return rl.empty_strided(size, stride, dtype=dtype, device="meta", requires_grad=requires_grad)


def _rebuild_sparse_tensor(layout, data):
    if str(layout) == "torch.sparse_coo":
        indices, values, size, *coalesced = data
        is_coalesced = coalesced[0] if coalesced else None
        # Indices come from the file, so they are always checked.
        return rl.sparse_coo_tensor(
            indices, values, size, is_coalesced=is_coalesced, check_invariants=True
        )
    if str(layout) in COMPRESSED_INDICES:
        return rl.sparse_compressed_tensor(*data, layout=layout, check_invariants=True)
    raise NotImplementedError(f"rebuilding sparse tensor for layout {layout}")


def _rebuild_from_type_v2(func, new_type, args, state):
    # A checkpoint chooses func and new_type: nothing else than tensors may be made here.
    if not (isinstance(new_type, type) and issubclass(new_type, rl.Tensor)):
        raise TypeError(f"expected a subclass of torch.Tensor to rebuild, got {new_type!r}")
    tensor = func(*args)
    if type(tensor) is not new_type:
        tensor = tensor.as_subclass(new_type)
    restore = getattr(new_type, "__setstate__", None)
    if restore is not None and restore is not getattr(rl.Tensor, "__setstate__", None):
        tensor.__setstate__(state)
        return tensor
    return _set_obj_state(tensor, state)


def _set_obj_state(obj, state):
    """Put back what `_get_obj_state` returned: a dict, or a pair of dicts (attributes, slots)."""
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    # Into __dict__ and a program's own slots only: no property, __class__ or inside of a tensor.
    for name, value in (attributes or {}).items():
        if not (isinstance(obj, rl.Tensor) and _is_internal(name)):
            vars(obj)[name] = value
    allowed = _user_slots(type(obj))
    for name, value in (slots or {}).items():
        if name not in allowed:
            raise RuntimeError(f"Invalid serialized state: {type(obj).__name__} has no {name!r}")
        setattr(obj, name, value)
    return obj


def _get_layout(name):
    """The layout object printed as `name`, such as ``"torch.sparse_coo"``."""
    layout = getattr(rl, name.removeprefix("torch."), None)
    if str(layout) != name:
        raise RuntimeError(f"the checkpoint uses layout {name}, which rushlight does not have")
    return layout


def _unsupported(name: str, what: str):
    def rebuild(*args):
        raise NotImplementedError(f"{name}: rushlight cannot load {what}")

    rebuild.__name__ = rebuild.__qualname__ = name
    return rebuild


_rebuild_qtensor = _unsupported("_rebuild_qtensor", "quantized tensors")
_rebuild_nested_tensor = _unsupported("_rebuild_nested_tensor", "nested tensors")
_rebuild_wrapper_subclass = _unsupported("_rebuild_wrapper_subclass", "wrapper subclasses")


def _build(storage, dtype, storage_offset, size, stride, requires_grad):
    if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(
            "only Tensors of floating point and complex dtype can require gradients, but the "
            f"checkpoint has one of {dtype} that does"
        )
    offset = operator.index(storage_offset)
    size, stride = tuple(map(operator.index, size)), tuple(map(operator.index, stride))
    _check_bounds(storage.nbytes(), dtype.itemsize, offset, size, stride)
    untyped = storage
    if isinstance(storage, TypedStorage):
        untyped, offset = storage.untyped(), offset + storage.start
    if untyped.device.type == "meta":
        return rl.empty_strided(
            size, stride, dtype=dtype, device="meta", requires_grad=requires_grad
        )
    return storage_api.rebuild_tensor(untyped, dtype, offset, size, stride, requires_grad)


def _check_bounds(nbytes: int, itemsize: int, offset: int, size: tuple, stride: tuple) -> None:
    """Refuse a tensor that would reach outside its storage, as a forged checkpoint may ask for."""
    if len(size) != len(stride) or offset < 0 or min((*size, *stride), default=0) < 0:
        raise RuntimeError(
            f"setStorage: invalid sizes {list(size)}, strides {list(stride)} or storage offset "
            f"{offset}: they must be as many and not negative"
        )
    if 0 in size:
        return
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if (last + 1) * itemsize > nbytes:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and "
            f"itemsize {itemsize} requiring a storage size of {(last + 1) * itemsize} are out of "
            f"bounds for storage of size {nbytes}"
        )


def _finish(tensor, backward_hooks, metadata):
    if backward_hooks:
        warnings.warn("backward hooks in the checkpoint are not restored", stacklevel=3)
    unknown = set(metadata or ()) - {"conj", "neg"}
    if unknown:
        raise RuntimeError(f"unsupported tensor metadata in the checkpoint: {sorted(unknown)}")
    if metadata and metadata.get("conj"):
        tensor = tensor.conj()
    if metadata and metadata.get("neg"):
        tensor = tensor.neg()
    return tensor
