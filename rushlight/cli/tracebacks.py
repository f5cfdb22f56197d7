"""Clean tracebacks for ``rushlight run``: the user's frames, not ours.

Left out: frames of this command, of the `torch` alias and the import system, of rushlight's engine
and frontend, and of functions named _so or __so__ in its other rooms, so that a traceback ends at
the last public call (or the user's own line). `RUSHLIGHT_DEBUG` set to anything keeps them all.
"""

import importlib
import os
import sys
from types import CodeType, TracebackType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_HIDDEN = tuple(os.path.join(_PACKAGE, room, "") for room in ("cli", "engine", "frontend")) + (
    os.path.join(_PACKAGE, "__init__.py"),
    os.path.join(_PACKAGE, "__main__.py"),
    os.path.join(_PACKAGE, "interop", "alias.py"),
    importlib.__file__,
    "<rushlight",  # functions generated from operator records
    "<frozen importlib",
    "<frozen runpy",
)


def report(error: BaseException) -> None:
    """Print `error` through `sys.excepthook`, which the program may have replaced."""
    if not os.environ.get("RUSHLIGHT_DEBUG"):
        shorten(error)
    sys.excepthook(type(error), error, error.__traceback__)


def shorten(error: BaseException) -> None:
    """Remove rushlight's inner frames from `error` and all errors it names, in place."""
    pending, seen = [error], set()
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        current.__traceback__ = _visible(current.__traceback__)
        pending += [e for e in (current.__cause__, current.__context__) if e is not None]
        pending += getattr(current, "exceptions", ())


def _visible(trace: TracebackType | None) -> TracebackType | None:
    kept = []
    while trace is not None:
        if not _is_hidden(trace.tb_frame.f_code):
            kept.append(trace)
        trace = trace.tb_next
    head = None
    for entry in reversed(kept):
        head = TracebackType(head, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return head


def _is_hidden(code: CodeType) -> bool:
    if code.co_filename.startswith(_HIDDEN):
        return True
    # `__call__`, `__getattr__` and the like say no more than the line that led to them.
    return code.co_name.startswith("_") and code.co_filename.startswith(os.path.join(_PACKAGE, ""))
