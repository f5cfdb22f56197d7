"""Reading and writing ``x[...]`` with every kind of index, and what is refused."""

import numpy as np
import pytest

import rushlight as torch


def cube():
    return torch.arange(24).reshape(2, 3, 4).clone()


E = Ellipsis
N = None
T = torch.tensor
READS = {  # key: (shape of the result, its elements)
    "int": (0, (3, 4), list(range(12))),
    "negative int": (-1, (3, 4), list(range(12, 24))),
    "ints": ((1, 2, 3), (), [23]),
    "slice": (slice(1, None), (1, 3, 4), list(range(12, 24))),
    "slice of slice": ((slice(None), slice(0, 3, 2)), (2, 2, 4), None),
    "negative slice": ((0, slice(-2, None), slice(-3, -1)), (2, 2), [5, 6, 9, 10]),
    "empty slice": ((0, slice(2, 1)), (0, 4), []),
    "slice past the end": ((0, 0, slice(2, 99)), (2,), [2, 3]),
    "ellipsis": (E, (2, 3, 4), list(range(24))),
    "ellipsis and int": ((E, 0), (2, 3), [0, 4, 8, 12, 16, 20]),
    "int, ellipsis, int": ((1, E, -1), (3,), [15, 19, 23]),
    "none": ((N, 0, 0, 0), (1,), [0]),
    "none in the middle": ((0, N, slice(0, 1), N, 0), (1, 1, 1), [0]),
    "true": (True, (1, 2, 3, 4), list(range(24))),
    "false": (False, (0, 2, 3, 4), []),
    "list": ([1, 0], (2, 3, 4), [*range(12, 24), *range(12)]),
    "tuple of lists": (([0, 1], [2, 0]), (2, 4), [8, 9, 10, 11, 12, 13, 14, 15]),
    "list with slice": ((slice(None), [2, 0]), (2, 2, 4), None),
    "numpy": (np.array([1]), (1, 3, 4), list(range(12, 24))),
    "numpy int": (np.int64(1), (3, 4), list(range(12, 24))),
    "tensor": (T([1, 1]), (2, 3, 4), [*range(12, 24)] * 2),
    "0-d tensor": (T(1), (3, 4), list(range(12, 24))),
    "negative tensor": ((0, T([-1])), (1, 4), [8, 9, 10, 11]),
    "2-d tensor": ((0, 0, T([[0, 1], [2, 3]])), (2, 2), [0, 1, 2, 3]),
    "two tensors": ((T([0, 1]), T([1, 2])), (2, 4), [4, 5, 6, 7, 20, 21, 22, 23]),
    "tensors that broadcast": ((T([[0], [1]]), T([1, 2])), (2, 2, 4), None),
    "tensors apart": ((T([0, 1]), slice(None), T([0, 3])), (2, 3), [0, 4, 8, 15, 19, 23]),
    "tensor and int": ((0, T([0, 2])), (2, 4), [0, 1, 2, 3, 8, 9, 10, 11]),
    "tensor, slice, int": ((T([1]), slice(0, 2), 0), (1, 2), [12, 16]),
    "tensor and none": ((N, T([1])), (1, 1, 3, 4), list(range(12, 24))),
    "mask": (T([False, True]), (1, 3, 4), list(range(12, 24))),
    "mask of two": (T([[True, False, False], [False, False, True]]), (2, 4), None),
    "mask in the middle": ((slice(None), T([True, False, True])), (2, 2, 4), None),
    "mask and tensor": ((T([True, True]), T([0, 2])), (2, 4), [0, 1, 2, 3, 20, 21, 22, 23]),
    "mask of everything": (torch.ones(2, 3, 4, dtype=torch.bool), (24,), list(range(24))),
    "numpy mask": (np.array([True, False]), (1, 3, 4), list(range(12))),
    "int32 tensor": (T([1], dtype=torch.int32), (1, 3, 4), list(range(12, 24))),
    "empty list": ([], (0, 3, 4), []),
}


@pytest.mark.parametrize("name", READS)
def test_reading(name):
    key, shape, values = READS[name]
    found = cube()[key]
    assert found.shape == shape
    plain = key if not isinstance(key, tuple) else tuple(map(_numpy, key))
    expected = np.arange(24).reshape(2, 3, 4)[_numpy(plain)]
    assert found.flatten().tolist() == np.asarray(expected).reshape(-1).tolist()
    if values is not None:
        assert found.flatten().tolist() == values


def _numpy(item):
    if isinstance(item, torch.Tensor):
        return item.numpy()
    return np.array(item, np.int64) if isinstance(item, list) else item


@pytest.mark.parametrize("name", READS)
def test_writing(name):
    key = READS[name][0]
    x = cube()
    x[key] = -1
    expected = np.arange(24).reshape(2, 3, 4)
    expected[tuple(map(_numpy, key)) if isinstance(key, tuple) else _numpy(key)] = -1
    assert x.tolist() == expected.tolist() and x._version == (name != "false")


def test_views_share_memory_and_copies_do_not():
    x = cube()
    for key in (0, slice(1, 2), (E, 0), (N, 0), E):
        view = x[key]
        assert view._is_view() and view._base is x
    for key in ([0], T([0]), T([True, False])):
        assert not x[key]._is_view()
    x[0][0][0] = 100
    assert x[0, 0, 0].item() == 100
    x[:, 1][:, 2] = 7
    assert x[:, 1, 2].tolist() == [7, 7]


def test_written_values_broadcast_and_convert():
    x = torch.zeros(2, 3)
    x[0] = T([1, 2, 3])
    x[1] = 4.5
    assert x.tolist() == [[1, 2, 3], [4.5, 4.5, 4.5]]
    x[:, 0] = T([[[8.0]]])  # leading ones are dropped
    assert x[:, 0].tolist() == [8.0, 8.0]
    x[T([0, 1]), T([1, 2])] = T([5, 6], dtype=torch.int32).float()
    assert x[0, 1] == 5 and x[1, 2] == 6
    x[x > 5] = 0
    assert x.tolist() == [[0, 5, 3], [0, 4.5, 0]]
    x[x == 0] = T([1.0, 2.0, 3.0])
    assert x.tolist() == [[1, 5, 3], [2, 4.5, 3]]
    x[[0, 1], [0, 0]] = T(5.0)
    assert x[:, 0].tolist() == [5.0, 5.0]
    y = torch.zeros(3, dtype=torch.int64)
    y[1] = 2.9
    assert y.tolist() == [0, 2, 0]
    y[T(2)] = True
    assert y.tolist() == [0, 2, 1]


def test_repeated_positions():
    x = torch.zeros(3)
    x.index_put_((T([0, 0, 2]),), T([1.0, 2.0, 3.0]), accumulate=True)
    assert x.tolist() == [3.0, 0.0, 3.0]
    x.index_add_(0, T([1, 1]), T([1.0, 1.0]))
    assert x.tolist() == [3.0, 2.0, 3.0]
    assert torch.zeros(3).index_put((T([1]),), T(5.0)).tolist() == [0.0, 5.0, 0.0]


def test_writing_under_autograd():
    base = torch.zeros(2, 3, requires_grad=True)
    x = base * 1
    v = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x[0] = v
    x[1, T([0, 2])] = v[:2] * 2
    assert x.grad_fn.name() in ("IndexPutBackward0", "torch::autograd::CopySlices")
    (x * x).sum().backward()
    assert base.grad.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert v.grad.tolist() == [10.0, 20.0, 6.0]
    y = torch.ones(3, requires_grad=True)
    y[T([0, 0, 1])].sum().backward()
    assert y.grad.tolist() == [2.0, 1.0, 0.0]
    z = torch.ones(3, requires_grad=True)
    z[T([True, False, True])].mul(3).sum().backward()
    assert z.grad.tolist() == [3.0, 0.0, 3.0]


@pytest.mark.parametrize(
    "key, error, phrase",
    [
        (2, IndexError, "index 2 is out of bounds for dimension 0 with size 2"),
        ((0, -4), IndexError, "index -4 is out of bounds for dimension 1 with size 3"),
        ((0, 0, 0, 0), IndexError, "too many indices for tensor of dimension 3"),
        (1.5, IndexError, "only integers, slices .*are valid indices"),
        (slice(None, None, -1), ValueError, "step must be greater than zero"),
        (slice(None, None, 0), (ValueError, RuntimeError), "step must be|step cannot be zero"),
        (T([0.5]), IndexError, "tensors used as indices must be long, int, byte or bool"),
        (T([True, False, True]), IndexError, "shape of the mask .*does not match the shape"),
        ((T([0, 1]), T([0, 1, 2])), IndexError, "shape mismatch: indexing tensors could not be br"),
        (T([2]), IndexError, "index 2 is out of bounds for dimension 0 with size 2"),
        (T([-3]), IndexError, "index -3 is out of bounds for dimension 0 with size 2"),
    ],
)
def test_refused(key, error, phrase):
    with pytest.raises(error, match=phrase):
        cube()[key].tolist()
    with pytest.raises(error, match=phrase):
        x = cube()
        x[key] = 0
        x.tolist()


def test_refused_values():
    x = torch.zeros(2, 3)
    with pytest.raises(RuntimeError, match="expanded size of the tensor|shape mismatch"):
        x[0] = T([1.0, 2.0])
    with pytest.raises(RuntimeError, match="shape mismatch: value tensor of shape"):
        x[T([0, 1])] = torch.ones(3, 3)
    with pytest.raises(TypeError, match="can't assign a list to a torch.FloatTensor"):
        x[0] = [1.0, 2.0, 3.0]
    with pytest.raises(IndexError, match="0-dim tensor"):
        torch.tensor(1.0)[0]
    with pytest.raises(TypeError, match="len\\(\\) of a 0-d tensor"):
        len(torch.tensor(1))
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(torch.tensor(1))


def test_iteration_and_membership():
    x = cube()
    assert [t.shape for t in x] == [(3, 4)] * 2 and len(x) == 2
    assert 5 in x and 99 not in x
    a, b = x
    assert b[0, 0] == 12
    assert list(reversed(T([1, 2, 3]))) == [3, 2, 1]
    assert T([1, 2]).tolist() == [v.item() for v in T([1, 2])]


def test_functions_that_index():
    x = cube()
    assert x.select(1, 2).tolist() == x[:, 2].tolist()
    assert x.narrow(2, 1, 2).tolist() == x[:, :, 1:3].tolist()
    assert x.index_select(2, T([3, 0])).tolist() == x[..., [3, 0]].tolist()
    assert x.take(T([0, 23])).tolist() == [0, 23]
    assert torch.gather(x, 2, T([[[0]], [[1]]])).tolist() == [[[0]], [[13]]]
    assert x.masked_select(x > 21).tolist() == [22, 23]
    assert torch.nonzero(x > 21).tolist() == [[1, 2, 2], [1, 2, 3]]
    assert [t.tolist() for t in torch.where(x[0, 0] > 1)] == [[2, 3]]
    assert torch.take_along_dim(x[0], T([[0], [1], [2]]), 1).tolist() == [[0], [5], [10]]
    assert x.scatter(2, T([[[0]], [[0]]]), -1)[:, 0, 0].tolist() == [-1, -1]
    assert x.unbind(0)[1].tolist() == x[1].tolist()
    with pytest.raises(IndexError, match="Dimension out of range"):
        x.select(3, 0)
    with pytest.raises(
        RuntimeError, match="start \\(3\\) \\+ length \\(2\\) exceeds dimension size"
    ):
        x.narrow(2, 3, 2)


@pytest.mark.parametrize(
    "call, error, phrase",
    [
        (lambda x, i: x.gather(1, i), RuntimeError, "index 5 is out of bounds for dimension 1 wit"),
        (lambda x, i: x.gather(1, -i), RuntimeError, "index -5 is out of bounds for dimension 1"),
        (lambda x, i: x.scatter(1, i, 1.0), RuntimeError, "index 5 is out of bounds for dimension"),
        (lambda x, i: x.index_select(1, i[0]), RuntimeError, "out of DATA bounds, id=5 axis_dim=3"),
        (lambda x, i: x[0, i], IndexError, "index 5 is out of bounds for dimension 0 with size 3"),
        (lambda x, i: torch.nn.functional.embedding(i, x), IndexError, "index out of range in sel"),
        (
            lambda x, i: torch.nn.functional.cross_entropy(x, torch.tensor([5, 0])),
            IndexError,
            "Target 5 is out of bounds",
        ),
    ],
)
def test_values_out_of_range(call, error, phrase):
    with pytest.raises(error, match=phrase):
        call(torch.ones(2, 3), T([[5]])).sum().item()


def test_uint8_masks_still_select():
    x = torch.arange(3)
    with pytest.warns(UserWarning, match="indexing with dtype torch.uint8 is now deprecated"):
        assert x[T([1, 0, 1], dtype=torch.uint8)].tolist() == [0, 2]
