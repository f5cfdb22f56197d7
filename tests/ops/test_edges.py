"""The edges of every record: odd values, odd dtypes, odd sizes, and results written elsewhere.

Values are judged by the record's NumPy reference in float64, through both backends.
"""

import warnings

import numpy as np
import pytest
from op_samples import DOMAINS
from test_ops import (
    CLEAR,
    as_numpy,
    check,
    every,
    flat,
    has_method,
    mapped,
    results,
    strided,
    transposed,
)

import rushlight as torch
from rushlight.engine.base import config

ODD = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e-300, -1e200, 710.0]
WHOLE = [0, 1, 2, 3, 7, 12, -1, -3, -8]
INTEGERS = "uint8 int8 int16 int32 int64".split()


def tensors_of(arguments):
    return [a for a in flat(arguments) if isinstance(a, torch.Tensor)]


def crossed(arguments, values):
    """Every combination of the values over the tensor arguments, as NumPy arrays of one shape."""
    grids = iter(np.meshgrid(*[values] * len(tensors_of(arguments)), indexing="ij"))
    return [next(grids) if isinstance(a, torch.Tensor) else a for a in arguments]


def as_arguments(arrays, dtype):
    return [torch.tensor(a).to(dtype) if isinstance(a, np.ndarray) else a for a in arrays]


def reference(sample, arrays):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(sample.op.ref(*arrays))


def has_reference(sample):
    return sample.op.ref is not None


def pointwise(sample):
    return has_reference(sample) and sample.op.kind == "pointwise"


def reduction(sample):
    return has_reference(sample) and sample.op.kind == "operator"


def floating(sample):
    return pointwise(sample) and all(t.is_floating_point() for t in tensors_of(sample.arguments()))


@pytest.fixture(params=["cpu", "reference"])
def backend(request, monkeypatch):
    monkeypatch.setattr(config, "BACKEND", request.param)


# --------------------------------------------------------------------------------- values
@every("odd values", floating)
def test_odd_values_equal_the_reference(sample, backend):
    arrays = crossed(sample.arguments(), np.array(ODD))
    found = as_numpy(sample(as_arguments(arrays, torch.float64)))
    np.testing.assert_allclose(found, reference(sample, arrays), rtol=1e-12, atol=1e-300)


@every("integers", pointwise)
def test_integers_and_bools_equal_the_reference(sample, backend):
    for name in [*INTEGERS, "bool"]:
        kept = [v for v in WHOLE if v >= 0 or name not in ("uint8", "bool")]
        kept = [0, 1] if name == "bool" else kept
        kept = kept[1:] if sample.short in DIVISIONS else kept
        arrays = crossed(sample.arguments(), np.array(kept, np.float64))
        try:
            found = sample(as_arguments(arrays, getattr(torch, name)))
        except CLEAR:
            continue
        expected = reference(sample, arrays if sample.short not in BITS else whole(arrays))
        compare_whole(found, expected)


BITS = {"gcd", "lcm", "bitwise_and", "bitwise_or", "bitwise_xor"}  # NumPy's for integers alone


DIVISIONS = {"floor_divide", "remainder", "fmod"}  # RuntimeError for 0, when it is computed


def whole(arrays):
    return [a.astype(np.int64) if isinstance(a, np.ndarray) else a for a in arrays]


def compare_whole(found, expected):
    """Floating results to the precision of float32, integers where the exact number fits."""
    if found.is_floating_point():
        values = as_numpy(found)
        small = np.abs(expected) < 1e30
        np.testing.assert_allclose(values[small], expected[small], rtol=2e-6, atol=1e-6)
        np.testing.assert_array_equal(np.isnan(values), np.isnan(expected))
        return
    limits = np.iinfo(found.numpy().dtype) if found.dtype is not torch.bool else None
    fits = np.isfinite(expected)
    if limits:
        fits &= (expected >= limits.min) & (expected <= limits.max)
    np.testing.assert_array_equal(found.numpy()[fits], expected[fits].astype(found.numpy().dtype))


# ---------------------------------------------------------------------------------- sizes
@every("large", has_reference)
def test_layouts_of_larger_operands(sample, backend):
    """Sizes beyond a vector register and a tile, over memory with gaps or in another order."""
    low, high = DOMAINS.get(sample.short, (0.2, 0.8))
    numbers = np.random.RandomState(7)

    def larger(t):
        if t.ndim != 2:
            return t
        if t.dtype is torch.bool:
            return torch.tensor(numbers.rand(37, 19) < 0.5)
        if t.is_floating_point():
            return torch.tensor(numbers.uniform(low, high, (37, 19)))
        return torch.tensor(numbers.randint(1, 30, (37, 19)))

    arguments = mapped(sample.arguments(), larger)
    arrays = [a.numpy() if isinstance(a, torch.Tensor) else a for a in arguments]
    expected = reference(sample, arrays)
    for change in (lambda t: t, strided, transposed):
        found = as_numpy(sample(mapped(arguments, change)))
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@every("reduced sizes", reduction)
def test_reductions_of_odd_sizes(sample, backend):
    """Empty operands give the reference's value, or an error where it has none; 0-d ones too."""
    rest = sample.arguments()[1:]
    shapes = [(3, 0), (0, 3), (1, 1)] + ([] if rest else [()])
    for shape in shapes:
        array = np.full(shape, 0.75)
        try:
            expected = reference(sample, [array, *rest])
        except ValueError:
            with pytest.raises(CLEAR):
                sample((torch.tensor(array), *rest))
            continue
        found = as_numpy(sample((torch.tensor(array), *rest)))
        np.testing.assert_allclose(found, expected)


@every("reduced values", reduction)
def test_reductions_of_odd_values(sample, backend):
    rest = sample.arguments()[1:]
    rows = np.array([[np.nan, 1, 2], [np.inf, 1, -np.inf], [np.inf, 1, 2], [-np.inf, -1, 0]])
    for array in (rows, *rows[:, None]):
        found = as_numpy(sample((torch.tensor(array), *rest)))
        np.testing.assert_allclose(found, reference(sample, [array, *rest]))


# ------------------------------------------------------------------------- written elsewhere
def out_of(sample, outs):
    """Call with out=; returns what the call returns."""
    return sample(sample.arguments(), out=outs[0] if len(outs) == 1 else tuple(outs))


@every("out kept", lambda s: "out" in s.op.variants)
def test_out_keeps_its_memory(sample):
    """Of the right shape it is written where it is, whatever its strides; of another, resized."""
    expected = results(sample(sample.arguments()))
    outs = [strided(torch.zeros_like(r)) for r in expected]
    kept = [(o.data_ptr(), o.stride(), o._version) for o in outs]
    out_of(sample, outs)
    check(outs, expected)
    assert [(o.data_ptr(), o.stride()) for o in outs] == [k[:2] for k in kept]
    assert all(o._version > k[2] for o, k in zip(outs, kept, strict=True))
    wrong = [torch.zeros((2, *r.shape), dtype=r.dtype) for r in expected]
    with pytest.warns(UserWarning, match="was resized"):
        out_of(sample, wrong)
    check(wrong, expected)


@every("out dtype", lambda s: "out" in s.op.variants)
def test_out_of_a_wrong_dtype_is_refused(sample):
    expected = results(sample(sample.arguments()))
    if not any(r.is_floating_point() for r in expected):
        pytest.skip("every dtype holds the result")
    outs = [torch.full_like(r, 5, dtype=torch.int32) for r in expected]
    with pytest.raises(RuntimeError):
        out_of(sample, outs)
    assert all((o == 5).all() for o in outs)


@every("inplace layout", has_method("_", "inplace"))
def test_inplace_writes_through_a_view(sample):
    arguments = sample.arguments()
    if not isinstance(arguments[0], torch.Tensor):
        pytest.skip("the first argument is a number")
    expected = sample(arguments).to(arguments[0].dtype)
    base = torch.stack([arguments[0]] * 2, -1).clone()
    untouched, view = base[..., 1].clone(), base[..., 0]
    version = base._version
    getattr(view, sample.short + "_")(*arguments[1:], **sample.options)
    check(base[..., 0], expected)
    check(base[..., 1], untouched)
    assert base._version == version + 1


@every("inplace dtype", has_method("_", "inplace"))
def test_inplace_refuses_what_its_dtype_cannot_hold(sample):
    """int64 operands whose result is floating: an error, and the target as it was."""
    arguments = mapped(sample.arguments(), lambda t: (t * 10).to(torch.int64))
    try:
        floating = sample(arguments).is_floating_point()
    except CLEAR:
        floating = False
    if not floating:
        pytest.skip("the result is no floating tensor")
    target = arguments[0]
    before, version = target.clone(), target._version
    with pytest.raises(RuntimeError, match="can't be cast"):
        getattr(target, sample.short + "_")(*arguments[1:], **sample.options)
    assert target._version == version
    check(target, before)
