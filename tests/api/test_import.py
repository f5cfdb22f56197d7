"""`import rushlight` is light: no compiler, no image library, no worker pools."""

import json
import subprocess
import sys

HEAVY = {
    "PIL",
    "asyncio",
    "jax",
    "llvmlite",
    "matplotlib",
    "multiprocessing.connection",
    "multiprocessing.pool",
    "pandas",
    "scipy",
    "tensorboard",
    "torch",
    "tqdm",
    "rushlight.nn",
    "rushlight.optim",
    "rushlight.utils",
    "rushlight.vision",
    "rushlight.engine.backends.cpu",
}
CODE = """
import json, sys, time
import numpy
before = set(sys.modules)
start = time.perf_counter()
import rushlight
print(json.dumps([time.perf_counter() - start, sorted(set(sys.modules) - before)]))
"""


def measure():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_import_loads_nothing_heavy():
    _, loaded = measure()
    assert not HEAVY & {".".join(m.split(".")[:n]) for m in loaded for n in range(1, 5)}


def test_import_time_over_numpy(record_property):
    """The budget of 0.1 s is judged on a quiet machine; here only a mistake ten times it fails."""
    seconds = min(measure()[0] for _ in range(3))
    record_property("import_s", round(seconds, 4))
    print(f"import rushlight: {seconds:.3f} s over import numpy")
    assert seconds < 1
