"""Parameters and buffers: the tensors that modules own, and forms whose shape is not known yet.

Next: modules/module.py, which registers them, and modules/lazy.py, which gives them shapes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from .. import frontend as rl
from ..frontend.overrides import disabled_function

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]


class _MarkedMeta(type(rl.Tensor)):  # type: ignore[misc]
    """Lets ``isinstance`` also accept tensors of other classes that carry the class's mark."""

    def __instancecheck__(cls, instance) -> bool:
        if not isinstance(instance, rl.Tensor):  # the usual case: any attribute set on a module
            return False
        mark = vars(cls).get("_mark")
        return bool(mark and getattr(instance, mark, False)) or super().__instancecheck__(instance)


class Parameter(rl.Tensor, metaclass=_MarkedMeta):
    """A tensor that becomes a parameter of the module to whose attribute it is assigned.

    Args:
        data: the values, any shape; the parameter shares their storage. None: an empty tensor.
        requires_grad: whether gradients are computed for it; floating and complex dtypes only.

    A tensor of another class than Tensor keeps its class: the result is marked, and
    ``isinstance(result, Parameter)`` is true.

    >>> import rushlight as torch
    >>> torch.nn.Parameter(torch.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    _mark = "_is_param"

    def __new__(cls, data=None, requires_grad: bool = True):
        if data is None:
            data = rl.empty(0)
        if type(data) in (rl.Tensor, Parameter):
            return rl.Tensor._make_subclass(cls, data, requires_grad)
        result = data.detach().requires_grad_(requires_grad)
        if type(result) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires "
                "that detach() returns an instance of the same type, but return type "
                f"{type(result).__name__} was found instead."
            )
        result._is_param = True
        return result

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            copied = self.data.clone(memory_format=rl.preserve_format)
            memo[id(self)] = type(self)(copied, self.requires_grad)
        return memo[id(self)]

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, proto):
        # Checkpoints name these two functions. They build Parameters, hence the late import.
        from .. import _utils

        arguments = (self.data, self.requires_grad, OrderedDict())
        state = _utils._get_obj_state(self)
        if state:
            return _utils._rebuild_parameter_with_state, (*arguments, state)
        return _utils._rebuild_parameter, arguments

    # Results computed from parameters are plain tensors.
    __torch_function__ = disabled_function


class Buffer(rl.Tensor, metaclass=_MarkedMeta):
    """A tensor that becomes a buffer of the module to whose attribute it is assigned.

    Args:
        data: the values, any shape and dtype; shared with `data`. None: an empty tensor.
        persistent: whether the buffer is part of the module's ``state_dict``.

    The result keeps the class of `data`; ``isinstance(result, Buffer)`` is true.

    >>> import rushlight as torch
    >>> module = torch.nn.Module()
    >>> module.steps = torch.nn.Buffer(torch.zeros(1), persistent=False)
    >>> list(module.named_buffers()), module.state_dict()
    ([('steps', tensor([0.]))], OrderedDict())
    """

    _mark = "_is_buffer"
    persistent: bool

    def __new__(cls, data=None, *, persistent: bool = True):
        if data is None:
            data = rl.empty(0)
        result = data.detach().requires_grad_(data.requires_grad)
        result.persistent = persistent
        result._is_buffer = True
        return result

    __torch_function__ = disabled_function


# What may be done to a tensor without a shape: convert it, copy into it, ask for its kind.
_ALLOWED_METHODS = frozenset(
    "__hash__ __get__ __set__ __delete__ size copy_ is_complex is_floating_point get_device "
    "half float double char short int long cuda cpu to".split()
)


class UninitializedTensorMixin:
    """What tensors without a shape share: `materialize`, and errors for everything else."""

    cls_to_become: type
    data: Any
    requires_grad: bool

    def materialize(self, shape, device=None, dtype=None) -> None:
        """Give the tensor its shape, with values that are not set, and its final class.

        Args:
            shape: the sizes.
            device: where the data will lie; None: where it was going to.
            dtype: the element type; None: the one given at construction.
        """
        device = self.data.device if device is None else device
        dtype = self.data.dtype if dtype is None else dtype
        self.data = rl.empty(shape, device=device, dtype=dtype)
        self.__class__ = self.cls_to_become  # type: ignore[assignment]

    @property
    def shape(self):
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. "
            "This error usually happens in `load_state_dict` when trying to load an uninitialized "
            "parameter into an initialized one. "
            "Call `forward` to initialize the parameters before accessing their attributes."
        )

    def share_memory_(self):
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. "
            "Call `forward` to initialize the parameters before calling `module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, proto):
        return type(self), (self.requires_grad,)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", None) in _ALLOWED_METHODS:
            return super().__torch_function__(func, types, args, kwargs or {})
        raise ValueError(
            f"Attempted to use an uninitialized parameter in {func}. "
            "This error happens when you are using a `LazyModule` or explicitly manipulating "
            f"`torch.nn.parameter.{cls.__name__}` objects. When using LazyModules call `forward` "
            "with a dummy batch to initialize the parameters before calling torch functions"
        )


def is_lazy(param) -> bool:
    """Whether `param` is a parameter or buffer that has no shape yet.

    >>> import rushlight as torch
    >>> torch.nn.parameter.is_lazy(torch.nn.UninitializedParameter())
    True
    """
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]
    """A parameter whose shape is not known yet; `materialize` makes it a Parameter.

    Args:
        requires_grad: whether gradients will be computed for it.
        device: where the data will lie; None: the default device.
        dtype: the element type; None: the default dtype.

    >>> import rushlight as torch
    >>> weight = torch.nn.UninitializedParameter()
    >>> weight.materialize((2, 3))
    >>> type(weight).__name__, weight.shape
    ('Parameter', torch.Size([2, 3]))
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device=None, dtype=None):
        data = rl.empty(0, device=device, dtype=dtype)
        return rl.Tensor._make_subclass(cls, data, requires_grad)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            data = self.data
            memo[id(self)] = type(self)(self.requires_grad, data.device, data.dtype)
        return memo[id(self)]


class UninitializedBuffer(UninitializedTensorMixin, rl.Tensor):
    """A buffer whose shape is not known yet; `materialize` makes it a plain tensor.

    Args:
        requires_grad: whether gradients will be computed for it.
        device: where the data will lie; None: the default device.
        dtype: the element type; None: the default dtype.
        persistent: whether the buffer is part of the module's ``state_dict``.

    >>> import rushlight as torch
    >>> torch.nn.UninitializedBuffer()
    <UninitializedBuffer>
    """

    cls_to_become = rl.Tensor

    def __new__(cls, requires_grad: bool = False, device=None, dtype=None, persistent: bool = True):
        data = rl.empty(0, device=device, dtype=dtype)
        result = rl.Tensor._make_subclass(cls, data, requires_grad)
        result.persistent = persistent
        result._is_buffer = True
        return result
