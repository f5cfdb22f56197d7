"""Sorting and what is read off a sorted order."""

from ..base import dtypes
from ..base.shapes import wrap_dim
from ..ir import lang as L
from .record import T, composite, operator


def _sorted(self, dim, descending):
    d = wrap_dim(dim, self.ndim)
    if self.dtype.is_complex:
        raise RuntimeError("Sort currently does not support complex dtypes on CPU")
    if not self.ndim:
        return self, L.const(self.graph, 0, dtypes.int64, ())
    order = L.argsort(self, d, descending)
    return L.take_along(self, order, d), order


def _gradient(grads, outputs, self, dim=-1, **rest):
    g = grads[0]
    d = wrap_dim(dim, self.ndim)
    if g is None or not self.ndim:
        return {"self": g}
    return {"self": L.put_along(L.like(self, 0), outputs[1], g, d, "add")}


@operator(
    "sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
    vjp=_gradient,
)
def sort(self, dim, descending):
    """Values in order along a dimension, and where they were; equal ones keep their order."""
    return _sorted(self, dim, descending)


@operator(
    "sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False)"
    " -> (Tensor values, Tensor indices)",
    vjp=_gradient,
    node="SortBackward0",
)
def sort_stable(self, stable, dim, descending):
    """As sort; it is always stable here."""
    return _sorted(self, dim, descending)


@composite()
def argsort(input, dim=-1, descending=False, *, stable=False):
    """Indices that sort along a dimension."""
    return T.sort(input, dim=dim, descending=descending)[1]


@composite("function,method,out")
def msort(input):
    """Sorted along the first dimension."""
    return T.sort(input, dim=0)[0]


@operator(
    "topk(Tensor self, int k, int dim=-1, bool largest=True, bool sorted=True)"
    " -> (Tensor values, Tensor indices)",
    vjp=_gradient,
)
def topk(self, k, dim, largest, sorted):  # noqa: A002
    """The k largest (or smallest) values along a dimension, in order, and where they are."""
    d = wrap_dim(dim, self.ndim)
    size = self.shape[d] if self.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError("selected index k out of range")
    values, order = _sorted(self, dim, largest)
    if not self.ndim:
        return values, order
    return L.slice_axis(values, d, 0, k), L.slice_axis(order, d, 0, k)
