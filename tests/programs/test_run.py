"""``rushlight run`` starts a program as ``python`` does: its view, exit code and traceback."""

import zipfile

import pytest

PROBE = """\
import json, os, sys
main = sys.modules["__main__"]
spec = main.__spec__
print(json.dumps({
    "argv": sys.argv,
    "path0": sys.path[0],
    "file": os.path.abspath(__file__),
    "name": __name__,
    "package": __package__,
    "spec": None if spec is None else spec.name,
    "is_main": main.__dict__ is globals(),
    "builtins": type(__builtins__).__name__,
    "globals": sorted(name for name in globals() if not name.startswith("__")),
}))
"""


@pytest.fixture
def same(python, rushlight_run):
    """Check that both commands print the same, and return what they print."""

    def check(*args):
        expected, got = python(*args), rushlight_run(*args)
        assert got.returncode == expected.returncode == 0, got.stderr
        assert got.stdout == expected.stdout
        return got.stdout

    return check


def test_script_sees_what_python_shows_it(write, same):
    write("probe.py", PROBE)
    write("folder/probe.py", PROBE)
    same("probe.py", "--epochs", "3", "-m", "--help", "--", "x")
    same("folder/probe.py")
    same("./folder/../probe.py")


def test_script_by_link_finds_its_neighbours(write, same, tmp_path):
    write("folder/probe.py", "import neighbour\n" + PROBE)
    write("folder/neighbour.py", "")
    (tmp_path / "link.py").symlink_to("folder/probe.py")
    same("link.py")


def test_modules_packages_folders_and_archives(write, same, tmp_path):
    write("probe.py", PROBE)
    write("package/__init__.py", "")
    write("package/__main__.py", PROBE)
    write("package/inner.py", "from . import __name__ as parent\n" + PROBE)
    with zipfile.ZipFile(tmp_path / "program.zip", "w") as archive:
        archive.writestr("__main__.py", PROBE.replace("os.path.abspath(__file__)", "None"))
    same("-m", "probe", "--lr", "1", "-m")
    same("-m", "package")
    same("-m", "package.inner")
    same("package")
    same("program.zip", "a")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("pass", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('stopped')", 1),
        ("raise SystemExit", 0),
        ("1 / 0", 1),
        ("def", 1),
        ("raise KeyboardInterrupt", 130),
        ("import os; os._exit(7)", 7),
    ],
)
def test_exit_codes(write, rushlight_run, body, code):
    write("program.py", body)
    assert rushlight_run("program.py").returncode == code


def test_exit_handlers_and_output_survive(write, rushlight_run):
    write("program.py", "import atexit\natexit.register(print, 'last')\nprint('first')\n1 / 0\n")
    done = rushlight_run("program.py")
    assert done.stdout.split() == ["first", "last"]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["missing.py"], 2, ["can't open file", "missing.py", "No such file or directory"]),
        (["-m", "missing.module"], 1, ["no module named missing.module"]),
        (["-m"], 2, ["name a script or -m module"]),
        ([], 2, ["name a script or -m module"]),
        (["."], 1, ["can't find '__main__' module"]),
    ],
)
def test_what_cannot_start(rushlight_run, args, code, words):
    done = rushlight_run(*args)
    assert done.returncode == code
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["train.py"], 2, ["unknown command 'train.py'", "rushlight run train.py"]),
        (["fly"], 2, ["unknown command 'fly'", "commands: run", "rushlight --help"]),
        ([], 2, ["usage: rushlight"]),
        (["--help"], 0, ["usage: rushlight", "run"]),
        (["run", "--help"], 0, ["rushlight run", "RUSHLIGHT_DEBUG"]),
        (["--version"], 0, ["rushlight"]),
    ],
)
def test_command_line(python, args, code, words):
    done = python("-m", "rushlight", *args)
    assert done.returncode == code
    assert all(word in done.stdout + done.stderr for word in words), done.stderr


FAILING = """\
import torch

def add(a, b):
    return a + b

add(torch.zeros(3), torch.zeros(4))
"""


def test_traceback_ends_at_the_users_line(write, rushlight_run):
    write("program.py", FAILING)
    done = rushlight_run("program.py")
    assert done.returncode == 1
    files = [line for line in done.stderr.splitlines() if line.startswith("  File ")]
    assert len(files) == 2 and all("program.py" in line for line in files), done.stderr
    assert "must match the size of tensor b (4)" in done.stderr


def test_traceback_shows_public_frames_between_the_users(write, rushlight_run):
    write(
        "program.py",
        """
import torch

class Net(torch.nn.Module):
    def forward(self, x):
        return self.missing(x)

torch.nn.Sequential(Net())(torch.zeros(1))
""",
    )
    done = rushlight_run("program.py")
    shown = [line.rsplit(" ", 1)[-1] for line in done.stderr.splitlines() if "  File " in line]
    assert shown == ["<module>", "forward", "forward"], done.stderr
    assert "'Net' object has no attribute 'missing'" in done.stderr


def test_debug_keeps_inner_frames(write, rushlight_run):
    write("program.py", FAILING)
    done = rushlight_run("program.py", env={"RUSHLIGHT_DEBUG": "1"})
    assert "rushlight/engine" in done.stderr or "rushlight/frontend" in done.stderr


def test_traceback_of_chained_errors_and_imports(write, rushlight_run):
    write("program.py", "try:\n    1 / 0\nexcept Exception:\n    import torch.no_such_module\n")
    done = rushlight_run("program.py")
    assert "ZeroDivisionError" in done.stderr
    assert "rushlight has no torch.no_such_module yet" in done.stderr
    files = [line for line in done.stderr.splitlines() if line.startswith("  File ")]
    assert len(files) == 2 and all("program.py" in line for line in files), done.stderr


def test_python_prints_the_same_traceback(write, python, rushlight_run):
    write("program.py", "def f():\n    raise ValueError('no')\n\nf()\n")
    assert rushlight_run("program.py").stderr == python("program.py").stderr
    write("broken.py", "x = 1\ndef f(:\n")
    assert rushlight_run("broken.py").stderr == python("broken.py").stderr


def test_the_programs_excepthook_is_used(write, rushlight_run):
    write("program.py", "import sys\nsys.excepthook = lambda *e: print('mine', e[0])\n1 / 0\n")
    done = rushlight_run("program.py")
    assert done.returncode == 1
    assert done.stdout.startswith("mine") and done.stderr == ""
