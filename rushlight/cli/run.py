"""``rushlight run``: a PyTorch program on rushlight, started as ``python`` would start it.

The program gets a fresh `__main__`, its own `sys.argv` and `sys.path[0]`, and `torch` resolved to
rushlight by `interop.alias`. Exit codes are Python's, except that Ctrl-C exits with 130.
"""

import argparse
import builtins
import importlib.util
import os
import sys
import types
from contextlib import AbstractContextManager, nullcontext
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader

from ..interop import alias
from .tracebacks import report

NAME = "run"

_USAGE = "rushlight run [-h] (script.py | -m module) [args ...]"
_EPILOG = "Tracebacks leave out frames inside rushlight; set RUSHLIGHT_DEBUG=1 to see them."


class _CannotStart(Exception):
    """The program was not found or is not runnable: (message, exit status)."""


def add_parser(commands) -> None:
    """Add ``run`` to the sub-parsers `commands`."""
    parser = commands.add_parser(
        NAME,
        usage=_USAGE,
        epilog=_EPILOG,
        help="run a PyTorch program with `torch` resolved to rushlight",
        description="Run a PyTorch program with `torch` and its submodules resolved to rushlight.",
    )
    add_program(parser)
    parser.set_defaults(handler=lambda options: run_program(parser, options))


def add_program(parser: argparse.ArgumentParser) -> None:
    """Let the command of `parser` take a program and its arguments."""
    # REMAINDER: everything after the target belongs to the program, options included.
    rest = argparse.REMAINDER
    parser.add_argument("-m", dest="module", nargs=rest, help="run a module, as python -m does")
    parser.add_argument("script", nargs=rest, help="program to run, then its arguments")


def run_program(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    around: AbstractContextManager | None = None,
) -> int:
    """Run the program that `options` name and return the exit status.

    Args:
        parser: of the command, for its messages.
        around: entered when the program starts and left when it has ended; not where it cannot
            start.

    Raises: SystemExit where the program does.
    """
    words = options.module if options.module is not None else options.script
    if not words:
        parser.error("name a script or -m module to run")
    alias.install()
    prepare = _prepare_script if options.module is None else _prepare_module
    try:
        code, module = prepare(words[0], words[1:])
    except _CannotStart as error:
        message, status = error.args
        print(f"{parser.prog}: {message}", file=sys.stderr)
        return status
    except SyntaxError as error:
        report(error)
        return 1
    with around or nullcontext():
        return _execute(code, module)


def _prepare_script(path: str, args: list[str]) -> tuple[types.CodeType, types.ModuleType]:
    """Compile the script at `path` and set `sys.argv` and `sys.path[0]` for it."""
    full = os.path.join(os.getcwd(), path)
    if not os.path.isfile(full) or PathFinder.find_spec("__main__", [full]) is not None:
        return _prepare_container(path, full, args)
    loader = SourceFileLoader("__main__", full)
    try:
        source = loader.get_data(full)
    except OSError as error:
        raise _CannotStart(_cannot_open(full, error), 2) from None
    _set_path(os.path.dirname(os.path.realpath(full)))
    sys.argv[:] = [path, *args]
    return loader.source_to_code(source, full), _main_module(full, loader)


def _prepare_container(
    path: str, full: str, args: list[str]
) -> tuple[types.CodeType, types.ModuleType]:
    """A folder or zip file runs its `__main__.py`."""
    spec = PathFinder.find_spec("__main__", [full])
    if spec is None and os.path.exists(full):
        raise _CannotStart(f"can't find '__main__' module in {path!r}", 1)
    if spec is None:
        error = FileNotFoundError(2, os.strerror(2))
        raise _CannotStart(_cannot_open(full, error), 2)
    _set_path(full)
    sys.argv[:] = [path, *args]
    return _code_of(spec), _main_module(spec.origin, spec.loader, spec)


def _prepare_module(name: str, args: list[str]) -> tuple[types.CodeType, types.ModuleType]:
    """Find module `name` as ``python -m`` does; a package runs its `__main__`."""
    _set_path(os.getcwd())
    sys.argv[:] = ["-m", *args]
    spec = _find_module(name)
    if spec is not None and spec.submodule_search_locations is not None:
        name = f"{name}.__main__"
        spec = _find_module(name)
    if spec is None:
        raise _CannotStart(f"no module named {name}", 1)
    code = _code_of(spec)
    sys.argv[0] = spec.origin or name
    return code, _main_module(spec.origin, spec.loader, spec)


def _find_module(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            return None
        raise


def _code_of(spec: ModuleSpec) -> types.CodeType:
    get_code = getattr(spec.loader, "get_code", None)
    code = get_code(spec.name) if get_code is not None else None
    if code is None:
        raise _CannotStart(f"no code object available for {spec.name}", 1)
    return code


def _cannot_open(path: str, error: OSError) -> str:
    return f"can't open file {path!r}: [Errno {error.errno}] {error.strerror}"


def _set_path(first: str) -> None:
    """Replace the entry Python made for the `rushlight` command by the program's."""
    if not sys.flags.safe_path:
        sys.path[0] = first


def _main_module(file: str | None, loader, spec: ModuleSpec | None = None) -> types.ModuleType:
    """A fresh `__main__`, already in `sys.modules`, with the attributes Python gives it."""
    module = types.ModuleType("__main__")
    module.__dict__.update(
        __file__=file,
        __loader__=loader,
        __spec__=spec,
        __package__=None if spec is None else spec.parent,
        __cached__=None if spec is None else spec.cached,
        __builtins__=builtins,
        __annotations__={},
    )
    sys.modules["__main__"] = module
    return module


def _execute(code: types.CodeType, module: types.ModuleType) -> int:
    try:
        exec(code, module.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        report(error)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0
