"""``rushlight doctor`` prints what is there, and what to do about what is not."""

import json
import platform

import numpy as np
import pytest

import rushlight as torch
from rushlight.engine.backends.cpu.kernels import isa

pytest.importorskip("llvmlite")
HERE = {"RUSHLIGHT_BACKEND": "", "RUSHLIGHT_CACHE": "1", "RUSHLIGHT_CACHE_DIR": "kept"}
WITHOUT_LLVM = """\
import sys
sys.modules["llvmlite"] = None
from rushlight.cli import main
sys.exit(main(["doctor", *sys.argv[1:]]))
"""


def test_numbers_are_plausible(python, tmp_path):
    done = python("-m", "rushlight", "doctor", "--json", env=HERE)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["problem"] is None
    assert found["processor"]["name"] and found["processor"]["isa"] in {i.name for i in isa.TABLE}
    assert 1 <= found["threads"]["used"] <= max(found["threads"]["bounds"].values())
    assert found["versions"]["python"] == platform.python_version()
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"]["rushlight"] == torch.__version__
    assert 0.1 < found["peaks"]["fma_gflops"] < 1000
    assert 0 < found["peaks"]["copy_gbs"] and 0 < found["peaks"]["copy_small_gbs"]
    objects = list((tmp_path / "kept").glob("*.o"))
    assert found["cache"]["objects"] == len(objects) > 0
    assert found["cache"]["bytes"] == sum(p.stat().st_size for p in objects)
    assert found["cache"]["folder"] == "kept"


def test_text_says_why_so_many_threads(python):
    settings = HERE | {"OMP_NUM_THREADS": "1", "RUSHLIGHT_CACHE": "0"}
    done = python("-m", "rushlight", "doctor", env=settings)
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert list(lines) == ["processor", "threads", "versions", "FMA", "copy", "cache"]
    assert "1 (processors " in lines["threads"] and "OMP_NUM_THREADS 1" in lines["threads"]
    assert "GFLOP/s" in lines["FMA"] and "RUSHLIGHT_CACHE=0" in lines["cache"]


def test_missing_llvm_is_said(python, write):
    write("program.py", WITHOUT_LLVM)
    done = python("program.py", env=HERE)
    assert done.returncode == 0, done.stderr
    assert "llvmlite is not installed; hint: python -m pip install" in done.stdout
    found = json.loads(python("program.py", "--json", env=HERE).stdout)
    assert found["peaks"]["fma_gflops"] is None and found["peaks"]["copy_gbs"] > 0
    assert found["versions"]["llvm"] is None and found["processor"]["isa"] is None
