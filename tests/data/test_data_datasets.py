"""Datasets and their combinations. Orders written out here are PyTorch 2.13's."""

import pytest

import rushlight as torch
from rushlight.utils.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)


class Stream(IterableDataset):
    def __init__(self, size):
        self.size = size

    def __iter__(self):
        return iter(range(self.size))

    def __len__(self):
        return self.size


class Batched(list):
    """Looks up whole batches, and counts how often."""

    calls = 0

    def __getitems__(self, indices):
        self.calls += 1
        return [self[i] for i in indices]


def test_base_classes():
    with pytest.raises(NotImplementedError, match="Dataset should implement __getitem__"):
        Dataset()[0]
    with pytest.raises(TypeError):
        len(Dataset())
    assert not hasattr(Dataset, "__getitems__")
    assert Dataset[int] and IterableDataset[int]


def test_tensor_dataset():
    x, y = torch.arange(6).view(3, 2), torch.tensor([1.0, 2.0, 3.0])
    data = TensorDataset(x, y)
    assert len(data) == 3
    assert [t.tolist() for t in data[1]] == [[2, 3], 2.0]
    assert [t.tolist() for t in data[1:]] == [[[2, 3], [4, 5]], [2.0, 3.0]]
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(x, y[:2])


def test_stack_dataset():
    rows = StackDataset("abc", [1, 2, 3])
    assert len(rows) == 3 and rows[1] == ("b", 2)
    batched = Batched("abc")
    named = StackDataset(a=batched, b=[1, 2, 3])
    assert named.__getitems__([2, 0]) == [{"a": "c", "b": 3}, {"a": "a", "b": 1}]
    assert batched.calls == 1
    assert rows.__getitems__([2, 0]) == [("c", 3), ("a", 1)]


def test_stack_dataset_errors():
    with pytest.raises(ValueError, match="both types are given"):
        StackDataset("ab", x="ab")
    with pytest.raises(ValueError, match="At least one dataset should be passed"):
        StackDataset()
    with pytest.raises(ValueError, match="Size mismatch between datasets"):
        StackDataset("ab", "abc")

    class Short(list):
        def __getitems__(self, indices):
            return [0]

    with pytest.raises(ValueError, match="size mismatch. Expected 2, got 1"):
        StackDataset(Short("ab")).__getitems__([0, 1])


def test_concat_dataset():
    data = ConcatDataset(["ab", "", "cde"])
    assert list(data) == list("abcde") and len(data) == 5
    assert data[-1] == "e" and data[-5] == "a"
    assert data.cumulative_sizes == [2, 2, 5]
    with pytest.raises(ValueError, match="absolute value of index should not exceed"):
        data[-6]
    with pytest.warns(FutureWarning, match="renamed to `cumulative_sizes`"):
        assert data.cummulative_sizes == [2, 2, 5]
    with pytest.raises(AssertionError, match="should not be an empty iterable"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="does not support IterableDataset"):
        ConcatDataset([Stream(2)])
    x = TensorDataset(torch.arange(2))
    assert isinstance(x + x, ConcatDataset) and len(x + x) == 4


def test_chain_dataset():
    chain = Stream(2) + Stream(3)
    assert isinstance(chain, ChainDataset)
    assert list(chain) == [0, 1, 0, 1, 2] and len(chain) == 5
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(ChainDataset([[1]]))


def test_subset():
    batched = Batched("abcd")
    subset = Subset(batched, [3, 1])
    assert len(subset) == 2 and list(subset) == ["d", "b"]
    assert subset.__getitems__([1, 0]) == ["b", "d"] and batched.calls == 1
    rows = Subset(torch.arange(10), [3, 1, 7])
    assert rows[[0, 2]].tolist() == [3, 7]

    class Half(Subset):
        def __getitem__(self, index):
            return None

    with pytest.raises(NotImplementedError, match="Half overrides __getitem__ but not"):
        Half(batched, [1])


def generator(seed):
    return torch.Generator().manual_seed(seed)


def test_random_split():
    parts = random_split(range(10), [3, 7], generator(42))
    assert [part.indices for part in parts] == [[2, 6, 1], [8, 4, 5, 0, 9, 3, 7]]
    parts = random_split(range(11), [0.3, 0.3, 0.4], generator(42))
    assert [part.indices for part in parts] == [[6, 8, 9, 2], [1, 10, 0], [7, 3, 5, 4]]
    torch.manual_seed(5)
    assert [part.indices for part in random_split(range(5), [2, 3])] == [[1, 3], [0, 4, 2]]
    assert torch.randint(0, 10**6, (1,)).item() == 852006


def test_random_split_errors():
    with pytest.raises(ValueError, match="Sum of input lengths does not equal the length"):
        random_split(range(10), [3, 4])
    with pytest.raises(ValueError, match="Fraction at index 1 is not between 0 and 1"):
        random_split(range(10), [0.5, 1.5, -1.0])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        random_split(range(2), [0.9, 0.1])
