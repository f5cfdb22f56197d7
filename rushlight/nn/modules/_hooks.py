"""Hooks of modules: registering them, for one or for all, and calling a module that has some.

Next: _backward_hook.py for the gradients, module.py for the rest of Module.
"""

from __future__ import annotations

import functools
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ... import frontend as rl
from ...frontend.hooks import RemovableHandle
from ._backward_hook import BackwardHook

Hooks = OrderedDict[int, Callable]

# Hooks that every module has. The registration hooks run before a buffer, module or parameter is
# registered, the others around forward and backward.
_global_buffer_registration_hooks: Hooks = OrderedDict()
_global_module_registration_hooks: Hooks = OrderedDict()
_global_parameter_registration_hooks: Hooks = OrderedDict()
_global_backward_pre_hooks: Hooks = OrderedDict()
_global_backward_hooks: Hooks = OrderedDict()
_global_is_full_backward_hook: bool | None = None
_global_forward_pre_hooks: Hooks = OrderedDict()
_global_forward_hooks: Hooks = OrderedDict()
_global_forward_hooks_always_called: OrderedDict[int, bool] = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict[int, bool] = OrderedDict()


def _register(hooks: Hooks, hook: Callable, prepend: bool = False, **flags) -> RemovableHandle:
    """Add `hook` to `hooks`. `flags`: name=(whether it is set, the dict that remembers it)."""
    handle = RemovableHandle(hooks, extra_dict=[marks for _, marks in flags.values()])
    hooks[handle.id] = hook
    for is_set, marks in flags.values():
        if is_set:
            marks[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_module_buffer_registration_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` before any module registers a buffer.

    What the hook returns, unless None, is registered instead.
    Returns: a handle whose ``remove()`` takes the hook away.
    """
    return _register(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` before any module registers a submodule.

    What the hook returns, unless None, is registered instead.
    Returns: a handle whose ``remove()`` takes the hook away.
    """
    return _register(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Call ``hook(module, name, parameter)`` before any module registers a parameter.

    What the hook returns, unless None, is registered instead.
    Returns: a handle whose ``remove()`` takes the hook away.
    """
    return _register(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Call ``hook(module, args)`` before every module's forward.

    It may return new arguments, as with Module.register_forward_pre_hook.
    """
    return _register(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable[..., None], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after every module's forward.

    The arguments are those of Module.register_forward_hook.
    """
    return _register(
        _global_forward_hooks,
        hook,
        with_kwargs=(with_kwargs, _global_forward_hooks_with_kwargs),
        always_call=(always_call, _global_forward_hooks_always_called),
    )


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Deprecated in favour of :func:`register_module_full_backward_hook`."""
    return _register_global_backward_hook(hook, is_full=False)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` in every module's backward.

    It may return new gradients, as with Module.register_full_backward_pre_hook.
    """
    return _register(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` in every module's backward.

    It may return new gradients, as with Module.register_full_backward_hook.
    """
    return _register_global_backward_hook(hook, is_full=True)


def _register_global_backward_hook(hook: Callable, is_full: bool) -> RemovableHandle:
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is (not is_full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module "
            "hook. Please use only one of them."
        )
    _global_is_full_backward_hook = is_full
    return _register(_global_backward_hooks, hook)


class _WrappedHook:
    """A hook that is given its module first, without keeping the module alive."""

    def __init__(self, hook: Callable, module=None):
        self.hook = hook
        functools.update_wrapper(self, hook)
        self.with_module = module is not None
        if self.with_module:
            self.module = weakref.ref(module)

    def __call__(self, *args, **kwargs):
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self):
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state):
        self.hook = state["hook"]
        self.with_module = state["with_module"]
        if self.with_module:
            if state["module"] is None:
                raise RuntimeError("You are trying to revive the hook of a dead Module!")
            self.module = weakref.ref(state["module"])


class _HookedModule:
    """The part of Module that registers hooks and calls them around forward."""

    _backward_pre_hooks: Hooks
    _backward_hooks: Hooks
    _is_full_backward_hook: bool | None
    _forward_hooks: Hooks
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _forward_pre_hooks: Hooks
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]
    _compiled_call_impl: Callable | None = None
    forward: Callable[..., Any]

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before each forward.

        Args:
            hook: may return new arguments, a tuple or a single value; None leaves them.
            prepend: call it before the hooks registered so far, not after them.
            with_kwargs: call ``hook(module, args, kwargs)``, which may return a new pair.

        Returns: a handle whose ``remove()`` takes the hook away.

        >>> import rushlight as torch
        >>> layer = torch.nn.Identity()
        >>> handle = layer.register_forward_pre_hook(lambda module, args: args[0] + 1)
        >>> layer(torch.zeros(2))
        tensor([1., 1.])
        """
        flag = (with_kwargs, self._forward_pre_hooks_with_kwargs)
        return _register(self._forward_pre_hooks, hook, prepend, with_kwargs=flag)

    def register_forward_hook(
        self,
        hook: Callable,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each forward.

        Args:
            hook: may return a new output; None leaves it.
            prepend: call it before the hooks registered so far, not after them.
            with_kwargs: call ``hook(module, args, kwargs, output)``.
            always_call: call it also when forward raises; the output may be None then.

        Returns: a handle whose ``remove()`` takes the hook away.

        >>> import rushlight as torch
        >>> layer = torch.nn.Identity()
        >>> handle = layer.register_forward_hook(lambda module, args, output: output * 2)
        >>> layer(torch.ones(2))
        tensor([2., 2.])
        """
        return _register(
            self._forward_hooks,
            hook,
            prepend,
            with_kwargs=(with_kwargs, self._forward_hooks_with_kwargs),
            always_call=(always_call, self._forward_hooks_always_called),
        )

    def register_full_backward_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when its outputs' gradients are known.

        Args:
            hook: may return a tuple that replaces `grad_output`; an entry is None where the output
                is no tensor.
            prepend: call it before the hooks registered so far, not after them.

        Returns: a handle whose ``remove()`` takes the hook away.
        """
        return _register(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when its inputs' gradients are known.

        Args:
            hook: may return a tuple that replaces `grad_input`; an entry is None where the
                positional argument is no tensor. Keyword arguments have no entry.
            prepend: call it before the hooks registered so far, not after them.

        Returns: a handle whose ``remove()`` takes the hook away.
        Raises: RuntimeError if the module has hooks from `register_backward_hook`.

        >>> import rushlight as torch
        >>> layer = torch.nn.Identity()
        >>> handle = layer.register_full_backward_hook(lambda m, grads, _: (grads[0] * 3,))
        >>> x = torch.ones(2, requires_grad=True)
        >>> layer(x).sum().backward()
        >>> x.grad
        tensor([3., 3.])
        """
        self._choose_backward_hooks(is_full=True)
        return _register(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """Deprecated in favour of `register_full_backward_hook`: sees the last node only."""
        self._choose_backward_hooks(is_full=False)
        return _register(self._backward_hooks, hook)

    def _choose_backward_hooks(self, is_full: bool) -> None:
        if self._is_full_backward_hook is (not is_full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single "
                "Module. Please use only one of them."
            )
        self._is_full_backward_hook = is_full

    def _get_backward_hooks(self) -> tuple[list[Callable], list[Callable]]:
        """The full backward hooks and the others, each with the global ones first."""
        chosen: dict[bool | None, list[Callable]] = {True: [], False: [], None: []}
        chosen[_global_is_full_backward_hook] += _global_backward_hooks.values()
        chosen[self._is_full_backward_hook] += self._backward_hooks.values()
        return chosen[True], chosen[False]

    def _get_backward_pre_hooks(self) -> list[Callable]:
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _call_impl(self, *args, **kwargs):
        if not (
            self._backward_hooks
            or self._backward_pre_hooks
            or self._forward_hooks
            or self._forward_pre_hooks
            or _global_backward_pre_hooks
            or _global_backward_hooks
            or _global_forward_hooks
            or _global_forward_pre_hooks
        ):
            return self.forward(*args, **kwargs)
        return _HookedCall(self, args, kwargs).run()

    def _wrapped_call_impl(self, *args, **kwargs):
        if self._compiled_call_impl is not None:
            return self._compiled_call_impl(*args, **kwargs)
        return self._call_impl(*args, **kwargs)

    __call__: Callable[..., Any] = _wrapped_call_impl


class _HookedCall:
    """One call of a module that has hooks; its state serves the hooks of a call that fails."""

    def __init__(self, module, args: tuple, kwargs: dict):
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.result: Any = None
        self.called: set[int] = set()

    def run(self):
        try:
            return self._run()
        except Exception:
            self._call_remaining_hooks()
            raise

    def _run(self):
        full_hooks, plain_hooks = self.module._get_backward_hooks()
        backward_pre_hooks = self.module._get_backward_pre_hooks()
        self._call_forward_pre_hooks()
        backward = None
        if full_hooks or backward_pre_hooks:
            backward = BackwardHook(self.module, full_hooks, backward_pre_hooks)
            self.args = backward.setup_input_hook(self.args)
        self.result = self.module.forward(*self.args, **self.kwargs)
        for hook_id, hook in self._forward_hooks():
            self.called.add(hook_id)
            self._call_forward_hook(hook_id, hook)
        if backward:
            if not isinstance(self.result, (rl.Tensor, tuple)):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple "
                    f"of Tensors but received {type(self.result)}",
                    stacklevel=5,
                )
            self.result = backward.setup_output_hook(self.result)
        if plain_hooks:
            _register_plain_backward_hooks(self.module, plain_hooks, self.args, self.result)
        return self.result

    def _call_forward_pre_hooks(self):
        module = self.module
        for hook_id, hook in (
            *_global_forward_pre_hooks.items(),
            *module._forward_pre_hooks.items(),
        ):
            if hook_id in module._forward_pre_hooks_with_kwargs:
                new = hook(module, self.args, self.kwargs)
                if new is None:
                    continue
                if not (isinstance(new, tuple) and len(new) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {new}."
                    )
                self.args, self.kwargs = new
            else:
                new = hook(module, self.args)
                if new is not None:
                    self.args = new if isinstance(new, tuple) else (new,)

    def _forward_hooks(self):
        return (*_global_forward_hooks.items(), *self.module._forward_hooks.items())

    def _call_forward_hook(self, hook_id: int, hook: Callable) -> None:
        with_kwargs = (
            hook_id in self.module._forward_hooks_with_kwargs
            or hook_id in _global_forward_hooks_with_kwargs
        )
        kwargs = (self.kwargs,) if with_kwargs else ()
        new = hook(self.module, self.args, *kwargs, self.result)
        if new is not None:
            self.result = new

    def _call_remaining_hooks(self) -> None:
        """After a failure: call the hooks that must be and were not; silence their errors."""
        always = (
            _global_forward_hooks_always_called.keys()
            | self.module._forward_hooks_always_called.keys()
        )
        for hook_id, hook in self._forward_hooks():
            if hook_id not in always or hook_id in self.called:
                continue
            try:
                self._call_forward_hook(hook_id, hook)
            except Exception as error:
                kind = "global module" if hook_id in _global_forward_hooks else "module"
                warnings.warn(
                    f"{kind} forward hook with ``always_call=True`` raised an exception that was "
                    f"silenced as another error was raised in forward: {error}",
                    stacklevel=4,
                )


def _first_tensor(value):
    while not isinstance(value, rl.Tensor):
        if isinstance(value, dict):
            value = next(v for v in value.values() if isinstance(v, rl.Tensor))
        else:
            value = value[0]
    return value


def _register_plain_backward_hooks(module, hooks: list[Callable], args: tuple, result) -> None:
    node = _first_tensor(result).grad_fn
    if node is None:
        return
    for hook in hooks:
        node.register_hook(_WrappedHook(hook, module))
    problem = _plain_backward_hook_problem(args, result, node)
    if problem:
        warnings.warn(
            f"Using {problem}. Please use register_full_backward_hook to get the documented "
            "behavior.",
            FutureWarning,
            stacklevel=6,
        )


def _plain_backward_hook_problem(args: tuple, result, node) -> str | None:
    """Why a plain backward hook will not see all gradients; None where it will."""
    deprecated = "is deprecated and will be removed in future versions. This hook will be missing"
    missing_out, missing_in = f"{deprecated} some grad_output", f"{deprecated} some grad_input"
    plain = "a non-full backward hook when"
    results = (result,) if isinstance(result, rl.Tensor) else result
    if not _is_tuple_of_tensors(results):
        return (
            "non-full backward hooks on a Module that does not return a single Tensor or a tuple "
            f"of Tensors {missing_out}"
        )
    if not _is_tuple_of_tensors(args):
        return (
            "non-full backward hooks on a Module that does not take as input a single Tensor or a "
            f"tuple of Tensors {missing_in}"
        )
    nodes = {r.grad_fn for r in results if r.grad_fn is not None}
    if len(nodes) > 1:
        return f"{plain} outputs are generated by different autograd Nodes {missing_out}"
    if node not in nodes:
        return f"{plain} outputs are nested in python data structure {missing_out}"
    if {a.grad_fn for a in args if a.grad_fn is not None} != {n for n, _ in node.next_functions}:
        return f"{plain} the forward contains multiple autograd Nodes {missing_in}"
    return None


def _is_tuple_of_tensors(values) -> bool:
    return isinstance(values, tuple) and all(isinstance(v, rl.Tensor) for v in values)
