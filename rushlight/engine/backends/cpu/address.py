"""Where the data of arrays lies, asked for several times a run: NumPy's own accessors take a
microsecond."""

import ctypes
import sys

import numpy as np

SMALL = 1 << 13  # bytes below which alignment saves less than it costs
_DATA = object.__basicsize__  # NumPy's C interface: the data pointer follows the object header


def _words():
    """The process's memory as 64-bit words: indexing it is quicker than a ctypes object."""
    return memoryview((ctypes.c_int64 * (1 << 58)).from_address(0)).cast("B").cast("q")


def _by_struct(array):
    return _memory[(id(array) + _DATA) >> 3]


def _by_ctypes(array):
    return array.ctypes.data


def _readable():
    """Is the data pointer seen where NumPy's C interface has it (CPython)?"""
    probes = [np.empty(n, np.uint8) for n in (1, 100, 5000)]
    probes += [probes[2][7:], np.frombuffer(b"0123456789", np.uint8)]
    return all(_by_struct(a) == _by_ctypes(a) for a in probes)


_memory = _words() if sys.maxsize > 1 << 32 else memoryview(b"")
READABLE = sys.implementation.name == "cpython" and sys.maxsize > 1 << 32 and _readable()
address = _by_struct if READABLE else _by_ctypes
# What a program's table is filled with, and where from there the address is read (-1: it is it).
handle, HANDLE_OFFSET = (id, _DATA) if READABLE else (_by_ctypes, -1)


def aligned_empty(size, np_dtype, align=64):
    """Uninitialised 1-d array whose data starts on a cache line."""
    raw = np.empty(size * np_dtype.itemsize + align, np.uint8)
    return np.ndarray(size, np_dtype, raw, -address(raw) % align)


def allocation(size, np_dtype):
    """(function, size, dtype) that makes such an array: aligned unless it is small."""
    small = size * np_dtype.itemsize < SMALL
    return np.empty if small else aligned_empty, size, np_dtype
