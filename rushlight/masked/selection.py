"""What a mask selects: the other elements become the value an operation ignores."""

from .. import frontend as rl
from ..engine.base.shapes import wrap_dims

INF = float("inf")


def full_mask(input, mask):
    """`mask` as booleans in the shape of `input`.

    Raises: IndexError for a mask of more dimensions than the input, which would have to grow.
    """
    if mask.ndim > input.ndim:
        raise IndexError(
            f"expected a mask that is broadcastable to the input: the mask has {mask.ndim} "
            f"dimensions, more than the input's {input.ndim}"
        )
    return rl.broadcast_to(mask, input.shape).to(rl.bool)


def keep(input, mask, neutral):
    """`input` where the mask holds (everywhere without one), ``neutral(dtype)`` elsewhere."""
    if mask is None:
        return input
    value = rl.scalar_tensor(neutral(input.dtype), dtype=input.dtype, device=input.device)
    return rl.where(full_mask(input, mask), input, value)


def count(input, mask, dim, keepdim):
    """How many elements along `dim` the mask keeps, int64."""
    kept = rl.ones_like(input, dtype=rl.bool) if mask is None else full_mask(input, mask)
    return kept.sum(wrap_dims(dim, input.ndim), keepdim)


# ------------------------------------------------------- what an operation ignores, by dtype
def zero(dtype):
    """Ignored by sums and norms."""
    return 0


def one(dtype):
    """Ignored by products."""
    return 1


def nan(dtype):
    """Ignored by nanmedian."""
    return float("nan")


def lowest(dtype):
    """Ignored by a maximum."""
    return -INF if dtype.is_floating_point else _integers("maximum", dtype).min


def highest(dtype):
    """Ignored by a minimum."""
    return INF if dtype.is_floating_point else _integers("minimum", dtype).max


def log_of_zero(dtype):
    """Ignored by a sum of exponentials, real or complex."""
    return complex(-INF, 0) if dtype.is_complex else lowest(dtype)


def _integers(what, dtype):
    if dtype is rl.bool or dtype.is_complex:
        raise NotImplementedError(f"a masked {what} of {dtype} elements has no neutral element")
    return rl.iinfo(dtype)
