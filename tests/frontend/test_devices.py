"""Device objects, and tensors on `meta`: shapes without values."""

import pytest

import rushlight as torch


def test_device_objects():
    d = torch.device("cpu")
    assert d.type == "cpu" and d.index is None and str(d) == "cpu"
    assert repr(d) == "device(type='cpu')"
    assert torch.device("cpu:0") == torch.device("cpu", 0) == torch.device("cpu", index=0)
    assert torch.device("cpu:0").index == 0 and torch.device("cpu:0") != d
    assert repr(torch.device("cpu", 0)) == "device(type='cpu', index=0)"
    assert torch.device(d) == d and hash(torch.device("cpu")) == hash(d)
    assert torch.device("meta").type == "meta"
    assert torch.ones(1).device == d and {d: 1}[torch.device("cpu")] == 1
    assert d != "cpu"


@pytest.mark.parametrize("text", ["nothing", "cpu:x", "", "cpu:-1"])
def test_unknown_devices(text):
    with pytest.raises(RuntimeError):
        torch.device(text)


def test_no_accelerator():
    assert torch.cuda.is_available() is False and torch.cuda.device_count() == 0
    with pytest.raises((AssertionError, RuntimeError)):
        torch.ones(1).cuda()


def test_as_context_and_default():
    with torch.device("meta"):
        assert torch.zeros(2).device.type == "meta"
        assert torch.tensor([1]).device.type == "meta"
        assert torch.rand(2).device.type == "meta"
        assert torch.zeros(1, device="cpu").device.type == "cpu"
        with torch.device("cpu"):
            assert torch.ones(1).device.type == "cpu"
    assert torch.zeros(2).device.type == "cpu"

    torch.set_default_device("meta")
    try:
        assert torch.get_default_device() == torch.device("meta")
        assert torch.empty(1).is_meta
    finally:
        torch.set_default_device(None)
    assert torch.get_default_device() == torch.device("cpu")


# -------------------------------------------------------------------------------- meta
def meta(*shape, dtype=torch.float32):
    return torch.empty(*shape, dtype=dtype, device="meta")


OPERATORS = {  # name: (result, shape, dtype, strides)
    "add": (lambda x: x + 1, (2, 3), "float32", (3, 1)),
    "compare": (lambda x: x > 1, (2, 3), "bool", (3, 1)),
    "transposed": (lambda x: x.t() * 2, (3, 2), "float32", (1, 3)),
    "broadcast": (lambda x: x + meta(4, 1, 3), (4, 2, 3), "float32", (6, 3, 1)),
    "promotion": (lambda x: x + meta(2, 3, dtype=torch.float64), (2, 3), "float64", (3, 1)),
    "sum": (lambda x: x.sum(1), (2,), "float32", (1,)),
    "max": (lambda x: x.max(0).indices, (3,), "int64", (1,)),
    "mm": (lambda x: x @ meta(3, 5), (2, 5), "float32", (5, 1)),
    "view": (lambda x: x.view(3, 2), (3, 2), "float32", (2, 1)),
    "index": (lambda x: x[:, 1:], (2, 2), "float32", (3, 1)),
    "cat": (lambda x: torch.cat([x, x]), (4, 3), "float32", (3, 1)),
    "softmax": (lambda x: x.softmax(-1), (2, 3), "float32", (3, 1)),
    "to": (lambda x: x.to(torch.int16), (2, 3), "int16", (3, 1)),
    "zeros_like": (torch.zeros_like, (2, 3), "float32", (3, 1)),
    "new_ones": (lambda x: x.new_ones(4), (4,), "float32", (1,)),
    "linear": (lambda x: torch.nn.functional.linear(x, meta(7, 3)), (2, 7), "float32", (7, 1)),
    "conv": (
        lambda x: torch.nn.functional.conv2d(meta(1, 3, 8, 8), meta(4, 3, 3, 3)),
        (1, 4, 6, 6),
        "float32",
        (144, 36, 6, 1),
    ),
    "gather": (lambda x: x.gather(1, meta(2, 1, dtype=torch.int64)), (2, 1), "float32", (1, 1)),
    "index tensor": (lambda x: x[meta(4, dtype=torch.int64)], (4, 3), "float32", (3, 1)),
    "arange": (lambda x: torch.arange(5, device="meta"), (5,), "int64", (1,)),
    "linspace": (lambda x: torch.linspace(0, 1, 5, device="meta"), (5,), "float32", (1,)),
    "randn": (lambda x: torch.randn(2, device="meta"), (2,), "float32", (1,)),
    "eye": (lambda x: torch.eye(2, device="meta"), (2, 2), "float32", (2, 1)),
    "where": (lambda x: torch.where(x > 0, x, 0.0), (2, 3), "float32", (3, 1)),
    "dropout": (lambda x: torch.nn.functional.dropout(x), (2, 3), "float32", (3, 1)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_on_meta(name):
    make, shape, dtype, strides = OPERATORS[name]
    y = make(meta(2, 3))
    assert y.is_meta and y.device == torch.device("meta")
    assert (y.shape, y.dtype, y.stride()) == (shape, getattr(torch, dtype), strides)


def test_writes_on_meta():
    x = meta(2, 3)
    x.add_(1).zero_()
    x[0] = 1
    x.t().mul_(2)
    x.normal_()
    assert x._version == 5 and x[0]._base is x
    x.copy_(torch.ones(2, 3))


def test_gradients_on_meta():
    x = meta(2, 3).requires_grad_()
    y = (x * x).sum()
    assert y.grad_fn.name() == "SumBackward0"
    y.backward()
    assert x.grad.is_meta and x.grad.shape == (2, 3)


def test_modules_on_meta():
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    net = net.to("meta")
    assert all(p.is_meta for p in net.parameters())
    assert net(meta(2, 3)).shape == (2, 1)
    real = net.to_empty(device="cpu")
    assert all(p.device.type == "cpu" for p in real.parameters())
    with torch.device("meta"):
        other = torch.nn.Linear(2, 2)
    other.load_state_dict({"weight": torch.ones(2, 2), "bias": torch.ones(2)}, assign=True)
    assert other.weight.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_moving_to_meta():
    x = torch.ones(2, 3).t()
    y = x.to("meta")
    assert y.is_meta and y.stride() == (1, 3) and y.dtype is x.dtype
    assert x.to("meta", torch.float64).dtype is torch.float64


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.to("cpu"),
        lambda x: x.cpu(),
        lambda x: torch.zeros(2).copy_(x),
    ],
)
def test_there_is_no_way_back(read):
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor; no data!"):
        read(meta(2))


def test_reading_meta_is_refused():
    with pytest.raises(RuntimeError, match="cannot be called on meta tensors"):
        meta(1).item()
    with pytest.raises(TypeError, match="can't convert meta device type tensor to numpy"):
        meta(1).numpy()
    with pytest.raises((RuntimeError, NotImplementedError)):
        meta(1).tolist()
    with pytest.raises((RuntimeError, NotImplementedError)):
        bool(meta(1) > 0)
    with pytest.raises((RuntimeError, NotImplementedError)):
        meta(3).nonzero()
    assert repr(meta(2)) == "tensor(..., device='meta', size=(2,))"


def test_errors_on_meta_are_the_usual_ones():
    with pytest.raises(RuntimeError, match="size of tensor a|Attempting to broadcast a dim"):
        meta(2) + meta(3)
    with pytest.raises(RuntimeError, match="shape '\\[4\\]' is invalid for input of size 6"):
        meta(2, 3).view(4)
