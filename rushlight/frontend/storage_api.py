"""``torch.UntypedStorage``: the memory of tensors as bytes."""

import numpy as np

from ..engine.base import dtypes
from ..engine.base.device import cpu
from ..engine.base.meta import meta_of
from ..engine.record.segment import realise
from ..engine.runtime.storage import aligned_empty, storage_of
from .tensor import Tensor, wrap


class UntypedStorage:
    """A block of memory that one or more tensors view.

    >>> import rushlight as torch
    >>> torch.zeros(3).untyped_storage().nbytes()
    12
    """

    __slots__ = ("_st",)

    def __init__(self, size=0, *, storage=None):
        self._st = (
            storage
            if storage is not None
            else storage_of(dtypes.uint8, size, cpu, np.zeros(size, np.uint8))
        )

    @classmethod
    def from_bytes(cls, array):
        """A storage over a 1-d uint8 array (used as it is where it is aligned and writable)."""
        if not array.flags.writeable or array.__array_interface__["data"][0] % 16:
            copy = aligned_empty(array.size, np.dtype(np.uint8))
            copy[...] = array
            array = copy
        return cls(storage=storage_of(dtypes.uint8, array.size, cpu, array))

    device = property(lambda self: self._st.device)

    def nbytes(self):
        """Size in bytes."""
        return self._st.nbytes

    def size(self):
        """Size in bytes."""
        return self._st.nbytes

    __len__ = nbytes

    def data_ptr(self):
        """Address of the first byte."""
        return self._numpy_bytes().__array_interface__["data"][0]

    def _numpy_bytes(self):
        return realise(self._st).view(np.uint8)

    def _key(self):
        return id(self._st)

    def __getitem__(self, index):
        found = self._numpy_bytes()[index]
        return int(found) if isinstance(index, int) else found.tolist()

    def tolist(self):
        """The bytes as ints."""
        return self._numpy_bytes().tolist()

    def __eq__(self, other):
        return isinstance(other, UntypedStorage) and self._st is other._st

    def __hash__(self):
        return id(self._st)

    def __repr__(self):
        return f"<torch.UntypedStorage of {self.nbytes()} bytes on {self.device}>"


def rebuild_tensor(storage, dtype, offset, size, stride, requires_grad):
    """A tensor over a storage; the first one decides the dtype the storage is kept in."""
    st = storage._st
    if st.dtype is not dtype and st.segment is None and not st.immediate and st.owner is None:
        whole = st.nbytes // dtype.itemsize * dtype.itemsize
        if whole == st.nbytes:
            st.array = st.array.view(dtype.np)
            st.dtype, st.size = dtype, st.array.size
    if st.dtype is not dtype:
        st.immediate = True
    st.owner = st.owner or "checkpoint"
    t = wrap(st, meta_of(tuple(size), dtype, tuple(stride), st.device), offset)
    t._rg = bool(requires_grad)
    return t


def untyped_storage(self):
    """The memory of this tensor; views of one storage give equal objects."""
    return UntypedStorage(storage=self._st)


setattr(Tensor, "untyped_storage", untyped_storage)  # noqa: B010
