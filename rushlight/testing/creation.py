"""`make_tensor`: random inputs, the same numbers as PyTorch's for the same seed."""

import math
import warnings
from collections.abc import Sequence

from .. import frontend as rl


def make_tensor(
    *shape,
    dtype,
    device,
    low=None,
    high=None,
    requires_grad=False,
    noncontiguous=False,
    exclude_zero=False,
    memory_format=None,
):
    """A tensor of values drawn uniformly from [low, high).

    Args:
        shape: sizes, as integers or one sequence.
        dtype: bool, integer, floating or complex (both parts are drawn).
        device: where it lives.
        low: inclusive; by default 0 for bool and uint8, otherwise -9.
        high: exclusive; by default 2 for bool, 10 for integers, otherwise 9.
        requires_grad: floating and complex only.
        noncontiguous: every second element of a larger tensor.
        exclude_zero: zeros become 1, or the smallest normal number of a floating dtype.
        memory_format: of the result; not together with `noncontiguous`.

    Raises: ValueError for an empty or unrepresentable interval, NaN bounds, or options that exclude
        each other.

    >>> import rushlight as torch
    >>> from rushlight.testing import make_tensor
    >>> make_tensor(2, 3, dtype=torch.int64, device="cpu", low=0, high=5).shape
    torch.Size([2, 3])
    """
    if len(shape) == 1 and isinstance(shape[0], Sequence):
        (shape,) = shape
    shape, exact = tuple(shape), not (dtype.is_floating_point or dtype.is_complex)
    _check_options(dtype, exact, requires_grad, noncontiguous, memory_format)
    low, high = _interval(dtype, exact, low, high)
    strided = noncontiguous and math.prod(shape) > 1
    drawn_shape = (*shape[:-1], 2 * shape[-1]) if strided else shape
    result = _draw(drawn_shape, dtype, device, exact, low, high)
    if strided:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        result[result == 0] = 1 if exact else rl.finfo(dtype).tiny
    return result if exact else result.requires_grad_(requires_grad)


def _check_options(dtype, exact, requires_grad, noncontiguous, memory_format):
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"{noncontiguous=} and {memory_format=}"
        )
    if requires_grad and exact:
        raise ValueError(
            "`requires_grad=True` is not supported for boolean and integral dtypes, but got "
            f"{dtype=}"
        )


def _interval(dtype, exact, low, high):
    """The bounds to draw from: defaults filled in, clamped to what the dtype holds."""
    lowest, highest, default_low, default_high = _limits(dtype, exact)
    low = default_low if low is None else low
    high = default_high if high is None else high
    if any(isinstance(bound, float) and math.isnan(bound) for bound in (low, high)):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low == high and not exact:
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is "
            "deprecated. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=4,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < lowest or low >= highest:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {dtype} "
            f"only supports [{lowest}, {highest})"
        )
    low, high = (min(max(bound, lowest), highest) for bound in (low, high))
    return (math.ceil(low), math.ceil(high)) if exact else (low, high)


def _limits(dtype, exact):
    """(lowest, highest exclusive, default low, default high)."""
    if dtype is rl.bool:
        return 0, 2, 0, 2
    if exact:
        info = rl.iinfo(dtype)
        return info.min, info.max + (dtype is not rl.int64), -9, 10
    info = rl.finfo(dtype)
    return info.min, info.max, -9, 9


def _draw(shape, dtype, device, exact, low, high):
    if exact:
        return rl.randint(low, high, shape, device=device, dtype=dtype)
    if dtype.is_complex:
        parts = _draw((*shape, 2), dtype.to_real(), device, False, low, high)
        return rl.view_as_complex(parts)
    result = rl.empty(shape, device=device, dtype=dtype)
    if high - low >= rl.finfo(dtype).max:  # more than uniform_ can span
        return result.uniform_(low / 2, high / 2).mul_(2)
    return result.uniform_(low, high)
