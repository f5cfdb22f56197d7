"""``rushlight doctor``: what programs run on here, and what it can do at best."""

import argparse
import json

from ..engine import explain

NAME = "doctor"

_MIB = 1 << 20
_BOUNDS = ("processors", "affinity", "cgroup quota", "OMP_NUM_THREADS")


def add_parser(commands) -> None:
    """Add ``doctor`` to the sub-parsers `commands`."""
    parser = commands.add_parser(
        NAME,
        help="print what this machine and installation can do",
        description="Print processor, threads, versions, measured peaks and the object cache.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(handler=_handle)


def _handle(options: argparse.Namespace) -> int:
    found = explain.machine()
    print(json.dumps(found) if options.json else "\n".join(_lines(found)))
    return 0


def _lines(found: dict) -> list[str]:
    lines = [
        f"processor  {_processor(found['processor'])}",
        f"threads    {_threads(found['threads'])}",
        f"versions   {', '.join(f'{k} {v}' for k, v in found['versions'].items() if v)}",
        *_peaks(explain.Peaks(**found["peaks"])),
        f"cache      {_cache(found['cache'])}",
    ]
    if found["problem"]:
        lines.append(f"problem    programs run by NumPy, slowly: {found['problem']}")
    return lines


def _processor(found: dict) -> str:
    if found["isa"] is None:
        return found["name"]
    return f"{found['name']} ({found['llvm_name']}), kernels for {found['isa']}"


def _threads(found: dict) -> str:
    bounds = dict.fromkeys(_BOUNDS, "not set") | found["bounds"]
    return f"{found['used']} ({', '.join(f'{name} {n}' for name, n in bounds.items())})"


def _peaks(peaks: explain.Peaks) -> list[str]:
    rate = peaks.fma_gflops
    fma = "not measured" if rate is None else f"{rate:.1f} GFLOP/s, float32 on one thread"
    large, small = f"{explain.LARGE // _MIB} MiB", f"{explain.SMALL >> 10} KiB"
    return [
        f"FMA        {fma}",
        f"copy       {peaks.copy_gbs:.1f} GB/s of {large}, {peaks.copy_small_gbs:.1f} of {small};"
        " read and written, on one thread",
    ]


def _cache(found: dict) -> str:
    if found["folder"] is None:
        return "off (RUSHLIGHT_CACHE=0)"
    used, limit = found["bytes"] / _MIB, found["limit_bytes"] // _MIB
    return f"{found['folder']}: {found['objects']} objects, {used:.1f} of at most {limit} MiB"
