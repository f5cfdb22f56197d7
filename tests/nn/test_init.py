"""Initialisation: draws equal to PyTorch's, ranges, errors.

The numbers in PYTORCH are ``function(torch.empty(*shape), **options)`` of PyTorch 2.13 on the CPU
after ``manual_seed(0)``: the first three values and the sum.
"""

import math

import pytest

import rushlight as torch
from rushlight.nn import init

PYTORCH = [
    ("uniform_", (4, 5), {"a": -1.0, "b": 2.0}, [0.48877, 1.30467, -0.734568, 5.78843]),
    ("normal_", (4, 5), {"mean": 1.0, "std": 2.0}, [-1.25168, -1.30472, 0.498843, 33.8814]),
    ("trunc_normal_", (4, 5), {}, [-1.12584, -1.15236, -0.250579, 5.38123]),
    ("trunc_normal_", (40,), {"std": 5.0}, [1.02763, -0.93889, -1.25289, 7.8893]),
    (
        "trunc_normal_",
        (40,),
        {"mean": 1.5, "std": 1.0, "a": 2.0, "b": 3.0},
        [2.49626, 2.76822, 2.08848, 95.6899],
    ),
    ("xavier_uniform_", (4, 5), {"gain": 2.0}, [-0.0122259, 0.876009, -1.34403, -4.58498]),
    ("xavier_normal_", (4, 5, 3), {}, [-0.306415, -0.313633, -0.0681989, 0.870427]),
    ("kaiming_uniform_", (4, 5), {"a": 0.5}, [-0.00733556, 0.525605, -0.806416, -2.75099]),
    (
        "kaiming_uniform_",
        (4, 5, 3),
        {"mode": "fan_out", "nonlinearity": "relu"},
        [-0.00529398, 0.379323, -0.581981, -3.09071],
    ),
    (
        "kaiming_normal_",
        (4, 5),
        {"nonlinearity": "tanh"},
        [-0.839151, -0.858919, -0.18677, 5.17329],
    ),
    ("orthogonal_", (4, 5), {}, [-0.628863, -0.643676, -0.139966, 1.0047]),
    ("orthogonal_", (5, 2, 2), {"gain": 0.5}, [-0.26122, -0.0589111, 0.21288, 0.311099]),
    ("sparse_", (5, 4), {"sparsity": 0.3}, [-0.0112584, -0.0115236, -0.00250579, 0.0127335]),
]


@pytest.mark.parametrize(
    "name, shape, options, expected", PYTORCH, ids=[f"{n}{s}{o}" for n, s, o, _ in PYTORCH]
)
def test_draws_equal_pytorch(name, shape, options, expected):
    torch.manual_seed(0)
    tensor = getattr(init, name)(torch.empty(*shape), **options)
    values = tensor.flatten().tolist()
    assert [*values[:3], sum(values)] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_generator():
    a, b = torch.Generator().manual_seed(7), torch.Generator().manual_seed(7)
    for name in (
        "uniform_ normal_ trunc_normal_ xavier_uniform_ xavier_normal_ kaiming_uniform_ "
        "kaiming_normal_ orthogonal_"
    ).split():
        fill = getattr(init, name)
        first = fill(torch.empty(4, 5), generator=a)
        torch.manual_seed(3)
        assert torch.equal(first, fill(torch.empty(4, 5), generator=b)), name
    rare = {"mean": 3.0, "a": -1.0, "b": 1.0}
    first = init.trunc_normal_(torch.empty(50), generator=a, **rare)
    assert torch.equal(first, init.trunc_normal_(torch.empty(50), generator=b, **rare))


def test_outside_autograd():
    weight = torch.zeros(4, 4, requires_grad=True)
    assert init.kaiming_uniform_(weight) is weight and weight.is_leaf and weight.grad_fn is None
    for fill in (init.ones_, init.zeros_, init.eye_, init.orthogonal_, init.xavier_normal_):
        assert fill(weight) is weight and weight.grad_fn is None and weight.requires_grad


@pytest.mark.parametrize(
    "nonlinearity, param, gain",
    [
        ("linear", None, 1),
        ("conv_transpose2d", None, 1),
        ("sigmoid", None, 1),
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("selu", None, 0.75),
        ("leaky_relu", None, math.sqrt(2 / 1.0001)),
        ("leaky_relu", 1, 1.0),
    ],
)
def test_gain(nonlinearity, param, gain):
    assert init.calculate_gain(nonlinearity, param) == pytest.approx(gain)


def test_gain_errors():
    with pytest.raises(ValueError, match="Unsupported nonlinearity nope"):
        init.calculate_gain("nope")
    with pytest.raises(ValueError, match="negative_slope True not a valid number"):
        init.calculate_gain("leaky_relu", True)


def test_constants():
    assert init.constant_(torch.empty(2), 0.5).tolist() == [0.5, 0.5]
    assert init.eye_(torch.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    weight = init.dirac_(torch.empty(4, 2, 3), groups=2)
    assert weight[:, :, 1].tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
    assert weight.sum() == 4


def test_dirac_passes_channels_through():
    x = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)
    weight = init.dirac_(torch.empty(3, 3, 3, 3))
    assert torch.equal(torch.nn.functional.conv2d(x, weight, padding=1), x)


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 2, 3)])
def test_orthogonal(shape):
    matrix = init.orthogonal_(torch.empty(*shape), gain=2.0).flatten(1)
    if matrix.size(0) > matrix.size(1):
        matrix = matrix.T
    assert torch.allclose(matrix @ matrix.T, 4 * torch.eye(matrix.size(0)), atol=1e-5)


def test_sparse():
    weight = init.sparse_(torch.empty(10, 4), 0.25)
    assert (weight == 0).sum(0).tolist() == [3, 3, 3, 3]


def test_trunc_normal_range():
    values = init.trunc_normal_(torch.empty(1000), mean=5.0, std=1.0, a=-1.0, b=5.5)
    assert values.min() >= -1 and values.max() <= 5.5
    with pytest.warns(UserWarning, match="mean is more than 2 std from"):
        init.trunc_normal_(torch.empty(10), mean=5.0, a=-1.0, b=1.0)


def test_nothing_to_fill():
    for fill in (init.kaiming_uniform_, init.kaiming_normal_):
        with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
            fill(torch.empty(0, 2))
    assert init.orthogonal_(torch.empty(0, 2)).numel() == 0


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: init.eye_(torch.empty(2)), "Only tensors with 2 dimensions are supported"),
        (lambda: init.sparse_(torch.empty(2), 0.1), "Only tensors with 2 dimensions are supported"),
        (lambda: init.dirac_(torch.empty(2, 2)), "Only tensors with 3, 4, or 5 dimensions"),
        (lambda: init.dirac_(torch.empty(3, 2, 2), 2), "dim 0 must be divisible by groups"),
        (lambda: init.orthogonal_(torch.empty(2)), "Only tensors with 2 or more dimensions"),
        (lambda: init.xavier_normal_(torch.empty(2)), "Fan in and fan out can not be computed"),
        (lambda: init.kaiming_normal_(torch.empty(2, 2), mode="x"), "Mode x not supported"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_deprecated_names():
    with pytest.warns(FutureWarning, match="`nn.init.uniform` is now deprecated in favor of"):
        init.uniform(torch.empty(2))
