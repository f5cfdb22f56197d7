"""Tensor: a view of a storage, with its place in the autograd graph.

Operators are installed on the class from their records (`install.py`); what is written here is what
no record describes.
"""

import warnings
from typing import TYPE_CHECKING, Any

from ..engine.base.arrays import strided
from ..engine.base.meta import meta_of
from ..engine.base.shapes import wrap_dim
from ..engine.record import flush, state
from ..engine.record.segment import realise
from ..engine.runtime.storage import Version, storage_of


class ViewInfo:
    """Where a view comes from: its root, how it was made, and the version its node was made at."""

    __slots__ = ("base", "made", "version")

    def __init__(self, base, made, version):
        self.base, self.made, self.version = base, made, version


class Tensor:
    """A multi-dimensional array with automatic differentiation; see torch.Tensor.

    Storage, metadata and version are shared between views as in PyTorch.  Values are computed when
    something reads them.

    >>> import rushlight as torch
    >>> torch.tensor([1., 2.]) + 1
    tensor([2., 3.])
    """

    __slots__ = (
        "_st",
        "_off",
        "_meta",
        "_vc",
        "_rg",
        "_fn",
        "_nr",
        "_view",
        "__dict__",
        "__weakref__",
    )

    # rarely set, so they live in __dict__ when they are
    _grad = None
    _acc = None
    _leaf_hooks = None
    _post_accumulate_hooks = None
    _retains = False
    _inference = False
    names = property(lambda self: (None,) * self._meta.plain.ndim)

    if TYPE_CHECKING:  # operators and most methods are installed when the package is imported

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, key: Any) -> Any: ...

    # ------------------------------------------------------------------------- metadata
    @property
    def shape(self):
        """torch.Size of the tensor."""
        return self._meta.plain.shape

    @property
    def dtype(self):
        """Element type."""
        return self._meta.plain.dtype

    @property
    def device(self):
        """Where the tensor lives."""
        return self._meta.plain.device

    @property
    def layout(self):
        """torch.strided."""
        return LAYOUTS[self._meta.plain.layout]

    @property
    def ndim(self):
        """Number of dimensions."""
        return self._meta.plain.ndim

    @property
    def requires_grad(self):
        """Does something record operators on this tensor?"""
        return self._rg or self._view is not None and self._view.base._rg

    @requires_grad.setter
    def requires_grad(self, value):
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad=True):
        """Start (or stop) recording operators on this leaf; returns self."""
        if requires_grad and self._meta.plain.dtype.category < 2:
            raise RuntimeError(
                "only Tensors of floating point and complex dtype can require "
                f"gradients (got {self.dtype})"
            )
        if not requires_grad and self._fn is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you "
                "want to use a computed variable in a subgraph that doesn't require "
                "differentiation use var_no_grad = var.detach()."
            )
        if self._fn is None:
            if requires_grad and self._inference and not state.inference:
                raise RuntimeError(
                    "Setting requires_grad=True on inference tensor outside "
                    "InferenceMode is not allowed."
                )
            self._rg = bool(requires_grad)
        return self

    @property
    def is_leaf(self):
        """True where no recorded operator made this tensor."""
        return self.grad_fn is None

    @property
    def grad(self):
        """The accumulated gradient of a leaf (or after `retain_grad`), or None."""
        if self._grad is None and self._rg and self._fn is not None and not self._retains:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its "
                ".grad attribute won't be populated during autograd.backward(). If you indeed want "
                "the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the "
                "non-leaf Tensor.",
                UserWarning,
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value):
        if value is not None:
            self._check_grad(value)
        self._grad = value

    @grad.deleter
    def grad(self):
        self._grad = None

    def _check_grad(self, value):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"assigned grad expected to be a Tensor or None but got grad of type "
                f"{type(value).__name__}"
            )
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if value.shape != self.shape:
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of "
                f"size '{list(self.shape)}'. Please ensure that the gradient and "
                "the tensor are the same size"
            )
        if value.dtype is not self.dtype:
            raise RuntimeError(
                f"attempting to assign a gradient with dtype '{value.dtype}' to a tensor "
                f"with grad_dtype '{self.dtype}'. The gradient must match the tensor's "
                "grad_dtype (the tensor's dtype)."
            )
        if value.device != self.device:
            raise RuntimeError(
                f"attempting to assign a gradient with device type '{value.device.type}' to a "
                f"tensor with device type '{self.device.type}'. Please ensure that the gradient "
                "and the tensor are on the same device"
            )

    @property
    def _version(self):
        if self._inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return self._vc.version

    @property
    def _base(self):
        return self._view.base if self._view is not None else None

    @property
    def output_nr(self):
        """Which output of `grad_fn` this is."""
        return self._nr

    def _is_view(self):
        return self._view is not None

    # -------------------------------------------------------------------------- aliases
    def _alias(self, meta=None, offset=None):
        """The same memory and version counter, without history."""
        t = _new(Tensor)
        t._st = self._st
        t._off = self._off if offset is None else offset
        t._meta = self._meta.plain if meta is None else meta
        t._vc = self._vc
        t._rg, t._fn, t._nr, t._view = False, None, 0, None
        return t

    @property
    def data(self):
        """The same memory without history, and with a version counter of its own."""
        t = self._alias()
        t._vc = Version()
        return t

    @data.setter
    def data(self, other):
        if not isinstance(other, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(other).__name__}")
        if self._rg and other.dtype.category < 2:
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point "
                "or complex dtype"
            )
        if self._vc is self._st:
            self._vc = Version(self._st.version)
        self._st, self._off, self._meta = other._st, other._off, _remark(self, other._meta.plain)

    def as_subclass(self, cls):
        """This tensor as an instance of a Tensor subclass."""
        return make_subclass(cls, self)

    @staticmethod
    def _make_subclass(cls, data, require_grad=False):
        t = make_subclass(cls, data.detach())
        t.requires_grad_(require_grad)
        return t

    # --------------------------------------------------------------------------- memory
    def _array(self):
        """NumPy view of the values (pending work done); writing to it is the caller's business."""
        meta = self._meta.plain
        if meta.device.type == "meta":
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        flat = realise(self._st)
        if meta.device.type == "opaque":  # a copy that refuses to be written
            flat = flat.fetch()
            flat.flags.writeable = False
        if flat.dtype != meta.dtype.np:
            flat = flat.view(meta.dtype.np)
        return strided(flat, self._off, meta.shape, meta.strides)

    def storage_offset(self):
        """Position of the first element in its storage, in elements."""
        return self._off

    def stride(self, dim=None):
        """Elements to step along every dimension, or along one."""
        meta = self._meta.plain
        if dim is None:
            return meta.strides
        return meta.strides[wrap_dim(dim, meta.ndim)]

    def data_ptr(self):
        """Address of the first element."""
        if self._meta.plain.device.type == "opaque":
            raise RuntimeError("data_ptr(): memory of the device 'opaque' has no address")
        if self._st.owner is None:
            self._st.owner = "address"
        return self._array().__array_interface__["data"][0] if self._meta.plain.numel else 0


_new = object.__new__
LAYOUTS: dict = {}


def wrap(storage, meta, offset=0):
    """A fresh tensor over a storage."""
    t = _new(Tensor)
    t._st, t._off, t._meta, t._vc = storage, offset, meta, storage
    t._rg, t._fn, t._nr, t._view = False, None, 0, None
    return t


def from_array(array, dtype, shape=None, device=None):
    """A fresh tensor over a contiguous NumPy array the caller gives away."""
    shape = array.shape if shape is None else shape
    meta = (
        meta_of(tuple(shape), dtype)
        if device is None
        else meta_of(tuple(shape), dtype, None, device)
    )
    return wrap(storage_of(dtype, meta.numel, meta.device, array.reshape(-1)), meta)


def _remark(t, meta):
    return meta.marked() if t._meta.plain is not t._meta else meta


def needs_dispatch(cls):
    """Does a subclass see every operator through ``__torch_function__``?"""
    return not getattr(cls.__torch_function__, "disables", False)


def make_subclass(cls, source):
    """`source` seen as `cls`: same memory, version and history."""
    t = _new(cls)
    meta = source._meta.plain
    t._st, t._off, t._vc = source._st, source._off, source._vc
    t._meta = meta.marked() if needs_dispatch(cls) else meta
    t._rg, t._fn, t._nr, t._view = source._rg, source._fn, source._nr, source._view
    return t


def synchronise():
    """Run everything this thread has recorded."""
    flush()
