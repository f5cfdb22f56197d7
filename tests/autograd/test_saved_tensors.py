"""saved_tensors_hooks and what nodes keep."""

import pytest

import rushlight as torch
from rushlight.autograd.graph import (
    disable_saved_tensors_hooks,
    save_on_cpu,
    saved_tensors_hooks,
)


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


def test_pack_and_unpack():
    log = []

    def pack(t):
        log.append(("pack", t.tolist()))
        return t.detach().numpy().copy()

    def unpack(a):
        log.append(("unpack", a.tolist()))
        return torch.from_numpy(a) * 1

    x = leaf()
    with saved_tensors_hooks(pack, unpack):
        y = x * x
    y.sum().backward()
    assert [k for k, _ in log] == ["pack", "pack", "unpack", "unpack"]
    assert x.grad.tolist() == [2.0, 4.0]


def test_unpack_may_change_the_value():
    x = leaf()
    with saved_tensors_hooks(lambda t: t, lambda t: t * 10):
        y = x.exp()
    y.sum().backward()
    assert x.grad.tolist() == pytest.approx([27.18282, 73.89056], rel=1e-5)


def test_the_innermost_pair_counts():
    seen = []
    x = leaf()
    with saved_tensors_hooks(lambda t: seen.append("outer") or t, lambda t: t):
        with saved_tensors_hooks(lambda t: seen.append("inner") or t, lambda t: t):
            x.exp()
        x.sin()
    x.tanh()
    assert seen == ["inner", "outer"]


def test_hooks_on_functions():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    seen = []
    x = leaf()
    with saved_tensors_hooks(lambda t: seen.append(1) or t.clone(), lambda t: t):
        y = Square.apply(x)
    y.sum().backward()
    assert seen == [1] and x.grad.tolist() == [2.0, 4.0]


def test_save_on_cpu_and_disable():
    x = leaf()
    with save_on_cpu():
        y = (x * x).sum()
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0]
    with pytest.raises(RuntimeError, match="no hooks here"):
        with disable_saved_tensors_hooks("no hooks here"):
            (x * x).sum().backward()
            with saved_tensors_hooks(lambda t: t, lambda t: t):
                pass


def test_packed_values_are_not_guarded():
    x = leaf()
    a = x * 1
    with saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        y = (a * a).sum()
    with torch.no_grad():
        a.add_(1)
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_nodes_show_what_they_saved():
    x, w = leaf(), leaf(3.0, 4.0)
    y = x * w
    assert y.grad_fn._saved_self.tolist() == [1.0, 2.0]
    assert y.grad_fn._saved_other is w
    e = x.exp()
    assert e.grad_fn._saved_result.tolist() == e.tolist()
    y.sum().backward()
    with pytest.raises(RuntimeError, match="after they have already been freed"):
        y.grad_fn._saved_self  # noqa: B018


def test_only_what_is_needed_is_saved():
    seen = []
    x, c = leaf(), torch.tensor([3.0, 4.0])
    with saved_tensors_hooks(lambda t: seen.append(t.tolist()) or t, lambda t: t):
        y = x * c
    assert seen == [[3.0, 4.0]]
    y.sum().backward()
