"""The register tile against NumPy: heights, edges, segments, dtypes; code of other processors."""

import ctypes
import itertools
import re

import numpy as np
import pytest

llvm = pytest.importorskip("llvmlite.binding")

from rushlight.engine.backends.cpu.kernels import isa as isas  # noqa: E402
from rushlight.engine.backends.cpu.kernels.tile import Tile, balanced, module, plain  # noqa: E402
from rushlight.engine.base import dtypes  # noqa: E402

NAMES = "float32 float64 float16 bfloat16 uint8 int8 int32 int64".split()
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}  # of the sum of the products' magnitudes
HERE = {"avx512": "", "avx2": "haswell", "vector128": "haswell"}  # processor to compile for
CASES = [
    (isa, name, vectors)
    for isa in isas.TABLE
    for name in NAMES
    for vectors in range(1, isa.widest + 1)
]


def compiled(text, target, cpu, features):
    """(module, target machine)."""
    parsed = llvm.parse_assembly(text)
    parsed.verify()
    return parsed, target.create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


def function(tile, isa):
    """The tile's function for this machine, or a skip."""
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
        module(tile, isa), target, cpu or llvm.get_host_cpu_name(), features
    )
    engine = llvm.create_mcjit_compiler(parsed, machine)
    engine.finalize_object()
    address = engine.get_function_address("NAME")
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 9)(address)
    return lambda *arguments, keep=engine: call(*arguments)


def numbers(rng, shape, dtype):
    if dtype.category == dtypes.INT:
        return rng.integers(-100 if dtype.is_signed else 0, 100, shape).astype(dtype.np)
    return rng.standard_normal(shape).astype(dtype.np)


def check(call, tile, isa, rows, last, add, depths, strided):
    """One tile of so many segments; what lies beside C must stay."""
    rng = np.random.default_rng(rows)
    most, lanes = isa.rows[tile.vectors - 1], isa.lanes(tile.wide.itemsize)
    columns = tile.width(isa) - lanes + last
    a_step = 3 if strided else 1
    spread = [numbers(rng, (rows, max(1, k * a_step)), tile.dtype) for k in depths]
    parts = [(s[:, ::a_step][:, :k], numbers(rng, (k, columns + 1), tile.dtype))
             for s, k in zip(spread, depths, strict=True)]  # fmt: skip
    c = numbers(rng, (rows, columns + 2), tile.wide)
    words = []
    for (_, b), s in zip(parts, spread, strict=True):
        addresses = [s.ctypes.data + r * s.strides[0] for r in range(rows)]
        words += [len(b), b.ctypes.data, *addresses, *[0] * (most - rows)]
    segments, before, size = np.array(words, np.int64), c.copy(), tile.dtype.itemsize
    steps = size * a_step, size * (columns + 1)
    call(rows, segments.ctypes.data, len(depths), *steps, c.ctypes.data, c.strides[0], last, add)
    assert (c[:, columns:] == before[:, columns:]).all()
    operands = [(a, b[:, :columns]) for a, b in parts]
    expected = plain(operands, before[:, :columns] * add)
    if tile.dtype.category == dtypes.INT:
        assert (c[:, :columns] == expected.astype(tile.wide.np)).all()
        return
    size = plain([(np.abs(a), np.abs(b)) for a, b in operands], np.abs(before[:, :columns]))
    assert (np.abs(c[:, :columns] - expected) <= TOLERANCE[tile.wide.name] * size).all()


@pytest.mark.parametrize(
    "isa, name, vectors", CASES, ids=[f"{i.name}-{n}-{v}" for i, n, v in CASES]
)
def test_agrees_with_numpy(isa, name, vectors):
    tile = Tile(getattr(dtypes, name), vectors)
    call, lanes = function(tile, isa), isa.lanes(tile.wide.itemsize)
    lasts = sorted({1, lanes // 2, lanes - 1, lanes}) if tile.partial(isa) else [lanes]
    for rows in range(1, isa.rows[vectors - 1] + 1):
        for last, add, depths in itertools.product(lasts, (0, 1), ((), (0,), (5,), (0, 3, 17))):
            check(call, tile, isa, rows, last, add, depths, strided=rows % 2 == 0)


def test_nan_and_infinity_reach_their_column_only():
    tile, isa = Tile(dtypes.float32, 1), isas.of(llvm.get_host_cpu_features())
    call, lanes = function(tile, isa), isa.lanes(4)
    a, b, c = np.ones((1, 3), "f4"), np.ones((3, lanes), "f4"), np.zeros((1, lanes), "f4")
    b[1, 0], b[2, lanes - 1] = np.nan, np.inf
    rows = isa.rows[0]
    segments = np.array([3, b.ctypes.data, a.ctypes.data, *[0] * (rows - 1)], np.int64)
    call(1, segments.ctypes.data, 1, 4, 4 * lanes, c.ctypes.data, 4 * lanes, lanes, 0)
    assert np.isnan(c[0, 0]) and np.isinf(c[0, -1]) and (c[0, 1:-1] == 3).all()


@pytest.mark.parametrize("most", range(1, 15))
def test_heights_are_balanced(most):
    for rows in range(200):
        found = balanced(rows, most)
        assert sum(h * n for h, n in found) == rows
        assert sum(n for _, n in found) == -(-rows // most)
        assert all(0 < h <= most for h, _ in found) and len(found) <= 2
        assert len(found) < 2 or found[0][0] - found[1][0] == 1


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
    for vectors in range(1, isa.widest + 1):
        text = module(Tile(getattr(dtypes, dtype), vectors), isa)
        parsed, machine = compiled(text, llvm.Target.from_triple(triple), cpu, "")
        assembly, _ = machine.emit_assembly(parsed).split("\nNAME:")  # which only calls tiles
        assert re.search(r"fmadd|fmla", assembly), "no fused multiply-add"
        assert not re.search(spill, assembly), (vectors, re.findall(spill, assembly)[:3])
