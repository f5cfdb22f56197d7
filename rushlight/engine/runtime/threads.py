"""How many threads computation may use.

rushlight's own kernels run on the calling thread; matrix products go through NumPy, whose BLAS
keeps threads of its own.  `set_num_threads` bounds those where the library offers a way.
"""

import ctypes
import os
import pathlib

import numpy as np

SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads",
)
_threads = [os.cpu_count() or 1]


def get_num_threads():
    """The bound on threads for one operator."""
    return _threads[0]


def set_num_threads(n):
    """Use at most n threads for one operator; n is an int of at least 1."""
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"set_num_threads expects an int, but got {type(n).__name__}")
    if n < 1:
        raise RuntimeError("set_num_threads expects a positive integer")
    _threads[0] = n
    for setter in _blas_setters():
        setter(n)


def _blas_setters():
    """The thread setters of the BLAS libraries that NumPy ships."""
    folder = pathlib.Path(np.__file__).parent
    for pattern in ("../numpy.libs/*openblas*", ".dylibs/*openblas*", ".libs/*openblas*"):
        for path in folder.glob(pattern):
            library = ctypes.CDLL(str(path))
            yield from (getattr(library, s) for s in SETTERS if hasattr(library, s))
