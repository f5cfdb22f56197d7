"""Two threads against one, with nothing else running and beside one and two busy processes, for
rushlight and for PyTorch: medians and means, since a median hides the stalls of a busy machine.
"""

import statistics
import subprocess
import sys

import interleave

BUSY = "while True: pass"


def product(module):
    """A product of 512 x 512 matrices."""
    a, b = module.randn(512, 512), module.randn(512, 512)
    return lambda: (a @ b).data_ptr()


def layer(channels, size):
    """A layer of ResNet-18 at batch 8."""

    def make(module):
        x, w = module.randn(8, channels, size, size), module.randn(channels, channels, 3, 3)
        return lambda: module.nn.functional.conv2d(x, w, None, 1, 1).data_ptr()

    return make


def chain(module):
    """Five operators on a million elements."""
    x = module.randn(1 << 20)
    return lambda: ((x * 2 + 1).exp() * x - 3).abs().data_ptr()


CASES = {
    "product 512": product,
    "conv 64 x 56": layer(64, 56),
    "conv 128 x 28": layer(128, 28),
    "conv 256 x 14": layer(256, 14),
    "conv 512 x 7": layer(512, 7),
    "chain 1M": chain,
}


def with_threads(module, threads, function):
    def run():
        module.set_num_threads(threads)
        function()

    return run


def main():
    given = interleave.options(__doc__)
    import torch

    import rushlight

    results = {}
    print("one thread's time / two threads': median, mean")
    for busy in (0, 1, 2):
        processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(busy)]
        try:
            for name, make in CASES.items():
                label = f"{name}, {busy} busy"
                if given.only not in label:
                    continue
                contestants = {
                    f"{title} {n}": with_threads(module, n, function)
                    for title, module in (("rushlight", rushlight), ("torch", torch))
                    for function in (make(module),)
                    for n in (1, 2)
                }
                found = interleave.race(contestants, given.rounds)
                results[label] = {}
                for title in ("rushlight", "torch"):
                    one, two = found[f"{title} 1"], found[f"{title} 2"]
                    median = statistics.median([a / b for a, b in zip(one, two, strict=True)])
                    mean = statistics.mean(one) / statistics.mean(two)
                    results[label][title] = {"median": median, "mean": mean}
                shown = "  ".join(
                    f"{title} {r['median']:.2f} {r['mean']:.2f}"
                    for title, r in results[label].items()
                )
                print(f"{label:24s} {shown}", flush=True)
        finally:
            for process in processes:
                process.kill()
                process.wait()
    interleave.keep(given.json, results)


if __name__ == "__main__":
    main()
