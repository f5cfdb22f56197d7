"""Tensors in Python's protocols: indexing, len, bool, iteration, copying, NumPy's and DLPack's."""

import builtins
import copy as copying

import numpy as np

from ..engine.base import dtypes
from ..engine.record.segment import realise
from ..engine.runtime.storage import aligned_empty, storage_of
from . import indexing as _indexing
from . import interchange
from .methods import _known_item, as_view, cached, cuda, dim, method, numel
from .tensor import Tensor, make_subclass, wrap


@cached(_known_item)
def __getitem__(self, key):
    return _indexing.getitem(self, key)


@method
def __setitem__(self, key, value):
    _indexing.setitem(self, key, value)


@method
def __len__(self):
    if not self._meta.plain.ndim:
        raise TypeError("len() of a 0-d tensor")
    return self._meta.plain.shape[0]


@method
def __bool__(self):
    n = self._meta.plain.numel
    if n == 0:
        raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
    if n > 1:
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    return bool(self.item())


@method
def __float__(self):
    return float(self.item())


@method
def __int__(self):
    return int(self.item())


@method
def __complex__(self):
    return complex(self.item())


@method
def __index__(self):
    if self.dtype.category > dtypes.INT or self._meta.plain.numel != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(self.item())


@method
def __contains__(self, element):
    if isinstance(element, Tensor | int | float | complex | bool):
        return bool((self == element).any())
    raise RuntimeError(
        f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
        f"{element.__class__}."
    )


@method
def __iter__(self):
    if not self._meta.plain.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


def __reversed__(self):
    return self.flip(0) if self._meta.plain.ndim else self


def __hash__(self):
    return id(self)


def __array__(self, dtype=None, copy=None):
    return interchange.array_protocol(self, dtype, copy)


def __array_wrap__(self, array, context=None, return_scalar=False):
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    return interchange.from_numpy(np.array(array))


def __format__(self, spec):
    if self._meta.plain.ndim == 0 and self.device.type == "cpu" and builtins.type(self) is Tensor:
        return self.item().__format__(spec)
    return object.__format__(self, spec)


def __deepcopy__(self, memo):
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the "
            "deepcopy protocol at the moment.  If you were attempting to deepcopy a "
            "module, this may be because of a torch.nn.utils.weight_norm usage, see "
            "https://github.com/pytorch/pytorch/pull/103001"
        )
    if id(self) in memo:
        return memo[id(self)]
    storage = _copied_storage(self._st, memo)
    out = wrap(storage, self._meta.plain, self._off)
    if builtins.type(self) is not Tensor:
        out = make_subclass(builtins.type(self), out)
    out._rg = self._rg
    memo[id(self)] = out
    if self._grad is not None:
        out._grad = copying.deepcopy(self._grad, memo)
    for name, value in self.__dict__.items():
        if name not in ("_acc", "_grad", "_leaf_hooks", "_post_accumulate_hooks", "_retains"):
            out.__dict__[name] = copying.deepcopy(value, memo)
    return out


def _copied_storage(storage, memo):
    if id(storage) not in memo:
        if storage.device.type == "meta":
            copied = storage_of(storage.dtype, storage.size, storage.device)
        else:
            array, source = aligned_empty(storage.size, storage.dtype.np), realise(storage)
            array[...] = source.fetch() if storage.device.type == "opaque" else source
            copied = storage_of(storage.dtype, storage.size, storage.device, array)
        memo[id(storage)] = copied
    return memo[id(storage)]


_protocol: tuple = (
    __reversed__,
    __hash__,
    __array__,
    __array_wrap__,
    __format__,
    __deepcopy__,
    cuda,
    as_view,
)
for _member in _protocol:
    setattr(Tensor, _member.__name__, _member)


def _refuse_H(t):
    raise RuntimeError(
        f"tensor.H is only supported on matrices (2-D tensors). Got {t.ndim}-D tensor. For batches "
        "of matrices, consider using tensor.mH"
    )


_ATTRIBUTES = {
    "__array_priority__": 1000,
    "__dlpack__": interchange.to_dlpack_capsule,
    "__dlpack_device__": interchange.dlpack_device,
    "is_cpu": property(lambda self: self.device.type == "cpu", doc="Is it on the CPU?"),
    "is_cuda": property(lambda self: False, doc="False: there is no CUDA here."),
    "is_meta": property(lambda self: self.device.type == "meta", doc="Has it no memory?"),
    "is_sparse": property(lambda self: False, doc="False: tensors are strided."),
    "is_quantized": property(lambda self: False, doc="False."),
    "is_mkldnn": property(lambda self: False, doc="False."),
    "is_nested": property(lambda self: False, doc="False."),
    "itemsize": property(lambda self: self.dtype.itemsize, doc="Bytes per element."),
    "nbytes": property(
        lambda self: self.dtype.itemsize * self._meta.plain.numel, doc="Bytes of all elements."
    ),
    "nelement": numel,
    "ndimension": dim,
    "T": property(
        lambda self: self.permute(*reversed(range(self.ndim))), doc="All dimensions reversed."
    ),
    "H": property(
        lambda self: self.t().conj() if self.ndim == 2 else _refuse_H(self),
        doc="Conjugate transpose of a matrix.",
    ),
    "mH": property(
        lambda self: self.transpose(-2, -1).conj(), doc="Conjugate transpose of matrices."
    ),
    "mT": property(lambda self: self.transpose(-2, -1), doc="The last two dimensions exchanged."),
}
for _name, _value in _ATTRIBUTES.items():
    setattr(Tensor, _name, _value)
