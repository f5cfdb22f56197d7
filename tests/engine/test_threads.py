"""Several threads at once give what one thread gives.

The switch interval is so short that threads change places inside of the recorder; the tests whose
order is fixed by joining need no luck.
"""

import contextlib
import os
import queue
import random
import signal
import sys
import threading
import time

import pytest

import rushlight as torch
from rushlight.engine.ops import REGISTRY
from rushlight.engine.record import state
from rushlight.frontend.inplace import overwrite
from rushlight.frontend.install import function_of

ROUNDS = 60


@pytest.fixture(autouse=True)
def frequent_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*functions):
    """Run each in a thread of its own, all starting at once; returns what they return."""
    start, found, errors = threading.Barrier(len(functions)), [None] * len(functions), []

    def run(i, function):
        start.wait()
        try:
            found[i] = function()
        except BaseException as error:  # noqa: BLE001 (the test raises it)
            errors.append(error)

    threads = [
        threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(functions)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    if errors:
        raise errors[0]
    assert not any(t.is_alive() for t in threads), "a thread hangs"
    return found


def in_thread(function):
    """What a function returns in a thread that then ends."""
    return together(function)[0]


# --------------------------------------------------------------------- work of each thread alone
def train(seed, steps=8):
    """A few steps of a small network; returns its parameters as lists."""
    g = torch.Generator().manual_seed(seed)
    first = torch.randn(6, 5, generator=g).requires_grad_()
    second = torch.randn(5, 3, generator=g).requires_grad_()
    x = torch.randn(4, 6, generator=g)
    optimizer = torch.optim.SGD([first, second], lr=0.05, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = ((x @ first).tanh() @ second).square().mean()
        loss.backward()
        optimizer.step()
    return first.tolist(), second.tolist()


def test_threads_that_share_nothing():
    wanted = [train(seed) for seed in range(4)]
    for _ in range(ROUNDS // 10):
        assert together(*[lambda s=s: train(s) for s in range(4)]) == wanted


# ------------------------------------------------------------------------------ tensors handed on
def test_values_are_read_while_their_thread_records_on():
    made, done = [torch.zeros(3)], threading.Event()

    def record():
        x = made[0]
        for i in range(3000):
            x = x * 1 + 1
            made.append(x.view(3)[:2] + i * 0)
        done.set()

    def read():
        count = 0
        while not done.is_set() or count < 20:
            n = len(made) - 1
            if n:
                assert made[n].tolist() == [float(n)] * 2
            count += 1
        return count

    together(record, read, read)
    assert [t[0].item() for t in made[1::97]] == list(range(1, len(made), 97))


def test_values_are_used_while_their_thread_records_on():
    def produce(out):
        for i in range(600):
            x = torch.full((4,), float(i))
            out.put((x + 1) * 2)
        out.put(None)

    def consume(out):
        total, count = torch.zeros(4), 0
        while (x := out.get()) is not None:
            total = total + x
            x.mul_(0)
            count += 1
        return total.tolist(), count

    for _ in range(3):
        out = queue.Queue()
        _, found = together(lambda out=out: produce(out), lambda out=out: consume(out))
        assert found == ([float(sum(2 * (i + 1) for i in range(600)))] * 4, 600)


def test_a_producer_feeds_a_training_thread():
    batches = [torch.arange(8.0).reshape(2, 4) + i for i in range(40)]

    def learn(source):
        w = torch.ones(4, 2, requires_grad=True)
        for x in source:
            loss = (x @ w).square().mean()
            loss.backward()
            with torch.no_grad():
                w -= 1e-4 * w.grad
                w.grad.zero_()
        return w.tolist()

    wanted = learn([b * 2 - 1 for b in batches])

    def fed(out):
        return learn(iter(out.get, None))

    def produce(out):
        for b in batches:
            out.put(b * 2 - 1)
        out.put(None)

    for _ in range(ROUNDS // 10):
        out = queue.Queue(4)
        assert together(lambda o=out: produce(o), lambda o=out: fed(o))[1] == wanted


# -------------------------------------------------------------------------------- shared memory
def test_many_threads_read_the_same_parameters():
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    inputs = [torch.arange(4.0) * i for i in range(30)]
    with torch.no_grad():
        wanted = [model(x).tolist() for x in inputs]

    def infer():
        with torch.no_grad():
            return [model(x).tolist() for x in inputs]

    for _ in range(ROUNDS // 10):
        assert together(infer, infer, infer) == [wanted] * 3


def test_readers_of_the_same_memory_do_not_cut_each_others_tapes():
    w = torch.ones(3)
    mine = w + 1
    theirs = in_thread(lambda: w + 2)
    assert mine._st.segment is not None and theirs._st.segment is not None
    assert (mine + theirs).tolist() == [5.0] * 3


def test_a_write_elsewhere_comes_after_reads_recorded_before():
    w = torch.ones(3)
    mine, theirs = w + 1, in_thread(lambda: w + 2)
    in_thread(lambda: w.mul_(10))
    later = w + 3
    assert (mine.tolist(), theirs.tolist()) == ([2.0] * 3, [3.0] * 3)
    assert (w.tolist(), later.tolist()) == ([10.0] * 3, [13.0] * 3)


def test_a_write_of_my_own_comes_after_reads_elsewhere():
    w = torch.ones(3)
    mine, theirs = w + 1, in_thread(lambda: w + 2)
    w.mul_(10)
    assert (mine.tolist(), theirs.tolist(), w.tolist()) == ([2.0] * 3, [3.0] * 3, [10.0] * 3)


def test_memory_seen_outside_changes_after_reads_elsewhere():
    w = torch.ones(3)
    mine, theirs = w + 1, in_thread(lambda: w + 2)
    w.numpy()[:] = 10
    assert (mine.tolist(), theirs.tolist(), (w + 1).tolist()) == ([2.0] * 3, [3.0] * 3, [11.0] * 3)


def test_a_read_elsewhere_sees_a_pending_write():
    w = torch.ones(3)
    w.add_(1)
    assert in_thread(lambda: w * 2).tolist() == [4.0] * 3
    w.add_(1)
    assert in_thread(lambda: w.tolist()) == [3.0] * 3


def test_writers_of_parts_of_one_storage():
    for _ in range(4):
        whole = torch.zeros(4, 3)

        def write(row):
            for _ in range(100):
                row.add_(1)
                _ = row * 2

        together(*[lambda r=row: write(r) for row in whole.unbind()])
        assert whole.tolist() == [[100.0] * 3] * 4


def test_realised_memory_is_bound_by_several_threads_at_once():
    def use(given):
        found = [x * 2 + x for x in given]
        return [t.tolist() for t in found]

    up = range(8)
    for _ in range(ROUNDS):
        shared = [torch.full((2,), float(i)) for i in up]
        found = together(*[lambda s=s: use(s) for s in (shared, shared[::-1], shared)])
        wanted = [[3.0 * i] * 2 for i in up]
        assert found == [wanted, wanted[::-1], wanted]


def test_random_programs_of_threads_that_hand_tensors_on():
    """Each thread computes, writes in place, reads, and swaps tensors with the others; with every
    tensor goes the number it is full of."""
    shared = [torch.full((3,), float(i)) for i in range(3)]

    def run(seed, pool):
        rng = random.Random(seed)
        own = [(torch.full((3,), float(seed)), float(seed))]
        for _ in range(700):
            i = rng.randrange(len(own))
            (t, n), k = own[i], rng.randrange(3)
            step = rng.randrange(6)
            if step == 0:
                own.append((t + shared[k] * 2, n + k * 2))
            elif step == 1:
                own.append(((t[:2] - 1)[0].expand(3) * 1, n - 1))
            elif step == 2:
                own[i] = (t.add_(shared[k]), n + k)
            elif step == 3:
                pool.append(own.pop(i))
            elif step == 4 and pool:
                with contextlib.suppress(IndexError):  # another thread was faster
                    own.append(pool.pop(0))
            else:
                assert t.tolist() == [n] * 3
            if len(own) > 6 or not own:
                own[3:] = [(torch.zeros(3), 0.0)]
        return own

    for round_ in range(4):
        pool: list = []
        found = together(
            *[lambda s=s, p=pool: run(s, p) for s in range(3 * round_, 3 * round_ + 3)]
        )
        for t, n in [*pool, *sum(found, [])]:
            assert t.tolist() == [n] * 3


def test_a_child_process_computes_whatever_threads_were_doing():
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    stop = threading.Event()

    def work():
        while not stop.is_set():
            (torch.ones(64, 64) @ torch.ones(64, 64)).sum().item()

    def fork():
        try:
            for _ in range(10):
                child = os.fork()
                if not child:
                    os._exit(0 if (torch.ones(3) + 1).sum().item() == 6 else 1)
                assert wait_for(child) == 0
        finally:
            stop.set()

    together(work, fork)


def wait_for(child, limit=60):
    """The exit status of a child process; one that hangs is killed."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "it hangs"


# --------------------------------------------------------------------------------- first calls
@pytest.mark.parametrize("name", ["add", "softmax", "sum", "addmm", "nn.gelu", "clamp"])
def test_first_calls_of_an_operator(name):
    x = torch.ones(3, 3)
    arguments = {"add": (x, x), "softmax": (x, 1), "addmm": (x, x, x), "clamp": (x, 0, 1)}
    given = arguments.get(name, (x,))
    wanted = function_of(REGISTRY[name])(*given).tolist()
    for _ in range(ROUNDS // 3):
        fresh = function_of(REGISTRY[name])
        for op in REGISTRY[name]:
            op.calls.clear()
        assert together(*[lambda f=fresh: f(*given).tolist()] * 4) == [wanted] * 4


def test_calls_inferred_while_the_default_dtype_changes_are_not_kept():
    x = torch.arange(3)
    try:
        for _ in range(ROUNDS):

            def change():
                torch.set_default_dtype(torch.float64)

            together(change, lambda: [torch.div(x, 2) for _ in range(3)])
            assert torch.div(x, 2).dtype is torch.float64
            torch.set_default_dtype(torch.float32)
            assert torch.div(x, 2).dtype is torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


class Counting(torch.overrides.TorchFunctionMode):
    """Counts what it sees."""

    count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **kwargs or {})


def test_a_mode_sees_each_call_of_its_thread():
    x = torch.ones(2)
    with Counting() as mode:
        for _ in range(3):
            torch.add(x, x)
            in_thread(lambda: torch.add(x, x))
    assert mode.count == 3


# ------------------------------------------------------------------------------------- backward
def test_gradients_of_a_shared_parameter_are_summed():
    for _ in range(ROUNDS):
        w = torch.ones(3, requires_grad=True)
        calls = []
        w.register_post_accumulate_grad_hook(lambda t, calls=calls: calls.append(t.grad is None))

        def run(w=w):
            for i in range(5):
                (w * (i + 1)).sum().backward()

        together(run, run, run)
        assert w.grad.tolist() == [45.0] * 3
        assert calls == [False] * 15


def test_graphs_of_several_threads_meet_in_one_leaf():
    for _ in range(ROUNDS):
        w = torch.ones(2, requires_grad=True)
        parts = together(*[lambda w=w: [w * 2 for _ in range(3)]] * 3)
        total = sum(t.sum() for part in parts for t in part)
        (found,) = torch.autograd.grad(total, [w])
        assert found.tolist() == [18.0] * 2


def test_hooks_added_by_several_threads():
    for _ in range(ROUNDS):
        w = torch.ones(2, requires_grad=True)
        y = w * 1
        seen = []

        def add(w=w, y=y, seen=seen):
            w.register_hook(lambda g: seen.append("leaf"))
            y.register_hook(lambda g: seen.append("inner"))
            y.grad_fn.register_hook(lambda i, o: seen.append("node"))

        together(add, add, add)
        y.sum().backward()
        assert sorted(seen) == ["inner"] * 3 + ["leaf"] * 3 + ["node"] * 3


def test_hooks_of_several_tensors_ask_for_their_own_pass():
    def run():
        for _ in range(20):
            seen = []
            a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
            torch.autograd.graph.register_multi_grad_hook((a, b), seen.append)
            (a.exp() * b.exp()).sum().backward()
            assert len(seen) == 1 and all(g is not None for g in seen[0])

    together(run, run, run)


def test_a_graph_is_gone_through_by_two_threads_once_each_or_refused():
    for _ in range(ROUNDS):
        w = torch.ones(3, requires_grad=True)
        loss = (w.exp() * w).sin().sum()

        def run(loss=loss):
            try:
                loss.backward()
            except RuntimeError as error:
                assert "a second time" in str(error)

        together(run, run)


# ----------------------------------------------------------------------------- state of a thread
def test_draws_of_several_threads_are_whole():
    def draw(kind, count=40):
        return [tuple(kind().tolist()) for _ in range(count)]

    for kind in (lambda: torch.randint(1000, (50,)), lambda: torch.randn(3)):
        torch.manual_seed(5)
        wanted = draw(kind, 120)
        torch.manual_seed(5)
        found = together(*[lambda kind=kind: draw(kind)] * 3)
        assert sorted(sum(found, [])) == sorted(wanted)


def test_the_default_device_belongs_to_a_thread():
    with torch.device("meta"):
        assert in_thread(torch.get_default_device).type == "cpu"
        assert torch.ones(1).device.type == "meta"
    torch.set_default_device("meta")
    try:
        assert in_thread(lambda: torch.ones(1).device.type) == "cpu"
    finally:
        torch.set_default_device(None)


def test_devices_entered_by_several_threads():
    def run(name):
        for _ in range(300):
            with torch.device(name):
                assert torch.empty(1).device.type == name
        return torch.get_default_device().type

    assert together(lambda: run("meta"), lambda: run("cpu")) == ["cpu", "cpu"]


def test_what_a_failed_operator_should_have_computed_has_no_value():
    lost = torch.ones(3)[torch.tensor([5])]
    with pytest.raises(IndexError):
        lost.tolist()
    with pytest.raises(RuntimeError, match="has no value"):
        (lost + 1).tolist()


def test_a_segment_that_comes_back_sealed_takes_no_writes():
    """Whoever swaps tapes may put a flushed one back: a write on its own goes to a new one."""
    target, value = torch.zeros(3), torch.ones(3)
    torch.frontend.flush_segment()
    sealed = state.mine.segment
    kept = target + 1
    torch.frontend.flush_segment()
    state.mine.segment = sealed
    overwrite(target, value)
    assert target.tolist() == [1.0, 1.0, 1.0]
    assert kept.tolist() == [1.0, 1.0, 1.0]
