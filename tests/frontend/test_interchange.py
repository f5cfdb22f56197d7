"""Memory shared with NumPy, DLPack and buffers, in both directions."""

import numpy as np
import pytest

import rushlight as torch


def test_numpy_sees_later_writes_and_is_seen():
    x = torch.zeros(3)
    a = x.numpy()
    x.add_(1)
    assert a.tolist() == [1.0, 1.0, 1.0]
    a[0] = 5
    y = x * 2
    a[1] = 7
    assert y.tolist() == [10.0, 2.0, 2.0] and x.tolist() == [5.0, 7.0, 1.0]
    view = x[1:]
    view.zero_()
    assert a.tolist() == [5.0, 0.0, 0.0]


def test_views_and_arrays():
    x = torch.arange(12).reshape(3, 4)
    a = x.t().numpy()
    assert a.shape == (4, 3) and a.strides == (8, 32)
    a[0, 0] = 99
    assert x[0, 0].item() == 99
    assert x[1:, ::2].numpy().tolist() == [[4, 6], [8, 10]]
    assert torch.tensor(3.5).numpy().shape == ()
    assert torch.empty(0, 3).numpy().shape == (0, 3)


@pytest.mark.parametrize(
    "name", "bool uint8 int8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
)
def test_every_dtype_both_ways(name):
    a = np.array([0, 1, 2]).astype("bool_" if name == "bool" else name)
    x = torch.from_numpy(a)
    assert x.dtype is getattr(torch, name) and x.numpy().dtype == a.dtype
    assert x.tolist() == a.tolist()
    a[0] = 1
    assert x[0].item() == 1
    assert torch.as_tensor(a).data_ptr() == x.data_ptr() == a.ctypes.data


def test_from_numpy_geometry():
    a = np.arange(12.0).reshape(3, 4)
    x = torch.from_numpy(a[:, ::2])
    assert x.stride() == (4, 2)
    x.mul_(10)
    assert a[0].tolist() == [0.0, 1.0, 20.0, 3.0]
    assert torch.from_numpy(a.T).stride() == (1, 4)
    x = torch.from_numpy(np.broadcast_to(np.float32(3), (2, 2)).copy())
    assert x.sum() == 12
    assert not torch.from_numpy(a).requires_grad and torch.from_numpy(a).is_leaf


def test_from_numpy_refusals():
    with pytest.raises(ValueError, match="stride.* negative"):
        torch.from_numpy(np.arange(3)[::-1])
    with pytest.raises(TypeError, match="can't convert np.ndarray of type numpy.object_"):
        torch.from_numpy(np.array([None]))
    with pytest.raises(TypeError, match="can't convert np.ndarray of type numpy.str_"):
        torch.from_numpy(np.array(["a"]))
    with pytest.raises(TypeError, match="expected np.ndarray"):
        torch.from_numpy([1, 2])
    with pytest.raises(ValueError, match="byte order"):
        torch.from_numpy(np.arange(3, dtype=">i4"))


def test_numpy_refusals():
    with pytest.raises(
        RuntimeError, match="Can't call numpy\\(\\) on Tensor that requires grad. Use"
    ):
        torch.ones(1, requires_grad=True).numpy()
    with pytest.raises(TypeError, match="Got unsupported ScalarType BFloat16"):
        torch.ones(1, dtype=torch.bfloat16).numpy()
    assert torch.ones(1, requires_grad=True).numpy(force=True).tolist() == [1.0]
    assert torch.ones(1, requires_grad=True).detach().numpy().tolist() == [1.0]


def test_array_protocols():
    x = torch.tensor([1.0, 2.0])
    assert np.asarray(x).dtype == np.float32 and np.array(x, dtype=np.float64).dtype == np.float64
    assert np.sin(x).dtype == torch.float32
    assert isinstance(np.add(x, 1), torch.Tensor)
    assert np.allclose(x, [1.0, 2.0]) and np.stack([x, x]).shape == (2, 2)
    a = np.ones(2, dtype=np.float32)
    assert isinstance(x + a, torch.Tensor) and (x + a).tolist() == [2.0, 3.0]
    a += x.numpy()
    assert a.tolist() == [2.0, 3.0]


def test_gradients_of_shared_memory():
    a = np.array([1.0, 2.0])
    x = torch.from_numpy(a).requires_grad_()
    y = (x * x).sum()
    y.backward()
    g = x.grad.numpy()
    assert g.tolist() == [2.0, 4.0]
    with torch.no_grad():
        x -= 0.5 * x.grad
    assert a.tolist() == [0.0, 0.0]


def test_tolist_and_item():
    assert torch.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert torch.tensor(True).tolist() is True
    assert torch.tensor([1.5], dtype=torch.bfloat16).tolist() == [1.5]
    assert torch.empty(2, 0).tolist() == [[], []]


# ------------------------------------------------------------------------------- DLPack
def test_dlpack_with_numpy():
    x = torch.arange(4.0)
    a = np.from_dlpack(x)
    x[0] = 9
    assert a.tolist() == [9.0, 1.0, 2.0, 3.0]
    b = np.arange(3)
    y = torch.from_dlpack(b)
    b[1] = 7
    assert y.tolist() == [0, 7, 2] and y.dtype is torch.int64
    assert tuple(int(v) for v in x.__dlpack_device__()) == (1, 0)
    assert torch.from_dlpack(x[1:].reshape(3, 1).t()).tolist() == [[1.0, 2.0, 3.0]]


def test_dlpack_capsules():
    x = torch.arange(3)
    capsule = torch.utils.dlpack.to_dlpack(x)
    assert type(capsule).__name__ == "PyCapsule"
    y = torch.from_dlpack(x)
    y[0] = 5
    assert x[0] == 5 and y.data_ptr() == x.data_ptr()
    with pytest.raises((RuntimeError, BufferError), match="require.? gradient"):
        torch.ones(1, requires_grad=True).__dlpack__()


def test_buffers():
    store = bytearray(np.arange(4, dtype=np.int32).tobytes())
    x = torch.frombuffer(store, dtype=torch.int32)
    x[0] = 7
    assert np.frombuffer(store, np.int32)[0] == 7
    assert torch.frombuffer(store, dtype=torch.int32, count=2, offset=4).tolist() == [1, 2]
    with pytest.raises(ValueError, match="offset"):
        torch.frombuffer(store, dtype=torch.int32, offset=99)
    with pytest.raises(ValueError):
        torch.frombuffer(bytearray(), dtype=torch.int32)
