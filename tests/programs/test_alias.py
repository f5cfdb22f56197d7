"""The `torch` alias: same module objects, clear errors, no real PyTorch, and child processes."""

import multiprocessing

import pytest


def test_modules_are_the_same_objects(write, rushlight_run):
    write(
        "program.py",
        """
import sys
import torch.nn.functional as F
import torch.optim
import torch
from torch.utils.data import DataLoader
from torch import nn
import rushlight
import rushlight.nn.functional

assert torch is rushlight
assert nn is rushlight.nn and F is rushlight.nn.functional
assert torch.utils.data.DataLoader is DataLoader
assert DataLoader is sys.modules["rushlight.utils.data"].DataLoader
assert torch.nn.__name__ == "rushlight.nn" and torch.nn.__spec__.name == "rushlight.nn"
assert nn.Linear(2, 2).__class__ is rushlight.nn.Linear
""",
    )
    done = rushlight_run("program.py")
    assert done.returncode == 0, done.stderr


def test_real_packages_are_not_imported(write, rushlight_run):
    for name in ("torch", "torchvision", "torchaudio"):
        write(f"{name}/__init__.py", "raise SystemExit('the real one')")
    write(
        "program.py",
        """
import torch, torchvision.datasets
assert torch.__name__ == "rushlight" and torchvision.__name__ == "rushlight.vision"
try:
    import torchaudio
except ModuleNotFoundError as error:
    print(error)
""",
    )
    done = rushlight_run("program.py")
    assert done.returncode == 0, done.stderr
    assert "rushlight has no torchaudio yet" in done.stdout


MISSING = """
import importlib.util
for name in (
    "torch.no_such", "torch.nn.fuctional", "torch.engine", "torch.vision.datasets", "torchtext"
):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        assert error.name is not None and name.startswith(error.name), error.name
        print(error)
    else:
        raise SystemExit(f"{name} was imported")
assert importlib.util.find_spec("torch.no_such") is None
assert importlib.util.find_spec("torchtext") is None
assert importlib.util.find_spec("torch.nn.functional") is not None
assert importlib.util.find_spec("json") is not None
"""


def test_missing_modules_are_named_with_a_hint(write, rushlight_run):
    write("program.py", MISSING)
    done = rushlight_run("program.py")
    assert done.returncode == 0, done.stderr
    assert "rushlight has no torch.no_such yet" in done.stdout
    assert "rushlight has no torch.nn.fuctional yet" in done.stdout
    assert "functional" in done.stdout.split("fuctional yet")[1].splitlines()[1]
    assert "rushlight has no torch.engine yet" in done.stdout
    assert "rushlight has no torch.vision yet" in done.stdout


def test_install_and_uninstall(write, python):
    write("other/torch.py", "")
    write(
        "program.py",
        """
import sys
from rushlight.interop import alias

alias.install()
alias.install()
assert sum(type(f).__module__ == alias.__name__ for f in sys.meta_path) == 1
import torch.nn
assert torch.__name__ == "rushlight"
alias.uninstall()
assert not any(name.split(".")[0] == "torch" for name in sys.modules)
sys.path.insert(0, "other")
import torch
assert torch.__file__.endswith("torch.py")
try:
    alias.install()
except RuntimeError as error:
    print(error)
""",
    )
    done = python("program.py")
    assert done.returncode == 0, done.stderr
    assert "torch is already imported" in done.stdout and "hint:" in done.stdout


def test_a_dependency_that_fails_is_reported_as_itself(write, rushlight_run):
    write("tensorboard/__init__.py", "import no_such_dependency")
    write("program.py", "import torch.utils.tensorboard")
    done = rushlight_run("program.py")
    assert "No module named 'no_such_dependency'" in done.stderr


WORKERS = """
import multiprocessing, sys
import torch

def work(queue):
    import torch.nn
    queue.put((torch.__name__, torch.nn.__name__, __name__))

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.SimpleQueue()
    child = context.Process(target=work, args=(queue,))
    child.start()
    child.join()
    if child.exitcode == 0:
        print(*queue.get())
    sys.exit(child.exitcode)
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_child_processes_have_the_alias(write, rushlight_run, method):
    write("torch/__init__.py", "raise SystemExit('the real one')")
    write("program.py", WORKERS)
    done = rushlight_run("program.py", method)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["rushlight", "rushlight.nn"]


LOADER = """
import sys
import torch
from torch.utils.data import DataLoader, Dataset

class Squares(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.tensor(index) ** 2

if __name__ == "__main__":
    loader = DataLoader(Squares(), 4, num_workers=2, multiprocessing_context=sys.argv[1])
    print([batch.tolist() for batch in loader])
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_loader_workers_have_the_alias(write, rushlight_run, method):
    write("program.py", LOADER)
    done = rushlight_run("program.py", method)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[[0, 1, 4, 9], [16, 25, 36, 49]]"
