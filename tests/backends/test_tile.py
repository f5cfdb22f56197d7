"""The register tile against NumPy: heights, edges, segments, dtypes; code of other processors."""

import ctypes
import itertools
import re

import numpy as np
import pytest

llvm = pytest.importorskip("llvmlite.binding")

from rushlight.engine.backends.cpu.kernels import isa as isas  # noqa: E402
from rushlight.engine.backends.cpu.kernels import text as texts  # noqa: E402
from rushlight.engine.backends.cpu.kernels.tile import (  # noqa: E402
    TALLEST,
    functions,
    partial,
    plain,
)
from rushlight.engine.backends.cpu.kernels.vectors import lanes, wide  # noqa: E402
from rushlight.engine.base import dtypes  # noqa: E402

NAMES = "float32 float64 float16 bfloat16 uint8 int8 int32 int64".split()
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}  # of the sum of the products' magnitudes
HERE = {"avx512": "", "avx2": "haswell", "vector128": "haswell"}  # processor to compile for
CASES = [(isa, name) for isa in isas.TABLE for name in NAMES]


def compiled(text, target, cpu, features):
    """(module, target machine)."""
    parsed = llvm.parse_assembly(text)
    parsed.verify()
    return parsed, target.create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


def module(dtype, isa):
    return texts.module(*functions(dtype, isa, "@NAME", linkage=""))


def function(dtype, isa):
    """The tiles' function for this machine, or a skip."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    present = llvm.get_host_cpu_features()
    if not all(present.get(f) for f in isa.needs):
        pytest.skip(f"this processor lacks {isa.name}")
    triple = llvm.get_default_triple()
    cpu = HERE[isa.name] if triple.startswith("x86_64") else ""
    features = "" if cpu else present.flatten()
    target = llvm.Target.from_default_triple()
    parsed, machine = compiled(
        module(dtype, isa), target, cpu or llvm.get_host_cpu_name(), features
    )
    engine = llvm.create_mcjit_compiler(parsed, machine)
    engine.finalize_object()
    address = engine.get_function_address("NAME")
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 10)(address)
    return lambda *arguments, keep=engine: call(*arguments)


def numbers(rng, shape, dtype):
    if dtype.category == dtypes.INT:
        return rng.integers(-100 if dtype.is_signed else 0, 100, shape).astype(dtype.np)
    return rng.standard_normal(shape).astype(dtype.np)


def check(call, dtype, isa, vectors, rows, last, add, depths, strided):
    """One tile of so many segments; what lies beside C must stay."""
    rng = np.random.default_rng(rows)
    columns = (vectors - 1) * lanes(dtype, isa) + last
    a_step = 3 if strided else 1
    spread = [numbers(rng, (rows, max(1, k * a_step)), dtype) for k in depths]
    parts = [(s[:, ::a_step][:, :k], numbers(rng, (k, columns + 1), dtype))
             for s, k in zip(spread, depths, strict=True)]  # fmt: skip
    c = numbers(rng, (rows, columns + 2), wide(dtype))
    words = []
    for (_, b), s in zip(parts, spread, strict=True):
        addresses = [s.ctypes.data + r * s.strides[0] for r in range(rows)]
        words += [len(b), b.ctypes.data, *addresses, *[0] * (TALLEST - rows)]
    segments, before, size = np.array(words, np.int64), c.copy(), dtype.itemsize
    steps = size * a_step, size * (columns + 1)
    at = segments.ctypes.data, len(depths), *steps, c.ctypes.data, c.strides[0]
    call(vectors, rows, *at, last, add)
    assert (c[:, columns:] == before[:, columns:]).all()
    operands = [(a, b[:, :columns]) for a, b in parts]
    expected = plain(operands, before[:, :columns] * add)
    if dtype.category == dtypes.INT:
        assert (c[:, :columns] == expected.astype(wide(dtype).np)).all()
        return
    size = plain([(np.abs(a), np.abs(b)) for a, b in operands], np.abs(before[:, :columns]))
    assert (np.abs(c[:, :columns] - expected) <= TOLERANCE[wide(dtype).name] * size).all()


@pytest.mark.parametrize("isa, name", CASES, ids=[f"{i.name}-{n}" for i, n in CASES])
def test_agrees_with_numpy(isa, name):
    dtype = getattr(dtypes, name)
    call, each = function(dtype, isa), lanes(dtype, isa)
    for vectors, most in enumerate(isa.rows, 1):
        some = sorted({1, each // 2, each - 1, each})
        lasts = some if partial(dtype, isa, vectors) else [each]
        for rows, last, add, depths in itertools.product(
            range(1, most + 1), lasts, (0, 1), ((), (0,), (5,), (0, 3, 17))
        ):
            check(call, dtype, isa, vectors, rows, last, add, depths, strided=rows % 2 == 0)


def test_nan_and_infinity_reach_their_column_only():
    isa = isas.of(llvm.get_host_cpu_features())
    call, each = function(dtypes.float32, isa), isa.lanes(4)
    a, b, c = np.ones((1, 3), "f4"), np.ones((3, each), "f4"), np.zeros((1, each), "f4")
    b[1, 0], b[2, each - 1] = np.nan, np.inf
    words = [3, b.ctypes.data, a.ctypes.data, *[0] * (TALLEST - 1)]
    segments = np.array(words, np.int64)
    at = segments.ctypes.data, 1, 4, 4 * each, c.ctypes.data, 4 * each
    call(1, 1, *at, each, 0)
    assert np.isnan(c[0, 0]) and np.isinf(c[0, -1]) and (c[0, 1:-1] == 3).all()


OTHERS = [
    ("x86_64-unknown-linux-gnu", "skylake-avx512", "avx512", r"[xyz]mm\d+, -?\d*\(%rsp"),
    ("x86_64-unknown-linux-gnu", "znver4", "avx512", r"[xyz]mm\d+, -?\d*\(%rsp"),
    ("x86_64-unknown-linux-gnu", "haswell", "avx2", r"[xyz]mm\d+, -?\d*\(%rsp"),
    ("aarch64-unknown-linux-gnu", "neoverse-n1", "vector128", r"\bq\d+(, q\d+)?, \[sp"),
    ("aarch64-unknown-linux-gnu", "apple-m1", "vector128", r"\bq\d+(, q\d+)?, \[sp"),
]


@pytest.mark.parametrize("triple, cpu, name, spill", OTHERS, ids=[o[1] for o in OTHERS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_processor_spills_vectors(triple, cpu, name, spill, dtype):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    isa = next(i for i in isas.TABLE if i.name == name)
    text = module(getattr(dtypes, dtype), isa)
    parsed, machine = compiled(text, llvm.Target.from_triple(triple), cpu, "")
    assembly, _ = machine.emit_assembly(parsed).split("\nNAME:")  # which only calls tiles
    assert re.search(r"fmadd|fmla", assembly), "no fused multiply-add"
    assert not re.search(spill, assembly), re.findall(spill, assembly)[:3]
