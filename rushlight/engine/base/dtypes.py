"""Data types: PyTorch's names over NumPy dtypes, and the promotion lattice between them.

Imports nothing of rushlight.  Read `promote.py` next.
"""

import ml_dtypes
import numpy as np

BOOL, INT, FLOAT, COMPLEX = range(4)  # categories, in promotion order


class dtype:  # noqa: N801  (PyTorch's public name)
    """An element type, e.g. ``torch.float32``; compared by identity.

    >>> import rushlight as torch
    >>> torch.float16.itemsize, torch.int8.is_signed, torch.complex64.is_complex
    (2, True, True)
    """

    __slots__ = ("name", "np", "itemsize", "category", "is_signed", "type_name")

    def __init__(self, name, np_dtype, category, type_name, is_signed=True):
        self.name = name
        self.np = np.dtype(np_dtype)
        self.itemsize = self.np.itemsize
        self.category = category
        self.is_signed = is_signed
        self.type_name = type_name

    is_floating_point = property(lambda self: self.category == FLOAT)
    is_complex = property(lambda self: self.category == COMPLEX)

    def to_real(self):
        """The dtype of the real part (itself unless complex)."""
        return {complex32: float16, complex64: float32, complex128: float64}.get(self, self)

    def to_complex(self):
        """The complex dtype whose parts have this dtype (bfloat16, as wide as float32: that)."""
        return {
            float32: complex64,
            float64: complex128,
            float16: complex32,
            bfloat16: complex64,
        }.get(self, self)

    def __repr__(self):
        return f"torch.{self.name}"

    def __reduce__(self):
        return self.name

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


dtype.__module__ = "rushlight"

bool_ = dtype("bool", np.bool_, BOOL, "Bool", is_signed=False)
uint8 = dtype("uint8", np.uint8, INT, "Byte", is_signed=False)
int8 = dtype("int8", np.int8, INT, "Char")
int16 = dtype("int16", np.int16, INT, "Short")
int32 = dtype("int32", np.int32, INT, "Int")
int64 = dtype("int64", np.int64, INT, "Long")
float16 = dtype("float16", np.float16, FLOAT, "Half")
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, FLOAT, "BFloat16")
float32 = dtype("float32", np.float32, FLOAT, "Float")
float64 = dtype("float64", np.float64, FLOAT, "Double")
complex32 = dtype("complex32", ml_dtypes.complex32, COMPLEX, "ComplexHalf")
complex64 = dtype("complex64", np.complex64, COMPLEX, "ComplexFloat")
complex128 = dtype("complex128", np.complex128, COMPLEX, "ComplexDouble")

ALL = (
    bool_,
    uint8,
    int8,
    int16,
    int32,
    int64,
    float16,
    bfloat16,
    float32,
    float64,
    complex32,
    complex64,
    complex128,
)
BY_NAME = {d.name: d for d in ALL}
BY_NUMPY = {d.np: d for d in ALL}
ALIASES = {
    "half": float16,
    "float": float32,
    "double": float64,
    "short": int16,
    "int": int32,
    "long": int64,
    "chalf": complex32,
    "cfloat": complex64,
    "cdouble": complex128,
}
HALVES = (float16, bfloat16)
FOREIGN = (bfloat16, complex32)  # NumPy has these from ml_dtypes and knows little of them
# PyTorch computes half types in float32
OPMATH = {float16: float32, bfloat16: float32, complex32: complex64}


def from_numpy_dtype(np_dtype):
    """The dtype of a NumPy dtype; TypeError names the supported ones."""
    found = BY_NUMPY.get(np.dtype(np_dtype).newbyteorder("="))
    if found is None:
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{np.dtype(np_dtype).type.__name__}. The only "
            "supported types are: "
            "float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint8, "
            "and bool."
        )
    return found


def _promote(a, b):
    if a is b:
        return a
    if a.category != b.category:
        low, high = sorted((a, b), key=lambda d: d.category)
        if high.category == COMPLEX and low.category == FLOAT:
            return _promote(high.to_real(), low).to_complex()
        return high
    if a.category == FLOAT:
        return float32 if {a, b} == {float16, bfloat16} else max(a, b, key=lambda d: d.itemsize)
    if uint8 in (a, b):
        other = b if a is uint8 else a
        return int16 if other is int8 else other
    return max(a, b, key=lambda d: d.itemsize)


PROMOTE = {(a, b): _promote(a, b) for a in ALL for b in ALL}


def promote_types(a, b):
    """The smallest dtype that holds both (PyTorch's lattice)."""
    return PROMOTE[a, b]


def can_cast(source, target):
    """May a result of `source` be written into `target`?  Categories must not fall."""
    if source.category > target.category and source.category > BOOL:
        return source.category == INT and target.category == INT
    return not (source.category != BOOL and target.category == BOOL)
