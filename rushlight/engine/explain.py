"""What a program's kernels do, how long they take, and what share of the machine's peak they reach.

Measurements and tables as data: `rushlight doctor` and `rushlight explain` print them.  Only those
commands import this file; what loads the compiler waits until something is measured.
"""

import contextlib
import platform
import time
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from .. import __version__
from .base import config
from .runtime import cache, threads
from .runtime.profile import start

__all__ = [
    "LARGE",
    "SMALL",
    "Kernel",
    "Peaks",
    "Report",
    "machine",
    "measure",
    "report",
    "start",
    "without_llvm",
]

LARGE = 64 << 20  # bytes of an array that few caches hold
SMALL = 256 << 10  # of one that stays in the second cache
RUNS = 7  # of a copy; the best counts


class Peaks(NamedTuple):
    """What one thread reaches at best."""

    fma_gflops: float | None  # float32 multiply-adds; None without LLVM
    copy_gbs: float  # from an array of LARGE bytes to another; read and written bytes count
    copy_small_gbs: float  # the same of SMALL bytes


class Kernel(NamedTuple):
    """All runs of one kind of kernel."""

    name: str
    detail: str  # what it fuses, or the shapes it takes
    calls: int
    seconds: float
    share: float  # per cent of all kernels' time
    rate: float
    unit: str  # of the rate: GF/s of contractions, GB/s of the rest
    of_peak: float  # per cent


class Report(NamedTuple):
    """A program's run."""

    program_s: float
    kernels_s: float
    runs: int  # of kernels
    threads: int
    peaks: Peaks | None  # None where no kernel ran
    kernels: list[Kernel]  # most time first


# --- the machine -------------------------------------------------------------------------------


def machine():
    """What programs run on here, as a dict of dicts that JSON can hold; takes about half a second.

    `problem` is why programs do not run by LLVM and what to do, or None where they do.
    """
    problem = without_llvm()
    compiler = _cpu().processor() if problem is None else {}
    return {
        "problem": problem,
        "processor": {
            "name": _processor_name(),
            "llvm_name": compiler.get("llvm_name"),
            "isa": compiler.get("isa"),
        },
        "threads": {"used": threads.get_num_threads(), "bounds": threads.bounds()},
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "llvmlite": compiler.get("llvmlite"),
            "llvm": compiler.get("llvm"),
            "rushlight": __version__,
        },
        "peaks": measure(problem is None)._asdict(),
        "cache": _cache(),
    }


def without_llvm():
    """Why programs do not run by LLVM here, and what to do; None where they do."""
    if config.BACKEND == "reference":
        return "RUSHLIGHT_BACKEND=reference asks for NumPy; hint: unset RUSHLIGHT_BACKEND"
    if find_spec("llvmlite") is None:
        return "llvmlite is not installed; hint: python -m pip install llvmlite"
    try:
        usable = _cpu().usable()
    except (ImportError, OSError, RuntimeError) as error:
        hint = "python -m pip install --force-reinstall llvmlite"
        return f"llvmlite does not load ({error}); hint: {hint}"
    return None if usable else "this processor has no FMA and F16C; hint: use a newer one"


def measure(llvm=True):
    """The Peaks of one thread; `llvm`: is there a compiler for the multiply-adds?"""
    return Peaks(_cpu().fma_gflops() if llvm else None, _copy_gbs(LARGE), _copy_gbs(SMALL))


def _cpu():
    from .backends.cpu import peak  # loads llvmlite: only when something is measured

    return peak


def _copy_gbs(nbytes):
    """The best rate of copying so many bytes; small arrays are copied several times in a run."""
    source, target = np.ones(nbytes, np.uint8), np.zeros(nbytes, np.uint8)
    copies = max(LARGE // nbytes // 4, 1)

    def run():
        began = time.perf_counter()
        for _ in range(copies):
            np.copyto(target, source)
        return time.perf_counter() - began

    run()  # the first one meets pages that are not there yet
    return 2 * nbytes * copies / min(run() for _ in range(RUNS)) / 1e9


def _processor_name():
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cache():
    where = cache.folder()
    objects, nbytes = cache.usage()
    folder = None if where is None else str(where)
    return {"folder": folder, "objects": objects, "bytes": nbytes, "limit_bytes": cache.LIMIT_BYTES}


# --- a program ---------------------------------------------------------------------------------


def report(profile, program_s):
    """The Report of a program that ran so many seconds; measures the peaks if a kernel ran."""
    records = [r for r in list(profile.records.values()) if r.calls]
    records.sort(key=lambda r: -r.seconds)
    peaks = measure() if records else None
    total, used = sum(r.seconds for r in records), threads.get_num_threads()
    kernels = [_kernel(r, total, peaks, used) for r in records]
    return Report(program_s, total, sum(r.calls for r in records), used, peaks, kernels)


def _kernel(record, total, peaks, used):
    """One Record against `total` seconds and the peak of `used` threads.

    Multiply-adds grow with the threads; bandwidth that threads share does not, so one thread's
    stands for it.
    """
    what, calls = record.what, record.calls
    seconds = max(record.seconds, 1e-9)  # coarse clocks say 0
    work, unit, peak = what.nbytes, "GB/s", peaks.copy_gbs
    if what.flops:
        work, unit, peak = what.flops, "GF/s", used * peaks.fma_gflops
    rate = work * calls / seconds / 1e9
    share = 100 * seconds / max(total, seconds)
    return Kernel(what.name, what.detail, calls, seconds, share, rate, unit, 100 * rate / peak)
