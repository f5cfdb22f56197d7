"""Parametrizations, and the two older hooks for weight and spectral normalization."""

import copy
import pickle

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    """Mirrors the upper triangle."""

    def forward(self, x):
        return x.triu() + x.triu(1).T

    def right_inverse(self, x):
        return x.triu()


class Doubled(nn.Module):
    """Multiplies by two."""

    def forward(self, x):
        return x * 2


class Pair(nn.Module):
    """The sum of two tensors."""

    def forward(self, a, b):
        return a + b

    def right_inverse(self, x):
        return x * 0.25, x * 0.75


class TestRegister:
    def test_property(self):
        layer = nn.Linear(3, 3)
        weight = layer.weight
        assert parametrize.register_parametrization(layer, "weight", Symmetric()) is layer
        assert torch.equal(layer.weight, layer.weight.T)
        assert layer.parametrizations.weight.original is weight
        assert type(layer).__name__ == "ParametrizedLinear" and isinstance(layer, nn.Linear)
        assert parametrize.is_parametrized(layer) and parametrize.is_parametrized(layer, "weight")
        assert not parametrize.is_parametrized(layer, "bias")
        assert parametrize.type_before_parametrizations(layer) is nn.Linear
        assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
        layer(torch.ones(1, 3)).sum().backward()
        assert weight.grad is not None

    def test_assignment(self):
        layer = nn.Linear(3, 3)
        parametrize.register_parametrization(layer, "weight", Symmetric())
        layer.weight = torch.ones(3, 3)
        assert torch.equal(layer.parametrizations.weight.original, torch.ones(3, 3).triu())
        parametrize.register_parametrization(layer, "weight", Doubled())
        with pytest.raises(RuntimeError, match="Doubled does not implement right_inverse"):
            layer.weight = torch.ones(3, 3)

    def test_chain(self):
        layer = nn.Linear(2, 2)
        original = layer.weight.detach().clone()
        for _ in range(2):
            parametrize.register_parametrization(layer, "weight", Doubled())
        assert torch.equal(layer.weight, original * 4)
        assert len(layer.parametrizations.weight) == 2

    def test_several_originals(self):
        layer = nn.Linear(2, 2)
        weight = layer.weight.detach().clone()
        parametrize.register_parametrization(layer, "weight", Pair())
        originals = layer.parametrizations.weight
        assert originals.ntensors == 2 and not originals.is_tensor
        assert isinstance(originals.original0, nn.Parameter)
        assert torch.allclose(layer.weight, weight)
        assert torch.equal(originals.original1, weight * 0.75)
        layer.weight = torch.ones(2, 2)
        assert originals.original0.eq(0.25).all()

    def test_buffers(self):
        norm = nn.BatchNorm1d(2)
        parametrize.register_parametrization(norm, "running_mean", Doubled())
        assert "parametrizations.running_mean.original" in dict(norm.named_buffers())

    def test_cache(self):
        layer = nn.Linear(2, 2)
        parametrize.register_parametrization(layer, "weight", Doubled())
        assert layer.weight is not layer.weight
        with parametrize.cached():
            first = layer.weight
            with parametrize.cached():
                assert layer.weight is first
            assert layer.weight is first
        assert layer.weight is not first

    def test_errors(self):
        class Cut(nn.Module):
            def forward(self, x):
                return x[:1]

        class Widened(nn.Module):
            def forward(self, x):
                return x.double()

        class NoTensor(nn.Module):
            def forward(self, x):
                return 1

        for bad, message in (
            (Cut(), "may not change the shape"),
            (Widened(), "may not change the dtype"),
            (NoTensor(), "A parametrization must return a tensor. Got int"),
        ):
            layer = nn.Linear(2, 2)
            with pytest.raises(ValueError, match=message):
                parametrize.register_parametrization(layer, "weight", bad)
            assert not parametrize.is_parametrized(layer) and isinstance(layer.weight, nn.Parameter)
            parametrize.register_parametrization(layer, "weight", Doubled())
            with pytest.raises(ValueError, match=message):
                parametrize.register_parametrization(layer, "weight", bad)
        parametrize.register_parametrization(nn.Linear(2, 2), "weight", Cut(), unsafe=True)
        with pytest.raises(ValueError, match="does not have a parameter, a buffer, or a param"):
            parametrize.register_parametrization(nn.Linear(2, 2), "nothing", Doubled())

    def test_copies(self):
        layer = nn.Linear(2, 2)
        parametrize.register_parametrization(layer, "weight", Doubled())
        twin = copy.deepcopy(layer)
        assert torch.equal(twin.weight, layer.weight)
        assert twin.parametrizations.weight.original is not layer.parametrizations.weight.original
        with pytest.raises(RuntimeError, match="only supported through state_dict"):
            pickle.dumps(layer)


class TestRemove:
    def test_keeps_what_was_read(self):
        layer = nn.Linear(2, 2)
        weight = layer.weight
        before = weight.detach().clone()
        parametrize.register_parametrization(layer, "weight", Doubled())
        parametrize.remove_parametrizations(layer, "weight")
        assert type(layer) is nn.Linear and not hasattr(layer, "parametrizations")
        assert layer.weight is weight and torch.equal(weight, before * 2)

    def test_keeps_the_original(self):
        layer = nn.Linear(2, 2)
        before = layer.weight.detach().clone()
        parametrize.register_parametrization(layer, "weight", Doubled())
        parametrize.register_parametrization(layer, "bias", Doubled())
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        assert torch.equal(layer.weight, before) and parametrize.is_parametrized(layer, "bias")

    def test_several_originals(self):
        layer = nn.Linear(2, 2)
        before = layer.weight.detach().clone()
        parametrize.register_parametrization(layer, "weight", Pair())
        with pytest.raises(ValueError, match="Cannot leave unparametrized"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        parametrize.remove_parametrizations(layer, "weight")
        assert isinstance(layer.weight, nn.Parameter) and torch.allclose(layer.weight, before)

    def test_nothing_to_remove(self):
        with pytest.raises(ValueError, match="does not have a parametrization on weight"):
            parametrize.remove_parametrizations(nn.Linear(2, 2), "weight")

    def test_transfer(self):
        source, target = nn.Linear(2, 2), nn.Linear(2, 2)
        parametrize.register_parametrization(source, "weight", Doubled())
        parametrize.transfer_parametrizations_and_params(source, target)
        assert torch.equal(source.weight, target.weight)
        originals = [m.parametrizations.weight.original for m in (source, target)]
        assert originals[0] is originals[1]


class TestOrthogonal:
    @pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
    @pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
    @pytest.mark.parametrize("use_trivialization", [True, False])
    def test_is_orthogonal(self, kind, shape, use_trivialization):
        layer = nn.Linear(*shape)
        parametrizations.orthogonal(
            layer, orthogonal_map=kind, use_trivialization=use_trivialization
        )
        weight = layer.weight if shape[0] <= shape[1] else layer.weight.T
        assert torch.allclose(weight.T @ weight, torch.eye(min(shape)), atol=1e-5)
        layer.parametrizations.weight.original.data.add_(0.1)
        weight = layer.weight if shape[0] <= shape[1] else layer.weight.T
        if kind != "householder":  # its diagonal holds signs, which this changes
            assert torch.allclose(weight.T @ weight, torch.eye(min(shape)), atol=1e-4)

    def test_assignment(self):
        for use_trivialization in (True, False):
            layer = parametrizations.orthogonal(
                nn.Linear(3, 5),
                orthogonal_map="householder",
                use_trivialization=use_trivialization,
            )
            wanted = nn.init.orthogonal_(torch.empty(5, 3))
            layer.weight = wanted
            assert torch.allclose(layer.weight, wanted, atol=1e-5)

    def test_errors(self):
        with pytest.raises(ValueError, match='has to be one of "matrix_exp"'):
            parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="x")
        with pytest.raises(ValueError, match="Expected a matrix or batch of matrices"):
            parametrizations.orthogonal(nn.Linear(2, 2), "bias")
        with pytest.raises(ValueError, match="has no parameter or buffer with name 'x'"):
            parametrizations.orthogonal(nn.Linear(2, 2), "x")
        layer = parametrizations.orthogonal(nn.Linear(2, 2), use_trivialization=False)
        with pytest.raises(NotImplementedError, match="not possible to assign"):
            layer.weight = torch.eye(2)


class TestNormalized:
    @pytest.mark.parametrize("dim", [0, 1, None])
    def test_weight_norm(self, dim):
        layer = nn.Conv1d(2, 3, 4)
        before = layer.weight.detach().clone()
        parametrizations.weight_norm(layer, dim=dim)
        length = layer.parametrizations.weight.original0
        assert torch.allclose(layer.weight, before, atol=1e-6)
        assert length.shape == {0: (3, 1, 1), 1: (1, 2, 1), None: ()}[dim]
        length.data.mul_(2)
        assert torch.allclose(layer.weight, before * 2, atol=1e-6)

    @pytest.mark.filterwarnings("ignore")
    def test_weight_norm_loads_the_older_state(self):
        old = nn.utils.weight_norm(nn.Linear(2, 3))
        new = parametrizations.weight_norm(nn.Linear(2, 3))
        new.load_state_dict(old.state_dict())
        assert torch.allclose(new.weight, old.weight)

    def test_older_weight_norm(self):
        layer = nn.Linear(2, 3)
        before = layer.weight.detach().clone()
        with pytest.warns(FutureWarning, match="deprecated in favor of"):
            nn.utils.weight_norm(layer)
        assert list(layer.state_dict()) == ["bias", "weight_g", "weight_v"]
        layer.weight_g.data.mul_(3)
        layer(torch.ones(1, 2))
        assert torch.allclose(layer.weight, before * 3, atol=1e-6)
        with pytest.raises(RuntimeError, match="Cannot register two weight_norm hooks on the same"):
            with pytest.warns(FutureWarning):
                nn.utils.weight_norm(layer)
        nn.utils.remove_weight_norm(layer)
        assert isinstance(layer.weight, nn.Parameter) and not layer._forward_pre_hooks
        with pytest.raises(ValueError, match="weight_norm of 'weight' not found in"):
            nn.utils.remove_weight_norm(layer)

    @pytest.mark.parametrize(
        "apply", [parametrizations.spectral_norm, nn.utils.spectral_norm], ids=["new", "old"]
    )
    def test_spectral_norm(self, apply):
        layer = apply(nn.Linear(4, 5), n_power_iterations=50)
        layer(torch.ones(1, 4))
        largest = torch.linalg.matrix_norm(layer.weight, 2)
        assert abs(largest.item() - 1) < 1e-3
        layer.eval()
        assert torch.equal(layer(torch.ones(1, 4)), layer(torch.ones(1, 4)))
        with pytest.raises(ValueError, match="Expected n_power_iterations to be positive"):
            apply(nn.Linear(4, 5), n_power_iterations=0)

    def test_spectral_norm_of_transposed_convolution(self):
        layer = parametrizations.spectral_norm(nn.ConvTranspose1d(2, 3, 4))
        assert layer.parametrizations.weight[0]._u.shape == (3,)
        vector = parametrizations.spectral_norm(nn.Linear(2, 3), "bias")
        assert abs(vector.bias.norm().item() - 1) < 1e-5
        with pytest.raises(IndexError, match="Dimension out of range"):
            parametrizations.spectral_norm(nn.Linear(2, 3), dim=2)

    def test_older_spectral_norm(self):
        layer = nn.utils.spectral_norm(nn.Linear(2, 3))
        state = layer.state_dict()
        assert list(state) == ["bias", "weight_orig", "weight_u", "weight_v"]
        assert state._metadata[""]["spectral_norm"] == {"weight.version": 1}
        other = nn.utils.spectral_norm(nn.Linear(2, 3))
        other.load_state_dict(state)
        assert torch.equal(other.weight_u, layer.weight_u)
        with pytest.raises(RuntimeError, match="Cannot register two spectral_norm hooks"):
            nn.utils.spectral_norm(layer)
        nn.utils.remove_spectral_norm(layer)
        assert isinstance(layer.weight, nn.Parameter) and list(layer.state_dict()) == [
            "bias",
            "weight",
        ]
        with pytest.raises(ValueError, match="spectral_norm of 'weight' not found in"):
            nn.utils.remove_spectral_norm(layer)

    def test_older_spectral_norm_loads_version_0(self):
        layer = nn.utils.spectral_norm(nn.Linear(2, 3))
        layer(torch.ones(1, 2))
        state = layer.state_dict()
        v = state.pop("weight_v")
        state["weight"] = layer.weight.detach()
        del state._metadata
        other = nn.utils.spectral_norm(nn.Linear(2, 3))
        other.load_state_dict(state)
        x = torch.ones(1, 2)
        assert torch.allclose(other.eval()(x), layer.eval()(x), atol=1e-5)
        assert other.weight_v.shape == v.shape
        assert other.load_state_dict({"bias": state["bias"]}, strict=False).missing_keys == [
            "weight_orig",
            "weight",
            "weight_u",
            "weight_orig",
            "weight_u",
            "weight_v",
        ]
