"""Convolution and pooling rules: windows as strided views, products through matmul."""

import math

import numpy as np


def _padded(x, padding, value=0):
    if not any(padding):
        return x
    return np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)], constant_values=value)


def _windows(x, kernel, stride, dilation, out):
    """(N, C, *out, *kernel) view of a padded x."""
    steps = x.strides[2:]
    shape = (*x.shape[:2], *out, *kernel)
    strides = (
        *x.strides[:2],
        *(s * st for s, st in zip(steps, stride, strict=True)),
        *(s * d for s, d in zip(steps, dilation, strict=True)),
    )
    return np.lib.stride_tricks.as_strided(x, shape, strides)


def _wide(*arrays):
    half = arrays[0].dtype.itemsize == 2 and arrays[0].dtype.kind not in "iu"
    return [a.astype(np.float32) if half else a for a in arrays]


def _around(x, kernel, stride, padding, dilation, out):
    """x with zeros around it, or without its edges, so that windows begin and end with it."""
    places, widths = [slice(None)] * 2, [(0, 0)] * 2
    for n, k, s, p, d, o in zip(x.shape[2:], kernel, stride, padding, dilation, out, strict=True):
        end = (o - 1) * s + d * (k - 1) + 1 - p
        places.append(slice(max(-p, 0), max(min(n, end), 0)))
        widths.append((max(p, 0), max(end - n, 0)))
    return np.pad(x[tuple(places)], widths)


def conv(x, w, stride, padding, dilation, groups, out):
    x, w = _wide(x, w)
    kernel = w.shape[2:]
    around = _around(x, kernel, stride, padding, dilation, out)
    windows = _windows(around, kernel, stride, dilation, out)
    n, oc, per = x.shape[0], w.shape[0] // groups, w.shape[1]
    spatial = len(out)
    result = np.empty((n, w.shape[0], *out), x.dtype)
    axes = (0, *range(2, 2 + spatial), 1, *range(2 + spatial, 2 + 2 * spatial))
    for g in range(groups):
        part = windows[:, g * per : (g + 1) * per].transpose(axes)
        columns = part.reshape(n, math.prod(out), per * math.prod(kernel))
        weights = w[g * oc : (g + 1) * oc].reshape(oc, -1)
        result[:, g * oc : (g + 1) * oc] = (weights @ columns.transpose(0, 2, 1)).reshape(
            n, oc, *out
        )
    return result


def _taps(kernel, out, stride, dilation):
    """(kernel index, slice of the padded operand) of every tap."""
    for tap in np.ndindex(*kernel):
        yield (
            tap,
            tuple(
                slice(t * d, t * d + (o - 1) * s + 1, s)
                for t, d, o, s in zip(tap, dilation, out, stride, strict=True)
            ),
        )


def conv_grad_input(g, w, stride, padding, dilation, groups, shape):
    dtype = g.dtype
    g, w = _wide(g, w)
    full = np.zeros(
        (*shape[:2], *(n + 2 * p for n, p in zip(shape[2:], padding, strict=True))), g.dtype
    )
    oc, per = w.shape[0] // groups, w.shape[1]
    flat = g.reshape(g.shape[0], g.shape[1], -1)
    for tap, place in _taps(w.shape[2:], g.shape[2:], stride, dilation):
        for k in range(groups):
            weights = w[(slice(k * oc, (k + 1) * oc), slice(None), *tap)]
            part = weights.T @ flat[:, k * oc : (k + 1) * oc]
            full[(slice(None), slice(k * per, (k + 1) * per), *place)] += part.reshape(
                g.shape[0], per, *g.shape[2:]
            )
    inside = tuple(slice(p, p + n) for n, p in zip(shape[2:], padding, strict=True))
    return np.ascontiguousarray(full[(slice(None), slice(None), *inside)]).astype(dtype, copy=False)


def conv_grad_weight(g, x, stride, padding, dilation, groups, shape):
    dtype = g.dtype
    g, x = _wide(g, x)
    out = np.zeros(shape, g.dtype)
    oc, per = shape[0] // groups, shape[1]
    padded = _padded(x, padding)
    rows = np.moveaxis(g, 1, 0).reshape(shape[0], -1)
    for tap, place in _taps(shape[2:], g.shape[2:], stride, dilation):
        part = padded[(slice(None), slice(None), *place)]
        columns = np.moveaxis(part, 1, 0).reshape(x.shape[1], -1)
        for k in range(groups):
            out[(slice(k * oc, (k + 1) * oc), slice(None), *tap)] = (
                rows[k * oc : (k + 1) * oc] @ columns[k * per : (k + 1) * per].T
            )
    return out.astype(dtype, copy=False)


def _fit(x, kernel, stride, padding, dilation, out, value):
    """x padded so that every window of `out` lies inside (ceil_mode reaches past the padding)."""
    widths = [(0, 0), (0, 0)]
    for n, k, s, p, d, o in zip(x.shape[2:], kernel, stride, padding, dilation, out, strict=True):
        need = (o - 1) * s + d * (k - 1) + 1
        widths.append((p, max(need - n - p, 0)))
    return np.pad(x, widths, constant_values=value) if any(map(any, widths)) else x


def _lowest(dtype):
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return False if dtype.kind == "b" else -np.inf


def window_argmax(x, kernel, stride, padding, dilation, out):
    """Padding wins only where all inside is as low: then it is the first inside."""
    padded = _fit(x, kernel, stride, padding, dilation, out, _lowest(x.dtype))
    windows = _windows(padded, kernel, stride, dilation, out)
    flat = windows.reshape(*windows.shape[: 2 + len(out)], -1)
    best = flat.argmax(-1)
    broken = (flat != flat).any(-1)
    if broken.any():
        last = flat.shape[-1] - 1 - (flat != flat)[..., ::-1].argmax(-1)
        best = np.where(broken, last, best)
    taps = np.unravel_index(best, kernel)
    index = np.zeros(best.shape, np.int64)
    for d, tap in enumerate(taps):
        along = [1] * best.ndim
        along[2 + d] = out[d]
        start = (np.arange(out[d]) * stride[d] - padding[d]).reshape(along)
        place = start + tap * dilation[d]
        place = np.where(place < 0, place % dilation[d], place)
        index = index * x.shape[2 + d] + place
    return np.minimum(index, max(math.prod(x.shape[2:]) - 1, 0))


def window_max(x, kernel, stride, padding, dilation, out):
    padded = _fit(x, kernel, stride, padding, dilation, out, _lowest(x.dtype))
    windows = _windows(padded, kernel, stride, dilation, out)
    return windows.max(tuple(range(2 + len(out), windows.ndim)))


def window_sum(x, kernel, stride, padding, out):
    ones = (1,) * len(kernel)
    padded = _fit(x, kernel, stride, padding, ones, out, 0)
    windows = _windows(padded, kernel, stride, ones, out)
    return windows.sum(tuple(range(2 + len(out), windows.ndim)), dtype=x.dtype)


def window_sum_grad(g, kernel, stride, padding, shape):
    ones = (1,) * len(kernel)
    reach = [(o - 1) * s + k for o, s, k in zip(g.shape[2:], stride, kernel, strict=True)]
    sizes = [max(n + 2 * p, r) for n, p, r in zip(shape[2:], padding, reach, strict=True)]
    full = np.zeros((*shape[:2], *sizes), g.dtype)
    for _, place in _taps(kernel, g.shape[2:], stride, ones):
        full[(slice(None), slice(None), *place)] += g
    return full[
        (
            slice(None),
            slice(None),
            *(slice(p, p + n) for n, p in zip(shape[2:], padding, strict=True)),
        )
    ]


WINDOW_RULES = {
    f.__name__: f
    for f in (
        conv,
        conv_grad_input,
        conv_grad_weight,
        window_argmax,
        window_max,
        window_sum,
        window_sum_grad,
    )
}
