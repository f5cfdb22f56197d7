"""The state of modules as a flat dictionary: saving it, loading it, and the hooks around both."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ... import frontend as rl
from ...frontend.hooks import RemovableHandle
from ..parameter import Parameter, is_lazy
from ._hooks import Hooks, _register, _WrappedHook

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class _StatefulModule:
    """The part of Module that saves and loads its state."""

    T_destination = TypeVar("T_destination", bound=dict[str, Any])
    _version: int
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Any]
    _state_dict_hooks: Hooks
    _state_dict_pre_hooks: Hooks
    _load_state_dict_pre_hooks: Hooks
    _load_state_dict_post_hooks: Hooks

    def get_extra_state(self) -> Any:
        """What else to save, under the key ``_extra_state``; for subclasses to define."""
        raise RuntimeError(
            f"{type(self).__name__} has no extra state: override get_extra_state and "
            "set_extra_state to save some"
        )

    def set_extra_state(self, state: Any) -> None:
        """Receive what `get_extra_state` returned; to be defined together with it."""
        raise RuntimeError(
            f"{type(self).__name__} takes no extra state: override get_extra_state and "
            "set_extra_state to load some"
        )

    def _has_own(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(_StatefulModule, method)

    # -- saving

    def _saved_tensors(self) -> dict[str, Any]:
        """The module's own parameters and persistent buffers that are not None."""
        buffers = {
            k: v for k, v in self._buffers.items() if k not in self._non_persistent_buffers_set
        }
        return {k: v for k, v in {**self._parameters, **buffers}.items() if v is not None}

    def _save_to_state_dict(self, destination, prefix: str, keep_vars: bool) -> None:
        """Put the module's own state into `destination`; subclasses may override it."""
        for name, tensor in self._saved_tensors().items():
            as_is = keep_vars or is_lazy(tensor)
            destination[prefix + name] = tensor if as_is else tensor.detach()
        if self._has_own("get_extra_state"):
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def state_dict(self, *args, destination=None, prefix: str = "", keep_vars: bool = False):
        """The parameters and persistent buffers of the module and its submodules, by dotted name.

        Args:
            destination: the mapping to fill; None: a new OrderedDict.
            prefix: put before every name.
            keep_vars: give the tensors themselves; otherwise they are detached, but share storage.

        Returns: the mapping; its ``_metadata`` attribute holds each module's version.

        >>> import rushlight as torch
        >>> list(torch.nn.Sequential(torch.nn.Linear(2, 3)).state_dict())
        ['0.weight', '0.bias']
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead.",
                FutureWarning,
                stacklevel=2,
            )
            given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
            defaults = {"destination": destination, "prefix": prefix, "keep_vars": keep_vars}
            return self.state_dict(**{**defaults, **given})
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        return self._call_state_dict_hooks(destination, prefix, local_metadata)

    def _call_state_dict_hooks(self, destination, prefix: str, local_metadata: dict):
        for hook in self._state_dict_hooks.values():
            result = hook(self, destination, prefix, local_metadata)
            if result is None:
                continue
            if getattr(hook, "_from_public_api", False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = result
        return destination

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before the module's state is collected."""
        return _register(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after it is collected."""
        hook._from_public_api = True  # type: ignore[attr-defined]
        return _register(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        """Like `register_state_dict_post_hook`, but the hook may return another dict."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously "
                "registered via register_state_dict_post_hook"
            )
        return _register(self._state_dict_hooks, hook)

    # -- loading

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ):
        """Copy parameters and buffers from `state_dict` into the module and its submodules.

        Args:
            state_dict: tensors by dotted name, as `state_dict` returns them.
            strict: whether the names must be exactly those of this module.
            assign: take the tensors themselves, with their dtype and device, instead of copying;
                the module's parameters keep their own `requires_grad`.

        Returns: a named tuple of the lists `missing_keys` and `unexpected_keys`.
        Raises: RuntimeError that lists every size that differs and, if `strict`, every name;
            TypeError if `state_dict` is no mapping.

        >>> import rushlight as torch
        >>> layer = torch.nn.Linear(1, 1)
        >>> layer.load_state_dict({"weight": torch.ones(1, 1), "bias": torch.zeros(1)})
        <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None)
        own_dict: Any = OrderedDict(state_dict)  # hooks may change it
        if metadata is not None:
            own_dict._metadata = metadata
        keys = _IncompatibleKeys([], [])
        errors: list[str] = []
        self._load_tree(own_dict, "", metadata, assign, keys, errors)
        if strict:
            named = (("Missing", keys.missing_keys), ("Unexpected", keys.unexpected_keys))
            errors[:0] = [
                f"{kind} key(s) in state_dict: {', '.join(map(_quoted, names))}. "
                for kind, names in named
                if names
            ]
        if errors:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(errors)
            )
        return keys

    def _load_tree(self, state_dict, prefix: str, metadata, assign: bool, keys, errors) -> None:
        local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
        if assign:
            local_metadata["assign_to_params_buffers"] = assign
        missing, unexpected = keys
        self._load_from_state_dict(
            state_dict, prefix, local_metadata, True, missing, unexpected, errors
        )
        for name, child in self._modules.items():
            if child is None:
                continue
            child_prefix = f"{prefix}{name}."
            child_dict = {k: v for k, v in state_dict.items() if k.startswith(child_prefix)}
            _StatefulModule._load_tree(
                child, child_dict, child_prefix, metadata, assign, keys, errors
            )
        for hook in self._load_state_dict_post_hooks.values():
            if hook(self, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected "
                    "to return new values, if incompatible_keys need to be modified, it should be "
                    "done inplace."
                )

    def _load_from_state_dict(
        self,
        state_dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load the module's own state, not its submodules'; subclasses may override it.

        Problems are appended to the three lists, not raised.
        """
        for hook in self._load_state_dict_pre_hooks.values():
            hook(
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        local_state = self._saved_tensors()
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, tensor in local_state.items():
            key = prefix + name
            if key in state_dict:
                problem = self._load_tensor(name, key, tensor, state_dict[key], assign)
                if problem:
                    error_msgs.append(problem)
            elif strict:
                missing_keys.append(key)
        extra_key = prefix + _EXTRA_STATE_KEY_SUFFIX
        if self._has_own("set_extra_state"):
            if extra_key in state_dict:
                self.set_extra_state(state_dict[extra_key])
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)
        if strict:
            unexpected_keys += self._unexpected_keys(state_dict, prefix, local_state)

    def _unexpected_keys(self, state_dict, prefix: str, local_state) -> list[str]:
        unexpected = []
        for key in state_dict:
            if key.startswith(prefix) and key != prefix + _EXTRA_STATE_KEY_SUFFIX:
                name, dot, _ = key[len(prefix) :].partition(".")
                if name not in (self._modules if dot else local_state):
                    unexpected.append(key)
        return unexpected

    def _load_tensor(self, name: str, key: str, old, new, assign: bool) -> str | None:
        """Load `new` into the parameter or buffer `old`. Returns: what went wrong, or None."""
        if not (isinstance(new, rl.Tensor) or hasattr(new, "__torch_function__")):
            return (
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
                f"object from checkpoint but received {type(new)}"
            )
        if not is_lazy(old):
            if old.dim() == 0 and tuple(new.shape) == (1,):  # how scalars were saved before 0.4
                new = new[0]
            if new.shape != old.shape:
                return (
                    f"size mismatch for {key}: copying a param with shape {new.shape} from "
                    f"checkpoint, the shape in current model is {old.shape}."
                )
        if old.is_meta and not new.is_meta and not assign:
            warnings.warn(
                f"for {key}: copying from a non-meta parameter in the checkpoint to a meta "
                "parameter in the current model, which is a no-op. (Did you mean to pass "
                "`assign=True` to assign items in the state dictionary to their corresponding key "
                "in the module instead of copying them in place?)",
                stacklevel=5,
            )
        try:
            with rl.no_grad():
                if assign:
                    setattr(self, name, _like_parameter(new, old))
                else:
                    old.copy_(new)
        except Exception as error:
            return (
                f'While copying the parameter named "{key}", whose dimensions in the model are '
                f"{old.size()} and whose dimensions in the checkpoint are {new.size()}, "
                f"an exception occurred : {error.args}."
            )
        return None

    def _register_load_state_dict_pre_hook(
        self, hook: Callable, with_module: bool = False
    ) -> RemovableHandle:
        wrapped = _WrappedHook(hook, self if with_module else None)
        return _register(self._load_state_dict_pre_hooks, wrapped)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call a hook before the module's state is loaded.

        Args:
            hook: called with (module, state_dict, prefix, local_metadata, strict, missing_keys,
                unexpected_keys, error_msgs); it may change the dict and the three lists in place.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after loading; it may change the keys."""
        return _register(self._load_state_dict_post_hooks, hook)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _like_parameter(new, old):
    """`new` as a parameter, with the `requires_grad` of `old`, where `old` is one."""
    if not isinstance(old, Parameter):
        return new
    if not isinstance(new, Parameter):
        return Parameter(new, requires_grad=old.requires_grad)
    return new.requires_grad_(old.requires_grad)
