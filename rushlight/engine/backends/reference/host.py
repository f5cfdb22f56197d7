"""Functions behind the `host` primitive: NumPy arrays to a tuple of NumPy arrays."""

import numpy as np

from . import host_ctc

TABLE = dict(host_ctc.TABLE)


def host_function(function):
    TABLE[function.__name__] = function
    return function


def _half_through_float32(x):
    return x.astype(np.float32) if x.dtype.itemsize == 2 else x


@host_function
def svd(x, full_matrices):
    """Singular value decomposition over the last two axes: U, S, Vh."""
    return tuple(np.linalg.svd(x, full_matrices=full_matrices))
