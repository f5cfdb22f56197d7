"""Worker processes: seeds, errors, deaths, and that none is ever left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

import rushlight as torch
from rushlight.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info, iterators

needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="datasets are local functions"
)
pytestmark = needs_fork


class Call(Dataset):
    """Six samples, each the result of a function of its index."""

    def __init__(self, function):
        self.function = function

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return self.function(index)


def load(function, **options):
    options = {"num_workers": 2, "multiprocessing_context": "fork"} | options
    return DataLoader(Call(function), **options)


def raise_(error):
    raise error


def is_running(pid):
    """Whether there is such a process, zombies not counted."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pids, timeout_s=5.0):
    deadline = time.monotonic() + timeout_s
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(is_running, pids))


# -- what a worker knows ---------------------------------------------------------------------


def test_worker_info():
    def describe(index):
        info = get_worker_info()
        return index, info.id, info.num_workers, info.seed - torch.initial_seed(), os.getpid()

    rows = [row.tolist() for row in torch.cat([torch.stack(b, 1) for b in load(describe)])]
    assert [row[:4] for row in rows] == [[i, i % 2, 2, 0] for i in range(6)]
    assert len({row[4] for row in rows} | {os.getpid()}) == 3
    assert get_worker_info() is None


def test_init_function_may_change_the_dataset_copy():
    def shift(worker_id):
        get_worker_info().dataset.function = lambda index: index + 10 * worker_id

    batches = load(None, worker_init_fn=shift, batch_size=None)
    assert list(batches) == [0, 11, 2, 13, 4, 15]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_start_methods_that_pickle(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    data = torch.utils.data.TensorDataset(torch.arange(5))
    loader = DataLoader(data, batch_size=3, num_workers=1, multiprocessing_context=method)
    assert [batch.tolist() for (batch,) in loader] == [[0, 1, 2], [3, 4]]


def test_unpicklable_dataset_with_spawn():
    loader = load(lambda index: index, num_workers=1, multiprocessing_context="spawn")
    with (
        pytest.warns(UserWarning, match="Got pickle error"),
        pytest.raises((AttributeError, TypeError), match="pickle"),
    ):
        iter(loader)


# -- order -----------------------------------------------------------------------------------


def test_in_order_false_yields_what_is_ready():
    slow_first = load(
        lambda index: time.sleep(0.3 * (index == 0)) or index, batch_size=None, in_order=False
    )
    indices = list(slow_first)
    assert sorted(indices) == list(range(6)) and indices[0] == 1


def test_persistent_workers_are_reused_even_in_mid_epoch():
    loader = load(lambda index: (index, os.getpid()), batch_size=None, persistent_workers=True)
    first = dict(loader)
    next(iter(loader))
    assert dict(loader) == first and list(first) == list(range(6))


def test_persistent_workers_start_again_after_a_death():
    loader = load(lambda index: index, batch_size=None, persistent_workers=True)
    assert list(loader) == list(range(6))
    os.kill(loader._iterator._workers[0].pid, signal.SIGKILL)
    loader._iterator._workers[0].join()
    assert list(loader) == list(range(6))


def test_persistent_workers_start_again_after_ctrl_c():
    def interrupt(signum, frame):
        raise KeyboardInterrupt

    def slow_last(index):
        time.sleep(index // 5)
        return index

    loader = load(slow_last, batch_size=None, persistent_workers=True)
    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        samples = iter(loader)
        next(samples)  # once the workers run: an alarm in a fork handler is swallowed by Python
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            list(samples)
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert list(loader) == list(range(6))


# -- errors ----------------------------------------------------------------------------------


class TwoArguments(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


@pytest.mark.parametrize(
    "error, expected", [(ValueError("no"), ValueError), (TwoArguments(1, 2), RuntimeError)]
)
def test_exception_keeps_type_and_traceback(error, expected):
    batches = iter(load(lambda index: raise_(error) if index == 0 else index, batch_size=None))
    with pytest.raises(expected) as caught:
        next(batches)
    message = str(caught.value)
    name = type(error).__name__
    assert message.startswith(f"Caught {name} in DataLoader worker process 0.\nOriginal Traceback")
    assert "in raise_" in message and "raise error" in message
    assert list(batches) == [1, 2, 3, 4, 5]  # the others are not lost


def test_key_error_is_readable():
    with pytest.raises(KeyError) as caught:
        next(iter(load(lambda index: {}[index])))
    assert "process 0.\nOriginal Traceback" in str(caught.value)


def test_exception_of_a_local_class():
    class Local(Exception):
        pass

    with pytest.raises(RuntimeError, match="Local: mine"):
        next(iter(load(lambda index: raise_(Local("mine")))))


def test_batch_that_cannot_be_pickled():
    with pytest.raises(Exception, match="while pickling a batch in DataLoader worker process 0"):
        next(iter(load(lambda index: lambda: index, batch_size=None)))


def test_exception_in_init_function():
    batches = iter(load(lambda index: index, worker_init_fn=lambda worker_id: 1 / 0))
    for worker in (0, 1):
        with pytest.raises(ZeroDivisionError, match=f"in DataLoader worker process {worker}"):
            next(batches)


def test_exception_in_iter_of_a_stream():
    class Broken(IterableDataset):
        def __iter__(self):
            raise OSError("no such file")

    with pytest.raises(OSError, match="no such file"):
        next(iter(DataLoader(Broken(), num_workers=1)))


# -- death -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end, reason",
    [
        (lambda: os._exit(3), "exit code 3"),
        (lambda: sys.exit(0), "exit code 0"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL"),
    ],
    ids=["_exit", "exit", "kill"],
)
def test_death_of_a_worker(end, reason):
    batches = iter(load(lambda index: end() if index == 3 else index, batch_size=None))
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexp") as e:
        list(batches)
    assert reason in str(e.value)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        next(batches)


def test_death_in_the_middle_of_a_message():
    batches = iter(load(lambda index: bytes(1 << 20), batch_size=None))
    time.sleep(0.2)  # longer than it takes to fill the pipes
    for worker in batches._workers:
        os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        next(batches)


def test_timeout():
    batches = iter(load(lambda index: time.sleep(0.5), timeout=0.1))
    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.1 seconds"):
        next(batches)


# -- the end ---------------------------------------------------------------------------------


def test_workers_end_with_the_epoch():
    batches = iter(load(lambda index: index))
    pids = [worker.pid for worker in batches._workers]
    list(batches)
    wait_until_gone(pids, timeout_s=0)


def test_workers_end_when_the_iterator_is_dropped():
    for size in (1, 1 << 20):  # with pipes empty and full
        batches = iter(load(lambda index, size=size: bytes(size), batch_size=None))
        next(batches)
        pids = [worker.pid for worker in batches._workers]
        del batches
        wait_until_gone(pids, timeout_s=0)


def test_worker_that_hangs_is_terminated(monkeypatch):
    monkeypatch.setattr(iterators, "STATUS_CHECK_INTERVAL_S", 0.1)
    batches = iter(load(lambda index: time.sleep(60)))
    pids = [worker.pid for worker in batches._workers]
    del batches
    wait_until_gone(pids, timeout_s=0)


SCRIPT = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
from rushlight.utils.data import DataLoader, worker
worker.STATUS_CHECK_INTERVAL_S = 0.1
class Slow:
    def __len__(self): return 1000
    def __getitem__(self, index): time.sleep(0.01); return index
batches = iter(DataLoader(Slow(), num_workers=2, multiprocessing_context="fork",
                          persistent_workers={persistent}))
next(batches)
print(*[worker.pid for worker in batches._workers], flush=True)
{rest}
"""


@pytest.mark.parametrize(
    "rest, persistent, returncode, stderr",
    [
        ("", True, 0, ""),
        ("raise SystemExit(4)", False, 4, ""),
        ("os.killpg(0, signal.SIGINT); list(batches)", False, -signal.SIGINT, "KeyboardInterrupt"),
        ("os.kill(os.getpid(), signal.SIGKILL)", True, -signal.SIGKILL, ""),
    ],
    ids=["exit", "SystemExit", "ctrl-c", "killed"],
)
def test_workers_end_with_the_interpreter(rest, persistent, returncode, stderr):
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(persistent=persistent, rest=rest)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == returncode, process.stderr
    assert process.stderr.count("Traceback") == stderr.count("KeyboardInterrupt")
    assert process.stderr.strip().endswith(stderr)
    wait_until_gone([int(pid) for pid in process.stdout.split()])


def test_a_fork_leaves_the_workers_alone():
    batches = iter(load(lambda index: index, batch_size=None))
    pid = os.fork()
    if pid == 0:
        batches._shutdown_workers()
        os._exit(0)
    os.waitpid(pid, 0)
    assert list(batches) == list(range(6))
