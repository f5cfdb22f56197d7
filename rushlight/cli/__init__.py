"""The `rushlight` command: argument parsing only, one file per sub-command.

`run` (run.py) runs a PyTorch program on rushlight; tracebacks.py shortens what it prints when the
program fails. `explain` runs one likewise and says what its kernels took; `doctor` says what the
machine can do. Nothing here is imported by ``import rushlight``.
"""

import argparse
import sys
from collections.abc import Sequence

from . import doctor, explain, run

__all__ = ["main"]

_COMMANDS = (run, explain, doctor)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default ``sys.argv[1:]``) and return the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    _check_command(parser, arguments)
    options = parser.parse_args(arguments)
    if options.handler is None:
        parser.print_help()
        return 2
    return options.handler(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rushlight", description="Run PyTorch programs.")
    parser.add_argument("--version", action=_Version)
    parser.set_defaults(handler=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def _check_command(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    """Reject an unknown command by name; argparse would list choices without saying what to do."""
    if not arguments or arguments[0].startswith("-"):
        return
    names = [command.NAME for command in _COMMANDS]
    first = arguments[0]
    if first in names:
        return
    hint = f"rushlight run {first}" if first.endswith(".py") else "rushlight --help"
    parser.error(f"unknown command {first!r} (commands: {', '.join(names)})\nhint: {hint}")


class _Version(argparse.Action):
    """Print the installed version; the metadata reader is imported only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"rushlight {version('rushlight')}")
        except PackageNotFoundError:
            print("rushlight (not installed: running from a checkout)")
        parser.exit()
