"""Fuzz: ``python -m tests.fuzz.run --programs 20000`` (resumable; progress is kept in a file).

Each program runs recorded, operator by operator, on the reference backend, as if every result were
read, and, where it is installed, on PyTorch; shapes, strides, versions, errors, values, gradients
and hook order must agree.
"""

import argparse
import collections
import json
import os
import pathlib
import time

from .compare import Program


def load_torch():
    try:
        import torch

        return torch
    except ImportError:
        return None


def run_one(seed, steps, torch, numpy_sharing=False, dtype="float64"):
    """None, or (message, program text) of the first disagreement, and the program."""
    program = Program(seed, steps, torch, dtype, numpy_sharing)
    try:
        program.run()
    except Exception as error:  # noqa: BLE001  (a crash is a finding like any other)
        return (f"{type(error).__name__}: {error}", program.text), program
    return None, program


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--show", type=int, default=3)
    parser.add_argument("--numpy-sharing", action="store_true")
    parser.add_argument("--without-torch", action="store_true")
    parser.add_argument("--state", type=pathlib.Path, help="file that remembers how far it got")
    parser.add_argument("--seconds", type=float, default=1e9)
    options = parser.parse_args(arguments)
    torch = None if options.without_torch else load_torch()
    done = dict(next=options.first, failures=[], view_writes=0, read_between=0, errors={})
    if options.state and options.state.exists():
        done = json.loads(options.state.read_text())
    start, last = time.time(), options.first + options.programs
    while done["next"] < last and time.time() - start < options.seconds:
        seed = done["next"]
        failure, program = run_one(seed, options.steps, torch, options.numpy_sharing)
        tally(done, seed, failure, program)
        done["next"] = seed + 1
        if options.state and (seed % 50 == 0 or done["next"] == last):
            save(options.state, done)
    if options.state:
        save(options.state, done)
    report(done, options, time.time() - start)
    return 1 if done["failures"] else 0


def tally(done, seed, failure, program):
    for feature, seen in program.features.items():
        done[feature] += seen
    for e in program.errors:
        key = "version" if "Tensor [" in e else e
        done["errors"][key] = done["errors"].get(key, 0) + 1
    if failure is not None:
        done["failures"].append((seed, *failure))


def save(path, done):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(done))
    os.replace(temporary, path)


def report(done, options, seconds):
    count = done["next"] - options.first
    bad = done["failures"]
    kinds = collections.Counter(message.split(" of t")[0][:110] for _, message, _ in bad)
    for kind, n in kinds.most_common(12):
        print(f"  {n:5d}  {kind}")
    for seed, message, text in sorted(bad, key=lambda b: len(b[2]))[: options.show]:
        print(f"--- seed {seed}: {message}\n" + "\n".join("    " + t for t in text))
    print(f"errors both sides raise: {sum(done['errors'].values())} {done['errors']}")
    writes, reads = done["view_writes"], done["read_between"]
    print(f"write through a view: {writes}, read between: {reads} of {count}")
    print(f"{seconds:.0f} s; {count - len(bad)} passed, {len(bad)} failed")


if __name__ == "__main__":
    raise SystemExit(main())
