"""Serve ``import torch`` from rushlight, for a whole process and the processes it starts.

`install()` puts a finder at the head of `sys.meta_path`. It resolves `torch`, and `torch.x.y`, to
`rushlight` and `rushlight.x.y`: the *same* module objects, so that a class has one identity under
both names. `torchvision`, `torchaudio` and `torchtext` are served by `rushlight.vision`, `.audio`
and `.text`. A real PyTorch that is installed as well is never imported.

Child processes: a forked child inherits the finder. For `spawn` and `forkserver` (DataLoader
workers included) the alias travels in the preparation data that multiprocessing sends ahead of
the program's main module: unpickling it installs the finder in the child. A program that calls
`multiprocessing.set_forkserver_preload` itself names `rushlight.interop.alias_child` first in its
list. Programs started with `subprocess` are ordinary Python; start them with `rushlight run`.
"""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

__all__ = ["install", "uninstall"]

_ROOTS = {
    "torch": "rushlight",
    "torchvision": "rushlight.vision",
    "torchaudio": "rushlight.audio",
    "torchtext": "rushlight.text",
}

# Rooms of rushlight that PyTorch does not have: `torch.vision` must stay an error.
_NOT_TORCH = frozenset(
    f"torch.{room}"
    for room in ("audio", "cli", "engine", "frontend", "interop", "serve", "text", "vision")
)

_CHILD_MODULE = "rushlight.interop.alias_child"


def install() -> None:
    """Resolve `torch` and its sister packages to rushlight from now on. Calling it again is free.

    Raises: RuntimeError if another `torch` (or torchvision, ...) is already imported.

    >>> from rushlight.interop import alias
    >>> alias.install()
    >>> import torch, rushlight
    >>> torch is rushlight
    True
    """
    if _FINDER in sys.meta_path:
        return
    for name, real in _ROOTS.items():
        module = sys.modules.get(name)
        if module is not None and module is not sys.modules.get(real):
            where = getattr(module, "__file__", None) or "another place"
            raise RuntimeError(
                f"cannot serve {name} from rushlight: {name} is already imported from {where}\n"
                "hint: install the alias before the first `import torch`"
            )
    sys.meta_path.insert(0, _FINDER)
    for name, adapt in _ADAPT.items():
        if name in sys.modules:
            adapt(sys.modules[name])


def uninstall() -> None:
    """Stop serving `torch`; modules that imported it keep what they have."""
    if _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)
    for name in [name for name in sys.modules if name.partition(".")[0] in _ROOTS]:
        del sys.modules[name]


class _Finder:
    """Finds aliased modules, and multiprocessing's two that start fresh interpreters."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in _ADAPT:
            return _adapted_spec(fullname, path)
        if fullname.partition(".")[0] not in _ROOTS:
            return None
        real = _real_name(fullname)
        if real is not None and _exists(real):
            return ModuleSpec(fullname, _Loader(real))  # type: ignore[arg-type]
        # `importlib.util.find_spec` and its like ask whether a module exists: they get None, as for
        # any absent module. Only an import statement is told what is missing.
        asker = sys._getframe(1).f_back
        if asker is None or asker.f_code.co_name != "_find_and_load_unlocked":
            return None
        raise ModuleNotFoundError(_missing(fullname), name=fullname)


class _Loader:
    """Hands out the rushlight module itself; a loader by its methods, for importlib.abc is slow.

    `create_module` returns None and `exec_module` swaps the entry of `sys.modules`: a module that
    the import system got from `create_module` would have its `__spec__` overwritten.
    """

    def __init__(self, real: str) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> None:
        self._module = importlib.import_module(self._real)

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = self._module


def _real_name(fullname: str) -> str | None:
    root, dot, rest = fullname.partition(".")
    if any(fullname == own or fullname.startswith(own + ".") for own in _NOT_TORCH):
        return None
    return _ROOTS[root] + dot + rest


def _exists(real: str) -> bool:
    """Whether the module `real` can be imported; imports its parents only."""
    if real in sys.modules:
        return True
    try:
        return importlib.util.find_spec(real) is not None
    except ModuleNotFoundError as error:
        # A parent that is missing or no package, not a dependency that one of them lacks.
        if error.name and (real == error.name or real.startswith(error.name + ".")):
            return False
        raise


def _missing(fullname: str) -> str:
    parent = fullname.rpartition(".")[0]
    message = f"rushlight has no {fullname} yet"
    if not parent:
        return f"{message}\nhint: a real {fullname} needs a real torch, which this alias replaces"
    search = sys.modules[parent].__path__  # the import system asks no finder for a plain module
    found = sorted(m.name for m in pkgutil.iter_modules(search) if not m.name.startswith("_"))
    names = [name for name in found if f"{parent}.{name}" not in _NOT_TORCH]
    return f"{message}\nhint: {parent} has {', '.join(names) or 'no submodules'}"


class _Stowaway:
    """Travels in multiprocessing's preparation data; unpickling it installs the alias."""

    def __reduce__(self):
        return install, ()


def _adapt_spawn(module: Any) -> None:
    prepare = module.get_preparation_data

    def get_preparation_data(name):
        # First in the dict and unpickled before the child runs the program's main module.
        cargo = {"rushlight_alias": _Stowaway()} if _FINDER in sys.meta_path else {}
        return {**cargo, **prepare(name)}

    if prepare.__name__ == "get_preparation_data" and prepare.__module__ == module.__name__:
        module.get_preparation_data = get_preparation_data


def _adapt_forkserver(module: Any) -> None:
    # The server would otherwise import the program's main module, with no alias in place.
    module.set_forkserver_preload([_CHILD_MODULE])


_ADAPT = {
    "multiprocessing.spawn": _adapt_spawn,
    "multiprocessing.forkserver": _adapt_forkserver,
}


def _adapted_spec(fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """The standard module's own spec, adapted once it has run; costs nothing if never imported."""
    spec = PathFinder.find_spec(fullname, path)
    if spec is None or spec.loader is None:
        return spec
    loader: Any = spec.loader
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        _ADAPT[fullname](module)

    loader.exec_module = exec_module
    return spec


_FINDER = _Finder()
