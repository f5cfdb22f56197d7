"""Peak memory of the first training steps of whole models over what the import takes, each in a
process of its own: rushlight with an empty kernel cache, its compiler included, and PyTorch.
"""

import json
import os
import subprocess
import sys
import tempfile

import interleave
import steps

STEPS = 3
PROGRAM = """
import json, resource, sys
import {module} as torch
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import steps
step = steps.training(torch, steps.CASES[{case!r}])
for _ in range({count}):
    step()
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([before / 1024, after / 1024]))
"""


def measured(module, case):
    """(MB after the import, at the peak)."""
    program = PROGRAM.format(module=module, case=case, count=STEPS)
    with tempfile.TemporaryDirectory() as cache:
        paths = os.pathsep.join(sys.path)
        given = {**os.environ, "RUSHLIGHT_CACHE_DIR": cache, "PYTHONPATH": paths}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env=given,
        )
    return json.loads(done.stdout.splitlines()[-1])


def main():
    given = interleave.options(__doc__)
    results = {}
    print("MB over the import's (at the peak)")
    for case in steps.CASES:
        if given.only not in case:
            continue
        row = {module: measured(module, case) for module in ("rushlight", "torch")}
        results[case] = row
        shown = "  ".join(f"{m} {b - a:7.1f} ({b:.0f})" for m, (a, b) in row.items())
        print(f"{case:16s} {shown}", flush=True)
    interleave.keep(given.json, results)


if __name__ == "__main__":
    main()
