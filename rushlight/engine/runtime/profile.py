"""What kernels do and how long they take, where someone asked before they were compiled.

`rushlight explain` turns this on; otherwise nothing is measured and nothing is slower.
"""

import time
from typing import NamedTuple


class What(NamedTuple):
    """A kernel as it is reported: name, what it fuses, and the work of one run."""

    name: str
    detail: str
    flops: int  # of contractions; 0 elsewhere
    nbytes: int  # read and written, each value once


class Record:
    """Runs of one kind of kernel, and the seconds they took together."""

    __slots__ = ("what", "calls", "seconds")

    def __init__(self, what):
        self.what, self.calls, self.seconds = what, 0, 0.0

    def timed(self, run, *arguments):
        """Run and measure."""
        start = time.perf_counter()
        found = run(*arguments)
        self.seconds += time.perf_counter() - start
        self.calls += 1
        return found


class Profile:
    """Records by what they are of."""

    def __init__(self):
        self.records = {}

    def record(self, what):
        return self.records.setdefault(what, Record(what))


_active: list = [None]


def start():
    """Measure whatever is compiled from now on; the Profile that fills."""
    _active[0] = Profile()
    return _active[0]


def active():
    """The Profile in use, or None."""
    return _active[0]
