"""The formats before PyTorch 1.6: pickles followed by storages, and before that a tar file.

A file of the first kind holds, one after the other, five pickles (magic number, protocol version,
sizes of C types, the object, the list of its storages' keys) and then, for each key, an int64
number of elements and the elements. In a tar file the members `storages`, `tensors` and `pickle`
play these parts. Next: serialization.py, which chooses the format.
"""

import pickle
import struct
import sys
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from . import serialization_pickle as pickling
from . import serialization_rebuild as rebuild
from . import serialization_unpickle as unpickling
from . import storage_api
from .serialization_config import RestoreLocation
from .serialization_rebuild import TypedStorage
from .serialization_zip import read_exactly

if TYPE_CHECKING:  # imported when used, since few files need it
    from tarfile import TarFile

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001


def save(obj: Any, file: IO[bytes], pickle_module, protocol: int, persistent_id) -> None:
    """Write `obj`; `persistent_id` is a `StorageTable` of serialization.py."""
    sizes = {"short": 2, "int": 4, "long": struct.calcsize("@l")}
    system = {
        "protocol_version": _PROTOCOL_VERSION,
        "little_endian": sys.byteorder == "little",
        "type_sizes": sizes,
    }
    for header in (_MAGIC_NUMBER, _PROTOCOL_VERSION, system):
        pickle_module.dump(header, file, protocol=protocol)

    def with_view(value):
        # The sixth entry described views of storages, which are not made any more.
        pid = persistent_id(value)
        return pid and (*pid, None)

    pickling.make_pickler(pickle_module, file, protocol, with_view).dump(obj)
    keys = sorted(persistent_id.storages)
    pickle_module.dump(keys, file, protocol=protocol)
    file.flush()
    for key in keys:
        storage, itemsize = persistent_id.storages[key]
        file.write(struct.pack("<q", storage.nbytes() // itemsize))
        file.write(memoryview(storage._numpy_bytes()))


def load(file: IO[bytes], restore: RestoreLocation, pickle_module, **kwargs) -> Any:
    """Read one object from where `file` stands, and leave `file` after it.

    Args:
        restore: puts a storage, given its location tag, where it belongs.
        pickle_module: what to unpickle with, or `WeightsUnpickler`.
    """
    if file.tell() == 0 and _is_tar(file):
        if pickle_module is unpickling.WeightsUnpickler:
            raise RuntimeError(
                "Cannot use ``weights_only=True`` with files saved in the legacy .tar format. "
                "Pass weights_only=False if you trust the source of the file: it may run any code."
            )
        return _load_tar(file, restore, pickle_module, **kwargs)
    if unpickling.load_one(pickle_module, file, **kwargs) != _MAGIC_NUMBER:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version = unpickling.load_one(pickle_module, file, **kwargs)
    if version != _PROTOCOL_VERSION:
        raise RuntimeError(f"Invalid protocol version: {version}")
    unpickling.load_one(pickle_module, file, **kwargs)
    storages = _Storages(restore)
    result = unpickling.make_unpickler(pickle_module, file, storages.find, **kwargs).load()
    for key in unpickling.load_one(pickle_module, file, **kwargs):
        storages.fill(key, file)
    return result


class _Storages:
    """Storages by their keys: allocated when the object names them, filled when it is complete."""

    def __init__(self, restore: RestoreLocation):
        self._restore = restore
        self._roots: dict[str, TypedStorage] = {}
        self._views: dict[str, TypedStorage] = {}

    def find(self, saved_id: tuple) -> Any:
        """The storage, or class, that a persistent id of the object's pickle stands for."""
        kind = unpickling.maybe_ascii(saved_id[0])
        if kind == "module":
            # (class, file, source): the source served to warn of changes; the class is enough.
            return saved_id[1]
        if kind != "storage":
            raise RuntimeError(f"Unknown saved id type: {kind}")
        storage_type, key, location, numel, view = saved_id[1:]
        if key not in self._roots:
            nbytes = numel * storage_type.dtype.itemsize
            untyped = storage_api.UntypedStorage.from_bytes(np.zeros(nbytes, np.uint8))
            untyped = self._restore(untyped, unpickling.maybe_ascii(location))
            self._roots[key] = TypedStorage(wrap_storage=untyped, dtype=storage_type.dtype)
        return self._roots[key] if view is None else self._view(self._roots[key], *view)

    def fill(self, key: str, file: IO[bytes]) -> None:
        """Read a storage's elements."""
        if key not in self._roots:
            raise RuntimeError(f"the file has a storage {key!r} that its object does not mention")
        storage = self._roots[key]
        data = _read_elements(file, storage.dtype.itemsize)
        if data.nbytes != storage.nbytes():
            raise RuntimeError(
                f"storage has wrong byte size: expected {storage.nbytes()} got {data.nbytes}"
            )
        if storage.device.type != "meta":
            storage.untyped()._numpy_bytes()[:] = data

    def _view(self, root: TypedStorage, key: str, offset: int, size: int) -> TypedStorage:
        if key not in self._views:
            self._views[key] = _part_of(root, offset, size)
        return self._views[key]


def _part_of(root: TypedStorage, offset: int, size: int) -> TypedStorage:
    if offset < 0 or size < 0 or offset + size > len(root):
        raise RuntimeError(
            f"the file has a view of elements {offset} to {offset + size} of a storage with "
            f"{len(root)}"
        )
    return TypedStorage(wrap_storage=root.untyped(), dtype=root.dtype, start=offset, numel=size)


def _read_elements(file: IO[bytes], itemsize: int) -> np.ndarray:
    (numel,) = struct.unpack("<q", read_exactly(file, 8, "a storage's size").tobytes())
    return read_exactly(file, numel * itemsize, "a storage")


# --- tar -------------------------------------------------------------------------------------


def _is_tar(file: IO[bytes]) -> bool:
    import tarfile

    try:
        with tarfile.open(fileobj=file, mode="r:"):
            return True
    except tarfile.TarError:
        return False
    finally:
        file.seek(0)


def _load_tar(file: IO[bytes], restore: RestoreLocation, pickle_module, **kwargs) -> Any:
    import tarfile

    with tarfile.open(fileobj=file, mode="r:") as tar:
        objects: dict[Any, Any] = {}
        _read_tar_storages(_member(tar, "storages"), objects, restore)
        _read_tar_tensors(_member(tar, "tensors"), objects)

        def find(saved_id):
            return saved_id[0] if isinstance(saved_id, tuple) else objects[int(saved_id)]

        return unpickling.make_unpickler(
            pickle_module, _member(tar, "pickle"), find, **kwargs
        ).load()


def _member(tar: "TarFile", name: str) -> IO[bytes]:
    member = tar.extractfile(name)
    if member is None:
        raise RuntimeError(f"the member {name} of the tar file is not a file")
    return member


def _read_tar_storages(file: IO[bytes], objects: dict, restore: RestoreLocation) -> None:
    for _ in range(_Header(file).load()):
        key, location, storage_type = _Header(file).load()
        data = _read_elements(file, storage_type.dtype.itemsize)
        untyped = restore(storage_api.UntypedStorage.from_bytes(data), location)
        objects[key] = TypedStorage(wrap_storage=untyped, dtype=storage_type.dtype)
    for key, root, offset, size in _Header(file).load():
        objects[key] = _part_of(objects[root], offset, size)


def _read_tar_tensors(file: IO[bytes], objects: dict) -> None:
    for _ in range(_Header(file).load()):
        key, storage, _ = _Header(file).load()
        (ndim,) = struct.unpack("<q", file.read(8))
        *place, offset = struct.unpack(f"<{2 * ndim + 1}q", file.read(8 * (2 * ndim + 1)))
        objects[key] = rebuild._rebuild_tensor(objects[storage], offset, place[:ndim], place[ndim:])


class _Header(pickle.Unpickler):
    """Reads the small pickles between the data, in which classes only tell dtypes."""

    def find_class(self, module: str, name: str) -> Any:
        return pickling.find_storage_type(module, name)
