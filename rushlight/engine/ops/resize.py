"""Resizing of signals, images and volumes: interpolate and its older names.

Every mode is separable: along each axis an output element is a weighted sum of a few input elements
at positions computed from its index, in the arithmetic PyTorch uses (so indices agree exactly).
"""

import math
import warnings

from ..base import dtypes
from ..ir import lang as L
from .numeric import layout_of_first, not_implemented
from .record import T, composite, operator


def _scale(n, out, given, align_corners):
    """Input elements per output element."""
    if align_corners:
        return (n - 1) / (out - 1) if out > 1 else 0.0
    return 1.0 / given if given is not None and given > 0 else n / out


def _index(x, out, dtype):
    return L.cast(L.iota(x, out), dtype)


def _source(x, n, out, given, align_corners, dtype, cubic=False):
    """Real-valued source position of every output element."""
    scale = L.const(x, _scale(n, out, given, align_corners), dtype, (out,))
    at = _index(x, out, dtype)
    if align_corners:
        return scale * at
    position = scale * (at + 0.5) - 0.5
    return position if cubic else L.where(position < 0, L.like(position, 0), position)


def _take(x, axis, index):
    return L.move_axis(L.take(L.move_axis(x, axis, 0), index), 0, axis)


def _along(v, x, axis):
    """A vector along one axis of x."""
    return L.broadcast(L.reshape(v, [v.shape[0] if d == axis else 1 for d in range(x.ndim)]),
                       x.shape)


def _nearest(x, axis, out, given, align_corners, exact):
    n = x.shape[axis]
    scale = L.const(x, _scale(n, out, given, False), dtypes.float32, (out,))
    at = _index(x, out, dtypes.float32)
    place = L.cast(L.floor((at + 0.5) * scale if exact else at * scale), dtypes.int64)
    return _take(x, axis, _at_most(place, n - 1))


def _at_most(index, limit):
    return L.where(index > limit, L.like(index, limit), index)


def _linear(x, axis, out, given, align_corners):
    n = x.shape[axis]
    if n == out:
        return x
    position = _source(x, n, out, given, align_corners, x.dtype)
    low = _at_most(L.cast(L.floor(position), dtypes.int64), n - 1)
    high = _at_most(low + 1, n - 1)
    share = position - L.cast(low, x.dtype)
    share = L.where(share > 1, L.like(share, 1), share)
    left, right = _take(x, axis, low), _take(x, axis, high)
    share = _along(share, left, axis)
    return left * (1 - share) + right * share


def cubic_weights(t, a=-0.75):
    """Weights of the four neighbours for a fraction t (cubic convolution)."""
    def near(d):
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d):
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return far(t + 1), near(t), near(1 - t), far(2 - t)


def _cubic(x, axis, out, given, align_corners):
    n = x.shape[axis]
    position = _source(x, n, out, given, align_corners, x.dtype, cubic=True)
    floor = L.floor(position)
    total = None
    for i, weight in enumerate(cubic_weights(position - floor)):
        place = L.cast(floor, dtypes.int64) + (i - 1)
        place = _at_most(L.where(place < 0, L.like(place, 0), place), n - 1)
        part = _take(x, axis, place)
        part = part * _along(weight, part, axis)
        total = part if total is None else total + part
    return total


# ------------------------------------------------------------------------------- antialias
def _triangle(d):
    return L.where(d < 1, 1 - d, L.like(d, 0))


def _keys(d, a=-0.5):
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return L.where(d < 1, near, L.where(d < 2, far, L.like(d, 0)))


def _lanczos(d):
    angle = L.where(L.eq(d, L.like(d, 0)), L.like(d, 1), d * math.pi)
    value = L.sin(angle) / angle * (L.sin(angle / 3) / (angle / 3))
    value = L.where(L.eq(d, L.like(d, 0)), L.like(d, 1), value)
    return L.where(d < 3, value, L.like(d, 0))


_FILTERS = {"bilinear": (_triangle, 1), "bicubic": (_keys, 2), "lanczos": (_lanczos, 3)}


def _antialiased(x, axis, out, given, align_corners, mode):
    """Product with the (out, n) matrix of normalized filter weights."""
    n = x.shape[axis]
    kernel, reach = _FILTERS[mode]
    scale = _scale(n, out, given, align_corners)
    support = reach * max(scale, 1.0)
    squeeze = 1.0 / scale if scale >= 1 else 1.0
    centre = (_index(x, out, x.dtype) + 0.5) * L.const(x, scale, x.dtype, (out,))
    centre = L.broadcast(L.unsqueeze(centre, 1), (out, n))
    first = L.trunc(_at_least_zero(centre - support + 0.5))
    stop = L.trunc(centre + support + 0.5)
    at = L.cast(L.arange_along(centre, 1), x.dtype)
    weights = kernel(L.abs_((at - centre + 0.5) * squeeze))
    weights = L.where((at >= first) & (at < stop), weights, L.like(weights, 0))
    weights = weights / L.sum_(weights, [1], keepdim=True)
    moved = L.move_axis(x, axis, x.ndim - 1)
    rows = L.reshape(moved, (math.prod(moved.shape[:-1]), n))
    product = L.reshape(L.dot(rows, L.transpose(weights)), (*moved.shape[:-1], out))
    return L.move_axis(product, x.ndim - 1, axis)


def _at_least_zero(x):
    return L.where(x < 0, L.like(x, 0), x)


# ------------------------------------------------------------------------------ the record
def _resized(x, axis, out, given, mode, align_corners, antialias):
    if antialias:
        return _antialiased(x, axis, out, given, align_corners, mode)
    if mode.startswith("nearest"):
        return _nearest(x, axis, out, given, align_corners, mode == "nearest-exact")
    return (_cubic if mode == "bicubic" else _linear)(x, axis, out, given, align_corners)


@operator("_resize(Tensor self, int[] size, float[]? scales, str mode, bool align_corners, "
          "bool antialias) -> Tensor", variants="internal", strides=layout_of_first,
          node="UpsampleBackward0")
def resize(self, size, scales, mode, align_corners, antialias):
    """(N, C, *sizes) resized to `size`; `scales` are the factors the caller gave, if any."""
    if any(n <= 0 for n in (*self.shape[2:], *size)):
        raise RuntimeError("Input and output sizes should be greater than 0, but got input "
                           f"{list(self.shape[2:])} output {list(size)}")
    if self.shape[1] == 0:
        raise RuntimeError("Non-empty 4D data tensor expected but got a tensor with sizes "
                           f"{list(self.shape)}")
    x = self
    if not mode.startswith("nearest"):
        if self.dtype.category != dtypes.FLOAT and self.dtype is not dtypes.uint8:
            raise not_implemented("compute_indices_weights_linear", self.dtype)
        x = L.cast(self, dtypes.float64 if self.dtype is dtypes.float64 else dtypes.float32)
    elif self.dtype.category != dtypes.FLOAT and self.dtype is not dtypes.uint8:
        raise not_implemented("upsample_nearest", self.dtype)
    for d in reversed(range(len(size))):
        x = _resized(x, 2 + d, size[d], None if scales is None else scales[d], mode, align_corners,
                     antialias)
    if self.dtype is dtypes.uint8 and x.dtype is not dtypes.uint8:
        x = L.floor(x + 0.5)
        x = L.where(x < 0, L.like(x, 0), L.where(x > 255, L.like(x, 255), x))
    return L.cast(x, self.dtype)


_RANKS = {"linear": 1, "bilinear": 2, "bicubic": 2, "lanczos": 2, "trilinear": 3}


def _check_mode(input, mode, align_corners, antialias):
    if mode in ("nearest", "area", "nearest-exact") and align_corners is not None:
        raise ValueError("align_corners option can only be set with the interpolating modes: "
                         "linear | bilinear | bicubic | trilinear")
    if antialias and not (mode in _FILTERS and input.ndim == 4):
        raise ValueError("Anti-alias option is restricted to bilinear, bicubic, and lanczos modes "
                         "and requires a 4-D tensor as input")
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    if mode == "lanczos" and align_corners:
        raise ValueError("Lanczos mode does not support align_corners=True")


def _check_dimensions(input, mode):
    rank = input.ndim - 2
    if mode in ("linear", "bilinear", "trilinear") and 1 <= rank <= 3 and _RANKS[mode] != rank:
        raise NotImplementedError(f"Got {input.ndim}D input, but {mode} mode needs "
                                  f"{_RANKS[mode] + 2}D input")
    known = mode in ("nearest", "nearest-exact", "area") or _RANKS.get(mode) == rank
    if not (1 <= rank <= 3 and known):
        raise NotImplementedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported "
            f"(got {input.ndim}D) for the modes: nearest | linear | bilinear | bicubic | trilinear "
            f"| lanczos | area | nearest-exact (got {mode})")


def _sizes(input, size, scale_factor, recompute):
    """(output sizes, factors the kernels should use or None)."""
    rank = input.ndim - 2
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        if not isinstance(size, list | tuple):
            return [int(size)] * rank, None
        if len(size) != rank:
            raise ValueError("Input and output must have the same number of spatial dimensions, "
                             f"but got input with spatial dimensions of {list(input.shape[2:])} "
                             f"and output size of {size}. Please provide input tensor in (N, C, "
                             "d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) format.")
        if any(isinstance(n, float) for n in size):
            raise TypeError("expected size to be one of int or Tuple[int] or Tuple[int, int] or "
                            "Tuple[int, int, int], but got size with types "
                            f"{[type(n) for n in size]}")
        return [int(n) for n in size], None
    if isinstance(scale_factor, list | tuple):
        if len(scale_factor) != rank:
            raise ValueError("Input and scale_factor must have the same number of spatial "
                             "dimensions, but got input with spatial dimensions of "
                             f"{list(input.shape[2:])} and scale_factor of shape {scale_factor}. "
                             "Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
                             "scale_factor in (s1, s2, ...,sK) format.")
        factors = [float(s) for s in scale_factor]
    else:
        factors = [float(scale_factor)] * rank
    sizes = [math.floor(n * s) for n, s in zip(input.shape[2:], factors, strict=True)]
    return sizes, None if recompute else factors


@composite("nn")
def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None,
                recompute_scale_factor=None, antialias=False):
    """Resize (N, C, *sizes) to `size`, or by `scale_factor`.

    Args:
        mode: "nearest", "nearest-exact", "area" (any rank), "linear" (3-D input), "bilinear",
            "bicubic", "lanczos" (4-D), "trilinear" (5-D).
        align_corners: corner elements keep their value, else corner edges align
            (interpolating modes).
        recompute_scale_factor: use the ratio of sizes and not `scale_factor` for positions.
        antialias: widen the filter when shrinking ("bilinear", "bicubic", "lanczos").
    """
    _check_mode(input, mode, align_corners, antialias)
    sizes, scales = _sizes(input, size, scale_factor, bool(recompute_scale_factor))
    _check_dimensions(input, mode)
    if mode == "area":
        return getattr(T.nn, f"adaptive_avg_pool{input.ndim - 2}d")(input, sizes)
    return T._resize(input, sizes, scales, mode, bool(align_corners), antialias)


def _deprecated(name, instead):
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.{instead}` instead.",
                  stacklevel=4)


@composite("nn")
def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """interpolate, under its old name."""
    _deprecated("upsample", "interpolate")
    return T.nn.interpolate(input, size, scale_factor, mode, align_corners)


@composite("nn")
def upsample_nearest(input, size=None, scale_factor=None):
    """interpolate with mode "nearest"."""
    _deprecated("upsample_nearest", "interpolate")
    return T.nn.interpolate(input, size, scale_factor, "nearest")


@composite("nn")
def upsample_bilinear(input, size=None, scale_factor=None):
    """interpolate with mode "bilinear" and aligned corners."""
    _deprecated("upsample_bilinear", "interpolate")
    return T.nn.interpolate(input, size, scale_factor, "bilinear", True)
