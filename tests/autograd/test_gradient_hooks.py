"""Hooks on tensors and nodes, in PyTorch's order."""

import pytest

import rushlight as torch
from rushlight.autograd.graph import register_multi_grad_hook


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


def test_tensor_hooks_see_and_replace():
    x = leaf()
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    x.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 3).sum().backward()
    assert seen == [[3.0, 3.0], [6.0, 6.0]] and x.grad.tolist() == [6.0, 6.0]


def test_hooks_of_intermediate_tensors():
    x = leaf()
    y = x * 2
    y.register_hook(lambda g: g + 1)
    (y * 3).sum().backward()
    assert x.grad.tolist() == [8.0, 8.0]


def test_removing():
    x = leaf()
    handle = x.register_hook(lambda g: g * 100)
    handle.remove()
    handle.remove()
    with x.register_hook(lambda g: g * 10):
        x.sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]
    x.sum().backward()
    assert x.grad.tolist() == [11.0, 11.0]


def test_hooks_run_once_on_the_sum():
    x = leaf()
    y = x * 1
    calls = []
    y.register_hook(lambda g: calls.append(g.tolist()))
    (y * 2 + y * 3).sum().backward()
    assert calls == [[5.0, 5.0]]


def test_refusals():
    with pytest.raises(
        RuntimeError, match="cannot register a hook on a tensor that doesn't require"
    ):
        torch.ones(1).register_hook(print)
    x = leaf()
    x.register_hook(lambda g: "text")
    with pytest.raises((TypeError, RuntimeError), match="expected Variable"):
        x.sum().backward()
    x = leaf()
    x.register_hook(lambda g: g[:1])
    with pytest.raises(RuntimeError, match="has changed the size of value"):
        x.sum().backward()


def test_errors_in_hooks_come_out():
    x = leaf()

    def fail(g):
        raise KeyError("mine")

    handle = x.register_hook(fail)
    with pytest.raises(KeyError, match="mine"):
        (x * 2).sum().backward()
    handle.remove()
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_retain_grad():
    x = leaf()
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad and not x.retains_grad
    (y * 3).sum().backward()
    assert y.grad.tolist() == [3.0, 3.0]
    with pytest.raises(
        RuntimeError, match="can't retain_grad on Tensor that has requires_grad=Fal"
    ):
        torch.ones(1).retain_grad()
    x.retain_grad()  # a leaf keeps its gradient anyway


def test_retain_grad_and_hooks_order():
    x = leaf()
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    (y * 3).sum().backward()
    assert y.grad.tolist() == [30.0, 30.0] and x.grad.tolist() == [60.0, 60.0]


def test_retain_grad_follows_writes():
    x = leaf()
    y = x * 2
    y.retain_grad()
    y.mul_(5)
    y.sum().backward()
    assert y.grad.tolist() == [1.0, 1.0] and x.grad.tolist() == [10.0, 10.0]


def test_post_accumulate_hooks():
    x = leaf()
    seen = []

    def step(p):
        seen.append(p.grad.tolist())
        with torch.no_grad():
            p -= 0.5 * p.grad
        p.grad = None

    handle = x.register_post_accumulate_grad_hook(step)
    (x * 2).sum().backward()
    assert seen == [[2.0, 2.0]] and x.grad is None and x.tolist() == [0.0, 1.0]
    handle.remove()
    x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    with pytest.raises(
        RuntimeError, match="post accumulate grad hooks cannot be registered on non-l"
    ):
        (x * 2).register_post_accumulate_grad_hook(step)


def test_node_hooks():
    x = leaf()
    y = x * 3
    log = []
    node = y.grad_fn
    node.register_prehook(lambda grads: log.append(("pre", grads[0].tolist())))
    node.register_hook(lambda inputs, outputs: log.append(("post", inputs[0].tolist())))
    y.register_hook(lambda g: log.append(("tensor", g.tolist())))
    (y * 2).sum().backward()
    assert log == [("tensor", [2.0, 2.0]), ("pre", [2.0, 2.0]), ("post", [6.0, 6.0])]


def test_node_hooks_replace():
    x = leaf()
    y = x * x
    y.grad_fn.register_prehook(lambda grads: (grads[0] * 10,))
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] + 1, inputs[1]))
    y.sum().backward()
    assert x.grad.tolist() == [21.0, 41.0]


def test_accumulators_have_hooks():
    x = leaf()
    accumulate = (x * 1).grad_fn.next_functions[0][0]
    log = []
    accumulate.register_prehook(lambda grads: log.append(grads[0].tolist()))
    accumulate.register_hook(lambda inputs, outputs: log.append(len(inputs)))
    (x * 4).sum().backward()
    assert log == [[4.0, 4.0], 0]


def test_multi_grad_hooks():
    x, y, z = leaf(), leaf(), leaf()
    found = []
    handle = register_multi_grad_hook((x, y, z), found.append)
    (x * y).sum().backward()
    assert [None if g is None else g.tolist() for g in found[0]] == [[1.0, 2.0], [1.0, 2.0], None]
    handle.remove()
    (x * y).sum().backward()
    assert len(found) == 1
    first = []
    register_multi_grad_hook((x, y), first.append, mode="any")
    (x * y).sum().backward()
    assert len(first) == 1
    with pytest.raises(ValueError, match="mode"):
        register_multi_grad_hook((x,), print, mode="some")


def test_hooks_under_autograd_grad():
    x = leaf()
    h = x * 2
    seen = []
    h.register_hook(lambda g: seen.append(1))
    x.register_hook(lambda g: g * 7)
    (g,) = torch.autograd.grad((h * h).sum(), x)
    assert seen == [1] and g.tolist() == [56.0, 112.0]


def test_hooks_with_graphs_of_gradients():
    x = leaf()
    x.register_hook(lambda g: g * g)
    (g,) = torch.autograd.grad((x**2).sum(), x, create_graph=True)
    assert g.tolist() == [4.0, 16.0]
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.tolist() == [64.0, 256.0]


def test_hook_order_over_a_graph():
    log = []
    x = leaf()
    a = x * 1
    b = a + 1
    c = b * 2
    for name, t in (("a", a), ("b", b), ("c", c), ("x", x)):
        t.register_hook(lambda g, name=name: log.append(name))
    c.sum().backward()
    assert log == ["c", "b", "a", "x"]


def test_a_hook_may_read_and_run_backward():
    x, w = leaf(), leaf()
    values = []

    def inner(g):
        values.append(g.sum().item())
        with torch.enable_grad():
            (w * 2).sum().backward()

    x.register_hook(inner)
    (x * 3).sum().backward()
    assert values == [6.0] and w.grad.tolist() == [2.0, 2.0] and x.grad.tolist() == [3.0, 3.0]
