"""Matrix products small enough to be kernels of a plan, against NumPy's library and PyTorch's, on
one thread: rows x depth x columns, plain (N) and transposed (T), results written in place."""

import ctypes
import itertools
import statistics

import interleave
import numpy as np

from rushlight.engine.backends.cpu import contract, products
from rushlight.engine.backends.cpu.address import aligned_empty
from rushlight.engine.backends.cpu.kernels import product
from rushlight.engine.base import dtypes

SHAPES = (
    (4, 64, 64),
    (32, 64, 64),
    (64, 64, 10),
    (16, 128, 100),
    (17, 33, 65),
    (60, 60, 60),
    (64, 64, 64),
)
LAYOUTS = ((False, False), (False, True), (True, False))


def ours(a, b, c):
    """A function that runs the kernel."""
    operands = [product.Matrices(1 + i, 0, (), *x.strides) for i, x in enumerate((a, b, c))]
    plan = products.plan(dtypes.float32, (*a.shape, b.shape[1]), (), *operands)
    space = aligned_empty(plan.scratch + 1, np.dtype(np.uint8))
    words = np.array(plan.words, np.int64)
    table = np.array([0, *(x.ctypes.data for x in (a, b, c))], np.int64)
    kinds = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p
    native = ctypes.PYFUNCTYPE(None, *kinds)(contract.code(dtypes.float32))
    addresses = table.ctypes.data, words.ctypes.data, -1, space.ctypes.data
    return lambda keep=(words, table, space): native(*addresses)


def main():
    given = interleave.options(__doc__)
    import torch

    torch.set_num_threads(1)
    rng, results = np.random.default_rng(0), {}
    print("peer's time / rushlight's: median [quartiles]; above 1 rushlight is faster")
    for (rows, depth, columns), (ta, tb) in itertools.product(SHAPES, LAYOUTS):
        label = f"{rows} x {depth} x {columns} {'NT'[ta]}{'NT'[tb]}"
        if given.only not in label:
            continue
        a = rng.standard_normal((depth, rows) if ta else (rows, depth)).astype(np.float32)
        b = rng.standard_normal((columns, depth) if tb else (depth, columns)).astype(np.float32)
        a, b = a.T if ta else a, b.T if tb else b
        c = np.empty((rows, columns), np.float32)
        x, y, z = map(torch.from_numpy, (a, b, c))
        found = interleave.race(
            {
                "rushlight": ours(a, b, c),
                "numpy": lambda a=a, b=b, c=c: np.matmul(a, b, out=c),
                "torch": lambda x=x, y=y, z=z: torch.mm(x, y, out=z),
            },
            given.rounds,
        )
        rate = 2e-9 * rows * depth * columns / statistics.median(found["rushlight"])
        print(f"{interleave.line(label, found)}  {rate:6.1f} GF/s", flush=True)
        results[label] = interleave.ratios(found)
    interleave.keep(given.json, results)


if __name__ == "__main__":
    main()
