"""Containers: modules and parameters in lists and dictionaries, so that their owner finds them."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from ... import frontend as rl
from ..parameter import Parameter
from ._declare import warn_deprecated
from .module import Module, _addindent

__all__ = ["Container", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"]


def _checked_index(index, size: int) -> int:
    """`index` counted from the start; IndexError outside the list."""
    index = operator.index(index)
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of range")
    return index % size


def _pairs(mapping, kind: str, what: str, mapping_types: tuple = (Mapping,)):
    """The (key, value) pairs of a mapping or an iterable of pairs; errors say what is wrong."""
    if not isinstance(mapping, Iterable):
        raise TypeError(
            f"{what} should be called with an iterable of key/value pairs, but got "
            f"{type(mapping).__name__}"
        )
    if isinstance(mapping, mapping_types):
        yield from mapping.items()
        return
    for number, pair in enumerate(mapping):
        if not isinstance(pair, Iterable):
            raise TypeError(
                f"{kind} update sequence element #{number} should be Iterable; is "
                f"{type(pair).__name__}"
            )
        items = tuple(pair)
        if len(items) != 2:
            raise ValueError(
                f"{kind} update sequence element #{number} has length {len(items)}; 2 is required"
            )
        yield items


class Container(Module):
    """Deprecated: Module does all that it did."""

    def __init__(self, **kwargs: Any) -> None:
        warn_deprecated(
            "`nn.Container` is deprecated. All of its functionality is now implemented in "
            "`nn.Module`. Subclass that instead."
        )
        super().__init__()
        for name, module in kwargs.items():
            self.add_module(name, module)


class _ModuleSequence(Module):
    """What Sequential and ModuleList share: the protocol of a list over the submodules in order."""

    def _key(self, index) -> str:
        return list(self._modules)[_checked_index(index, len(self))]

    def _part(self, part: slice):
        raise NotImplementedError

    def __getitem__(self, idx: int | slice):
        if isinstance(idx, slice):
            return self._part(idx)
        return self._modules[self._key(idx)]

    def __setitem__(self, idx: int, module: Module) -> None:
        setattr(self, self._key(idx), module)

    def __delitem__(self, idx: int | slice) -> None:
        keys = list(self._modules)[idx] if isinstance(idx, slice) else [self._key(idx)]
        for key in keys:
            delattr(self, key)
        # The names are the positions again.
        self._modules = {str(i): module for i, module in enumerate(self._modules.values())}

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __dir__(self):
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, module: Module):
        """Add `module` at the end. Returns: the container."""
        self.add_module(str(len(self)), module)
        return self

    def insert(self, index: int, module: Module):
        """Add `module` before the one at `index`."""
        for i in range(len(self), index, -1):
            self._modules[str(i)] = self._modules[str(i - 1)]
        self._modules[str(index)] = module

    def pop(self, key: int | slice):
        """Remove the module or modules at `key` and return them."""
        removed = self[key]
        del self[key]
        return removed


class Sequential(_ModuleSequence):
    """Calls its modules one after the other, each with the output of the one before.

    Args:
        *args: the modules, or one OrderedDict from names to modules.

    >>> import rushlight as torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    >>> model(torch.zeros(5, 2)).shape, model[1]
    (torch.Size([5, 3]), ReLU())
    """

    def __init__(self, *args) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            named: Iterable = args[0].items()
        else:
            named = ((str(i), module) for i, module in enumerate(args))
        for name, module in named:
            self.add_module(name, module)

    def _part(self, part: slice):
        return type(self)(OrderedDict(list(self._modules.items())[part]))

    def forward(self, input):
        for module in self:
            input = module(input)
        return input

    def insert(self, index: int, module: Module):
        """Add `module` before the one at `index`. Returns: the container."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        size = len(self)
        if not -size <= index <= size:
            raise IndexError(f"Index out of range: {index}")
        super().insert(index + size if index < 0 else index, module)
        return self

    def extend(self, sequential: Iterable[Module]):
        """Add the modules at the end. Returns: the container."""
        for module in sequential:
            self.append(module)
        return self

    def __add__(self, other) -> Sequential:
        return Sequential(*self, *_checked_sequential(other))

    def __iadd__(self, other):
        return self.extend(list(_checked_sequential(other)))

    def __mul__(self, other: int) -> Sequential:
        return Sequential(*list(self) * self._checked_factor(other))

    def __rmul__(self, other: int) -> Sequential:
        return self * other

    def __imul__(self, other: int):
        return self.extend(list(self) * (self._checked_factor(other) - 1))

    def _checked_factor(self, factor) -> int:
        if not isinstance(factor, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(factor)}")
        if factor <= 0:
            raise ValueError(f"Non-positive multiplication factor {factor} for {type(self)}")
        return factor


def _checked_sequential(other) -> Sequential:
    if not isinstance(other, Sequential):
        raise ValueError(
            f"add operator supports only objects of Sequential class, but {type(other)} is given."
        )
    return other


class ModuleList(_ModuleSequence):
    """A list of modules; it has no forward of its own.

    Args:
        modules: what to put into it.

    >>> import rushlight as torch
    >>> layers = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))
    >>> layers
    ModuleList(
      (0-2): 3 x Linear(in_features=4, out_features=4, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self += modules

    def _part(self, part: slice):
        return type(self)(list(self._modules.values())[part])

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(chain(self, other))

    def __iadd__(self, modules: Iterable[Module]):
        return self.extend(modules)

    def extend(self, modules: Iterable[Module]):
        """Add the modules at the end; TypeError for what is not iterable. Returns: the list."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleList.extend should be called with an iterable, but got "
                + type(modules).__name__
            )
        offset = len(self)
        for i, module in enumerate(modules):
            self.add_module(str(offset + i), module)
        return self

    def __repr__(self) -> str:
        """Like that of Module, but equal neighbours are shown once, with their number."""
        runs: list[list] = []  # [first index, number, text]
        for i, text in enumerate(map(repr, self)):
            if runs and runs[-1][2] == text:
                runs[-1][1] += 1
            else:
                runs.append([i, 1, text])
        if not runs:
            return self._get_name() + "()"
        lines = []
        for first, number, text in runs:
            if number == 1:
                line = f"({first}): {text}"
            else:
                line = f"({first}-{first + number - 1}): {number} x {text}"
            lines.append(_addindent(line, 2))
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dictionary of modules in the order of insertion; it has no forward of its own.

    Args:
        modules: a mapping from names to modules, or an iterable of pairs.

    >>> import rushlight as torch
    >>> choices = torch.nn.ModuleDict({"relu": torch.nn.ReLU(), "tanh": torch.nn.Tanh()})
    >>> choices["relu"](torch.tensor([-1.0, 1.0]))
    tensor([0., 1.])
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove everything."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Remove the module at `key` and return it."""
        return self._modules.pop(key)

    def keys(self):
        """The names."""
        return self._modules.keys()

    def items(self):
        """The (name, module) pairs."""
        return self._modules.items()

    def values(self):
        """The modules."""
        return self._modules.values()

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add or replace modules, given as a mapping or as an iterable of pairs."""
        pairs = _pairs(modules, "ModuleDict", "ModuleDict.update", (Mapping, ModuleDict))
        for key, module in pairs:
            self[key] = module


def _describe(values) -> str:
    """One line for each (name, value) of a container of parameters."""
    lines = []
    for name, value, type_name in values:
        if isinstance(value, rl.Tensor):
            sizes = "x".join(map(str, value.size()))
            device = "" if value.device.type in ("cpu", "meta") else f" ({value.device})"
            kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
            text = f"{kind} containing: [{type_name} of size {sizes}{device}]"
        else:
            text = f"Object of type: {type(value).__name__}"
        lines.append(f"  ({name}): {text}")
    return "\n".join(lines)


def _as_parameter(value):
    if isinstance(value, rl.Tensor) and not isinstance(value, Parameter):
        return Parameter(value)
    return value


class ParameterList(Module):
    """A list of parameters; tensors become parameters when they are put in, other values are kept.

    Args:
        values: what to put into it.

    >>> import rushlight as torch
    >>> torch.nn.ParameterList([torch.zeros(2), torch.zeros(3, 1)])
    ParameterList(
        (0): Parameter containing: [torch.float32 of size 2]
        (1): Parameter containing: [torch.float32 of size 3x1]
    )
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self += values

    def __getitem__(self, idx: int | slice):
        if isinstance(idx, slice):
            return type(self)().extend(self[i] for i in range(len(self))[idx])
        return getattr(self, str(_checked_index(idx, len(self))))

    def __setitem__(self, idx: int, param: Any) -> None:
        setattr(self, str(_checked_index(idx, len(self))), _as_parameter(param))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __iadd__(self, parameters: Iterable[Any]):
        return self.extend(parameters)

    def __dir__(self):
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, value: Any):
        """Add `value` at the end. Returns: the list."""
        self._size += 1
        self[-1] = value
        return self

    def extend(self, values: Iterable[Any]):
        """Add the values at the end; TypeError for a tensor or no iterable. Returns: the list."""
        if not isinstance(values, Iterable) or isinstance(values, rl.Tensor):
            raise TypeError(
                "ParameterList.extend should be called with an iterable, but got "
                + type(values).__name__
            )
        for value in values:
            self.append(value)
        return self

    def extra_repr(self) -> str:
        return _describe((i, p, getattr(p, "dtype", None)) for i, p in enumerate(self))

    def __call__(self, *args, **kwargs):
        raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """A dictionary of parameters in the order of insertion.

    Tensors become parameters when they are put in, other values are kept.

    Args:
        parameters: a mapping from names to values, or an iterable of pairs. A plain dict is
            inserted in the order of its sorted names, an OrderedDict in its own.

    >>> import rushlight as torch
    >>> params = torch.nn.ParameterDict({"b": torch.zeros(1), "a": torch.zeros(2)})
    >>> list(params)
    ['a', 'b']
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def _checked_key(self, key: str) -> str:
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string "
                f"(type is '{type(key).__name__}')."
            )
        return key

    def __getitem__(self, key: str) -> Any:
        return getattr(self, self._checked_key(key))

    def __setitem__(self, key: str, value: Any) -> None:
        self._keys[self._checked_key(key)] = None
        setattr(self, key, _as_parameter(value))

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def copy(self) -> ParameterDict:
        """A new dictionary of the same parameters."""
        return ParameterDict(OrderedDict(self.items()))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value at `key`, which is set to `default` if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Remove everything."""
        for key in list(self):
            del self[key]

    def pop(self, key: str) -> Any:
        """Remove the value at `key` and return it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Remove the pair inserted last and return it."""
        key = next(reversed(self))
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value at `key`, or `default`."""
        return self[key] if key in self else default

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new dictionary with `default` at each of `keys`."""
        return ParameterDict((key, default) for key in keys)

    def keys(self):
        """The names."""
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """The (name, value) pairs."""
        return ((key, self[key]) for key in self._keys)

    def values(self) -> Iterable[Any]:
        """The values."""
        return (self[key] for key in self._keys)

    def update(self, parameters: Mapping[str, Any] | ParameterDict) -> None:
        """Add or replace values, given as the class is given them."""
        pairs = _pairs(
            parameters, "ParameterDict", "ParametersDict.update", (Mapping, ParameterDict)
        )
        keeps_order = isinstance(parameters, (OrderedDict, ParameterDict))
        if isinstance(parameters, Mapping) and not keeps_order:
            pairs = sorted(pairs)
        for key, parameter in pairs:
            self[key] = parameter

    def extra_repr(self) -> str:
        return _describe((key, p, rl.typename(p)) for key, p in self.items())

    def __call__(self, input):
        raise RuntimeError("ParameterDict should not be called.")

    def __or__(self, other: ParameterDict) -> ParameterDict:
        result = self.copy()
        result.update(other)
        return result

    def __ror__(self, other: ParameterDict) -> ParameterDict:
        result = other.copy()
        result.update(self)
        return result

    def __ior__(self, other: ParameterDict):
        self.update(other)
        return self
