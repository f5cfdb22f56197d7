"""Interleaved timing: each round times every contestant; only ratios within a round count."""

import argparse
import gc
import json
import os
import pathlib
import statistics
import time

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
for name in THREADS:
    os.environ.setdefault(name, "1")


def timed(function, repeats):
    """Seconds per call."""
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


def repeats_for(function, seconds):
    """How many calls take about so long."""
    n = 1
    while timed(function, n) * n < seconds / 4:
        n *= 2
    return max(1, int(seconds / timed(function, n)))


def race(contestants, rounds=15, seconds=0.03):
    """{name: [seconds per call of each round]} of {name: function}; the order turns every round."""
    for function in contestants.values():
        timed(function, 3)
    counts = {name: repeats_for(f, seconds) for name, f in contestants.items()}
    found = {name: [] for name in contestants}
    names = list(contestants)
    gc.collect()
    gc.disable()
    try:
        for k in range(rounds):
            for name in names[k % len(names) :] + names[: k % len(names)]:
                found[name].append(timed(contestants[name], counts[name]))
    finally:
        gc.enable()
    return found


def quartiles(values):
    """(lower quartile, median, upper quartile)."""
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def ratios(found, ours="rushlight"):
    """{peer: quartiles of its time over ours}."""
    return {
        name: quartiles([p / o for p, o in zip(times, found[ours], strict=True)])
        for name, times in found.items()
        if name != ours
    }


def line(name, found):
    """One result as a line of the table."""
    ours = statistics.median(found["rushlight"])
    parts = [f"{name:34s} {ours * 1e6:10.1f} us"]
    for peer, (low, middle, high) in ratios(found).items():
        parts.append(f"  {peer} {middle:5.2f} [{low:.2f}, {high:.2f}]")
    return "".join(parts)


def options(description, **extra):
    """The command line every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="run what contains this")
    parser.add_argument("--json", type=pathlib.Path)
    for name, about in extra.items():
        parser.add_argument(f"--{name}", action="store_true", help=about)
    return parser.parse_args()


def keep(path, found):
    """Write the figures of a run, whole or not at all."""
    if path:
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(found, indent=1) + "\n")
        os.replace(temporary, path)
