"""Reductions of what a mask keeps.

Shared arguments:
    input: (*), strided.
    dim: the dimensions to reduce, an int or a tuple; None and () mean all of them.
    keepdim: keep the reduced dimensions with size 1.
    dtype: of the result; by default the input's, int64 for sums and products of smaller integers.
    mask: true where an element counts; broadcasts to the input; None keeps everything.

All raise IndexError for a mask that does not fit under the input and for a dimension out of range.
"""

from .. import frontend as rl
from ..engine.base.shapes import wrap_dims
from ..linalg import vector_norm
from .selection import (
    INF,
    count,
    highest,
    keep,
    log_of_zero,
    lowest,
    nan,
    one,
    zero,
)


def _total_dtype(input, dtype):
    """Integers add and multiply in int64."""
    small = not (input.dtype.is_floating_point or input.dtype.is_complex)
    return dtype or (rl.int64 if small else input.dtype)


def sum(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Sum of the kept elements; 0 where none is kept.

    >>> torch.masked.sum(torch.tensor([1, 2, 4]), mask=torch.tensor([True, False, True]))
    tensor(5)
    """
    kept = keep(input, mask, zero)
    dims = wrap_dims(dim, input.ndim)
    return rl.sum(kept, dims, bool(keepdim), dtype=_total_dtype(input, dtype))


def prod(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Product of the kept elements; 1 where none is kept.

    >>> torch.masked.prod(torch.tensor([3, 2, 4]), mask=torch.tensor([True, False, True]))
    tensor(12)
    """
    result = keep(input, mask, one).to(_total_dtype(input, dtype))
    for d in reversed(wrap_dims(dim, input.ndim)):  # from the last: the others keep their place
        result = rl.prod(result, d, bool(keepdim))
    return result


def amax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Largest kept element; -inf, or the least integer, where none is kept.

    >>> torch.masked.amax(torch.tensor([1., 9.]), mask=torch.tensor([True, False]))
    tensor(1.)
    """
    dims = wrap_dims(dim, input.ndim)
    return rl.amax(keep(input, mask, lowest), dims, bool(keepdim)).to(dtype or input.dtype)


def amin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Smallest kept element; inf, or the largest integer, where none is kept.

    >>> torch.masked.amin(torch.tensor([1., 9.]), mask=torch.tensor([False, True]))
    tensor(9.)
    """
    dims = wrap_dims(dim, input.ndim)
    return rl.amin(keep(input, mask, highest), dims, bool(keepdim)).to(dtype or input.dtype)


def argmax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Where the largest kept element is, along one dimension or (None) in the flattened input.

    The index has the input's dtype unless `dtype` says otherwise, as in PyTorch.

    >>> torch.masked.argmax(torch.tensor([1, 5, 9]), mask=torch.tensor([True, True, False]))
    tensor(1)
    """
    return rl.argmax(keep(input, mask, lowest), dim, bool(keepdim)).to(dtype or input.dtype)


def argmin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Where the smallest kept element is; see argmax.

    >>> torch.masked.argmin(torch.tensor([1, 5, 9]), mask=torch.tensor([False, True, True]))
    tensor(1)
    """
    return rl.argmin(keep(input, mask, highest), dim, bool(keepdim)).to(dtype or input.dtype)


def mean(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Mean of the kept elements; NaN where none is kept.

    Raises: ValueError where neither the input nor `dtype` is floating or complex.

    >>> torch.masked.mean(torch.tensor([1., 5., 9.]), mask=torch.tensor([True, True, False]))
    tensor(3.)
    """
    target = dtype or input.dtype
    if not (target.is_floating_point or target.is_complex):
        source = "Input" if dtype is None else "Optional"
        raise ValueError(
            f"mean(): Could not infer output dtype. {source} dtype must be either a floating "
            f"point or complex dtype. Got: {target}"
        )
    total = sum(input, dim, keepdim=keepdim, dtype=target, mask=mask)
    return total / count(input, mask, dim, bool(keepdim))


def median(input, dim=-1, *, keepdim=False, dtype=None, mask=None):
    """Median of the kept elements along one dimension, the lower of two; NaN where none is kept.

    A kept NaN counts as not kept.  For integers the median is found in float32 and cast to `dtype`.

    Raises: ValueError for integers where nothing is kept.

    >>> torch.masked.median(torch.tensor([1., 5., 9.]), mask=torch.tensor([False, True, True]))
    tensor(5.)
    """
    floating = input.dtype.is_floating_point
    x = input if floating else input.to(rl.float32)
    middle = rl.nanmedian(keep(x, mask, nan), dim, keepdim).values
    if floating:
        return middle
    if rl.isnan(middle).any():
        raise ValueError(
            "masked median expects no fully masked out rows if dtype is not floating point"
        )
    return middle.to(dtype or input.dtype)


def logsumexp(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """``log(sum(exp(x)))`` of the kept elements; -inf where none is kept.

    >>> torch.masked.logsumexp(torch.tensor([1., 2.]), mask=torch.tensor([False, True]))
    tensor(2.)
    """
    dims = wrap_dims(dim, input.ndim)
    return rl.logsumexp(keep(input, mask, log_of_zero), dims, keepdim).to(dtype or input.dtype)


def norm(input, ord=2.0, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Vector norm of the kept elements; 0 where none is kept, inf for the order -inf.

    Args:
        ord: the order, a number or an infinity.

    >>> torch.masked.norm(torch.tensor([3., 4., 5.]), mask=torch.tensor([True, True, False]))
    tensor(5.)
    """
    kept = keep(input, mask, highest if ord == -INF else zero)
    dims = wrap_dims(dim, input.ndim)
    return vector_norm(kept, ord, dims, bool(keepdim), dtype=dtype or input.dtype)


def _correction(unbiased, correction):
    """What is subtracted from the number of elements; 1 (Bessel) by default."""
    if unbiased is not None and correction is not None:
        raise AssertionError("only one of unbiased and correction may be given")
    if correction is None:
        return 1.0 if unbiased is None else float(unbiased)
    return float(correction)


def var(
    input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None
):  # fmt: skip
    """Variance of the kept elements: their squared distances from the mean, divided by their number
    less the correction, which is at least 0.  Integers answer in float32.

    Args:
        unbiased: True for a correction of 1 (the default), False for 0.
        correction: subtracted from the number of elements, in place of `unbiased`.

    >>> torch.masked.var(torch.tensor([1., 3., 9.]), mask=torch.tensor([True, True, False]))
    tensor(2.)
    """
    less = _correction(unbiased, correction)
    floating = input.dtype.is_floating_point or input.dtype.is_complex
    dtype = dtype or (input.dtype if floating else rl.float32)
    wide = dtype if dtype.is_floating_point or dtype.is_complex else rl.float32
    number = count(input, mask, dim, True)
    total = sum(input, dim, keepdim=True, dtype=dtype, mask=mask)
    distance = input - total / number
    squares = sum(distance * distance.conj(), dim, keepdim=keepdim, dtype=wide, mask=mask)
    left = (number.to(wide.to_real()) - less).clamp(min=0).reshape(squares.shape)
    return (squares / left).to(dtype)


def std(
    input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None
):  # fmt: skip
    """Standard deviation of the kept elements, the root of `var` with the same arguments.

    >>> torch.masked.std(torch.tensor([1., 3., 9.]), mask=torch.tensor([True, True, False]))
    tensor(1.4142)
    """
    return rl.sqrt(
        var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask)
    )
