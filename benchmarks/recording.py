"""What calls cost beside their arithmetic: 600 of add, mul, view, index at distinct sites."""

import statistics
import time

import interleave

GROUPS = 150
KEPT = 12  # values still referenced when the step ends


def program(scope):
    """A function of two tensors with 4 * GROUPS calls, each written on a line of its own."""
    lines = ["def program(start, y, keep):", "    x = start"]
    for i in range(GROUPS):
        lines += ["    a = torch.add(x, y)", "    b = a * x"]
        lines += ["    c = b.view(4, 2)", "    x = c[1:3]"]
        lines += ["    keep.append(x)"] if i % (GROUPS // KEPT) == 0 else []
        lines += ["    x = start"]
    exec("\n".join(lines), scope)  # noqa: S102
    return scope["program"]


def measure(with_gradients, rounds):
    """Microseconds per call: (recording, flush), the median of the rounds."""
    import rushlight as torch

    run = program({"torch": torch})
    x = torch.ones(8, requires_grad=with_gradients)
    y = torch.ones(8)
    recording, flushing = [], []
    for _ in range(rounds):
        keep = []
        start = time.perf_counter()
        run(x, y, keep)
        middle = time.perf_counter()
        torch.frontend.flush_segment()
        end = time.perf_counter()
        recording.append((middle - start) / (4 * GROUPS) * 1e6)
        flushing.append((end - middle) / (4 * GROUPS) * 1e6)
    return statistics.median(recording), statistics.median(flushing)


def one_read():
    """Microseconds of one small operator that is run at once."""
    import rushlight as torch

    x = torch.ones(8)

    def run():
        result = x.sum()
        torch.frontend.flush_segment()
        return result

    return statistics.median(interleave.race({"rushlight": run})["rushlight"]) * 1e6


def main():
    given = interleave.options(__doc__)
    found = {}
    for name, with_gradients in (("without gradients", False), ("with gradients", True)):
        recording, flushing = measure(with_gradients, 20 * given.rounds)
        print(f"{name:18s} {recording:.2f} + {flushing:.2f} us per call (recording + flush)")
        found[name] = {"recording": recording, "flush": flushing}
    found["one operator and a flush"] = one_read()
    print(f"one operator and a flush: {found['one operator and a flush']:.1f} us")
    interleave.keep(given.json, found)


if __name__ == "__main__":
    main()
