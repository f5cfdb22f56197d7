"""Every random draw, with the numbers PyTorch's CPU kernels give after the same seed.

This is the list; the rules are in `draws_uniform.py`, `draws_normal.py` and `draws_rejection.py`,
the source of the words in `generator.py`. Each function takes the generator first and returns a
new NumPy array in C order.

The reference is PyTorch 2.13 for x86-64 with AVX2 on a processor that is not Intel's. On Intel's,
PyTorch draws `bernoulli` with a scalar probability (hence dropout) from a generator of MKL.
"""

from .draws_normal import log_normal, normal, normal_each, trunc_normal
from .draws_rejection import beta, binomial, dirichlet, poisson, standard_gamma
from .draws_uniform import (
    bernoulli,
    cauchy,
    dropout_mask,
    exponential,
    geometric,
    multinomial,
    randint,
    random,
    randperm,
    rrelu_noise,
    uniform,
)

__all__ = [
    "bernoulli",
    "beta",
    "binomial",
    "cauchy",
    "dirichlet",
    "dropout_mask",
    "exponential",
    "geometric",
    "log_normal",
    "multinomial",
    "normal",
    "normal_each",
    "poisson",
    "randint",
    "random",
    "randperm",
    "rrelu_noise",
    "standard_gamma",
    "trunc_normal",
    "uniform",
]
