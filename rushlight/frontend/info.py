"""``torch.finfo`` and ``torch.iinfo``: limits of dtypes."""

import ml_dtypes
import numpy as np

from ..engine.base import dtypes
from ..engine.base.promote import get_default_dtype


class finfo:  # noqa: N801
    """Limits of a floating dtype: bits, eps, max, min, tiny, smallest_normal, resolution.

    >>> import rushlight as torch
    >>> torch.finfo(torch.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type=None):  # noqa: A002
        d = type or get_default_dtype()
        if not isinstance(d, dtypes.dtype) or d.category < dtypes.FLOAT:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to "
                f"handle '{d}'"
            )
        real = d.to_real()
        found = (ml_dtypes if real is dtypes.bfloat16 else np).finfo(real.np)
        self.bits, self.dtype = real.itemsize * 8, real.name
        self.eps, self.max, self.min = float(found.eps), float(found.max), float(found.min)
        self.tiny = self.smallest_normal = float(found.tiny)
        self.resolution = 10.0**-found.precision

    def __repr__(self):
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )

    def __eq__(self, other):
        return isinstance(other, finfo) and self.dtype == other.dtype

    __hash__ = object.__hash__


class iinfo:  # noqa: N801
    """Limits of an integer dtype: bits, min, max."""

    def __init__(self, type):  # noqa: A002
        if not isinstance(type, dtypes.dtype) or type.category != dtypes.INT:
            raise TypeError(
                f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'"
            )
        found = np.iinfo(type.np)
        self.bits, self.dtype = found.bits, type.name
        self.min, self.max = int(found.min), int(found.max)

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"

    def __eq__(self, other):
        return isinstance(other, iinfo) and self.dtype == other.dtype

    __hash__ = object.__hash__
