"""The C library's heap, which NumPy's arrays come from: what is freed is kept for the next step.

glibc gives the end of its heap back to the system above 128 KB, and asks the system one by one for
arrays above 128 KB, until it has seen larger ones freed; either way a step that frees its results
pays for every page of them again (0.25 us each) in the next.  Both limits are set to where glibc's
own adaptation ends.
"""

import ctypes
import os
import platform
import sys

TRIM, MMAP = -1, -3  # mallopt's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD
LIMITS = {TRIM: 1 << 26, MMAP: 1 << 25}  # bytes
OWN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed():
    """Set the limits, unless the user has; returns whether that was done.  Other C libraries are
    left as they are."""
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    if any(name in os.environ for name in OWN):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all([mallopt(option, limit) for option, limit in LIMITS.items()])
