"""The test-only device whose memory has no address: everything above the backends runs on it."""

import copy

import numpy as np
import pytest

import rushlight as torch
from rushlight.engine.runtime.opaque import OpaqueBuffer
from tests.fuzz.compare import Program
from tests.fuzz.program import Run


def opaque(data, **options):
    return torch.tensor(data, device="opaque", **options)


def memory(t):
    t.sum().item()
    return t._st.array


def test_the_buffer_shows_nothing():
    buffer = OpaqueBuffer(np.arange(3.0))
    for name in ("__array_interface__", "ctypes", "data", "__getitem__", "__bytes"):
        assert not hasattr(buffer, name)
    with pytest.raises(TypeError):
        np.asarray(buffer)
    with pytest.raises(TypeError):
        memoryview(buffer)
    copied = buffer.fetch()
    copied[:] = 7
    assert buffer.fetch().tolist() == [0.0, 1.0, 2.0]
    buffer.put(copied)
    assert buffer.fetch().tolist() == [7.0, 7.0, 7.0]
    assert buffer.view(np.uint8).size == 24


def test_there_and_back():
    x = torch.arange(6.0).view(2, 3).t()
    y = x.to("opaque")
    assert y.device == torch.device("opaque") and y.stride() == x.stride()
    assert isinstance(memory(y), OpaqueBuffer)
    assert y.cpu().tolist() == x.tolist() and y.to("cpu").device.type == "cpu"
    assert y.to("opaque") is y
    assert y.to(torch.float64).device.type == "opaque"
    assert x.to("opaque", torch.int32).cpu().tolist() == [[0, 3], [1, 4], [2, 5]]
    z = torch.zeros(2, device="opaque")
    z.copy_(torch.ones(2))
    host = torch.zeros(2)
    host.copy_(z)
    assert host.tolist() == [1.0, 1.0] and isinstance(host._st.array, np.ndarray)


def test_reading_goes_through_copies():
    x = opaque([1.0, 2.0])
    assert x[1].item() == 2.0 and x.tolist() == [1.0, 2.0] and bool(x[0] == 1)
    assert repr(x) == "tensor([1., 2.], device='opaque')"
    with pytest.raises(TypeError, match="can't convert opaque device type tensor to numpy. Use Te"):
        x.numpy()
    with pytest.raises(TypeError, match="can't convert opaque"):
        np.asarray(x)
    with pytest.raises(RuntimeError, match="no address"):
        x.data_ptr()
    with pytest.raises(ValueError):
        x._array()[0] = 3.0  # a stray write on host memory is refused


def test_devices_do_not_mix():
    x = opaque([1.0, 2.0])
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        x + torch.ones(2)
    assert (x + torch.tensor(1.0)).tolist() == [2.0, 3.0]
    assert (x * 2 + 1).device.type == "opaque"


@pytest.mark.parametrize(
    "make",
    [
        lambda d: torch.zeros(2, 3, device=d),
        lambda d: torch.full((2,), 5, device=d),
        lambda d: torch.arange(4, device=d),
        lambda d: torch.linspace(0, 1, 3, device=d),
        lambda d: torch.eye(3, device=d),
        lambda d: torch.ones_like(torch.zeros(2, device=d)),
        lambda d: torch.zeros(1, device=d).new_tensor([1, 2]),
        lambda d: torch.hann_window(4, device=d),
        lambda d: torch.tril_indices(2, 2, device=d),
        lambda d: torch.rand(3, device=d, generator=torch.Generator().manual_seed(0)),
        lambda d: torch.randperm(5, device=d, generator=torch.Generator().manual_seed(0)),
        lambda d: torch.zeros(3, device=d).normal_(generator=torch.Generator().manual_seed(1)),
        lambda d: torch.zeros(3, device=d).bernoulli_(0.5, generator=torch.Generator()),
        lambda d: torch.tensor([[1, 0], [2, 3]], device=d).nonzero(),
    ],
)
def test_factories(make):
    there, here = make("opaque"), make("cpu")
    assert there.device.type == "opaque" and isinstance(memory(there), OpaqueBuffer)
    assert there.cpu().tolist() == here.tolist() and there.dtype is here.dtype


def test_views_and_writes():
    def program(x):
        x[0] = 1.0
        x[:, 1] += 2
        x.t().mul_(3)
        x[x > 3] = -1.0
        x[[0, 1], [2, 0]] = 9.0
        x.view(-1)[-1:].fill_(4)
        view = x[1]
        x.add_(1)
        view.sub_(0.5)
        return x

    expected = program(torch.zeros(2, 3)).tolist()
    x = program(torch.zeros(2, 3, device="opaque"))
    assert x.tolist() == expected and isinstance(memory(x), OpaqueBuffer)


def test_updates_keep_the_buffer():
    x = torch.zeros(2, device="opaque")
    x.add_(1)
    held = memory(x)
    for _ in range(3):
        x.add_(1)
        x.sum().item()
    assert memory(x) is held and held.fetch().tolist() == [4.0, 4.0]


def test_gradients_cross_devices():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.to("opaque")
    (y * y).sum().backward()
    assert x.grad.device.type == "cpu" and x.grad.tolist() == [2.0, 4.0]
    w = opaque([3.0, 4.0], requires_grad=True)
    (w.cpu() * torch.tensor([5.0, 6.0])).sum().backward()
    assert w.grad.device.type == "opaque" and w.grad.tolist() == [5.0, 6.0]
    (g,) = torch.autograd.grad((w**3).sum(), w, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), w)
    assert h.tolist() == [18.0, 24.0]


def test_a_network_trains_alike():
    def losses(device):
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU(), torch.nn.Flatten(),
            torch.nn.Dropout(0.2), torch.nn.Linear(32, 3),
        ).to(device)  # fmt: skip
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
        x = torch.rand(4, 1, 6, 6).to(device)
        target = torch.tensor([0, 1, 2, 1], device=device)
        found = []
        for _ in range(3):
            loss = torch.nn.functional.cross_entropy(net(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        assert all(p.device.type == device and p.grad.device.type == device
                   for p in net.parameters())  # fmt: skip
        return found

    assert losses("opaque") == pytest.approx(losses("cpu"), rel=1e-5)


def test_copies_and_pickles(tmp_path):
    x = opaque([1.0, 2.0])
    other = copy.deepcopy(x)
    other.add_(1)
    assert x.tolist() == [1.0, 2.0] and other.tolist() == [2.0, 3.0]
    assert other.device.type == "opaque"


def test_a_default_device():
    torch.set_default_device("opaque")
    try:
        assert torch.zeros(2).device.type == "opaque"
        assert torch.tensor([1]).device.type == "opaque"
    finally:
        torch.set_default_device(None)
    with torch.device("opaque"):
        assert torch.ones(1).device.type == "opaque"
    assert torch.ones(1).device.type == "cpu"


# --------------------------------------------------------------------- random programs
class UnsharedRun(Run):
    """The fuzzer's programs, sharing no memory with NumPy."""

    def do_from_numpy(self, shape, seed):
        self.do_leaf(shape, seed, False)


class OpaqueRun(UnsharedRun):
    """The same with every leaf on the opaque device."""

    def do_leaf(self, shape, seed, requires_grad):
        torch.set_default_device("opaque")
        try:
            super().do_leaf(shape, seed, requires_grad)
        finally:
            torch.set_default_device(None)

    def do_grad(self, *args):
        super().do_grad(*args)
        self.found = [None if g is None else g.detach().cpu() for g in self.found]

    def values(self, i):
        return np.array(self.slots[i].detach().cpu().numpy())

    def grad_of(self, i):
        g = self.slots[i].grad if self.slots[i].is_leaf or self.slots[i].retains_grad else None
        return None if g is None else np.array(g.detach().cpu().numpy())


@pytest.mark.parametrize("start", range(0, 60, 20))
def test_random_programs(start):
    for seed in range(start, start + 20):
        program = Program(seed, 16)
        program.author.WEIGHTS = {**program.author.WEIGHTS, "numpy": 0}
        program.runs = {"recorded": UnsharedRun(torch), "eager": OpaqueRun(torch)}
        program.run()
