"""Modules that learn the shapes of their parameters from the first input they see."""

from __future__ import annotations

import itertools

from ... import frontend as rl
from ..parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin:
    """For modules whose parameters get their shapes at the first call of forward.

    Put it before the module class among the bases, create parameters as UninitializedParameter, and
    define `initialize_parameters`, which is called with the arguments of the first forward.

    Attributes:
        cls_to_become: the class of the module after that call; None: it keeps its class.

    >>> import rushlight as torch
    >>> layer = torch.nn.LazyLinear(2)
    >>> layer(torch.zeros(5, 3)).shape, layer
    (torch.Size([5, 2]), Linear(in_features=3, out_features=2, bias=True))
    """

    cls_to_become: type | None = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def _members(self):
        return itertools.chain(self._parameters.items(), self._buffers.items())

    def _lazy_load_hook(self, state_dict, prefix, *_):
        """Give tensors without a shape the one they have in `state_dict`."""
        for name, tensor in self._members():
            saved = state_dict.get(prefix + name)
            if is_lazy(tensor) and saved is not None and not is_lazy(saved):
                with rl.no_grad():
                    tensor.materialize(saved.shape)

    def initialize_parameters(self, *args, **kwargs):
        """Materialize the parameters, given the arguments of the first forward."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of the module itself has no shape yet."""
        return any(is_lazy(tensor) for _, tensor in self._members())

    # A hook of the module itself, which is therefore given twice: bound and as first argument.
    def _infer_parameters(self, module, args, kwargs=None):
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook
        del module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become
