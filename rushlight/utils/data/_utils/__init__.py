"""PyTorch's private path of `collate`, which many programs import from."""

from . import collate

__all__ = ["collate"]
