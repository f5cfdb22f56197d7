"""Running totals and normalizations of what a mask keeps; the result has the input's shape.

Shared arguments:
    input: (*), strided.
    dim: the dimension to work along.
    dtype: of the computation and the result; by default the input's.
    mask: true where an element counts; broadcasts to the input; None keeps everything.

All raise IndexError for a mask that does not fit under the input and for a dimension out of range.
"""

from .. import frontend as rl
from .reductions import norm
from .selection import highest, keep, log_of_zero, lowest, one, zero


def cumsum(input, dim, *, dtype=None, mask=None):
    """Sums of the kept elements up to each.

    >>> torch.masked.cumsum(torch.tensor([1, 2, 4]), 0, mask=torch.tensor([True, False, True]))
    tensor([1, 1, 5])
    """
    return rl.cumsum(keep(input, mask, zero), dim, dtype=dtype or input.dtype)


def cumprod(input, dim, *, dtype=None, mask=None):
    """Products of the kept elements up to each.

    >>> torch.masked.cumprod(torch.tensor([3, 2, 4]), 0, mask=torch.tensor([True, False, True]))
    tensor([ 3,  3, 12])
    """
    return rl.cumprod(keep(input, mask, one), dim, dtype=dtype or input.dtype)


def softmax(input, dim, *, dtype=None, mask=None):
    """Exponentials of the kept elements divided by their sum; 0 where the mask is false.

    NaN where nothing is kept along `dim`.

    >>> torch.masked.softmax(torch.tensor([1., 1., 9.]), 0, mask=torch.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    return rl.softmax(keep(input, mask, lowest), dim, dtype=dtype or input.dtype)


def log_softmax(input, dim, *, dtype=None, mask=None):
    """Logarithm of `softmax`; -inf where the mask is false.

    >>> torch.masked.log_softmax(torch.tensor([1., 9.]), 0, mask=torch.tensor([True, False]))
    tensor([0., -inf])
    """
    return rl.log_softmax(keep(input, mask, lowest), dim, dtype=dtype or input.dtype)


def softmin(input, dim, *, dtype=None, mask=None):
    """`softmax` of ``-input``.

    >>> torch.masked.softmin(torch.tensor([1., 1., 0.]), 0, mask=torch.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    return rl.softmax(-keep(input, mask, highest), dim, dtype=dtype or input.dtype)


def normalize(input, ord, dim, *, eps=1e-12, dtype=None, mask=None):
    """The kept elements divided by their vector norm of order `ord`; 0 where the mask is false.

    Args:
        eps: the least divisor.

    >>> torch.masked.normalize(torch.tensor([3., 4.]), 2.0, 0)
    tensor([0.6000, 0.8000])
    """
    size = norm(input, ord, dim, keepdim=True, dtype=dtype or input.dtype, mask=mask)
    return keep(input, mask, zero) / rl.maximum(size, size.new_full((), eps))


def logaddexp(input, other, *, dtype=None, input_mask=None, other_mask=None):
    """``log(exp(input) + exp(other))`` elementwise, without what the masks leave out.

    Args:
        input, other: (*) floating, broadcast together.
        input_mask, other_mask: what counts of each; both false give -inf.

    >>> x, mask = torch.tensor([1., 2.]), torch.tensor([True, False])
    >>> torch.masked.logaddexp(x, torch.tensor([-100., -100.]), input_mask=mask)
    tensor([   1., -100.])
    """
    left, right = keep(input, input_mask, log_of_zero), keep(other, other_mask, log_of_zero)
    return rl.logaddexp(left, right).to(dtype or input.dtype)
