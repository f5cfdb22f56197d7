"""Storage: the memory of tensors, or the promise of it.

A pending storage names the tape slot that will fill it (`segment`, `slot`); a realised one has a
1-d NumPy `array`.  Views share their storage.  Memory that something outside can see (NumPy,
DLPack, another dtype's view) is `immediate`: every operator on it runs at once.

A storage is also the default version counter of its tensors; `.data` gets a `Version` of its own.
"""

import numpy as np

from .opaque import OpaqueBuffer

ALIGN = 64


class Version:
    """A counter of in-place writes, shared by views and `detach()`."""

    __slots__ = ("version",)

    def __init__(self, version=0):
        self.version = version


class Storage:
    """See the module; `size` counts elements of `dtype`."""

    __slots__ = (
        "array",
        "dtype",
        "size",
        "segment",
        "slot",
        "immediate",
        "device",
        "version",
        "owner",
        "__weakref__",
    )

    @property
    def nbytes(self):
        return self.size * self.dtype.itemsize

    def __repr__(self):
        state = "pending" if self.segment is not None else "realised"
        return f"<Storage {self.dtype.name}[{self.size}] {state}>"


def storage_of(dtype, size, device, array=None):
    """A realised storage (without memory where `array` is None).  The class has no constructor of
    its own, for the recorder, which makes one per operator, fills a bare one quicker."""
    storage = Storage()
    storage.array, storage.dtype, storage.size, storage.device = array, dtype, size, device
    if device.type == "opaque" and array is not None:
        storage.array = OpaqueBuffer(array)
    storage.segment = storage.owner = None
    storage.slot = storage.version = 0
    storage.immediate = False
    return storage


def aligned_empty(size, np_dtype):
    """Uninitialised 1-d array whose data starts on a cache line."""
    nbytes = size * np_dtype.itemsize
    raw = np.empty(nbytes + ALIGN, np.uint8)
    start = -raw.ctypes.data % ALIGN
    return raw[start : start + nbytes].view(np_dtype)
