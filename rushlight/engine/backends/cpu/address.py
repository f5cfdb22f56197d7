"""The address of an array's data, several times a run: NumPy's own accessors take a microsecond."""

import ctypes
import sys

import numpy as np

SMALL = 1 << 13  # bytes below which alignment saves less than it costs
_DATA = object.__basicsize__  # NumPy's C interface: the data pointer follows the object header


def _words():
    """The process's memory as 64-bit words: indexing it takes half as long as a ctypes object."""
    return memoryview((ctypes.c_int64 * (1 << 58)).from_address(0)).cast("B").cast("q")


def _by_struct(array):
    return _memory[(id(array) + _DATA) >> 3]


def _by_ctypes(array):
    return array.ctypes.data


def _chosen():
    """The quick way where it is seen to work (CPython), else NumPy's."""
    probes = [np.empty(n, np.uint8) for n in (1, 100, 5000)]
    probes += [probes[2][7:], np.frombuffer(b"0123456789", np.uint8)]
    quick = sys.implementation.name == "cpython" and sys.maxsize > 1 << 32
    if quick and all(_by_struct(a) == _by_ctypes(a) for a in probes):
        return _by_struct
    return _by_ctypes


_memory = _words() if sys.maxsize > 1 << 32 else memoryview(b"")
address = _chosen()


def aligned_empty(size, np_dtype, align=64):
    """(uninitialised 1-d array, address of its data): on a cache line, unless it is small."""
    nbytes = size * np_dtype.itemsize
    if nbytes < SMALL:
        array = np.empty(size, np_dtype)
        return array, address(array)
    raw = np.empty(nbytes + align, np.uint8)
    start = address(raw)
    shift = -start % align
    return np.ndarray(size, np_dtype, raw, shift), start + shift
