"""The kernel that measures multiply-adds, for every instruction set."""

import pytest

from rushlight.engine.backends.cpu import peak
from rushlight.engine.backends.cpu.kernels import isa

llvm = pytest.importorskip("llvmlite.binding")


@pytest.mark.parametrize("row", isa.TABLE, ids=lambda row: row.name)
def test_one_multiply_add_per_accumulator(row):
    text = peak.kernel(row)
    assert text.count("call <") == peak.accumulators(row) >= 12
    llvm.parse_assembly(text.replace("@NAME", "@peak")).verify()


def test_rate_is_plausible():
    assert 0.1 < peak.fma_gflops() < 1000
