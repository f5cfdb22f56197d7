"""Matrix products as kernels against NumPy in double precision: sizes about the tile's, 0 and 1,
batches, any strides; and which products of a program run so."""

import ctypes
import functools
import math

import numpy as np
import pytest

llvm = pytest.importorskip("llvmlite.binding")

import rushlight as torch  # noqa: E402
from rushlight.engine.backends.cpu import contract, products  # noqa: E402
from rushlight.engine.backends.cpu.cuts import isa  # noqa: E402
from rushlight.engine.backends.cpu.kernels import blocked, product  # noqa: E402
from rushlight.engine.backends.cpu.kernels.vectors import lanes, wide  # noqa: E402
from rushlight.engine.base import dtypes  # noqa: E402
from rushlight.engine.runtime import cache  # noqa: E402

SIZES = (0, 1, 2, 3, 5, 6, 7, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 130, 200, 385, 513, 1030)
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}  # of the sum of the products' magnitudes
WORK = 1 << 23  # multiplications


@functools.cache
def native(dtype):
    kinds = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p
    return ctypes.CFUNCTYPE(None, *kinds)(contract.code(dtype))


def placed(entry, array):
    """An operand's Matrices."""
    *batch, row, column = array.strides
    return product.Matrices(entry, 0, tuple(batch), row, column)


def multiply(a, b, c, in_tasks=False):
    """c = a @ b by the kernels, at once or task by task."""
    dtype = dtypes.from_numpy_dtype(a.dtype)
    a, b = (np.broadcast_to(x, c.shape[:-2] + x.shape[-2:]) for x in (a, b))
    sizes = *a.shape[-2:], c.shape[-1]
    operands = [placed(1 + i, x) for i, x in enumerate((a, b, c))]
    plan = products.plan(dtype, sizes, c.shape[:-2], *operands)
    space = np.zeros(plan.scratch + 64, np.uint8)
    table = np.array([0, *(x.ctypes.data for x in (a, b, c))], np.int64)
    words = np.array(plan.words, np.int64)
    for task in range(plan.tasks) if in_tasks and plan.tasks > 1 else (-1,):
        native(dtype)(table.ctypes.data, words.ctypes.data, task, space.ctypes.data)
    return plan.tasks


def matrices(rng, batch, rows, columns, dtype):
    """Random matrices: contiguous, transposed, with gaps, or reversed; some batch sizes 1."""
    batch = tuple(n if rng.random() < 0.7 else 1 for n in batch)
    kind = rng.integers(4)
    shape = {1: (columns, rows), 2: (rows, 2 * columns + 1)}.get(kind, (rows, columns))
    if dtype.category == dtypes.INT:
        x = rng.integers(-50, 50, (*batch, *shape)).astype(dtype.np)
    else:
        x = rng.standard_normal((*batch, *shape)).astype(dtype.np)
    if kind == 1:
        return x.swapaxes(-1, -2)
    if kind == 2:
        return x[..., 1::2]
    return x[..., ::-1, ::-1] if kind == 3 else x


NAMES = "float32 float64 float16 bfloat16 uint8 int8 int16 int32 int64".split()


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_numpy(name):
    rng, dtype, done, divided = np.random.default_rng(0), getattr(dtypes, name), 0, 0
    while done < 150:
        rows, depth, columns = map(int, rng.choice(SIZES, 3))
        batch = tuple(map(int, rng.integers(1, 4, rng.integers(0, 3))))
        if rows * depth * columns > WORK or rows * columns == 0:
            continue
        a = matrices(rng, batch, rows, depth, dtype)
        b = matrices(rng, batch, depth, columns, dtype)
        memory = np.full(math.prod(batch) * rows * columns + 9, 7, dtype.np)
        c = memory[:-9].reshape(*batch, rows, columns)
        multiply(a, b, c)
        assert (memory[-9:] == 7).all()
        if rng.random() < 0.3:
            whole = c.copy()
            c[...] = 7
            divided += multiply(a, b, c, in_tasks=True) > 1
            assert whole.tobytes() == c.tobytes(), (a.shape, b.shape)
        if dtype.category == dtypes.INT:
            expected = (a.astype(np.int64) @ b.astype(np.int64)).astype(dtype.np)
            assert (c == expected).all(), (a.shape, b.shape)
        else:
            a, b = a.astype(np.float64), b.astype(np.float64)
            limit = TOLERANCE[wide(dtype).name] * (np.abs(a) @ np.abs(b))
            if dtype in dtypes.HALVES:  # one rounding more
                limit += np.abs(a @ b) * 2.0 ** (-11 if dtype is dtypes.float16 else -8) + 1e-7
            wrong = np.abs(c.astype(np.float64) - a @ b) > limit
            assert not wrong.any(), (a.shape, a.strides, b.shape, b.strides)
        done += 1
    assert divided


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_halves_keep_nan_and_infinity(name):
    dtype = getattr(dtypes, name)
    with np.errstate(over="ignore"):
        b = np.array([[np.nan, np.inf, 1, 60000, 3e38]]).astype(dtype.np)
        expected = (b.astype(np.float32) * 4).astype(dtype.np).astype(np.float64)
    c = np.zeros((1, 5), dtype.np)
    multiply(np.full((1, 1), 4, dtype.np), b, c)
    np.testing.assert_array_equal(c.astype(np.float64), expected)


@pytest.mark.parametrize("columns", [1, 15, 16, 17, 63, 64, 65, 100, 128, 200, 1000])
def test_widths_cover_the_columns(columns):
    here = isa()
    for dtype in (dtypes.float32, dtypes.float64):
        each = lanes(dtype, here)
        found = blocked.widths(columns, dtype, here)
        assert sum(n * ((v - 1) * each + last) for v, n, last in found) == columns
        assert all(0 < last <= each and 0 < v <= here.widest for v, _, last in found)


def shapes_of(monkeypatch, function):
    """Shapes of the products that ran as kernels while a function ran."""
    seen, made = [], contract.of_step

    def of_step(step, *rest):
        seen.append(step.value.shape)
        return made(step, *rest)

    monkeypatch.setattr(contract, "of_step", of_step)
    function()
    return seen


def test_products_of_numbers_are_kernels(monkeypatch):
    x, w, big = torch.rand(5, 7), torch.rand(11, 7), torch.rand(200, 200)
    assert shapes_of(monkeypatch, (lambda: (x @ w.t()).relu().sum().item())) == [(5, 11)]
    assert shapes_of(monkeypatch, (lambda: (big @ big).sum().item())) == [(200, 200)]
    z = torch.rand(3, 3, dtype=torch.complex64)
    assert shapes_of(monkeypatch, (lambda: (z @ z).abs().sum().item())) == []


def test_no_size_compiles_anything():
    """Also where the batch is what the columns are, and where a size makes it pack."""

    def run(columns, rows):
        w, x = torch.rand(rows, 20), torch.rand(20, columns)
        return (w @ x).sum().item() + (x.t() @ w.t()).sum().item()

    run(30, 5)
    before = cache.counters["compiled"] + cache.counters["loaded"]
    for columns, rows in ((3, 5), (17, 9), (40, 130), (64, 64), (100, 33), (1, 40)):
        run(columns, rows)
    assert cache.counters["compiled"] + cache.counters["loaded"] == before


def test_operands_of_empty_pieces():
    """What no step writes has no place."""
    x, y = torch.zeros(0, 1), torch.zeros(2, 3)
    assert (torch.cat([x, x]) @ y[:1]).numpy().shape == (0, 3)
    assert (y[:, :2] @ torch.cat([x.t(), x.t()])).numpy().shape == (2, 0)
    assert (torch.cat([x.t(), x.t()]) @ torch.cat([x, x])).tolist() == [[0.0], [0.0]]
