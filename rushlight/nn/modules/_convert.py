"""Moving modules to another device or dtype, and reading the arguments of `to`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ... import frontend as rl
from ..parameter import Parameter

Self = TypeVar("Self", bound="_ConvertibleModule")


def _to_device(device=None, dtype=None, non_blocking=False, *, memory_format=None):
    return None if device is None else rl.device(device), dtype, non_blocking, memory_format


def _to_dtype(dtype, non_blocking=False, *, memory_format=None):
    return None, dtype, non_blocking, memory_format


def _like_tensor(tensor, non_blocking=False, *, memory_format=None):
    return tensor.device, tensor.dtype, non_blocking, memory_format


def parse_to(*args, **kwargs):
    """Read the arguments of ``to(device, dtype)``, ``to(dtype)`` or ``to(tensor)``.

    Returns: (device, dtype, non_blocking, memory_format), each None where it is not asked for.
    Raises: TypeError for other combinations.
    """
    first = args[0] if args else kwargs.get("tensor")
    if isinstance(first, rl.dtype):
        overload = _to_dtype
    elif isinstance(first, rl.Tensor):
        overload = _like_tensor
    else:
        overload = _to_device
    try:
        return overload(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"to() received an invalid combination of arguments: {error}") from None


def _can_replace_data(old, new) -> bool:
    """Whether ``old.data = new`` works: it cannot turn a tensor with storage into one without."""
    return old.is_meta == new.is_meta and old.layout == new.layout


class _ConvertibleModule:
    """The part of Module that changes the device, dtype and layout of its tensors."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Any]
    children: Callable[[], Iterator[Any]]

    def _apply(self, fn: Callable, recurse: bool = True):
        """Replace every parameter, its gradient and every buffer by what `fn` makes of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for name, param in self._parameters.items():
            if param is not None:
                self._parameters[name] = self._apply_to_parameter(fn, param)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    @staticmethod
    def _apply_to_parameter(fn: Callable, param: Parameter) -> Parameter:
        grad = param.grad
        with rl.no_grad():
            data = fn(param)
        if _can_replace_data(param, data):
            param.data = data  # the same object, so that optimizers keep following it
            result = param
        else:
            result = Parameter(data, param.requires_grad)
        if grad is not None:
            with rl.no_grad():
                new_grad = fn(grad)
            if result is param and _can_replace_data(grad, new_grad):
                grad.data = new_grad
            else:
                result.grad = new_grad.requires_grad_(grad.requires_grad)
        return result

    def to(self, *args, **kwargs):
        """Move or convert parameters and buffers in place, and return the module.

        Called as ``to(device=None, dtype=None, non_blocking=False)``, ``to(dtype)``,
        ``to(tensor)``, each with a keyword `memory_format`.

        Args:
            device: where they shall lie.
            dtype: floating or complex; integer and boolean ones keep their dtype.
            tensor: one whose device and dtype are used.
            memory_format: the order of strides for those with 4 or 5 dimensions.

        Raises: TypeError for any other dtype.

        >>> import rushlight as torch
        >>> torch.nn.Linear(1, 1).to(torch.float64).weight.dtype
        torch.float64
        """
        device, dtype, non_blocking, memory_format = parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, "
                f"but got desired dtype={dtype}"
            )
        if dtype is not None and dtype.is_complex:
            warnings.warn(
                "Complex modules are a new feature: some modules might not work as expected when "
                "using complex tensors as parameters or buffers.",
                stacklevel=2,
            )

        def convert(tensor):
            is_inexact = tensor.is_floating_point() or tensor.is_complex()
            options = {}
            if memory_format is not None and tensor.dim() in (4, 5):
                options["memory_format"] = memory_format
            try:
                return tensor.to(device, dtype if is_inexact else None, non_blocking, **options)
            except NotImplementedError as error:
                if str(error) != "Cannot copy out of meta tensor; no data!":
                    raise
                raise NotImplementedError(
                    f"{error} Please use torch.nn.Module.to_empty() instead of "
                    "torch.nn.Module.to() when moving module from meta to a different device."
                ) from None

        return self._apply(convert)

    def to_empty(self: Self, *, device, recurse: bool = True) -> Self:
        """Move parameters and buffers to `device`, leaving their values behind."""
        return self._apply(lambda t: rl.empty_like(t, device=device), recurse=recurse)

    def type(self: Self, dst_type) -> Self:
        """Convert all parameters and buffers to one dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def _to_floating(self: Self, dtype) -> Self:
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def float(self: Self) -> Self:
        """Convert floating parameters and buffers to float32."""
        return self._to_floating(rl.float32)

    def double(self: Self) -> Self:
        """Convert floating parameters and buffers to float64."""
        return self._to_floating(rl.float64)

    def half(self: Self) -> Self:
        """Convert floating parameters and buffers to float16."""
        return self._to_floating(rl.float16)

    def bfloat16(self: Self) -> Self:
        """Convert floating parameters and buffers to bfloat16."""
        return self._to_floating(rl.bfloat16)

    def cpu(self: Self) -> Self:
        """Move all parameters and buffers to the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self: Self, device=None) -> Self:
        """Move all parameters and buffers to a CUDA device; None: the current one."""
        return self._to_accelerator("cuda", device)

    def xpu(self: Self, device=None) -> Self:
        """Move all parameters and buffers to an XPU; None: the current one."""
        return self._to_accelerator("xpu", device)

    def ipu(self: Self, device=None) -> Self:
        """Move all parameters and buffers to an IPU; None: the current one."""
        return self._to_accelerator("ipu", device)

    def mtia(self: Self, device=None) -> Self:
        """Move all parameters and buffers to an MTIA; None: the current one."""
        return self._to_accelerator("mtia", device)

    def _to_accelerator(self: Self, kind: str, device) -> Self:
        if device is None or isinstance(device, int):
            device = rl.device(kind) if device is None else rl.device(kind, device)
        return self.to(device)

    def share_memory(self: Self) -> Self:
        """Move the storage of all parameters and buffers to shared memory."""
        return self._apply(lambda t: t.share_memory_())
