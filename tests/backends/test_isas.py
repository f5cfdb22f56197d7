"""Contractions for the narrower instruction sets, run here: their vectors are this processor's too
where it has wider ones; and all of them compiled for AArch64."""

import numpy as np
import pytest

llvm = pytest.importorskip("llvmlite.binding")

import rushlight as torch  # noqa: E402
from rushlight.engine.backends.cpu import contract, convolve, cuts, products  # noqa: E402
from rushlight.engine.backends.cpu.jit import jit  # noqa: E402
from rushlight.engine.backends.cpu.kernels import contraction  # noqa: E402
from rushlight.engine.backends.cpu.kernels import isa as isas  # noqa: E402
from rushlight.engine.base import dtypes  # noqa: E402
from tests.backends.test_convolution import TOLERANCE, Case, found  # noqa: E402
from tests.backends.test_product import TOLERANCE as PRODUCTS  # noqa: E402
from tests.backends.test_product import matrices, multiply, native  # noqa: E402

ROWS = {isa.name: isa for isa in isas.TABLE}


@pytest.fixture(params=["avx2", "vector128"])
def narrower(request, monkeypatch):
    """Everything planned and compiled for another row of the table."""
    row = ROWS[request.param]
    if not all(jit().llvm.get_host_cpu_features().get(f) for f in row.needs):
        pytest.skip(f"this processor lacks {row.name}")
    for module in (cuts, products, convolve, contract):
        monkeypatch.setattr(module, "isa", lambda: row)
    contract.code.cache_clear()
    native.cache_clear()
    yield row
    contract.code.cache_clear()
    native.cache_clear()


@pytest.mark.parametrize("name", ["float32", "bfloat16", "int8"])
def test_products(narrower, name):
    rng, dtype = np.random.default_rng(3), getattr(dtypes, name)
    for _ in range(40):
        rows, depth, columns = map(int, rng.choice((1, 2, 5, 8, 17, 33, 64, 100, 257), 3))
        a = matrices(rng, (2,), rows, depth, dtype)
        b = matrices(rng, (2,), depth, columns, dtype)
        c = np.zeros((2, rows, columns), dtype.np)
        multiply(a, b, c)
        if dtype.category == dtypes.INT:
            expected = (a.astype(np.int64) @ b.astype(np.int64)).astype(dtype.np)
            assert (c == expected).all(), (a.shape, b.shape)
            continue
        a, b = a.astype(np.float64), b.astype(np.float64)
        limit = PRODUCTS["float32"] * (np.abs(a) @ np.abs(b))
        limit += np.abs(a @ b) * (2.0**-8 if name == "bfloat16" else 0) + 1e-7
        assert (np.abs(c.astype(np.float64) - a @ b) <= limit).all(), (a.shape, b.shape)


@pytest.mark.parametrize("name", ["float32", "float64", "int8"])
def test_convolutions(narrower, name):
    rng, dtype = np.random.default_rng(4), getattr(torch, name)
    for _ in range(25):
        case = Case(rng, dtype)
        for y, expected, limit in zip(found(case, case.x), *case.expected(), strict=False):
            if dtype.is_floating_point:
                wrong = np.abs(y.to(torch.float64).numpy() - expected) > TOLERANCE[name] * limit
                assert not wrong.any(), case
            else:
                assert (y.numpy() == expected.astype(y.numpy().dtype)).all(), case


def test_squares(narrower):
    """Winograd's way, whose cases the random ones seldom are."""
    rng = np.random.default_rng(5)
    for size in (11, 24):
        x = torch.from_numpy(rng.standard_normal((2, 17, size, size + 3)))
        w = torch.from_numpy(rng.standard_normal((33, 17, 3, 3)))
        for narrow in (torch.float32, torch.float64):
            a, b = (t.to(narrow).clone().requires_grad_() for t in (x, w))
            y = torch.nn.functional.conv2d(a, b, padding=1)
            y.backward(y.detach())
            limit = 1e-4 if narrow is torch.float32 else 1e-12
            expected = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
            expected = np.lib.stride_tricks.sliding_window_view(expected, (3, 3), (2, 3))
            expected = np.einsum("nchwij,ocij->nohw", expected, w.numpy(), optimize=True)
            assert np.abs(y.detach().numpy() - expected).max() < limit * np.abs(expected).max()
            full = np.pad(expected, ((0, 0), (0, 0), (1, 1), (1, 1)))
            full = np.lib.stride_tricks.sliding_window_view(full, (3, 3), (2, 3))
            back = np.einsum(
                "nohwij,ocij->nchw", full, w.numpy()[:, :, ::-1, ::-1], optimize=True
            )
            assert np.abs(a.grad.numpy() - back).max() < limit * np.abs(back).max()


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "bfloat16", "int32"])
def test_aarch64(name):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    row, dtype = ROWS["vector128"], getattr(dtypes, name)
    module = llvm.parse_assembly(contraction.module(dtype, row).replace("@NAME", "@k"))
    module.verify()
    module.triple = "aarch64-unknown-linux-gnu"
    target = llvm.Target.from_triple(module.triple)
    assert target.create_target_machine(cpu="neoverse-n1", opt=3).emit_object(module)
