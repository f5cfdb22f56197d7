"""State dicts: names, metadata, sharing, loading, strictness, hooks, extra state."""

from collections import OrderedDict

import pytest

import rushlight as torch
from rushlight import nn


def net():
    return nn.Sequential(OrderedDict(a=nn.Linear(2, 3), b=nn.Sequential(nn.BatchNorm1d(3))))


NAMES = [
    "a.weight",
    "a.bias",
    "b.0.weight",
    "b.0.bias",
    "b.0.running_mean",
    "b.0.running_var",
    "b.0.num_batches_tracked",
]


class TestSave:
    def test_names_and_metadata(self):
        state = net().state_dict()
        assert isinstance(state, OrderedDict) and list(state) == NAMES
        versions = {"": 1, "a": 1, "b": 1, "b.0": 2}
        assert state._metadata == {k: {"version": v} for k, v in versions.items()}
        assert list(net().state_dict(prefix="x."))[0] == "x.a.weight"

    def test_shares_storage(self):
        layer = nn.Linear(1, 1)
        state = layer.state_dict()
        assert not state["weight"].requires_grad and not isinstance(state["weight"], nn.Parameter)
        state["weight"].fill_(5)
        assert layer.weight.item() == 5
        assert layer.state_dict(keep_vars=True)["weight"] is layer.weight

    def test_destination(self):
        destination = {}
        with pytest.warns(FutureWarning, match="Positional args are being deprecated"):
            state = nn.Linear(1, 1).state_dict(destination, "p.")
        assert state is destination and list(destination) == ["p.weight", "p.bias"]


class TestLoad:
    def test_copies(self):
        source, target = net(), net()
        weight = target.a.weight
        result = target.load_state_dict(source.state_dict())
        assert repr(result) == "<All keys matched successfully>"
        assert target.a.weight is weight and torch.equal(weight, source.a.weight)
        assert weight.requires_grad
        source.a.weight.data.fill_(3)
        assert not torch.equal(weight, source.a.weight)

    def test_converts_dtype(self):
        target = nn.Linear(1, 1)
        target.load_state_dict({"weight": torch.ones(1, 1).double(), "bias": torch.ones(1).int()})
        assert target.weight.dtype == torch.float32 and target.bias.item() == 1

    def test_assign(self):
        target = nn.Linear(1, 1)
        target.weight.requires_grad_(False)
        weight = torch.ones(1, 1, dtype=torch.float64)
        bias = nn.Parameter(torch.ones(1))
        target.load_state_dict({"weight": weight, "bias": bias}, assign=True)
        assert target.bias is bias and target.weight.dtype == torch.float64
        assert isinstance(target.weight, nn.Parameter) and not target.weight.requires_grad
        assert target.weight.data_ptr() == weight.data_ptr()

    def test_names_that_differ(self):
        state = net().state_dict()
        del state["a.bias"], state["b.0.running_mean"]
        state["a.extra"] = state["c.deep.x"] = torch.zeros(1)
        with pytest.raises(RuntimeError) as raised:
            net().load_state_dict(state)
        assert str(raised.value) == (
            "Error(s) in loading state_dict for Sequential:\n"
            '\tMissing key(s) in state_dict: "a.bias", "b.0.running_mean". \n'
            '\tUnexpected key(s) in state_dict: "c.deep.x", "a.extra". '
        )
        result = net().load_state_dict(state, strict=False)
        assert result.missing_keys == ["a.bias", "b.0.running_mean"]
        assert result.unexpected_keys == ["c.deep.x", "a.extra"]

    def test_sizes_that_differ(self):
        state = {"weight": torch.zeros(3, 1), "bias": torch.zeros(2)}
        with pytest.raises(RuntimeError) as raised:
            nn.Linear(1, 1).load_state_dict(state, strict=False)
        assert str(raised.value) == (
            "Error(s) in loading state_dict for Linear:\n"
            "\tsize mismatch for weight: copying a param with shape torch.Size([3, 1]) from "
            "checkpoint, the shape in current model is torch.Size([1, 1]).\n"
            "\tsize mismatch for bias: copying a param with shape torch.Size([2]) from checkpoint, "
            "the shape in current model is torch.Size([1])."
        )

    def test_values_of_another_kind(self):
        with pytest.raises(RuntimeError, match="expected torch.Tensor or Tensor-like object from"):
            nn.Linear(1, 1).load_state_dict({"weight": 1.0, "bias": torch.zeros(1)})
        with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got"):
            nn.Linear(1, 1).load_state_dict([])

    def test_scalars_saved_with_one_dimension(self):
        module = nn.Module()
        module.scale = nn.Parameter(torch.tensor(1.0))
        module.load_state_dict({"scale": torch.tensor([5.0])})
        assert module.scale.item() == 5 and module.scale.dim() == 0

    def test_into_meta(self):
        layer = nn.Linear(1, 1, device="meta")
        state = nn.Linear(1, 1).state_dict()
        with pytest.warns(UserWarning, match="which is a no-op"):
            layer.load_state_dict(state)
        layer.load_state_dict(state, assign=True)
        assert not layer.weight.is_meta

    def test_batch_norm_before_version_2(self):
        norm = nn.BatchNorm1d(2)
        norm.num_batches_tracked.fill_(4)
        state = norm.state_dict()
        del state["num_batches_tracked"], state._metadata
        norm.load_state_dict(state)
        assert norm.num_batches_tracked.item() == 4

    def test_instance_norm_before_it_tracked(self):
        state = {"running_mean": torch.zeros(2), "running_var": torch.zeros(2)}
        with pytest.raises(RuntimeError, match="Unexpected running stats buffer"):
            nn.InstanceNorm1d(2).load_state_dict(state)


class Counter(nn.Module):
    """Keeps a number as extra state."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        self.count = state["count"]


class TestExtraState:
    def test_round_trip(self):
        source, target = nn.Sequential(Counter()), nn.Sequential(Counter())
        source[0].count = 3
        state = source.state_dict()
        assert state == {"0._extra_state": {"count": 3}}
        target.load_state_dict(state)
        assert target[0].count == 3

    def test_strictness(self):
        assert Counter().load_state_dict({}, strict=False).missing_keys == ["_extra_state"]
        result = nn.Identity().load_state_dict({"_extra_state": 1}, strict=False)
        assert result.unexpected_keys == ["_extra_state"]

    def test_default(self):
        with pytest.raises(RuntimeError):
            nn.Module().get_extra_state()
        with pytest.raises(RuntimeError):
            nn.Module().set_extra_state(1)


class TestHooks:
    def test_around_saving(self):
        layer, seen = nn.Linear(1, 1), []
        layer.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append((prefix, keep)))
        handle = layer.register_state_dict_post_hook(
            lambda m, state, prefix, metadata: state.pop(prefix + "bias") and None
        )
        assert list(nn.Sequential(layer).state_dict()) == ["0.weight"]
        assert seen == [("0.", False)]
        handle.remove()
        layer._register_state_dict_hook(lambda m, state, prefix, metadata: {"only": 1})
        assert layer.state_dict() == {"only": 1}

    def test_post_hook_returns_nothing(self):
        layer = nn.Linear(1, 1)

        def hook(module, state, prefix, metadata):
            return state

        layer.register_state_dict_post_hook(hook)
        with pytest.raises(RuntimeError, match="state_dict post-hook must return None"):
            layer.state_dict()
        with pytest.raises(RuntimeError, match="previously registered via"):
            layer._register_state_dict_hook(hook)

    def test_before_loading(self):
        layer = nn.Linear(1, 1)

        def rename(module, state, prefix, metadata, strict, missing, unexpected, errors):
            assert module is layer
            state[prefix + "weight"] = state.pop(prefix + "kernel")

        layer.register_load_state_dict_pre_hook(rename)
        state = {"0.kernel": torch.ones(1, 1), "0.bias": torch.zeros(1)}
        nn.Sequential(layer).load_state_dict(state)
        assert layer.weight.item() == 1 and "0.kernel" in state

    def test_after_loading(self):
        layer = nn.Linear(1, 1)
        handle = layer.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
        layer.load_state_dict({})
        handle.remove()
        layer.register_load_state_dict_post_hook(lambda m, keys: keys)
        with pytest.raises(AssertionError, match="not expected to return new values"):
            layer.load_state_dict({})


def test_consume_prefix():
    state = nn.Sequential(OrderedDict(module=net())).state_dict()
    nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    assert list(state) == NAMES
    net().load_state_dict(state)
    assert state._metadata["b.0"] == {"version": 2}
