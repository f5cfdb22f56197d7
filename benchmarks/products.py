"""Matrix products of 20 shapes, plain (N) and transposed (T), against NumPy's library and
PyTorch's, on one thread: rows x depth x columns, results written in place, rate over the peak.
"""

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
    (1, 784, 256),
    (1, 1024, 1024),
    (1, 100000, 1),
    (4, 64, 64),
    (4, 784, 256),
    (17, 33, 65),
    (16, 128, 100),
    (32, 64, 64),
    (32, 256, 1024),
    (60, 60, 60),
    (64, 64, 64),
    (64, 256, 10),
    (64, 784, 256),
    (100, 300, 37),
    (128, 128, 128),
    (1000, 3, 1000),
    (511, 509, 513),
    (512, 512, 512),
    (2048, 256, 1024),
    (2048, 1024, 256),
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


def matrix(rng, rows, columns):
    """Random numbers on a cache line's start, where both frameworks have their memory."""
    found = aligned_empty(rows * columns, np.dtype(np.float32)).reshape(rows, columns)
    found[...] = rng.standard_normal((rows, columns))
    return found


def main():
    given = interleave.options(__doc__)
    import torch

    from rushlight.engine.explain import measure

    peak = measure().fma_gflops
    torch.set_num_threads(1)
    rng, results = np.random.default_rng(0), {}
    print("peer's time / rushlight's: median [quartiles]; above 1 rushlight is faster")
    for (rows, depth, columns), (ta, tb) in itertools.product(SHAPES, LAYOUTS):
        label = f"{rows} x {depth} x {columns} {'NT'[ta]}{'NT'[tb]}"
        if given.only not in label:
            continue
        a = matrix(rng, depth, rows).T if ta else matrix(rng, rows, depth)
        b = matrix(rng, columns, depth).T if tb else matrix(rng, depth, columns)
        c = matrix(rng, rows, columns)
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
        line = interleave.line(label, found)
        print(f"{line}  {rate:6.1f} GF/s {rate / peak:5.2f}", flush=True)
        results[label] = interleave.ratios(found)
    interleave.keep(given.json, results)


if __name__ == "__main__":
    main()
