"""What a program waits for: the import, and the first step of an MLP with Adam.

Every figure comes from processes of their own, with compiled bytecode; "cold" starts with an empty
kernel cache, "warm" with the one the cold run left.
"""

import compileall
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import interleave

PROGRAM = """
import json, sys, time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
import rushlight as torch
end = time.perf_counter()
loaded = [m for m in ("llvmlite", "PIL", "scipy", "tensorboard") if m in sys.modules]
nn = torch.nn
layers = [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)]
model = nn.Sequential(*layers)
optimizer = torch.optim.Adam(model.parameters())
x, y = torch.randn(32, 64), torch.randint(0, 10, (32,))
seconds = []
for _ in range(2):
    begun = time.perf_counter()
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    loss.item(), [p.detach().numpy() for p in model.parameters()]
    seconds.append(time.perf_counter() - begun)
print(json.dumps({"numpy": middle - start, "import": end - middle, "step": seconds[0],
                  "second step": seconds[1], "loaded": loaded}))
"""


def run(cache):
    """The figures of one process, in seconds."""
    package = pathlib.Path(__file__).parents[1]
    env = {**os.environ, "RUSHLIGHT_CACHE_DIR": cache, "PYTHONPATH": str(package)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def main():
    given = interleave.options(__doc__)
    compileall.compile_dir(pathlib.Path(__file__).parents[1] / "rushlight", quiet=1)
    cold, warm = [], []
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(run(cache))
            warm.append(run(cache))
    both = cold + warm
    found = {
        "import over numpy": [r["import"] for r in both],
        "first step, cold": [r["step"] for r in cold],
        "first step, warm": [r["step"] for r in warm],
        "second step, warm": [r["second step"] for r in warm],
    }
    for name, seconds in found.items():
        low, middle, high = interleave.quartiles(seconds)
        print(f"{name:20s} {middle:.3f} s [{low:.3f}, {high:.3f}]")
    print("loaded by the import:", ", ".join(both[0]["loaded"]) or "none of those it must not")
    interleave.keep(given.json, {n: statistics.median(v) for n, v in found.items()})


if __name__ == "__main__":
    main()
