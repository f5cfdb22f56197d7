"""The lists that tools write keep being writable: what the suite reaches is noted."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def test_a_traced_run_notes_records_methods_and_functions(tmp_path):
    out = tmp_path / "names.txt"
    test = tmp_path / "test_one.py"
    test.write_text(
        "import rushlight as torch\n"
        "def test_one():\n"
        "    x = torch.ones(2, 3)\n"
        "    x.t().add_(1)\n"
        "    assert torch.nn.functional.softmax(x, 1).tolist()\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", str(test)]
    env = {**os.environ, "RUSHLIGHT_TRACE_OPS": str(out)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    names = set(out.read_text().split())
    assert {"ones", "t", "add", "nn.functional.softmax", "Tensor.tolist"} <= names
    assert "svd" not in names
