"""Pooling over windows: maximum, average, p-norm; and the inverse of max pooling."""

import math

from ..base import dtypes
from ..ir import lang as L
from ..ir.primitives import PRIMITIVES
from .numeric import layout_of_first, not_implemented, wide
from .record import T, composite, operator

_NAMES = {1: "1d", 2: "2d", 3: "3d"}


def listed(value, rank, op, name):
    """One number per spatial dimension."""
    value = (value,) if isinstance(value, int) else tuple(value)
    if len(value) not in (1, rank):
        what = {1: "a single int", 2: "either be a single int, or a tuple of two ints",
                3: "either be a single int, or a tuple of three ints"}[rank]
        raise RuntimeError(f"{op}: {name} must {what}")
    return value * rank if len(value) == 1 else value


def spatial(input, rank, op):
    """(input as (N, C, *sizes), had it no batch dimension?)."""
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(f"{op}: Expected {rank + 1}D or {rank + 2}D (batch mode) tensor with "
                           f"optional 0 dim batch size for input, but got: {list(input.shape)}")
    if 0 in input.shape[-rank - 1:]:
        raise RuntimeError(f"{op}: Expected {rank + 1}D or {rank + 2}D (batch mode) tensor with "
                           f"optional 0 dim batch size for input, but got: {list(input.shape)}")
    return (input, False) if input.ndim == rank + 2 else (L.unsqueeze(input, 0), True)


def unbatch(x, unbatched):
    """Drop the batch dimension `spatial` added."""
    return L.reshape(x, x.shape[1:]) if unbatched else x


def pooled_size(n, k, s, p, d, ceil_mode):
    """Windows along one dimension; with ceil_mode none starts in the padding at the end."""
    span = n + 2 * p - d * (k - 1) - 1
    out = (span + (s - 1 if ceil_mode else 0)) // s + 1
    if ceil_mode and (out - 1) * s >= n + p:
        out -= 1
    return out


def _geometry(x, rank, op, kernel, stride, padding, dilation, ceil_mode, fits=False):
    """The checked numbers, and the output's sizes; `fits`: the kernel may not exceed the input."""
    kernel = listed(kernel, rank, op, "kernel_size")
    stride = listed(stride, rank, op, "stride") if stride not in (None, ()) else kernel
    padding = listed(padding, rank, op, "padding")
    dilation = listed(dilation, rank, op, "dilation")
    if any(k <= 0 for k in kernel):
        raise RuntimeError("kernel size should be greater than zero, but got kernel size "
                           f"{list(kernel)}")
    if any(s <= 0 for s in stride):
        raise RuntimeError(f"stride should be greater than zero, but got {list(stride)}"
                           if rank > 1 else "stride must be greater than zero")
    if any(d <= 0 for d in dilation):
        raise RuntimeError("dilation must be greater than zero, but got "
                           f"{dilation[0] if rank == 1 else list(dilation)}")
    for p, k, d in zip(padding, kernel, dilation, strict=True):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > ((k - 1) * d + 1) // 2:
            raise RuntimeError("pad should be at most half of effective kernel size, but got "
                               f"pad={p}, kernel_size={k} and dilation={d}")
    if fits and any(n < k for n, k in zip(x.shape[2:], kernel, strict=True)):
        image, window = (" ".join(f"{p}{axis}: {n}" for axis, n in zip("THW", v, strict=True))
                         for p, v in (("", x.shape[2:]), ("k", kernel)))
        raise RuntimeError(f"input image ({image}) smaller than kernel size ({window})")
    out = tuple(pooled_size(*v, ceil_mode) for v in
                zip(x.shape[2:], kernel, stride, padding, dilation, strict=True))
    if any(n <= 0 for n in out):
        raise RuntimeError(f"Given input size: ({'x'.join(map(str, x.shape[1:]))}). Calculated "
                           f"output size: ({'x'.join(map(str, (x.shape[1], *out)))}). Output size "
                           "is too small")
    return kernel, stride, padding, dilation, out


# --------------------------------------------------------------------------------- maximum
def gather_plane(x, index):
    """Elements of each (N, C) plane of x at flat positions; index is (N, C, *sizes)."""
    n, c = x.shape[:2]
    flat = L.reshape(x, (n * c, math.prod(x.shape[2:])))
    found = L.take_along(flat, L.reshape(index, (n * c, math.prod(index.shape[2:]))), 1)
    return L.reshape(found, index.shape)


def scatter_plane(g, index, shape, mode="add"):
    """Transpose of gather_plane: values g at flat positions of zero planes of x's shape."""
    n, c = shape[:2]
    zeros = L.const(g, 0, g.dtype, (n * c, math.prod(shape[2:])))
    rows = (n * c, math.prod(index.shape[2:]))
    return L.reshape(L.put_along(zeros, L.reshape(index, rows), L.reshape(g, rows), 1, mode), shape)


def _max_pool(rank, name, variants):
    def pool(input, kernel_size, stride, padding, dilation, ceil_mode):
        if input.dtype.is_complex or input.dtype is dtypes.bool_:
            raise not_implemented(f"max_pool{_NAMES[rank]}", input.dtype)
        x, unbatched = spatial(input, rank, f"max_pool{_NAMES[rank]}")
        geometry = _geometry(x, rank, f"max_pool{_NAMES[rank]}", kernel_size, stride, padding,
                             dilation,
                             ceil_mode)
        names = ("kernel", "stride", "padding", "dilation", "out")
        geometry = dict(zip(names, geometry, strict=True))
        best, index = (x.graph.emit(PRIMITIVES[f"window_{p}"], (x,), **geometry)
                       for p in ("max", "argmax"))
        return x, best, index, unbatched

    def body(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=False):
        _, best, index, unbatched = pool(input, kernel_size, stride, padding, dilation, ceil_mode)
        values = unbatch(best, unbatched)
        return (values, unbatch(index, unbatched)) if return_indices else values

    def gradient(grads, outputs, input, kernel_size, stride, padding, dilation, ceil_mode,
                 return_indices=False):
        x, _, index, unbatched = pool(input, kernel_size, stride, padding, dilation, ceil_mode)
        if return_indices:
            index = outputs[1] if not unbatched else L.unsqueeze(outputs[1], 0)
        g = grads[0] if not unbatched else L.unsqueeze(grads[0], 0)
        return {"input": unbatch(scatter_plane(g, index, x.shape), unbatched)}
    body.__doc__ = f"""Maximum of each window over {rank} spatial dimension(s).

    Args:
        input: (N, C, *sizes) or (C, *sizes).
        stride: default `kernel_size`.
        padding: minus infinity on both sides; at most half of the window.
        ceil_mode: also windows that reach over the end.
    """
    tail = ", bool return_indices=False" if variants == "nn" else ""
    operator(f"{name}(Tensor input, int[{rank}] kernel_size, int[{rank}]? stride=None, "
             f"int[{rank}] padding=0, int[{rank}] dilation=1, bool ceil_mode=False{tail}) -> "
             "Tensor",
             variants=variants, vjp=gradient, strides=layout_of_first,
             node=f"MaxPool{rank}DWithIndicesBackward0")(body)


def _with_indices(name):
    def body(input, *args, **kwargs):
        kwargs["return_indices"] = True
        return getattr(T.nn, name)(input, *args, **kwargs)
    body.__doc__ = f"{name} and where each maximum is in its flattened plane."
    composite("nn", name=f"{name}_with_indices")(body)


for _rank in (1, 2, 3):
    _max_pool(_rank, f"max_pool{_rank}d", "nn")
    _max_pool(_rank, f"max_pool{_rank}d", "function")
    _with_indices(f"max_pool{_rank}d")


@composite("function")
def max_pool1d_with_indices(input, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False):
    """max_pool1d and where each maximum is."""
    return T.nn.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


# --------------------------------------------------------------------------------- average
def window_sums(x, kernel, stride, padding, out):
    """Sum over each window; zeros outside."""
    return x.graph.emit(PRIMITIVES["window_sum"], (x,), kernel=kernel, stride=stride,
                        padding=padding,
                        out=out)


def _counts(x, kernel, stride, padding, out, include_pad):
    """Elements each window divides by: a number, or a Value broadcast over the result."""
    total = None
    for d, (n, k, s, p, o) in enumerate(zip(x.shape[2:], kernel, stride, padding, out,
                                            strict=True)):
        starts = [i * s - p for i in range(o)]
        ends = [min(start + k, n + p) for start in starts]
        sizes = [e - b for b, e in zip(starts, ends, strict=True)] if include_pad else \
            [min(e, n) - max(b, 0) for b, e in zip(starts, ends, strict=True)]
        along = _axis_values(x, sizes, d, len(out))
        total = along if total is None else total * along
    return total


def _axis_values(x, sizes, d, rank):
    """Small integers known now as a Value along spatial dimension d; a Value () where all agree."""
    if len(set(sizes)) == 1:
        return L.const(x, sizes[0], x.dtype, (1,) * (rank + 2))
    shape = [1] * (rank + 2)
    shape[2 + d] = len(sizes)
    runs = [(sizes[0], 0)] + [(b - a, i) for i, (a, b) in
                              enumerate(zip(sizes, sizes[1:], strict=False), 1) if a != b]
    at = L.iota(x, len(sizes))
    total = L.const(x, 0, x.dtype, (len(sizes),))
    for step, start in runs:  # a step function: few steps, at the borders
        total = total + L.where(at >= start, L.like(total, step), L.like(total, 0))
    return L.reshape(total, shape)


def _avg_pool(rank):
    name = f"avg_pool{_NAMES[rank]}"

    def body(input, kernel_size, stride, padding, ceil_mode, count_include_pad,
             divisor_override=None):
        if input.dtype.category == dtypes.COMPLEX or input.dtype is dtypes.bool_:
            raise not_implemented(f"{name}_out_frame", input.dtype)
        if divisor_override == 0:
            raise RuntimeError("divisor must be not zero")
        x, unbatched = spatial(input, rank, name)
        kernel, stride, padding, _, out = _geometry(x, rank, name, kernel_size, stride, padding, 1,
                                                    ceil_mode, fits=rank == 3)
        x = wide(x)
        sums = window_sums(x, kernel, stride, padding, out)
        counts = L.const(x, divisor_override, x.dtype, (1,) * sums.ndim) if divisor_override else \
            _counts(x, kernel, stride, padding, out, count_include_pad)
        counts = L.broadcast(counts, sums.shape)
        mean = sums / counts if x.dtype.category >= dtypes.FLOAT else L.idiv(sums, counts)
        return unbatch(L.cast(mean, input.dtype), unbatched)
    body.__doc__ = f"""Mean of each window over {rank} spatial dimension(s).

    Args:
        input: (N, C, *sizes) or (C, *sizes).
        stride: default `kernel_size`.
        padding: zeros on both sides, counted in the mean if `count_include_pad`.
    """
    tail = "" if rank == 1 else ", int? divisor_override=None"
    operator(f"{name}(Tensor input, int[{rank}] kernel_size, int[{rank}]? stride=None, "
             f"int[{rank}] padding=0, bool ceil_mode=False, bool count_include_pad=True{tail}) -> "
             "Tensor",
             variants="function,nn" if rank == 1 else "nn",
             strides=layout_of_first if rank < 3 else None,  # in 3-d PyTorch's are row-major
             node=f"AvgPool{rank}DBackward0")(body)


for _rank in (1, 2, 3):
    _avg_pool(_rank)


# ---------------------------------------------------------------------------------- p-norm
def _lp_pool(rank):
    name = f"lp_pool{rank}d"

    def body(input, norm_type, kernel_size, stride=None, ceil_mode=False):
        kernel = listed(kernel_size, rank, name, "kernel_size")
        if math.isinf(norm_type):
            largest, size = getattr(T.nn, f"max_pool{rank}d"), input.abs()
            if norm_type > 0:
                return largest(size, kernel_size, stride, 0, 1, ceil_mode)
            return -largest(-size, kernel_size, stride, 0, 1, ceil_mode)
        pool = getattr(T.nn, f"avg_pool{rank}d")
        out = pool(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
        size = math.prod(kernel)
        return (T.sign(out) * T.relu(T.abs(out))).mul(size).pow(1.0 / norm_type)
    body.__doc__ = "p-norm of each window: ``(sum of x ** p) ** (1 / p)``."
    composite("nn", name=name)(body)


for _rank in (1, 2, 3):
    _lp_pool(_rank)


# ------------------------------------------------------------------------------ max unpooling
def unpooled_sizes(input, rank, kernel_size, stride, padding, output_size, name):
    """Sizes max_unpool produces; an asked-for output_size must be within a stride of the
    default."""
    kernel = listed(kernel_size, rank, name, "kernel_size")
    stride = listed(stride, rank, name, "stride") if stride not in (None, (), []) else kernel
    padding = listed(padding, rank, name, "padding")
    default = [(n - 1) * s + k - 2 * p for n, s, k, p in
               zip(input.shape[-rank:], stride, kernel, padding, strict=True)]
    if output_size is None:
        return default, stride, padding
    output_size = [int(n) for n in output_size]
    if len(output_size) == rank + 2:
        output_size = output_size[2:]
    if len(output_size) != rank:
        raise ValueError("output_size should be a sequence containing "
                         f"{rank} or {rank + 2} elements, but it has a length of "
                         f"'{len(output_size)}'")
    for want, usual, s in zip(output_size, default, stride, strict=True):
        if not usual - s < want < usual + s:
            raise ValueError(f'invalid output_size "{output_size}" (dim 0 must be between '
                             f"{usual - s} and {usual + s})")
    return output_size, stride, padding


def _max_unpool(rank):
    name = f"max_unpool{rank}d"

    def scatter(self, indices, output_size, stride, padding):
        if indices.dtype is not dtypes.int64:
            raise RuntimeError("elements in indices should be type int64 but got: "
                               f"{indices.dtype.type_name}")
        if indices.shape != self.shape:
            raise RuntimeError(f"Expected shape of indices to be same as that of the input tensor "
                               f"({list(self.shape)}) but got indices tensor with shape: "
                               f"{list(indices.shape)}")
        x, unbatched = spatial(self, rank, name)
        shape = (*x.shape[:2], *output_size)
        index = indices if not unbatched else L.unsqueeze(indices, 0)
        size = math.prod(output_size)
        index = L.index_in(L.where(index < 0, L.like(index, size), index), size)
        return unbatch(scatter_plane(x, index, shape, "set"), unbatched)

    def gradient(grads, outputs, self, indices, output_size, stride, padding):
        unbatched = self.ndim == rank + 1
        g, index = (L.unsqueeze(v, 0) if unbatched else v for v in (grads[0], indices))
        return {"self": unbatch(gather_plane(g, index), unbatched)}
    scatter.__doc__ = "Values at flat positions of planes of zeros."
    operator(f"_{name}(Tensor self, Tensor indices, int[] output_size, int[] stride, int[] padding)"
             " -> Tensor", variants="internal", vjp=gradient, node=f"MaxUnpool{rank}DBackward0",
             strides=layout_of_first)(scatter)

    def body(input, indices, kernel_size, stride=None, padding=0, output_size=None):
        sizes, steps, pads = unpooled_sizes(input, rank, kernel_size, stride, padding,
                                            output_size, name)
        if rank == 3 and any(s <= 0 for s in steps):
            raise RuntimeError("strides should be greater than zero, but got stride: "
                               f"{list(steps)}")
        return getattr(T, f"_{name}")(input, indices, sizes, steps, pads)
    body.__doc__ = "Maxima back where max pooling found them (`indices`); zeros elsewhere."
    composite("nn", name=name)(body)


for _rank in (1, 2, 3):
    _max_unpool(_rank)
