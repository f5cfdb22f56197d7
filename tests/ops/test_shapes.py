"""Movement, copies, splits and grids: what the operator databases leave out."""

import numpy as np
import pytest

import rushlight as torch


def same(tensor, array):
    assert tensor.shape == np.shape(array)
    np.testing.assert_array_equal(tensor.detach().numpy(), array)


@pytest.fixture
def x():
    return torch.arange(24.0).reshape(2, 3, 4)


# ------------------------------------------------------------------------------ movement
def test_flip_roll_rot90_agree_with_numpy(x):
    a = x.numpy()
    same(x.flip(0, -1), np.flip(a, (0, 2)))
    same(torch.roll(x, (1, -5), (0, 2)), np.roll(a, (1, -5), (0, 2)))
    same(torch.roll(x, 7), np.roll(a, 7))
    for k in range(-2, 5):
        same(torch.rot90(x, k, (1, 2)), np.rot90(a, k, (1, 2)))


def test_rearranging_strided_and_empty_tensors(x):
    view = x.transpose(0, 2)[1:, ::2]
    same(view.flip(1), np.flip(view.numpy(), 1))
    same(view.repeat(1, 2, 1), np.tile(view.numpy(), (1, 2, 1)))
    assert torch.zeros(0, 3).repeat(2, 2).shape == (0, 6)
    assert torch.tensor(5).flatten().shape == (1,)
    assert torch.zeros(0, 3).flatten().shape == (0,)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (7, 3), (3, 3, 3)])
@pytest.mark.parametrize("wrap", [False, True])
def test_fill_diagonal(shape, wrap):
    expected = np.zeros(shape)
    np.fill_diagonal(expected, 4, wrap)
    same(torch.zeros(shape).fill_diagonal_(4, wrap), expected.astype(np.float32))


def test_sum_to_size_of_bools_counts():
    b = torch.ones(2, 2, dtype=torch.bool)
    assert b.sum_to_size(2, 2).dtype is torch.bool
    assert b.sum_to_size(1, 2).dtype is torch.int64


# ---------------------------------------------------------------------- copies, scatters
def test_copies_are_copies(x):
    for made in (
        torch.expand_copy(x[:1], (2, 3, 4)),
        torch.view_copy(x, (24,)),
        torch.as_strided_copy(x, (3, 3), (4, 1), 2),
        torch.select_copy(x, 0, 1),
        *torch.split_copy(x, 1),
    ):
        assert made.is_contiguous() and made._base is None
        made.zero_()
    assert x.sum() == 276


def test_scatters_replace_what_the_view_shows(x):
    a = x.numpy().copy()
    a[:, 1] = 0
    same(torch.select_scatter(x, torch.zeros(2, 4), 1, 1), a)
    a = x.numpy().copy()
    a[..., 1::2] = 7
    same(torch.slice_scatter(x, torch.full((2, 3, 2), 7.0), 2, 1, None, 2), a)
    m = torch.zeros(3, 4, requires_grad=True)
    d = torch.ones(3, requires_grad=True)
    torch.diagonal_scatter(m, d, 1).sum().backward()
    same(m.grad, 1 - np.eye(3, 4, 1, dtype=np.float32))
    same(d.grad, np.ones(3, np.float32))
    with pytest.raises(RuntimeError, match="expected src to have a size equal to"):
        torch.select_scatter(x, torch.zeros(3, 4), 1, 1)


# ----------------------------------------------------------------------------------- splits
def test_splits_are_views(x):
    pieces = torch.tensor_split(x, (1, 5), dim=2)
    assert [p.shape[2] for p in pieces] == [1, 3, 0]
    pieces[0].fill_(-1)
    assert (x[..., 0] == -1).all()
    assert [len(p) for p in torch.arange(7).tensor_split(torch.tensor(3))] == [3, 2, 2]
    with pytest.raises(RuntimeError, match="not divisible by the split_size"):
        x.hsplit(2)


def test_unsafe_splits_may_be_written_under_autograd():
    w = torch.ones(4, requires_grad=True)
    first, second = (w * 1).unsafe_split(2)
    first.mul_(3)
    (first.sum() + second.sum()).backward()
    same(w.grad, np.array([3, 3, 1, 1], np.float32))


# ------------------------------------------------------------------------------------ grids
def test_meshgrid_orders():
    a, b = torch.arange(3), torch.arange(2)
    for order in ("ij", "xy"):
        rows, columns = np.meshgrid(range(3), range(2), indexing=order)
        found = torch.meshgrid(a, b, indexing=order)
        same(found[0], rows)
        same(found[1], columns)


def test_combinations_and_products():
    v = torch.tensor([1, 2, 3])
    assert torch.combinations(v).tolist() == [[1, 2], [1, 3], [2, 3]]
    assert torch.combinations(v, 4).shape == (0, 4)
    assert torch.cartesian_prod(v[:2], v[1:]).tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]
    same(torch.block_diag(v[:1], torch.zeros(0, 2)), np.array([[1, 0, 0]], np.float32))
    same(torch.tril_indices(3, 4, -1), np.array(np.tril_indices(3, -1, 4)))
    same(torch.triu_indices(3, 4, 1), np.array(np.triu_indices(3, 1, 4)))
    places = torch.unravel_index(torch.tensor([5, 23, -1]), (2, 3, 4))
    assert [p.tolist() for p in places] == [[0, 1, 1], [1, 2, 2], [1, 3, 3]]


def test_repeat_interleave():
    v = torch.tensor([[1, 2], [3, 4]])
    assert v.repeat_interleave(2, 0).tolist() == [[1, 2], [1, 2], [3, 4], [3, 4]]
    assert v.repeat_interleave(torch.tensor([0, 3]), 1).tolist() == [[2] * 3, [4] * 3]
    assert torch.repeat_interleave(torch.tensor([2, 0, 1])).tolist() == [0, 0, 2]
    with pytest.raises(RuntimeError, match="repeats can not be negative"):
        v.repeat_interleave(torch.tensor([1, -1]), 0)


# ------------------------------------------------------------------------- view(dtype)
def test_another_dtype_shares_memory_and_version_without_history():
    y = torch.arange(4.0)
    bits = y.view(torch.int32)
    bits[0] = 0x3F800000
    assert y.tolist() == [1, 1, 2, 3] and y._version == 1 and bits._base is None
    w = torch.ones(2, requires_grad=True)
    assert not (w * 1).view(torch.float64).requires_grad
    with pytest.raises(RuntimeError, match="storage_offset"):
        torch.zeros(4, 4)[:, 1:3].view(torch.float64)


def test_tensors_that_require_grad_keep_their_size():
    w = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        w.resize_(2)
