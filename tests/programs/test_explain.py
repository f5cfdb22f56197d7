"""``rushlight explain`` runs a program as `run` does and says what its kernels took."""

import json

import pytest

pytest.importorskip("llvmlite")
PRODUCTS = """\
import sys, torch

a = torch.ones(96, 80)
for _ in range(3):
    (a @ a.T).sum().item()
print(sys.argv[1:])
"""


@pytest.fixture
def explain(python, write, tmp_path):
    """Explain a program of this text, with options before and arguments after its name; (the
    finished process, the JSON report)."""

    def run(text, *options, args=(), env=()):
        write("program.py", text)
        words = ("--json", "report.json", *options, "program.py", *args)
        done = python(
            "-m", "rushlight", "explain", *words, env={"RUSHLIGHT_BACKEND": "", **dict(env)}
        )
        return done, json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))

    return run


def products(report):
    return [kernel for kernel in report["kernels"] if kernel["name"] == "dot"]


def test_kernels_are_counted(explain, tmp_path):
    done, report = explain(PRODUCTS, args=("--json", "x", "-m", "--top"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['--json', 'x', '-m', '--top']\n"
    (product,) = products(report)
    assert product["calls"] == 3 and product["detail"] == "[96, 80] x [80, 96]"
    assert product["unit"] == "GF/s"
    rate = 3 * 2 * 96 * 80 * 96 / product["seconds"] / 1e9
    assert product["rate"] == pytest.approx(rate)
    peak = report["threads"] * report["peaks"]["fma_gflops"]
    assert product["of_peak"] == pytest.approx(100 * rate / peak)
    assert sum(kernel["share"] for kernel in report["kernels"]) == pytest.approx(100)
    assert report["runs"] == sum(kernel["calls"] for kernel in report["kernels"])
    assert 0 < report["kernels_s"] < report["program_s"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["program.py", "report.json"]


def test_table_has_the_longest_first_and_keeps_to_the_width(explain):
    done, report = explain(PRODUCTS, "--top", "1", env={"COLUMNS": "60"})
    lines = done.stderr.splitlines()
    at = next(i for i, line in enumerate(lines) if line.split()[:2] == ["calls", "ms"])
    first = report["kernels"][0]
    assert lines[at + 1].split()[0] == str(first["calls"]) and len(lines[at + 1]) <= 60
    assert first["seconds"] == max(kernel["seconds"] for kernel in report["kernels"])
    kinds = len(report["kernels"])
    assert lines[at + 2 :] == [f"{kinds - 1} more kernels; --top {kinds} lists them"]
    assert "Winograd" in done.stderr


@pytest.mark.parametrize(
    ("end", "code", "word"),
    [
        ("sys.exit(3)", 3, ""),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
        ("import os; os.mkdir('elsewhere'); os.chdir('elsewhere')", 0, ""),
    ],
)
def test_table_appears_however_the_program_ends(explain, end, code, word):
    done, report = explain(PRODUCTS + end)
    assert done.returncode == code
    assert products(report)[0]["calls"] == 3
    assert "[96, 80] x [80, 96]" in done.stderr and word in done.stderr
    assert done.stderr.index(word) <= done.stderr.index("peak of contractions")
    assert "rushlight/" not in done.stderr, "a frame of ours in the traceback"


def test_modules_run_too(write, python):
    write("package/__main__.py", PRODUCTS)
    done = python("-m", "rushlight", "explain", "-m", "package", "-m")
    assert done.returncode == 0 and done.stdout == "['-m']\n"
    assert "dot" in done.stderr


def test_nothing_to_explain(explain):
    done, report = explain("pass")
    assert "no kernel ran" in done.stderr
    assert report["kernels"] == [] and report["peaks"] is None
    done, _ = explain(PRODUCTS, env={"RUSHLIGHT_BACKEND": "reference"})
    assert "RUSHLIGHT_BACKEND" in done.stderr


def test_what_cannot_start_or_be_written(python, write):
    done = python("-m", "rushlight", "explain", "missing.py")
    assert done.returncode == 2
    assert done.stderr.startswith("rushlight explain: can't open file") and "ran" not in done.stderr
    write("program.py", "import sys; sys.exit(3)")
    done = python("-m", "rushlight", "explain", "--json", "no/folder", "program.py")
    assert done.returncode == 3 and "rushlight explain: can't write" in done.stderr
