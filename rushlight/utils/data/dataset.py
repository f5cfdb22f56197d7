"""Datasets: map-style (``dataset[i]``), iterable-style (``iter(dataset)``), and their combinations.

May import `rushlight.frontend`. Read `sampler.py` next.
"""

from __future__ import annotations

import bisect
import itertools
import math
import warnings

# The typing alias, because the abc of the same name cannot be a base beside a Generic class.
from typing import Any, Generic, Iterable, Sequence, TypeVar  # noqa: UP035

from ... import frontend as rl

__all__ = [
    "Dataset",
    "IterableDataset",
    "TensorDataset",
    "StackDataset",
    "ConcatDataset",
    "ChainDataset",
    "Subset",
    "random_split",
]

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class Dataset(Generic[_T_co]):
    """A map from keys, usually ``0 .. len - 1``, to samples.

    Subclasses define ``__getitem__``; ``__len__`` too where a default sampler is wanted.
    They may define ``__getitems__(indices)``, which returns the list of samples of a batch.

    >>> from rushlight.utils.data import Dataset
    >>> class Squares(Dataset):
    ...     def __len__(self): return 4
    ...     def __getitem__(self, i): return i * i
    >>> [Squares()[i] for i in range(4)]
    [0, 1, 4, 9]
    """

    # There is no default `__len__`: a missing one must stay a TypeError of `len()`, and
    # `list(dataset)` must not find one that raises. The same holds for samplers.

    def __getitem__(self, index) -> _T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[_T_co]) -> ConcatDataset[_T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[_T_co], Iterable[_T_co]):
    """A stream of samples; subclasses define ``__iter__``.

    With ``num_workers > 0`` every worker iterates over its own copy. To share the work, ask
    :func:`get_worker_info` which part is this worker's.

    >>> from rushlight.utils.data import IterableDataset, get_worker_info
    >>> class Shards(IterableDataset):
    ...     def __iter__(self):
    ...         info = get_worker_info()
    ...         first, step = (0, 1) if info is None else (info.id, info.num_workers)
    ...         return iter(range(first, 6, step))
    >>> list(Shards())
    [0, 1, 2, 3, 4, 5]
    """

    def __add__(self, other: Dataset[_T_co]):
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple["rl.Tensor", ...]]):
    """Samples are the rows of tensors, ``(t[i] for t in tensors)`` as a tuple.

    Args:
        *tensors: tensors of the same first dimension.

    Raises:
        AssertionError: if the first dimensions differ.

    >>> import rushlight as torch
    >>> from rushlight.utils.data import TensorDataset
    >>> TensorDataset(torch.arange(3), torch.tensor([5, 6, 7]))[1]
    (tensor(1), tensor(6))
    """

    tensors: tuple[rl.Tensor, ...]

    def __init__(self, *tensors: rl.Tensor) -> None:
        lengths = [tensor.size(0) for tensor in tensors]
        if any(length != lengths[0] for length in lengths):
            raise AssertionError(f"Size mismatch between tensors: first dimensions are {lengths}")
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].size(0)


class StackDataset(Dataset[Any]):
    """Datasets of equal length side by side: a sample is the tuple, or dict, of their samples.

    Args:
        *args: datasets; samples are tuples.
        **kwargs: datasets; samples are dicts with the same keys. Not together with `args`.

    Raises:
        ValueError: if both or neither kind is given, or the lengths differ.

    >>> from rushlight.utils.data import StackDataset
    >>> StackDataset(image=["a", "b"], label=[0, 1])[1]
    {'image': 'b', 'label': 1}
    """

    datasets: tuple | dict

    def __init__(self, *args: Dataset[_T_co], **kwargs: Dataset[_T_co]) -> None:
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or ``dict``- (via ``kwargs``) like "
                "input/output, but both types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets = args or kwargs
        lengths = [len(dataset) for dataset in self._parts()]
        if any(length != lengths[0] for length in lengths):
            raise ValueError(f"Size mismatch between datasets: lengths are {lengths}")
        self._length = lengths[0]

    def _parts(self) -> list:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def _sample(self, values) -> tuple | dict:
        if isinstance(self.datasets, dict):
            return dict(zip(self.datasets, values, strict=True))
        return tuple(values)

    def __getitem__(self, index):
        return self._sample([dataset[index] for dataset in self._parts()])

    def __getitems__(self, indices: list) -> list:
        columns = []
        for dataset in self._parts():
            column = _get_items(dataset, indices)
            if len(column) != len(indices):
                raise ValueError(
                    "Nested dataset's output size mismatch. "
                    f"Expected {len(indices)}, got {len(column)}"
                )
            columns.append(column)
        return [self._sample(values) for values in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[_T_co]):
    """Map-style datasets one after the other.

    Args:
        datasets: at least one map-style dataset with a length.

    Raises:
        AssertionError: if there is none, or one is an :class:`IterableDataset`.

    >>> from rushlight.utils.data import ConcatDataset
    >>> list(ConcatDataset([[1, 2], [3]]))
    [1, 2, 3]
    """

    datasets: list[Dataset[_T_co]]
    cumulative_sizes: list[int]

    @staticmethod
    def cumsum(sequence) -> list[int]:
        """Running totals of the lengths in `sequence`."""
        return list(itertools.accumulate(len(item) for item in sequence))

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = self.cumsum(self.datasets)

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx):
        if idx < 0:
            if -idx > len(self):
                raise ValueError(
                    "absolute value of index should not exceed dataset length: "
                    f"got index {idx} for length {len(self)}"
                )
            idx += len(self)
        # Past the end this is one more than the last dataset: the IndexError that ends `for`.
        which = bisect.bisect_right(self.cumulative_sizes, idx)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][idx - before]

    @property
    def cummulative_sizes(self) -> list[int]:
        """Old, misspelt name of `cumulative_sizes`."""
        warnings.warn(
            "`cummulative_sizes` attribute is renamed to `cumulative_sizes`",
            FutureWarning,
            stacklevel=2,
        )
        return self.cumulative_sizes


class ChainDataset(IterableDataset):
    """Iterable-style datasets one after the other.

    Args:
        datasets: iterable of :class:`IterableDataset`, looked at only while iterating.

    Raises:
        AssertionError: while iterating, at a dataset of another kind.
    """

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = datasets

    def _checked(self):
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError(
                    f"ChainDataset only supports IterableDataset, got {type(dataset).__name__}"
                )
            yield dataset

    def __iter__(self):
        return itertools.chain.from_iterable(self._checked())

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._checked())  # type: ignore[arg-type]


class Subset(Dataset[_T_co]):
    """The samples of `dataset` at `indices`.

    A subclass that overrides ``__getitem__`` must override ``__getitems__`` as well, because the
    loader prefers the latter.

    Args:
        dataset: map-style dataset.
        indices: keys into it, in the order wanted.

    >>> from rushlight.utils.data import Subset
    >>> list(Subset("abcdef", [4, 0]))
    ['e', 'a']
    """

    dataset: Dataset[_T_co]
    indices: Sequence[int]

    def __init__(self, dataset: Dataset[_T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        cls = type(self)
        if cls.__getitem__ is not Subset.__getitem__ and cls.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{cls.__name__} overrides __getitem__ but not __getitems__. When subclassing "
                "Subset and overriding __getitem__, you must also override __getitems__. For "
                "example:\n\n"
                "def __getitems__(self, indices):\n"
                "    return [self.__getitem__(idx) for idx in indices]"
            )

    def __getitem__(self, idx):
        if isinstance(idx, list):
            return self.dataset[[self.indices[i] for i in idx]]
        return self.dataset[self.indices[idx]]

    def __getitems__(self, indices: list[int]) -> list[_T_co]:
        return _get_items(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def _get_items(dataset, indices: list) -> list:
    """The samples at `indices`, in one call where `dataset` can do that."""
    if callable(getattr(dataset, "__getitems__", None)):
        return dataset.__getitems__(indices)
    return [dataset[i] for i in indices]


def random_split(
    dataset: Dataset[_T],
    lengths: Sequence[int | float],
    generator: rl.Generator | None = rl.default_generator,
) -> list[Subset[_T]]:
    """Split a dataset at random into parts that do not overlap.

    Args:
        dataset: map-style dataset with a length.
        lengths: sizes that sum to ``len(dataset)``, or fractions in [0, 1] that sum to 1. Of
            fractions the floors are taken, and the rest is dealt out one by one from the first.
        generator: source of the one permutation drawn.

    Raises:
        ValueError: if a fraction is outside [0, 1] or the sizes do not sum to the length.

    >>> import rushlight as torch
    >>> from rushlight.utils.data import random_split
    >>> parts = random_split(range(10), [0.5, 0.25, 0.25], torch.Generator().manual_seed(0))
    >>> [len(part) for part in parts]
    [6, 2, 2]
    """
    size = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _lengths_of_fractions(size, lengths)
    if sum(lengths) != size:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"{list(lengths)} sum to {sum(lengths)}, the dataset has {size}"
        )
    indices = rl.randperm(size, generator=generator).tolist()
    ends = itertools.accumulate(lengths)
    return [
        Subset(dataset, indices[end - length : end])  # type: ignore[misc]
        for end, length in zip(ends, lengths, strict=True)
    ]


def _lengths_of_fractions(size: int, fractions: Sequence[float]) -> list[int]:
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {i} is not between 0 and 1, got {fraction}")
    lengths = [math.floor(size * fraction) for fraction in fractions]
    for i in range(size - sum(lengths)):
        lengths[i % len(lengths)] += 1
    for i, length in enumerate(lengths):
        if length == 0:
            warnings.warn(
                f"Length of split at index {i} is 0. This might result in an empty dataset.",
                stacklevel=3,
            )
    return lengths
