"""Sharing memory with NumPy and DLPack, and reading values out."""

import numpy as np

from ..engine.base import dtypes, shapes
from ..engine.base.device import cpu
from ..engine.base.meta import meta_of
from ..engine.record.segment import expose
from ..engine.runtime.storage import storage_of
from .creation import as_device, as_dtype, from_data, tensor
from .tensor import Tensor, wrap


def export(t):
    """Make the storage's memory visible outside: pending work runs, and from now on nothing
    waits."""
    expose(t._st)


def numpy(self, *, force=False):
    """A NumPy array that shares memory with this tensor (bfloat16: use ``.float()`` first,
    complex32: ``.cfloat()``).

    Raises: RuntimeError where the tensor requires grad; `force=True` gives a detached copy.
    """
    if force:
        return self.detach().resolve_conj().numpy()
    if self.requires_grad:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if self.dtype in dtypes.FOREIGN:
        raise TypeError(f"Got unsupported ScalarType {self.dtype.type_name}")
    if self.device.type != "cpu":
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to "
            "copy the tensor to host memory first."
        )
    export(self)
    return self._array()


def array_protocol(self, dtype=None, copy=None):
    """``np.asarray(tensor)``."""
    out = self.numpy()
    if dtype is not None and out.dtype != dtype:
        if copy is False:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        return out.astype(dtype)
    return out.copy() if copy else out


def from_numpy(ndarray):
    """A tensor over a NumPy array's memory; writes on either side show on the other."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    found = dtypes.from_numpy_dtype(ndarray.dtype)
    if any(s < 0 for s in ndarray.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with "
            "negative strides are not currently supported. (You can probably work around "
            "this by making a copy of your array  with array.copy().)"
        )
    if any(s % ndarray.itemsize for s in ndarray.strides):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the "
            "numpy array to reallocate the memory."
        )
    if not ndarray.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. "
            "Conversion between byte orders is currently not supported."
        )
    strides = tuple(s // ndarray.itemsize for s in ndarray.strides)
    size = shapes.extent(ndarray.shape, strides)
    flat = (
        np.lib.stride_tricks.as_strided(ndarray, (size,), (ndarray.itemsize,))
        if size
        else np.empty(0, ndarray.dtype)
    )
    storage = storage_of(found, size, cpu, flat)
    storage.immediate = True
    storage.owner = ndarray
    return wrap(storage, meta_of(ndarray.shape, found, strides))


def as_tensor(data, dtype=None, device=None):
    """`data` as a tensor, sharing memory where dtype and device allow it."""
    if isinstance(data, Tensor):
        return data.to(dtype=as_dtype(dtype, data.dtype), device=as_device(device or data.device))
    if isinstance(data, np.ndarray):
        shared = from_numpy(data)
        return shared.to(dtype=as_dtype(dtype, shared.dtype), device=as_device(device))
    return tensor(data, dtype=dtype, device=device)


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """`obj` as a tensor; `copy` True always copies, False never does."""
    shares = isinstance(obj, Tensor | np.ndarray)
    if copy is False and not shares:
        raise ValueError("can't alias arbitrary sequence into a tensor.")
    out = as_tensor(obj, dtype, device)
    if copy and shares:
        out = out.clone()
    elif copy is False and isinstance(obj, Tensor) and out._st is not obj._st:
        raise ValueError("can't alias tensor with another dtype or device")
    return out.detach().requires_grad_() if requires_grad else out


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A 1-d tensor over any object with the buffer protocol."""
    found = as_dtype(dtype)
    size = memoryview(buffer).nbytes
    if not size:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < max(size, 1):
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer "
            f"length ({size} bytes) minus 1"
        )
    array = np.frombuffer(buffer, found.np, count, offset)
    storage = storage_of(found, array.size, cpu, array)
    storage.immediate = True
    storage.owner = buffer
    t = wrap(storage, meta_of((array.size,), found))
    return t.requires_grad_() if requires_grad else t


def item(self):
    """The value of a one-element tensor as a Python number."""
    if self._meta.plain.numel != 1:
        raise RuntimeError(
            f"a Tensor with {self._meta.plain.numel} elements cannot be converted to Scalar"
        )
    if self.device.type == "meta":
        raise RuntimeError("Tensor.item() cannot be called on meta tensors")
    return _python_values(self).item()


def tolist(self):
    """Nested Python lists of the values (a number for a 0-d tensor)."""
    return _python_values(self).tolist()


def _python_values(self):
    """The values in a type that NumPy turns into Python numbers."""
    array = self._array()
    return array.astype(dtypes.OPMATH[self.dtype].np) if self.dtype in dtypes.FOREIGN else array


# ------------------------------------------------------------------------------- DLPack
def to_dlpack_capsule(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    """The DLPack capsule of this tensor (shares memory)."""
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    array = self.numpy()
    return array.copy().__dlpack__() if copy else array.__dlpack__()


def dlpack_device(self):
    """(device type, index): CPU is (1, 0)."""
    return (1, 0)


def from_dlpack(ext_tensor):
    """A tensor over another library's memory, through the DLPack protocol."""
    if isinstance(ext_tensor, Tensor):
        return ext_tensor.detach()
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Capsule(ext_tensor)
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(
            f"from_dlpack needs a DLPack capsule or an object with __dlpack__, got "
            f"{type(ext_tensor).__name__}"
        )
    return from_numpy(np.from_dlpack(ext_tensor))


class _Capsule:
    """A bare capsule of CPU memory, as an object of the protocol."""

    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack__(self, **options):
        return self.capsule

    def __dlpack_device__(self):
        return (1, 0)


def positions_of(input):
    """nonzero's result: reads the values."""
    array = input._array()
    places = np.argwhere(array) if array.ndim else np.zeros((int(bool(array)), 0), np.int64)
    return from_data(places.astype(np.int64), dtypes.int64, input.device)
