"""The committed stubs are what tools/make_stubs.py writes, and type checkers can use them."""

import pathlib
import runpy
import subprocess
import sys

import pytest

import rushlight

HERE = pathlib.Path(__file__).parent
ROOT = pathlib.Path(rushlight.__file__).parent
TOOLS = HERE.parents[1] / "tools"
WRONG = """import rushlight as torch
x = torch.zeros(3)
x.sum(dimension=1)
torch.cat(x)
x.no_such_method()
torch.no_such_function(x)
number: int = x.sum()
"""


@pytest.fixture(scope="module")
def rendered():
    sys.path.insert(0, str(TOOLS))
    try:
        return runpy.run_path(str(TOOLS / "make_stubs.py"))["render"]()
    finally:
        sys.path.remove(str(TOOLS))


def test_stubs_are_current(rendered):
    stale = [
        path
        for path, text in rendered.items()
        if not (ROOT / path).exists() or (ROOT / path).read_text() != text
    ]
    assert not stale, f"run `python tools/make_stubs.py`: {stale}"


def test_stubs_are_python(rendered):
    for path, text in rendered.items():
        compile(text, path, "exec")


def check(path, cache):
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(cache), "--config-file="]
    options = ["--ignore-missing-imports", "--follow-imports=silent", "--strict"]
    done = subprocess.run(
        [*command, *options, str(path)], capture_output=True, text=True, cwd=HERE.parents[1]
    )
    return [line for line in done.stdout.splitlines() if ": error:" in line]


def test_type_checkers_follow_a_program(tmp_path):
    assert check(HERE / "stub_program.py", tmp_path / "cache") == []
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG)
    found = check(wrong, tmp_path / "cache")
    lines = {int(line.split(":")[1]) for line in found}
    assert lines == {3, 4, 5, 6, 7}, found


def test_the_program_runs():
    assert runpy.run_path(str(HERE / "stub_program.py"))["losses"][0] > 0
