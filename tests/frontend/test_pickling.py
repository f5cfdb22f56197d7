"""pickle, copy and deepcopy of tensors: values, geometry, sharing, attributes, subclasses."""

import copy
import io
import pickle

import pytest

import rushlight as torch


class Tagged(torch.Tensor):
    """A subclass that can be pickled by name."""


def again(value, protocol=2):
    return pickle.loads(pickle.dumps(value, protocol))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_values_and_flags(protocol):
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    y = again(x, protocol)
    assert y.tolist() == x.tolist() and y.requires_grad and y.is_leaf
    assert again(torch.tensor(3, dtype=torch.int8)).dtype is torch.int8
    assert again(torch.empty(0, 2)).shape == (0, 2)


@pytest.mark.parametrize("name", "bool uint8 int64 float16 bfloat16 float64 complex64".split())
def test_dtypes(name):
    x = torch.tensor([0, 1, 1]).to(getattr(torch, name))
    y = again(x)
    assert y.dtype is x.dtype and y.tolist() == x.tolist()


def test_geometry():
    x = torch.arange(12).reshape(3, 4)
    for v in (x.t(), x[1:, ::2], x[:1].expand(3, 4), x[2]):
        w = again(v)
        assert (w.stride(), w.storage_offset(), w.shape) == (
            v.stride(),
            v.storage_offset(),
            v.shape,
        )
        assert w.tolist() == v.tolist()


def test_pending_work_is_done_first():
    x = torch.ones(2)
    y = x * 3
    y.add_(1)
    assert again(y).tolist() == [4.0, 4.0]
    assert copy.copy(y * 2).tolist() == [8.0, 8.0]


def test_pickle_of_a_graph_drops_it():
    x = torch.ones(2, requires_grad=True)
    y = again((x * 2).detach())
    assert y.is_leaf and not y.requires_grad


def test_sharing_in_one_pickle():
    x = torch.zeros(4)
    a, b = again([x, x])
    assert a is b
    buffer = io.BytesIO()
    torch.save([x, x[1:]], buffer)
    buffer.seek(0)
    a, b = torch.load(buffer)
    b[0] = 5
    assert a.tolist() == [0.0, 5.0, 0.0, 0.0]


def test_attributes_travel():
    x = torch.ones(2)
    x.note = "kept"
    assert again(x).note == "kept"
    assert copy.deepcopy(x).note == "kept"
    assert copy.copy(x).note == "kept"


def test_parameters_and_subclasses():
    p = torch.nn.Parameter(torch.ones(2))
    q = again(p)
    assert type(q) is torch.nn.Parameter and q.requires_grad
    t = torch.ones(2).as_subclass(Tagged)
    t.extra = [1]
    u = again(t)
    assert type(u) is Tagged and u.extra == [1] and u.tolist() == [1.0, 1.0]


def test_deepcopy():
    x = torch.arange(6.0).reshape(2, 3).t().requires_grad_()
    x.sum().backward()
    y = copy.deepcopy(x)
    assert y.stride() == x.stride() and y.requires_grad and y.grad.tolist() == x.grad.tolist()
    with torch.no_grad():
        y.zero_()
        y.grad.zero_()
    assert x.sum().item() == 15 and x.grad.sum().item() == 6
    base = torch.zeros(3)
    a, b = copy.deepcopy([base, base[1:]])
    b.fill_(1)
    assert a.tolist() == [0.0, 1.0, 1.0] and base.sum() == 0
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(x * 2)


def test_shallow_copy_shares_memory():
    x = torch.zeros(2)
    y = copy.copy(x)
    y[0] = 1
    assert y is not x and x.tolist() == [1.0, 0.0]


def test_other_objects():
    for value in (
        torch.float32,
        torch.device("cpu"),
        torch.Size([1, 2]),
    ):
        assert again(value) == value
        assert copy.deepcopy(value) == value
    assert again(torch.float16) is torch.float16
    assert isinstance(again(torch.Size([1, 2])), torch.Size)
