"""Modules that learn shapes from their first input."""

import copy
import pickle

import pytest

import rushlight as torch
from rushlight import nn


def test_becomes_its_class():
    layer = nn.LazyConv2d(4, 3)
    assert repr(layer) == "LazyConv2d(0, 4, kernel_size=(3, 3), stride=(1, 1))"
    assert layer.has_uninitialized_params() and repr(layer.weight) == "<UninitializedParameter>"
    assert layer(torch.zeros(2, 3, 5, 5)).shape == (2, 4, 3, 3)
    assert type(layer) is nn.Conv2d and layer.in_channels == 3 and not layer._forward_pre_hooks
    assert not hasattr(layer, "_initialize_hook")


def test_draws_as_its_class_does():
    torch.manual_seed(0)
    expected = nn.Linear(3, 2).weight
    layer = nn.LazyLinear(2)
    torch.manual_seed(0)
    layer(torch.zeros(1, 3))
    assert torch.equal(layer.weight, expected)


def test_unbatched_and_wrong_dimensions():
    assert nn.LazyConv1d(4, 3)(torch.zeros(2, 5)).shape == (4, 3)
    with pytest.raises(RuntimeError, match="Expected 2D .unbatched. or 3D .batched. input to Lazy"):
        nn.LazyConv1d(4, 3)(torch.zeros(5))
    with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
        nn.LazyConv1d(4, 3, groups=2)(torch.zeros(3, 5))


def test_options():
    norm = nn.LazyBatchNorm1d(affine=False, track_running_stats=False)
    norm(torch.zeros(2, 3))
    assert type(norm) is nn.BatchNorm1d and norm.weight is None and norm.running_mean is None
    conv = nn.LazyConv1d(4, 3, bias=False, dtype=torch.float64)
    conv(torch.zeros(2, 5, dtype=torch.float64))
    assert conv.bias is None and conv.weight.dtype == torch.float64


class TestState:
    def test_save_lazy(self):
        state = nn.LazyLinear(2).state_dict()
        assert all(nn.parameter.is_lazy(t) for t in state.values())
        nn.LazyLinear(2).load_state_dict(state)
        with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized"):
            nn.Linear(3, 2).load_state_dict(state)

    def test_load_gives_shapes(self):
        source = nn.Linear(3, 2)
        layer = nn.Sequential(nn.LazyLinear(2))
        layer.load_state_dict(nn.Sequential(source).state_dict())
        assert layer[0].weight.shape == (2, 3)
        x = torch.ones(1, 3)
        assert torch.equal(layer(x), source(x)) and layer[0].in_features == 3
        layer = nn.LazyLinear(2)
        layer.load_state_dict(source.state_dict())
        with pytest.raises(AssertionError, match="The in_features inferred from input: 4"):
            layer(torch.ones(1, 4))

    def test_copies(self):
        for twin in (
            copy.deepcopy(nn.LazyLinear(2)),
            pickle.loads(pickle.dumps(nn.LazyLinear(2))),
        ):
            assert twin(torch.zeros(1, 3)).shape == (1, 2)

    def test_converts_before_it_has_shapes(self):
        layer = nn.LazyLinear(2).to(torch.float64)
        assert layer(torch.zeros(1, 3, dtype=torch.float64)).dtype == torch.float64


def test_mixin_needs_initialize_parameters():
    class Incomplete(nn.modules.lazy.LazyModuleMixin, nn.Module):
        def forward(self, x):
            return x

    with pytest.raises(NotImplementedError, match="initialize_parameters is not implemented for"):
        Incomplete()(torch.zeros(1))
