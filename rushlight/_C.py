"""``torch._C``: the few of its names that programs use."""

from .frontend.overrides import DisableTorchFunctionSubclass
from .frontend.overrides import disabled_function as _disabled_torch_function_impl

__all__ = ["DisableTorchFunctionSubclass", "_disabled_torch_function_impl"]
