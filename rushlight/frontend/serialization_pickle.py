"""Names and picklers of checkpoints.

A checkpoint says ``torch.nn.modules.linear.Linear`` whoever wrote it, so that PyTorch and rushlight
read each other's files: `torch_name` and `resolve` translate, at pickling and back.
Next: serialization_unpickle.py, the way back.
"""

import copyreg
import dataclasses
import functools
import pickle
from collections import ChainMap
from collections.abc import Callable
from importlib import import_module
from types import FunctionType
from typing import IO, Any

from .. import frontend as rl
from . import serialization_rebuild as rebuild
from . import storage_api
from .serialization_rebuild import STORAGE_DTYPES, TypedStorage

_OURS = __name__.partition(".")[0]
# PyTorch's packages and where their modules are here; the longest name of ours comes first.
_PACKAGES = {
    "torchvision": f"{_OURS}.vision",
    "torchaudio": f"{_OURS}.audio",
    "torchtext": f"{_OURS}.text",
    "torch": _OURS,
}
# Rooms without a PyTorch counterpart: what they define is known by its place in `torch`, if any.
_PRIVATE_ROOMS = ("frontend", "engine", "interop", "serve", "cli")

# Functions and classes that PyTorch keeps elsewhere than we do.
SPECIAL: dict[tuple[str, str], Any] = {
    ("torch._tensor", "_rebuild_from_type_v2"): rebuild._rebuild_from_type_v2,
    ("torch.serialization", "_get_layout"): rebuild._get_layout,
    ("torch.storage", "_load_from_bytes"): rebuild._load_from_bytes,
    ("torch.storage", "TypedStorage"): TypedStorage,
}
_REBUILDERS = (
    "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_sparse_tensor "
    "_rebuild_meta_tensor_no_storage _rebuild_qtensor _rebuild_nested_tensor "
    "_rebuild_wrapper_subclass"
).split()
SPECIAL.update((("torch._utils", name), getattr(rebuild, name)) for name in _REBUILDERS)
SPECIAL_NAMES = {id(value): name for name, value in SPECIAL.items()}


# --- names -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class StorageType:
    """The kind of a storage as checkpoints name it, e.g. ``torch.FloatStorage``."""

    name: str

    @property
    def dtype(self):
        """The dtype of its elements; uint8 for an untyped storage."""
        if self.name == "UntypedStorage":
            return rl.uint8
        return getattr(rl, STORAGE_DTYPES[self.name])

    @property
    def module(self) -> str:
        """PyTorch's module of the class."""
        return "torch.storage" if self.name == "UntypedStorage" else "torch"


# One object per name, which a pickle then mentions once.
storage_type = functools.cache(StorageType)


def find_storage_type(module: str, name: str) -> StorageType | None:
    """The kind of storage that a class in a pickle stands for, or None."""
    # Storages of other devices are named torch.cuda.FloatStorage; the location says which device.
    known = name in STORAGE_DTYPES or name == "UntypedStorage"
    return storage_type(name) if known and module.partition(".")[0] == "torch" else None


def resolve(module: str, name: str) -> Any:
    """The object of ours that PyTorch's `module` and `name` stand for.

    Raises: AttributeError if rushlight has no such thing.
    """
    if (module, name) in SPECIAL:
        return SPECIAL[module, name]
    for candidate in (module, "torch"):
        try:
            return functools.reduce(getattr, name.split("."), import_module(_ours(candidate)))
        except AttributeError:
            continue
        except ModuleNotFoundError as error:
            # The module itself is missing, and not one that it fails to import.
            if not f"{_ours(candidate)}.".startswith(f"{error.name}."):
                raise
    raise AttributeError(
        f"the checkpoint uses {module}.{name}, which rushlight does not have\n"
        "hint: save a state_dict where the checkpoint was made, and load that"
    )


def torch_name(obj: Any, qualname: str) -> tuple[str, str] | None:
    """Under which of PyTorch's modules and names a pickle says `obj`; None if it is not ours."""
    special = SPECIAL_NAMES.get(id(obj))
    if special is not None:
        return special
    module = getattr(obj, "__module__", None)
    if not isinstance(module, str) or module.partition(".")[0] not in (_OURS, "torch"):
        return None
    for candidate in (_theirs(module), "torch"):
        try:
            if candidate is not None and resolve(candidate, qualname) is obj:
                return candidate, qualname
        except AttributeError:
            continue
    return None


def is_torch(module: str) -> bool:
    """Whether the module is one of PyTorch's packages that we stand in for."""
    return module.partition(".")[0] in _PACKAGES


def _ours(module: str) -> str:
    root, dot, rest = module.partition(".")
    return _PACKAGES[root] + dot + rest


def _theirs(module: str) -> str | None:
    if is_torch(module):
        return module
    if module.split(".")[1:2] and module.split(".")[1] in _PRIVATE_ROOMS:
        return None
    for theirs, ours in _PACKAGES.items():
        if module == ours or module.startswith(ours + "."):
            return theirs + module[len(ours) :]
    return None


# --- pickling --------------------------------------------------------------------------------

PersistentId = Callable[[Any], tuple | None]


def make_pickler(pickle_module, file: IO[bytes], protocol: int, persistent_id: PersistentId):
    """A pickler of `pickle_module` that stores storages through `persistent_id`.

    Picklers written in Python (pickle's own, dill's) also write our names as PyTorch's. Those in C
    (cloudpickle's) offer no way to; what they write, only rushlight reads.
    """
    base = pickle._Pickler if pickle_module is pickle else pickle_module.Pickler
    mixins = (_TorchNames,) if issubclass(base, pickle._Pickler) else ()

    def pid(self, obj):
        return persistent_id(obj)

    cls = type("TorchPickler", (*mixins, base), {"persistent_id": pid})
    pickler = cls(file, protocol=protocol)
    if mixins:
        pickler.dispatch_table = ChainMap(_reducers(), copyreg.dispatch_table)
    return pickler


@functools.cache
def _reducers() -> dict[type, Callable]:
    """How PyTorch pickles objects of the small classes: by name, or as a call."""

    def constant(obj):
        return str(obj).removeprefix("torch.")

    return {
        rl.dtype: constant,
        rl.memory_format: constant,
        rl.layout: lambda obj: (rebuild._get_layout, (str(obj),)),
        rl.device: lambda obj: (rl.device, (obj.type, *([] if obj.index is None else [obj.index]))),
    }


class _TorchNames:
    """Makes a pickler in Python write classes, functions and dtypes of ours by PyTorch's names."""

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, (type, FunctionType)):
            name = torch_name(obj, obj.__qualname__)
            if name is not None:
                return self._save_name(obj, *name)
        elif type(obj) is StorageType:
            return self._save_name(obj, obj.module, obj.name)
        return super().save(obj, save_persistent_id)  # type: ignore[misc]

    def save_global(self, obj, name=None):
        # Reached for objects that reduce to a name, such as dtypes.
        found = torch_name(obj, name) if name is not None else None
        if found is None:
            return super().save_global(obj, name)  # type: ignore[misc]
        return self._save_name(obj, *found)

    def _save_name(self, obj, module: str, name: str) -> None:
        written = self.memo.get(id(obj))  # type: ignore[attr-defined]
        if written is not None:
            self.write(self.get(written[0]))  # type: ignore[attr-defined]
            return
        if self.proto >= 4:  # type: ignore[attr-defined]
            super().save(module)  # type: ignore[misc]
            super().save(name)  # type: ignore[misc]
            self.write(pickle.STACK_GLOBAL)  # type: ignore[attr-defined]
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())  # type: ignore[attr-defined]
        self.memoize(obj)  # type: ignore[attr-defined]


def storage_entry(obj: Any) -> tuple[Any, Any, StorageType, int] | None:
    """(storage, dtype, kind, number of elements) of a storage object; None for anything else."""
    if isinstance(obj, TypedStorage):
        kind = storage_type(rebuild.typed_dtypes().get(obj.dtype, "UntypedStorage"))
        dtype = kind.dtype
        return obj.untyped(), dtype, kind, obj.nbytes() // dtype.itemsize
    if isinstance(obj, storage_api.UntypedStorage):
        return obj, rl.uint8, storage_type("UntypedStorage"), obj.nbytes()
    return None
