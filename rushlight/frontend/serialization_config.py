"""Settings of save and load, and where the storages of a checkpoint belong.

A checkpoint tags each storage with its location. Packages, in order of priority, say which tag a
storage gets and put a storage where its tag says; ``map_location`` changes the tags.
"""

import functools
import mmap as mmaps
import re
from collections.abc import Callable
from enum import Enum
from types import SimpleNamespace
from typing import Any

from .. import frontend as rl
from .serialization_rebuild import MetaStorage
from .serialization_unpickle import maybe_ascii

RestoreLocation = Callable[[Any, str], Any]


# --- options ---------------------------------------------------------------------------------


class LoadEndianness(Enum):
    """Byte order to assume for checkpoints that do not record theirs."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


# What torch.utils.serialization.config holds; little endian is assumed where endianness is None.
config = SimpleNamespace(
    load=SimpleNamespace(
        mmap=False, endianness=None, mmap_flags=getattr(mmaps, "MAP_PRIVATE", None)
    ),
    save=SimpleNamespace(compute_crc32=True, storage_alignment=64),
)


def get_default_load_endianness() -> LoadEndianness | None:
    """The byte order assumed for checkpoints that do not record theirs; None: little endian."""
    return config.load.endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Set what `get_default_load_endianness` returns."""
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    config.load.endianness = endianness


def get_crc32_options() -> bool:
    """Whether ``torch.save`` writes checksums (at first True)."""
    return config.save.compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Choose whether ``torch.save`` writes checksums, which other zip tools compare.

    Neither PyTorch nor rushlight compares them when loading.
    """
    config.save.compute_crc32 = compute_crc32


def get_default_mmap_options() -> int | None:
    """How ``torch.load(mmap=True)`` maps files: ``mmap.MAP_PRIVATE`` or ``mmap.MAP_SHARED``."""
    return config.load.mmap_flags


class set_default_mmap_options:  # noqa: N801 (PyTorch's name)
    """Set how ``torch.load(mmap=True)`` maps files, for good or, in ``with``, for a block.

    Args:
        flags: ``mmap.MAP_PRIVATE`` (writes stay in memory) or ``mmap.MAP_SHARED`` (they reach the
            file).
    """

    def __init__(self, flags: int):
        if not hasattr(mmaps, "MAP_PRIVATE"):
            raise RuntimeError("Changing the default mmap options is not supported for Windows")
        if flags not in (mmaps.MAP_PRIVATE, mmaps.MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE "
                f"or mmap.MAP_SHARED, but got {flags}"
            )
        self.prev = config.load.mmap_flags
        config.load.mmap_flags = flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc_info) -> None:
        config.load.mmap_flags = self.prev


# --- where storages belong -------------------------------------------------------------------

_Tagger = Callable[[Any], str | None]
_Deserializer = Callable[[Any, str], Any]
_packages: list[tuple[int, _Tagger, _Deserializer]] = []


def register_package(priority: int, tagger: _Tagger, deserializer: _Deserializer) -> None:
    """Add a device to those whose storages can be saved and loaded.

    Args:
        priority: lower numbers are asked first; the CPU has 10, the meta device 22.
        tagger: storage -> location tag, or None if it is not on this device.
        deserializer: (CPU storage, location tag) -> storage on the device, or None if the tag is
            another device's.
    """
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda package: package[0])


def location_tag(storage) -> str:
    """The tag that says in a checkpoint where `storage` lives, such as "cpu"."""
    for _, tagger, _ in _packages:
        if location := tagger(storage):
            return location
    raise RuntimeError(f"don't know how to determine data location of {type(storage).__name__}")


def default_restore_location(storage, location: str):
    """Put a CPU storage where its tag says.

    Raises: RuntimeError if there is no such device.
    """
    for _, _, deserializer in _packages:
        result = deserializer(storage, location)
        if result is not None:
            return result
    raise RuntimeError(
        f"don't know how to restore data location of {type(storage).__name__} "
        f"(tagged with {location})"
    )


def _cpu_deserialize(storage, location: str):
    return storage if location == "cpu" else None


def _meta_deserialize(storage, location: str):
    return MetaStorage(storage.nbytes()) if location == "meta" else None


def _refuse_accelerator(storage, location: str) -> None:
    match = re.fullmatch(r"(cuda|mps|xpu|hpu|mtia|xla)(:?\d+)?", location)
    if match:
        name = match[1]
        raise RuntimeError(
            f"Attempting to deserialize object on a {name.upper()} device but "
            f"torch.{name}.is_available() is False. If you are running on a CPU-only machine, "
            "please use torch.load with map_location=torch.device('cpu') to map your storages to "
            "the CPU."
        )


def _device_tag(device_type: str, storage) -> str | None:
    return device_type if storage.device.type == device_type else None


register_package(10, functools.partial(_device_tag, "cpu"), _cpu_deserialize)
register_package(20, lambda storage: None, _refuse_accelerator)
register_package(22, functools.partial(_device_tag, "meta"), _meta_deserialize)


def restore_function(map_location) -> RestoreLocation:
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, location: default_restore_location(
            storage, map_location.get(location, location)
        )
    if isinstance(map_location, (str, bytes, rl.device)):
        target = maybe_ascii(
            map_location if isinstance(map_location, (str, bytes)) else str(map_location)
        )
        return lambda storage, location: default_restore_location(storage, target)

    def restore(storage, location):
        result = map_location(storage, location)
        return default_restore_location(storage, location) if result is None else result

    return restore
