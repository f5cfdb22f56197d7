"""`import rushlight` is light: no compiler, no image library, nothing heavy."""

import json
import subprocess
import sys

HEAVY = ("llvmlite", "PIL", "scipy", "tensorboard", "torch", "jax", "matplotlib", "pandas")
CODE = """
import json, sys, time
import numpy
start = time.perf_counter()
import rushlight
print(json.dumps([time.perf_counter() - start, sorted(m.split(".")[0] for m in sys.modules)]))
"""


def test_import_loads_nothing_heavy():
    out = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    seconds, loaded = json.loads(out.stdout)
    assert not set(HEAVY) & set(loaded)
    assert seconds < 2, f"import took {seconds:.2f} s; budgets are measured in benchmarks/"
