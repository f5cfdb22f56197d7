"""The written-out recording of few operands does what the general one does."""

import pytest

import rushlight as torch
from rushlight.engine.ops import REGISTRY
from rushlight.engine.record import state
from rushlight.frontend import dispatch
from rushlight.frontend.finishing import FINISH

CASES = {
    1: ("exp", lambda x, y, z: x.exp(), ()),
    2: ("mul", lambda x, y, z: x * y, ()),
    3: ("addcmul", lambda x, y, z: torch.addcmul(x, y, z, value=3.0), (3.0,)),
}


def _tape(finish, call, tensors, scalars):
    torch.frontend.flush_segment()
    result = finish(call, tensors, scalars)
    segment = state.mine.segment
    tape = (list(segment.events), list(segment.scalars), segment.count, segment.nbytes)
    return tape, result


@pytest.mark.parametrize("n", CASES)
@pytest.mark.parametrize("mode", ["plain", "gradients", "inference"])
def test_same_tape_and_history(n, mode):
    name, function, scalars = CASES[n]
    tensors = [torch.rand(2, 3, requires_grad=mode == "gradients") for _ in range(n)]
    with torch.inference_mode(mode == "inference"):
        expected = function(*tensors, *[None] * (3 - n))
        key, *_ = [
            k for k in REGISTRY[name][0].calls if sum(m is tensors[0]._meta for m in k) == n
        ]
        call = REGISTRY[name][0].calls[key]
        special, a = _tape(lambda c, t, s: FINISH[f"finish{n}"](c, *t, s), call, tensors, scalars)
        general, b = _tape(dispatch.finish, call, tensors, scalars)
    assert special == general
    assert a.is_inference() == b.is_inference() == (mode == "inference")
    assert a.requires_grad == b.requires_grad == (mode == "gradients")
    torch.testing.assert_close(a, b)
    torch.testing.assert_close(a, expected)
    if mode == "gradients":
        assert a.grad_fn.name() == b.grad_fn.name()
        assert [e[0].variable is t for e, t in zip(a.grad_fn.edges, tensors, strict=True)]
