"""Convolutions in terms of two: the forward pass, and the gradient of its weights.

The gradient of what is convolved is a convolution of the output's gradient with the weights turned
round; where the stride is s, one for each place within s, since such places meet other taps of the
kernel.  Depthwise convolutions are sums of shifted products, which fuse with what is around them; a
kernel of one place is a matrix product.  What the primitives mean says
`backends/reference/windows.py`.
"""

from itertools import product
from math import gcd, prod

from ..base import dtypes
from ..ir import lang as L
from ..ir.primitives import PRIMITIVES

UNROLLED = 27  # places of a depthwise kernel that are added up one by one
PLANE = 256  # pixels of an image from which on a matrix product for each pays
FEWEST_CHANNELS, FEWEST_TILES = 16, 64  # for squares
MOST_WASTE = 1.5  # outputs of the tiles over those there are


def by_squares(v):
    """Is this convolution worth Winograd's way, squares of 4 x 4 for tiles of 2 x 2 outputs?

    The gradient of the weights never goes that way: where it is exactly zero, rounding errors would
    be left, which an optimizer like Adam makes as large as any other step.
    """
    if v.prim.name != "conv" or v.ndim != 4:
        return False
    out, w, p = v.shape, v.inputs[1].shape, v.params
    if tuple(w[2:]) != (3, 3) or p["groups"] != 1 or {*p["stride"], *p["dilation"]} != {1}:
        return False
    tiles, outputs = prod(-(-n // 2) for n in out[2:]), prod(out[2:])
    enough = min(w[:2]) >= FEWEST_CHANNELS and out[0] * tiles >= FEWEST_TILES
    floating = v.dtype in (dtypes.float32, dtypes.float64)
    return floating and enough and 4 * tiles <= MOST_WASTE * outputs


def contiguous(v):
    """Positions of the operands that a host step wants contiguous, not as views of other memory."""
    if v.prim.name == "conv":
        return (0,) if by_squares(v) else (1,)
    if v.prim.name == "conv_grad_weight":
        return (0,)
    return ()


def plain(x):
    """Are these numbers that kernels convolve?"""
    return x.dtype.category in (dtypes.INT, dtypes.FLOAT)


def conv(x, w, stride, padding, dilation, groups, out):
    """Depthwise ones and those of one place are taken apart."""
    once = all(v == 1 for v in (*w.shape[2:], *stride, groups)) and not any(padding)
    if 0 in (*x.shape, *w.shape, *out) or not plain(x):
        pass
    elif once and prod(out) >= PLANE and out == x.shape[2:]:
        n, channels, pixels = x.shape[0], x.shape[1], prod(out)
        weights = L.broadcast(L.reshape(w, (1, *w.shape[:2])), (n, *w.shape[:2]))
        found = L.dot(weights, L.reshape(x, (n, channels, pixels)))
        return L.reshape(found, (n, w.shape[0], *out))
    elif w.shape[1] == 1 and prod(w.shape[2:]) <= UNROLLED:
        return _depthwise(x, w, stride, padding, dilation, groups, out)
    geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return L.conv(x, w, **geometry, out=out)


def _depthwise(x, w, stride, padding, dilation, groups, out):
    """Sums over the places of the kernel, of each channel by itself."""
    many = w.shape[0] // groups
    shape = (x.shape[0], groups, many, *out)
    weights = L.reshape(w, (1, groups, many, *w.shape[2:]))
    total = None
    for taps, part in _shifted(x, w.shape[2:], stride, padding, dilation, out):
        part = L.broadcast(L.unsqueeze(part, 2), shape)
        factor = _tap(weights, 3, taps)
        factor = L.broadcast(L.reshape(factor, (1, groups, many) + (1,) * len(out)), shape)
        term = part * factor
        total = term if total is None else total + term
    return L.reshape(total, (shape[0], groups * many, *out))


def _tap(x, first, taps):
    """The elements at a place of the axes from `first` on."""
    for d, t in enumerate(taps):
        x = L.slice_axis(x, first + d, t, t + 1)
    return x


def _shifted(x, kernel, stride, padding, dilation, out):
    """(place of the kernel, what it meets at every output) of all places."""
    low, high, start = [0, 0], [0, 0], [0, 0]
    for n, k, s, p, d, o in zip(x.shape[2:], kernel, stride, padding, dilation, out, strict=True):
        low.append(max(p, 0))
        start.append(max(-p, 0))
        high.append(max((o - 1) * s + d * (k - 1) + 1 - n - p, 0))
    x = L.pad(x, low, high)
    for taps in product(*map(range, kernel)):
        part = x
        for a, (t, s, d, o) in enumerate(zip(taps, stride, dilation, out, strict=True)):
            begin = start[2 + a] + t * d
            part = L.slice_axis(part, 2 + a, begin, begin + s * (o - 1) + 1, s)
        yield taps, part


def conv_grad_input(g, w, stride, padding, dilation, groups, shape):
    """One convolution for each place within a stride, put together axis by axis."""
    if 0 in (*g.shape, *w.shape, *shape) or not plain(g):
        geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return g.graph.emit(PRIMITIVES["conv_grad_input"], (g, w), **geometry, shape=shape)
    per, o = w.shape[1], w.shape[0] // groups
    w = L.reshape(w, (groups, o, per, *w.shape[2:]))
    w = L.reshape(L.permute(w, (0, 2, 1, *range(3, w.ndim))), (groups * per, o, *w.shape[3:]))
    axes = [*zip(stride, padding, dilation, w.shape[2:], shape[2:], strict=True)]
    return _phases(g, w, axes, (), groups, shape[:2])


def _phases(g, w, axes, chosen, groups, lead):
    """All places within the strides of the axes not chosen yet, side by side."""
    d = len(chosen)
    if d == len(axes):
        return _phase(g, w, chosen, groups, lead)
    stride, padding, dilation, kernel, size = axes[d]
    count = -(-size // stride)
    parts = [
        _phases(
            g, w, axes, (*chosen, _met(r, count, stride, padding, dilation, kernel)), groups, lead
        )
        for r in range(stride)
    ]
    if stride == 1:
        return parts[0]
    merged = (*parts[0].shape[: 2 + d], count * stride, *parts[0].shape[3 + d :])
    together = L.reshape(L.stack(parts, 3 + d), merged)
    return L.slice_axis(together, 2 + d, 0, size)


def _met(r, count, stride, padding, dilation, kernel):
    """(first tap, step of taps, how many, padding, dilation, outputs) along an axis: element
    ``stride * t + r`` meets output ``(stride * t + r + padding - dilation * k) / stride`` for the
    taps k where that is whole."""
    step = stride // gcd(stride, dilation)
    taps = [k for k in range(min(step, kernel)) if (r + padding - dilation * k) % stride == 0]
    if not taps:
        return 0, 1, 0, 0, 1, count
    many = len(range(taps[0], kernel, step))
    apart = step * dilation // stride
    offset = (r + padding - dilation * taps[0]) // stride
    return taps[0], step, many, (many - 1) * apart - offset, apart, count


def _phase(g, w, chosen, groups, lead):
    """The places that meet certain taps: a convolution with those, the last first."""
    out = tuple(count for *_, count in chosen)
    if any(many == 0 for _, _, many, *_ in chosen):
        return L.const(g, 0, g.dtype, (*lead, *out))
    for d, (first, step, many, *_) in enumerate(chosen):
        w = L.slice_axis(w, 2 + d, first, first + step * (many - 1) + 1, step)
    w = L.flip(w, tuple(d for d in range(2, w.ndim) if w.shape[d] > 1))
    ones = (1,) * len(out)
    padding, dilation = (tuple(c[i] for c in chosen) for i in (3, 4))
    return conv(g, w, ones, padding, dilation, groups, out)


def conv_grad_weight(g, x, stride, padding, dilation, groups, shape):
    """Depthwise ones are sums of products."""
    geometry = {"stride": stride, "padding": padding, "dilation": dilation}
    if shape[1] != 1 or prod(shape[2:]) > UNROLLED or 0 in (*g.shape, *x.shape) or not plain(g):
        name = PRIMITIVES["conv_grad_weight"]
        return g.graph.emit(name, (g, x), **geometry, groups=groups, shape=shape)
    many, out = shape[0] // groups, g.shape[2:]
    whole = (x.shape[0], groups, many, *out)
    g = L.reshape(g, whole)
    sums = []
    for _, part in _shifted(x, shape[2:], stride, padding, dilation, out):
        term = g * L.broadcast(L.unsqueeze(part, 2), whole)
        sums.append(L.sum_(term, (0, *range(3, term.ndim))))
    return L.reshape(L.stack(sums, 2), shape)


EXPANSIONS = {f.__name__: f for f in (conv, conv_grad_input, conv_grad_weight)}
