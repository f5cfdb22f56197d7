"""Convolutions and transposed convolutions in one, two and three dimensions; unfold and fold."""

from ..base import dtypes
from ..ir import lang as L
from ..ir.primitives import PRIMITIVES
from .numeric import compute_dtype, layout_of_any, type_name
from .record import T, composite, operator


def _listed(value, rank, name):
    """One number per spatial dimension."""
    value = (value,) if isinstance(value, int) else tuple(value)
    if len(value) not in (1, rank):
        raise RuntimeError(f"expected {name} to be a single integer value or a list of {rank} "
                           "values to match the convolution dimensions, but got "
                           f"{name}={list(value)}")
    return value * rank if len(value) == 1 else value


def _batched(input, rank, name):
    """(input with a batch dimension, had it none?)."""
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to "
                           f"{name}, but got input of size: {list(input.shape)}")
    if input.ndim == rank + 2:
        return input, False
    return L.unsqueeze(input, 0), True


def _check_types(input, weight, bias):
    if weight.dtype is not input.dtype:
        raise RuntimeError(f"Input type ({type_name(input.dtype)}) and weight type "
                           f"({type_name(weight.dtype)}) should be the same")
    if bias is not None and bias.dtype is not input.dtype:
        raise RuntimeError(f"Input type ({type_name(input.dtype)}) and bias type "
                           f"({type_name(bias.dtype)}) should be the same")
    if input.dtype is dtypes.bool_:
        raise NotImplementedError("\"slow_conv2d_cpu\" not implemented for 'Bool'")


def _check_geometry(stride, padding, dilation, groups, output_padding=()):
    if any(p < 0 for p in padding):
        raise RuntimeError("negative padding is not supported")
    if any(p < 0 for p in output_padding):
        raise RuntimeError("negative output_padding is not supported")
    if any(s <= 0 for s in stride):
        raise RuntimeError("non-positive stride is not supported")
    if any(d <= 0 for d in dilation):
        raise RuntimeError("dilation should be greater than zero")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")


def _check_weight(x, weight, bias, groups, transposed, unbatched=False):
    shown = list(weight.shape)
    if weight.ndim != x.ndim:
        raise RuntimeError(f"Expected {weight.ndim}-dimensional input for "
                           f"{weight.ndim}-dimensional weight {shown}, but got "
                           f"{x.ndim}-dimensional input of size {list(x.shape)} instead")
    out = weight.shape[1] * groups if transposed else weight.shape[0]
    given = x.shape[1:] if unbatched else x.shape
    if transposed:
        if x.shape[1] != weight.shape[0]:
            raise RuntimeError(f"Given transposed=1, weight of size {shown}, expected input"
                               f"{list(given)} to have {weight.shape[0]} channels, but got "
                               f"{x.shape[1]} channels instead")
        if weight.shape[0] % groups:
            raise RuntimeError(f"Given groups={groups}, expected weight to be divisible by "
                               f"{groups} at dimension 0, but got weight of size {shown} instead")
    else:
        if weight.shape[0] < groups:
            raise RuntimeError(f"Given groups={groups}, expected weight to be at least {groups} at "
                               f"dimension 0, but got weight of size {shown} instead")
        if weight.shape[0] % groups:
            raise RuntimeError(f"Given groups={groups}, expected weight to be divisible by "
                               f"{groups} at dimension 0, but got weight of size {shown} instead")
        if x.shape[1] != weight.shape[1] * groups:
            raise RuntimeError(f"Given groups={groups}, weight of size {shown}, expected input"
                               f"{list(given)} to have {weight.shape[1] * groups} channels, but "
                               f"got {x.shape[1]} channels instead")
    if bias is not None and tuple(bias.shape) != (out,):
        raise RuntimeError(f"Given {'transposed=1, ' if transposed else ''}weight of size {shown}, "
                           f"expected bias to be 1-dimensional with {out} elements, but got bias "
                           f"of size {list(bias.shape)} instead")


def _check_sizes(x, weight, padding, dilation):
    sizes = [n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True)]
    reach = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    if any(k == 0 for k in weight.shape[2:]):
        raise RuntimeError("kernel size should be greater than zero, but got kernel size "
                           f"{list(weight.shape[2:])}")
    if any(n < r for n, r in zip(sizes, reach, strict=True)):
        raise RuntimeError(f"Calculated padded input size per channel: ({_joined(sizes)}). Kernel "
                           f"size: ({_joined(reach)}). Kernel size can't be greater than actual "
                           "input size")


def _joined(sizes):
    return " x ".join(map(str, sizes))


def _named_padding(x, weight, stride, padding, dilation):
    """(x padded where 'same' is uneven, symmetric padding)."""
    if padding == "valid":
        return x, (0,) * (x.ndim - 2)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    extra = [t % 2 for t in totals]
    return L.pad(x, (0,) * x.ndim, (0, 0, *extra)), tuple(t // 2 for t in totals)


def _with_bias(out, bias):
    if bias is None:
        return out
    return out + L.broadcast(L.reshape(L.cast(bias, out.dtype),
                                       (out.shape[1],) + (1,) * (out.ndim - 2)),
                             out.shape)


def _finish(out, input, unbatched):
    out = L.cast(out, input.dtype)
    return L.reshape(out, out.shape[1:]) if unbatched else out


def _convolution(rank, name):
    def body(input, weight, bias, stride, padding, dilation, groups):
        x, unbatched = _batched(input, rank, name)
        _check_types(input, weight, bias)
        stride, dilation = _listed(stride, rank, "stride"), _listed(dilation, rank, "dilation")
        if not isinstance(padding, str):
            padding = _listed(padding, rank, "padding")
            _check_geometry(stride, padding, dilation, groups)
        else:
            _check_geometry(stride, (), dilation, groups)
        _check_weight(x, weight, bias, groups, False, unbatched)
        if isinstance(padding, str):
            x, padding = _named_padding(x, weight, stride, padding, dilation)
        _check_sizes(x, weight, padding, dilation)
        compute = compute_dtype(x.dtype)
        geometry = dilation, padding, stride
        out = L.conv(L.cast(x, compute), L.cast(weight, compute), stride=stride, padding=padding,
                     dilation=dilation, groups=groups,
                     out=tuple(_blocks(x.shape[2:], weight.shape[2:], *geometry)))
        return _finish(_with_bias(out, bias), input, unbatched)
    body.__doc__ = f"""Cross-correlation over {rank} spatial dimension(s).

    Args:
        input: (N, C, *sizes) or (C, *sizes).
        weight: (O, C / groups, *kernel), in input's dtype.
        bias: (O,) or None.
        stride, padding, dilation: a number, or one per spatial dimension; padding also "valid" or
            "same" (result sizes equal input sizes; stride 1 only).

    Raises: RuntimeError where channels, ranks or dtypes do not match.
    """
    operator(f"{name}(Tensor input, Tensor weight, Tensor? bias=None, int[{rank}] stride=1, "
             f"Padding padding=0, int[{rank}] dilation=1, int groups=1) -> Tensor",
             variants="function,nn", node="ConvolutionBackward0", strides=layout_of_any)(body)


def _transposed(rank, name):
    def body(input, weight, bias, stride, padding, output_padding, groups, dilation):
        x, unbatched = _batched(input, rank, name)
        _check_types(input, weight, bias)
        stride, padding, output_padding, dilation = (
            _listed(v, rank, n) for v, n in ((stride, "stride"), (padding, "padding"),
                                             (output_padding, "output_padding"),
                                             (dilation, "dilation")))
        _check_geometry(stride, padding, dilation, groups, output_padding)
        _check_weight(x, weight, bias, groups, True, unbatched)
        for extra, s, d in zip(output_padding, stride, dilation, strict=True):
            if extra >= s and extra >= d:
                raise RuntimeError("output padding must be smaller than either stride or dilation, "
                                   f"but got output_padding: {list(output_padding)}, stride: "
                                   f"{list(stride)}, dilation: {list(dilation)}")
        sizes = [(n - 1) * s - 2 * p + d * (k - 1) + extra + 1 for n, s, p, d, k, extra in zip(
            x.shape[2:], stride, padding, dilation, weight.shape[2:], output_padding, strict=True)]
        if any(n <= 0 for n in sizes):
            raise RuntimeError(f"Given input size per channel: ({_joined(x.shape[2:])}). "
                               f"Calculated output size per channel: ({_joined(sizes)}). Output "
                               "size is too small")
        # output_padding beyond the stride: zeros behind x keep conv(result) in the shape of x
        behind = [extra // s for extra, s in zip(output_padding, stride, strict=True)]
        x = L.pad(x, (0,) * x.ndim, (0, 0, *behind))
        compute = compute_dtype(x.dtype)
        shape = (x.shape[0], weight.shape[1] * groups, *sizes)
        out = _conv_transpose(L.cast(x, compute), L.cast(weight, compute), shape, stride=stride,
                              padding=padding, dilation=dilation, groups=groups)
        return _finish(_with_bias(out, bias), input, unbatched)
    body.__doc__ = f"""Transposed convolution over {rank} spatial dimension(s).

    Args:
        input: (N, C, *sizes) or (C, *sizes).
        weight: (C, O / groups, *kernel).
        output_padding: added to one side of the result's sizes; below stride or dilation.
    """
    operator(f"{name}(Tensor input, Tensor weight, Tensor? bias=None, int[{rank}] stride=1, "
             f"int[{rank}] padding=0, int[{rank}] output_padding=0, int groups=1, "
             f"int[{rank}] dilation=1) -> Tensor", variants="function,nn",
             node="ConvolutionBackward0", strides=layout_of_any)(body)


def _conv_transpose(x, weight, shape, **geometry):
    return x.graph.emit(PRIMITIVES["conv_grad_input"], (x, weight), **geometry, shape=shape)


for _rank in (1, 2, 3):
    _convolution(_rank, f"conv{_rank}d")
    _transposed(_rank, f"conv_transpose{_rank}d")


@composite("function,nn")
def conv_tbc(input, weight, bias, pad=0):
    """1-d convolution of a sequence laid out (time, batch, channels); weight (kernel, in, out)."""
    if input.ndim != 3 or weight.ndim != 3 or bias.ndim != 1:
        raise RuntimeError("Input must have 3 dims: time, batch, in_channel; weight 3 dims: "
                           "kernel_width, in_channels, out_channels; bias must be 1-D")
    if input.shape[2] != weight.shape[1]:
        raise RuntimeError("Input dim 2 (input channels) is not == dim 1 in the weight tensor")
    out = T.nn.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, 1, pad)
    return out.permute(2, 0, 1)


# ------------------------------------------------------------------------------ unfold, fold
def _blocks(sizes, kernel, dilation, padding, stride):
    return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in
            zip(sizes, kernel, dilation, padding, stride, strict=True)]


def _pairs(**values):
    return [_pair(v, name) for name, v in values.items()]


def _pair(value, name):
    value = (value,) if isinstance(value, int) else tuple(value)
    if len(value) not in (1, 2):
        raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(value)}")
    return value * 2 if len(value) == 1 else value


def _check_positive(kernel, dilation, padding, stride):
    for name, value, low in (("kernel_size", kernel, 1), ("dilation", dilation, 1),
                             ("padding", padding, 0), ("stride", stride, 1)):
        if any(v < low for v in value):
            what = "non-negative" if low == 0 else "greater than zero"
            raise RuntimeError(f"{name.replace('_size', ' size')} should be {what}, but got "
                               f"{name}: {list(value)}")


@operator("unfold(Tensor self, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, "
          "int[2] stride=1) -> Tensor", variants="nn", node="Im2ColBackward0")
def unfold(self, kernel_size, dilation, padding, stride):
    """Sliding blocks of a batch of images as columns: (N, C, H, W) to (N, C kh kw, blocks)."""
    kernel, dilation, padding, stride = _pairs(kernel_size=kernel_size, dilation=dilation,
                                               padding=padding, stride=stride)
    _check_positive(kernel, dilation, padding, stride)
    if self.ndim not in (3, 4) or 0 in self.shape[-3:]:
        raise RuntimeError("Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and "
                           f"other non-zero dimensions for input, but got: {list(self.shape)}")
    x = self if self.ndim == 4 else L.unsqueeze(self, 0)
    n, c = x.shape[:2]
    blocks = _blocks(x.shape[2:], kernel, dilation, padding, stride)
    if any(b < 1 for b in blocks):
        raise RuntimeError(f"Given input with spatial size ({x.shape[2]}, {x.shape[3]}), "
                           f"kernel_size=({kernel[0]}, {kernel[1]}), dilation=({dilation[0]}, "
                           f"{dilation[1]}), padding=({padding[0]}, {padding[1]}), calculated "
                           f"shape of the array of sliding blocks as ({blocks[0]}, {blocks[1]}), "
                           "but its components must be at least one.")
    x = L.pad(x, (0, 0, *padding), (0, 0, *padding))
    taps = [_tap(x, i * dilation[0], j * dilation[1], blocks, stride)
            for i in range(kernel[0]) for j in range(kernel[1])]
    out = L.reshape(L.stack(taps, 2), (n, c * len(taps), blocks[0] * blocks[1]))
    return out if self.ndim == 4 else L.reshape(out, out.shape[1:])


def _tap(x, top, left, blocks, stride):
    """The element at (top, left) of every block."""
    bottom = top + (blocks[0] - 1) * stride[0] + 1
    right = left + (blocks[1] - 1) * stride[1] + 1
    return L.slice_(x, (0, 0, top, left), (*x.shape[:2], bottom, right), (1, 1, *stride))


@operator("fold(Tensor self, int[2] output_size, int[2] kernel_size, int[2] dilation=1, "
          "int[2] padding=0, int[2] stride=1) -> Tensor", variants="nn", node="Col2ImBackward0")
def fold(self, output_size, kernel_size, dilation, padding, stride):
    """Sum of sliding blocks back into images: the transpose of unfold."""
    size, kernel, dilation, padding, stride = _pairs(
        output_size=output_size, kernel_size=kernel_size, dilation=dilation, padding=padding,
        stride=stride)
    _check_positive(kernel, dilation, padding, stride)
    if self.ndim not in (2, 3) or 0 in self.shape[-2:]:
        raise RuntimeError("Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch "
                           f"size and non-zero dimensions for input, but got: {list(self.shape)}")
    x = self if self.ndim == 3 else L.unsqueeze(self, 0)
    n, rows, columns = x.shape
    taps = kernel[0] * kernel[1]
    if rows % taps:
        raise RuntimeError("Expected size of input's dimension 1 to be divisible by the product of "
                           f"kernel_size, but got input.size(1)={rows} and "
                           f"kernel_size=({kernel[0]}, {kernel[1]}).")
    blocks = _blocks(size, kernel, dilation, padding, stride)
    if blocks[0] * blocks[1] != columns:
        raise RuntimeError(f"Given output_size=({size[0]}, {size[1]}), kernel_size=({kernel[0]}, "
                           f"{kernel[1]}), dilation=({dilation[0]}, {dilation[1]}), "
                           f"padding=({padding[0]}, {padding[1]}), stride=({stride[0]}, "
                           f"{stride[1]}), expected size of input's dimension 2 to match the "
                           f"calculated number of sliding blocks {blocks[0]} * {blocks[1]} = "
                           f"{blocks[0] * blocks[1]}, but got input.size(2)={columns}.")
    if any(b < 1 for b in blocks):
        raise RuntimeError("Given output_size, calculated shape of the array of sliding blocks as "
                           f"({blocks[0]}, {blocks[1]}), which is too small (non-positive)")
    out = _sum_taps(L.reshape(x, (n, rows // taps, taps, *blocks)), size, kernel, dilation, padding,
                    stride)
    return out if self.ndim == 3 else L.reshape(out, out.shape[1:])


def _sum_taps(x, size, kernel, dilation, padding, stride):
    compute = compute_dtype(x.dtype)
    full = [s + 2 * p for s, p in zip(size, padding, strict=True)]
    total = None
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            tap = L.cast(L.select(x, 2, i * kernel[1] + j), compute)
            low = (i * dilation[0], j * dilation[1])
            span = [(b - 1) * s + 1 for b, s in zip(x.shape[3:], stride, strict=True)]
            high = [f - lo - w for f, lo, w in zip(full, low, span, strict=True)]
            tap = L.pad(tap, (0, 0, *low), (0, 0, *high), (0, 0, stride[0] - 1, stride[1] - 1))
            total = tap if total is None else total + tap
    inside = [p + s for p, s in zip(padding, size, strict=True)]
    out = L.slice_(total, (0, 0, *padding), (*total.shape[:2], *inside))
    return L.cast(out, x.dtype)
