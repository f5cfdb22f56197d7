"""Every module against what PyTorch's is and computes, recorded by tests/recorded/nn_modules.py."""

import copy
import json
import pickle
from pathlib import Path

import pytest
from describe import SEED, describe, leaves
from samples import SAMPLES

import rushlight as torch
from rushlight import nn

RECORDED = json.loads((Path(__file__).parents[1] / "recorded" / "nn_modules.json").read_text())
ABSTRACT = {"Module", "Container", "RNNBase", "RNNCellBase", "LinearCrossEntropyOptions"}
OWN_CALL = {"ModuleList", "ModuleDict", "ParameterList", "ParameterDict"}  # test_containers.py
DEPRECATED = {"NLLLoss2d"}

pytestmark = pytest.mark.filterwarnings("ignore")


def assert_same(actual, expected, where=""):
    """Equal, floats nearly."""
    if isinstance(expected, dict):
        assert list(actual) == list(expected), where
        for key, value in expected.items():
            assert_same(actual[key], value, f"{where}/{key}")
    elif isinstance(expected, list) and expected and isinstance(expected[0], dict):
        assert len(actual) == len(expected), where
        for i, (mine, theirs) in enumerate(zip(actual, expected, strict=True)):
            assert_same(mine, theirs, f"{where}[{i}]")
    elif where.endswith("sum, first"):
        assert actual == pytest.approx(expected, rel=1e-4, abs=2e-5, nan_ok=True), where
    else:
        assert actual == expected, where


def make(sample, seed=SEED):
    """The module of a sample, drawn with that seed, after one call."""
    torch.manual_seed(seed)
    module = sample.make(torch)
    module(*sample.inputs(torch), **sample.kwargs(torch))
    return module


def test_names_are_unique():
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)
    assert {sample.name for sample in SAMPLES} == set(RECORDED)


def test_every_module_has_a_sample():
    sampled = {sample.name.partition("(")[0] for sample in SAMPLES}
    assert set(nn.modules.__all__) - ABSTRACT - OWN_CALL - DEPRECATED == sampled


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_matches_pytorch(sample):
    assert_same(describe(torch, sample), RECORDED[sample.name])


def outputs_of(module, sample):
    """What the module computes in eval mode, as lists."""
    torch.manual_seed(SEED)
    result = module.eval()(*sample.inputs(torch), **sample.kwargs(torch))
    return [t.tolist() for t in leaves(torch, result)]


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))],
    ids=["deepcopy", "pickle"],
)
def test_duplicates(sample, duplicate):
    module = make(sample)
    twin = duplicate(module)
    assert type(twin) is type(module)
    assert repr(twin) == repr(module)
    owned = {id(t) for t in (*module.parameters(), *module.buffers())}
    assert not owned & {id(t) for t in (*twin.parameters(), *twin.buffers())}
    assert outputs_of(twin, sample) == outputs_of(module, sample)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_state_dict_round_trip(sample):
    module = make(sample)
    other = make(sample, seed=SEED + 1)
    assert str(other.load_state_dict(module.state_dict())) == "<All keys matched successfully>"
    assert outputs_of(other, sample) == outputs_of(module, sample)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_to_float64(sample):
    module = make(sample).to(torch.float64)
    tensors = (*module.parameters(), *module.buffers())
    assert all(t.dtype == torch.float64 for t in tensors if t.is_floating_point())


WITH_PARAMETERS = [sample for sample in SAMPLES if RECORDED[sample.name]["gradients"]]


@pytest.mark.parametrize("sample", WITH_PARAMETERS, ids=str)
def test_to_meta_and_back(sample):
    empty = make(sample).to("meta")
    assert all(p.is_meta for p in empty.parameters())
    assert all(not p.is_meta for p in empty.to_empty(device="cpu").parameters())
