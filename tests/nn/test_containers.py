"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

import copy
import pickle
from collections import OrderedDict

import pytest

import rushlight as torch
from rushlight import nn


def layers(*sizes):
    return [nn.Linear(size, size) for size in sizes]


def sizes(container):
    return [layer.in_features for layer in container]


class TestSequential:
    def test_by_position(self):
        model = nn.Sequential(OrderedDict(a=nn.Linear(1, 1), b=nn.ReLU()))
        assert model[0] is model.a and model[-1] is model.b and len(model) == 2
        assert type(model[1:]) is nn.Sequential and list(model[1:]._modules) == ["b"]
        model[0] = nn.Linear(1, 2)
        assert model.a.out_features == 2
        with pytest.raises(IndexError, match="index 2 is out of range"):
            model[2]

    def test_changes(self):
        model = nn.Sequential(*layers(1, 2, 3))
        assert model.append(nn.Linear(4, 4)) is model
        assert model.insert(1, nn.Linear(9, 9)) is model
        assert sizes(model) == [1, 9, 2, 3, 4]
        model.insert(-1, nn.Linear(8, 8))
        assert sizes(model) == [1, 9, 2, 3, 8, 4]
        assert model.pop(1).in_features == 9
        del model[-1]
        del model[::2]
        assert sizes(model) == [2, 8] and list(model._modules) == ["0", "1"]
        assert sizes(model.extend(layers(5, 6))) == [2, 8, 5, 6]
        with pytest.raises(AssertionError, match="module should be of type"):
            model.insert(0, 1)
        with pytest.raises(IndexError, match="Index out of range: 9"):
            model.insert(9, nn.ReLU())

    def test_arithmetic(self):
        one, two = nn.Sequential(*layers(1)), nn.Sequential(*layers(2, 3))
        assert sizes(one + two) == [1, 2, 3] and len(one) == 1
        assert sizes(two * 2) == sizes(2 * two) == [2, 3, 2, 3]
        assert (two * 2)[2] is two[0]
        two *= 2
        one += two
        assert sizes(one) == [1, 2, 3, 2, 3]
        with pytest.raises(ValueError, match="add operator supports only objects of Sequential"):
            one + [1]
        with pytest.raises(TypeError, match="unsupported operand type"):
            one * 1.5
        with pytest.raises(ValueError, match="Non-positive multiplication factor 0"):
            one * 0


class TestModuleList:
    def test_is_a_list(self):
        found = nn.ModuleList(layers(1, 2, 3))
        assert sizes(found) == [1, 2, 3] and len(found) == 3
        assert sizes(found[1:]) == [2, 3] and found[-1].in_features == 3
        found[0] = nn.Linear(7, 7)
        found.insert(1, nn.Linear(8, 8))
        assert sizes(found) == [7, 8, 2, 3]
        assert found.pop(0).in_features == 7
        del found[1:]
        found += layers(4)
        assert sizes(found) == [8, 4] and sizes(found + layers(5)) == [8, 4, 5]
        assert list(found.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
        with pytest.raises(IndexError, match="index 5 is out of range"):
            found[5]
        with pytest.raises(TypeError, match="should be called with an iterable, but got int"):
            found.extend(3)
        with pytest.raises(NotImplementedError, match="missing the required"):
            found(1)

    def test_repr(self):
        found = nn.ModuleList([*layers(1, 1), nn.ReLU(), nn.Sequential(nn.Tanh())])
        assert repr(found) == (
            "ModuleList(\n"
            "  (0-1): 2 x Linear(in_features=1, out_features=1, bias=True)\n"
            "  (2): ReLU()\n"
            "  (3): Sequential(\n"
            "    (0): Tanh()\n"
            "  )\n"
            ")"
        )
        assert repr(nn.ModuleList()) == "ModuleList()"


class TestModuleDict:
    def test_is_a_dict(self):
        found = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Tanh()})
        assert list(found) == list(found.keys()) == ["b", "a"]
        assert "a" in found and len(found) == 2
        found["c"] = nn.Linear(1, 1)
        found.update([("d", nn.Identity())])
        found.update(nn.ModuleDict({"e": nn.Identity()}))
        assert [k for k, _ in found.items()] == ["b", "a", "c", "d", "e"]
        del found["d"]
        assert isinstance(found.pop("a"), nn.Tanh)
        assert [type(m).__name__ for m in found.values()] == ["ReLU", "Linear", "Identity"]
        found.clear()
        assert not len(found)

    def test_bad_updates(self):
        found = nn.ModuleDict()
        with pytest.raises(TypeError, match="iterable of key/value pairs, but got int"):
            found.update(1)
        with pytest.raises(TypeError, match="sequence element #0 should be Iterable"):
            found.update([1])
        with pytest.raises(ValueError, match="element #0 has length 1; 2 is required"):
            found.update([("a",)])


class TestParameterList:
    def test_is_a_list(self):
        found = nn.ParameterList([torch.ones(1), nn.Parameter(torch.ones(2)), "text"])
        assert len(found) == 3 and isinstance(found[0], nn.Parameter) and found[2] == "text"
        assert len(list(found.parameters())) == 2
        found[0] = torch.ones(3)
        found.append(torch.ones(4)).extend([torch.ones(5)])
        found += [torch.ones(6)]
        assert [p.numel() for p in found if isinstance(p, torch.Tensor)] == [3, 2, 4, 5, 6]
        assert type(found[:2]) is nn.ParameterList and len(found[:2]) == 2
        assert found[-1].numel() == 6
        with pytest.raises(IndexError, match="index 9 is out of range"):
            found[9]
        with pytest.raises(TypeError, match="ParameterList.extend should be called with an iter"):
            found.extend(torch.ones(2))
        with pytest.raises(RuntimeError, match="ParameterList should not be called."):
            found()

    def test_repr(self):
        assert repr(nn.ParameterList([torch.ones(2, 3), 1])) == (
            "ParameterList(\n"
            "    (0): Parameter containing: [torch.float32 of size 2x3]\n"
            "    (1): Object of type: int\n"
            ")"
        )


class TestParameterDict:
    def test_is_a_dict(self):
        found = nn.ParameterDict({"b": torch.ones(1), "a": torch.ones(2)})
        assert list(found) == ["a", "b"] and list(reversed(found)) == ["b", "a"]
        assert list(nn.ParameterDict(OrderedDict(b=torch.ones(1), a=torch.ones(1)))) == ["b", "a"]
        assert isinstance(found["a"], nn.Parameter) and "a" in found
        assert found.get("z") is None and found.get("a").numel() == 2
        assert found.setdefault("c", torch.ones(3)).numel() == 3
        assert found.popitem()[0] == "c" and found.pop("b").numel() == 1
        found.update([("d", 4)])
        assert list(found.items())[1] == ("d", 4) and len(list(found.values())) == 2
        assert list(found | nn.ParameterDict({"x": torch.ones(1)})) == ["a", "d", "x"]
        found |= {"y": torch.ones(1)}
        assert list(found) == ["a", "d", "y"]
        assert list(found.fromkeys(["k"], 1).items()) == [("k", 1)]
        assert found.copy()["a"] is found["a"]
        found.clear()
        assert not len(found) and not list(found.parameters())

    def test_errors(self):
        found = nn.ParameterDict()
        with pytest.raises(TypeError, match="as it is not a string .type is 'int'"):
            found[1]
        with pytest.raises(RuntimeError, match="ParameterDict should not be called."):
            found(1)
        with pytest.raises(TypeError, match="iterable of key/value pairs, but got int"):
            found.update(1)

    def test_repr(self):
        assert "  (a): Object of type: int" in repr(nn.ParameterDict({"a": 1}))
        assert "of size 2x3]" in repr(nn.ParameterDict({"a": torch.ones(2, 3)}))


@pytest.mark.parametrize(
    "container",
    [
        nn.Sequential(*layers(1, 2)),
        nn.ModuleList(layers(1, 2)),
        nn.ModuleDict({"a": nn.Linear(1, 1)}),
        nn.ParameterList([torch.ones(1)]),
        nn.ParameterDict({"a": torch.ones(1)}),
    ],
    ids=lambda c: type(c).__name__,
)
def test_copies(container):
    for twin in (copy.deepcopy(container), pickle.loads(pickle.dumps(container))):
        assert repr(twin) == repr(container) and len(twin) == len(container)
        twin.load_state_dict(container.state_dict())
        assert all(type(p) is nn.Parameter for p in twin.parameters())


def test_container_is_deprecated():
    with pytest.warns(FutureWarning, match="`nn.Container` is deprecated"):
        container = nn.Container(layer=nn.ReLU())
    assert isinstance(container.layer, nn.ReLU)
