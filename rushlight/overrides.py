"""``torch.overrides``: ``__torch_function__`` for subclasses and modes."""

from .frontend.overrides import (  # noqa: F401
    TorchFunctionMode,
    handle_torch_function,
    has_torch_function,
    is_tensor_like,
)
