"""Parameters, buffers and their forms without a shape."""

import copy
import pickle

import pytest

import rushlight as torch
from rushlight import nn


class TestParameter:
    def test_shares_data(self):
        data = torch.zeros(2)
        parameter = nn.Parameter(data)
        assert parameter.requires_grad and parameter.is_leaf and type(parameter) is nn.Parameter
        data.fill_(1)
        assert parameter.tolist() == [1, 1]
        assert nn.Parameter().shape == (0,)

    def test_results_are_plain(self):
        parameter = nn.Parameter(torch.ones(2))
        for result in (parameter + 1, parameter[0], parameter.detach(), parameter.data):
            assert type(result) is torch.Tensor

    def test_integers(self):
        assert nn.Parameter(torch.tensor([1]), requires_grad=False).dtype == torch.int64
        with pytest.raises(RuntimeError, match="floating point and complex dtype"):
            nn.Parameter(torch.tensor([1]))

    def test_prints(self):
        assert repr(nn.Parameter(torch.zeros(1))).startswith("Parameter containing:\n")

    def test_other_classes_are_marked(self):
        class Marked(torch.Tensor):
            pass

        parameter = nn.Parameter(torch.zeros(2).as_subclass(Marked))
        assert type(parameter) is Marked and isinstance(parameter, nn.Parameter)
        assert not isinstance(torch.zeros(2).as_subclass(Marked), nn.Parameter)
        module = nn.Module()
        module.weight = parameter
        assert list(module.parameters())[0] is parameter

    def test_copies(self):
        parameter = nn.Parameter(torch.ones(2), requires_grad=False)
        for twin in (copy.deepcopy(parameter), pickle.loads(pickle.dumps(parameter))):
            assert type(twin) is nn.Parameter and not twin.requires_grad
            assert twin.tolist() == [1, 1] and twin.data_ptr() != parameter.data_ptr()
        pair = copy.deepcopy([parameter, parameter])
        assert pair[0] is pair[1]


class TestBuffer:
    def test_is_marked(self):
        buffer = nn.Buffer(torch.ones(2), persistent=False)
        assert isinstance(buffer, nn.Buffer) and type(buffer) is torch.Tensor
        assert not buffer.persistent and not isinstance(torch.ones(2), nn.Buffer)


class TestUninitialized:
    def test_materialize(self):
        parameter = nn.UninitializedParameter(dtype=torch.float64)
        assert isinstance(parameter, nn.Parameter) and nn.parameter.is_lazy(parameter)
        assert repr(parameter) == "<UninitializedParameter>"
        parameter.materialize((2, 3))
        assert type(parameter) is nn.Parameter and parameter.shape == (2, 3)
        assert parameter.dtype == torch.float64 and parameter.requires_grad

    def test_buffer(self):
        buffer = nn.UninitializedBuffer()
        buffer.materialize((2,), dtype=torch.float16)
        assert type(buffer) is torch.Tensor and buffer.dtype == torch.float16

    def test_refuses_use(self):
        parameter = nn.UninitializedParameter()
        with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized"):
            parameter.shape  # noqa: B018
        with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter"):
            parameter + 1
        with pytest.raises(RuntimeError, match="Can't share memory on an uninitialized"):
            parameter.share_memory_()

    def test_copies(self):
        for twin in (
            copy.deepcopy(nn.UninitializedParameter(requires_grad=False)),
            pickle.loads(pickle.dumps(nn.UninitializedParameter(requires_grad=False))),
        ):
            assert nn.parameter.is_lazy(twin) and not twin.requires_grad
