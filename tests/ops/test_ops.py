"""Tests generated from the records: about ten questions asked of every operator with a sample.

What is expected to fail is listed in exceptions.json beside this file, with reason and date.
"""

import json
import pathlib

import numpy as np
import pytest
from op_samples import SYMMETRIC, samples

import rushlight as torch
from rushlight.engine.base import config
from rushlight.engine.ops import REGISTRY
from rushlight.engine.record import state
from rushlight.engine.record.alone import READS

SAMPLES = samples()
EXCEPTIONS = json.loads(pathlib.Path(__file__).with_name("exceptions.json").read_text())
UNDERIVED = EXCEPTIONS.pop("underived")  # differentiable in the schema, without a formula
DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128"
CLEAR = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)


def every(test, keep=lambda sample: True):
    """Parametrize `test` over the samples; listed exceptions are expected to fail."""
    listed = EXCEPTIONS.get(test, {})
    return pytest.mark.parametrize(
        "sample",
        [
            pytest.param(
                s,
                id=s.name,
                marks=[pytest.mark.xfail(reason="{reason} ({date})".format(**listed[s.name]))]
                if s.name in listed
                else [],
            )
            for s in SAMPLES
            if keep(s)
        ],
    )


def results(value):
    """The tensors of a result, as a list."""
    return [value] if isinstance(value, torch.Tensor) else list(value)


def as_numpy(t):
    """Values as NumPy sees them, bfloat16 and float16 widened."""
    t = t.detach()
    return (t.to(torch.float64) if t.dtype.is_floating_point else t).numpy()


def check(found, expected, rtol=1e-9, atol=1e-12):
    """Same structure, dtypes and values."""
    found, expected = results(found), results(expected)
    assert len(found) == len(expected)
    for f, e in zip(found, expected, strict=True):
        assert (f.dtype, f.shape) == (e.dtype, e.shape)
        np.testing.assert_allclose(as_numpy(f), as_numpy(e), rtol=rtol, atol=atol)


def mapped(arguments, change):
    """Arguments with every tensor changed, inside lists too."""

    def one(a):
        if isinstance(a, list):
            return [one(x) for x in a]
        return change(a) if isinstance(a, torch.Tensor) else a

    return tuple(one(a) for a in arguments)


# ------------------------------------------------------------------------------- forward
@every("forward", lambda s: s.op.ref is not None)
def test_forward_equals_the_reference(sample):
    arguments = sample.arguments()
    with np.errstate(all="ignore"):
        expected = sample.op.ref(
            *[as_numpy(a) if isinstance(a, torch.Tensor) else a for a in arguments]
        )
    np.testing.assert_allclose(as_numpy(sample(arguments)), expected, rtol=1e-12, atol=1e-13)


@every("eager")
def test_recorded_equals_eager_and_reference(sample, monkeypatch):
    """One plan for a little program, operator by operator, and through NumPy."""
    arguments = sample.arguments()

    def program():
        shifted = mapped(arguments, lambda t: t * 1.125 if t.dtype.is_floating_point else t)
        return [r * 2 for r in results(sample(shifted))]

    recorded = program()
    torch.frontend.flush_segment()
    monkeypatch.setattr(config, "EAGER", True)
    eager = program()
    monkeypatch.setattr(config, "EAGER", False)
    monkeypatch.setattr(config, "BACKEND", "reference")
    reference = program()
    torch.frontend.flush_segment()
    check(recorded, eager)
    check(recorded, reference)


@every("eager")
def test_alone_equals_recorded(sample):
    """What runs at once since every result is read, against the tape; twice, for a first call is
    recorded in any case."""
    arguments = sample.arguments()
    expected = results(sample(arguments))
    for _ in range(2):
        torch.frontend.flush_segment()
        state.mine.reads, state.mine.unread = READS + 1, False
        check(sample(arguments), expected, rtol=0, atol=0)


# ------------------------------------------------------------------------------- layouts
def strided(t):
    """The same values as every second element of a larger tensor."""
    if not t.ndim:
        return t
    return torch.stack([t, t], -1).flatten(-2)[..., ::2]


def transposed(t):
    """The same values with the strides of the transpose."""
    return t.clone() if t.ndim < 2 else t.transpose(0, -1).contiguous().transpose(0, -1)


@every("layouts")
def test_layouts_do_not_matter(sample):
    arguments = sample.arguments()
    expected = sample(arguments)
    for change in (strided, transposed):
        check(sample(mapped(arguments, change)), expected)


@every("broadcast", lambda s: s.op.kind == "pointwise")
def test_pointwise_sizes(sample):
    """Empty, 0-d, expanded and size-1 operands."""
    arguments = sample.arguments()
    full = results(sample(arguments))
    check([r[:, :0] for r in full], sample(mapped(arguments, lambda t: t[:, :0])))
    check([r[1, 2] for r in full], sample(mapped(arguments, lambda t: t[1, 2])))
    row = mapped(arguments, lambda t: t[:1])
    check(sample(mapped(row, lambda t: t.expand(2, 3))), [r[:1].expand(2, 3) for r in full])
    first, *rest = arguments
    if any(isinstance(a, torch.Tensor) for a in rest) and isinstance(first, torch.Tensor):
        mixed = (first, *mapped(rest, lambda t: t[:1]))
        check(sample(mixed), sample((first, *mapped(rest, lambda t: t[:1].expand(2, 3)))))


# ---------------------------------------------------------------------- other ways to call
def has_method(suffix, variant):
    return lambda s: variant in s.op.variants and hasattr(torch.Tensor, s.short + suffix)


@every("inplace", has_method("_", "inplace"))
def test_inplace_equals_functional(sample):
    arguments = sample.arguments()
    target = arguments[0]
    if not isinstance(target, torch.Tensor):
        pytest.skip("the first argument is a number")
    expected = sample(arguments)
    version, pointer = target._version, target.data_ptr()
    returned = getattr(target, sample.short + "_")(*arguments[1:], **sample.options)
    assert returned is target and target.data_ptr() == pointer
    assert target._version == version + 1
    check(target, expected.to(target.dtype))


@every("out", lambda s: "out" in s.op.variants)
def test_out_equals_functional(sample):
    arguments = sample.arguments()
    expected = sample(arguments)
    outs = [torch.empty(0, dtype=r.dtype) for r in results(expected)]
    returned = sample(arguments, out=outs[0] if isinstance(expected, torch.Tensor) else tuple(outs))
    check(outs, results(expected))
    assert all(r is o for r, o in zip(results(returned), outs, strict=True))


# ------------------------------------------------------------------------------ gradients
def gradient_inputs(sample):
    """Arguments with floating tensors that want gradients."""
    return mapped(
        sample.arguments(),
        lambda t: t.detach().requires_grad_(True) if t.dtype.is_floating_point else t,
    )


@every("gradient", lambda s: s.op.differentiable)
def test_gradient(sample):
    """The derived derivative against differences, and its own derivative where there is one."""
    arguments = gradient_inputs(sample)
    leaves = [a for a in flat(arguments) if isinstance(a, torch.Tensor) and a.requires_grad]
    if not leaves or not any(r.requires_grad for r in results(sample(arguments))):
        pytest.skip("nothing to differentiate")

    def function(*given):
        if sample.short in SYMMETRIC:
            given = [(g + g.mT) / 2 for g in given]
        rest = iter(given)
        replaced = mapped(arguments, lambda t: next(rest) if t.requires_grad else t)
        return tuple(
            r for r in results(sample(replaced)) if r.is_floating_point() or r.is_complex()
        )

    try:
        assert torch.autograd.gradcheck(function, tuple(leaves), rtol=1e-5, atol=1e-7)
    except NotImplementedError as error:  # as in PyTorch, a derivative may not exist
        assert "the derivative for" in str(error)
        assert sample.short in UNDERIVED, error
        pytest.skip(UNDERIVED[sample.short]["reason"])
    assert sample.short not in UNDERIVED, "has a derivative now: take it off the list"


def flat(arguments):
    for a in arguments:
        yield from a if isinstance(a, list) else [a]


# --------------------------------------------------------------------------------- dtypes
def converted(t, name):
    """A floating tensor as another dtype (integers from 2 to 8: no zeros to divide by)."""
    dtype = getattr(torch, name)
    if t.dtype is not torch.float64:
        return t
    return (t if dtype.is_floating_point else t * 10).to(dtype)


@every("dtypes")
def test_every_dtype_works_or_says_why(sample):
    """All dtypes in one plan: a result, or an error that a user understands."""
    made = []
    for name in DTYPES.split():
        arguments = mapped(sample.arguments(), lambda t, name=name: converted(t, name))
        try:
            made += results(sample(arguments))
        except CLEAR as error:
            assert len(str(error)) > 10, f"{name}: {error!r}"
    assert made, "no dtype works"
    torch.frontend.flush_segment()


@every("meta")
def test_meta_tells_shape_and_dtype(sample):
    arguments = sample.arguments()
    expected = results(sample(arguments))
    found = results(sample(mapped(arguments, lambda t: t.to("meta"))))
    for f, e in zip(found, expected, strict=True):
        assert f.device.type == "meta"
        assert (f.shape, f.dtype, f.stride()) == (e.shape, e.dtype, e.stride())


# ---------------------------------------------------------------------------- the table
def test_operators_are_declared_once():
    for name, overloads in REGISTRY.items():
        full = [op.full_name for op in overloads]
        assert len(set(full)) == len(full), f"{name} is declared twice: {full}"


def test_exceptions_name_samples():
    known = {s.name for s in SAMPLES}
    for test, entries in EXCEPTIONS.items():
        assert set(entries) <= known, f"{test}: {sorted(set(entries) - known)} are gone"
        assert all(e["reason"] and e["date"] for e in entries.values())
