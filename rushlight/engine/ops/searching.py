"""Finding values: searchsorted, bucketize, isin, argwhere, nonzero_static, one-argument where."""

from ..base import dtypes
from ..base.promote import result_type
from ..ir import lang as L
from .record import T, composite, operator

_OPTIONS = "bool out_int32=False, bool right=False"


def _check_side(side, right):
    if side not in (None, "left", "right"):
        raise RuntimeError(
            f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"
        )
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left "
            "while right was True"
        )
    return right or side == "right"


def _check_sequence(edges, values, sorter):
    if not edges.ndim:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor "
            "dimension is 1; boundaries tensor should have positive dimension"
        )
    if edges.ndim != 1 and (edges.ndim != values.ndim or edges.shape[:-1] != values.shape[:-1]):
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match, but we got "
            f"boundaries tensor {list(edges.shape)} and input value tensor {list(values.shape)}"
        )
    if edges.dtype is not values.dtype:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor and input value tensor should have same "
            f"dtype, but got boundaries tensor dtype {edges.dtype.type_name} and input value "
            f"tensor dtype {values.dtype.type_name}"
        )
    if edges.dtype.is_complex or edges.dtype is dtypes.bool_:
        raise NotImplementedError(
            f"\"searchsorted_out_cpu\" not implemented for '{edges.dtype.type_name}'"
        )
    if sorter is not None and sorter.shape != edges.shape:
        raise RuntimeError(
            "torch.searchsorted(): boundary and sorter must have the same size, but got boundary "
            f"tensor {list(edges.shape)} and got sorter tensor {list(sorter.shape)}"
        )
    if sorter is not None and sorter.dtype is not dtypes.int64:
        raise RuntimeError(
            "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype "
            f"{sorter.dtype.type_name}"
        )


def _searched(edges, values, out_int32, right, sorter=None):
    _check_sequence(edges, values, sorter)
    dtype = dtypes.int32 if out_int32 else dtypes.int64
    if sorter is not None:
        edges = L.take_along(edges, L.index_in(sorter, edges.shape[-1]), edges.ndim - 1)
    found = L.host("searchsorted", [edges, values], [(values.shape, dtypes.int64)], right=right)
    return L.cast(found[0], dtype)


@operator(
    "searchsorted.Tensor(Tensor sorted_sequence, Tensor input, *, bool out_int32=False, "
    "bool right=False, str? side=None, Tensor? sorter=None) -> Tensor",
    variants="function,out",
    differentiable=False,
)
def searchsorted(sorted_sequence, input, out_int32, right, side, sorter):
    """Where values would be put into a sorted last dimension to keep it sorted.

    Args:
        sorted_sequence: (n,), or (*, n) with the same leading sizes as the values.
        right: after equal elements instead of before; `side` says the same in words.
        sorter: indices that sort `sorted_sequence`.

    >>> import rushlight as torch
    >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([3, 4]))
    tensor([1, 2])
    """
    return _searched(sorted_sequence, input, out_int32, _check_side(side, right), sorter)


@operator(
    "searchsorted.Scalar(Tensor sorted_sequence, Scalar self, *, bool out_int32=False, "
    "bool right=False, str? side=None, Tensor? sorter=None) -> Tensor",
    variants="function,out",
    differentiable=False,
)
def searchsorted_scalar(sorted_sequence, self, out_int32, right, side, sorter):
    """Where a number would be put."""
    value = L.cast(self, sorted_sequence.dtype)
    return _searched(sorted_sequence, value, out_int32, _check_side(side, right), sorter)


def _check_boundaries(boundaries):
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")


@operator(
    f"bucketize.Tensor(Tensor self, Tensor boundaries, *, {_OPTIONS}) -> Tensor",
    variants="function,out",
    differentiable=False,
)
def bucketize(self, boundaries, out_int32, right):
    """Number of the bucket, between sorted boundaries, that each value falls into."""
    _check_boundaries(boundaries)
    return _searched(boundaries, self, out_int32, right)


@operator(
    f"bucketize.Scalar(Scalar self, Tensor boundaries, *, {_OPTIONS}) -> Tensor",
    variants="function,out",
    differentiable=False,
)
def bucketize_scalar(self, boundaries, out_int32, right):
    """Number of the bucket a number falls into."""
    _check_boundaries(boundaries)
    return _searched(boundaries, L.cast(self, boundaries.dtype), out_int32, right)


# ---------------------------------------------------------------------------------- isin
_ISIN = "bool assume_unique=False, bool invert=False"


def _member(elements, tests, invert):
    common = result_type([(elements.dtype, elements.ndim), (tests.dtype, tests.ndim)])
    if common.is_complex or common is dtypes.bool_:
        raise RuntimeError(f"Unsupported input type encountered for isin(): {common.type_name}")
    values = [L.cast(elements, common), L.cast(tests, common)]
    found = L.host("isin", values, [(elements.shape, dtypes.bool_)])[0]
    return L.invert(found) if invert else found


def _as_number(value, like):
    """A number as a 0-d Value of the dtype it has beside `like`."""
    kind = "bif"[min(value.dtype.category, 2)] if hasattr(value, "prim") else None
    return L.cast(value, result_type([(like.dtype, like.ndim), kind]))


@operator(
    f"isin.Tensor_Tensor(Tensor elements, Tensor test_elements, *, {_ISIN}) -> Tensor",
    variants="function,out",
    differentiable=False,
)
def isin(elements, test_elements, assume_unique, invert):
    """Is each element among the test elements?  (`assume_unique` is only a hint about speed.)"""
    return _member(elements, test_elements, invert)


@operator(
    f"isin.Tensor_Scalar(Tensor elements, Scalar test_element, *, {_ISIN}) -> Tensor",
    variants="function,out",
    differentiable=False,
)
def isin_scalar(elements, test_element, assume_unique, invert):
    """Is each element equal to a number?"""
    return _member(elements, _as_number(test_element, elements), invert)


@operator(
    f"isin.Scalar_Tensor(Scalar element, Tensor test_elements, *, {_ISIN}) -> Tensor",
    variants="function,out",
    differentiable=False,
)
def isin_of_scalar(element, test_elements, assume_unique, invert):
    """Is a number among the test elements?"""
    return _member(_as_number(element, test_elements), test_elements, invert)


# ------------------------------------------------------------------------------- nonzero
@composite()
def argwhere(input):
    """Positions of the nonzero elements, (n, ndim) int64."""
    return T.nonzero(input)


@composite("function", schema="where(Tensor condition) -> Tensor[]")
def where_positions(condition):
    """Positions where the condition holds: one vector per dimension."""
    return T.nonzero(condition, as_tuple=True)


@operator(
    "nonzero_static(Tensor self, *, int size, int fill_value=-1) -> Tensor",
    variants="function,method,out",
    differentiable=False,
)
def nonzero_static(self, size, fill_value):
    """The first `size` positions of nonzero elements, (size, ndim) int64; missing ones filled."""
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    result = ((size, self.ndim), dtypes.int64)
    return L.host("nonzero_static", [self], [result], size=size, fill_value=fill_value)[0]
