"""Gradient clipping, vectors of parameters, fusion, stateless calls and other utilities."""

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn import utils
from rushlight.nn.utils import stateless


def weights(*grads):
    found = []
    for grad in grads:
        weight = torch.zeros(len(grad), requires_grad=True)
        weight.grad = torch.tensor(grad)
        found.append(weight)
    return found


class TestClip:
    @pytest.mark.parametrize(
        "norm_type, norm", [(2.0, 13.0), (1, 19.0), (float("inf"), 12.0), (0.0, 2.0)]
    )
    def test_norm(self, norm_type, norm):
        found = weights([3.0, 4.0], [12.0])
        total = utils.clip_grad_norm_(found, 1.0, norm_type)
        assert total.item() == pytest.approx(norm)
        assert found[0].grad.tolist() == pytest.approx([3 / norm, 4 / norm], rel=1e-4)

    def test_small_norms_stay(self):
        (weight,) = weights([0.3, 0.4])
        utils.clip_grad_norm_(weight, 1.0, foreach=False)
        assert weight.grad.tolist() == pytest.approx([0.3, 0.4])

    def test_nothing_to_clip(self):
        assert utils.clip_grad_norm_([torch.zeros(1, requires_grad=True)], 1.0).item() == 0
        with pytest.warns(UserWarning, match="is an empty generator"):
            utils.clip_grad_norm_((p for p in ()), 1.0)

    def test_not_finite(self):
        (weight,) = weights([float("nan"), 1.0])
        with pytest.raises(RuntimeError, match="for gradients from `parameters` is non-finite"):
            utils.clip_grad_norm_(weight, 1.0, error_if_nonfinite=True)
        assert utils.clip_grad_norm_(weight, 1.0).isnan()

    def test_in_two_steps(self):
        (weight,) = weights([3.0, 4.0])
        total = utils.get_total_norm([weight.grad])
        utils.clip_grads_with_norm_(weight, 2.5, total)
        assert weight.grad.tolist() == pytest.approx([1.5, 2.0])

    def test_value(self):
        found = weights([3.0, -0.2], [-5.0])
        utils.clip_grad_value_(found, 0.5)
        assert [w.grad.tolist() for w in found] == [pytest.approx([0.5, -0.2]), [-0.5]]

    def test_former_name(self):
        with pytest.warns(FutureWarning, match="clip_grad_norm` is now deprecated"):
            utils.clip_grad_norm(weights([3.0, 4.0]), 1.0)


def test_vector_and_back():
    layer = nn.Linear(2, 3)
    vector = utils.parameters_to_vector(layer.parameters())
    assert vector.shape == (9,) and vector.grad_fn is not None
    utils.vector_to_parameters(torch.arange(9.0), layer.parameters())
    assert layer.bias.tolist() == [6, 7, 8] and layer.weight[2].tolist() == [4, 5]
    with pytest.raises(TypeError, match="expected torch.Tensor, but got: list"):
        utils.vector_to_parameters([1], layer.parameters())


class TestFusion:
    @pytest.mark.parametrize(
        "layer, x, norm",
        [
            (nn.Conv2d(3, 4, 2), (2, 3, 5, 5), nn.BatchNorm2d(4)),
            (nn.Conv1d(4, 4, 2, groups=2, bias=False), (2, 4, 5), nn.BatchNorm1d(4)),
            (nn.Conv1d(3, 4, 2), (2, 3, 5), nn.BatchNorm1d(4, affine=False)),
            (nn.ConvTranspose2d(3, 4, 2), (2, 3, 5, 5), nn.BatchNorm2d(4)),
        ],
        ids=["conv", "groups", "no affine", "transposed"],
    )
    def test_convolution(self, layer, x, norm):
        x = torch.sin(torch.arange(torch.zeros(x).numel()).float()).reshape(x)
        norm(layer(x))
        layer.eval(), norm.eval()
        is_transposed = isinstance(layer, nn.ConvTranspose2d)
        fused = utils.fuse_conv_bn_eval(layer, norm, transpose=is_transposed)
        assert torch.allclose(fused(x), norm(layer(x)), atol=1e-5) and type(fused) is type(layer)

    def test_linear(self):
        x = torch.sin(torch.arange(12.0)).reshape(4, 3)
        layer, norm = nn.Linear(3, 5, bias=False), nn.BatchNorm1d(5)
        norm(layer(x))
        layer.eval(), norm.eval()
        assert torch.allclose(utils.fuse_linear_bn_eval(layer, norm)(x), norm(layer(x)), atol=1e-5)
        with pytest.raises(AssertionError, match="To fuse, linear.out_features == bn.num_features"):
            utils.fuse_linear_bn_eval(layer, nn.BatchNorm1d(2).eval())

    def test_only_in_eval_mode(self):
        with pytest.raises(AssertionError, match="Fusion only for eval!"):
            utils.fuse_conv_bn_eval(nn.Conv1d(2, 2, 1), nn.BatchNorm1d(2))


class TestStateless:
    def net(self):
        """Two layers that share their parameters."""
        first, last = nn.Linear(2, 2), nn.Linear(2, 2)
        last.weight, last.bias = first.weight, first.bias
        return nn.Sequential(first, nn.BatchNorm1d(2), last)

    def test_own_tensors_come_back(self):
        layer = nn.Linear(1, 1)
        weight = torch.full((1, 1), 5.0, requires_grad=True)
        result = stateless._functional_call(
            layer, {"weight": weight, "bias": torch.zeros(1)}, torch.ones(1)
        )
        assert result.item() == 5 and isinstance(layer.weight, nn.Parameter)
        result.backward()
        assert weight.grad.item() == 1 and layer.weight.grad is None

    def test_comes_back_after_an_error(self):
        layer = nn.Linear(1, 1)
        weight = layer.weight
        with pytest.raises(RuntimeError):
            stateless._functional_call(layer, {"weight": torch.zeros(2, 2)}, torch.ones(1))
        assert layer.weight is weight

    def test_buffers_that_are_replaced(self):
        class Counter(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("count", torch.zeros(1))

            def forward(self):
                self.count = self.count + 1

        counter, tensors = Counter(), {"count": torch.full((1,), 5.0)}
        stateless._functional_call(counter, tensors)
        assert tensors["count"].item() == 6 and counter.count.item() == 0

    def test_tied(self):
        net = self.net()
        x = torch.ones(3, 2)
        zeros = {"0.weight": torch.zeros(2, 2), "0.bias": torch.zeros(2)}
        assert stateless._functional_call(net, zeros, x).eq(0).all()
        assert not stateless._functional_call(net, zeros, x, tie_weights=False).eq(0).all()
        with pytest.raises(ValueError, match="got multiple values for keys .*, which are tied"):
            stateless._functional_call(net, {**zeros, "2.bias": torch.ones(2)}, x)

    def test_strict(self):
        with pytest.raises(RuntimeError) as raised:
            stateless._functional_call(
                nn.Linear(1, 1),
                {"weight": torch.zeros(1, 1), "x": torch.zeros(1)},
                torch.ones(1),
                strict=True,
            )
        assert str(raised.value) == (
            "Error(s) in reparametrizing for Linear:\n"
            "\tUnexpected key(s): 'x'.\n"
            "\tMissing key(s): 'bias'."
        )

    def test_arguments(self):
        class Args(nn.Module):
            def forward(self, *args, **kwargs):
                return args, kwargs

        call = stateless._functional_call
        assert call(Args(), {}) == ((), {})
        assert call(Args(), {}, 1) == ((1,), {})
        assert call(Args(), {}, (1, 2), {"a": 3}) == ((1, 2), {"a": 3})

    def test_former_name(self):
        with pytest.warns(FutureWarning, match="use `torch.func.functional_call` instead"):
            stateless.functional_call(nn.Identity(), {}, torch.ones(1))


class TestOther:
    def test_skip_init(self):
        torch.manual_seed(0)
        expected = torch.rand(1)
        torch.manual_seed(0)
        layer = utils.skip_init(nn.Linear, 5, 2, bias=False)
        assert layer.weight.shape == (2, 5) and torch.equal(torch.rand(1), expected)
        with pytest.raises(RuntimeError, match="Module must support a 'device' arg"):
            utils.skip_init(nn.ReLU)
        with pytest.raises(RuntimeError, match="Expected a Module; got"):
            utils.skip_init(int)

    def test_memory_format(self):
        model = nn.Sequential(nn.Conv2d(4, 2, 3), nn.Linear(2, 2))
        weight = model[0].weight.detach().clone()
        utils.convert_conv2d_weight_memory_format(model, torch.channels_last)
        assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(model[0].weight, weight)
        conv = utils.convert_conv3d_weight_memory_format(nn.Conv3d(4, 2, 3), torch.channels_last_3d)
        assert conv.weight.is_contiguous(memory_format=torch.channels_last_3d)

    def test_factory_kwargs(self):
        assert nn.factory_kwargs(None) == {}
        given = {"device": "cpu", "factory_kwargs": {"dtype": torch.float64}}
        assert nn.factory_kwargs(given) == {"device": "cpu", "dtype": torch.float64}
        with pytest.raises(TypeError, match="unexpected kwargs"):
            nn.factory_kwargs({"x": 1})
        with pytest.raises(TypeError, match="device specified twice"):
            nn.factory_kwargs({"device": "cpu", "factory_kwargs": {"device": "cpu"}})
