"""How `linear_cross_entropy` may trade memory for precision and speed."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from ... import frontend as rl

__all__ = ["LinearCrossEntropyOptions"]

_POLICIES = ("auto", "accurate", "balanced", "compact")


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """Options of the linear map and cross entropy computed as one, in chunks of the batch.

    Attributes:
        allow_retain_graph: whether backward may run twice.
        batch_chunk_size: samples computed at a time, at least 1; None: `chunking_method` decides.
        chunking_method: "auto", "aspect_ratio", or "aspect_ratio:n" for chunks n times as small.
        acc_policy: "auto", "accurate", "balanced" or "compact": how much memory precision may cost.
        acc_dtype: dtype of the sums: float16, bfloat16, float32 or float64; None: chosen.

    Raises: ValueError for other values.

    >>> import rushlight as torch
    >>> torch.nn.LinearCrossEntropyOptions(batch_chunk_size=64).batch_chunk_size
    64
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: Literal["accurate", "balanced", "compact", "auto"] = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.acc_policy not in _POLICIES:
            raise ValueError(
                f"invalid acc_policy: {self.acc_policy!r}; expected one of {_POLICIES}"
            )
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = str(self.chunking_method).partition(":")
            has_factor = factor.isdigit() and int(factor) > 0
            if name != "aspect_ratio" or (colon and not has_factor):
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        dtypes = (None, rl.float16, rl.bfloat16, rl.float32, rl.float64)
        if self.acc_dtype not in dtypes:
            raise ValueError(f"acc_dtype must be one of {dtypes}, got {self.acc_dtype!r}")
