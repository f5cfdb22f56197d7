"""docs/internals/pipeline.py runs and shows every stage."""

import pathlib
import runpy

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "internals" / "pipeline.py"


def test_page_runs(capsys):
    runpy.run_path(str(PAGE), run_name="__main__")
    out = capsys.readouterr().out
    for stage in ("the tape", "the graph", "the schedule", "LLVM IR", "loss 12.0"):
        assert stage in out
