"""How many threads computation may use.

As many as the process may use processors for: its affinity, the share a control group allows it,
and OMP_NUM_THREADS bound them.  NumPy's linear algebra keeps threads of its own;
`set_num_threads` bounds those too where the library offers a way.
"""

import ctypes
import functools
import math
import os
import pathlib

import numpy as np

SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads",
)
CGROUP = "/sys/fs/cgroup/cpu.max"  # "quota period" in microseconds, or "max period"


def bounds(quota=CGROUP):
    """{what bounds the number of threads: how many it allows}, of what is set."""
    found = {"processors": os.cpu_count() or 1}
    if hasattr(os, "sched_getaffinity"):
        found["affinity"] = len(os.sched_getaffinity(0))
    try:
        allowed, period = pathlib.Path(quota).read_text(encoding="ascii").split()
        found["cgroup quota"] = math.ceil(int(allowed) / int(period))
    except (OSError, ValueError):
        pass  # no such file, or "max"
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdecimal() and int(given):
        found["OMP_NUM_THREADS"] = int(given)
    return found


def available(quota=CGROUP):
    """Processors the process may use, at least 1; OMP_NUM_THREADS, where set, has the last word."""
    found = bounds(quota)
    return found.pop("OMP_NUM_THREADS", None) or max(min(found.values()), 1)


_threads = [available()]
_listeners: list = []


def on_change(listener):
    """Call a function whenever the bound has changed."""
    _listeners.append(listener)


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
    for listener in _listeners:
        listener()
    for setter in _blas_setters():
        setter(n)


@functools.cache
def _blas_setters():
    """The thread setters of the BLAS libraries that NumPy ships."""
    found = []
    folder = pathlib.Path(np.__file__).parent
    for pattern in ("../numpy.libs/*openblas*", ".dylibs/*openblas*", ".libs/*openblas*"):
        for path in folder.glob(pattern):
            library = ctypes.CDLL(str(path))
            found += [getattr(library, s) for s in SETTERS if hasattr(library, s)]
    return found
