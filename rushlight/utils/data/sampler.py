"""Samplers: iterables of dataset indices, or of lists of them. Read `dataloader.py` next.

The order of random draws is PyTorch's, including draws whose result is not used.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Generic, TypeVar

from ... import frontend as rl

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

_T_co = TypeVar("_T_co", covariant=True)


def draw_seed(generator: rl.Generator | None = None) -> int:
    """Draw one int64 in [0, 2**63), from the default generator if None."""
    return rl.empty((), dtype=rl.int64).random_(generator=generator).item()


class Sampler(Generic[_T_co]):
    """Base class: subclasses define ``__iter__``, and ``__len__`` where the length is known."""

    def __iter__(self) -> Iterator[_T_co]:
        raise NotImplementedError(f"{type(self).__name__} should implement __iter__")


class SequentialSampler(Sampler[int]):
    """``0, 1, .. len(data_source) - 1``.

    Args:
        data_source: anything with a length.
    """

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A random order of ``0 .. len(data_source) - 1``, or draws with replacement.

    Args:
        data_source: anything with a length n.
        replacement: draw every index independently.
        num_samples: how many indices to yield, at least 1; n if None. Without replacement, more
            than n means several permutations in a row.
        generator: source of the draws. None: a generator of its own for each iteration, seeded
            from the default one.

    Raises:
        TypeError: if `replacement` is no bool.
        ValueError: if `num_samples` is no positive int.

    >>> import rushlight as torch
    >>> from rushlight.utils.data import RandomSampler
    >>> sorted(RandomSampler(range(4), generator=torch.Generator().manual_seed(0)))
    [0, 1, 2, 3]
    """

    data_source: Sized
    replacement: bool

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: rl.Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                "num_samples should be a positive integer value, "
                f"but got num_samples={self.num_samples}"
            )

    @property
    def num_samples(self) -> int:
        """How many indices one iteration yields; follows a data source that grows."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        generator = self.generator
        if generator is None:
            generator = rl.Generator().manual_seed(draw_seed())
        if self.replacement:
            yield from self._draws(generator)
        else:
            yield from self._permutations(generator)

    def _draws(self, generator: rl.Generator) -> Iterator[int]:
        n, total = len(self.data_source), self.num_samples
        for start in range(0, total, 32):
            size = (min(32, total - start),)
            yield from rl.randint(n, size, dtype=rl.int64, generator=generator).tolist()

    def _permutations(self, generator: rl.Generator) -> Iterator[int]:
        n, total = len(self.data_source), self.num_samples
        for _ in range(total // n):
            yield from rl.randperm(n, generator=generator).tolist()
        # Drawn even when nothing is left to yield: the generator must end where PyTorch's does.
        yield from rl.randperm(n, generator=generator).tolist()[: total % n]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order, without replacement.

    Args:
        indices: indices to yield.
        generator: source of the permutation; None: the default generator.
    """

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: rl.Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in rl.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices ``0 .. len(weights) - 1``, drawn with probabilities proportional to `weights`.

    Args:
        weights: (n,) numbers of at least 0, kept as float64; they need not sum to 1.
        num_samples: how many indices to draw, at least 1.
        replacement: whether an index may be drawn again.
        generator: source of the draws; None: the default generator.

    Raises:
        ValueError: for a `num_samples`, `replacement` or shape of `weights` other than these.
    """

    weights: rl.Tensor
    num_samples: int
    replacement: bool

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: rl.Generator | None = None,
    ) -> None:
        _check_positive_int("num_samples", num_samples)
        _check_bool("replacement", replacement)
        self.weights = rl.as_tensor(weights, dtype=rl.double)
        if self.weights.dim() != 1:
            raise ValueError(
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        yield from rl.multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        ).tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` consecutive indices of another sampler.

    Args:
        sampler: iterable of indices.
        batch_size: at least 1.
        drop_last: leave out a last batch that is shorter.

    Raises:
        ValueError: if `batch_size` is no positive int or `drop_last` no bool.

    >>> from rushlight.utils.data import BatchSampler
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool
    ) -> None:
        _check_positive_int("batch_size", batch_size)
        _check_bool("drop_last", drop_last)
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return full if self.drop_last or not rest else full + 1


def _check_positive_int(name: str, value) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")


def _check_bool(name: str, value) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} should be a boolean value, but got {name}={value}")
