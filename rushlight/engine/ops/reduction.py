"""The `reduction` argument of losses, and the flags `size_average` and `reduce` it replaced."""

import warnings

from ..base import dtypes
from ..base.promote import get_default_dtype
from ..base.shapes import broadcast_shapes
from ..ir import lang as L
from .numeric import compute_dtype, wide
from .record import operator

LEGACY = "bool? size_average=None, bool? reduce=None, str reduction='mean'"

REDUCTION = """

    Args:
        reduction: "mean" or "sum" over all elements, or "none" for the loss of each.
        size_average, reduce: the older flags for it, deprecated.
    """


def chosen_reduction(reduction, size_average=None, reduce=None):
    """'none', 'mean' or 'sum', after the flags; ValueError for anything else."""
    if size_average is not None or reduce is not None:
        if reduce is not None and not reduce:
            reduction = "none"
        else:
            reduction = "mean" if size_average is None or size_average else "sum"
        warnings.warn("size_average and reduce args will be deprecated, please use "
                      f"reduction='{reduction}' instead.", stacklevel=8)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(values, reduction, dtype):
    """Losses reduced, in the result's dtype."""
    if reduction == "mean":
        values = L.mean(wide(values))
    elif reduction == "sum":
        values = L.sum_(wide(values))
    return L.cast(values, dtype)


def same_size_warning(input, target):
    """Warn where a loss is going to broadcast."""
    if input.shape != target.shape:
        warnings.warn(f"Using a target size ({_size(target)}) that is different to the input size "
                      f"({_size(input)}). This will likely lead to incorrect results due to "
                      "broadcasting. Please ensure they have the same size.", stacklevel=7)


def _size(v):
    return f"torch.Size({list(v.shape)})"


def aligned(*values, stepwise=False):
    """(dtype, values broadcast together): in the compute type of their common dtype; None stays.

    `stepwise` is for losses PyTorch composes of several operators: halves round after each step,
    and
    integers become the default dtype.
    """
    present = [v for v in values if v is not None]
    common = present[0].dtype
    for v in present[1:]:
        common = dtypes.promote_types(common, v.dtype)
    if stepwise and common.category < dtypes.FLOAT:
        common = get_default_dtype()
    compute = common if stepwise else compute_dtype(common)
    shape = broadcast_shapes(*(v.shape for v in present))
    return common, [None if v is None else L.broadcast(L.cast(v, compute), shape) for v in values]


def loss(name, parameters="", legacy=True, **fields):
    """A record of a loss whose body gives the unreduced losses; `parameters` follow the
    reduction."""
    middle = LEGACY if legacy else "str reduction='mean'"
    schema = (f"{name}(Tensor input, Tensor target, {middle}{parameters}) -> Tensor")

    def register(body):
        def reduce_body(input, target, reduction="mean", size_average=None, reduce=None, **rest):
            how = chosen_reduction(reduction, size_average, reduce)
            dtype, values = body(input, target, **rest)
            return reduced(values, how, dtype)
        reduce_body.__doc__ = body.__doc__ + REDUCTION
        reduce_body.__module__ = body.__module__
        operator(schema, variants="nn", **fields)(reduce_body)
        return body
    return register
