"""Bugs planted in the engine, one at a time: the fuzzer, with PyTorch beside it, catches each."""

import pytest

import rushlight
from rushlight.engine.ir.primitives import PRIMITIVES
from rushlight.engine.record import plan, segment
from rushlight.engine.schedule import memory
from rushlight.frontend import dispatch

from .run import run_one

torch = pytest.importorskip("torch")


def overwrites_always(monkeypatch):
    """An update may overwrite memory that is still read."""
    monkeypatch.setattr(memory, "_may_overwrite", lambda *a: True)


def forgets_write_order(monkeypatch):
    """A view is read from the storage's value before the last write."""
    original = plan._write

    def write(slots, head, target, offset, source, _):
        new = original(slots, head, target, offset, source, _)
        return slots[target] if not head.meta.contiguous else new

    monkeypatch.setattr(plan, "_write", write)


def wrong_derivative(monkeypatch):
    """tanh' = 1 - y."""
    monkeypatch.setitem(PRIMITIVES["tanh"].rules, "vjp", lambda g, out, x: [g * (1 - out)])


def view_offset_lost(monkeypatch):
    """Moved views start at 0."""
    original = plan.view_by_movement
    monkeypatch.setattr(
        plan,
        "view_by_movement",
        lambda flat, offset, shape, strides: (
            original(flat, 0, shape, strides)
            if offset < 3
            else original(flat, offset, shape, strides)
        ),
    )


def versions_are_not_checked(monkeypatch):
    """Saved values are used although they were written."""
    monkeypatch.setattr(dispatch, "stale", lambda *a: None)


def numpy_gets_a_copy(monkeypatch):
    """from_numpy copies."""
    monkeypatch.setattr(rushlight, "from_numpy", lambda array: rushlight.tensor(array))


PLANTED = {
    overwrites_always: {},
    forgets_write_order: {},
    wrong_derivative: {},
    view_offset_lost: {},
    numpy_gets_a_copy: dict(numpy_sharing=True),
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda f: f.__name__)
def test_planted_bugs_are_caught(plant, monkeypatch):
    """Each bug shows within 400 programs."""
    plant(monkeypatch)
    monkeypatch.setattr(segment, "_plans", type(segment._plans)())
    monkeypatch.setattr(dispatch, "_caches", dict(dispatch._caches))
    dispatch.clear_caches()
    try:
        assert any(_disagrees(seed, **PLANTED[plant]) for seed in range(400))
    finally:
        dispatch.clear_caches()


def _disagrees(seed, numpy_sharing=False):
    failure, _ = run_one(seed, 16, torch, numpy_sharing=numpy_sharing)
    return failure is not None
