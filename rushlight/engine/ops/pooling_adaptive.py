"""Pooling to a given size: adaptive average and maximum, fractional maximum."""

from ..base import dtypes
from ..base.shapes import numel
from ..ir import lang as L
from .numeric import layout_of_first, need_floating, wide
from .pooling import gather_plane, scatter_plane, unbatch, window_sums
from .record import T, composite, operator


def _target(output_size, x, rank, op):
    """Sizes of the result; None keeps the input's."""
    sizes = (output_size,) if output_size is None or isinstance(output_size, int) else output_size
    sizes = tuple(sizes) * (rank if len(sizes) == 1 else 1)
    if len(sizes) != rank:
        raise RuntimeError(f"{op}: output_size must be {rank}")
    sizes = [n if s is None else s for s, n in zip(sizes, x.shape[-rank:], strict=True)]
    if any(s < 0 for s in sizes):
        raise RuntimeError(f"{op}: elements of output_size must be greater than or equal to 0 but "
                           f"received {sizes}")
    return tuple(sizes)


def _batched(input, rank, op):
    if rank > 1 and input.ndim <= rank:
        raise ValueError(f"Input dimension should be at least {rank + 1}")
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(f"{op}: Expected {rank + 1}D or {rank + 2}D tensor, but got "
                           f"{list(input.shape)}")
    if 0 in input.shape[input.ndim - rank:]:
        raise RuntimeError(f"{op}: Expected input to have non-zero size for non-batch dimensions, "
                           f"but input has sizes {list(input.shape)}")
    return (input, False) if input.ndim == rank + 2 else (L.unsqueeze(input, 0), True)


def _bins(n, out):
    """(start, end) of every bin along a dimension."""
    return [(i * n // out, -(-(i + 1) * n // out)) for i in range(out)]


def _uniform(sizes, target):
    return all(t and n % t == 0 for n, t in zip(sizes, target, strict=True))


def _starts(x, n, out):
    """First element of every bin, int64 (out,)."""
    at = L.iota(x, out) * n
    return L.idiv(at, L.like(at, out)) if out else at


def _positions(x, n, out):
    """((out, k) positions of bin elements, (out, k) which of them count); k is the widest bin."""
    widest = max(e - s for s, e in _bins(n, out))
    at = L.iota(x, out)
    start = L.broadcast(L.unsqueeze(_starts(x, n, out), 1), (out, widest))
    stop = L.idiv((at + 1) * n + (out - 1), L.like(at, out))
    place = start + L.arange_along(start, 1)
    inside = place < L.broadcast(L.unsqueeze(stop, 1), (out, widest))
    return L.where(inside, place, start), inside


def _averaged(x, axis, out):
    """Mean over the bins of one axis."""
    n = x.shape[axis]
    moved = L.move_axis(x, axis, 0)
    place, inside = _positions(x, n, out)
    rows = L.take(moved, place)  # (out, k, ...)
    mask = L.reshape(inside, inside.shape + (1,) * (rows.ndim - 2))
    kept = L.where(L.broadcast(mask, rows.shape), rows, L.like(rows, 0))
    counts = L.sum_(L.cast(inside, x.dtype), [1])
    total = L.sum_(kept, [1])
    counts = L.broadcast(L.reshape(counts, (out,) + (1,) * (total.ndim - 1)), total.shape)
    return L.move_axis(total / counts, 0, axis)


def _layout_of_means(metas, out_shapes):
    """In 3-d PyTorch's averages are row-major, but of whole planes, which are means."""
    whole = tuple(out_shapes[0][-3:]) == (1, 1, 1)
    return layout_of_first(metas, out_shapes) if whole else [None]


def _adaptive_avg(rank):
    name = f"adaptive_avg_pool{rank}d"

    def body(self, output_size):
        x, unbatched = _batched(self, rank, name)
        target = _target(output_size, x, rank, name)
        need_floating(self, f"{name}_cpu")
        return unbatch(L.cast(_average(wide(x), target), self.dtype), unbatched)
    body.__doc__ = f"""Mean over bins that divide the last {rank} dimension(s) into `output_size`.

    Bin i of n elements into m spans ``floor(i n / m)`` to ``ceil((i + 1) n / m)``; None keeps a
    size.
    """
    operator(f"{name}(Tensor self, Sizes output_size) -> Tensor",
             variants="function,nn" if rank == 1 else "nn",
             strides=layout_of_first if rank < 3 else _layout_of_means,
             node=f"AdaptiveAvgPool{rank}DBackward0" if rank > 1 else "SqueezeBackward1")(body)


def _average(x, target):
    sizes = x.shape[2:]
    if 0 in target:
        return L.const(x, 0, x.dtype, (*x.shape[:2], *target))
    if all(t == 1 for t in target):
        return L.mean(x, range(2, x.ndim), keepdim=True)
    if _uniform(sizes, target):
        step = tuple(n // t for n, t in zip(sizes, target, strict=True))
        sums = window_sums(x, step, step, (0,) * len(step), target)
        return sums / numel(step)
    for d, t in enumerate(target):
        if x.shape[2 + d] != t:
            x = _averaged(x, 2 + d, t)
    return x


# --------------------------------------------------------------------------------- maximum
def max_over_bins(x, places, masks):
    """Flat plane position of the maximum of every bin (the last NaN, else the first of equals).

    `places[d]` (and `masks[d]`, or None) are (out, k): positions along spatial dimension d.
    """
    rank = len(places)
    outs, widths = [p.shape[0] for p in places], [p.shape[1] for p in places]
    full = (*outs, *widths)
    index, inside = None, None
    for d, place in enumerate(places):
        shape = [1] * (2 * rank)
        shape[d], shape[rank + d] = place.shape
        along = L.broadcast(L.reshape(place, shape), full)
        index = along if index is None else index * x.shape[2 + d] + along
        if masks is not None:
            mask = L.broadcast(L.reshape(masks[d], shape), full)
            inside = mask if inside is None else inside & mask
    count = numel(outs)
    index = L.reshape(index, (count, numel(widths)))
    planes = L.reshape(x, (numel(x.shape[:2]), numel(x.shape[2:])))
    values = L.permute(L.take(L.permute(planes, (1, 0)), index), (2, 0, 1))  # (planes, bins, k)
    if inside is not None:
        low = L.like(values, _lowest(x.dtype))
        values = L.where(L.broadcast(L.reshape(inside, (1, *index.shape)), values.shape), values,
                         low)
    best = _last_nan_else_first_max(values)
    found = L.take_along(L.broadcast(L.reshape(index, (1, *index.shape)), values.shape),
                         L.unsqueeze(best, 2), 2)
    return L.reshape(found, (*x.shape[:2], *outs))


def _last_nan_else_first_max(values):
    """PyTorch's loops replace on `value > best or isnan(value)`: the last NaN stays."""
    if values.dtype.category < dtypes.FLOAT:
        return L.argmax(values, 2)
    broken = L.isnan(values)
    last = values.shape[2] - 1 - L.argmax(L.flip(L.cast(broken, dtypes.int64), [2]), 2)
    return L.where(L.any_(broken, [2]), last, L.argmax(values, 2))


def _lowest(dtype):
    return float("-inf") if dtype.category == dtypes.FLOAT else -(1 << (8 * dtype.itemsize - 1))


def _adaptive_index(x, target):
    pairs = [_positions(x, n, t) for n, t in zip(x.shape[2:], target, strict=True)]
    return max_over_bins(x, [p for p, _ in pairs], [m for _, m in pairs])


def _adaptive_max(rank):
    name = f"adaptive_max_pool{rank}d"

    def body(self, output_size, return_indices=True):
        x, unbatched = _batched(self, rank, name)
        need_floating(self, name)
        target = _target(output_size, x, rank, name)
        if 0 in target or 0 in x.shape:
            shape = (*x.shape[:2], *target)
            values, index = L.const(x, 0, x.dtype, shape), L.const(x, 0, dtypes.int64, shape)
        else:
            index = _adaptive_index(x, target)
            values = gather_plane(x, index)
        values, index = unbatch(values, unbatched), unbatch(index, unbatched)
        return (values, index) if return_indices else values

    def gradient(grads, outputs, self, output_size, return_indices=True):
        x, unbatched = _batched(self, rank, name)
        target = _target(output_size, x, rank, name)
        if 0 in target or 0 in x.shape:
            return {"self": L.like(self, 0)}
        index = outputs[1] if return_indices else _adaptive_index(x, target)
        g = grads[0]
        if unbatched:
            g = L.unsqueeze(g, 0)
            index = L.unsqueeze(index, 0) if return_indices else index
        return {"self": unbatch(scatter_plane(g, index, x.shape), unbatched)}
    body.__doc__ = f"Maximum over bins that divide the last {rank} dimension(s) into `output_size`."
    for variants, tail in (("nn", ", bool return_indices=False"), ("function", "")):
        if variants == "nn" or rank == 1:
            operator(f"{name}(Tensor self, Sizes output_size{tail}) -> Tensor", variants=variants,
                     vjp=gradient, strides=layout_of_first if rank < 3 else None,
                     node=f"AdaptiveMaxPool{rank}DBackward0")(body)

    def with_indices(input, output_size, return_indices=False):
        return getattr(T.nn, name)(input, output_size, True)
    with_indices.__doc__ = f"{name} and where each maximum is in its flattened plane."
    composite("nn", name=f"{name}_with_indices")(with_indices)


for _rank in (1, 2, 3):
    _adaptive_avg(_rank)
    _adaptive_max(_rank)


# ------------------------------------------------------------------------------ fractional
def _fractional_starts(samples, d, n, out, k):
    """First element of each window along a dimension, int64 (planes, out), from uniform samples."""
    sample = L.unsqueeze(L.select(samples, 2, d), 2)  # (N, C, 1)
    sample = L.reshape(sample, (numel(samples.shape[:2]), 1))
    sample = L.broadcast(sample, (sample.shape[0], out))
    at = L.cast(L.arange_along(sample, 1), sample.dtype)
    last = L.like(L.cast(at, dtypes.int64), n - k)
    if out == 1:
        return last
    alpha = (n - k) / (out - 1)
    floor = L.trunc((at + sample) * alpha) - L.trunc(sample * alpha)
    return L.where(L.eq(at, L.like(at, out - 1)), last, L.cast(floor, dtypes.int64))


def _fractional_index(x, samples, kernel, target):
    """Flat plane position of each window's maximum; windows differ from plane to plane."""
    rank, planes = len(kernel), numel(x.shape[:2])
    samples = L.slice_axis(samples, 0, 0, x.shape[0])
    full = (planes, *target, *kernel)
    index = None
    for d in range(rank):
        starts = _fractional_starts(samples, rank - 1 - d if rank == 2 else d, x.shape[2 + d],
                                    target[d], kernel[d])
        shape = [planes] + [1] * (2 * rank)
        shape[1 + d] = target[d]
        along = L.broadcast(L.reshape(starts, shape), full)
        along = along + L.arange_along(along, 1 + rank + d)
        index = along if index is None else index * x.shape[2 + d] + along
    index = L.reshape(index, (planes, numel(target), numel(kernel)))
    flat = L.reshape(x, (planes, numel(x.shape[2:])))
    values = L.reshape(L.take_along(flat, L.reshape(index, (planes,
                                                            numel(target) * numel(kernel))), 1),
                       index.shape)
    best = L.unsqueeze(_last_nan_else_first_max(values), 2)
    return L.reshape(L.take_along(index, best, 2), (*x.shape[:2], *target))


def _fractional(rank):
    name = f"fractional_max_pool{rank}d"

    def body(self, kernel_size, output_size, samples):
        x, unbatched = _batched(self, rank, name)
        _check_fractional(x, kernel_size, output_size, name)
        index = _fractional_index(x, samples, kernel_size, output_size)
        return unbatch(gather_plane(x, index), unbatched), unbatch(index, unbatched)

    def gradient(grads, outputs, self, kernel_size, output_size, samples):
        unbatched = self.ndim == rank + 1
        shape = (1, *self.shape) if unbatched else self.shape
        g, index = (L.unsqueeze(v, 0) if unbatched else v for v in (grads[0], outputs[1]))
        return {"self": unbatch(scatter_plane(g, index, shape), unbatched)}
    body.__doc__ = "Maximum over windows whose starts are drawn (Graham 2014, arXiv:1412.6071)."
    operator(f"_{name}(Tensor self, int[] kernel_size, int[] output_size, Tensor samples)"
             " -> (Tensor, Tensor)", variants="internal", vjp=gradient,
             node=f"FractionalMaxPool{rank}DBackward0")(body)

    def public(input, kernel_size, output_size=None, output_ratio=None, return_indices=False,
               _random_samples=None):
        kernel, sizes = _fractional_sizes(input, rank, name, kernel_size, output_size, output_ratio)
        if _random_samples is None:
            lead = (1, *input.shape[:1]) if input.ndim == rank + 1 else input.shape[:2]
            _random_samples = T.rand(*lead, rank, dtype=input.dtype, device=input.device)
        found = getattr(T, f"_{name}")(input, kernel, sizes, _random_samples)
        return tuple(found) if return_indices else found[0]
    public.__doc__ = """Maximum over windows of `kernel_size` whose starts are drawn.

    One of `output_size` and `output_ratio` (in (0, 1), of the input's size) is needed.
    """
    composite("nn", name=name)(public)

    def with_indices(input, *args, **kwargs):
        kwargs["return_indices"] = True
        return public(input, *args, **kwargs)
    with_indices.__doc__ = f"{name} and where each maximum is."
    composite("nn", name=f"{name}_with_indices")(with_indices)


def _fractional_sizes(input, rank, name, kernel_size, output_size, output_ratio):
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")

    def repeat(value):
        return (value,) * rank if isinstance(value, int | float) else tuple(value)
    if output_size is None:
        ratios = repeat(output_ratio)
        if len(ratios) > rank:
            raise ValueError(f"{name} requires output_ratio to either be a single Int or tuple of "
                             "Ints.")
        output_size = [int(n * r) for n, r in zip(input.shape[-rank:], ratios, strict=True)]
    return repeat(kernel_size), repeat(output_size)


def _check_fractional(x, kernel, target, name):
    if len(kernel) != x.ndim - 2:
        raise RuntimeError(f"{name}: kernel_size must either be a single int or tuple of ints")
    if len(target) != x.ndim - 2:
        raise RuntimeError(f"{name}: output_size must either be a single int or tuple of ints")
    for n, k, out in zip(x.shape[2:], kernel, target, strict=True):
        if out + k - 1 > n or out <= 0 or k <= 0:
            raise RuntimeError(f"{name}: pool size ({k}) too large relative to input size ({n})")


for _rank in (2, 3):
    _fractional(_rank)
