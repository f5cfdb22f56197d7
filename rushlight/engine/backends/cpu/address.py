"""Where the data of arrays lies, asked for several times a run: NumPy's own accessors take a
microsecond."""

import ctypes
import sys

import numpy as np

ALIGN = 64  # bytes
SMALL = 1 << 13  # bytes below which alignment saves less than it costs


def _words():
    """The process's memory as 64-bit words: indexing it is quicker than a ctypes object."""
    return memoryview((ctypes.c_int64 * (1 << 58)).from_address(0)).cast("B").cast("q")


def _by_struct(array):
    return _memory[(id(array) + DATA) >> 3]


def _by_ctypes(array):
    return array.ctypes.data


def _readable():
    """Are the pointers seen where CPython and NumPy's C interface have them?"""
    probes = [np.empty(n, np.uint8) for n in (1, 100, 5000)]
    probes += [probes[2][7:], np.frombuffer(b"0123456789", np.uint8)]
    items = _memory[(id(probes) + ITEMS) >> 3]
    listed = [_memory[(items >> 3) + k] for k in range(len(probes))]
    return listed == list(map(id, probes)) and all(_by_struct(a) == _by_ctypes(a) for a in probes)


def _listed(arrays):
    """The address of a table of their addresses, good until the next call."""
    _table[:] = [np.array(list(map(_by_ctypes, arrays)), np.int64)]
    return _by_ctypes(_table[0])


DATA = object.__basicsize__  # offset of an array's data pointer in its object
ITEMS = tuple.__basicsize__  # offset of the pointer to a list's items: it follows their number
_memory = _words() if sys.maxsize > 1 << 32 else memoryview(b"")
_table: list = []
READABLE = sys.implementation.name == "cpython" and sys.maxsize > 1 << 32 and _readable()
address = _by_struct if READABLE else _by_ctypes
# What native code is given of a list of arrays: the list, or (where it cannot be read) a table.
hand_over = id if READABLE else _listed


def aligned_empty(size, np_dtype):
    """Uninitialised 1-d array whose data starts on a cache line."""
    item = np_dtype.itemsize  # no more than the allocator aligns
    raw = np.empty(size + ALIGN // item, np_dtype)
    start = -address(raw) % ALIGN // item
    return raw[start : start + size]


def allocation(size, np_dtype):
    """(function, size, dtype) that makes such an array: aligned unless it is small."""
    small = size * np_dtype.itemsize < SMALL
    return np.empty if small else aligned_empty, size, np_dtype
