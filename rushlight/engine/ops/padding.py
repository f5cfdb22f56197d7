"""Padding by constants or by the tensor's own values; negative amounts crop."""

from ..base import dtypes
from ..ir import lang as L
from ..ir.graph import Value
from .numeric import layout_of_first, number_like
from .record import T, composite, operator


def _amounts(pad, ndim):
    """(before, after) per dimension from PyTorch's list, which starts at the last dimension."""
    low, high = [0] * ndim, [0] * ndim
    for i in range(len(pad) // 2):
        low[ndim - 1 - i], high[ndim - 1 - i] = pad[2 * i], pad[2 * i + 1]
    return low, high


def _cropped(x, low, high):
    """x without what negative amounts remove."""
    starts = [max(-lo, 0) for lo in low]
    stops = [n - max(-hi, 0) for n, hi in zip(x.shape, high, strict=True)]
    return L.slice_(x, starts, stops)


@operator("constant_pad_nd(Tensor self, int[] pad, Scalar value=0) -> Tensor", variants="function",
          strides=layout_of_first)
def constant_pad_nd(self, pad, value):
    """`value` around the last ``len(pad) / 2`` dimensions; pad is (left, right, top, bottom,
    ..)."""
    if len(pad) % 2:
        raise RuntimeError("Length of pad must be even but instead it equals " f"{len(pad)}")
    if len(pad) > 2 * self.ndim:
        raise RuntimeError("Length of pad should be no more than twice the number of dimensions of "
                           f"the input. Pad length is {len(pad)} while the input has {self.ndim} "
                           "dimensions.")
    low, high = _amounts(pad, self.ndim)
    for d, (n, lo, hi) in enumerate(zip(self.shape, low, high, strict=True)):
        if n + lo + hi < 0 or n + min(lo, 0) + min(hi, 0) < 0:
            raise RuntimeError(f"The input size {n}, plus negative padding {lo} and {hi} resulted "
                               "in a negative output size, which is invalid. Check dimension "
                               f"{d} of your input.")
    inner = _cropped(self, low, high)
    low, high = [max(lo, 0) for lo in low], [max(hi, 0) for hi in high]
    out = L.pad(inner, low, high)
    if not isinstance(value, Value) and value == 0 or out is inner:
        return out
    inside = L.pad(L.cast(L.like(inner, 1), dtypes.bool_), low, high)
    return L.where(inside, out, number_like(value, out))


# ------------------------------------------------------------------------- from the tensor
def _reflected(x, axis, low, high):
    n = x.shape[axis]
    before = L.flip(L.slice_axis(x, axis, 1, low + 1), [axis])
    after = L.flip(L.slice_axis(x, axis, n - 1 - high, n - 1), [axis])
    return before, after


def _replicated(x, axis, low, high):
    n = x.shape[axis]

    def repeat(edge, count):
        return L.expand(edge, (*x.shape[:axis], count, *x.shape[axis + 1:]))
    return (repeat(L.slice_axis(x, axis, 0, 1), low), repeat(L.slice_axis(x, axis, n - 1, n), high))


def _wrapped(x, axis, low, high):
    n = x.shape[axis]
    return L.slice_axis(x, axis, n - low, n), L.slice_axis(x, axis, 0, high)


def _check_rank(x, pad):
    rank = len(pad) // 2
    allowed = {1: (2, 3), 2: (3, 4), 3: (4, 5)}.get(rank, ())
    if len(pad) % 2 or x.ndim not in allowed:
        raise NotImplementedError("Only 2D, 3D, 4D, 5D padding with non-constant padding are "
                                  "supported for now")
    empty = [n for n in x.shape[x.ndim - rank - (x.ndim == rank + 1):] if n == 0]
    if empty:
        names = {1: "2D or 3D", 2: "3D or 4D", 3: "4D or 5D"}[rank]
        raise RuntimeError(f"Expected {names} (batch mode) tensor with possibly 0 batch size and "
                           f"other non-zero dimensions for input, but got: {list(x.shape)}")


def _too_large(x, axis, lo, hi, mode):
    n = x.shape[axis]
    if mode == "reflect" and (lo >= n or hi >= n):
        raise RuntimeError("Padding size should be less than the corresponding input dimension, "
                           f"but got: padding ({lo}, {hi}) at dimension {axis} of input "
                           f"{list(x.shape)}")
    if mode == "circular" and (lo > n or hi > n):
        raise RuntimeError("Padding value causes wrapping around more than once.")
    if n + lo + hi < 1:
        raise RuntimeError(f"input (size: {n}) is too small. Calculated output size: {n + lo + hi}")


_SIDES = {"reflect": _reflected, "replicate": _replicated, "circular": _wrapped}


@operator("_pad_own(Tensor self, int[] pad, str mode) -> Tensor", variants="internal",
          strides=layout_of_first, node="PadBackward0")
def pad_own(self, pad, mode):
    """Borders taken from the tensor: mirrored, repeated or wrapped around."""
    _check_rank(self, pad)
    if mode == "reflect" and self.dtype is dtypes.bool_:
        raise NotImplementedError("\"reflection_pad\" not implemented for 'Bool'")
    low, high = _amounts(pad, self.ndim)
    padded = range(self.ndim - len(pad) // 2, self.ndim)
    for axis in padded:
        _too_large(self, axis, low[axis], high[axis], mode)
    out = _cropped(self, low, high) if mode == "circular" else self
    for axis in padded:
        lo, hi = max(low[axis], 0), max(high[axis], 0)
        if lo or hi:
            before, after = _SIDES[mode](out, axis, lo, hi)
            out = L.concat([v for v in (before, out, after) if v.shape[axis]], axis)
    return out if mode == "circular" else _cropped(out, low, high)


@composite("nn")
def pad(input, pad, mode="constant", value=None):
    """Pad the last ``len(pad) / 2`` dimensions.

    Args:
        pad: (left, right, top, bottom, front, back): pairs from the last dimension; negative crops.
        mode: "constant" (any rank), "reflect", "replicate" or "circular" (2 to 5 dimensions).
        value: of a constant border, default 0.
    """
    pad = [int(n) for n in pad]
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) // 2 > input.ndim:
        raise RuntimeError("Padding length should be less than or equal to two times the input "
                           f"dimension but got padding length {len(pad)} and input of dimension "
                           f"{input.ndim}")
    if mode == "constant":
        return T.constant_pad_nd(input, pad, 0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f"Padding mode \"{mode}\" doesn't take in value argument")
    if mode not in _SIDES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    return T._pad_own(input, pad, mode)
