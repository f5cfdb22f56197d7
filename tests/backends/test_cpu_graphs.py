"""Random graphs of primitives: the compiled program against the reference interpreter."""

import numpy as np
import pytest

import rushlight  # noqa: F401  (the engine's rooms import each other through it)
from rushlight.engine.backends import reference
from rushlight.engine.backends.reference.run import evaluate
from rushlight.engine.base import dtypes
from rushlight.engine.base.shapes import numel
from rushlight.engine.ir import lang as L
from rushlight.engine.ir.graph import Graph
from rushlight.engine.ir.primitives import PRIMITIVES
from rushlight.engine.ir.verify import verify

program = pytest.importorskip("rushlight.engine.backends.cpu.program")

FLOATS = (dtypes.float32, dtypes.float32, dtypes.float64, dtypes.float16, dtypes.bfloat16)
INTS = (dtypes.int64, dtypes.int32, dtypes.uint8, dtypes.int8)
KINDS = (*FLOATS, *INTS, dtypes.bool_, dtypes.complex64)
SMOOTH = ("neg", "abs", "sigmoid", "tanh", "exp", "erf", "sin", "sqrt", "floor", "sign", "round")
ROUGH = ("sigmoid", "tanh", "exp", "erf", "sin", "sum", "prod", "dot")
STEPS = ("floor", "sign", "round")
ARITHMETIC = ("add", "sub", "mul", "maximum", "minimum")
TOLERANCE = {
    dtypes.float32: 2e-4,
    dtypes.float64: 1e-9,
    dtypes.float16: 2e-2,
    dtypes.bfloat16: 1e-1,
    dtypes.complex64: 2e-4,
}


class Maker:
    """Grows a graph by random primitives over a pool of values."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.graph, self.pool, self.arrays, self.numbers = Graph(), [], [], []
        self.scalars, self.updates, self.exactness = [], {}, {}
        for _ in range(self.rng.integers(2, 5)):
            self.add_input()
        if self.rng.random() < 0.5:
            self.add_scalar()

    def choose(self, options):
        return options[self.rng.integers(len(options))]

    def shape(self):
        sizes = (1, 2, 3, 5, 7, 17, 64) if self.rng.random() < 0.9 else (0, 1, 3)
        ndim = self.choose((0, 1, 1, 2, 2, 2, 3, 3, 4))
        return tuple(int(self.choose(sizes)) for _ in range(ndim))

    def array(self, dtype, size):
        if dtype.category == dtypes.BOOL:
            return self.rng.random(size) < 0.5
        if dtype.category == dtypes.INT:
            return self.rng.integers(0 if not dtype.is_signed else -9, 10, size).astype(dtype.np)
        x = self.rng.standard_normal(size)
        if dtype.is_complex:
            x = x + 1j * self.rng.standard_normal(size)
        elif self.rng.random() < 0.15 and size:
            x[self.rng.integers(size)] = self.choose((np.nan, np.inf, -np.inf, -0.0))
        return x.astype(dtype.np)

    def add_input(self, shape=None, dtype=None):
        shape = self.shape() if shape is None else shape
        dtype = self.choose(KINDS) if dtype is None else dtype
        v = self.graph.add_input(PRIMITIVES["input"], (numel(shape),), dtype)
        self.arrays.append(self.array(dtype, numel(shape)))
        self.pool.append(L.reshape(v, shape))
        return self.pool[-1]

    def add_scalar(self):
        dtype = self.choose((dtypes.float64, dtypes.int64, dtypes.bool_))
        index = len(self.scalars)
        v = self.graph.emit(PRIMITIVES["scalar"], (), index=index, shape=(), dtype=dtype)
        self.scalars.append(v)
        self.numbers.append({1: 3, 2: 0.75, 0: True}[dtype.category])
        self.pool.append(v)

    def exact(self, v):
        """Is v free of rounding that implementations do differently?  Only then may it decide."""
        if v.index not in self.exactness:
            rough = v.dtype.category == dtypes.FLOAT and v.prim.name in ROUGH
            self.exactness[v.index] = not rough and all(map(self.exact, v.inputs))
        return self.exactness[v.index]

    def pick(self, *categories, ndim=0):
        found = [
            v
            for v in self.pool
            if v.ndim >= ndim and (not categories or v.dtype.category in categories)
        ]
        recent = found[-6:] if self.rng.random() < 0.7 else found
        return self.choose(recent) if recent else None

    def like(self, x):
        """A value of x's shape and dtype, from the pool where one broadcasts."""
        fits = [
            v
            for v in self.pool
            if v.dtype is x.dtype
            and v.ndim <= x.ndim
            and all(n in (1, m) for n, m in zip(v.shape[::-1], x.shape[::-1], strict=False))
        ]
        if fits and self.rng.random() < 0.85:
            return L.broadcast(self.choose(fits), x.shape)
        return self.add_input(x.shape, x.dtype)

    def step(self):
        family = self.choose(
            ("unary", "binary", "binary", "fold", "fold", "move", "move", "row", "cast", "dot")
        )
        found = getattr(self, family)()
        if found is not None and numel(found.shape) < 60_000:
            self.pool.append(found)

    def unary(self):
        x = self.pick(dtypes.FLOAT)
        name = self.choose(SMOOTH)
        if x is None or name in STEPS and not self.exact(x):
            return None
        return L._emit(name, x)

    def binary(self):
        x = self.pick(dtypes.FLOAT, dtypes.INT)
        if x is None:
            return None
        y = self.like(x)
        how = self.rng.random()
        if how < 0.6:
            return L._emit(self.choose(ARITHMETIC), x, y)
        if not (self.exact(x) and self.exact(y)):
            return None
        if how < 0.8:
            return L._emit(self.choose(("lt", "eq", "ge", "ne")), x, y)
        if x.dtype.category == dtypes.INT:
            return L._emit(self.choose(("bitand", "bitxor", "shl", "shr")), x, y)
        return L.where(L.gt(x, L.like(x, 0)), x, y)

    def fold(self):
        x = self.pick(dtypes.BOOL, dtypes.INT, dtypes.FLOAT, ndim=1)
        if x is None:
            return None
        if self.rng.random() < 0.2 and numel(x.shape) and self.exact(x):
            axis = int(self.rng.integers(x.ndim))
            return L._emit(self.choose(("argmax", "argmin")), x, axis=axis)
        if x.dtype in dtypes.HALVES:  # operators fold half types in float32
            x = L.cast(x, dtypes.float32)
        axes = [a for a in range(x.ndim) if self.rng.random() < 0.5] or [x.ndim - 1]
        name = self.choose(("sum", "sum", "max", "min", "prod"))
        if name in ("max", "min") and numel(x.shape) == 0:
            name = "prod"
        if x.dtype is dtypes.bool_:
            name = self.choose(("prod", "max")) if numel(x.shape) else "prod"
        if name == "prod" and x.dtype.category == dtypes.FLOAT:
            x = L.sigmoid(x)
        keep = self.rng.random() < 0.5
        return {"sum": L.sum_, "max": L.max_, "min": L.min_, "prod": L.prod}[name](x, axes, keep)

    def row(self):
        """A fold and its operand again, as softmax and norms do."""
        x = self.pick(dtypes.FLOAT, ndim=1)
        if x is None or numel(x.shape) == 0:
            return None
        if x.dtype in dtypes.HALVES:
            x = L.cast(x, dtypes.float32)
        axes = [a for a in range(x.ndim) if self.rng.random() < 0.5] or [x.ndim - 1]
        e = L.exp(x - L.max_(x, axes, True)) if self.rng.random() < 0.6 else L.tanh(x)
        return e / (L.sum_(L.abs_(e), axes, True) + 1)

    def cast(self):
        x = self.pick(dtypes.BOOL, dtypes.INT, dtypes.FLOAT)
        if x is None or not self.exact(x):
            return None
        target = self.choose((*FLOATS, *INTS, dtypes.bool_))
        if x.dtype.category == dtypes.FLOAT and target.category == dtypes.INT:
            x = L.where(L.lt(L.abs_(x), L.like(x, 100)), x, L.like(x, 0))
            if not target.is_signed:
                x = L.abs_(x)
        return L.cast(x, target)

    def dot(self):
        """A product, sometimes with itself, sometimes wanted transposed."""
        x = self.pick(dtypes.FLOAT, ndim=2)
        if x is None or x.dtype in dtypes.HALVES:
            return None
        y = L.transpose(x if self.rng.random() < 0.3 else self.like(x))
        product = L.dot(x, y) if self.rng.random() < 0.5 else L.dot(y, x)
        return L.transpose(product) if self.rng.random() < 0.5 else product

    def pick_index(self, size, shape):
        flat = self.graph.add_input(PRIMITIVES["input"], (numel(shape),), dtypes.int64)
        self.arrays.append(self.rng.integers(-size, size, numel(shape)))
        return L.index_in(L.reshape(flat, shape), size)

    def move(self):
        x = self.pick(ndim=1)
        if x is None:
            return None
        how = self.choose(
            (
                "reshape",
                "permute",
                "slice",
                "pad",
                "flip",
                "concat",
                "expand",
                "gather",
                "load",
                "store",
                "put",
            )
        )
        return getattr(self, f"move_{how}")(x)

    def move_reshape(self, x):
        options = [(numel(x.shape),), (1, *x.shape), (*x.shape, 1)]
        if x.ndim > 1:
            options.append((x.shape[0] * x.shape[1], *x.shape[2:]))
        return L.reshape(x, self.choose(options))

    def move_permute(self, x):
        return L.permute(x, tuple(int(a) for a in self.rng.permutation(x.ndim)))

    def move_slice(self, x):
        starts = [int(self.rng.integers(0, n + 1)) for n in x.shape]
        stops = [int(self.rng.integers(lo, n + 1)) for lo, n in zip(starts, x.shape, strict=True)]
        return L.slice_(x, starts, stops, [int(self.choose((1, 1, 2, 3))) for _ in x.shape])

    def move_pad(self, x):
        low, high, inner = ([int(self.rng.integers(0, 3)) for _ in x.shape] for _ in range(3))
        return L.pad(x, low, high, inner)

    def move_flip(self, x):
        return L.flip(x, [a for a in range(x.ndim) if self.rng.random() < 0.5])

    def move_concat(self, x):
        parts = [x, self.like(x), x][: self.rng.integers(2, 4)]
        return L.concat(parts, int(self.rng.integers(x.ndim)))

    def move_expand(self, x):
        return L.broadcast(x, (int(self.choose((2, 3))), *x.shape))

    def move_gather(self, x):
        if x.shape[0] == 0:
            return None
        return L.take(x, self.pick_index(x.shape[0], self.choose(((4,), (2, 3), ()))))

    def move_load(self, x):
        n = numel(x.shape)
        if n < 4:
            return None
        return L.load(L.reshape(x, (n,)), 1, (2, n // 3), (1, 2) if n > 6 else (1, 1))

    def move_store(self, x):
        n = numel(x.shape)
        if n < 4:
            return None
        value = self.like(L.load(L.reshape(x, (n,)), 0, (2, n // 2 - 1), (n // 2, 1)))
        return L.reshape(L.store(L.reshape(x, (n,)), value, 1, (n // 2, 1)), x.shape)

    def move_put(self, x):
        if x.shape[0] == 0:
            return None
        index = self.pick_index(x.shape[0], self.choose(((4,), (2, 3))))
        rows = L.slice_axis(x, 0, 0, 1)
        source = self.like(L.broadcast(L.drop_axis(rows, 0), (*index.shape, *x.shape[1:])))
        modes = ("set", "add", "max") if x.dtype.category in (1, 2) else ("set",)
        return L.put(x, index, source, self.choose(modes))

    def finish(self):
        chosen = [self.pick() for _ in range(self.rng.integers(1, 5))] + [self.pool[-1]]
        self.graph.outputs = [L.reshape(v, (numel(v.shape),)) for v in chosen]
        free = list(range(len(self.graph.inputs)))
        for i, v in enumerate(self.graph.outputs):
            fits = [
                p
                for p in free
                if self.graph.inputs[p].dtype is v.dtype and self.graph.inputs[p].shape == v.shape
            ]
            if fits and self.rng.random() < 0.7:
                self.updates[i] = self.choose(fits)
                free.remove(self.updates[i])


def make(seed, steps=14):
    maker = Maker(seed)
    for _ in range(steps):
        maker.step()
    maker.finish()
    return maker


def disagreement(seed):
    """None, or what differs."""
    m = make(seed)
    verify(m.graph)
    expected = reference.compile(m.graph, m.scalars, m.updates).run(
        [a.copy() for a in m.arrays], m.numbers
    )
    compiled = program.compile(m.graph, m.scalars, m.updates, evaluate)
    for _ in range(2):  # a second run sees what the first left behind
        arrays = [a.copy() for a in m.arrays]
        found = compiled.run(arrays, m.numbers)
        problem = compare(m, expected, found, arrays)
        if problem:
            return problem
    return None


def compare(m, expected, found, arrays):
    changed = set(m.updates.values())
    for i, (a, b) in enumerate(zip(arrays, m.arrays, strict=True)):
        if i not in changed and not np.array_equal(a.view(np.uint8), b.view(np.uint8)):
            return f"input {i} was written"
    seen = []
    for i, (v, e, f) in enumerate(zip(m.graph.outputs, expected, found, strict=True)):
        if f.shape != e.shape or f.dtype != e.dtype:
            return f"output {i}: {f.dtype}{f.shape} for {e.dtype}{e.shape}"
        owned = not any(f is a for a in arrays) or f is arrays[m.updates.get(i, -1)]
        if not owned or any(np.shares_memory(f, other) for other in seen):
            return f"output {i} shares memory"
        seen.append(f)
        if not close(m.graph, v, e, f):
            return f"output {i} = {v}: {v.dtype} expected {e[:8]}, found {f[:8]}"
    return None


def close(graph, v, e, f):
    if v.dtype.category <= dtypes.INT:
        return np.array_equal(e, f)
    wide = np.complex128 if v.dtype.is_complex else np.float64
    e, f = e.astype(wide), f.astype(wide)
    coarsest = max(TOLERANCE.get(a.dtype, 0) for a in graph.live([v]))
    scale = np.nanmax(np.abs(np.where(np.isfinite(e), e, 0)), initial=0)
    return np.allclose(f, e, coarsest, coarsest * (1 + scale), equal_nan=True)


@pytest.mark.parametrize("block", range(10))
def test_random_graphs(block):
    for seed in range(block * 20, block * 20 + 20):
        problem = disagreement(seed)
        assert problem is None, f"seed {seed}: {problem}"
