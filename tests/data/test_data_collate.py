"""`default_collate` and `default_convert`: types that come out, and errors."""

import collections
import types

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import default_collate, default_convert
from rushlight.utils.data._utils import collate as module

Point = collections.namedtuple("Point", "x y")


class Named(dict):
    """A mapping with a property of its own."""

    name = "none"


@pytest.mark.parametrize(
    "batch, dtype",
    [
        ([1, 2], torch.int64),
        ([True, False], torch.bool),
        ([1.5, 2.0], torch.float64),
        ([np.float32(1), np.float32(2)], torch.float32),
        ([np.float64(1), np.float64(2)], torch.float64),
        ([np.int8(1), np.int8(2)], torch.int8),
        ([np.bool_(True), np.bool_(False)], torch.bool),
        ([np.array([1, 2], dtype=np.int16), np.array([3, 4], dtype=np.int16)], torch.int16),
        ([np.array(1.5), np.array(2.5)], torch.float64),
        ([torch.tensor([1.0]), torch.tensor([2.0])], torch.float32),
    ],
)
def test_leaves(batch, dtype):
    out = default_collate(batch)
    assert out.dtype == dtype
    assert out.tolist() == [x.tolist() if hasattr(x, "tolist") else x for x in batch]


@pytest.mark.parametrize("batch", [["a", "b"], [b"a", b"b"], [np.str_("a")]])
def test_text_is_left_alone(batch):
    assert default_collate(batch) is batch


def test_structures():
    assert default_collate([(1, "a"), (2, "b")])[0].tolist() == [1, 2]
    assert isinstance(default_collate([(1, 2)]), list)
    point = default_collate([Point(1, 2.0), Point(3, 4.0)])
    assert type(point) is Point and point.x.tolist() == [1, 3]
    named = Named(a=1, b=[1, 2])
    named.name = "mine"
    out = default_collate([named, Named(a=2, b=[3, 4])])
    assert type(out) is Named and out.name == "mine"
    assert out["a"].tolist() == [1, 2] and [t.tolist() for t in out["b"]] == [[1, 3], [2, 4]]
    assert isinstance(default_collate([types.MappingProxyType({"a": 1})]), types.MappingProxyType)
    assert [t.tolist() for t in default_collate([range(2), range(2)])] == [[0, 0], [1, 1]]
    assert default_collate([[], []]) == []


@pytest.mark.parametrize(
    "leaf", [None, object(), {1}, np.array(["a"]), np.array([None]), np.datetime64(1, "s")]
)
def test_unsupported(leaf):
    with pytest.raises(TypeError, match="default_collate: batch must contain tensors, numpy"):
        default_collate([{"a": (leaf,)}])


def test_errors():
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal size"):
        default_collate([[1, 2], [1]])
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size"):
        default_collate([torch.zeros(2), torch.zeros(3)])
    with pytest.raises(IndexError):
        default_collate([])


def test_map_can_be_extended(monkeypatch):
    class Box:
        value = 3

    def collate_box(batch, *, collate_fn_map):
        return module.collate([box.value for box in batch], collate_fn_map=collate_fn_map)

    monkeypatch.setitem(module.default_collate_fn_map, Box, collate_box)
    assert default_collate([[Box()], [Box()]])[0].tolist() == [3, 3]


def test_convert():
    out = default_convert(
        {"array": np.ones(2), "point": Point(np.float32(1), "x"), "pair": (1, np.array(2)), "n": 3}
    )
    assert out["array"].dtype == torch.float64 and out["point"].x.dtype == torch.float32
    assert out["point"].y == "x" and isinstance(out["pair"], list) and out["pair"][1].item() == 2
    assert out["n"] == 3
    tensor = torch.ones(1)
    assert default_convert(tensor) is tensor
    text = np.array(["a"])
    assert default_convert(text) is text and default_convert(b"a") == b"a"
    assert default_convert(range(2)) == [0, 1]
