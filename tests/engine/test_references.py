"""A flush computes what somebody still holds and nothing else (segment._wanted counts that)."""

import pytest

import rushlight as torch
from rushlight.engine.record import segment


@pytest.fixture(autouse=True)
def nothing_pending():
    torch.frontend.flush_segment()


def wanted():
    """The slots a flush would compute, by the owner and by another thread, which takes a copy."""
    pending = segment.state.mine.segment
    own = segment._wanted(pending, pending.refs)[1]
    assert own == segment._wanted(pending, pending.refs[:])[1]
    return own


def test_what_was_dropped_is_not_computed():
    x = torch.rand(4)
    y = x.exp()
    z = y * 2
    assert wanted() == (1, 2)
    del y
    assert wanted() == (2,)
    del z
    assert wanted() == ()


def test_a_view_and_the_graph_hold_a_result():
    x = torch.rand(4, requires_grad=True)
    y = (x * 2).exp()[1:]  # exp's result is seen, and kept for its derivative
    assert wanted() == (2,)
    y = y.sum()
    assert wanted() == (2, 3)
    del y
    assert wanted() == ()


def test_a_write_moves_the_value_to_its_slot():
    x = torch.rand(4)
    y = x * 2
    y.add_(1)
    assert len(wanted()) == 1 and wanted() == (y._st.slot,)
    del y
    assert wanted() == ()
    x.mul_(3)  # bound memory takes its next content whoever holds it
    assert wanted() == (x._st.slot,)


def test_one_reference_is_enough():
    data = (torch.rand(4) * 2).data  # its version counter is its own: only the storage is held
    assert wanted() == (1,)
    del data
    assert wanted() == ()
