"""Helper threads: the same results for any number of them, forks, exits, several user threads, and
code for other systems."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

llvm = pytest.importorskip("llvmlite.binding")

import rushlight as torch  # noqa: E402
from rushlight.engine.backends.cpu import pool, program  # noqa: E402
from rushlight.engine.runtime import threads  # noqa: E402


@pytest.fixture
def several():
    """Threads, and the number there was given back."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def work():
    """Results of kernels of every kind that threads share."""
    torch.manual_seed(0)
    x, y = torch.randn(700, 900), torch.randn(900, 500)
    long = torch.randn(1_000_003)
    product = x @ y
    image, kernel = torch.randn(4, 20, 40, 40), torch.randn(30, 20, 3, 3, requires_grad=True)
    convolved = torch.nn.functional.conv2d(image, kernel, padding=1)
    found = [
        convolved.detach(),
        *torch.autograd.grad(convolved, kernel, convolved.detach()),
        product,
        y.t() @ x.t(),
        (x[:1] @ y),
        torch.randn(60, 40, 50) @ torch.randn(60, 50, 70),
        ((long * 2 + 1).exp() * long - 3).abs(),
        x.softmax(-1),
        x.softmax(0),
        torch.nn.functional.layer_norm(x, (900,)),
        x.sum(0),
        x.sum(1),
        long.sum(),
        x.argmax(1),
        x.t().contiguous(),
        torch.arange(1_000_000).view(1000, 1000) + torch.arange(1000),
        x[torch.randint(0, 700, (3000,))],
    ]
    return [t.numpy().tobytes() for t in found]


def test_results_do_not_depend_on_the_threads(several):
    found = {}
    for n in (1, 2, 3, 4):
        torch.set_num_threads(n)
        for _ in range(3):
            assert found.setdefault("one", work()) == work()


def test_numbers_of_threads():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert torch.get_num_threads() == 3
        with pytest.raises(RuntimeError, match="positive"):
            torch.set_num_threads(0)
        with pytest.raises(TypeError, match="int"):
            torch.set_num_threads(1.5)
    finally:
        torch.set_num_threads(before)


def test_available_processors(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    everything = threads.available(tmp_path / "missing")
    assert everything >= 1
    (tmp_path / "max").write_text("150000 100000\n", encoding="ascii")
    assert threads.available(tmp_path / "max") == min(everything, 2)
    (tmp_path / "max").write_text("max 100000\n", encoding="ascii")
    assert threads.available(tmp_path / "max") == everything
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads.available(tmp_path / "missing") == 3


def test_errors_leave_the_pool_whole(several):
    table = torch.randn(1000, 1000)
    for _ in range(3):
        with pytest.raises(IndexError):
            (table[torch.full((2000,), 1000)] + 1).numpy()
        assert work() == work()


def test_two_user_threads(several):
    expected, failures = work(), []

    def user():
        x = np.random.default_rng(0).standard_normal((600, 600)).astype(np.float32)
        for _ in range(20):
            t = torch.from_numpy(x)
            if not np.allclose((t @ t).numpy(), x @ x, atol=1e-3):
                failures.append("product")

    users = [threading.Thread(target=user) for _ in range(2)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join(60)
        assert not thread.is_alive()
    assert not failures
    assert work() == expected


FORK = """
import os, sys, threading
import rushlight as torch
torch.set_num_threads(4)
x = torch.randn(600, 600)
expected = ((x @ x).exp() + 1).sum().item()
busy = threading.Thread(target=lambda: [(x @ x).sum().item() for _ in range(200)], daemon=True)
busy.start()
for _ in range(10):
    child = os.fork()
    if not child:
        same = all(((x @ x).exp() + 1).sum().item() == expected for _ in range(3))
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
print("fine")
"""
EXITS = {
    "end": "",
    "exception": "raise ValueError",
    "exit": "sys.exit(0)",
    "os._exit": "sys.stdout.flush(); os._exit(0)",
    "interrupt": "raise KeyboardInterrupt",
    "daemon": "threading.Thread(target=forever, daemon=True).start()",
}
EXIT = """
import os, sys, threading
import rushlight as torch
torch.set_num_threads(4)
x = torch.randn(600, 600)
def forever():
    while True:
        (x @ x).sum().item()
print((x @ x).numpy().shape)
{}
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forks_while_threads_work():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=90)
    assert done.stdout == "fine\n", done.stderr[-2000:]


@pytest.mark.parametrize("how", EXITS)
def test_exits(how):
    program = EXIT.format(EXITS[how])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "(600, 600)\n", done.stderr[-2000:]
    assert done.returncode >= 0 or how == "interrupt"


@pytest.mark.parametrize("system", [*pool.SYSTEMS, "another"])
@pytest.mark.parametrize("x86", [True, False])
def test_code_for_other_systems(system, x86):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    kernel = "define void @NAME(ptr %k, ptr %t, ptr %a) {\n"
    kernel += "  call void @region(ptr %k, ptr %t, ptr %a, i64 4, i64 9)\n  ret void\n}\n"
    module = llvm.parse_assembly(pool.text(system, x86) + kernel)
    module.verify()
    where = {"linux": "unknown-linux-gnu", "darwin": "apple-darwin", "win32": "pc-windows-msvc"}
    triple = f"{'x86_64' if x86 else 'aarch64'}-{where.get(system, 'unknown-linux-gnu')}"
    module.triple = triple
    assert llvm.Target.from_triple(triple).create_target_machine().emit_object(module)


def test_little_work_is_not_cut(monkeypatch):
    """A kernel is cut where each task is worth a thread's while."""
    seen, made = [], program.Call

    def call(*fields):
        seen.append(fields[2])
        return made(*fields)

    monkeypatch.setattr(program, "Call", call)
    (torch.randn(1000) + 1).numpy()
    (torch.randn(30, 40) @ torch.randn(40, 50)).numpy()
    assert seen == [1, 1]
    (torch.randn(1_000_000) + 1).numpy()
    (torch.randn(300, 400) @ torch.randn(400, 500)).numpy()
    assert min(seen[2:]) > 1
