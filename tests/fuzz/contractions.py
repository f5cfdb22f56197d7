"""Random matrix products and convolutions against more precise ones and PyTorch.

    python -m tests.fuzz.contractions --cases 10000 [--first N]

Sizes are 0, 1, and those about the tiles'; operands are transposed, strided, broadcast.  Products
are of float32 or float64, convolutions of float32.  The error, over the sum of the products'
magnitudes, is at most 4 times PyTorch's and half a unit in the last place.  Prints what fails, and
exits with the number of failures (at most 99).
"""

import argparse
import sys

import numpy as np
import torch
from tqdm import tqdm

import rushlight

SIZES = (0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49)
SIZES += (63, 64, 65, 66, 96, 100, 127, 128, 129, 191, 193, 200, 255, 257, 384, 385, 400, 513, 800)
WORK = 1 << 22  # multiplications
TIMES = 4  # PyTorch's error
CHANNELS = (1, 2, 3, 4, 8, 15, 16, 17, 20, 32, 33, 40, 64, 70)


def numbers(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


def operand(rng, batch, rows, columns, dtype):
    """A batch of matrices: contiguous, transposed, strided, or one for all."""
    kind = rng.integers(4)
    if kind == 1:
        return numbers(rng, (*batch, columns, rows), dtype).swapaxes(-1, -2)
    if kind == 2:
        return numbers(rng, (*batch, rows, 2 * columns + 1), dtype)[..., 1::2]
    lead = batch if kind == 0 else tuple(1 for _ in batch)
    return np.broadcast_to(numbers(rng, (*lead, rows, columns), dtype), (*batch, rows, columns))


def product(rng, dtype):
    """(label, [results of rushlight], [of PyTorch], [more precise ones], [magnitudes])."""
    while True:
        rows, depth, columns = map(int, rng.choice(SIZES, 3))
        batch = tuple(map(int, rng.integers(1, 5, rng.choice(3, p=(0.6, 0.25, 0.15)))))
        if int(np.prod(batch)) * rows * depth * columns <= WORK:
            break
    a = operand(rng, batch, rows, depth, dtype)
    b = operand(rng, batch, depth, columns, dtype)
    more = np.float64 if dtype is np.float32 else np.longdouble
    wide = a.astype(more), b.astype(more)
    ours, theirs = ([m(a), m(b)] for m in (rushlight.from_numpy, torch.from_numpy))
    found = [[(x @ y).numpy()] for x, y in (ours, theirs)]
    label = f"{a.shape} {a.strides} @ {b.shape} {b.strides}"
    return label, *found, [wide[0] @ wide[1]], [np.abs(wide[0]) @ np.abs(wide[1])]


def convolution(rng, dtype=np.float32):
    """The same of a convolution and its two gradients."""
    rank = int(rng.choice((1, 2, 2, 2, 3)))
    groups = int(rng.choice((1, 1, 1, 2, 3)))
    channels, outputs = (int(n) * groups for n in rng.choice(CHANNELS, 2))
    kernel = [3, 3] if rank == 2 and rng.random() < 0.4 else rng.integers(1, 5, rank).tolist()
    plain = rng.random() < 0.5
    stride, dilation = ([1] * rank if plain else rng.integers(1, 4, rank).tolist() for _ in "sd")
    padding = rng.integers(0, 3, rank).tolist()
    reach = [d * (k - 1) + 1 - 2 * p for k, d, p in zip(kernel, dilation, padding, strict=True)]
    sizes = [max(r, 1) + int(rng.integers(0, (50, 25, 6)[rank - 1])) for r in reach]
    x = numbers(rng, (int(rng.integers(1, 5)), channels, *sizes), dtype)
    w = numbers(rng, (outputs, channels // groups, *kernel), dtype)
    if rng.random() < 0.2:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    shape = torch.nn.functional.__dict__[f"conv{rank}d"](
        torch.from_numpy(x), torch.from_numpy(w), **geometry
    ).shape
    g = numbers(rng, tuple(shape), dtype)

    def run(module, x, w, g):
        x, w = (module.from_numpy(t).requires_grad_() for t in (x, w))
        y = getattr(module.nn.functional, f"conv{rank}d")(x, w, **geometry)
        y.backward(module.from_numpy(g))
        return [y.detach().numpy(), x.grad.numpy(), w.grad.numpy()]

    wide = [t.astype(np.float64) for t in (x, w, g)]
    label = f"x {x.shape} w {w.shape} {geometry}"
    found = [run(m, x, w, g) for m in (rushlight, torch)]
    return label, *found, run(torch, *wide), run(torch, *map(np.abs, wide))


def worst(found, exact, magnitude):
    """The largest error over the magnitude."""
    if not found.size:
        return 0.0
    return float((np.abs(found - exact) / np.maximum(magnitude, 1e-300)).max())


def check(rng):
    """A line about what went wrong, or None."""
    dtype = np.float32
    if rng.random() < 0.6:
        dtype = np.float32 if rng.random() < 0.8 else np.float64
        label, ours, theirs, exact, magnitudes = product(rng, dtype)
    else:
        label, ours, theirs, exact, magnitudes = convolution(rng)
    for part, results in enumerate(zip(ours, theirs, exact, magnitudes, strict=True)):
        mine, peer, right, magnitude = results
        if mine.shape != peer.shape:
            return f"{label}: shape {mine.shape}, not {peer.shape}"
        error, limit = worst(mine, right, magnitude), worst(peer, right, magnitude)
        if not error <= TIMES * limit + np.finfo(dtype).eps / 2:
            errors = f"error {error:.2e}, PyTorch's {limit:.2e}"
            return f"{label} part {part} {np.dtype(dtype)}: {errors}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    failed = 0
    for seed in tqdm(range(given.first, given.first + given.cases), mininterval=5):
        said = check(np.random.default_rng(seed))
        if said:
            failed += 1
            tqdm.write(f"{seed}: {said}")
    print(f"{given.cases - failed} of {given.cases} cases passed")
    return min(failed, 99)


if __name__ == "__main__":
    sys.exit(main())
