"""Whole programs run in processes of their own, against the rushlight that is under test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight

_ROOT = str(Path(rushlight.__file__).resolve().parent.parent)


@pytest.fixture
def environment():
    """The environment of a child process that finds the same rushlight, from any folder."""
    variables = {k: v for k, v in os.environ.items() if k != "RUSHLIGHT_DEBUG"}
    return variables | {"PYTHONPATH": _ROOT, "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def python(tmp_path, environment):
    """Run ``python *args`` in `tmp_path` and return the finished process, output as text."""

    def run(*args, env=(), timeout=120):
        return subprocess.run(
            [sys.executable, *map(str, args)],
            cwd=tmp_path,
            env=environment | dict(env),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def rushlight_run(python):
    """Run ``rushlight run *args`` in `tmp_path`."""
    return lambda *args, **options: python("-m", "rushlight", "run", *args, **options)


@pytest.fixture
def write(tmp_path):
    """Write a file of a test's program and return its path."""

    def write_file(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write_file


@pytest.fixture(scope="session")
def example():
    """Path of examples/digits.py."""
    path = Path(_ROOT) / "examples" / "digits.py"
    if not path.exists():
        pytest.skip("examples/ is not beside the package under test")
    return path
