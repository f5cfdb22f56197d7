"""Records what PyTorch's CPU generator draws, for tests/engine/test_random.py.

Run with PyTorch 2.13 on an x86-64 machine with AVX2 that is not Intel's (on Intel's, PyTorch draws
`bernoulli` from MKL): ``python tests/recorded/random_draws.py``. Writes random_draws.npz: for each
case the draws of all seeds, stacked (bfloat16 as its bits; long ones as CRC-32 of their bytes),
and of the generator's state afterwards a CRC-32, with the kept normal, which depends on the C
library, apart.
"""

import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import float16, float32, float64, int8, int32, int64, uint8

bf16 = torch.bfloat16
F = torch.nn.functional

SEEDS = (0, 42, 2**63 + 12345)
SIZES = (0, 1, 5, 15, 16, 17, 31, 32, 33, 100, 1000, 100000)
FLOATS = {"float32": float32, "float64": float64, "float16": float16, "bfloat16": bf16}
INTS = {"uint8": uint8, "int8": int8, "int32": int32, "int64": int64, "bool": torch.bool}
KEPT_NORMAL = slice(5024, 5032)
LONGEST = 100


def cases():
    """Name -> function that draws from the default generator."""
    e = torch.empty
    weights = torch.tensor([[0.2, 0.5, 0.1, 0.9, 0.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    table = {}
    for n in SIZES:
        table[f"uniform/{n}"] = lambda n=n: torch.rand(n)
        table[f"normal/{n}"] = lambda n=n: torch.randn(n)
        table[f"randperm/{n}"] = lambda n=n: torch.randperm(n)
        table[f"randint/{n}"] = lambda n=n: torch.randint(0, 10, (n,))
    for name, d in FLOATS.items():
        table |= {
            f"uniform({name})": lambda d=d: e(33, dtype=d).uniform_(-2, 3),
            f"normal({name})": lambda d=d: e(33, dtype=d).normal_(1.5, 0.2),
            f"normal({name}, short)": lambda d=d: e(7, dtype=d).normal_(1.5, 0.2),
            f"random({name})": lambda d=d: e(20, dtype=d).random_(),
            f"random({name}, bounds)": lambda d=d: e(20, dtype=d).random_(-300, 5000),
            f"bernoulli({name}, each)": lambda d=d: torch.bernoulli(
                torch.full((50,), 0.3, dtype=d)
            ),
            f"dropout({name})": lambda d=d: F.dropout(torch.ones(60, dtype=d), 0.4),
            f"exponential({name})": lambda d=d: e(20, dtype=d).exponential_(1.5),
            f"trunc_normal({name})": lambda d=d: torch.nn.init.trunc_normal_(e(35, dtype=d)),
        }
    for name, d in INTS.items():
        table[f"random({name})"] = lambda d=d: e(20, dtype=d).random_()
        table[f"bernoulli({name})"] = lambda d=d: e(50, dtype=d).bernoulli_(0.7)
    means, stds = torch.arange(20.0), torch.arange(20.0) / 7
    alpha = torch.tensor([0.0, 0.01, 0.3, 1.0, 2.5, 100.0]).repeat(4)
    counts = torch.tensor([0.0, 3.0, 40.0, 5000.0]).repeat(5)
    probs, ramp = torch.arange(20.0) / 19, torch.arange(30.0) / 10 - 2
    table |= {
        "random(-2**63)": lambda: e(20, dtype=int64).random_(-(2**63), None),
        "random(from 5)": lambda: e(20, dtype=int32).random_(5, None),
        "randint(wide)": lambda: torch.randint(-(2**40), 2**40, (20,)),
        "randint(2**28)": lambda: torch.randint(0, 2**28, (20,)),
        "randint(2**28 - 1)": lambda: torch.randint(0, 2**28 - 1, (20,)),
        "uniform(complex64)": lambda: torch.rand(9, dtype=torch.complex64),
        "normal(complex64)": lambda: torch.randn(20, dtype=torch.complex64),
        "normal(complex128, short)": lambda: torch.randn(5, dtype=torch.complex128),
        "normal(not contiguous)": lambda: e(40)[::2].normal_(),
        "normal(means, stds)": lambda: torch.normal(means, stds),
        "normal(means, std)": lambda: torch.normal(means, 0.3),
        "normal(mean, stds)": lambda: torch.normal(0.7, stds),
        "log_normal": lambda: e(21).log_normal_(),
        "trunc_normal(by uniforms)": lambda: torch.nn.init.trunc_normal_(e(35), 0, 1, 1, 2),
        "cauchy": lambda: e(20).cauchy_(1, 2),
        "geometric": lambda: e(20).geometric_(0.4),
        "geometric(int64)": lambda: e(20, dtype=int64).geometric_(0.4),
        "rrelu": lambda: F.rrelu(ramp, training=True),
        "randperm(int32)": lambda: torch.randperm(12, dtype=int32),
        "multinomial": lambda: torch.multinomial(weights[1], 3),
        "multinomial(one)": lambda: torch.multinomial(weights, 1),
        "multinomial(rows)": lambda: torch.multinomial(weights, 4),
        "multinomial(replacement)": lambda: torch.multinomial(weights, 30, replacement=True),
        "poisson": lambda: torch.poisson(torch.arange(30.0)),
        "poisson(bfloat16)": lambda: torch.poisson(torch.full((20,), 3.0, dtype=bf16)),
        "binomial": lambda: torch.binomial(counts, probs),
        "gamma": lambda: torch._standard_gamma(alpha),
        "gamma(float64)": lambda: torch._standard_gamma(alpha.double()),
        "dirichlet": lambda: torch._sample_dirichlet(weights + 0.1),
        "beta": lambda: torch.distributions.Beta(torch.full((9,), 2.0), torch.tensor(3.0)).sample(),
        "one after another": lambda: torch.cat(
            [torch.randn(3), torch.randn(4), torch.rand(3), torch.randn(17), torch.randn(3)]
        ),
    }
    return table


def as_array(tensor):
    if tensor.dtype == bf16:
        return tensor.view(torch.int16).numpy().view(np.uint16)
    return tensor.numpy()


def summary(array):
    """The array itself, or the CRC-32 of its bytes if it is long."""
    return array if array.size <= LONGEST else np.uint32(zlib.crc32(array.tobytes()))


def record():
    values, states, kept = {}, [], []
    for name, draw in cases().items():
        draws = []
        for seed in SEEDS:
            torch.manual_seed(seed)
            draws.append(summary(as_array(draw())))
            state = torch.get_rng_state().numpy().copy()
            kept.append(state[KEPT_NORMAL].view(np.float64)[0])
            state[KEPT_NORMAL] = 0
            states.append(zlib.crc32(state.tobytes()))
        values[name] = np.stack(draws)
    shape = len(values), len(SEEDS)
    values["names"] = np.array(list(values))
    values["states"] = np.array(states, np.uint32).reshape(shape)
    values["kept_normals"] = np.array(kept).reshape(shape)
    torch.manual_seed(7)
    torch.randn(3)
    values["state_bytes"] = torch.get_rng_state().numpy()
    values["draws_after_state"] = torch.randn(3).numpy()
    return values


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **record())
