"""The same program, the same seed: losses follow PyTorch's for the first 100 steps.

The bound is max(1e-4, 4 times the gap between PyTorch's own float32 and float64 runs), relative,
at every step.
"""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")

STEPS = 100

# Runs under either framework; float64 starts from the same float32 weights and images.
RECORD = f"""
import importlib.util, itertools, json, sys
from argparse import Namespace
from pathlib import Path
import torch

spec = importlib.util.spec_from_file_location("digits", sys.argv[1])
digits = importlib.util.module_from_spec(spec)
spec.loader.exec_module(digits)
dtype = getattr(torch, sys.argv[2])
args = Namespace(seed=int(sys.argv[3]), batch_size=32, lr=4e-3, epochs=15, out=Path("out"))
trainer = digits.Trainer(args)
trainer.model.to(dtype)
batches = itertools.chain.from_iterable(itertools.repeat(trainer.train_data))
losses = [
    trainer.train_step(images.to(dtype), labels).item()
    for images, labels in itertools.islice(batches, {STEPS})
]
print(json.dumps(losses))
"""


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_losses_follow_pytorch(write, python, rushlight_run, example, seed):
    program = write("record.py", RECORD)

    def losses(run, dtype):
        done = run(program, example, dtype, seed)
        assert done.returncode == 0, done.stderr
        return np.array(json.loads(done.stdout))

    expected, exact = losses(python, "float32"), losses(python, "float64")
    got = losses(rushlight_run, "float32")
    bound = np.maximum(1e-4, 4 * np.abs(expected - exact) / np.abs(exact))
    gap = np.abs(got - expected) / np.abs(expected)
    worst = int(np.argmax(gap / bound))
    assert (gap <= bound).all(), f"step {worst}: {gap[worst]:.2e} > {bound[worst]:.2e}"
