"""Strides of results, and channels_last as PyTorch shows it."""

import pytest

import rushlight as torch

CL = torch.channels_last


def image(n=2, c=3, h=4, w=5):
    return torch.arange(float(n * c * h * w)).reshape(n, c, h, w)


def test_conversion():
    x = image()
    y = x.contiguous(memory_format=CL)
    assert y.stride() == (60, 1, 15, 3) and y.shape == x.shape and torch.equal(x, y)
    assert y.is_contiguous(memory_format=CL) and not y.is_contiguous()
    assert x.is_contiguous() and not x.is_contiguous(memory_format=CL)
    assert y.contiguous(memory_format=CL) is y
    assert y.contiguous().stride() == (60, 20, 5, 1)
    assert x.to(memory_format=CL).stride() == (60, 1, 15, 3)
    assert y.to(torch.float64).stride() == (60, 1, 15, 3)
    assert y.clone().stride() == (60, 1, 15, 3)
    assert y.clone(memory_format=torch.contiguous_format).stride() == (60, 20, 5, 1)
    v = torch.zeros(1, 2, 3, 4, 5).to(memory_format=torch.channels_last_3d)
    assert v.stride() == (120, 1, 40, 10, 2)


def test_ambiguous_shapes():
    one = torch.zeros(2, 1, 4, 4)
    assert one.is_contiguous() and one.is_contiguous(memory_format=CL)
    assert torch.zeros(2, 3, 1, 1).is_contiguous(memory_format=CL)
    assert torch.zeros(2, 3, 1, 1).to(memory_format=CL).stride() == (3, 1, 3, 3)


PRESERVING = {
    "add": lambda x: x + 1,
    "relu": lambda x: x.relu(),
    "mul": lambda x: x * x,
    "with contiguous": lambda x: x + x.contiguous(),
    "where": lambda x: torch.where(x > 1, x, 0.0),
    "comparison": lambda x: x > 1,
    "broadcast": lambda x: x + torch.ones(1, 3, 1, 1),
    "zeros_like": torch.zeros_like,
    "half": lambda x: x.half(),
    "conv": lambda x: torch.nn.functional.conv2d(x, torch.ones(3, 3, 1, 1)),
    "max_pool": lambda x: torch.nn.functional.max_pool2d(x, 1),
    "avg_pool": lambda x: torch.nn.functional.avg_pool2d(x, 1),
    "batch_norm": lambda x: torch.nn.functional.batch_norm(x, torch.zeros(3), torch.ones(3)),
    "interpolate": lambda x: torch.nn.functional.interpolate(x, scale_factor=1),
    "dropout": lambda x: torch.nn.functional.dropout(x, 0.5),
    "cat": lambda x: torch.cat([x[:1], x[1:]]),
}


@pytest.mark.parametrize("name", PRESERVING)
def test_operators_keep_channels_last(name):
    y = PRESERVING[name](image().to(memory_format=CL))
    assert y.is_contiguous(memory_format=CL) and y.stride() == (60, 1, 15, 3)


def test_module_conversion():
    net = torch.nn.Conv2d(3, 4, 3).to(memory_format=CL)
    assert net.weight.stride() == (27, 1, 9, 3)
    x = image().to(memory_format=CL)
    y = net(x)
    assert y.is_contiguous(memory_format=CL)
    y.sum().backward()
    assert net.weight.grad.shape == (4, 3, 3, 3)


RESULTS = {  # name: (result, strides)
    "transposed + transposed": (lambda a, b: a.t() + b.t(), (1, 3)),
    "transposed + contiguous": (lambda a, b: a.t() + torch.ones(3, 2), (1, 3)),
    "contiguous + transposed": (lambda a, b: torch.ones(3, 2) + a.t(), (2, 1)),
    "expanded": (lambda a, b: a[:1].expand(4, 3) + 1, (3, 1)),
    "sliced": (lambda a, b: a[:, ::2] * 2, (2, 1)),
    "permuted": (lambda a, b: torch.ones(2, 3, 4).permute(2, 0, 1) * 2, (1, 12, 4)),
    "sum": (lambda a, b: torch.ones(2, 3, 4).permute(2, 0, 1).sum(0), (3, 1)),
    "mm": (lambda a, b: a.t() @ b, (3, 1)),
    "clone of transposed": (lambda a, b: a.t().clone(), (1, 3)),
    "clone of sliced": (lambda a, b: a[:, ::2].clone(), (2, 1)),
    "clone of expanded": (lambda a, b: a[:1].expand(4, 3).clone(), (3, 1)),
    "cat of transposed": (lambda a, b: torch.cat([a.t(), b.t()]), (2, 1)),
    "stack of transposed": (lambda a, b: torch.stack([a.t(), b.t()]), (6, 2, 1)),
    "index": (lambda a, b: a.t()[torch.tensor([0, 1])], (2, 1)),
    "cumsum of transposed": (lambda a, b: a.t().cumsum(0), (2, 1)),
    "softmax of transposed": (lambda a, b: a.t().softmax(0), (2, 1)),
    "matmul batch": (lambda a, b: torch.ones(2, 3, 4) @ torch.ones(4, 5), (15, 5, 1)),
}


@pytest.mark.parametrize("name", RESULTS)
def test_strides_of_results(name):
    make, strides = RESULTS[name]
    assert make(torch.ones(2, 3), torch.ones(2, 3)).stride() == strides


def test_gradients_take_the_layout_of_their_parameter():
    w = torch.ones(3, 2).t().requires_grad_()
    assert w.stride() == (1, 2)
    (w * torch.arange(6.0).reshape(2, 3)).sum().backward()
    assert w.grad.stride() == (1, 2)
