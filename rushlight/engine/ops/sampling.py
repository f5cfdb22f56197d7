"""Sampling images and volumes at given coordinates: grid_sample, affine_grid."""

import itertools
import math
import warnings

from ..base import dtypes
from ..ir import lang as L
from .numeric import layout_if_distinct, not_implemented, wide
from .products import dot_values
from .record import T, composite, operator
from .resize import cubic_weights

_MODES, _PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


def _pixel(coordinate, size, align_corners, rank):
    """From [-1, 1] to pixels, in the order of PyTorch's kernels."""
    if align_corners:
        half = (size - 1) / 2
        return (coordinate + 1) * half if rank == 2 else (coordinate + 1) / 2 * (size - 1)
    if rank == 2:
        return (coordinate + 1) * (size / 2) - 0.5
    return ((coordinate + 1) * size - 1) / 2


def _clipped(x, size):
    """Into [0, size - 1]; the gradient is 0 at and beyond the borders, and NaN counts as 0."""
    inside = L.where(x > 0, x, L.like(x, 0))
    return L.where(inside < size - 1, inside, L.like(x, size - 1))


def _mirrored(x, size, align_corners):
    """Reflect at the borders (pixel centres, or pixel edges) until inside."""
    low, span = (0.0, float(size - 1)) if align_corners else (-0.5, float(size))
    if span == 0:
        return L.like(x, 0)
    away = L.abs_(x - low)
    flips = L.floor(away / span)
    extra = L.rem(away, L.like(away, span))
    even = L.eq(L.rem(flips, L.like(flips, 2)), L.like(flips, 0))
    return L.where(even, extra + low, span - extra + low)


def _placed(x, size, padding_mode, align_corners):
    if padding_mode == "border":
        return _clipped(x, size)
    if padding_mode == "reflection":
        return _clipped(_mirrored(x, size, align_corners), size)
    return x


def _fetch(x, places):
    """x at integer positions (one (N, *out) float Value per spatial dimension); zeros outside."""
    n, c = x.shape[:2]
    index, inside = None, None
    for place, size in zip(places, x.shape[2:], strict=True):
        valid = (place >= 0) & (place <= size - 1)
        safe = L.cast(L.where(valid, place, L.like(place, 0)), dtypes.int64)
        index = safe if index is None else index * size + safe
        inside = valid if inside is None else inside & valid
    out, count = index.shape[1:], math.prod(index.shape[1:])
    planes = L.reshape(x, (n, c, math.prod(x.shape[2:])))
    spread = L.broadcast(L.reshape(index, (n, 1, count)), (n, c, count))
    values = L.take_along(planes, spread, 2)
    inside = L.broadcast(L.reshape(inside, (n, 1, count)), (n, c, count))
    return L.reshape(L.where(inside, values, L.like(values, 0)), (n, c, *out))


def _weighted(values, weight):
    return values * L.broadcast(L.unsqueeze(weight, 1), values.shape)


def _multilinear(x, positions):
    """Sum over the 2^d corners around each position."""
    floors = [L.floor(p) for p in positions]
    total = None
    for corner in itertools.product((0, 1), repeat=len(positions)):
        weight, places = None, []
        for p, f, upper in zip(positions, floors, corner, strict=True):
            share = p - f if upper else 1 - (p - f) if len(floors) == 2 else f + 1 - p
            weight = share if weight is None else weight * share
            places.append(f + upper)
        part = _weighted(_fetch(x, places), weight)
        total = part if total is None else total + part
    return total


def _bicubic(x, positions, padding_mode, align_corners):
    floors = [L.floor(p) for p in positions]
    weights = [cubic_weights(p - f) for p, f in zip(positions, floors, strict=True)]
    total = None
    for i, j in itertools.product(range(4), repeat=2):
        places = [_placed(f + (k - 1), size, padding_mode, align_corners)
                  for f, k, size in zip(floors, (i, j), x.shape[2:], strict=True)]
        part = _weighted(_fetch(x, places), weights[0][i] * weights[1][j])
        total = part if total is None else total + part
    return total


def _check(input, grid, mode):
    if input.ndim not in (4, 5) or grid.ndim != input.ndim:
        raise RuntimeError("grid_sampler(): expected 4D or 5D input and grid with same number of "
                           f"dimensions, but got input with sizes {list(input.shape)} and grid "
                           f"with sizes {list(grid.shape)}")
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError("grid_sampler(): expected grid and input to have same batch size, but "
                           f"got input with sizes {list(input.shape)} and grid with sizes "
                           f"{list(grid.shape)}")
    if grid.shape[-1] != input.ndim - 2:
        raise RuntimeError(f"grid_sampler(): expected grid to have size {input.ndim - 2} in last "
                           f"dimension, but got grid with sizes {list(grid.shape)}")
    if 0 in input.shape[2:]:
        raise RuntimeError("grid_sampler(): expected input to have non-empty spatial dimensions, "
                           f"but input has sizes {list(input.shape)}")
    if input.ndim == 5 and mode == "bicubic":
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if input.dtype.category != dtypes.FLOAT:
        raise not_implemented("grid_sampler", input.dtype)
    if grid.dtype is not input.dtype:
        raise RuntimeError("grid_sampler(): expected input and grid to have same dtype, but input "
                           f"has {input.dtype} and grid has {grid.dtype}")


def _sampled(input, grid, mode, padding_mode, align_corners):
    _check(input, grid, mode)
    x, grid = wide(input), wide(grid)  # a half could not tell the pixels of a large image apart
    rank = x.ndim - 2
    positions = []
    for d in range(rank):  # grid holds (x, y[, z]): the last spatial dimension first
        coordinate = L.select(grid, grid.ndim - 1, rank - 1 - d)
        p = _pixel(coordinate, x.shape[2 + d], align_corners, rank)
        positions.append(p if mode == "bicubic" else
                         _placed(p, x.shape[2 + d], padding_mode, align_corners))
    if mode == "bicubic":
        out = _bicubic(x, positions, padding_mode, align_corners)
    elif mode == "nearest":
        out = _fetch(x, [L.round_(p) for p in positions])
    else:
        out = _multilinear(x, positions)
    return L.cast(out, input.dtype)


@operator("grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, "
          "bool align_corners) -> Tensor", variants="function", strides=layout_if_distinct)
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """nn.functional.grid_sample with its modes as numbers."""
    return _sampled(input, grid, _MODES[interpolation_mode], _PADDINGS[padding_mode], align_corners)


def _by_rank(rank):
    """torch.grid_sampler_2d and _3d."""
    def body(input, grid, interpolation_mode, padding_mode, align_corners):
        return _sampled(input, grid, _MODES[interpolation_mode], _PADDINGS[padding_mode],
                        align_corners)
    body.__doc__ = f"grid_sampler of {rank + 2}-D input."
    operator(f"grid_sampler_{rank}d(Tensor input, Tensor grid, int interpolation_mode, int "
             "padding_mode, bool align_corners) -> Tensor", variants="function",
             strides=layout_if_distinct)(body)


_by_rank(2)
_by_rank(3)


@operator("grid_sample(Tensor input, Tensor grid, str mode='bilinear', str padding_mode='zeros', "
          "bool? align_corners=None) -> Tensor", variants="nn", strides=layout_if_distinct,
          node="GridSamplerBackward0")
def grid_sample(input, grid, mode, padding_mode, align_corners):
    """Values of input (N, C, H, W) at the points of grid (N, h, w, 2): (N, C, h, w); 3-D likewise.

    Args:
        grid: (x, y[, z]) with -1 and 1 at the borders of the input.
        mode: "bilinear", "nearest" or "bicubic" (4-D only).
        padding_mode: what lies outside: "zeros", "border" or "reflection".
        align_corners: -1 and 1 are centres of the corner pixels, else their outer edges.
    """
    if mode not in _MODES:
        raise ValueError("nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' "
                         f"or 'bicubic', but got: '{mode}'")
    if padding_mode not in _PADDINGS:
        raise ValueError("nn.functional.grid_sample(): expected padding_mode to be 'zeros', "
                         f"'border', or 'reflection', but got: '{padding_mode}'")
    return _sampled(input, grid, mode, padding_mode, _corners(align_corners))


def _corners(align_corners):
    if align_corners is None:
        warnings.warn("Default grid_sample and affine_grid behavior has changed to "
                      "align_corners=False since 1.3.0. Please specify align_corners=True if the "
                      "old behavior is desired. See the documentation of grid_sample for "
                      "details.", stacklevel=7)
    return bool(align_corners)


# ------------------------------------------------------------------------------ affine grids
def _base(theta, n, align_corners):
    """Coordinates of n pixels in [-1, 1]."""
    if n <= 1:
        return L.const(theta, 0, theta.dtype, (n,))
    at = L.cast(L.iota(theta, n), theta.dtype) * (2 / (n - 1)) - 1
    return at if align_corners else at * ((n - 1) / n)


@operator("affine_grid_generator(Tensor theta, int[] size, bool align_corners) -> Tensor",
          variants="function")
def affine_grid_generator(theta, size, align_corners):
    """Grid of grid_sample for affine maps theta (N, 2, 3) or (N, 3, 4) and a result of `size`."""
    n, sizes = size[0], size[2:]
    rank = len(sizes)
    columns = []
    x = wide(theta)
    for d in reversed(range(rank)):
        shape = [1] * rank
        shape[d] = sizes[d]
        along = L.reshape(_base(x, sizes[d], align_corners), shape)
        columns.append(L.reshape(L.broadcast(along, sizes), (math.prod(sizes),)))
    columns.append(L.like(columns[0], 1))
    points = L.stack(columns, 1)
    points = L.broadcast(L.reshape(points, (1, *points.shape)), (n, *points.shape))
    out = dot_values(points, L.transpose(x, 1, 2))
    return L.cast(L.reshape(out, (n, *sizes, rank)), theta.dtype)


@composite("nn")
def affine_grid(theta, size, align_corners=None):
    """Sampling grid (N, H, W, 2) or (N, D, H, W, 3) of affine maps, for grid_sample.

    Args:
        theta: (N, 2, 3) for `size` (N, C, H, W), (N, 3, 4) for (N, C, D, H, W).
    """
    align_corners = _corners(align_corners)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    size = [int(n) for n in size]
    if len(size) not in (4, 5):
        raise NotImplementedError("affine_grid only supports 4D and 5D sizes, for 2D and 3D affine "
                                  f"transforms, respectively. Got size {size}")
    rank = len(size) - 2
    if theta.ndim != 3 or tuple(theta.shape[-2:]) != (rank, rank + 1):
        raise ValueError(f"Expected a batch of {rank}D affine matrices of shape "
                         f"Nx{rank}x{rank + 1} for size {size}. Got {tuple(theta.shape)}.")
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return T.affine_grid_generator(theta, size, align_corners)
