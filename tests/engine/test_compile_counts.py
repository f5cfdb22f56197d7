"""What must not compile, and what must not grow."""

import resource
import sys

import pytest

import rushlight as torch
from rushlight import nn, optim
from rushlight.engine.record import segment
from rushlight.engine.runtime import cache


def trainer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    return model, optim.Adam(model.parameters(), lr=0.01)


def step(model, optimizer, batch, epoch):
    x, y = torch.randn(batch, 8), torch.randint(3, (batch,))
    loss = nn.functional.cross_entropy(model(x * (1 + epoch * 0.1)), y) / (epoch + 1)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def kernels():
    return cache.counters["compiled"] + cache.counters["loaded"]


def test_numbers_and_sizes_compile_nothing():
    """A learning rate, an epoch counter and a batch size are arguments of kernels."""
    model, optimizer = trainer()
    for _ in range(3):
        step(model, optimizer, 16, 0)
    before = kernels()
    for epoch in range(1, 6):
        optimizer.param_groups[0]["lr"] = 0.01 / (epoch + 1)
        step(model, optimizer, 16, epoch)
    assert kernels() == before
    for batch in (5, 24, 7):
        step(model, optimizer, batch, 2)
    assert kernels() == before


def test_batches_of_images_compile_nothing():
    """Counts that normalisation and pooling divide by come from sizes."""
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 8, 3), nn.GroupNorm(2, 8), nn.GELU(), nn.AvgPool2d(2), nn.Dropout(0.1)),
        *(nn.Flatten(), nn.LayerNorm(8), nn.Linear(8, 3)),
    )
    optimizer = optim.Adam(model.parameters())

    def train(batch):
        x, y = torch.randn(batch, 1, 8, 8), torch.randint(3, (batch,))
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    for _ in range(3):
        train(16)
    before = kernels()
    for batch in (5, 24, 2, 3, 4, 7, 100, 200):
        train(batch)
    assert kernels() == before


def test_corrupt_cache_entries_are_ignored(tmp_path, monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_CACHE_DIR", str(tmp_path))
    key = cache.key_of("some text")
    assert cache.load(key) is None
    cache.store(key, b"object code")
    assert cache.load(key) == b"object code"
    (path,) = tmp_path.glob("*.o")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert cache.load(key) is None
    cache.store(key, b"object code")
    assert cache.load(key) == b"object code"
    monkeypatch.setenv("RUSHLIGHT_CACHE", "0")
    assert cache.load(key) is None


@pytest.mark.skipif(sys.platform == "win32", reason="resource is POSIX only")
def test_shapes_that_change_do_not_grow_memory():
    """No read at all: the tape is cut by itself, plans are bounded, memory stays."""

    def run(steps, start):
        x = torch.ones(3)
        for k in range(start, start + steps):
            y = torch.ones(k % 90 + 1)
            x = (x * 0.5 + y.sum()) * 0.1
        return x

    run(1500, 0)
    torch.flush_segment()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(4000, 1500)
    torch.flush_segment()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100 * 1024, f"{grown} KiB more"
    assert len(segment._plans) <= segment.PLAN_LIMIT
