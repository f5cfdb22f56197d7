"""torch.masked against numpy.ma in float64, and what functions answer where nothing is kept."""

import doctest

import numpy as np
import pytest

import rushlight as torch
from rushlight.masked import normalizations, reductions

INF = float("inf")
masked = torch.masked
NUMBERS = np.random.default_rng(7).normal(size=(3, 5, 7))
MASKS = {
    "none": None,
    "full": NUMBERS > -0.5,
    "last": NUMBERS[0, 0] > -0.2,
    "rows": NUMBERS[:, :, :1] > -1.5,
    "numbers": (NUMBERS[0] > -0.5).astype(np.float64) * 3,
}


def ma(x, mask):
    hidden = np.zeros(x.shape, bool) if mask is None else ~np.broadcast_to(mask != 0, x.shape)
    return np.ma.array(x, mask=hidden)


def tensor(x):
    return None if x is None else torch.tensor(x)


def close(found, expected):
    expected = np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-12, atol=1e-12)


def norm_of(order):
    def norm(m, axis, keepdims):
        return np.ma.sum(np.abs(m) ** order, axis=axis, keepdims=keepdims) ** (1 / order)

    return norm


REDUCTIONS = {  # name: (function of a tensor, of a masked array, what nothing gives)
    "sum": (masked.sum, np.ma.sum, 0),
    "prod": (masked.prod, np.ma.prod, 1),
    "amax": (masked.amax, np.ma.max, -INF),
    "amin": (masked.amin, np.ma.min, INF),
    "mean": (masked.mean, np.ma.mean, np.nan),
    "norm": (lambda x, *a, **k: masked.norm(x, 3, *a, **k), norm_of(3), 0),
    "var": (
        lambda x, *a, **k: masked.var(x, *a, unbiased=False, **k),
        np.ma.var,
        np.nan,
    ),
    "std": (
        lambda x, *a, **k: masked.std(x, *a, correction=0, **k),
        np.ma.std,
        np.nan,
    ),
    "logsumexp": (
        masked.logsumexp,
        lambda m, axis, keepdims: np.ma.log(np.ma.sum(np.ma.exp(m), axis=axis, keepdims=keepdims)),
        -INF,
    ),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("dim", [None, 1, (0, -1), ()])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name, dim, mask):
    ours, theirs, nothing = REDUCTIONS[name]
    axis = None if dim == () else dim
    for keepdim in (False, True):
        expected = theirs(ma(NUMBERS, MASKS[mask]), axis=axis, keepdims=keepdim)
        if isinstance(expected, np.ma.MaskedArray):
            expected = expected.filled(nothing)
        found = ours(tensor(NUMBERS), dim, keepdim=keepdim, mask=tensor(MASKS[mask]))
        close(found, expected)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_where_nothing_is_kept(name):
    ours, _, nothing = REDUCTIONS[name]
    x = torch.tensor([[1.0, -2.0], [3.0, 4.0]], dtype=torch.float64)
    found = ours(x, 1, mask=torch.tensor([[False], [True]]))
    np.testing.assert_equal(found[0].item(), float(nothing))
    assert torch.isfinite(found[1])


@pytest.mark.parametrize("name", REDUCTIONS)
def test_what_the_mask_hides_has_no_gradient(name):
    ours = REDUCTIONS[name][0]
    x = torch.tensor([1.0, -2.0, 5.0, 3.5], dtype=torch.float64, requires_grad=True)
    ours(x, mask=torch.tensor([True, True, False, True])).backward()
    kept = torch.tensor([1.0, -2.0, 3.5], dtype=torch.float64, requires_grad=True)
    ours(kept).backward()
    close(x.grad[[0, 1, 3]], kept.grad.numpy())
    assert x.grad[2] == 0


def test_nan_counts_only_where_it_is_kept():
    x = torch.tensor([1.0, float("nan"), 4.0])
    keep = torch.tensor([True, False, True])
    assert masked.sum(x, mask=keep) == 5
    assert masked.var(x, mask=keep) == 4.5
    assert torch.isnan(masked.sum(x, mask=~keep))
    assert masked.median(x) == 1  # a NaN counts as hidden


@pytest.mark.parametrize("mask", ["none", "full", "rows"])
def test_positions(mask):
    m = ma(NUMBERS, MASKS[mask])
    found = masked.argmax(tensor(NUMBERS), 1, mask=tensor(MASKS[mask]), dtype=torch.int64)
    close(found, m.argmax(1, fill_value=-INF))
    found = masked.argmin(tensor(NUMBERS), 2, keepdim=True, mask=tensor(MASKS[mask]))
    assert found.dtype is torch.float64  # as PyTorch's, whatever an index is worth in it
    close(found[..., 0], m.argmin(2, fill_value=INF))
    close(masked.argmax(tensor(NUMBERS), mask=tensor(MASKS[mask])), m.argmax(fill_value=-INF))


def test_median():
    x = torch.tensor([[9, 1, 5, 7], [2, 4, 6, 8]])
    mask = torch.tensor([[True, True, True, False], [False, True, True, True]])
    assert masked.median(x.double(), 1, mask=mask).tolist() == [5, 6]
    assert masked.median(x, mask=mask, keepdim=True).tolist() == [[5], [6]]
    assert masked.median(x, mask=mask).dtype is torch.int64
    assert torch.isnan(masked.median(x.float(), mask=~mask[:, :1]))[0]
    with pytest.raises(ValueError, match="no fully masked out rows"):
        masked.median(x, mask=~mask[:, :1])


@pytest.mark.parametrize("name,value", [("sum", 9), ("prod", 20), ("amax", 5), ("amin", 4)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64])
def test_integers(name, value, dtype):
    x = torch.tensor([4, 5, 100], dtype=dtype)
    found = getattr(masked, name)(x, mask=torch.tensor([True, True, False]))
    assert found == value
    assert found.dtype is (torch.int64 if name in ("sum", "prod") else dtype)


def test_integers_without_an_infinity():
    x, nothing = torch.tensor([4, 5], dtype=torch.int8), torch.tensor([False, False])
    assert masked.amax(x, mask=nothing) == -128
    assert masked.amin(x, mask=nothing) == 127
    assert masked.var(x).dtype is torch.float32
    assert masked.sum(torch.tensor([True, True, False])) == 2


def test_complex():
    x = torch.tensor([3 + 4j, 1j, 2 + 0j], dtype=torch.complex128)
    mask = torch.tensor([True, False, True])
    assert masked.sum(x, mask=mask) == 5 + 4j
    assert masked.prod(x, mask=mask) == 6 + 8j
    assert masked.norm(x, 1, mask=mask) == 7
    close(masked.var(x, mask=mask).real, np.var([3 + 4j, 2], ddof=1))


def test_no_dimensions_and_no_elements():
    x, no = torch.tensor(3.0), torch.tensor(False)
    for dim in (None, 0, -1):
        assert masked.sum(x, dim, mask=no) == 0
        assert masked.prod(x, dim) == 3
        assert masked.amax(x, dim, mask=no) == -INF
    assert masked.softmax(x, 0) == 1
    assert masked.cumsum(x, 0, mask=no) == 0
    empty = torch.zeros(0, 3)
    mask = torch.ones(0, 1, dtype=torch.bool)
    assert masked.sum(empty, 0, mask=mask).tolist() == [0, 0, 0]
    assert masked.mean(empty, 1, mask=mask).shape == (0,)
    assert masked.softmax(empty, 1, mask=mask).shape == (0, 3)
    with pytest.raises(IndexError):
        masked.amax(empty, 0)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("dim", [0, -1])
def test_normalizations(dim, mask):
    x, given = tensor(NUMBERS), tensor(MASKS[mask])
    m = ma(NUMBERS, MASKS[mask])
    close(masked.cumsum(x, dim, mask=given), m.filled(0).cumsum(dim))
    close(masked.cumprod(x, dim, mask=given), m.filled(1).cumprod(dim))
    with np.errstate(divide="ignore", invalid="ignore"):
        for sign, function in ((1, masked.softmax), (-1, masked.softmin)):
            e = np.exp(sign * m.filled(-sign * INF))
            found = function(x, dim, mask=given)
            close(found, e / e.sum(dim, keepdims=True))
        logs = m.filled(-INF) - np.log(np.exp(m.filled(-INF)).sum(dim, keepdims=True))
    close(masked.log_softmax(x, dim, mask=given), logs)
    length = np.sqrt((m.filled(0) ** 2).sum(dim, keepdims=True))
    close(masked.normalize(x, 2.0, dim, mask=given), m.filled(0) / np.maximum(length, 1e-12))


def test_softmax_computes_in_the_dtype_asked_for():
    found = masked.softmax(torch.tensor([1, 2, 3]), 0, dtype=torch.float64)
    assert found.dtype is torch.float64
    close(found, np.exp([-2, -1, 0]) / np.exp([-2, -1, 0]).sum())


def test_logaddexp():
    x, y = torch.tensor([-100.0, -200.0, -300.0]), torch.tensor([-1.0, -2.0, -3.0])
    yes = torch.tensor([True, False, True])
    assert masked.logaddexp(x, y, input_mask=yes, other_mask=yes).tolist() == [-1, -INF, -3]
    assert masked.logaddexp(x, y, other_mask=~yes).tolist() == [-100, -2, -300]
    assert masked.logaddexp(x, y, dtype=torch.float64).dtype is torch.float64


def test_orders_of_norm():
    x = torch.tensor([3.0, -4.0, 100.0])
    mask = torch.tensor([True, True, False])
    found = [masked.norm(x, p, mask=mask).item() for p in (0, 1, 2, INF, -INF)]
    assert found == [2, 7, 5, 4, 3]


@pytest.mark.parametrize(
    "error,message,call",
    [
        (
            IndexError,
            "broadcastable",
            lambda x: masked.sum(x, mask=torch.ones(1, 3, dtype=torch.bool)),
        ),
        (IndexError, "out of range", lambda x: masked.sum(x, 1)),
        (RuntimeError, "multiple times", lambda x: masked.sum(x, (0, -1))),
        (ValueError, "infer output dtype", lambda x: masked.mean(x.int())),
        (AssertionError, "only one", lambda x: masked.var(x, unbiased=True, correction=1)),
        (NotImplementedError, "neutral", lambda x: masked.amax(x > 0, mask=x > 0)),
        (AttributeError, "not built yet", lambda x: masked.masked_tensor(x, x > 0)),
        (NotImplementedError, "strided", lambda x: torch.zeros(3, layout=torch.sparse_coo)),
    ],
)
def test_errors(error, message, call):
    with pytest.raises(error, match=message):
        call(torch.arange(3.0))


@pytest.mark.parametrize("module", [reductions, normalizations])
def test_examples(module):
    result = doctest.testmod(module, extraglobs={"torch": torch})
    assert result.attempted and not result.failed
