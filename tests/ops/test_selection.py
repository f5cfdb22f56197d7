"""Gather, scatter, search, order and accumulate: what the operator databases leave out."""

import numpy as np
import pytest

import rushlight as torch

NAN, INF = float("nan"), float("inf")


def same(tensor, array):
    assert tensor.shape == np.shape(array)
    np.testing.assert_array_equal(tensor.detach().numpy(), array)


def gradient(function, *values):
    leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]
    function(*leaves).sum().backward()
    return [leaf.grad.tolist() for leaf in leaves]


# ------------------------------------------------------------------------ gather, scatter
def test_indices_out_of_range_are_refused_when_read():
    x = torch.arange(3.0)
    with pytest.raises(RuntimeError, match="index 3 is out of bounds"):
        torch.gather(x, 0, torch.tensor([3])).tolist()
    with pytest.raises(RuntimeError, match="masked_scatter"):
        x.masked_scatter(torch.ones(3, dtype=torch.bool), torch.zeros(2)).tolist()


def test_out_may_not_overlap_the_operands():
    x, i = torch.arange(3.0), torch.tensor([0, 1, 2])
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.take(x, i, out=x)
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.cat((x, x), out=torch.zeros(1).expand(6))
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype"):
        torch.gather(x, 0, i, out=torch.zeros(3, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype"):
        torch.aminmax(x, dim=0, out=(torch.zeros(()), torch.zeros((), dtype=torch.float64)))
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype"):
        torch.complex(x, x, out=torch.zeros(3, dtype=torch.complex128))
    with pytest.raises(RuntimeError, match="expects Long tensor out"):
        torch.multinomial(x, 1, out=torch.zeros(1))
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.bernoulli(x / 2, out=torch.zeros(1).expand(3))
    assert torch.bernoulli(torch.ones(2), out=torch.zeros(0)).tolist() == [1, 1]


def test_draws_are_constant_in_their_chances():
    for draw in (torch.bernoulli, torch.poisson):
        chances = torch.full((3,), 0.5, requires_grad=True)
        drawn = draw(chances * 1)
        assert drawn.requires_grad
        drawn.sum().backward()
        assert chances.grad.tolist() == [0, 0, 0]
        assert not draw(chances.detach()).requires_grad


def test_nothing_is_conjugated_or_negated_later():
    z = torch.tensor([1 + 2j]).conj()
    assert torch.resolve_conj(z) is z and torch.resolve_neg(z) is z
    assert not torch.is_conj(z) and not torch.is_neg(z)


@pytest.mark.parametrize("include", [True, False])
def test_products_are_differentiated_exactly_beside_zeros(include):
    index = torch.tensor([0, 0, 1, 1, 1])

    def product(x, s):
        return torch.scatter_reduce(x, 0, index, s, "prod", include_self=include)

    to_x, to_s = gradient(product, [2.0, 5.0, 7.0], [3.0, 0.0, 0.0, 0.0, 4.0])
    own = 2.0 if include else 1.0
    assert to_s == [0.0, 3.0 * own, 0.0, 0.0, 0.0]
    assert to_x == [0.0, 0.0, 1.0]


def test_integer_means_round_down():
    x = torch.tensor([-3, 10])
    found = x.scatter_reduce(0, torch.tensor([0, 1]), torch.tensor([0, 1]), "mean")
    assert found.tolist() == [-2, 5]
    lows = x.scatter_reduce(0, torch.tensor([0]), torch.tensor([50]), "amin", include_self=False)
    assert lows.tolist() == [50, 10]


def test_masks_select_and_scatter_in_order():
    x = torch.zeros(2, 3)
    mask = torch.tensor([True, False, True])
    same(x.masked_scatter(mask, torch.arange(1.0, 6)), [[1, 0, 2], [3, 0, 4]])
    same(x.masked_scatter(torch.tensor(False), torch.zeros(0)), np.zeros((2, 3)))
    same(torch.where(mask)[0], [0, 2])
    same(torch.nonzero_static(mask, size=3, fill_value=-7), [[0], [2], [-7]])


# --------------------------------------------------------------------------------- search
def test_search_agrees_with_numpy_and_puts_nan_last():
    edges = torch.tensor([1.0, 2.0, 2.0, 3.0])
    values = torch.tensor([[0.0, 2.0], [2.5, 9.0]])
    for right, side in ((False, "left"), (True, "right")):
        expected = np.searchsorted(edges.numpy(), values.numpy(), side)
        same(torch.searchsorted(edges, values, right=right), expected)
        same(torch.bucketize(values, edges, right=right), expected)
    assert torch.searchsorted(edges, NAN).item() == 4
    rows = torch.stack([edges, edges + 10])
    same(torch.searchsorted(rows, torch.tensor([[2.0], [2.0]])), [[1], [0]])
    assert torch.searchsorted(torch.zeros(0), torch.ones(2), out_int32=True).tolist() == [0, 0]
    same(torch.isin(torch.tensor([1.0, NAN]), torch.tensor([NAN, 1.0])), [True, False])


# --------------------------------------------------------------------------------- order
def test_medians_and_nan():
    x = torch.tensor([[3.0, NAN, 1.0, 2.0], [NAN, NAN, NAN, NAN]])
    found = torch.median(x, 1)
    assert found.values.isnan().all() and found.indices[0] == 1
    found = torch.nanmedian(x, 1)
    assert found.values[0] == 2 and found.values[1].isnan()
    assert torch.median(torch.tensor([4, 1, 3, 2])) == 2
    assert torch.median(torch.zeros(0)).isnan()
    assert gradient(torch.median, [1.0, 5.0, 5.0, 9.0, 5.0]) == [[0, 1 / 3, 1 / 3, 0, 1 / 3]]
    assert torch.kthvalue(x, 3, 1).values[0] == 3


def test_mode_takes_the_smallest_of_equally_frequent():
    found = torch.mode(torch.tensor([[3, 1, 3, 1, 2], [5, 5, 4, 4, 5]]))
    assert found.values.tolist() == [1, 5]
    assert torch.mode(torch.tensor(7)).indices == 0


@pytest.mark.parametrize("how", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles_agree_with_numpy(how):
    x = torch.tensor([[4.0, 1.0, NAN, 2.0], [0.0, 3.0, 9.0, 5.0]], dtype=torch.float64)
    q = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    for mine, theirs in ((torch.quantile, np.quantile), (torch.nanquantile, np.nanquantile)):
        found = mine(x, q, dim=1, keepdim=True, interpolation=how)
        expected = theirs(x.numpy(), q.numpy(), axis=1, keepdims=True, method=how)
        np.testing.assert_allclose(found.numpy(), expected)
    with pytest.raises(RuntimeError, match=r"range \[0, 1\]"):
        torch.quantile(x, 1.5)


# --------------------------------------------------------------------------------- counts
def test_unique_of_everything_and_of_slices():
    x = torch.tensor([[2, 1], [1, 1], [2, 1]])
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True, dim=0)
    assert (values.tolist(), inverse.tolist(), counts.tolist()) == (
        [[1, 1], [2, 1]],
        [1, 0, 1],
        [1, 2],
    )
    same(torch.unique_consecutive(torch.tensor([1, 1, 2, 1])), [1, 2, 1])
    value, inverse = torch.unique(torch.tensor(3.0), return_inverse=True)
    assert value.shape == (1,) and inverse.shape == ()
    assert torch.unique(torch.zeros(0, 3)).shape == (0,)


def test_histograms_agree_with_numpy():
    x = torch.tensor([0.0, 0.5, 1.0, 2.0, 2.0, -1.0, NAN])
    assert torch.histc(x[:6], 4, 0, 2).tolist() == [1, 1, 1, 2]
    weight = torch.arange(6.0)
    found = torch.histogram(x[:6], 3, range=(0.0, 2.0), weight=weight, density=True)
    hist, edges = np.histogram(x[:6].numpy(), 3, (0.0, 2.0), weights=weight.numpy(), density=True)
    np.testing.assert_allclose(found.hist.numpy(), hist, rtol=1e-6)
    np.testing.assert_allclose(found.bin_edges.numpy(), edges, rtol=1e-6)
    assert torch.bincount(torch.tensor([1, 1, 3]), minlength=6).tolist() == [0, 2, 0, 1, 0, 0]
    assert torch.bincount(torch.tensor([], dtype=torch.int64)).shape == (0,)


# ---------------------------------------------------------------------------- accumulation
def test_running_extremes_keep_nan_and_the_last_of_equals():
    x = torch.tensor([1.0, 3.0, 3.0, NAN, 9.0])
    values, indices = torch.cummax(x, 0)
    assert values[:3].tolist() == [1, 3, 3] and values[3:].isnan().all()
    assert indices.tolist() == [0, 1, 2, 3, 3]
    assert torch.cummin(torch.tensor([True, False, True]), 0).values.tolist() == [
        True,
        False,
        False,
    ]


def test_logcumsumexp_neither_overflows_nor_loses_the_small():
    x = torch.tensor([-1000.0, 0.0, 1000.0], dtype=torch.float64)
    same(torch.logcumsumexp(x, 0), np.array([-1000.0, 0.0, 1000.0]))
    found = gradient(lambda v: torch.logcumsumexp(v, 0), [-INF, 0.0, 0.0])[0]
    np.testing.assert_allclose(found, [0.0, 1.5, 0.5])


def test_differences_and_integrals_agree_with_numpy():
    y = torch.tensor([[1.0, 4.0, 9.0, 16.0], [0.0, 1.0, 0.0, 1.0]])
    x = torch.tensor([0.0, 1.0, 3.0, 4.0])
    same(torch.diff(y, 2), np.diff(y.numpy(), 2))
    assert torch.diff(y, 9).shape == (2, 0)
    same(torch.diff(torch.tensor([True, True, False])), [False, True])
    same(torch.trapezoid(y, x), np.trapezoid(y.numpy(), x.numpy()))
    for edge in (1, 2):
        found = torch.gradient(y, spacing=[x], dim=1, edge_order=edge)[0]
        expected = np.gradient(y.numpy(), x.numpy(), axis=1, edge_order=edge)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)
