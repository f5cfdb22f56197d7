"""Pooling compiled in loop nests, against windows taken one by one in float64."""

import itertools

import numpy as np
import pytest

import rushlight as torch
from rushlight.engine.backends.reference.run import evaluate
from rushlight.engine.base import dtypes
from rushlight.engine.base.shapes import numel
from rushlight.engine.ir import lang as L
from rushlight.engine.ir.graph import Graph
from rushlight.engine.ir.primitives import PRIMITIVES
from rushlight.engine.ir.verify import verify
from rushlight.engine.ops.pooling import pooled_size
from rushlight.engine.runtime import cache
from rushlight.engine.schedule import HostStep

program = pytest.importorskip("rushlight.engine.backends.cpu.program")
F = torch.nn.functional

# sizes, kernel, stride, padding, dilation, ceil_mode
GEOMETRIES = [
    ((9,), (3,), (2,), (1,), (1,), False),
    ((10,), (3,), (3,), (0,), (1,), True),
    ((70,), (31,), (2,), (15,), (1,), False),
    ((80,), (29,), (7,), (9,), (2,), True),
    ((23,), (5,), (5,), (0,), (1,), False),
    ((23,), (6,), (6,), (3,), (1,), True),
    ((40,), (30,), (1,), (3,), (1,), False),
    ((11,), (2,), (5,), (1,), (1,), False),
    ((2,), (2,), (1,), (1,), (3,), False),  # one window, all of it outside
    ((6, 7), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((7, 9), (2, 2), (2, 2), (0, 0), (1, 1), True),
    ((7, 5), (3, 3), (2, 2), (1, 1), (1, 1), False),
    ((8, 9), (3, 2), (1, 3), (1, 0), (2, 1), True),
    ((9, 9), (3, 3), (1, 1), (1, 1), (2, 2), False),
    ((9, 8), (3, 3), (1, 2), (3, 3), (3, 3), True),
    ((5, 1), (3, 3), (2, 2), (1, 1), (1, 1), True),
    ((9, 11), (5, 5), (1, 2), (2, 2), (1, 1), False),
    ((13, 14), (7, 5), (3, 2), (3, 2), (1, 2), True),
    ((6, 5), (6, 5), (1, 1), (0, 0), (1, 1), False),
    ((18, 17), (18, 17), (18, 17), (0, 0), (1, 1), False),
    ((5, 4, 6), (2, 2, 2), (2, 2, 2), (0, 0, 0), (1, 1, 1), True),
    ((5, 6, 7), (3, 3, 3), (2, 1, 2), (1, 1, 1), (1, 1, 1), False),
]
FLAT = [g for g in GEOMETRIES if set(g[4]) == {1}]
DTYPES = ["float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8", "int8"]


def counts(sizes, kernel, stride, padding, dilation, ceil_mode):
    return tuple(
        pooled_size(*v, ceil_mode)
        for v in zip(sizes, kernel, stride, padding, dilation, strict=True)
    )


def places(at, sizes, kernel, stride, padding, dilation):
    """The elements of window `at` that lie inside, in order."""
    for tap in itertools.product(*map(range, kernel)):
        place = tuple(
            i * s - p + t * d
            for i, s, p, t, d in zip(at, stride, padding, tap, dilation, strict=True)
        )
        if all(0 <= i < n for i, n in zip(place, sizes, strict=True)):
            yield place


def largest(plane, geometry):
    """(maxima, flat positions) of one plane."""
    *geometry, ceil_mode = geometry
    out = counts(*geometry, ceil_mode)
    best, index = np.empty(out, plane.dtype), np.empty(out, np.int64)
    for at in np.ndindex(*out):
        found = None
        for place in places(at, *geometry):
            if found is None or plane[place] > plane[found] or plane[place] != plane[place]:
                found = place
        best[at] = -np.inf if found is None else plane[found]
        index[at] = -1 if found is None else np.ravel_multi_index(found, plane.shape)
    return best, index


def sums(plane, geometry):
    *geometry, ceil_mode = geometry
    out = np.zeros(counts(*geometry, ceil_mode), plane.dtype)
    for at in np.ndindex(*out.shape):
        out[at] = sum(plane[place] for place in places(at, *geometry))
    return out


def spread(g, geometry):
    """Transpose of `sums`."""
    *geometry, _ = geometry
    out = np.zeros(geometry[0], g.dtype)
    for at in np.ndindex(*g.shape):
        for place in places(at, *geometry):
            out[place] += g[at]
    return out


def each_plane(function, x, geometry):
    flat = x.reshape(-1, *x.shape[2:])
    found = [function(plane, geometry) for plane in flat]
    if isinstance(found[0], tuple):
        return [
            np.stack(part).reshape(*x.shape[:2], *part[0].shape)
            for part in zip(*found, strict=True)
        ]
    return np.stack(found).reshape(*x.shape[:2], *found[0].shape)


def numbers(shape, dtype="float32", seed=0):
    """Few different numbers, so that maxima meet their equals."""
    rng = np.random.default_rng(seed)
    low = 0 if dtype == "uint8" else -8
    return rng.integers(low, 8, shape) / (1 if "int" in dtype else 4)


def tensor(x, dtype):
    return torch.tensor(x.tolist(), dtype=getattr(torch, dtype)).reshape(x.shape)


def listed(t):
    return np.array(t.double().tolist()).reshape(t.shape)


def run(name, x, geometry, shape=None):
    """A window primitive of a float64 array by a compiled program without host steps."""
    sizes, kernel, stride, padding, dilation, ceil_mode = geometry
    graph = Graph()
    dtype = dtypes.float64
    value = L.reshape(graph.add_input(PRIMITIVES["input"], (x.size,), dtype), x.shape)
    params = dict(kernel=kernel, stride=stride, padding=padding)
    if "max" in name:
        params["dilation"] = dilation
    if name == "window_sum_grad":
        params["shape"] = (*x.shape[:2], *sizes)
    else:
        params["out"] = counts(*geometry)
    found = graph.emit(PRIMITIVES[name], (value,), **params)
    graph.outputs = [L.reshape(found, (numel(found.shape),))]
    compiled = program.compile(graph, [], {}, evaluate)
    verify(compiled.graph)
    assert not any(isinstance(s, HostStep) for s in compiled.memory.steps)
    return compiled.run([x.reshape(-1).copy()], [])[0].reshape(found.shape)


# ------------------------------------------------------------------------------- primitives
@pytest.mark.parametrize("geometry", FLAT, ids=str)
def test_sums_and_their_transpose(geometry):
    x = numbers((2, 3, *geometry[0]))
    np.testing.assert_array_equal(run("window_sum", x, geometry), each_plane(sums, x, geometry))
    g = numbers((2, 3, *counts(*geometry)), seed=1)
    expected = each_plane(spread, g, geometry)
    np.testing.assert_array_equal(run("window_sum_grad", g, geometry), expected)


@pytest.mark.parametrize("content", ["numbers", "nan", "low"])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_maxima_and_where_they_are(geometry, content):
    x = numbers((2, 3, *geometry[0]))
    rng = np.random.default_rng(1)
    if content == "nan":
        x[rng.random(x.shape) < 0.2] = np.nan
    if content == "low":
        x[rng.random(x.shape) < 0.8] = -np.inf
        x[0] = -np.inf
    best, index = each_plane(largest, x, geometry)
    np.testing.assert_array_equal(run("window_max", x, geometry), best)
    found = run("window_argmax", x, geometry)
    np.testing.assert_array_equal(found[index >= 0], index[index >= 0])
    assert found.min() >= 0 and found.max() < numel(geometry[0])


# -------------------------------------------------------------------------------- operators
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("geometry", [GEOMETRIES[k] for k in (0, 2, 11, 16, 21)], ids=str)
def test_every_dtype(geometry, dtype):
    sizes, kernel, stride, padding, dilation, ceil_mode = geometry
    x = numbers((2, 2, *sizes), dtype)
    pool = getattr(F, f"max_pool{len(sizes)}d")
    found = pool(tensor(x, dtype), kernel, stride, padding, dilation, ceil_mode, True)
    for f, e in zip(found, each_plane(largest, x, geometry), strict=True):
        np.testing.assert_array_equal(listed(f), e)
    pool = getattr(F, f"avg_pool{len(sizes)}d")
    mean = each_plane(sums, x, geometry) / np.prod(kernel)
    found = listed(pool(tensor(x, dtype), kernel, stride, padding))
    bound = {"float64": 1e-14, "float16": 1e-3, "bfloat16": 8e-3}.get(dtype, 1e-6)
    if "int" in dtype:
        np.testing.assert_array_equal(found, np.trunc(mean))
    else:
        np.testing.assert_allclose(found, mean, rtol=bound, atol=bound)


def layouts(x):
    """The same numbers as contiguous, channels-last, transposed and sliced memory."""
    plain = tensor(x, "float32")
    wide = tensor(np.repeat(np.repeat(x, 2, 3), 3, 2), "float32")
    yield plain
    yield plain.to(memory_format=torch.channels_last)
    yield plain.transpose(2, 3).contiguous().transpose(2, 3)
    yield wide[:, :, 1::3, ::2]


@pytest.mark.parametrize("geometry", [g for g in FLAT if len(g[0]) == 2], ids=str)
def test_gradients_and_layouts(geometry):
    sizes, kernel, stride, padding, _, ceil_mode = geometry
    x = numbers((2, 3, *sizes))
    g = numbers((2, 3, *counts(*geometry)), seed=1)
    best, index = each_plane(largest, x, geometry)
    to_max = np.zeros((6, numel(sizes)))
    np.add.at(to_max, (np.arange(6)[:, None], index.reshape(6, -1)), g.reshape(6, -1))
    for memory in layouts(x):
        t = memory.detach().requires_grad_()
        found = F.max_pool2d(t * 2, kernel, stride, padding, 1, ceil_mode)
        found.backward(tensor(g, "float32"))
        np.testing.assert_array_equal(listed(found), 2 * best)
        np.testing.assert_array_equal(listed(t.grad), 2 * to_max.reshape(x.shape))
        t.grad = None
        size = 4
        found = F.avg_pool2d(t * 2, kernel, stride, padding, ceil_mode, divisor_override=size)
        found.backward(tensor(g, "float32"))
        np.testing.assert_array_equal(listed(found), 2 * each_plane(sums, x, geometry) / size)
        np.testing.assert_array_equal(listed(t.grad), 2 * each_plane(spread, g, geometry) / size)


def test_an_empty_batch():
    x = torch.ones(0, 3, 8, 8, requires_grad=True)
    for pool in (F.max_pool2d, F.avg_pool2d):
        for size in (3, 7):
            found = pool(x, size, 2, 1)
            assert found.shape[:2] == (0, 3)
            found.sum().backward()
            assert x.grad.shape == x.shape


# ------------------------------------------------------------------------------------ plans
def test_neighbours_fuse_with_a_window():
    """A producer is computed in the nest, and so is what uses the result."""
    graph = Graph()
    x = L.reshape(graph.add_input(PRIMITIVES["input"], (128,), dtypes.float32), (1, 2, 8, 8))
    params = dict(kernel=(2, 2), stride=(2, 2), padding=(0, 0), out=(4, 4))
    found = graph.emit(PRIMITIVES["window_sum"], (L.neg(x),), **params)
    graph.outputs = [L.reshape(L.cast(found / 4, dtypes.float16), (32,))]
    (nest,) = program.compile(graph, [], {}, evaluate).memory.steps
    assert nest.shape == (2, 4, 4)


def test_a_maximum_and_its_place_share_a_nest():
    graph = Graph()
    x = L.reshape(graph.add_input(PRIMITIVES["input"], (162,), dtypes.float32), (1, 2, 9, 9))
    params = dict(kernel=(3, 3), stride=(3, 3), padding=(0, 0), dilation=(1, 1), out=(3, 3))
    found = [graph.emit(PRIMITIVES[f"window_{name}"], (x,), **params) for name in ("max", "argmax")]
    graph.outputs = [L.reshape(v, (18,)) for v in found]
    (nest,) = program.compile(graph, [], {}, evaluate).memory.steps
    assert len(nest.writes()) == 2


def test_sizes_of_planes_compile_nothing():
    def pooled(n, size):
        x = torch.randn(n, 2, size, size + 2)
        return F.avg_pool2d(x, 3, 2, 1).tolist(), F.max_pool2d(x, 3, 2, 1).tolist()

    pooled(2, 20)
    before = cache.counters["compiled"] + cache.counters["loaded"]
    pooled(3, 32)
    assert cache.counters["compiled"] + cache.counters["loaded"] == before
