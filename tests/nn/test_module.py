"""Module: registration, attributes, walking, converting, modes, printing, pickling."""

import copy
import pickle

import pytest

import rushlight as torch
from rushlight import nn


class Net(nn.Module):
    """Two layers that share a third, a buffer of each kind, and a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = nn.Sequential(nn.Linear(2, 2), self.first)
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("cache", torch.zeros(3), persistent=False)

    def forward(self, x):
        return self.second(x) * self.scale + self.mean


class TestRegistration:
    def test_order_and_sharing(self):
        net = Net()
        names = ["scale", "first.weight", "first.bias", "second.0.weight", "second.0.bias"]
        assert [name for name, _ in net.named_parameters()] == names
        duplicates = [n for n, _ in net.named_parameters(remove_duplicate=False)]
        assert duplicates == [*names, "second.1.weight", "second.1.bias"]
        assert [n for n, _ in net.named_parameters("net", recurse=False)] == ["net.scale"]
        assert [n for n, _ in net.named_buffers()] == ["mean", "cache"]
        assert [n for n, _ in net.named_modules()] == ["", "first", "second", "second.0"]
        assert [n for n, _ in net.named_modules(prefix="a", remove_duplicate=False)] == [
            "a",
            "a.first",
            "a.second",
            "a.second.0",
            "a.second.1",
        ]
        assert [n for n, _ in net.named_children()] == ["first", "second"]
        assert len(list(net.children())) == 2
        assert len(list(net.modules())) == 4

    def test_none_is_registered_and_left_out(self):
        module = nn.Module()
        module.register_parameter("weight", None)
        module.register_buffer("buffer", None)
        module.add_module("child", None)
        assert module.weight is None and module.buffer is None and module.child is None
        assert not list(module.parameters()) and not list(module.children())
        assert not module.state_dict()
        module.weight = nn.Parameter(torch.ones(1))
        assert list(module.state_dict()) == ["weight"]

    @pytest.mark.parametrize(
        "register, value, kind",
        [
            ("register_parameter", nn.Parameter(torch.zeros(1)), "parameter"),
            ("register_buffer", torch.zeros(1), "buffer"),
            ("add_module", nn.Identity(), "module"),
        ],
    )
    def test_bad_names(self, register, value, kind):
        call = getattr(Net(), register)
        with pytest.raises(TypeError, match=f"{kind} name should be a string. Got int"):
            call(1, value)
        with pytest.raises(KeyError, match=f"{kind} name can.*t contain"):
            call("a.b", value)
        with pytest.raises(KeyError, match=f"{kind} name can.*t be empty string"):
            call("", value)
        with pytest.raises(KeyError, match="attribute .*forward.* already exists"):
            call("forward", value)

    def test_bad_values(self):
        net = Net()
        with pytest.raises(TypeError, match="cannot assign 'list' object to buffer 'b'"):
            net.register_buffer("b", [1])
        with pytest.raises(TypeError, match="object to parameter 'p' .torch.nn.Parameter or None"):
            net.register_parameter("p", torch.zeros(1))
        with pytest.raises(TypeError, match="int is not a Module subclass"):
            net.add_module("m", 1)
        with pytest.raises(TypeError, match="as parameter 'scale' .torch.nn.Parameter or None"):
            net.scale = torch.zeros(1)
        with pytest.raises(TypeError, match="as child module 'first' .torch.nn.Module or None"):
            net.first = 1
        with pytest.raises(TypeError, match="cannot assign 'int' as buffer 'mean'"):
            net.mean = 1

    def test_computed_parameter(self):
        weight = nn.Parameter(torch.ones(1))
        doubled = weight * 2
        with pytest.raises(TypeError, match="cannot assign .* object to parameter"):
            nn.Module().register_parameter("weight", doubled)

    def test_before_init(self):
        class Early(nn.Module):
            def __init__(self, value):
                self.value = value

        for value, kind in (
            (nn.Parameter(torch.zeros(1)), "parameters"),
            (nn.Identity(), "module"),
            (nn.Buffer(torch.zeros(1)), "buffer"),
        ):
            with pytest.raises(
                AttributeError, match=f"cannot assign {kind} before Module.__init__"
            ):
                Early(value)

    def test_constructor_arguments(self):
        with pytest.raises(TypeError, match="unexpected keyword argument 'a'"):
            nn.Module(a=1)
        with pytest.raises(TypeError, match="takes 1 positional argument but 3 were given"):
            nn.Module(1, 2)

        class Mixin:
            def __init__(self, value):
                self.value = value

        class Both(nn.Module, Mixin):
            call_super_init = True

            def __init__(self):
                super().__init__(value=3)

        assert Both().value == 3


class TestAttributes:
    def test_kind_changes(self):
        net = Net()
        net.mean = nn.Parameter(torch.ones(2))
        assert "mean" not in dict(net.named_buffers()) and "mean" in dict(net.named_parameters())
        net.mean = None
        net.scale = None
        assert "scale" in net._parameters
        net.first = None
        assert net.first is None and "first" in net._modules
        net.plain = 1
        net.plain = nn.Identity()
        assert "plain" not in vars(net) and isinstance(net.plain, nn.Identity)

    def test_buffer_keeps_persistence(self):
        net = Net()
        net.cache = torch.ones(3)
        assert net.cache.sum() == 3 and "cache" not in net.state_dict()
        net.later = nn.Buffer(torch.ones(1), persistent=False)
        net.kept = nn.Buffer(torch.ones(1))
        assert "later" not in net.state_dict() and "kept" in net.state_dict()

    def test_register_buffer_without_persistent(self):
        class Old(nn.Module):
            def register_buffer(self, name, tensor):
                super().register_buffer(name, tensor)

        old = Old()
        old.kept = nn.Buffer(torch.ones(1))
        assert "kept" in old.state_dict()
        with pytest.raises(RuntimeError, match="non-persistent buffer"):
            old.lost = nn.Buffer(torch.ones(1), persistent=False)

    def test_delete(self):
        net = Net()
        del net.scale, net.cache, net.first
        assert not {"scale", "cache", "first"} & set(dir(net))
        with pytest.raises(AttributeError, match="'Net' object has no attribute 'scale'"):
            net.scale  # noqa: B018
        with pytest.raises(AttributeError):
            del net.scale
        net.register_buffer("cache", torch.zeros(1))
        assert "cache" in net.state_dict()

    def test_dir(self):
        names = dir(nn.Sequential(nn.Linear(1, 1)))
        assert "forward" in names and "training" in names and "0" not in names
        assert {"first", "scale", "mean"} <= set(dir(Net()))


class TestPaths:
    def test_get(self):
        net = Net()
        assert net.get_submodule("") is net
        assert net.get_submodule("second.1") is net.first
        assert net.get_parameter("second.0.bias") is net.second[0].bias
        assert net.get_buffer("mean") is net.mean

    @pytest.mark.parametrize(
        "method, path, message",
        [
            ("get_submodule", "second.7", "Sequential has no attribute `7`"),
            ("get_submodule", "first.weight", "`weight` is not an nn.Module"),
            ("get_parameter", "first.none", "Linear has no attribute `none`"),
            ("get_parameter", "mean", "`mean` is not an nn.Parameter"),
            ("get_buffer", "scale", "`scale` is not a buffer"),
        ],
    )
    def test_get_errors(self, method, path, message):
        with pytest.raises(AttributeError, match=message):
            getattr(Net(), method)(path)

    def test_set(self):
        net = Net()
        net.set_submodule("second.0", nn.ReLU(), strict=True)
        assert isinstance(net.second[0], nn.ReLU)
        net.set_submodule("second.new", nn.Tanh())
        assert isinstance(net.second.new, nn.Tanh)
        with pytest.raises(AttributeError, match="has no attribute `other`"):
            net.set_submodule("second.other", nn.Tanh(), strict=True)
        with pytest.raises(AttributeError, match="`scale` is not an nn.Module"):
            net.set_submodule("scale", nn.Tanh())
        with pytest.raises(ValueError, match="without a target name"):
            net.set_submodule("", nn.Tanh())
        with pytest.raises(ValueError, match="is not an nn.Module, found"):
            net.set_submodule("first", 3)


class TestConversion:
    def test_parameters_stay_the_same_objects(self):
        net = Net()
        before = list(net.parameters())
        net(torch.ones(1, 2)).sum().backward()
        assert net.to(torch.float64) is net
        assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
        assert {p.dtype for p in net.parameters()} == {torch.float64}
        assert net.scale.grad.dtype == torch.float64 and net.mean.dtype == torch.float64

    def test_integers_stay(self):
        norm = nn.BatchNorm1d(2)
        for convert, dtype in (
            (norm.half, torch.float16),
            (norm.bfloat16, torch.bfloat16),
            (norm.double, torch.float64),
            (norm.float, torch.float32),
        ):
            convert()
            assert norm.running_mean.dtype == norm.weight.dtype == dtype
            assert norm.num_batches_tracked.dtype == torch.int64
        assert norm.to(torch.float64).num_batches_tracked.dtype == torch.int64
        assert norm.type(torch.float16).num_batches_tracked.dtype == torch.float16

    def test_to_arguments(self):
        layer = nn.Linear(1, 1)
        assert layer.to("cpu", torch.float64).weight.dtype == torch.float64
        assert layer.to(torch.zeros(1)).weight.dtype == torch.float32
        assert layer.to(device="cpu", dtype=torch.float16).weight.dtype == torch.float16
        with pytest.raises(TypeError, match="only accepts floating point or complex dtypes"):
            layer.to(torch.int64)
        with pytest.raises(TypeError):
            layer.to(torch.float64, "cpu", 1, 2)

    def test_memory_format(self):
        conv = nn.Conv2d(4, 2, 3).to(memory_format=torch.channels_last)
        assert conv.weight.is_contiguous(memory_format=torch.channels_last)

    def test_meta(self):
        layer = nn.Linear(2, 2)
        weight = layer.weight
        layer.to("meta")
        assert layer.weight.is_meta and layer.weight is not weight
        with pytest.raises(NotImplementedError, match="Please use torch.nn.Module.to_empty"):
            layer.to("cpu")
        assert not layer.to_empty(device="cpu").weight.is_meta
        assert nn.Linear(2, 2, device="meta").weight.is_meta


class TestModes:
    def test_train_and_eval(self):
        net = Net()
        assert net.training and net.eval() is net
        assert not any(m.training for m in net.modules())
        assert all(m.training for m in net.train().modules())
        with pytest.raises(ValueError, match="training mode is expected to be boolean"):
            net.train(1)

    def test_requires_grad(self):
        net = Net().requires_grad_(False)
        assert not any(p.requires_grad for p in net.parameters())

    def test_zero_grad(self):
        net = Net()
        net(torch.ones(1, 2)).sum().backward()
        net.zero_grad(set_to_none=False)
        assert net.scale.grad.tolist() == [0.0]
        net.zero_grad()
        assert net.scale.grad is None

    def test_apply_visits_children_first(self):
        seen = []
        net = Net()
        assert net.apply(lambda m: seen.append(type(m).__name__)) is net
        assert seen == ["Linear", "Linear", "Linear", "Sequential", "Net"]

    def test_missing_forward(self):
        with pytest.raises(NotImplementedError, match='missing the required "forward" function'):
            nn.Module()()


class TestPrinting:
    def test_nested(self):
        assert repr(Net()) == (
            "Net(\n"
            "  (first): Linear(in_features=2, out_features=2, bias=True)\n"
            "  (second): Sequential(\n"
            "    (0): Linear(in_features=2, out_features=2, bias=True)\n"
            "    (1): Linear(in_features=2, out_features=2, bias=True)\n"
            "  )\n"
            ")"
        )

    def test_extra_lines(self):
        class Wordy(nn.Module):
            def extra_repr(self):
                return "one\ntwo"

        assert repr(Wordy()) == "Wordy(\n  one\n  two\n)"
        assert repr(nn.Module()) == "Module()"


class TestCopies:
    def test_deepcopy(self):
        net = Net()
        twin = copy.deepcopy(net)
        assert twin.second[1] is twin.first and twin.first is not net.first
        assert twin.scale is not net.scale and isinstance(twin.scale, nn.Parameter)
        assert twin._non_persistent_buffers_set == {"cache"}

    def test_pickle(self):
        net = pickle.loads(pickle.dumps(Net()))
        assert net.second[1] is net.first and not net.cache.sum()
        x = torch.ones(1, 2)
        assert torch.equal(net(x), pickle.loads(pickle.dumps(net))(x))

    def test_old_pickles_lack_newer_attributes(self):
        state = nn.Linear(1, 1).__getstate__()
        for name in ("_forward_pre_hooks_with_kwargs", "_backward_pre_hooks", "_state_dict_hooks"):
            del state[name]
        layer = nn.Linear.__new__(nn.Linear)
        layer.__setstate__(state)
        assert layer(torch.ones(1)).shape == (1,) and not layer._state_dict_hooks
