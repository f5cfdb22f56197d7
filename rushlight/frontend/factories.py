"""Rarer creation functions: index triangles, permuted memory, windows for signals."""

import math
import warnings

import numpy as np

from ..engine.base import dtypes, shapes
from ..engine.base.promote import get_default_dtype
from .arguments import python_number
from .creation import (
    as_device,
    as_dtype,
    as_size,
    check_options,
    empty_strided,
    finished,
    from_data,
)


def _placed(array, dtype, layout, device, requires_grad=False, pin_memory=False):
    """A computed array as the tensor a factory returns."""
    check_options(layout, pin_memory)
    place = as_device(device)
    return finished(from_data(array.astype(dtype.np), dtype, place), requires_grad)


def empty_permuted(
    size, physical_layout, *, dtype=None, layout=None, device=None, requires_grad=False,
    pin_memory=False,
):  # fmt: skip
    """Uninitialised; `physical_layout` lists the dimensions from the outermost in memory.

    >>> import rushlight as torch
    >>> torch.empty_permuted((2, 3), (1, 0)).stride()
    (1, 2)
    """
    shape, order = as_size((size,)), tuple(physical_layout)
    if sorted(order) != list(range(len(shape))):
        raise RuntimeError(
            f"Number of dimensions in size and in physical_layout must be a permutation; got "
            f"{list(shape)} and {list(order)}"
        )
    packed = shapes.contiguous_strides(tuple(shape[d] for d in order))
    strides = [0] * len(shape)
    for d, s in zip(order, packed, strict=True):
        strides[d] = s
    return empty_strided(
        shape, tuple(strides), dtype=dtype, layout=layout, device=device,
        requires_grad=requires_grad, pin_memory=pin_memory,
    )  # fmt: skip


def range_(
    start=0, end=None, step=1, *, out=None, dtype=None, layout=None, device=None,
    requires_grad=False,
):  # fmt: skip
    """``start, start + step, ..`` up to and including `end`; deprecated in favour of `arange`."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior "
        "is inconsistent with Python's range builtin. Instead, use torch.arange, which produces "
        "values in [start, end).",
        UserWarning,
        stacklevel=2,
    )
    start, end = (0, start) if end is None else (start, end)
    start, end, step = map(python_number, (start, end, step))
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    dtype = as_dtype(dtype, get_default_dtype() if out is None else out.dtype)
    values = start + step * np.arange(math.floor((end - start) / step) + 1)
    made = _placed(values, dtype, layout, device, requires_grad)
    return made if out is None else out.resize_(made.shape).copy_(made)


def _triangle(find, row, col, offset, dtype, device, layout, pin_memory):
    for name, n in (("row", row), ("col", col)):
        if n < 0:
            raise RuntimeError(f"{name} must be non-negative, got{n}")
    places = np.stack(find(row, offset, col)).astype(np.int64)
    return _placed(places, as_dtype(dtype, dtypes.int64), layout, device, pin_memory=pin_memory)


def tril_indices(row, col, offset=0, *, dtype=None, device=None, layout=None, pin_memory=False):
    """(2, count) positions on and below diagonal `offset` of a row x col matrix, row by row."""
    return _triangle(np.tril_indices, row, col, offset, dtype, device, layout, pin_memory)


def triu_indices(row, col, offset=0, *, dtype=None, device=None, layout=None, pin_memory=False):
    """(2, count) positions on and above diagonal `offset` of a row x col matrix, row by row."""
    return _triangle(np.triu_indices, row, col, offset, dtype, device, layout, pin_memory)


# ------------------------------------------------------------------------------- windows
def _phases(length, periodic):
    """0 .. 1 over the window; the last point is left out of a periodic one."""
    steps = max(length if periodic else length - 1, 1)
    return np.arange(length, dtype=np.float64) / steps


def _window(name, shape):
    def window(
        window_length, periodic=True, *args, dtype=None, layout=None, device=None,
        requires_grad=False, pin_memory=False, **named,
    ):  # fmt: skip
        dtype = as_dtype(dtype, get_default_dtype())
        if dtype.category != dtypes.FLOAT:
            raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
        if window_length < 0:
            raise RuntimeError(f"{name} requires non-negative window_length, got: {window_length}")
        values = shape(_phases(window_length, periodic), *args, **named)
        if window_length == 1:
            values = np.ones(1)
        return _placed(values, dtype, layout, device, requires_grad, pin_memory)

    window.__name__ = window.__qualname__ = name
    window.__doc__ = (
        f"{shape.__doc__}  Shape (window_length,); `periodic` leaves out the end point."
    )
    return window


def _hann(t):
    """The Hann window, a raised cosine."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * t)


def _hamming(t, alpha=0.54, beta=0.46):
    """The Hamming window, ``alpha - beta cos``."""
    return alpha - beta * np.cos(2 * np.pi * t)


def _bartlett(t):
    """The Bartlett window, a triangle."""
    return 1 - np.abs(2 * t - 1)


def _blackman(t):
    """The Blackman window, three cosine terms."""
    return 0.42 - 0.5 * np.cos(2 * np.pi * t) + 0.08 * np.cos(4 * np.pi * t)


def _kaiser(t, beta=12.0):
    """The Kaiser window, a modified Bessel function of the first kind."""
    return np.i0(beta * np.sqrt(np.clip(1 - (2 * t - 1) ** 2, 0, None))) / np.i0(float(beta))


hann_window = _window("hann_window", _hann)
hamming_window = _window("hamming_window", _hamming)
bartlett_window = _window("bartlett_window", _bartlett)
blackman_window = _window("blackman_window", _blackman)
kaiser_window = _window("kaiser_window", _kaiser)
