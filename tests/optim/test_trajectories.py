"""Every optimizer moves parameters and keeps state as PyTorch's, recorded in optim_runs.json."""

import json
from pathlib import Path

import numpy as np
import optim_cases as cases
import pytest

import rushlight as torch

RECORDED = json.loads(
    (Path(__file__).parents[1] / "recorded" / "optim_runs.json").read_text(encoding="utf-8")
)
TOLERANCES = {"float32": 2e-6, "complex64": 2e-6, "float64": 3e-8, "bfloat16": 2e-2}


def assert_close(actual, expected, tolerance):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def with_records(section, labels, items):
    pairs = list(zip(items, RECORDED[section], strict=True))
    return pytest.mark.parametrize(("case", "recorded"), pairs, ids=labels)


@with_records(
    "trajectories", [cases.label(*case) for case in cases.TRAJECTORIES], cases.TRAJECTORIES
)
def test_trajectory_and_state(case, recorded):
    name, _, dtype = case
    tolerance = 2e-2 if name == "Muon" else TOLERANCES[dtype]  # Muon computes in bfloat16
    actual = cases.trajectory(torch, *case)
    assert actual["options"] == recorded["options"]
    for mine, theirs in zip(actual["params"], recorded["params"], strict=True):
        for a, b in zip(mine, theirs, strict=True):
            assert_close(a, b, tolerance)
    assert set(actual["state"]) == set(recorded["state"])
    for index, entry in recorded["state"].items():
        assert set(actual["state"][index]) == set(entry)
        for key, (dtype, shape, values) in entry.items():
            assert actual["state"][index][key][:2] == [dtype, shape], key
            assert_close(actual["state"][index][key][2], values, 10 * tolerance)


@with_records("lbfgs", [cases.label("LBFGS", kwargs) for kwargs in cases.LBFGS], cases.LBFGS)
def test_lbfgs(case, recorded):
    actual = cases.minimization(torch, case)
    assert_close(actual["losses"], recorded["losses"], 1e-6)
    assert_close(actual["x"], recorded["x"], 1e-6)
    assert actual["counts"] == recorded["counts"]
    assert actual["keys"] == recorded["keys"]


@with_records(
    "differentiable", [cases.label(*case) for case in cases.DIFFERENTIABLE], cases.DIFFERENTIABLE
)
def test_gradients_flow_through_the_step(case, recorded):
    for mine, theirs in zip(cases.differentiated(torch, *case), recorded, strict=True):
        if mine is None or theirs is None:
            assert mine is theirs
        else:
            assert_close(mine, theirs, 1e-6)
