"""Memory of the test-only device `opaque`: bytes nobody can touch, only fetch and put whole.

It stands for an accelerator's memory: code above the backends that reads or writes arrays directly
fails on it, so running tests there shows what such a device would break.
"""

import numpy as np


class OpaqueBuffer:
    """`size` elements of a NumPy dtype, without an address or array interface."""

    __slots__ = ("dtype", "size", "__bytes")
    __array__ = None  # NumPy refuses it rather than making an object array

    def __init__(self, array):
        """Holds a copy of a 1-d array."""
        self.dtype, self.size = array.dtype, array.size
        self.__bytes = np.ascontiguousarray(array).view(np.uint8).copy()

    def wait(self):
        """Return when every write that was started is done (here: at once)."""

    def fetch(self):
        """A 1-d copy of the elements in host memory."""
        self.wait()
        return self.__bytes.view(self.dtype).copy()

    def put(self, array):
        """Replace all elements; the array has as many bytes."""
        self.__bytes[:] = np.ascontiguousarray(array).view(np.uint8)

    def view(self, dtype):
        """The same bytes as elements of another dtype."""
        other = object.__new__(OpaqueBuffer)
        other.dtype, other.size = np.dtype(dtype), self.__bytes.size // np.dtype(dtype).itemsize
        other.__bytes = self.__bytes
        return other
