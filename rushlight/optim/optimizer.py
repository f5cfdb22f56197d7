"""The base class of all optimizers: parameter groups, state, checkpoints and hooks.

Imports the frontend only. Read `_per_parameter.py` next: the step that Adam and its relatives
share.
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, TypeAlias

from .. import frontend as rl

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
]

StateDict: TypeAlias = dict[str, Any]
ParamsT: TypeAlias = Iterable[Any]  # tensors, (name, tensor) pairs, or group dicts
Hook: TypeAlias = Callable[..., Any]

_global_optimizer_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
_global_optimizer_post_hooks: OrderedDict[int, Hook] = OrderedDict()

_HOOK_TABLES = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


class _RequiredParameter:
    """The type of `required`: an option without a default value."""

    def __repr__(self):
        return "<required parameter>"


required = _RequiredParameter()


def _register(table, hook, prepend=False):
    handle = rl.RemovableHandle(table)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def register_optimizer_step_pre_hook(hook):
    """Call ``hook(optimizer, args, kwargs)`` before every step of every optimizer.

    Args:
        hook: may return None, or (args, kwargs) to call `step` with instead; args[0] is the
            optimizer.

    Returns: a handle whose `remove()` takes the hook away.
    """
    return _register(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook):
    """Call ``hook(optimizer, args, kwargs)`` after every step of every optimizer.

    Returns: a handle whose `remove()` takes the hook away.
    """
    return _register(_global_optimizer_post_hooks, hook)


def _use_grad_for_differentiable(func):
    """Run `step` without recording gradients, unless the optimizer is ``differentiable=True``."""

    @functools.wraps(func)
    def step(self, *args, **kwargs):
        with rl.set_grad_enabled(bool(self.defaults.get("differentiable", False))):
            return func(self, *args, **kwargs)

    return step


def _to_scalar(x):
    """A number as it is, a tensor of one element without its dimensions."""
    return x.squeeze() if isinstance(x, rl.Tensor) and x.dim() != 0 else x


def _get_scalar_dtype(is_fused=None):
    """The dtype of counters in the state: float32, or float64 where that is the default dtype."""
    double = not is_fused and rl.get_default_dtype() == rl.float64
    return rl.float64 if double else rl.float32


class Optimizer:
    """Base class of all optimizers; a subclass defines `step`.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe parameter groups, each with a
            key "params" and options of its own. The order must be the same in every run.
        defaults: the options of groups that do not set them.

    Attributes:
        param_groups: list of dicts, each with "params" (list of tensors) and one entry per option.
        state: maps a parameter to the dict of what the optimizer remembers about it.

    Raises: TypeError or ValueError if `params` is no collection of leaf tensors, is empty, or has
        parameters in more than one group.

    >>> import rushlight as torch
    >>> class Descent(torch.optim.Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, {"lr": lr})
    ...     @torch.no_grad()
    ...     def step(self, closure=None):
    ...         for group in self.param_groups:
    ...             for p in group["params"]:
    ...                 p.sub_(group["lr"] * p.grad)
    >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> (w * w).sum().backward()
    >>> Descent([w], lr=0.25).step()
    >>> w.tolist()
    [0.5, 1.0]
    """

    OptimizerPreHook: TypeAlias = Callable[["Optimizer", tuple, dict], Any]
    OptimizerPostHook: TypeAlias = Callable[["Optimizer", tuple, dict], None]

    defaults: dict[str, Any]
    state: defaultdict[Any, Any]
    param_groups: list[dict[str, Any]]
    _optimizer_step_pre_hooks: OrderedDict[int, Hook]
    _optimizer_step_post_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Hook]

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._prepare()
        if isinstance(params, rl.Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {rl.typename(params)}; hint: pass [tensor]"
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _prepare(self):
        """Give the object its hook tables and its class a `step` that runs them."""
        for table in _HOOK_TABLES:
            self.__dict__.setdefault(table, OrderedDict())
        cls = type(self)
        if not getattr(cls.step, "hooked", False):
            cls.step = self.profile_hook_step(cls.step)  # type: ignore[method-assign]
            cls.step.hooked = True  # type: ignore[attr-defined]

    def __getstate__(self):
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._prepare()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self):
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"

    # ------------------------------------------------------------------ stepping

    def step(self, closure=None):
        """Update the parameters once from their gradients.

        Args:
            closure: callable that clears the gradients, computes the loss, calls `backward` and
                returns the loss. Optional, except for `LBFGS`.

        Returns: what `closure` returned, or None.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define step()")

    @staticmethod
    def profile_hook_step(func):
        """The `step` method `func`, with hooks around it and the engine's segment ended after it.

        Ending the segment is what lets forward, backward and update of one iteration run as one
        program.
        """

        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            self = args[0]
            for hook in chain(
                _global_optimizer_pre_hooks.values(), self._optimizer_step_pre_hooks.values()
            ):
                args, kwargs = _apply_pre_hook(hook, func, self, args, kwargs)
            out = func(*args, **kwargs)
            for hook in chain(
                self._optimizer_step_post_hooks.values(), _global_optimizer_post_hooks.values()
            ):
                hook(self, args, kwargs)
            rl.flush_segment()
            return out

        return wrapper

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all parameters.

        Args:
            set_to_none: drop the gradients, so that a parameter the next backward pass does not
                reach is skipped by `step`; with False they are overwritten with zeros.
        """
        for param in chain.from_iterable(group["params"] for group in self.param_groups):
            if param.grad is None:
                continue
            if set_to_none:
                param.grad = None
                continue
            if param.grad.grad_fn is not None:
                param.grad.detach_()
            else:
                param.grad.requires_grad_(False)
            param.grad.zero_()

    def _cuda_graph_capture_health_check(self):
        """Called by optimizers for PyTorch; passes, as no step runs in a CUDA graph here."""

    # ------------------------------------------------------------------ parameter groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, for example layers that are no longer frozen.

        Args:
            param_group: a dict with "params" and any options; missing ones come from `defaults`.
                The dict itself becomes an element of `param_groups`.

        Raises: TypeError if it is no dict or holds something else than tensors; ValueError for a
            tensor that is no leaf, a missing required option, names for some parameters only, or
            parameters that are in another group.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        _split_names(param_group)
        for param in param_group["params"]:
            self._check_param(param)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            param_group.setdefault(name, default)
        if len(param_group["params"]) != len(set(param_group["params"])):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; "
                "in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        self._check_against_groups(param_group)
        self.param_groups.append(param_group)

    def _check_param(self, param):
        if not isinstance(param, rl.Tensor):
            raise TypeError(
                "optimizer can only optimize Tensors, "
                f"but one of the params is {rl.typename(param)}"
            )
        leaf = param.is_leaf or param.retains_grad
        if not leaf and not self.defaults.get("differentiable"):
            raise ValueError(
                f"can't optimize a non-leaf Tensor (shape {tuple(param.shape)}); "
                "hint: pass the tensors that were created with requires_grad=True"
            )

    def _check_against_groups(self, param_group):
        named = "param_names" in param_group
        known: set[Any] = set()
        for group in self.param_groups:
            known.update(group["params"])
            if named != ("param_names" in group):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param "
                    f"group {'with' if named else 'without'} names to the optimizer"
                )
        if not known.isdisjoint(param_group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")

    # ------------------------------------------------------------------ checkpoints

    def state_dict(self) -> StateDict:
        """The state as a dict that `torch.save` writes and `load_state_dict` reads.

        Returns: {"state": {index: state of that parameter}, "param_groups": [options and "params",
            the list of parameter indices]}; parameters are counted through all groups. The tensors
            are the optimizer's own, not copies.
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        index: dict[int, int] = {}
        groups = [_pack_group(group, index, start) for start, group in self._numbered_groups()]
        state = {
            index[id(key)] if isinstance(key, rl.Tensor) else key: value
            for key, value in self.state.items()
        }
        packed = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            result = hook(self, packed)
            packed = packed if result is None else result
        return packed

    def _numbered_groups(self):
        start = 0
        for group in self.param_groups:
            yield start, group
            start += len(group["params"])

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Continue from what `state_dict` returned; parameters are matched by their order.

        Floating-point state takes the dtype and device of its parameter, except "step". Create
        schedulers before this call: creating one sets the learning rate.

        Args:
            state_dict: as `state_dict` returns it, from this library or from PyTorch.

        Raises: ValueError if the number of groups, or of parameters in a group, differs.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            result = hook(self, state_dict)
            state_dict = state_dict if result is None else result
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        _check_saved_groups(groups, saved)
        by_id = dict(
            zip(
                chain.from_iterable(group["params"] for group in saved),
                chain.from_iterable(group["params"] for group in groups),
                strict=True,
            )
        )
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in by_id:
                param = by_id[key]
                state[param] = self._cast(param, value, key, state_dict["param_groups"])
            else:
                state[key] = value
        for group, new in zip(groups, saved, strict=True):
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _cast(self, param, value, param_id, param_groups, key=None):
        """A saved value, with the tensors in it moved to the device and dtype of `param`."""
        if isinstance(value, rl.Tensor):
            return self._process_value_according_to_param_policy(
                param, value, param_id, param_groups, key
            )
        if isinstance(value, dict):
            return {k: self._cast(param, v, param_id, param_groups, k) for k, v in value.items()}
        if isinstance(value, Iterable) and not isinstance(value, str | bytes):
            items = (self._cast(param, v, param_id, param_groups) for v in value)
            return type(value)(items)  # type: ignore[call-arg]
        return value

    @staticmethod
    def _process_value_according_to_param_policy(param, value, param_id, param_groups, key=None):
        if key == "step":
            # A float32 counter stays exact to 16 million steps; in the dtype of a bfloat16
            # parameter it would stop at 256. It moves to the parameter's device only where the
            # update reads it there.
            group = next((g for g in param_groups if param_id in g["params"]), {})
            if group.get("capturable") or group.get("fused"):
                return value.to(dtype=rl.float32, device=param.device)
            return value
        if param.is_floating_point():
            return value.to(dtype=param.dtype, device=param.device)
        return value.to(device=param.device)

    # ------------------------------------------------------------------ hooks

    def register_step_pre_hook(self, hook: Hook):
        """Call ``hook(optimizer, args, kwargs)`` before `step`; it may return new (args, kwargs).

        Returns: a handle whose `remove()` takes the hook away. So do the other `register_*`
            methods.
        """
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Hook):
        """Call ``hook(optimizer, args, kwargs)`` after `step`."""
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False):
        """Call ``hook(optimizer)`` before `state_dict`; `prepend` puts it first."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False):
        """Call ``hook(optimizer, state_dict)`` after `state_dict`; it may return another dict."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False):
        """Call ``hook(optimizer, state_dict)`` before loading; it may return another dict."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False):
        """Call ``hook(optimizer)`` after `load_state_dict`."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _apply_pre_hook(hook, func, optimizer, args, kwargs):
    result = hook(optimizer, args, kwargs)
    if result is None:
        return args, kwargs
    if isinstance(result, tuple) and len(result) == 2:
        return result
    raise RuntimeError(
        f"{func} must return None or a tuple of (new_args, new_kwargs), but got {result}."
    )


def _split_names(group):
    """Make group["params"] a list of tensors and, where names came with them, add "param_names"."""
    params = group["params"]
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of "
            "tensors in sets will change between runs. Please use a list instead."
        )
    params = [params] if isinstance(params, rl.Tensor) else list(params)
    names = [p[0] for p in params if isinstance(p, tuple)]
    if names and len(names) != len(params):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    group["params"] = [p[1] if isinstance(p, tuple) else p for p in params]
    if names:
        group["param_names"] = names


def _pack_group(group, index, start):
    """A copy of `group` with parameter indices for parameters; new indices are added to `index`."""
    for i, param in enumerate(group["params"], start):
        index.setdefault(id(param), i)
    packed = {key: value for key, value in group.items() if key != "params"}
    packed["params"] = [index[id(param)] for param in group["params"]]
    return packed


def _check_saved_groups(groups, saved):
    if len(groups) != len(saved):
        raise ValueError(
            "loaded state dict has a different number of parameter groups: "
            f"expected {len(groups)}, got {len(saved)}"
        )
    for i, (group, other) in enumerate(zip(groups, saved, strict=True)):
        if len(group["params"]) != len(other["params"]):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                f"optimizer's group {i}: expected {len(group['params'])} parameters, "
                f"got {len(other['params'])}"
            )
