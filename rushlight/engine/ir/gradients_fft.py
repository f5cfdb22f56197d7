"""Derivatives of the discrete Fourier transforms (host functions of reference/host_fft.py).

Every transform is linear, so its derivative is its conjugate transpose: the transform the other
way with the same scale, on half spectra with the missing half accounted for.
"""

from . import lang as L
from .gradients_host import host_vjp


def transform(x, axes, forward, scale):
    """The complex transform of x over axes."""
    params = dict(axes=axes, forward=forward, scale=scale)
    return L.host("fft_c2c", [x], [(x.shape, x.dtype)], **params)[0]


def half_spectrum(x, axes, forward, scale):
    """The transform of real x; of the last of the axes only frequencies 0 .. n // 2."""
    shape = list(x.shape)
    shape[axes[-1]] = shape[axes[-1]] // 2 + 1
    params = dict(axes=axes, forward=forward, scale=scale)
    return L.host("fft_r2c", [x], [(tuple(shape), x.dtype.to_complex())], **params)[0]


def from_half_spectrum(x, axes, size, forward, scale):
    """The real transform of a half spectrum; the last of the axes gets `size` elements."""
    shape = list(x.shape)
    shape[axes[-1]] = size
    params = dict(axes=axes, size=size, forward=forward, scale=scale)
    return L.host("fft_c2r", [x], [(tuple(shape), x.dtype.to_real())], **params)[0]


@host_vjp("fft_c2c")
def _c2c(grads, outs, inputs, axes, forward, scale):
    return [transform(grads[0], axes, not forward, scale)]


@host_vjp("fft_r2c")
def _r2c(grads, outs, inputs, axes, forward, scale):
    g, last = grads[0], axes[-1]
    missing = [0] * g.ndim
    missing[last] = inputs[0].shape[last] - g.shape[last]
    whole = L.pad(g, [0] * g.ndim, missing)
    return [L.real(transform(whole, axes, not forward, scale))]


@host_vjp("fft_c2r")
def _c2r(grads, outs, inputs, axes, size, forward, scale):
    x, last = inputs[0], axes[-1]
    g = half_spectrum(grads[0], axes, not forward, scale)
    place = L.arange_along(g, last)
    alone = L.eq(place, 0)
    if size % 2 == 0:
        alone = alone | L.eq(place, size // 2)
    assert g.shape == x.shape
    return [L.where(alone, g, g * 2)]
