"""Where data lies: read from NumPy's array objects, or asked of NumPy where that does not work."""

import subprocess
import sys

import numpy as np
import pytest

address = pytest.importorskip("rushlight.engine.backends.cpu.address")
pytest.importorskip("llvmlite")

ASKED = """
import rushlight.engine.backends.cpu.address as a
a.READABLE, a.hand_over, a.address = False, a._listed, a._by_ctypes
import rushlight as torch
x = torch.arange(1000.0)
assert ((x * x).sum() + x.max()).item() == (x.numpy() ** 2).sum() + 999.0
assert torch.nn.functional.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2)).sum().item() == 36
"""


def test_address_is_that_of_numpy():
    for a in (np.zeros(3), np.zeros(100)[7:], np.zeros((0,)), np.frombuffer(b"0123", np.uint8)):
        assert address.address(a) == a.ctypes.data


@pytest.mark.parametrize("n", [0, 1, 7, 4096, 100_000])
def test_allocations(n):
    make, size, dtype = address.allocation(n, np.dtype(np.float32))
    array = make(size, dtype)
    assert (array.shape, array.dtype) == ((n,), np.float32)
    if array.nbytes >= address.SMALL:
        assert array.ctypes.data % 64 == 0


def test_asked_of_numpy():
    subprocess.run([sys.executable, "-c", ASKED], check=True)
