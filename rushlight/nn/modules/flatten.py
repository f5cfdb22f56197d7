"""Merging dimensions into one, and splitting one into several."""

from __future__ import annotations

from ._declare import shows, stores
from .module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Merges neighbouring dimensions into one.

    Args:
        start_dim: the first of them; by default the one after the batch.
        end_dim: the last of them.

    >>> import rushlight as torch
    >>> torch.nn.Flatten()(torch.zeros(32, 1, 5, 5)).shape
    torch.Size([32, 25])
    """

    @stores
    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None: ...

    def forward(self, input):
        return input.flatten(self.start_dim, self.end_dim)

    extra_repr = shows("start_dim={start_dim}, end_dim={end_dim}")


class Unflatten(Module):
    """Splits one dimension into several.

    Args:
        dim: which.
        unflattened_size: tuple or list of the sizes it becomes; one of them may be -1.

    Raises: TypeError if the sizes are no tuple or list of integers.

    >>> import rushlight as torch
    >>> torch.nn.Unflatten(1, (2, 5, -1))(torch.zeros(2, 50)).shape
    torch.Size([2, 2, 5, 5])
    """

    @stores
    def __init__(self, dim: int, unflattened_size) -> None:
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(
                "unflattened_size must be a tuple of ints, "
                f"but found type {type(unflattened_size).__name__}"
            )
        for i, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(
                    "unflattened_size must be tuple of ints, "
                    f"but found element of type {type(size).__name__} at pos {i}"
                )

    def forward(self, input):
        return input.unflatten(self.dim, self.unflattened_size)

    extra_repr = shows("dim={dim}, unflattened_size={unflattened_size}")
