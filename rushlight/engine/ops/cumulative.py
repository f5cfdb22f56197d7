"""Running sums and products."""

from ..base import dtypes
from ..base.shapes import wrap_dim
from ..ir import lang as L
from .record import operator


def _running(name, op, doc):
    def body(self, dim, dtype):
        d = wrap_dim(dim, self.ndim)
        target = dtype or (dtypes.int64 if self.dtype.category <= dtypes.INT else self.dtype)
        wide = dtypes.OPMATH.get(target, target)
        x = L.cast(L.cast(self, target), wide)
        return L.cast(L.scan(x, d, op), target) if self.ndim else L.cast(x, target)

    body.__doc__ = doc
    operator(
        f"{name}(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
        variants="function,method,inplace,out",
    )(body)


_running("cumsum", "sum", "Sums of all elements up to each along a dimension.")
_running("cumprod", "prod", "Products of all elements up to each along a dimension.")
