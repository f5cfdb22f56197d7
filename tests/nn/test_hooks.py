"""Hooks of modules: around forward and backward, when registering, for one module or all."""

import pickle

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn.modules import module as global_hooks


class Scale(nn.Module):
    """Multiplies by a keyword argument."""

    def forward(self, x, factor=1.0):
        return x * factor


class Fails(nn.Module):
    """Cannot be called."""

    def forward(self, x):
        raise ValueError("as it must")


class TestForward:
    def test_pre_hook(self):
        layer = Scale()
        handle = layer.register_forward_pre_hook(lambda m, args: (args[0] + 1,))
        assert layer(torch.zeros(1)).item() == 1
        layer.register_forward_pre_hook(lambda m, args: args[0] * 10, prepend=True)
        assert layer(torch.ones(1)).item() == 11
        handle.remove()
        assert layer(torch.ones(1)).item() == 10

    def test_pre_hook_with_kwargs(self):
        layer = Scale()
        layer.register_forward_pre_hook(
            lambda m, args, kwargs: (args, {"factor": kwargs["factor"] + 1}), with_kwargs=True
        )
        assert layer(torch.ones(1), factor=2.0).item() == 3
        layer.register_forward_pre_hook(lambda m, args, kwargs: args, with_kwargs=True)
        with pytest.raises(RuntimeError, match="must return None or a tuple of .new_args"):
            layer(torch.ones(1), factor=2.0)

    def test_hook(self):
        layer, seen = Scale(), []
        layer.register_forward_hook(lambda m, args, out: seen.append((args, out)))
        layer.register_forward_hook(
            lambda m, args, kwargs, out: out + kwargs["factor"], with_kwargs=True
        )
        layer.register_forward_hook(lambda m, args, out: out * 2, prepend=True)
        assert layer(torch.ones(1), factor=3.0).item() == 9
        assert seen[0][1].item() == 6 and seen[0][0][0].item() == 1

    def test_always_call(self):
        layer, seen = Fails(), []
        layer.register_forward_hook(lambda m, args, out: seen.append("never"))
        layer.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
        with pytest.raises(ValueError, match="as it must"):
            layer(1)
        assert seen == [None]

        def broken(module, args, out):
            raise KeyError("silenced")

        layer.register_forward_hook(broken, always_call=True)
        with pytest.warns(UserWarning, match="raised an exception that was silenced"):
            with pytest.raises(ValueError, match="as it must"):
                layer(1)

    def test_always_called_once(self):
        layer, seen = Scale(), []

        def broken(module, args, out):
            raise KeyError("not silenced")

        layer.register_forward_hook(lambda m, args, out: seen.append(1), always_call=True)
        layer.register_forward_hook(broken)
        with pytest.raises(KeyError):
            layer(torch.ones(1))
        assert seen == [1]

    def test_handle_as_context(self):
        layer = Scale()
        with layer.register_forward_hook(lambda m, args, out: out + 1):
            assert layer(torch.ones(1)).item() == 2
        assert layer(torch.ones(1)).item() == 1
        assert not layer._forward_hooks

    def test_hooks_are_pickled(self):
        layer = Scale()
        layer.register_forward_hook(double_output)
        assert pickle.loads(pickle.dumps(layer))(torch.ones(1)).item() == 2


def double_output(module, args, output):
    return output * 2


class Both(nn.Module):
    """Two inputs, one of which may be anything, and two outputs."""

    def forward(self, x, y=None):
        return x * 2, x * 3


class TestFullBackward:
    def test_sees_both_sides(self):
        layer, seen = Scale(), []
        layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
        x = torch.ones(2, requires_grad=True)
        layer(x, 3.0).sum().backward()
        (grad_x, grad_factor), (grad_out,) = seen[0]
        assert grad_x.tolist() == [3, 3] and grad_factor is None and grad_out.tolist() == [1, 1]

    def test_changes_gradients(self):
        layer = Scale()
        layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 5,))
        layer.register_full_backward_hook(lambda m, gi, go: (gi[0] + go[0],))
        x = torch.ones(2, requires_grad=True)
        layer(x, factor=3.0).sum().backward()
        assert x.grad.tolist() == [20, 20]

    def test_outputs_that_are_not_used(self):
        layer, seen = Both(), []
        layer.register_full_backward_hook(lambda m, gi, go: seen.append(go))
        x = torch.ones(1, requires_grad=True)
        layer(x)[1].backward()
        assert seen[0][1].item() == 1
        assert seen[0][0] is None or seen[0][0].item() == 0
        assert x.grad.item() == 3

    def test_order(self):
        layer, seen = Scale(), []
        layer.register_full_backward_hook(lambda m, gi, go: seen.append("first"))
        layer.register_full_backward_hook(lambda m, gi, go: seen.append("second"), prepend=True)
        layer.register_full_backward_pre_hook(lambda m, go: seen.append("pre"))
        layer(torch.ones(1, requires_grad=True)).backward()
        assert seen == ["pre", "second", "first"]

    def test_inputs_without_gradients(self):
        layer, seen = nn.Linear(1, 1), []
        layer.register_full_backward_hook(lambda m, gi, go: seen.append(gi))
        output = layer(torch.ones(1))
        with pytest.warns(UserWarning, match="no inputs require gradients"):
            output.backward()
        assert seen == [(None,)] and layer.weight.grad is not None

    def test_wrong_numbers(self):
        layer = Scale()
        layer.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
        with pytest.raises(
            RuntimeError, match="invalid number of grad_input, got 2, but expected 1"
        ):
            layer(torch.ones(1, requires_grad=True)).backward()
        layer = Scale()
        layer.register_full_backward_pre_hook(lambda m, go: ())
        with pytest.raises(RuntimeError, match="invalid number of grad_output, got 0"):
            layer(torch.ones(1, requires_grad=True)).backward()

    def test_without_gradients_nothing_happens(self):
        layer = Scale()
        layer.register_full_backward_hook(lambda m, gi, go: 1 / 0)
        with torch.no_grad():
            assert layer(torch.ones(1, requires_grad=True)).item() == 1

    def test_output_of_another_kind(self):
        class Listed(nn.Module):
            def forward(self, x):
                return [x * 2]

        layer = Listed()
        layer.register_full_backward_hook(lambda m, gi, go: None)
        with pytest.warns(UserWarning, match="should be a Tensor or a tuple of Tensors"):
            layer(torch.ones(1, requires_grad=True))

    def test_plain_and_full_exclude_each_other(self):
        layer = Scale()
        layer.register_full_backward_hook(lambda m, gi, go: None)
        with pytest.raises(RuntimeError, match="both regular backward hooks and full backward"):
            layer.register_backward_hook(lambda m, gi, go: None)


class TestPlainBackward:
    @pytest.mark.filterwarnings("ignore")
    def test_sees_last_node(self):
        layer, seen = Scale(), []
        layer.register_backward_hook(lambda m, gi, go: seen.append((m, go[0].item())))
        layer(torch.ones(1, requires_grad=True), factor=3.0).backward()
        assert seen == [(layer, 1.0)]

    def test_warns_where_it_sees_too_little(self):
        class Chain(nn.Module):
            def forward(self, x):
                return (x * 2).exp()

        layer = Chain()
        layer.register_backward_hook(lambda m, gi, go: None)
        with pytest.warns(FutureWarning, match="when the forward contains multiple autograd Nodes"):
            layer(torch.ones(1, requires_grad=True))
        layer = Both()
        layer.register_backward_hook(lambda m, gi, go: None)
        with pytest.warns(FutureWarning, match="generated by different autograd Nodes"):
            layer(torch.ones(1, requires_grad=True))


class TestGlobal:
    def test_forward(self):
        seen = []
        handles = [
            global_hooks.register_module_forward_pre_hook(lambda m, args: seen.append("before")),
            global_hooks.register_module_forward_hook(lambda m, args, out: seen.append("after")),
        ]
        layer = Scale()
        layer.register_forward_pre_hook(lambda m, args: seen.append("own"))
        layer(torch.ones(1))
        for handle in handles:
            handle.remove()
        layer(torch.ones(1))
        assert seen == ["before", "own", "after", "own"]

    def test_always_call(self):
        seen = []
        with global_hooks.register_module_forward_hook(
            lambda m, args, out: seen.append(out), always_call=True
        ):
            with pytest.raises(ValueError):
                Fails()(1)
        assert seen == [None]

    def test_backward(self):
        seen = []
        handles = [
            global_hooks.register_module_full_backward_pre_hook(lambda m, go: seen.append("pre")),
            global_hooks.register_module_full_backward_hook(lambda m, gi, go: seen.append("full")),
        ]
        Scale()(torch.ones(1, requires_grad=True)).backward()
        for handle in handles:
            handle.remove()
        assert seen == ["pre", "full"]
        with pytest.raises(RuntimeError, match="as a global Module hook"):
            global_hooks.register_module_backward_hook(lambda m, gi, go: None)

    def test_registration(self):
        def replaced(module, name, value):
            return nn.Parameter(torch.full((1,), 7.0)) if name == "weight" else None

        seen = []
        handles = [
            global_hooks.register_module_parameter_registration_hook(replaced),
            global_hooks.register_module_buffer_registration_hook(
                lambda m, name, value: seen.append(name)
            ),
            global_hooks.register_module_module_registration_hook(
                lambda m, name, value: seen.append(name)
            ),
        ]
        module = nn.Module()
        module.weight = nn.Parameter(torch.zeros(1))
        module.register_buffer("buffer", torch.zeros(1))
        module.child = nn.Identity()
        module.add_module("other", nn.Identity())
        for handle in handles:
            handle.remove()
        assert module.weight.item() == 7
        assert seen == ["buffer", "child", "other"]
