"""``rushlight explain``: runs a program as ``rushlight run`` does, then says what its kernels took.

The table goes to stderr, also when the program ends by an exception or `sys.exit`.
"""

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator

from ..engine import explain
from .run import add_program, run_program

NAME = "explain"

_USAGE = "rushlight explain [-h] [--top N] [--json FILE] (script.py | -m module) [args ...]"
_HEADER = f"{'calls':>9} {'ms':>10} {'%':>6} {'rate':>13} {'% peak':>7}  kernel"
_NO_TERMINAL = (120, 24)  # columns and lines of what is no terminal


def add_parser(commands) -> None:
    """Add ``explain`` to the sub-parsers `commands`."""
    parser = commands.add_parser(
        NAME,
        usage=_USAGE,
        help="run a program, then list what its kernels did and how long they took",
        description="Run a program as `rushlight run` does, then print a table of its kernels.",
    )
    parser.add_argument("--top", type=int, default=30, metavar="N", help="lines to print (30)")
    parser.add_argument("--json", metavar="FILE", help="write the whole table there, too")
    add_program(parser)
    parser.set_defaults(
        handler=lambda options: run_program(
            parser, options, _explained(parser.prog, options.top, options.json)
        )
    )


@contextlib.contextmanager
def _explained(prog: str, top: int, path: str | None) -> Iterator[None]:
    """Measure the kernels compiled inside; in the end print their table, and write it to `path`."""
    target = path and os.path.abspath(path)  # the program may change folder
    profile, began = explain.start(), time.perf_counter()
    try:
        yield
    finally:
        report = explain.report(profile, time.perf_counter() - began)
        print("\n".join(_lines(report, top)), file=sys.stderr)
        if target:
            _try_to_write(prog, target, report)


def _lines(report: explain.Report, top: int) -> list[str]:
    total = f"program {report.program_s:.3f} s"
    peaks = report.peaks
    if peaks is None:
        return [f"{total}; no kernel ran", *_reason()]
    shown = report.kernels[: max(top, 0)]
    width = shutil.get_terminal_size(_NO_TERMINAL).columns
    left = len(report.kernels) - len(shown)
    copied = f"{explain.LARGE >> 20} MiB"
    return [
        f"{total}; {report.runs} runs of {len(report.kernels)} kernels {report.kernels_s:.3f} s",
        f"peak of contractions: {report.threads} x {peaks.fma_gflops:.1f} GF/s (threads, float32);"
        " those of convolutions count the",
        "  direct algorithm's multiplications and may pass 100 %, as Winograd's does fewer",
        f"peak of the rest: {peaks.copy_gbs:.1f} GB/s (one thread copies {copied});"
        " what lies in caches may pass 100 %",
        _HEADER,
        *(_shortened(_line(kernel), width) for kernel in shown),
        *([f"{left} more kernels; --top {len(report.kernels)} lists them"] if left else []),
    ]


def _reason() -> list[str]:
    problem = explain.without_llvm()
    return [f"programs run by NumPy, which is not measured: {problem}"] if problem else []


def _line(kernel: explain.Kernel) -> str:
    rate = f"{kernel.rate:.1f} {kernel.unit}"
    numbers = f"{kernel.calls:9} {1e3 * kernel.seconds:10.3f} {kernel.share:6.1f} {rate:>13}"
    return f"{numbers} {kernel.of_peak:7.1f}  {kernel.name}  {kernel.detail}"


def _shortened(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 3] + "..."


def _try_to_write(prog: str, path: str, report: explain.Report) -> None:
    """Write the report; where that fails, say so, and leave the program's exit status as it is."""
    peaks = report.peaks and report.peaks._asdict()
    kernels = [kernel._asdict() for kernel in report.kernels]
    text = json.dumps(report._asdict() | {"peaks": peaks, "kernels": kernels}, indent=1)
    try:
        _write(path, text)
    except OSError as error:
        print(f"{prog}: can't write {path!r}: {error.strerror}", file=sys.stderr)


def _write(path: str, text: str) -> None:
    """Write a file that others see whole or not at all."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
