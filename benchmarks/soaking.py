"""Ten thousand training steps whose batch size changes at random and whose loss nobody reads.

Prints resident memory, plans kept, plans made and kernels compiled as it goes: memory has to level
off once the plan cache is full, and kernels must not be compiled for new sizes.
"""

import argparse
import pathlib
import random
import resource
import sys

import rushlight as torch
from rushlight.engine.record import segment
from rushlight.engine.runtime import cache

nn = torch.nn
LARGEST = 700  # batch sizes, more than the plan cache holds


def resident():
    """Megabytes now (their peak where the system has no /proc)."""
    statm = pathlib.Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    steps = parser.parse_args().steps
    torch.manual_seed(0)
    random.seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for step in range(1, steps + 1):
        size = random.randint(1, LARGEST)
        x, y = torch.randn(size, 8), torch.randint(0, 4, (size,))
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % max(steps // 20, 1) == 0:
            kept, made = len(segment._plans), segment.counters["plans"]
            compiled = cache.counters["compiled"]
            print(
                f"{step:6d} steps  {resident():6.1f} MB  {kept} plans kept, {made} made, "
                f"{compiled} kernels compiled",
                flush=True,
            )


if __name__ == "__main__":
    main()
