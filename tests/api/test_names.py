"""No file directly under rushlight/ is called like a function or class of torch."""

import json
import math
import pathlib

import rushlight

ROOT = pathlib.Path(rushlight.__file__).parent
RECORDED = pathlib.Path(__file__).parents[1] / "recorded" / "torch_names.json"
# Free in torch 2.13 or its own modules; PyTorch's modules may be ours, its functions may not.
OURS = {"cli", "engine", "frontend", "interop", "serve", "text", "vision", "audio"}


def test_no_module_hides_a_function_or_class():
    taken = set(json.loads(RECORDED.read_text())["names"])
    files = {p.stem for p in ROOT.iterdir() if p.suffix == ".py" or p.is_dir()}
    assert not files & taken, "importing this late would replace the public name"
    assert not OURS & taken


def test_numbers_have_names():
    assert (rushlight.pi, rushlight.e, rushlight.inf) == (math.pi, math.e, math.inf)
    assert math.isnan(rushlight.nan) and rushlight.newaxis is None
    assert rushlight.ones(2)[:, rushlight.newaxis].shape == (2, 1)
