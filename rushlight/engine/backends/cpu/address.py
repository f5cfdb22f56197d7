"""The address of an array's data, several times a run: NumPy's own accessors take a microsecond."""

import ctypes
import sys

import numpy as np

_pointer_at = ctypes.c_int64.from_address
SMALL = 1 << 13  # bytes below which alignment saves less than it costs
_DATA = object.__basicsize__  # NumPy's C interface: the data pointer follows the object header


def _by_struct(array):
    return _pointer_at(id(array) + _DATA).value


def _by_ctypes(array):
    return array.ctypes.data


def _chosen():
    """The quick way where it is seen to work (CPython), else NumPy's."""
    probes = [np.empty(n, np.uint8) for n in (1, 100, 5000)]
    probes += [probes[2][7:], np.frombuffer(b"0123456789", np.uint8)]
    if sys.implementation.name == "cpython" and all(_by_struct(a) == _by_ctypes(a) for a in probes):
        return _by_struct
    return _by_ctypes


address = _chosen()


def aligned_empty(size, np_dtype, align=64):
    """Uninitialised 1-d array whose data starts on a cache line, unless it is small."""
    nbytes = size * np_dtype.itemsize
    if nbytes < SMALL:
        return np.empty(size, np_dtype)
    raw = np.empty(nbytes + align, np.uint8)
    return np.ndarray(size, np_dtype, raw, -address(raw) % align)
