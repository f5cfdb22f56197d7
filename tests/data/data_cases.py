"""Loader configurations, and how to run one with a given `torch` module.

`tests/recorded/data_loader.py` runs them with PyTorch and `test_data_order.py` with this package;
what comes out, batches and random draws afterwards, must be equal.
"""

import itertools
import random

import numpy as np

SIZE = 11


class Draws:
    """A map-style dataset whose samples show the state of every random generator."""

    def __init__(self, torch):
        self.torch = torch

    def __len__(self):
        return SIZE

    def __getitem__(self, index):
        return (
            index,
            self.torch.randint(0, 10**6, (1,)).item(),
            random.randrange(10**6),
            int(np.random.randint(10**6)),
        )


class ManyAtOnce(Draws):
    """The same with ``__getitems__``, which reverses the batch so that its use shows."""

    def __getitems__(self, indices):
        return [self[i] for i in reversed(indices)]


def make_stream(torch, sharded):
    """An iterable-style dataset; unless `sharded`, every worker yields all of it."""

    class Stream(torch.utils.data.IterableDataset):
        def __len__(self):
            return SIZE

        def __iter__(self):
            info = torch.utils.data.get_worker_info() if sharded else None
            first, step = (0, 1) if info is None else (info.id, info.num_workers)
            for i in range(first, SIZE, step):
                yield i, torch.randint(0, 10**6, (1,)).item()

    return Stream()


def make_dataset(torch, name):
    data = torch.utils.data
    numbers = torch.arange(SIZE)
    if name == "tensors":
        return data.TensorDataset(numbers, numbers.view(-1, 1) * 0.5)
    if name == "subset":
        return data.Subset(data.TensorDataset(numbers), [7, 2, 2, 9, 10])
    if name == "concat":
        return data.ConcatDataset([data.TensorDataset(numbers), data.TensorDataset(-numbers)])
    if name == "stack":
        return data.StackDataset(a=data.TensorDataset(numbers), b=ManyAtOnce(torch))
    if name in ("stream", "shards"):
        return make_stream(torch, sharded=name == "shards")
    if name == "chain":
        return data.ChainDataset([make_stream(torch, False), make_stream(torch, True)])
    return {"draws": Draws, "many": ManyAtOnce}[name](torch)


class EagerSampler:
    """Draws when `iter` is called, where most samplers draw at the first `next`."""

    def __init__(self, torch, generator):
        self.torch, self.generator = torch, generator

    def __len__(self):
        return SIZE

    def __iter__(self):
        return iter(self.torch.randperm(SIZE, generator=self.generator).tolist())


def make_sampler(torch, name, generator):
    data = torch.utils.data
    if name == "eager":
        return EagerSampler(torch, generator)
    if name == "subset":
        return data.SubsetRandomSampler([3, 1, 8, 5], generator=generator)
    if name == "weighted":
        weights = [0.1 * (i + 1) for i in range(SIZE)]
        return data.WeightedRandomSampler(weights, 9, generator=generator)
    if name == "weighted_once":
        weights = [0.1 * (i + 1) for i in range(SIZE)]
        return data.WeightedRandomSampler(weights, 9, replacement=False, generator=generator)
    if name == "distributed":
        return data.DistributedSampler(range(SIZE), num_replicas=3, rank=1)
    options = {
        "short": {"num_samples": 4},
        "long": {"num_samples": 25},
        "replacement": {"replacement": True, "num_samples": 70},
    }
    return data.RandomSampler(range(SIZE), generator=generator, **options[name])


def all_cases():
    """Every configuration, as keyword arguments for `run`."""
    cases = []

    def add(**axes):
        names = list(axes)
        for values in itertools.product(*axes.values()):
            cases.append(dict(zip(names, values, strict=True)))

    # All in this process: cheap, so many.
    add(
        dataset=["draws", "many", "tensors"],
        shuffle=[False, True],
        batch_size=[None, 4],
        drop_last=[False, True],
        seed=[None, 7],
        epochs=[3],
    )
    add(
        dataset=["tensors"],
        sampler=["eager", "subset", "weighted", "weighted_once", "short", "long", "replacement"],
        batch_size=[None, 4],
        seed=[None, 7],
        epochs=[2],
    )
    add(dataset=["tensors"], sampler=["distributed"], batch_size=[2], epochs=[2])
    add(dataset=["tensors"], batch_sampler=["long"], seed=[None, 7], epochs=[2])
    add(dataset=["subset", "concat", "stack"], batch_size=[2], seed=[None, 7], epochs=[2])
    add(dataset=["stream", "chain"], batch_size=[None, 4], drop_last=[False, True], epochs=[2])

    # Two worker processes.
    add(
        dataset=["draws"],
        shuffle=[True],
        batch_size=[None, 4],
        seed=[None, 7],
        persistent_workers=[False, True],
        epochs=[2],
        num_workers=[2],
    )
    add(dataset=["many"], batch_size=[4], drop_last=[True], epochs=[3], num_workers=[2])
    add(
        dataset=["draws"],
        sampler=["eager", "long"],
        batch_size=[None, 3],
        seed=[7],
        prefetch_factor=[1, 3],
        epochs=[1],
        num_workers=[2],
    )
    add(
        dataset=["stream", "shards"],
        batch_size=[None, 4],
        persistent_workers=[False, True],
        epochs=[2],
        num_workers=[2],
    )
    add(dataset=["shards"], batch_size=[4], drop_last=[True], epochs=[1], num_workers=[1, 2])
    # PyTorch has no batching without a batch size, and then nothing to drop.
    return [c for c in cases if not (c.get("drop_last") and c["batch_size"] is None)]


def plain(value):
    """`value` with its tensors as lists: what JSON can hold."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def run(torch, dataset, epochs, seed=None, sampler=None, batch_sampler=None, **options):
    """Batches of each epoch; then a draw from the default generator and from the loader's."""
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    if sampler is not None:
        options["sampler"] = make_sampler(torch, sampler, generator)
    if batch_sampler is not None:
        inner = make_sampler(torch, batch_sampler, generator)
        options["batch_sampler"] = torch.utils.data.BatchSampler(inner, 4, drop_last=False)
    loader = torch.utils.data.DataLoader(
        make_dataset(torch, dataset), generator=generator, **options
    )
    batches = [[plain(batch) for batch in loader] for _ in range(epochs)]
    after = [torch.randint(0, 10**6, (1,), generator=g).item() for g in (None, generator)]
    return {"len": _length(loader), "epochs": batches, "after": after}


def _length(loader):
    try:
        return len(loader)
    except TypeError:
        return None
