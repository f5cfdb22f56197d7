"""Schedules give PyTorch's learning rates and momenta, recorded in optim_runs.json."""

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import optim_cases as cases
import pytest

import rushlight as torch
from rushlight.optim import lr_scheduler

RECORDED = json.loads(
    (Path(__file__).parents[1] / "recorded" / "optim_runs.json").read_text(encoding="utf-8")
)
EPOCHS = {3: 2, 8: 11}  # as in tests/recorded/optim_runs.py


def assert_rows(actual, recorded, tolerance=1e-9):
    for mine, theirs in zip(actual["rows"], recorded["rows"], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=1e-12)


@pytest.mark.parametrize("name", cases.SCHEDULES)
def test_schedule(name):
    actual, recorded = cases.schedule(torch, name), RECORDED["schedules"][name]
    assert_rows(actual, recorded)
    assert actual["keys"] == recorded["keys"]


@pytest.mark.parametrize("name", cases.WITH_EPOCH)
@pytest.mark.filterwarnings("ignore:The epoch parameter")
def test_schedule_with_epochs(name):
    assert_rows(cases.schedule(torch, name, EPOCHS), RECORDED["epochs"][name])


@pytest.mark.parametrize("name", ["StepLR", "CosineAnnealingLR", "CyclicLR triangular", "SWALR"])
def test_tensor_lr_is_written_in_place(name):
    assert_rows(cases.schedule(torch, name, tensor_lr=True), RECORDED["schedules"][name], 1e-5)
    lr = torch.tensor(0.5)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is lr
    assert (lr.item(), scheduler.get_last_lr()[0].item()) == (0.25, 0.25)


def test_every_public_schedule_is_recorded():
    covered = {name.split()[0] for name in cases.SCHEDULES} | {"LRScheduler"}
    assert set(lr_scheduler.__all__) <= covered


def test_wrong_order_of_calls_warns():
    scheduler = lr_scheduler.StepLR(cases.two_groups(torch), 3)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()


def test_overridden_step_warns():
    optimizer = cases.two_groups(torch)
    scheduler = lr_scheduler.StepLR(optimizer, 3)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden"):
        scheduler.step()


def test_right_order_does_not_warn():
    optimizer = cases.two_groups(torch)
    scheduler = lr_scheduler.StepLR(optimizer, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        scheduler.step()


def test_get_lr_and_epochs_warn():
    optimizer = cases.two_groups(torch)
    scheduler = lr_scheduler.StepLR(optimizer, 3)
    optimizer.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(2)


def test_user_defined_schedule_and_old_base_class():
    class Halving(lr_scheduler._LRScheduler):
        def get_lr(self):
            return [lr * 0.5**self.last_epoch for lr in self.base_lrs]

    optimizer = cases.two_groups(torch)
    scheduler = Halving(optimizer)
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.05, 0.1]
    assert isinstance(lr_scheduler.StepLR(optimizer, 1), lr_scheduler.LRScheduler)


def test_resume_needs_the_initial_lr():
    optimizer = cases.two_groups(torch)
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.StepLR(optimizer, 3, last_epoch=4)
    lr_scheduler.StepLR(optimizer, 3, 0.5)
    resumed = lr_scheduler.StepLR(optimizer, 3, 0.5, last_epoch=1)
    optimizer.step()
    resumed.step()
    assert resumed.get_last_lr() == [0.05, 0.1]


def test_classes_pickle_under_the_public_module():
    assert lr_scheduler.StepLR.__module__ == "rushlight.optim.lr_scheduler"
    assert pickle.loads(pickle.dumps(lr_scheduler.StepLR)) is lr_scheduler.StepLR


def test_plateau_with_a_new_group():
    optimizer = cases.two_groups(torch)
    one = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    each = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.0, 0.0])
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    one.step(1.0)
    one.step(torch.tensor(1.0))
    assert one.get_last_lr() == pytest.approx([0.01, 0.02, 0.0001])
    each.step(1.0)
    with pytest.raises(RuntimeError, match="modify the `min_lrs` field"):
        each.step(1.0)


def adagrad():
    return torch.optim.Adagrad([torch.nn.Parameter(torch.zeros(1))])


ERRORS = [
    (TypeError, "is not an Optimizer", lambda L, o: L.StepLR(3, 4)),
    (ValueError, "Expected 2 lr_lambdas", lambda L, o: L.LambdaLR(o, [abs])),
    (TypeError, "should be a function", lambda L, o: L.MultiplicativeLR(o, [1, 2])),
    (ValueError, "between 0 and 1", lambda L, o: L.ConstantLR(o, 2)),
    (ValueError, "Starting multiplicative factor", lambda L, o: L.LinearLR(o, 0)),
    (ValueError, "Ending multiplicative factor", lambda L, o: L.LinearLR(o, 0.5, 2)),
    (ValueError, "at least one scheduler", lambda L, o: L.SequentialLR(o, [], [])),
    (ValueError, "one more than", lambda L, o: L.SequentialLR(o, [L.StepLR(o, 2)], [2])),
    (ValueError, "Plateau", lambda L, o: L.SequentialLR(o, [L.ReduceLROnPlateau(o)], [])),
    (ValueError, "same optimizer", lambda L, o: L.ChainedScheduler([L.StepLR(o, 1)], adagrad())),
    (TypeError, "should have `optimizer`", lambda L, o: L.ChainedScheduler([1], o)),
    (ValueError, "Factor should be", lambda L, o: L.ReduceLROnPlateau(o, factor=1)),
    (ValueError, "mode x is unknown", lambda L, o: L.ReduceLROnPlateau(o, "x")),
    (ValueError, "expected 2 min_lrs", lambda L, o: L.ReduceLROnPlateau(o, min_lr=[1])),
    (ValueError, "mode is invalid", lambda L, o: L.CyclicLR(o, 1, 2, mode="x")),
    (ValueError, "must support momentum", lambda L, o: L.CyclicLR(adagrad(), 1, 2)),
    (ValueError, "same length", lambda L, o: L.CyclicLR(o, [1], 2)),
    (ValueError, "integer T_0", lambda L, o: L.CosineAnnealingWarmRestarts(o, 0)),
    (ValueError, "T_mult >= 1", lambda L, o: L.CosineAnnealingWarmRestarts(o, 2, 0.5)),
    (ValueError, "either total_steps OR", lambda L, o: L.OneCycleLR(o, 1)),
    (ValueError, "integer total_steps", lambda L, o: L.OneCycleLR(o, 1, -1)),
    (ValueError, "pct_start", lambda L, o: L.OneCycleLR(o, 1, 5, pct_start=2.0)),
    (ValueError, "anneal_strategy", lambda L, o: L.OneCycleLR(o, 1, 5, anneal_strategy="x")),
]


@pytest.mark.parametrize(("error", "match", "build"), ERRORS, ids=[match for _, match, _ in ERRORS])
def test_errors(error, match, build):
    with pytest.raises(error, match=match):
        build(lr_scheduler, cases.two_groups(torch))


def test_one_cycle_ends():
    optimizer = cases.two_groups(torch)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=3)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 4 times"):
        scheduler.step()
