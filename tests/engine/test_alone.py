"""Calls that run at once, in programs that read every result (engine/record/alone.py)."""

import gc
import threading
import weakref

import numpy as np
import pytest

import rushlight as torch
from rushlight.engine.record.alone import READS
from rushlight.engine.record.segment import counters, state


def read_each(times=READS + 2):
    x = torch.ones(3)
    for _ in range(times):
        x.sum().item()


@pytest.fixture(autouse=True)
def in_the_mode():
    torch.zeros(1).item()
    state.mine.reads, state.mine.unread = 0, False
    read_each()
    yield
    state.mine.reads = 0


def pending():
    return len(state.mine.segment.events)


def test_a_call_runs_at_once_when_every_result_is_read():
    state.mine.reads = 0
    x = torch.ones(3)
    x.sum()
    assert pending()
    read_each()
    y = x.sum()
    assert not pending() and y._st.array is not None and y.item() == 3


def test_its_plan_is_that_of_its_tape():
    state.mine.reads = 0
    x = torch.rand(5, 7)
    x.softmax(-1).tolist()
    read_each()
    before = counters["plans"]
    x.softmax(-1).tolist()
    assert counters["plans"] == before


def test_a_result_that_is_not_read_ends_it():
    x = torch.arange(4.0)
    (x * 2).tolist()
    y = x * 2
    assert not pending()
    z = y + 1
    assert pending() and z._st.array is None
    w = z * z
    assert w.tolist() == [1.0, 9.0, 25.0, 49.0] and y.tolist() == [0.0, 2.0, 4.0, 6.0]
    assert state.mine.reads == 0


def test_a_result_that_is_dropped_unread_ends_it_and_is_not_kept():
    x = torch.rand(64)
    (x * 2).tolist()  # its first call is recorded
    y = x * 2
    held = weakref.ref(y._st)
    del y
    gc.collect()
    assert held() is None
    x * 3
    assert pending()


def test_a_flush_counts_as_a_read():
    x = torch.rand(4)
    x.exp().tolist()
    for _ in range(3):
        x.exp()
        torch.frontend.flush_segment()
        assert not pending() and state.mine.reads > READS


def test_values_of_one_two_and_three_operands():
    a, b = np.random.default_rng(0).random((2, 6, 5), np.float32)
    x, y = torch.tensor(a), torch.tensor(b)
    m = torch.tensor(a > 0.5)
    for _ in range(2):
        np.testing.assert_allclose((x + y).numpy(force=True), a + b)
        np.testing.assert_allclose((x * x).tolist(), (a * a).tolist(), rtol=1e-6)
        np.testing.assert_allclose(torch.where(m, x, y).tolist(), np.where(a > 0.5, a, b).tolist())
        np.testing.assert_allclose((x.t() * 2.5 - y.t()).tolist(), (a.T * 2.5 - b.T), rtol=1e-5)
        np.testing.assert_allclose(x[2:, 1].sum().item(), a[2:, 1].sum(), rtol=1e-6)
        read_each()


def test_what_is_pending_comes_first():
    x = torch.arange(3.0)
    x.add_(1)
    assert (x * 2).tolist() == [2.0, 4.0, 6.0]
    read_each()
    x[0] = 7
    assert x.sum().item() == 12


def test_memory_that_numpy_sees_and_memory_of_another_dtype():
    a = np.zeros(4, np.float32)
    x = torch.from_numpy(a)
    a[:] = 3
    assert (x + 1).tolist() == [4.0] * 4
    read_each()
    assert (x.view(torch.int32) + 0).tolist() == a.view(np.int32).tolist()


def test_gradients_and_versions():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    y = w * w
    assert y.requires_grad and y.grad_fn.name() == "MulBackward0"
    assert y.tolist() == [1.0, 4.0]
    y.sum().backward()
    assert w.grad.tolist() == [2.0, 4.0]
    read_each()
    z = w.exp()
    assert z[0].item() > 2.7
    with torch.no_grad():
        z.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_modes():
    x = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        y = x * 2
    assert y.is_inference() and not y.requires_grad
    read_each()
    with torch.no_grad():
        assert not (x * 2).requires_grad


def test_an_optimizer_records_its_rule():
    def train():
        torch.manual_seed(0)
        w = torch.nn.Parameter(torch.rand(5))
        optimizer = torch.optim.NAdam([w], lr=0.1)  # a rule no test before this one has traced
        for _ in range(3):
            w.grad = w.detach() * 2
            read_each()
            optimizer.step()
        return w.tolist()

    found = train()
    state.mine.reads = 0
    assert found == train()


def test_errors_come_from_the_call_and_leave_everything_usable():
    x = torch.rand(3)
    with pytest.raises(IndexError, match="index 5 is out of bounds|out of range"):
        x[torch.tensor([5])].tolist()
    read_each()
    with pytest.raises(RuntimeError, match="size of tensor a"):
        x + torch.rand(4)
    assert (x + 0).tolist() == x.tolist()


def test_each_thread_for_itself():
    found = {}

    def work(name):
        x = torch.full((50,), float(name))
        found[name] = [(x * k).sum().item() + x.sum().item() for k in range(40)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {n: [50.0 * n * (k + 1) for k in range(40)] for n in range(4)}
