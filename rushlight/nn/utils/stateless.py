"""Calling a module with other parameters and buffers than its own."""

from __future__ import annotations

import contextlib
from typing import Any

from ..modules._declare import warn_deprecated
from ..modules.module import Module

__all__ = ["functional_call"]

_ABSENT: Any = object()


def _named_tensors(module: Module) -> dict[str, Any]:
    """All parameters and buffers, shared ones under each of their names."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def _with_tied_names(module: Module, tensors: dict[str, Any]) -> dict[str, Any]:
    """`tensors`, with each also under the other names of the tensor that it replaces.

    Raises: ValueError if different tensors are given for two names of one.
    """
    names_of: dict[int, list[str]] = {}
    own = _named_tensors(module)
    for name, tensor in own.items():
        names_of.setdefault(id(tensor), []).append(name)
    result = dict(tensors)
    for name in tensors:
        tied = names_of[id(own[name])] if name in own else [name]
        given = {id(tensors[other]) for other in tied if other in tensors}
        if len(given) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(tied)}, which are tied. "
                "Consider using tie_weights=False"
            )
        result.update(dict.fromkeys(tied, tensors[name]))
    return result


def _check_names(module: Module, given: dict[str, Any]) -> None:
    own = _named_tensors(module).keys()
    problems = (("Unexpected", given.keys() - own), ("Missing", own - given.keys()))
    lines = [
        f"{kind} key(s): {', '.join(map(repr, sorted(names)))}."
        for kind, names in problems
        if names
    ]
    if lines:
        raise RuntimeError(
            f"Error(s) in reparametrizing for {module._get_name()}:\n\t" + "\n\t".join(lines)
        )


def _swap(module: Module, path: str, tensor) -> Any:
    """Put `tensor` at a dotted path, as parameter, buffer or attribute, without Module's checks.

    Returns: what was there, or `_ABSENT`, which removes it when it is put back.
    """
    prefix, _, name = path.rpartition(".")
    owner = module.get_submodule(prefix)
    for registered in (owner._parameters, owner._buffers):
        if name in registered:
            old = registered[name]
            if tensor is _ABSENT:
                del registered[name]
            else:
                registered[name] = tensor
            return old
    old = getattr(owner, name, _ABSENT)
    if tensor is not _ABSENT:
        setattr(owner, name, tensor)
    elif old is not _ABSENT:
        delattr(owner, name)
    return old


@contextlib.contextmanager
def _reparametrize_module(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    tie_weights: bool = False,
    strict: bool = False,
    stack_weights: bool = False,
):
    """Within the context, `module` has the given tensors; then the dict has what became of them.

    Args:
        stack_weights: put the old tensors back in reverse order, for contexts within contexts.

    The other arguments are those of `functional_call`.
    """
    given = parameters_and_buffers
    if tie_weights:
        given = _with_tied_names(module, given)
    if strict:
        _check_names(module, given)
    old: dict[str, Any] = {}
    try:
        for path, tensor in given.items():
            old[path] = _swap(module, path, tensor)
        yield
    finally:
        order = reversed(old.items()) if stack_weights else old.items()
        new = {path: _swap(module, path, tensor) for path, tensor in order}
        # Buffers may have been replaced in forward.
        parameters_and_buffers.update(
            {path: new[path] for path in parameters_and_buffers if path in new}
        )


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
):
    """Deprecated: use ``func.functional_call``."""
    warn_deprecated(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be "
        "removed in a future version of PyTorch. Please use `torch.func.functional_call` instead "
        "which is a drop-in replacement."
    )
    return _functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )


def _functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
):
    """Call `module` with the given tensors in place of its own.

    Args:
        module: the module, which has its own tensors again afterwards.
        parameters_and_buffers: tensors by dotted name. Buffers changed in forward are replaced in
            it.
        args: a tuple of arguments, or one argument; None: no arguments.
        kwargs: keyword arguments.
        tie_weights: whether a tensor that the module has under several names is replaced under all.
        strict: whether the names must be exactly those of the module; RuntimeError otherwise.

    Returns: what the module returns.
    """
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _reparametrize_module(
        module, parameters_and_buffers, tie_weights=tie_weights, strict=strict
    ):
        return module(*args, **(kwargs or {}))
