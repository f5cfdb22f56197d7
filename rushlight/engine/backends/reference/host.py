"""Functions behind the `host` primitive: NumPy arrays to a tuple of NumPy arrays."""

import numpy as np

from . import host_ctc, host_fft, host_ldl, host_linalg, host_search

TABLE = {
    **host_ctc.TABLE,
    **host_linalg.TABLE,
    **host_ldl.TABLE,
    **host_fft.TABLE,
    **host_search.TABLE,
}


def host_function(function):
    TABLE[function.__name__] = function
    return function


def _half_through_float32(x):
    return x.astype(np.float32) if x.dtype.itemsize == 2 else x


@host_function
def frexp(x):
    """(mantissa, int32 exponent)."""
    mantissa, exponent = np.frexp(_half_through_float32(x))
    return mantissa.astype(x.dtype), exponent.astype(np.int32)


@host_function
def undefined_gradient(x, name):
    """Stands where PyTorch has no derivative."""
    raise NotImplementedError(f"the derivative for '{name}' is not implemented")
