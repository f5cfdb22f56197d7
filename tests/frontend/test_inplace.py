"""Writing in place: what is allowed, what history it leaves, ``out=``."""

import pytest

import rushlight as torch


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


LEAF = "a leaf Variable that requires grad is being used in an in-place operation"
VIEW_OF_LEAF = "a view of a leaf Variable that requires grad is being used in an in-place operation"


def test_returns_the_same_tensor():
    x = torch.ones(2)
    assert x.add_(1) is x and x.mul_(2).sub_(1) is x
    y = x
    x += 1
    assert y is x and x.tolist() == [4.0, 4.0]
    for name in ("neg_", "abs_", "exp_", "zero_", "relu_", "sigmoid_", "clamp_"):
        x = torch.ones(2)
        args = (0, 1) if name == "clamp_" else ()
        assert getattr(x, name)(*args) is x and x._version == 1


def test_shape_must_fit():
    with pytest.raises(
        RuntimeError, match=r"output with shape \[2\] doesn't match the broadcast s"
    ):
        torch.ones(2).add_(torch.ones(3, 2))
    with pytest.raises(RuntimeError, match="size of tensor a .* must match the size of tensor b"):
        torch.ones(2).add_(torch.ones(3))
    x = torch.ones(3, 2)
    x.add_(torch.ones(2)).mul_(torch.tensor(3.0))
    assert x.tolist() == [[6.0, 6.0]] * 3


def test_leaves_are_protected():
    for write in (
        lambda x: x.add_(1),
        lambda x: x.zero_(),
        lambda x: x.copy_(torch.ones(2)),
        lambda x: x.__setitem__(torch.tensor([0]), 1.0),
        lambda x: torch.nn.functional.relu(x, inplace=True),
    ):
        x = leaf()
        with pytest.raises(RuntimeError, match=LEAF):
            write(x)
        assert x.tolist() == [1.0, 2.0] and x._version == 0
    for write in (
        lambda x: x[0].fill_(1),
        lambda x: x.__setitem__(0, 1.0),
        lambda x: x.view(2).add_(1),
        lambda x: x.unsqueeze(0).zero_(),
    ):
        x = leaf()
        with pytest.raises(RuntimeError, match=VIEW_OF_LEAF):
            write(x)
        assert x.tolist() == [1.0, 2.0]


def test_leaves_may_be_written_without_grad():
    x = leaf()
    with torch.no_grad():
        x.add_(1)
        x[0] = 7.0
        x.view(2)[1:].mul_(10)
    assert x.tolist() == [7.0, 30.0] and x.is_leaf and x.requires_grad and x._version == 3
    x.data.fill_(1)
    x.detach().mul_(2)
    assert x.tolist() == [2.0, 2.0] and x._version == 4


def test_history_of_a_written_tensor():
    x = leaf()
    y = x * 2
    y.mul_(3)
    assert y.grad_fn.name() == "MulBackward0"
    y.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]


def test_a_plain_tensor_enters_the_graph():
    x = leaf()
    y = torch.zeros(2)
    y.add_(x)
    assert y.requires_grad and not y.is_leaf
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_a_written_view_rebases_its_base():
    x = leaf()
    y = torch.zeros(3, 2)
    y[1] = x * 5
    assert y.requires_grad and y.grad_fn.name() == "torch::autograd::CopySlices"
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]
    a = x * 1
    row = a[:1]
    row.mul_(10)
    assert row.grad_fn.name() in ("AsStridedBackward0", "SliceBackward0")
    assert a.grad_fn.name() == "torch::autograd::CopySlices"
    x.grad = None
    a.sum().backward()
    assert x.grad.tolist() == [10.0, 1.0]


def test_a_view_follows_its_written_base():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    v = y[1:]
    y.mul_(2)
    assert v.tolist() == [4.0, 6.0]
    v.sum().backward()
    assert x.grad.tolist() == [0.0, 2.0, 2.0]


def test_copy_between_dtypes_carries_gradients():
    x = leaf()
    y = torch.zeros(2, dtype=torch.float64)
    y.copy_(x)
    (y * 3).sum().backward()
    assert x.grad.dtype is torch.float32 and x.grad.tolist() == [3.0, 3.0]


def test_overlap_is_refused():
    x = torch.ones(1).expand(3)
    phrase = "more than one element of the written-to tensor refers to a single memory location"
    with pytest.raises(RuntimeError, match=phrase):
        x.add_(1)
    y = torch.arange(5.0)
    with pytest.raises(RuntimeError, match="some elements of the input tensor and the written-to"):
        y[1:].add_(y[:-1])
    y[1:] = y[:-1].clone()
    assert y.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]
    z = torch.arange(4.0).reshape(2, 2)
    z.copy_(z)
    z.add_(z)
    assert z.tolist() == [[0.0, 2.0], [4.0, 6.0]]


def test_views_of_several_may_not_be_written():
    x = leaf(1.0, 2.0, 3.0, 4.0) * 1
    a, b = x.chunk(2)
    with pytest.raises(
        RuntimeError, match="is the output of a function that returns multiple view"
    ):
        a.add_(1)
    for piece in x.unbind(0):
        with pytest.raises(RuntimeError, match="Output 0 of Unbind is a view and is being modif"):
            piece.zero_()
        break
    with torch.no_grad():
        x.split(2)[0].add_(1)
    assert x.tolist() == [2.0, 3.0, 3.0, 4.0]


def test_views_made_without_grad():
    x = leaf() * 1
    with torch.no_grad():
        v = x[:1]
    with pytest.raises(
        RuntimeError, match="A view was created in no_grad mode and is being modifi"
    ):
        v.add_(leaf(1.0))


def test_detach_and_requires_grad_in_place():
    x = leaf() * 2
    x.detach_()
    assert x.is_leaf and not x.requires_grad and x.grad_fn is None
    x.requires_grad_()
    (x * x).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0]
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        (leaf() * 1)[:1].detach_()
    with pytest.raises(
        RuntimeError, match="you can only change requires_grad flags of leaf variabl"
    ):
        (leaf() * 1).requires_grad_(False)
    with pytest.raises(RuntimeError, match="only Tensors of floating point"):
        torch.ones(1, dtype=torch.int64).requires_grad_()


# ---------------------------------------------------------------------------------- out=
def test_out():
    out = torch.empty(2)
    assert torch.add(torch.ones(2), 1, out=out) is out and out.tolist() == [2.0, 2.0]
    with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
        torch.add(torch.ones(3), 1, out=out)
    assert out.tolist() == [2.0, 2.0, 2.0]
    empty = torch.empty(0)
    torch.mul(torch.ones(2), 3, out=empty)
    assert empty.tolist() == [3.0, 3.0]
    wide = torch.empty(2, dtype=torch.float64)
    torch.add(torch.ones(2), 1, out=wide)
    assert wide.tolist() == [2.0, 2.0]
    strided = torch.zeros(2, 2).t()
    torch.add(torch.ones(2, 2), torch.tensor([0.0, 1.0]), out=strided)
    assert strided.tolist() == [[1.0, 2.0], [1.0, 2.0]]
    values, indices = torch.empty(2), torch.empty(2, dtype=torch.int64)
    torch.max(torch.tensor([[1.0, 5.0], [7.0, 2.0]]), 1, out=(values, indices))
    assert values.tolist() == [5.0, 7.0] and indices.tolist() == [1, 0]


def test_out_refusals():
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output"):
        torch.add(torch.ones(2), 1, out=torch.empty(2, dtype=torch.int64))
    with pytest.raises(
        RuntimeError, match="functions with out=... arguments don't support automat"
    ):
        torch.add(leaf(), 1, out=torch.empty(2))
    with pytest.raises(
        RuntimeError, match="functions with out=... arguments don't support automat"
    ):
        torch.add(torch.ones(2), 1, out=leaf())


def test_random_writes_stop_gradients():
    x = leaf() * 2
    x.normal_()
    x.sum().backward()
    y = torch.zeros(3).uniform_(2, 3)
    assert all(2 <= v < 3 for v in y.tolist()) and y._version == 1


def test_in_place_on_pending_values():
    x = torch.zeros(3)
    total = 0.0
    for i in range(5):
        before = x.sum()
        x[i % 3] += i
        total += before
    assert x.tolist() == [3.0, 5.0, 2.0] and total.item() == 0 + 0 + 1 + 3 + 6
