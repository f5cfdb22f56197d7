"""Tensor methods no record describes: views, conversions, copies, new_*, reading, hooks.

`protocols.py` goes on with Python's own: indexing, iteration, copying, operators' helpers.
"""

import warnings
import weakref

from ..engine.base import dtypes, shapes
from ..engine.base.meta import meta_of
from ..engine.ops import REGISTRY
from ..engine.record.segment import realise
from ..engine.runtime.storage import Version, aligned_empty
from . import creation, interchange
from . import indexing as _indexing
from .backward import backward as _backward
from .dispatch import run_bound
from .formats import channels_last, channels_last_3d, contiguous_format, preserve_format
from .graph import making
from .hooks import RemovableHandle
from .nested import fitting
from .overrides import handle_override, has_override
from .tensor import Tensor
from .views import finish_view, run_view

_op = {name: {op.overload: op for op in ops} for name, ops in REGISTRY.items()}


def method(function):
    """Install on Tensor behind the check for ``__torch_function__``."""

    def run(*args, **kwargs):
        if has_override(args, kwargs):
            found = handle_override(run, args, kwargs)
            if found is not NotImplemented:
                return found
        return function(*args, **kwargs)

    run.__name__ = run.__qualname__ = function.__name__
    run.__doc__ = function.__doc__
    run.__wrapped__ = function
    setattr(Tensor, function.__name__, run)
    return run


def cached(look_up):
    """Decorator: before the general method, ask a view's call cache (which knows no subclasses)."""

    def wrap(function):
        general = method(function)

        def run(self, *args, **kwargs):
            if not kwargs:
                known = look_up(self._meta, args)
                if known is not None:
                    return finish_view(known, self)
            return general(self, *args, **kwargs)

        run.__name__ = run.__qualname__ = function.__name__
        run.__doc__ = function.__doc__
        setattr(Tensor, function.__name__, run)
        return run

    return wrap


_VIEWS, _SELECTS = _op["view"][""].calls, _op["select"]["int"].calls
_SLICES = _op["slice"]["Tensor"].calls


def _known_view(meta, shape):
    if len(shape) == 1 and isinstance(shape[0], tuple):
        shape = shape[0]
    return _VIEWS.get((meta, shape))


def _known_item(meta, args):
    (key,) = args
    if key.__class__ is int:
        return _SELECTS.get((meta, 0, key))
    if key.__class__ is slice:
        step = key.step
        return _SLICES.get((meta, 0, key.start, key.stop, 1 if step is None else step))
    return None


# ----------------------------------------------------------------------------- views, copies
def _ints(args):
    if len(args) == 1 and isinstance(args[0], list | tuple):
        args = args[0]
    return tuple(int(creation.python_number(a)) for a in args)


@cached(_known_view)
def view(self, *shape, dtype=None):
    """The same memory in another shape, or as another dtype.

    >>> import rushlight as torch
    >>> torch.arange(4).view(2, -1)
    tensor([[0, 1],
            [2, 3]])
    """
    dtype = shape[0] if len(shape) == 1 and isinstance(shape[0], dtypes.dtype) else dtype
    if dtype is not None:
        return _view_dtype(self, dtype)
    if len(shape) == 0:
        raise TypeError(
            "view() received an invalid combination of arguments - got (), but expected "
            "one of:\n * (torch.dtype dtype)\n * (tuple of ints size)"
        )
    return run_view(_op["view"][""], dict(self=self, size=_ints(shape)))


def _view_dtype(t, dtype):
    """The memory as another dtype: no history, and none of its own (as in PyTorch), but the
    version is shared."""
    meta = t._meta.plain
    old, new = meta.dtype.itemsize, dtype.itemsize
    shape, strides = list(meta.shape), list(meta.strides)
    offset = t._off
    if old != new:
        if not shape:
            raise RuntimeError(
                f"self.dim() cannot be 0 to view {meta.dtype} as {dtype} (different element sizes)"
            )
        if strides[-1] != 1:
            raise RuntimeError(
                f"self.stride(-1) must be 1 to view {meta.dtype} as {dtype} (different "
                f"element sizes), but got {strides[-1]}"
            )
        if old > new:
            ratio = old // new
            shape[-1] *= ratio
            strides = [s * ratio for s in strides[:-1]] + [1]
            offset *= ratio
        else:
            ratio = new // old
            for what, n in (
                ("size(-1)", shape[-1]),
                ("storage_offset()", offset),
                *((f"stride({d})", s) for d, s in enumerate(strides[:-1])),
            ):
                if n % ratio:
                    raise RuntimeError(
                        f"self.{what} must be divisible by {ratio} to view {meta.dtype} as "
                        f"{dtype} (different element sizes), but got {n}"
                    )
            shape[-1] //= ratio
            strides = [s // ratio for s in strides[:-1]] + [1]
            offset //= ratio
    if dtype is not meta.dtype:
        interchange.export(t)
    return t._alias(meta_of(tuple(shape), dtype, tuple(strides), meta.device), offset)


@method
def polygamma(self, n):
    """Derivative of order n of digamma."""
    return run_bound(_op["polygamma"][""], dict(n=n, self=self))


@method
def polygamma_(self, n):
    """polygamma in place."""
    return self.copy_(self.polygamma(n))


@method
def where(self, condition, other):
    """Elements of the tensor where the condition holds, of `other` elsewhere."""
    return run_bound(_op["where"]["self"], dict(condition=condition, self=self, other=other))


@method
def expand(self, *sizes, implicit=False):
    """Dimensions of size 1 repeated without copying; -1 keeps a size."""
    return run_view(_op["expand"][""], dict(self=self, size=_ints(sizes), implicit=implicit))


def as_view(self):
    """A view of the whole tensor (``x[...]``)."""
    return run_view(_op["alias"][""], dict(self=self))


@method
def as_strided(self, size, stride, storage_offset=None):
    """A view of the storage with any geometry; may overlap itself."""
    return run_view(
        _op["as_strided"][""],
        dict(self=self, size=tuple(size), stride=tuple(stride), storage_offset=storage_offset),
    )


@method
def split(self, split_size, dim=0):
    """Pieces of one size, or of a list of sizes, along a dimension."""
    if isinstance(split_size, list | tuple):
        return run_view(
            _op["split_with_sizes"][""],
            dict(self=self, split_sizes=tuple(map(int, split_size)), dim=dim),
        )
    return run_view(_op["split"]["Tensor"], dict(self=self, split_size=int(split_size), dim=dim))


@method
def index_put(self, indices, values, accumulate=False):
    """This tensor with `values` written (or added) at positions: index or mask tensors."""
    places = _indexing.positions(self, list(indices))
    return run_bound(
        _op["_index_put"][""],
        dict(self=self, indices=places, values=values, accumulate=accumulate),
    )


@method
def index_put_(self, indices, values, accumulate=False):
    """`index_put` in place."""
    return self._index_put_(_indexing.positions(self, list(indices)), values, accumulate)


@method
def clone(self, *, memory_format=preserve_format):
    """A copy with history; strides kept where dense unless a memory_format is given."""
    name = {
        contiguous_format: "contiguous",
        channels_last: "channels_last",
        channels_last_3d: "channels_last",
    }.get(memory_format, "clone")
    return run_bound(_op[name][""], dict(self=self))


@method
def is_contiguous(self, memory_format=contiguous_format):
    """Is the memory laid out without gaps in this order?"""
    meta = self._meta.plain
    if memory_format in (channels_last, channels_last_3d):
        return meta.ndim == {channels_last: 4, channels_last_3d: 5}[
            memory_format
        ] and shapes.is_channels_last(meta.shape, meta.strides)
    return meta.contiguous


@method
def contiguous(self, memory_format=contiguous_format):
    """The tensor itself where it is contiguous already, else a copy."""
    if self.is_contiguous(memory_format=memory_format):
        return self
    return self.clone(memory_format=memory_format)


def _cast(t, dtype, copy, memory_format):
    if dtype is t.dtype and not copy and memory_format in (None, preserve_format):
        return t
    if memory_format not in (None, preserve_format):
        out = t if dtype is t.dtype else _cast(t, dtype, False, None)
        return out.clone(memory_format=memory_format)
    if dtype is t.dtype:
        return t.clone()
    if t.dtype.is_complex and not dtype.is_complex:
        warnings.warn(
            "Casting complex values to real discards the imaginary part", UserWarning, stacklevel=4
        )
    return run_bound(_op["_to_copy"][""], dict(self=t, dtype=dtype, device=None))


@method
def to(
    self,
    *args,
    device=None,
    dtype=None,
    non_blocking=False,
    copy=False,
    memory_format=preserve_format,
):
    """This tensor with another dtype or device: ``to(dtype)``, ``to(device, dtype)``,
    ``to(other)``."""
    rest = list(args)
    if rest and isinstance(rest[0], Tensor):
        device, dtype = rest[0].device, rest[0].dtype
        rest.pop(0)
    elif rest and (isinstance(rest[0], dtypes.dtype) or rest[0] in creation.PYTHON_TYPES):
        dtype = rest.pop(0)
    elif rest and (rest[0] is None or not isinstance(rest[0], bool)):
        device = rest.pop(0)
        if rest and (isinstance(rest[0], dtypes.dtype) or rest[0] is None):
            dtype = rest.pop(0)
    for name, value in zip(("non_blocking", "copy"), rest, strict=False):
        copy = value if name == "copy" else copy
    dtype = creation.as_dtype(dtype, self.dtype)
    place = self.device if device is None else creation.as_device(device)
    if place.type != self.device.type:
        return _move(self, place, dtype, memory_format)
    return _cast(self, dtype, copy, memory_format)


def _move(t, place, dtype, memory_format):
    if t.device.type == "meta":
        raise NotImplementedError(
            "Cannot copy out of meta tensor; no data! Please use "
            "torch.nn.Module.to_empty() instead of torch.nn.Module.to() when moving "
            "module from meta to a different device."
        )
    moved = run_bound(_op["_to_copy"][""], dict(self=t, dtype=dtype, device=place))
    if memory_format in (None, preserve_format):
        return moved
    return moved.clone(memory_format=memory_format)


def _conversion(name, target):
    def convert(self, memory_format=preserve_format):
        return _cast(self, target, False, memory_format)

    convert.__name__ = name
    convert.__doc__ = f"This tensor as {target}."
    method(convert)


for _name, _dtype in dict(
    float=dtypes.float32,
    double=dtypes.float64,
    half=dtypes.float16,
    bfloat16=dtypes.bfloat16,
    int=dtypes.int32,
    long=dtypes.int64,
    short=dtypes.int16,
    char=dtypes.int8,
    byte=dtypes.uint8,
    bool=dtypes.bool_,
    chalf=dtypes.complex32,
    cfloat=dtypes.complex64,
    cdouble=dtypes.complex128,
).items():
    _conversion(_name, _dtype)


@method
def type(self, dtype=None, non_blocking=False):  # noqa: A001
    """The type's name (``'torch.FloatTensor'``), or this tensor as another type."""
    if dtype is None:
        return f"torch.{self.dtype.type_name}Tensor"
    if isinstance(dtype, str):
        found = [d for d in dtypes.ALL if dtype == f"torch.{d.type_name}Tensor"]
        if not found:
            raise ValueError(f"invalid type: '{dtype}'")
        dtype = found[0]
    return self.to(getattr(dtype, "dtype", dtype))


@method
def type_as(self, other):
    """This tensor with the dtype (and device) of `other`."""
    return self.to(other)


@method
def cpu(self, memory_format=preserve_format):
    """This tensor on the CPU."""
    return self.to("cpu", memory_format=memory_format)


def check_fill():
    """Let ``fill_`` refuse numbers its dtype cannot hold (once the operators are installed)."""
    fill = Tensor.fill_

    def fill_(self, value):
        if not isinstance(value, Tensor):
            fitting(creation.python_number(value), self.dtype)
        return fill(self, value)

    fill_.__qualname__, fill_.__doc__ = fill.__qualname__, fill.__doc__
    setattr(Tensor, "fill_", fill_)  # noqa: B010


def cuda(self, device=None, non_blocking=False, memory_format=preserve_format):
    """Raises: rushlight runs on the CPU here."""
    raise AssertionError(
        "Torch not compiled with CUDA enabled (rushlight runs on the CPU; hint: use "
        "`device = 'cuda' if torch.cuda.is_available() else 'cpu'`)"
    )


@method
def resize_(self, *sizes, memory_format=contiguous_format):
    """Change shape in place; memory grows where needed (new values are not initialised)."""
    shape = _ints(sizes)
    meta = self._meta.plain
    strides = creation.format_strides(shape, memory_format) or shapes.contiguous_strides(shape)
    need = self._off + shapes.extent(shape, strides)
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    if shape == tuple(meta.shape) and memory_format is contiguous_format:
        return self  # strides and all
    if meta.device.type != "meta" and need > self._st.size:
        _grow(self._st, need)
    new = meta_of(shape, meta.dtype, strides, meta.device)
    if shape != tuple(meta.shape):
        self._vc.version += 1
    self._meta = new.marked() if self._meta.plain is not self._meta else new
    return self


def _grow(storage, size):
    if storage.immediate:
        raise RuntimeError("Trying to resize storage that is not resizable")
    old = realise(storage)
    storage.array = aligned_empty(size, storage.dtype.np)
    storage.array[: old.size] = old
    storage.size = size


@method
def resize_as_(self, other, *, memory_format=contiguous_format):
    """Resize to the shape of `other`."""
    return self.resize_(other.shape, memory_format=memory_format)


@method
def set_(self, source=None, storage_offset=0, size=None, stride=None):
    """Point this tensor at another tensor's (or storage's) memory."""
    if source is None:
        source, size = creation.empty(0, dtype=self.dtype), (0,)
    if isinstance(source, Tensor):
        st, offset, meta = source._st, source._off, source._meta.plain
    else:
        st, offset = source._st, 0
        meta = meta_of((st.size,), self.dtype, None, st.device)
    if size is not None:
        strides = tuple(stride) if stride is not None else shapes.contiguous_strides(size)
        meta, offset = meta_of(tuple(size), self.dtype, strides, meta.device), storage_offset
        if offset + meta.extent > st.size:
            raise RuntimeError(
                f"setStorage: sizes {list(size)}, strides {list(strides)}, storage "
                f"offset {offset} are out of bounds for storage of size {st.size}"
            )
    if self._vc is self._st:
        self._vc = Version(self._st.version)
    self._st, self._off, self._meta = st, offset, meta
    self._vc.version += 1
    return self


# ------------------------------------------------------------------------------- new_*
def _new(name, factory):
    def make(self, *args, dtype=None, device=None, **options):
        return factory(*args, dtype=dtype or self.dtype, device=device or self.device, **options)

    make.__name__ = name
    make.__doc__ = f"`{factory.__name__}` with the dtype and device of this tensor."
    method(make)


for _name in ("zeros", "ones", "empty", "full", "empty_strided"):
    _new("new_" + _name, getattr(creation, _name))
_new("new_tensor", creation.tensor)


@method
def new(self, *args):
    """Legacy constructor: uninitialised of a size, or from data, with this dtype."""
    if not args:
        return creation.empty(0, dtype=self.dtype)
    if all(isinstance(a, int) for a in args):
        return creation.empty(args, dtype=self.dtype)
    return creation.tensor(args[0], dtype=self.dtype)


# ----------------------------------------------------------------------------- sizes
@method
def size(self, dim=None):
    """The shape, or the size of one dimension."""
    shape = self._meta.plain.shape
    return shape if dim is None else shape[shapes.wrap_dim(dim, len(shape))]


@method
def dim(self):
    """Number of dimensions."""
    return self._meta.plain.ndim


@method
def numel(self):
    """Number of elements."""
    return self._meta.plain.numel


@method
def element_size(self):
    """Bytes per element."""
    return self.dtype.itemsize


@method
def is_floating_point(self):
    """Is the dtype a floating one?"""
    return self.dtype.is_floating_point


@method
def is_complex(self):
    """Is the dtype complex?"""
    return self.dtype.is_complex


@method
def is_signed(self):
    """Can the dtype hold negative numbers?"""
    return self.dtype.is_signed


@method
def get_device(self):
    """Device index, -1 on the CPU."""
    return -1


# ---------------------------------------------------------------------- reading, autograd
for _function in (interchange.numpy, interchange.item, interchange.tolist):
    method(_function)


@method
def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Gradients of this tensor into the ``.grad`` of the leaves it came from."""
    _backward(self, gradient, retain_graph, create_graph, inputs=inputs)


@method
def register_hook(self, hook):
    """Call ``hook(grad)`` when this tensor's gradient is known; may return a replacement."""
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node = self.grad_fn
    if node is None:
        with making:
            if self._leaf_hooks is None:
                self._leaf_hooks = {}
        return RemovableHandle.put(self._leaf_hooks, hook)
    return RemovableHandle.put(node.more().hooks.setdefault(self._nr, {}), hook)


@method
def register_post_accumulate_grad_hook(self, hook):
    """Call ``hook(param)`` after a gradient was added to this leaf's ``.grad``."""
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self.grad_fn is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    with making:
        if self._post_accumulate_hooks is None:
            self._post_accumulate_hooks = {}
    return RemovableHandle.put(self._post_accumulate_hooks, hook)


@method
def retain_grad(self):
    """Keep this non-leaf's gradient in ``.grad``."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    node = self.grad_fn
    if node is None or self._retains:
        return
    self._retains = True
    node.more().retains[self._nr] = weakref.ref(self)


setattr(  # noqa: B010
    Tensor,
    "retains_grad",
    property(
        lambda self: (self.is_leaf or self.grad_fn is not None) and self._retains,
        doc="Was retain_grad called?",
    ),
)


@method
def detach(self):
    """The same memory without history; the version counter is shared."""
    t = self._alias()
    if self._inference:
        t._inference = True
    return t


@method
def detach_(self):
    """Forget this tensor's history, in place."""
    if self._view is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    self._fn, self._nr, self._rg = None, 0, False
    return self


@method
def is_inference(self):
    """Was this tensor made in inference mode?"""
    return bool(self._inference)


@method
def is_set_to(self, tensor):
    """Do both tensors have the same memory and geometry?"""
    return (
        self._st is tensor._st
        and self._off == tensor._off
        and self._meta.plain is tensor._meta.plain
    )


@method
def pin_memory(self, device=None):
    """Raises: there is no accelerator to copy to."""
    raise RuntimeError("Cannot access accelerator device when none is available.")


@method
def is_pinned(self, device=None):
    """Always False: nothing is pinned on the CPU."""
    return False


@method
def resolve_conj(self):
    """The tensor itself: conjugates are computed at once here."""
    return self


@method
def resolve_neg(self):
    """The tensor itself."""
    return self


@method
def is_conj(self):
    """Always False: conjugates are computed at once."""
    return False


@method
def is_neg(self):
    """Always False."""
    return False
