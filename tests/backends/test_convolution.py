"""Convolution kernels against the reference rules in double precision: any rank, stride, padding,
dilation, groups, layout and dtype, all three passes; and which ones of a program run so."""

import math

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight as torch  # noqa: E402
from rushlight.engine.backends.cpu import contract  # noqa: E402
from rushlight.engine.backends.reference import windows  # noqa: E402
from rushlight.engine.runtime import cache  # noqa: E402

F = torch.nn.functional
LARGEST = (60, 20, 7)  # sizes beyond the kernel's reach, by rank
TOLERANCE = {"float32": 3e-6, "float64": 1e-14, "bfloat16": 1e-2, "float16": 2e-3}


class Case:
    """A random convolution."""

    def __init__(self, rng, dtype):
        self.rank = rank = int(rng.integers(1, 4))
        self.groups = groups = int(rng.choice([1, 1, 1, 2, 3]))
        channels = int(rng.choice([1, 2, 3, 5, 16, 17, 40])) * groups
        outputs = int(rng.choice([1, 2, 3, 5, 16, 17, 33, 70])) * groups
        kernel, stride, dilation = (rng.integers(1, n, rank).tolist() for n in (5, 4, 4))
        padding = rng.integers(0, 4, rank).tolist()
        reach = [d * (k - 1) + 1 - 2 * p for k, d, p in zip(kernel, dilation, padding, strict=True)]
        sizes = [max(r, 1) + int(rng.integers(0, LARGEST[rank - 1])) for r in reach]
        batch = int(rng.choice([1, 2, 3, 8]))
        self.geometry = {"stride": stride, "padding": padding, "dilation": dilation}
        self.x = self.numbers(rng, dtype, (batch, channels, *sizes))
        self.w = self.numbers(rng, dtype, (outputs, channels // groups, *kernel))
        self.out = tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(sizes, padding, dilation, kernel, stride, strict=True)
        )
        self.g = self.numbers(rng, dtype, (batch, outputs, *self.out))

    @staticmethod
    def numbers(rng, dtype, shape):
        if dtype.is_floating_point:
            return torch.from_numpy(rng.standard_normal(shape)).to(dtype)
        return torch.from_numpy(rng.integers(-9, 9, shape)).to(dtype)

    def expected(self):
        """(result, gradient of x, of w) and the sums of the products' magnitudes."""
        wide = np.float64 if self.x.dtype.is_floating_point else np.int64
        x, w, g = (t.to(torch.float64).numpy().astype(wide) for t in (self.x, self.w, self.g))
        return self._all(x, w, g), self._all(*map(np.abs, (x, w, g)))

    def _all(self, x, w, g):
        given = {**self.geometry, "groups": self.groups}
        return (
            windows.conv(x, w, **given, out=self.out),
            windows.conv_grad_input(g, w, **given, shape=x.shape),
            windows.conv_grad_weight(g, x, **given, shape=w.shape),
        )

    def __repr__(self):
        return f"x {self.x.shape} w {self.w.shape} {self.geometry} groups {self.groups}"


def found(case, x):
    """The same by the kernels; integers have no gradient."""
    function = (F.conv1d, F.conv2d, F.conv3d)[case.rank - 1]
    if not x.dtype.is_floating_point:
        return [function(x, case.w, None, **case.geometry, groups=case.groups)]
    x, w = x.detach().requires_grad_(), case.w.clone().requires_grad_()
    y = function(x, w, None, **case.geometry, groups=case.groups)
    return [y.detach(), *torch.autograd.grad(y, (x, w), case.g)]


@pytest.mark.parametrize("name", "float32 float64 float16 bfloat16 int8 int32 int64".split())
def test_agrees_with_the_reference(name):
    rng, dtype = np.random.default_rng(1), getattr(torch, name)
    for _ in range(60 if name == "float32" else 20):
        case = Case(rng, dtype)
        x = case.x
        if rng.random() < 0.3:
            x = x.movedim(1, -1).contiguous().movedim(-1, 1)
        for y, expected, limit in zip(found(case, x), *case.expected(), strict=False):
            assert y.dtype is dtype
            if dtype.is_floating_point:
                wrong = np.abs(y.to(torch.float64).numpy() - expected) > TOLERANCE[name] * limit
                assert not wrong.any(), case
            else:
                assert (y.numpy() == expected.astype(y.numpy().dtype)).all(), case


def steps(geometry):
    return geometry["stride"], geometry["dilation"]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_transposed_ones_are_the_gradient(rank):
    rng = np.random.default_rng(2)
    function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
    for _ in range(15):
        case = Case(rng, torch.float32)
        if case.rank != rank:
            continue
        sizes = case.x.shape[2:]
        extra = [
            n - ((o - 1) * s - 2 * p + d * (k - 1) + 1)
            for n, o, s, p, d, k in zip(
                sizes, case.out, *case.geometry.values(), case.w.shape[2:], strict=True
            )
        ]
        given = {**case.geometry, "groups": case.groups, "output_padding": extra}
        if any(e >= max(s, d) for e, s, d in zip(extra, *steps(given), strict=True)):
            continue  # PyTorch has none
        y = function(case.g, case.w, None, **given)
        (_, expected, _), (_, limit, _) = case.expected()
        assert (np.abs(y.numpy() - expected) <= TOLERANCE["float32"] * limit).all(), case


def test_empty_ones():
    w = torch.randn(4, 3, 3, 3, requires_grad=True)
    y = F.conv2d(torch.randn(0, 3, 8, 8), w)
    assert y.shape == (0, 4, 6, 6)
    y.sum().backward()
    assert (w.grad == 0).all()


def kinds(monkeypatch, function):
    """Primitives that ran as kernels while a function ran."""
    seen, made = [], contract.of_step

    def of_step(step, *rest):
        seen.append(step.source.prim.name)
        return made(step, *rest)

    monkeypatch.setattr(contract, "of_step", of_step)
    function()
    return seen


def test_what_runs_as_a_kernel(monkeypatch):
    x = torch.randn(2, 6, 21, 19, requires_grad=True)
    w = torch.randn(5, 6, 3, 3, requires_grad=True)

    def all_three():
        y = F.conv2d(x, w)
        y.sum().backward()
        return y.sum().item(), x.grad.numpy(), w.grad.numpy()

    assert sorted(kinds(monkeypatch, all_three)) == ["conv", "conv", "conv_grad_weight"]
    once = torch.randn(7, 6, 1, 1)
    assert kinds(monkeypatch, lambda: F.conv2d(x, once).sum().item()) == ["dot"]
    deep = torch.randn(6, 1, 3, 3)
    assert kinds(monkeypatch, lambda: F.conv2d(x, deep, groups=6).sum().item()) == []


def test_no_size_compiles_anything():
    def run(batch, size, outputs):
        x, w = torch.randn(batch, 6, size, size), torch.randn(outputs, 6, 3, 3, requires_grad=True)
        y = F.conv2d(x, w, padding=1)
        (w_grad,) = torch.autograd.grad(y, w, y.detach())
        return math.fsum(w_grad.flatten().tolist()) + y.sum().item()

    run(2, 9, 8)
    run(3, 30, 20)
    before = cache.counters["compiled"]
    for batch, size, outputs in ((2, 31, 20), (5, 12, 70), (9, 40, 17)):
        run(batch, size, outputs)
    assert cache.counters["compiled"] == before
