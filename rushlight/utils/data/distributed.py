"""DistributedSampler: the share of a dataset that one of several processes loads."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import TypeVar

from ... import frontend as rl
from .dataset import Dataset
from .sampler import Sampler

__all__ = ["DistributedSampler"]

_T_co = TypeVar("_T_co", covariant=True)


class DistributedSampler(Sampler[_T_co]):
    """Every `num_replicas`-th index of one order that all processes share, from `rank` on.

    Call :meth:`set_epoch` before each epoch, or every epoch has the same order.

    Args:
        dataset: map-style dataset whose length does not change.
        num_replicas: number of processes; None: the process group's world size.
        rank: which of them this is, in [0, num_replicas); None: the process group's rank.
        shuffle: whether the order is a permutation seeded with ``seed + epoch``.
        seed: the same in all processes.
        drop_last: make the length divisible by leaving out the tail, and not by repeating the
            first indices.

    Raises:
        RuntimeError: if `num_replicas` or `rank` is None and no process group exists.
        ValueError: if `rank` is out of range.

    >>> from rushlight.utils.data import DistributedSampler
    >>> list(DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Dataset,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None:
            num_replicas = _distributed().get_world_size()
        if rank is None:
            rank = _distributed().get_rank()
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        size = len(dataset)  # type: ignore[arg-type]
        self.num_samples = size // num_replicas if drop_last else math.ceil(size / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[_T_co]:
        indices = self._order()
        if len(indices) < self.total_size:
            indices *= math.ceil(self.total_size / len(indices))
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def _order(self) -> list:
        size = len(self.dataset)  # type: ignore[arg-type]
        if not self.shuffle:
            return list(range(size))
        generator = rl.Generator().manual_seed(self.seed + self.epoch)
        return rl.randperm(size, generator=generator).tolist()

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation of the next iteration.

        Args:
            epoch: the same in all processes.
        """
        self.epoch = epoch


def _distributed():
    """The distributed package, which lies above this one: it is loaded where a group exists."""
    module = sys.modules.get(rl.__name__.rpartition(".")[0] + ".distributed")
    if module is None or not module.is_available():
        raise RuntimeError(
            "Requires distributed package to be available, with an initialized process group. "
            "hint: pass num_replicas and rank to DistributedSampler"
        )
    return module
