"""``backward``: accumulation, retained graphs, cotangents, freed graphs."""

import pytest

import rushlight as torch


def leaf(*values, **options):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True, **options)


def test_gradients_accumulate():
    x = leaf()
    (x * 2).sum().backward()
    held = x.grad
    (x * 3).sum().backward()
    assert x.grad is held and x.grad.tolist() == [5.0, 5.0]
    x.grad.zero_()
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    x.grad = None
    x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_cotangents():
    x = leaf()
    (x * x).backward(torch.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2.0, 40.0]
    x = leaf()
    torch.autograd.backward([x * 2, x.sum()], [torch.ones(2), None])
    assert x.grad.tolist() == [3.0, 3.0]
    with pytest.raises(
        RuntimeError, match="grad can be implicitly created only for scalar outputs"
    ):
        (leaf() * 2).backward()
    with pytest.raises(RuntimeError, match="Mismatch in shape: grad_output\\[0\\] has a shape of"):
        (leaf() * 2).backward(torch.ones(3))
    (leaf() * 2).backward(gradient=torch.ones(2))


def test_what_cannot_be_differentiated():
    phrase = "element 0 of tensors does not require grad and does not have a grad_fn"
    with pytest.raises(RuntimeError, match=phrase):
        torch.ones(1).backward()
    with pytest.raises(RuntimeError, match=phrase):
        with torch.no_grad():
            y = leaf().sum()
        y.backward()
    with pytest.raises(RuntimeError, match=phrase):
        leaf().argmax().backward()
    with pytest.raises(RuntimeError, match="`inputs` argument to `backward\\(\\)` cannot be empty"):
        leaf().sum().backward(inputs=[])


def test_a_leaf_is_its_own_gradient():
    x = leaf(3.0)
    x.backward(torch.tensor([2.0]))
    assert x.grad.tolist() == [2.0]


def test_freed_graphs():
    x = leaf()
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()
    z = (x * x).sum()
    z.backward(retain_graph=True)
    z.backward()
    assert x.grad.tolist() == [6.0, 12.0]
    w = (x + 1).sum()
    w.backward()
    w.backward()  # nothing was saved, so nothing was freed


def test_shared_subgraphs():
    x = leaf()
    h = x.exp()
    a, b = (h * 2).sum(), (h * 3).sum()
    a.backward(retain_graph=True)
    b.backward()
    assert x.grad.tolist() == pytest.approx([5 * 2.718281828, 5 * 7.389056], rel=1e-5)


def test_diamonds_and_reuse():
    x = leaf(3.0)
    y = x * x
    z = y * y + y * x
    z.backward()
    assert x.grad.tolist() == [4 * 27 + 3 * 9.0]


def test_inputs():
    x, y = leaf(), leaf()
    h = x * 2
    (h * y).sum().backward(inputs=[x])
    assert x.grad.tolist() == [2.0, 4.0] and y.grad is None
    h = x * 2
    h.retain_grad()
    (h * y).sum().backward(inputs=[h, y])
    assert h.grad.tolist() == [1.0, 2.0] and y.grad.tolist() == [2.0, 4.0]
    x.sum().backward(inputs=x)


def test_dtypes_of_gradients():
    x = leaf()
    y = leaf(dtype=torch.float64)
    (x * y).sum().backward()
    assert x.grad.dtype is torch.float32 and y.grad.dtype is torch.float64
    h = leaf().half().detach().requires_grad_()
    (h.float() * 2).sum().backward()
    assert h.grad.dtype is torch.float16


def test_integers_and_bools_take_no_part():
    x = leaf()
    i = torch.tensor([1, 2])
    (x * i + (x > 1)).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0]
    assert not (x > 1).requires_grad and not x.argmax().requires_grad and not x.long().requires_grad


def test_complex_gradients():
    z = torch.tensor([1 + 2j], requires_grad=True)
    (z * z.conj()).real.sum().backward()
    assert z.grad.tolist() == [2 + 4j]
    with pytest.raises(
        RuntimeError, match="grad can be implicitly created only for real scalar out"
    ):
        (z * 2).sum().backward()
    w = leaf()
    (w * (1 + 1j)).abs().sum().backward()
    assert w.grad.tolist() == pytest.approx([2**0.5] * 2)


def test_broadcasting_is_undone():
    a = torch.ones(3, 1, requires_grad=True)
    b = torch.ones(4, requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.tolist() == [[4.0]] * 3 and b.grad.tolist() == [3.0] * 4
    s = torch.tensor(2.0, requires_grad=True)
    (s * torch.ones(2, 2)).sum().backward()
    assert s.grad.item() == 4.0 and s.grad.shape == ()


def test_unreached_leaves_keep_none():
    x, y = leaf(), leaf()
    (x * 1).sum().backward()
    assert y.grad is None
    (x * y.detach()).sum().backward()
    assert y.grad is None


def test_control_flow_on_values():
    x = leaf(0.5, 4.0)
    y = x
    while y.sum() < 100:
        y = y * 2
    if y[0] > 1:
        y = y + x
    y.sum().backward()
    assert x.grad.tolist() == [33.0, 33.0]


def test_deep_graphs():
    x = leaf(1.0)
    y = x
    for _ in range(5000):
        y = y + x * 0
    y.backward()
    assert x.grad.tolist() == [1.0]
    del y


def test_assigning_grad():
    x = leaf()
    x.grad = torch.tensor([1.0, 1.0])
    (x * 1).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="attempting to assign a gradient of size"):
        x.grad = torch.ones(3)
    with pytest.raises(RuntimeError, match="attempting to assign a gradient with dtype"):
        x.grad = torch.ones(2, dtype=torch.float64)
    with pytest.raises(TypeError, match="assigned grad expected to be a Tensor or None"):
        x.grad = 1.0
    del x.grad
    assert x.grad is None


def test_grad_of_a_non_leaf_warns():
    y = leaf() * 2
    with pytest.warns(
        UserWarning, match="The .grad attribute of a Tensor that is not a leaf Tensor"
    ):
        assert y.grad is None


def test_reading_between_forward_and_backward():
    x = leaf()
    y = x.exp()
    first = y.sum().item()
    z = (y * y).sum()
    assert z.item() > first
    z.backward()
    assert x.grad.tolist() == pytest.approx([2 * 7.389056, 2 * 54.59815], rel=1e-5)
