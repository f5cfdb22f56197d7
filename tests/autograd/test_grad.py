"""``autograd.grad`` and its options."""

import pytest

import rushlight as torch


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


def test_results_and_untouched_grads():
    x, y = leaf(), leaf()
    found = torch.autograd.grad((x * y * y).sum(), [x, y])
    assert type(found) is tuple
    assert [g.tolist() for g in found] == [[1.0, 4.0], [2.0, 8.0]]
    assert x.grad is None and y.grad is None and not found[0].requires_grad
    (g,) = torch.autograd.grad(outputs=(x * 2).sum(), inputs=x)
    assert g.tolist() == [2.0, 2.0]


def test_cotangents_and_several_outputs():
    x = leaf()
    (g,) = torch.autograd.grad(x * x, x, torch.tensor([1.0, 3.0]))
    assert g.tolist() == [2.0, 12.0]
    (g,) = torch.autograd.grad([x * 2, (x * x).sum()], x, [torch.ones(2), None])
    assert g.tolist() == [4.0, 6.0]
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar"):
        torch.autograd.grad(x * 2, x)


def test_unused_inputs():
    x, y = leaf(), leaf()
    with pytest.raises(
        RuntimeError, match="appears to not have been used in the graph. Set allow_un"
    ):
        torch.autograd.grad((x * 2).sum(), [x, y])
    a, b = torch.autograd.grad((x * 2).sum(), [x, y], allow_unused=True)
    assert a.tolist() == [2.0, 2.0] and b is None
    a, b = torch.autograd.grad((x * 2).sum(), [x, y], materialize_grads=True)
    assert b.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="Expected allow_unused to be True or not passed"):
        torch.autograd.grad(x.sum(), x, allow_unused=False, materialize_grads=True)
    with pytest.raises(
        RuntimeError, match="One of the differentiated Tensors does not require grad"
    ):
        torch.autograd.grad(x.sum(), torch.ones(2))


def test_intermediate_inputs():
    x = leaf()
    h = x * 3
    y = (h * h).sum()
    gh, gx = torch.autograd.grad(y, [h, x])
    assert gh.tolist() == [6.0, 12.0] and gx.tolist() == [18.0, 36.0]
    z = (h * 1).sum()
    (g,) = torch.autograd.grad(z, z)
    assert g.item() == 1.0


def test_graph_options():
    x = leaf()
    y = (x * x).sum()
    torch.autograd.grad(y, x, retain_graph=True)
    torch.autograd.grad(y, x)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(y, x)
    y = (x**3).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    assert g.requires_grad and g.grad_fn is not None
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.tolist() == [6.0, 12.0]


def test_only_the_needed_part_runs():
    x, y = leaf(), leaf()
    seen = []
    h = y * 2
    h.register_hook(lambda g: seen.append("h"))
    torch.autograd.grad((x * h).sum(), x)
    assert seen == []


def test_the_same_input_twice():
    x = leaf()
    a, b = torch.autograd.grad((x * 2).sum(), [x, x])
    assert a.tolist() == b.tolist() == [2.0, 2.0]


def test_views_as_inputs():
    x = leaf()
    v = x[:1]
    (g,) = torch.autograd.grad((v * 5).sum(), v)
    assert g.tolist() == [5.0]
    with pytest.raises(RuntimeError, match="appears to not have been used"):
        torch.autograd.grad((x * 5).sum(), v)


def test_gradient_edges():
    from rushlight.autograd.graph import get_gradient_edge

    x = leaf()
    y = x * 2
    edge = get_gradient_edge(y)
    assert edge.node is y.grad_fn and edge.output_nr == 0
    with pytest.raises(RuntimeError, match="gradient edge"):
        get_gradient_edge(torch.ones(1))
