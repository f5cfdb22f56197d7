"""``torch.save`` and ``torch.load``: writes what PyTorch reads, and reads what PyTorch writes.

An archive (serialization_zip.py) holds a pickle of the object, ``data.pkl``, in which each storage
is only named, and the bytes of each storage once, as ``data/0``, ``data/1``, ... Tensors that share
a storage in the program share it after loading. Next: serialization_pickle.py (names),
serialization_unpickle.py (what a file may do), serialization_config.py (settings and devices),
serialization_legacy.py (old formats).
"""

import errno
import io
import mmap as mmaps
import os
import pickle
import stat
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from .. import frontend as rl
from . import serialization_legacy as legacy
from . import serialization_pickle as pickling
from . import serialization_unpickle as unpickling
from . import storage_api
from .serialization_config import (
    LoadEndianness,
    RestoreLocation,
    config,
    default_restore_location,
    get_crc32_options,
    get_default_load_endianness,
    get_default_mmap_options,
    location_tag,
    register_package,
    restore_function,
    set_crc32_options,
    set_default_load_endianness,
    set_default_mmap_options,
)
from .serialization_rebuild import MetaStorage, TypedStorage, _rebuild_tensor
from .serialization_unpickle import (
    WeightsUnpickler,
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    maybe_ascii,
    safe_globals,
)
from .serialization_zip import ZipReader, ZipWriter

__all__ = [
    "LoadEndianness",
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
]

DEFAULT_PROTOCOL = 2


# --- saving ----------------------------------------------------------------------------------


class StorageTable:
    """The persistent ids of the storages in one checkpoint, and the storages themselves.

    Calling it with an object gives its id, ``("storage", type, key, location, elements)``, or None
    if it is not a storage.
    """

    def __init__(self) -> None:
        self.storages: dict[str, tuple[Any, int]] = {}  # key -> storage, bytes per element
        self._keys: dict[Any, tuple[str, Any]] = {}  # identity -> key, dtype

    def __call__(self, obj: Any) -> tuple | None:
        entry = pickling.storage_entry(obj)
        if entry is None:
            return None
        storage, dtype, kind, numel = entry
        key, first_dtype = self._keys.setdefault(storage._key(), (str(len(self._keys)), dtype))
        if dtype != first_dtype and storage.nbytes():
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different "
                f"types: {first_dtype} and {dtype}\nhint: save a clone() of one of them"
            )
        self.storages[key] = storage, dtype.itemsize
        return "storage", kind, key, location_tag(storage), numel


def save(
    obj: Any,
    f: str | os.PathLike | IO[bytes],
    pickle_module: Any = pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Save an object, with the tensors in it, to a file that PyTorch reads as well.

    A file given by its path appears whole or not at all: it is written beside its place and moved
    there when it is on the disk, so an old checkpoint survives an interrupted save.

    Args:
        obj: what to save; tensors that share storage still do after loading.
        f: a path, or a binary file with ``write`` and ``flush``.
        pickle_module: module whose Pickler is used.
        pickle_protocol: PyTorch loads only protocol 2 with ``weights_only=True``.
        _use_new_zipfile_serialization: False writes the format before PyTorch 1.6.
        _disable_byteorder_record: True leaves out the record of the byte order.

    Raises: RuntimeError if the folder of the path does not exist, or if two tensors read one
        storage as different dtypes.

    >>> import io
    >>> import rushlight as torch
    >>> file = io.BytesIO()
    >>> torch.save({"weight": torch.ones(2)}, file)
    >>> _ = file.seek(0)
    >>> torch.load(file)
    {'weight': tensor([1., 1.])}
    """
    _check_writable(f)
    root = _archive_name(f)
    with _open_to_write(f) as file:
        table = StorageTable()
        if not _use_new_zipfile_serialization:
            legacy.save(obj, file, pickle_module, pickle_protocol, table)
            return
        buffer = io.BytesIO()
        pickling.make_pickler(pickle_module, buffer, pickle_protocol, table).dump(obj)
        writer = ZipWriter(
            file.write, root, config.save.storage_alignment, config.save.compute_crc32
        )
        writer.add("data.pkl", buffer.getbuffer())
        writer.add(".format_version", b"1")
        writer.add(".storage_alignment", str(config.save.storage_alignment).encode())
        if not _disable_byteorder_record:
            writer.add("byteorder", sys.byteorder.encode())
        for key, (storage, _) in table.storages.items():
            writer.add(f"data/{key}", storage._numpy_bytes())
        writer.close()


def _check_writable(f) -> None:
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
        )


def _archive_name(f) -> str:
    """The folder inside the archive: the file's name without suffix, where that is plain ASCII."""
    if not isinstance(f, (str, os.PathLike)):
        return "archive"
    name = os.path.basename(os.fsdecode(f))
    return name.rpartition(".")[0] or name if name.isascii() and name[1:] else "archive"


@contextmanager
def _open_to_write(f) -> Iterator[IO[bytes]]:
    if isinstance(f, (str, os.PathLike)):
        with _open_replacing(os.path.realpath(os.fsdecode(f))) as file:
            yield file
    else:
        yield f
        f.flush()


@contextmanager
def _open_replacing(path: str) -> Iterator[IO[bytes]]:
    """Write a new file in place of `path`, which keeps its old content until all is on the disk."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    exists = os.path.exists(path)
    if exists and not os.path.isfile(path):
        with open(path, "wb") as file:  # a device or a pipe
            yield file
        return
    if exists and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    temporary = os.path.join(folder, f".{os.urandom(8).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            if exists:
                os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


# --- loading ---------------------------------------------------------------------------------

_UNSAFE_MESSAGE = (
    "Since PyTorch 2.6, `weights_only=True` is the default of `torch.load`. Re-running "
    "`torch.load` with `weights_only` set to `False` will likely succeed, but it can result in "
    "arbitrary code execution. Do it only if you got the file from a trusted source."
)


def load(
    f: str | os.PathLike | IO[bytes],
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Load what ``torch.save`` of PyTorch or rushlight has saved, in any of its formats.

    Args:
        f: a path, or a binary file that can seek.
        map_location: where to put storages: a device, its name, a dict from the checkpoint's
            names to others, or a function (storage, name) -> storage or None. "meta" reads no data.
        pickle_module: module whose Unpickler is used; implies ``weights_only=False``.
        weights_only: True, the default, loads tensors, containers and plain values and runs no
            code; a file of unknown origin can do no harm. False unpickles anything; with a file
            you do not trust, never.
        mmap: True maps the file into memory and reads storages when they are used; needs a path.
        **pickle_load_args: for the Unpickler; ``encoding`` (at first "utf-8") decodes the byte
            strings of Python 2.

    Raises:
        pickle.UnpicklingError: "Weights only load failed" if the checkpoint holds more than
            `weights_only` allows.
        RuntimeError: if the file is damaged, or has storages of a device that is not here.

    >>> import io
    >>> import rushlight as torch
    >>> file = io.BytesIO()
    >>> torch.save(torch.arange(3), file)
    >>> _ = file.seek(0)
    >>> torch.load(file, map_location="cpu")
    tensor([0, 1, 2])
    """
    weights_only = _decide_weights_only(weights_only, pickle_module)
    if weights_only:
        if pickle_module is not None:
            raise RuntimeError(
                "Can not safely load weights when explicit pickle_module is specified"
            )
        if pickle_load_args:
            warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
        pickle_module = WeightsUnpickler
    mmap = config.load.mmap if mmap is None else mmap
    pickle_load_args.setdefault("encoding", "utf-8")
    if isinstance(f, (str, os.PathLike)) and os.fsdecode(f).endswith(".safetensors"):
        return _load_safetensors(f, restore_function(map_location))
    try:
        with _open_to_read(f) as file:
            source = _Source(file, f if mmap else None, map_location, pickle_module or pickle)
            return source.load(**pickle_load_args)
    except pickle.UnpicklingError as error:
        if weights_only:
            raise pickle.UnpicklingError(_weights_only_message(str(error))) from None
        raise


def _decide_weights_only(given: bool | None, pickle_module) -> bool:
    force, force_not = (
        os.environ.get(f"TORCH_FORCE_{name}_LOAD", "0").lower() in ("1", "y", "yes", "true")
        for name in ("WEIGHTS_ONLY", "NO_WEIGHTS_ONLY")
    )
    if force and force_not:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` "
            "should be set, but both were set."
        )
    if force:
        return True
    if given is not None:
        return given
    if force_not:
        warnings.warn(
            "Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected, since the "
            "`weights_only` argument was not explicitly passed to `torch.load`, forcing "
            "weights_only=False.",
            stacklevel=3,
        )
        return False
    return pickle_module is None


def _weights_only_message(message: str) -> str:
    if "was not an allowed global by default" in message:
        advice = (
            "This file can still be loaded, to do so you have two options, do those steps only if "
            f"you trust the source of the checkpoint.\n\t(1) {_UNSAFE_MESSAGE}\n\t(2) "
            "Alternatively, to load with `weights_only=True` please check the recommended steps in "
            "the following error message.\n\tWeightsUnpickler error: "
        )
    else:
        advice = f"{_UNSAFE_MESSAGE}\nWeightsUnpickler error: "
    return f"Weights only load failed. {advice}{message}"


@contextmanager
def _open_to_read(f) -> Iterator[IO[bytes]]:
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            yield file
        return
    try:
        f.seek(f.tell())
    except (io.UnsupportedOperation, AttributeError) as error:
        raise type(error)(
            f"{error}. You can only torch.load from a file that is seekable. Please pre-load the "
            "data into a buffer like io.BytesIO and try to load from it instead."
        ) from None
    yield f


class _Source:
    """An open checkpoint and how to read it."""

    def __init__(self, file: IO[bytes], mapped: Any, map_location: Any, pickle_module: Any):
        self._file = file
        self._mapped = mapped  # what to map into memory; None: nothing
        self._map_location = map_location
        self._restore = restore_function(map_location)
        self._pickle_module = pickle_module

    def load(self, **pickle_load_args) -> Any:
        if _starts_as_zip(self._file):
            return self._load_zip(ZipReader(self._file), **pickle_load_args)
        if self._mapped is not None:
            raise RuntimeError(
                "mmap can only be used with files saved with "
                f"`torch.save({self._mapped}, _use_new_zipfile_serialization=True), please "
                "torch.save your checkpoint with this option in order to use mmap."
            )
        return legacy.load(self._file, self._restore, self._pickle_module, **pickle_load_args)

    def _load_zip(self, archive: ZipReader, **pickle_load_args) -> Any:
        if archive.has("constants.pkl"):
            raise RuntimeError(
                "the file is a TorchScript archive (torch.jit.save), which rushlight cannot run.\n"
                "hint: save the state_dict() of the module with torch.save"
            )
        storages = _ArchiveStorages(archive, self._restore, self._map_location, self._mapped)
        pickled = io.BytesIO(archive.read("data.pkl"))
        return unpickling.make_unpickler(
            self._pickle_module, pickled, storages.find, **pickle_load_args
        ).load()


def _starts_as_zip(file: IO[bytes]) -> bool:
    # Only the first bytes count: zip's magic number may occur anywhere in a file of another kind.
    position = file.tell()
    magic = file.read(4)
    file.seek(position)
    return magic == b"PK\3\4"


class _ArchiveStorages:
    """Reads the storages of an archive, each once, when the pickle names it."""

    def __init__(self, archive: ZipReader, restore, map_location: Any, mapped: Any):
        self._archive = archive
        self._restore = restore
        self._swapped = _byte_order(archive) != sys.byteorder
        # Nothing is read if it is known to go to the meta device.
        self._meta = str(map_location) == "meta"
        self._memory = None if mapped is None or self._meta else _map_file(mapped)
        self._found: dict[str, Any] = {}

    def find(self, saved_id: tuple) -> TypedStorage:
        """The storage that a persistent id stands for."""
        kind = maybe_ascii(saved_id[0])
        if kind != "storage":
            raise RuntimeError(
                f"Unknown typename for persistent_load, expected 'storage' but got '{kind}'"
            )
        storage_type, key, location, numel = saved_id[1:]
        dtype = storage_type.dtype
        if key not in self._found:
            nbytes = numel * dtype.itemsize
            location = maybe_ascii(location)
            self._found[key] = self._read(f"data/{key}", nbytes, dtype, location)
        return TypedStorage(wrap_storage=self._found[key], dtype=dtype)

    def _read(self, name: str, nbytes: int, dtype, location: str):
        if self._meta:
            return MetaStorage(nbytes)
        data = self._bytes(name)
        if nbytes < 0 or len(data) < nbytes:
            raise RuntimeError(
                f"record {name} has {len(data)} bytes, but its storage needs {nbytes}: the "
                "checkpoint is corrupted"
            )
        data = data[:nbytes]
        if self._swapped:
            data = _swap(data, dtype.itemsize // (2 if dtype.is_complex else 1))
        return self._restore(storage_api.UntypedStorage.from_bytes(data), location)

    def _bytes(self, name: str) -> np.ndarray:
        if self._memory is None:
            return self._archive.read_array(name)
        offset, size = self._archive.span(name)
        data = self._memory[offset : offset + size]
        # Files of other writers may not be aligned as the widest element needs it.
        return data if offset % 16 == 0 else data.copy()


def _byte_order(archive: ZipReader) -> str:
    if archive.has("byteorder"):
        order = archive.read("byteorder")
        if order not in (b"little", b"big"):
            raise ValueError(f"Unknown endianness type: {order.decode(errors='replace')}")
        return order.decode()
    names = {LoadEndianness.BIG: "big", LoadEndianness.NATIVE: sys.byteorder}
    return names.get(config.load.endianness, "little")


def _swap(data: np.ndarray, width: int) -> np.ndarray:
    return data.reshape(-1, width)[:, ::-1].reshape(-1)


def _map_file(path) -> np.ndarray:
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError("f must be a file path in order to use the mmap argument")
    shared = config.load.mmap_flags == getattr(mmaps, "MAP_SHARED", object())
    return np.asarray(np.memmap(path, np.uint8, mode="r+" if shared else "c"))


def _load_safetensors(path, restore: RestoreLocation) -> dict[str, Any]:
    try:
        from safetensors import deserialize
    except ImportError as error:
        raise RuntimeError(
            "Attempting to load a safetensors file but safetensors is not installed. Please "
            "install safetensors with: pip install safetensors"
        ) from error
    with open(path, "rb") as file:
        parts = deserialize(file.read())
    return {name: _safetensor(part, restore) for name, part in parts}


_SAFETENSORS_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
    "C64": "complex64",
}  # fmt: skip


def _safetensor(part: dict, restore: RestoreLocation):
    name = _SAFETENSORS_DTYPES.get(part["dtype"])
    if name is None:
        raise RuntimeError(f"rushlight has no dtype for safetensors' {part['dtype']}")
    data = np.frombuffer(bytearray(part["data"]), np.uint8)
    storage = restore(storage_api.UntypedStorage.from_bytes(data), "cpu")
    typed = TypedStorage(wrap_storage=storage, dtype=getattr(rl, name))
    size = tuple(part["shape"])
    stride = tuple(int(np.prod(size[i + 1 :], dtype=np.int64)) for i in range(len(size)))
    return _rebuild_tensor(typed, 0, size, stride)


def get_unsafe_globals_in_checkpoint(f: str | os.PathLike | IO[bytes]) -> list[str]:
    """Names of the classes and functions for which ``weights_only=True`` would refuse a checkpoint.

    The pickle is read but not run, so names that it would put together at run time stay hidden.

    Args:
        f: a path or a binary file that can seek; not in the format before PyTorch 1.6.

    Raises: ValueError if it is no checkpoint of ``torch.save``.
    """
    with _open_to_read(f) as file:
        if not _starts_as_zip(file):
            raise ValueError("Expected input to be a checkpoint returned by torch.save")
        archive = ZipReader(file)
        if archive.has("constants.pkl"):
            raise ValueError(
                "Expected input to be a checkpoint returned by torch.save but got a torchscript "
                "checkpoint"
            )
        names = unpickling.globals_in_pickle(archive.read("data.pkl"))
    return list(names - unpickling.allowed_names())
