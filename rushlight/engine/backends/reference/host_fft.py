"""Discrete Fourier transforms for the `host` primitive, over NumPy's."""

import numpy as np

TABLE: dict = {}


def host_function(function):
    TABLE[function.__name__] = function
    return function


def _scaled(x, sizes, scale, dtype):
    """`scale`: 0 none, 1 by 1 / sqrt(n), 2 by 1 / n, over the product of sizes."""
    n = float(np.prod(sizes))
    factor = (1.0, 1 / np.sqrt(n), 1 / n)[scale]
    return (x if scale == 0 else x * factor).astype(dtype)


def _complex(x, axes, forward):
    """Without scaling: numpy's "backward" leaves forward transforms so, "forward" the others."""
    if forward:
        return np.fft.fftn(x, axes=axes, norm="backward")
    return np.fft.ifftn(x, axes=axes, norm="forward")


@host_function
def fft_c2c(x, axes, forward, scale):
    sizes = [x.shape[a] for a in axes]
    return (_scaled(_complex(x, axes, forward), sizes, scale, x.dtype),)


@host_function
def fft_r2c(x, axes, forward, scale):
    sizes = [x.shape[a] for a in axes]
    out = np.fft.rfft(x, axis=axes[-1], norm="backward")
    out = out if forward else out.conj()
    if len(axes) > 1:
        out = _complex(out, axes[:-1], forward)
    return (_scaled(out, sizes, scale, np.result_type(x.dtype, np.complex64)),)


@host_function
def fft_c2r(x, axes, size, forward, scale):
    sizes = [x.shape[a] for a in axes[:-1]] + [size]
    if len(axes) > 1:
        x = _complex(x, axes[:-1], forward)
    out = np.fft.irfft(x.conj() if forward else x, size, axis=axes[-1], norm="forward")
    return (_scaled(out, sizes, scale, x.real.dtype),)
