"""Recorded rules: the same numbers as operator by operator, and what must not be recorded."""

import math

import pytest

import rushlight as torch
from rushlight.engine.record.rule import Untraceable, trace
from rushlight.frontend import rules
from rushlight.frontend.tensor import wrap


def rule(a, b, c, scale, shift):
    a.mul_(scale).add_(b)
    c.copy_(torch.maximum(c, a.sqrt() + shift))


def tensors(dtype="float32", shape=(3, 5)):
    torch.manual_seed(0)
    return [torch.rand(shape, dtype=getattr(torch, dtype)) for _ in range(3)]


def recorded_rules():
    return [r for key, r in rules._known.items() if key[0] is rule]


def both_ways(make, calls=((0.5, 0.25), (2.0, math.pi), (1.0, 0.0))):
    """Run the rule recorded and directly; returns the tensors of both."""
    with torch.no_grad():
        once, plain = make(), make()
        for numbers in calls:
            rules.run_rule(rule, once, numbers)
            rule(*plain, *numbers)
    return once, plain


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (0, 4)])
def test_numbers_and_versions_are_those_of_the_operators(dtype, shape):
    once, plain = both_ways(lambda: tensors(dtype, shape))
    for t, expected in zip(once, plain, strict=True):
        assert torch.equal(t, expected)
        assert t._version == expected._version


def test_other_layouts():
    once, plain = both_ways(lambda: [t.T.clone().T for t in tensors()])
    assert all(map(torch.equal, once, plain))


def test_it_is_recorded_as_one_event_and_its_writes():
    given = tensors("float64", (7, 2))
    with torch.no_grad():
        rules.run_rule(rule, given, (0.5, 0.25))
        torch.frontend.flush_segment()
        rules.run_rule(rule, given, (0.75, 0.5))
    events = rules.state.mine.segment.events
    assert [len(e) == 1 for e in events].count(False) == 3  # the call, two writes
    assert recorded_rules()[-1] is not None


@pytest.mark.parametrize("shared", ["view", "twice", "numpy", "base"])
def test_tensors_that_share_memory_are_written_one_operator_at_a_time(shared):
    def make():
        a, b, c = tensors()
        if shared == "numpy":
            kept.append(a.numpy())
        whole = torch.cat([a, b])
        return {
            "view": [whole[:3], whole[3:], c],
            "twice": [a, a, c],
            "numpy": [a, b, c],
            "base": [whole, whole.clone(), whole[:6]],
        }[shared]

    kept = []
    once, plain = both_ways(make)
    assert all(map(torch.equal, once, plain))


def test_inside_autograd_every_operator_has_its_node():
    a, b, c = tensors()
    b.requires_grad_()
    rules.run_rule(rule, (a, b, c), (0.5, 0.25))
    assert a.grad_fn.name() == "AddBackward0"


def refused(function, numbers=(0.5,), dtype="float32"):
    meta = torch.ones(3, dtype=getattr(torch, dtype))._meta
    with pytest.raises(Untraceable) as error:
        trace(function, (meta,), numbers, wrap)
    return str(error.value)


def test_what_a_call_cannot_express_is_not_recorded():
    other = torch.ones(3)
    assert "not an argument" in refused(lambda a, n: a.mul_(2 * n).add_(n))
    assert "not an argument" in refused(lambda a, n: a.mul_(n).add_(other))
    assert "at run time" in refused(lambda a, n: a.zero_())
    assert "not floats" in refused(lambda a, n: a.mul_(n), (2,))
    refused(lambda a, n: a.mul_(n) if a.sum().item() else a)


def test_a_number_that_equals_a_default_is_not_baked_in():
    def softplus(a, n):
        a.copy_(torch.nn.functional.softplus(a, beta=n))

    with torch.no_grad():
        for beta in (1.0, 3.0):
            a = torch.full((2,), 0.5)
            rules.run_rule(softplus, (a,), (beta,))
            assert torch.equal(a, torch.nn.functional.softplus(torch.full((2,), 0.5), beta=beta))


def test_parameters_take_the_fast_path():
    p = torch.nn.Parameter(torch.ones(2))
    assert p._meta is torch.ones(2)._meta
