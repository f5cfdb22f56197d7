"""Samplers: lengths, options and errors. Their orders within a loader are in test_data_order.py."""

import pytest

import rushlight as torch
from rushlight.utils.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


def test_base_class():
    with pytest.raises(NotImplementedError):
        iter(Sampler())
    with pytest.raises(TypeError):
        len(Sampler())


def test_sequential_sampler():
    assert list(SequentialSampler("abc")) == [0, 1, 2] and len(SequentialSampler("abc")) == 3


def test_random_sampler_follows_its_source():
    source = [0, 1, 2]
    sampler = RandomSampler(source)
    source.append(3)
    assert len(sampler) == 4 and sorted(sampler) == [0, 1, 2, 3]
    assert len(list(RandomSampler(source, num_samples=10))) == 10


def test_random_sampler_uses_one_draw_of_the_default_generator():
    torch.manual_seed(3)
    list(RandomSampler(range(100)))
    after = torch.randint(0, 10**6, (4,)).tolist()
    torch.manual_seed(3)
    torch.empty((), dtype=torch.int64).random_()
    assert torch.randint(0, 10**6, (4,)).tolist() == after


@pytest.mark.parametrize("num_samples", [0, -1, 2.0])
def test_num_samples_must_be_positive(num_samples):
    with pytest.raises(ValueError, match="num_samples should be a positive integer"):
        RandomSampler(range(3), num_samples=num_samples)
    with pytest.raises(ValueError, match="num_samples should be a positive integer"):
        WeightedRandomSampler([1.0, 2.0], num_samples)


def test_errors():
    with pytest.raises(ValueError, match="num_samples should be a positive .* num_samples=0"):
        RandomSampler([])
    with pytest.raises(TypeError, match="replacement should be a boolean"):
        RandomSampler(range(3), replacement=1)
    with pytest.raises(ValueError, match="replacement should be a boolean"):
        WeightedRandomSampler([1.0], 1, replacement=1)
    with pytest.raises(ValueError, match="weights should be a 1d sequence"):
        WeightedRandomSampler([[1.0]], 1)
    for batch_size in (0, 1.5, True):
        with pytest.raises(ValueError, match="batch_size should be a positive integer"):
            BatchSampler(range(3), batch_size, False)
    with pytest.raises(ValueError, match="drop_last should be a boolean"):
        BatchSampler(range(3), 1, 0)


def test_subset_random_sampler():
    sampler = SubsetRandomSampler([5, 3, 9])
    assert len(sampler) == 3 and sorted(sampler) == [3, 5, 9]


def test_weighted_random_sampler():
    sampler = WeightedRandomSampler([0.0, 1.0, 0.0], 5)
    assert sampler.weights.dtype == torch.float64
    assert len(sampler) == 5 and list(sampler) == [1] * 5
    assert sorted(WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False)) == [0, 1, 2]


@pytest.mark.parametrize(
    "drop_last, expected", [(False, [[0, 1, 2], [3, 4, 5], [6]]), (True, [[0, 1, 2], [3, 4, 5]])]
)
def test_batch_sampler(drop_last, expected):
    sampler = BatchSampler(range(7), 3, drop_last)
    assert list(sampler) == expected and len(sampler) == len(expected)


def test_distributed_sampler():
    def shards(**options):
        return [list(DistributedSampler(range(7), 3, rank, **options)) for rank in range(3)]

    assert shards(seed=3) == [[5, 6, 1], [3, 0, 5], [4, 2, 3]]
    assert shards(seed=3, drop_last=True) == [[5, 6], [3, 0], [4, 2]]
    assert shards(shuffle=False) == [[0, 3, 6], [1, 4, 0], [2, 5, 1]]
    sampler = DistributedSampler(range(7), 3, 1)
    sampler.set_epoch(4)
    assert list(sampler) == [1, 2, 3] and len(sampler) == 3
    assert list(DistributedSampler(range(2), 5, 4, shuffle=False)) == [0]


def test_distributed_sampler_errors():
    with pytest.raises(ValueError, match=r"Invalid rank 2, .* interval \[0, 1\]"):
        DistributedSampler(range(3), 2, 2)
