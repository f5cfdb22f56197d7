"""Parametrizations: attributes of modules that are computed each time they are read.

Registering one moves the tensor to ``module.parametrizations.<name>.original``, and puts a property
of its name on a new class made for the module.
"""

from __future__ import annotations

import copyreg
from collections.abc import Sequence
from contextlib import contextmanager
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

from ... import frontend as rl
from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..parameter import Parameter

__all__ = [
    "cached",
    "ParametrizationList",
    "register_parametrization",
    "is_parametrized",
    "remove_parametrizations",
    "type_before_parametrizations",
    "transfer_parametrizations_and_params",
]

_cache_depth = 0
_cache: dict[tuple[int, str], Any] = {}


@contextmanager
def cached():
    """Within this context each parametrized tensor is computed once, and kept until the end.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils import parametrize
    >>> layer = torch.nn.Linear(2, 2)
    >>> _ = parametrize.register_parametrization(layer, "weight", torch.nn.ReLU())
    >>> with parametrize.cached():
    ...     layer.weight is layer.weight
    True
    """
    global _cache_depth
    _cache_depth += 1
    try:
        yield
    finally:
        _cache_depth -= 1
        if not _cache_depth:
            _cache.clear()


def _register(module: Module, name: str, tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _check_same(what: str, attribute: str, rows, hint: str = "") -> None:
    """Raise ValueError if the tensors in `rows`, (label, tensor), differ in the attribute."""
    values = [getattr(tensor, attribute) for _, tensor in rows]
    if values[0] != values[1]:
        lines = [
            f"{label}.{attribute}: {value}" for (label, _), value in zip(rows, values, strict=True)
        ]
        raise ValueError(
            f"{what} may not change the {attribute} of the tensor{hint}.\n" + "\n".join(lines)
        )


_UNSAFE_HINT = ", unless the `unsafe` flag is enabled"


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, the one that is computed first at the beginning.

    Args:
        modules: the parametrizations, at least one.
        original: the tensor to parametrize.
        unsafe: whether dtype and shape may change.

    Attributes:
        original: what the first parametrization is given; or original0, original1 and so on, where
            `right_inverse` of the parametrization returns several tensors.
    """

    def __init__(self, modules: Sequence[Module], original, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        before = SimpleNamespace(dtype=original.dtype, shape=original.shape)  # both may change now
        new = self._invert_where_possible(original)
        self.is_tensor = isinstance(new, rl.Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            self._register_one(original, new)
        else:
            self._register_several(original, new)
        if not unsafe:
            self._check_result(before)

    def _invert_where_possible(self, original):
        new = original
        with rl.no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    try:
                        new = module.right_inverse(new)
                    except NotImplementedError:
                        pass  # the value stays: right_inverse is for assigning only
        if not isinstance(new, (rl.Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        return new

    def _register_one(self, original, new) -> None:
        rows = (("original", original), ("right_inverse(original)", new))
        for attribute in ("dtype", "device"):
            _check_same("When `right_inverse` outputs one tensor, it", attribute, rows)
        with rl.no_grad():
            original.set_(new)  # the same object, which optimizers may follow
        _register(self, "original", original)

    def _register_several(self, original, new) -> None:
        for i, tensor in enumerate(new):
            if not isinstance(tensor, rl.Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, "
                    f"tuple...). Got element {i} of the sequence with type {type(tensor).__name__}."
                )
            if isinstance(original, Parameter):
                tensor = Parameter(tensor, original.requires_grad)
            _register(self, f"original{i}", tensor.requires_grad_(original.requires_grad))

    def _check_result(self, before) -> None:
        result = self()
        if not isinstance(result, rl.Tensor):
            raise ValueError(
                f"A parametrization must return a tensor. Got {type(result).__name__}."
            )
        rows = (("unparametrized", before), ("parametrized", result))
        for attribute in ("dtype", "shape"):
            _check_same("Registering a parametrization", attribute, rows, _UNSAFE_HINT)

    def right_inverse(self, value) -> None:
        """Assign: change the originals so that the parametrizations give `value`, or near it.

        Raises: RuntimeError if a parametrization has no `right_inverse`; ValueError if one returns
            something else than the originals are.
        """
        with rl.no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
            if self.is_tensor:
                self._assign("original", value, "The tensor returned by `right_inverse`")
                return
            if not isinstance(value, Sequence):
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors. Got "
                    f"{type(value).__name__}."
                )
            if len(value) != self.ntensors:
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. "
                    f"Got a sequence of length {len(value)}."
                )
            for i, tensor in enumerate(value):
                self._assign(f"original{i}", tensor, f"Tensor {i} returned by `right_inverse`")

    def _assign(self, name: str, tensor, what: str) -> None:
        original = getattr(self, name)
        if not isinstance(tensor, rl.Tensor):
            raise ValueError(f"`right_inverse` should return a tensor. Got {type(tensor).__name__}")
        if tensor.dtype != original.dtype:
            raise ValueError(
                f"{what} has dtype {tensor.dtype} while `{name}` has dtype {original.dtype}"
            )
        original.set_(tensor)

    def forward(self):
        first, *rest = self
        if self.is_tensor:
            x = first(self.original)
        else:
            x = first(*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for module in rest:
            x = module(x)
        return x


def _getstate(self):
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(). See:\n"
        "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
        "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
    )


def _deepcopy(self, memo):
    if id(self) in memo:
        return memo[id(self)]
    replica = self.__new__(type(self))
    memo[id(self)] = replica
    vars(replica).update(deepcopy(vars(self), memo))
    for slot in copyreg._slotnames(type(self)):  # type: ignore[attr-defined]
        if hasattr(self, slot):
            setattr(replica, slot, deepcopy(getattr(self, slot), memo))
    return replica


def _inject_new_class(module: Module) -> None:
    """Give the module a class of its own, which properties can be put on."""
    cls = type(module)
    members: dict[str, Any] = {"__getstate__": _getstate}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = _deepcopy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _inject_property(module: Module, tensor_name: str) -> None:
    def get_parametrized(self):
        parametrization = self.parametrizations[tensor_name]
        if not _cache_depth:
            return parametrization()
        key = (id(self), tensor_name)
        if key not in _cache:
            _cache[key] = parametrization()
        return _cache[key]

    def set_original(self, value) -> None:
        self.parametrizations[tensor_name].right_inverse(value)

    setattr(type(module), tensor_name, property(get_parametrized, set_original))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Compute an attribute of `module` by `parametrization` each time it is read.

    Args:
        module: the module, which is changed.
        tensor_name: of a parameter, a buffer, or a parametrized tensor, to which one more is added.
        parametrization: a module from the original tensor to the one to be read. If it has a method
            `right_inverse`, that is applied to the tensor now, and to tensors assigned later; it
            may return several tensors, which the parametrization is then given.
        unsafe: whether dtype and shape may change.

    Returns: the module.
    Raises: ValueError if there is no such tensor, or its dtype or shape changes.

    >>> import rushlight as torch
    >>> class Symmetric(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> layer = torch.nn.Linear(3, 3)
    >>> _ = torch.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    >>> torch.allclose(layer.weight, layer.weight.T)
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_added(module, tensor_name, parametrization)
        parametrizations = module.parametrizations[tensor_name]
        parametrizations.append(parametrization)
        parametrizations.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        # Before anything changes, as it may raise.
        parametrizations = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_new_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = parametrizations
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def _check_added(module: Module, tensor_name: str, parametrization: Any) -> None:
    """Check dtype and shape for a parametrization that is added to others, and for its inverse."""
    before = getattr(module, tensor_name)
    after = parametrization(before)
    name = f"module.{tensor_name}"
    if not isinstance(after, rl.Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
    rows = ((name, before), (f"parametrization({name})", after))
    for attribute in ("dtype", "shape"):
        _check_same("Registering a parametrization", attribute, rows, _UNSAFE_HINT)
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        inverse = parametrization.right_inverse(after)
    except NotImplementedError:
        return
    if not isinstance(inverse, rl.Tensor):
        raise ValueError(
            f"parametrization.right_inverse must return a tensor. Got: {type(inverse).__name__}"
        )
    for attribute in ("dtype", "shape"):
        old, new = getattr(before, attribute), getattr(inverse, attribute)
        if old != new:
            raise ValueError(
                "The tensor returned by parametrization.right_inverse must have the same "
                f"{attribute} as {name}{_UNSAFE_HINT}.\n{name}.{attribute}: {old}\nreturned "
                f"{attribute}: {new}"
            )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the tensor of that name is parametrized, or any tensor of `module`.

    >>> import rushlight as torch
    >>> torch.nn.utils.parametrize.is_parametrized(torch.nn.Linear(2, 2))
    False
    """
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make a parametrized tensor an ordinary one again.

    Args:
        module: the module, which is changed.
        tensor_name: of the tensor.
        leave_parametrized: keep the values it is read with; otherwise the original ones, of which
            there must be one.

    Returns: the module.
    Raises: ValueError if it is not parametrized, or there are several originals to keep.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations[tensor_name]
    if parametrizations.is_tensor:
        tensor = parametrizations.original
        if leave_parametrized:
            with rl.no_grad():
                tensor.set_(getattr(module, tensor_name))
    elif leave_parametrized:
        tensor = getattr(module, tensor_name)
        tensor = Parameter(tensor) if tensor.requires_grad else tensor
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, tensor)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class of the module, without the one made for its parametrizations."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Register the parametrizations of one module with another, and share their originals.

    Args:
        from_module: where they are.
        to_module: where they are added; it gets the tensors it lacks.
        tensor_name: of which tensor; None: all.

    Returns: `to_module`.
    """
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target = to_module.parametrizations[name]
        if hasattr(source, "original"):
            target.original = source.original
        else:
            for i in range(source.ntensors):
                setattr(target, f"original{i}", getattr(source, f"original{i}"))
    return to_module
