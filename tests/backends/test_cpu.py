"""The CPU backend itself: what is compiled, cached and checked; accuracy of long sums."""

import os
import subprocess
import sys

import numpy as np
import pytest

import rushlight  # noqa: F401
from rushlight.engine.backends.reference.run import evaluate
from rushlight.engine.base import dtypes
from rushlight.engine.base.shapes import numel
from rushlight.engine.ir import lang as L
from rushlight.engine.ir.graph import Graph
from rushlight.engine.ir.primitives import PRIMITIVES
from rushlight.engine.runtime import cache

program = pytest.importorskip("rushlight.engine.backends.cpu.program")
from rushlight.engine.backends.cpu import jit as jits  # noqa: E402


def compiled(function, *arrays, scalars=(), updates=None):
    """The Program of function(*values); arrays say shapes and dtypes."""
    graph, values = Graph(), []
    for a in arrays:
        dtype = next(d for d in dtypes.ALL if d.np == a.dtype)
        flat = graph.add_input(PRIMITIVES["input"], (a.size,), dtype)
        values.append(L.reshape(flat, a.shape))
    numbers = [
        graph.emit(PRIMITIVES["scalar"], (), index=i, shape=(), dtype=dtypes.float64)
        for i, _ in enumerate(scalars)
    ]
    outs = function(*values, *numbers)
    outs = outs if isinstance(outs, tuple) else (outs,)
    graph.outputs = [L.reshape(v, (numel(v.shape),)) for v in outs]
    return program.compile(graph, numbers, updates or {}, evaluate)


def run(function, *arrays, scalars=(), updates=None):
    made = compiled(function, *arrays, scalars=scalars, updates=updates)
    return made.run([a.reshape(-1) for a in arrays], scalars)


def softmax(x):
    e = L.exp(x - L.max_(x, [1], True))
    return e / L.sum_(e, [1], True)


def test_sizes_and_numbers_compile_nothing_new():
    def f(x, number):
        return softmax(x * L.broadcast(L.cast(number, dtypes.float32), x.shape))

    run(f, np.ones((3, 4), np.float32), scalars=[0.5])
    before = dict(cache.counters)
    for rows, columns in ((5, 4), (17, 100), (2, 33)):
        x = np.random.default_rng(0).standard_normal((rows, columns)).astype(np.float32)
        (found,) = run(f, x, scalars=[rows * 0.1])
        e = np.exp(x * np.float32(rows * 0.1))
        np.testing.assert_allclose(found.reshape(x.shape), e / e.sum(1, keepdims=True), rtol=1e-5)
    assert dict(cache.counters) == before


def spread(x):
    """Four passes: row values that read each other, a scratch row, a number of its own a point."""
    low = L.min_(x, [x.ndim - 1], True)
    e = L.exp(L.cast(low - x, dtypes.float64)) + L.cast(L.arange_along(x, 0), dtypes.float64)
    total = L.sum_(e, [x.ndim - 1], True)
    part = e / total
    return part - L.max_(part * part, [x.ndim - 1], True), L.log(total)


@pytest.mark.parametrize("dtype", (np.float32, np.float64, np.int16))
@pytest.mark.parametrize("columns", (1, 2, 8, 31, 33, 100, 511, 512))
def test_short_rows_together(columns, dtype):
    """Chunks of rows that end within, at and behind the last row; one and two kept loops."""
    for rows in ((1,), (3,), (20,), (21,), (64,), (65,), (130,), (7, 5)):
        x = np.random.default_rng(columns).normal(0, 3, (*rows, columns)).astype(dtype)
        found, logs = run(spread, x)
        e = np.exp(x.min(-1, keepdims=True) - x.astype(np.float64))
        e += np.arange(rows[0]).reshape(-1, *[1] * len(rows))
        total = e.sum(-1, keepdims=True)
        expected = e / total - ((e / total) ** 2).max(-1, keepdims=True)
        np.testing.assert_allclose(found.reshape(x.shape), expected, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(logs, np.log(total).reshape(-1), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("spoil", ("truncated", "garbage", "foreign"))
def test_spoilt_cache_entries_are_rewritten(tmp_path, monkeypatch, spoil):
    monkeypatch.setenv("RUSHLIGHT_CACHE_DIR", str(tmp_path))
    text = jits.RUNNER.replace("entry:", "entry: ; a kernel of this test")

    def fresh():
        before = dict(cache.counters)
        jit = jits.Jit()
        assert all(jit.functions([text]))
        return {k: cache.counters[k] - before[k] for k in before}

    assert fresh()["compiled"] == 2  # the runner, and the same text again
    assert fresh() == {"compiled": 0, "loaded": 2, "stored": 0}
    files = sorted(tmp_path.glob("*.o"))
    contents = [f.read_bytes() for f in files]
    for f, mine, other in zip(files, contents, contents[::-1], strict=True):
        f.write_bytes({"truncated": mine[:-9], "garbage": b"no object", "foreign": other}[spoil])
    assert fresh()["compiled"] == 2
    assert [f.read_bytes() for f in files] == contents


def test_the_cache_is_bounded_and_can_be_off(tmp_path, monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_CACHE_DIR", str(tmp_path))
    for i in range(10):
        cache.store(f"key{i}", bytes(1000))
    assert cache.load("key0") == bytes(1000)  # used again: it is kept longest
    cache.trim(tmp_path, limit=3500)
    assert len(list(tmp_path.iterdir())) == 3 and cache.load("key0") is not None
    monkeypatch.setenv("RUSHLIGHT_CACHE", "0")
    assert cache.load("key0") is None and cache.folder() is None


def test_a_second_process_compiles_nothing(tmp_path):
    code = (
        "import rushlight as torch; from rushlight.engine.runtime import cache; "
        "x = torch.softmax(torch.ones(4, 5) * 2, 1).sum().item(); "
        "print(x, cache.counters['compiled'])"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "RUSHLIGHT_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert int(runs[0][1]) > 0 and runs[1] == [runs[0][0], "0"]


def test_a_failed_check_raises_and_stops():
    def f(x, index):
        return L.take(x, L.index_in(index, 4)), x + 1

    x = np.arange(8, dtype=np.float32).reshape(4, 2)
    made = compiled(f, x, np.array([0, 0]))
    (rows, _) = made.run([x.reshape(-1), np.array([-1, 2])], [])
    assert rows.tolist() == [6, 7, 4, 5]
    with pytest.raises(IndexError, match="index 4 is out of bounds"):
        made.run([x.reshape(-1), np.array([1, 4])], [])
    assert made.run([x.reshape(-1), np.array([1, 1])], [])[0].tolist() == [2, 3, 2, 3]


@pytest.mark.parametrize("name", ("idiv", "rem"))
def test_integer_division(name):
    a = np.array([7, -7, -128, 5, -5], np.int8)
    b = np.array([2, 2, -1, -3, 3], np.int8)
    (found,) = run(lambda x, y: L._emit(name, x, y), a, b)
    assert found.tolist() == ([3, -3, -128, -1, -1] if name == "idiv" else [1, -1, 0, 2, -2])
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        run(lambda x, y: L._emit(name, x, y), a, np.zeros_like(b))


@pytest.mark.parametrize("rows", (1, 3, 4, 5, 127, 128, 129, 131, 260))
@pytest.mark.parametrize("fold", ("sum_", "max_", "prod"))
def test_columns_are_folded_in_blocks_of_rows(fold, rows):
    """Rows are taken four at a time, sums in blocks of 128; the first axis does not merge."""
    x = (np.random.default_rng(rows).random((3, 2, rows, 37)) + 0.5).astype(np.float64)
    function = {"sum_": np.sum, "max_": np.max, "prod": np.prod}[fold]
    (found,) = run(lambda v: getattr(L, fold)(v, (0, 2)), x)
    np.testing.assert_allclose(found.reshape(2, 37), function(x, (0, 2)), rtol=1e-13)


@pytest.mark.parametrize("axis", (0, 1, None))
def test_long_sums_are_as_accurate_as_pairwise_ones(axis):
    x = np.random.default_rng(1).random((3000, 700), np.float32)
    axes = (0, 1) if axis is None else (axis,)
    (found,) = run(lambda v: L.sum_(v, axes), x)
    exact = x.astype(np.float64).sum(axis).reshape(-1)
    assert np.max(np.abs(found - exact) / exact) < 5e-7


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@pytest.mark.parametrize("axis", (0, 1))
def test_extremes_let_nan_and_infinity_through(dtype, axis):
    x = np.random.default_rng(2).standard_normal((67, 71)).astype(dtype)
    x[3, 5], x[10], x[:, 20], x[40, 40] = np.nan, -np.inf, -np.inf, np.inf
    for name, rule in (("max", np.max), ("min", np.min), ("argmax", np.argmax)):
        params = dict(axis=axis) if name == "argmax" else dict(axes=(axis,))
        (found,) = run(lambda v, n=name, p=params: L._emit(n, v, **p), x)
        np.testing.assert_array_equal(found, rule(x, axis))


def test_subnormals_and_halves():
    tiny = np.array([1e-45, -1e-40, 6e-8, 65504, 1e-7], np.float32)
    (doubled,) = run(lambda x: x + x, tiny)
    np.testing.assert_array_equal(doubled, tiny + tiny)
    (half,) = run(lambda x: L.cast(x, dtypes.float16), tiny)
    np.testing.assert_array_equal(half, tiny.astype(np.float16))
    bits = np.array([0x3F808000, 0x3F818000, 0x7F7FFFFF, 0x7FC00001, 0x7F800001], np.uint32)
    (brain,) = run(lambda x: L.cast(x, dtypes.bfloat16), bits.view(np.float32))
    expected = [0x3F80, 0x3F82, 0x7F80]  # ties to even, overflow; then NaNs
    assert brain.view(np.uint16)[:3].tolist() == expected and np.isnan(brain[3:]).all()


def test_updates_are_written_in_place_and_outputs_are_fresh():
    p, g = np.ones(9, np.float32), np.arange(9, dtype=np.float32)
    made = compiled(lambda x, y: (x - y, y, y), p, g, updates={0: 0})
    new, first, second = made.run([p, g], [])
    assert new is p and p.tolist() == (1 - g).tolist()
    assert not any(np.shares_memory(a, b) for a, b in ((first, g), (second, g), (first, second)))


def test_read_only_and_unaligned_inputs():
    raw = np.frombuffer(bytes(1) + np.arange(50, dtype=np.float32).tobytes(), np.uint8)
    x = raw[1:].view(np.float32)
    assert not x.flags.writeable
    (found,) = run(lambda v: v * 2, x)
    np.testing.assert_array_equal(found, np.arange(50) * 2)
