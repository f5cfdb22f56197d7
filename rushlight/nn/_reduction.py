"""The `reduction` argument of losses, and the two flags it replaced."""

from __future__ import annotations

import warnings

_CODES = {"none": 0, "mean": 1, "elementwise_mean": 1, "sum": 2}


def get_enum(reduction: str) -> int:
    """The code operators take for a reduction: 0 for 'none', 1 for 'mean', 2 for 'sum'."""
    if reduction not in _CODES:
        raise ValueError(
            f"{reduction} is not a valid value for reduction; expected 'none', 'mean' or 'sum'"
        )
    if reduction == "elementwise_mean":
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.",
            stacklevel=2,
        )
    return _CODES[reduction]


def legacy_get_string(
    size_average: bool | None, reduce: bool | None, emit_warning: bool = True
) -> str:
    """The reduction that the former flags `size_average` and `reduce` mean; None is true."""
    if reduce is not None and not reduce:
        reduction = "none"
    else:
        reduction = "mean" if size_average is None or size_average else "sum"
    if emit_warning:
        warnings.warn(
            "size_average and reduce args will be deprecated, "
            f"please use reduction='{reduction}' instead.",
            stacklevel=2,
        )
    return reduction


def legacy_get_enum(
    size_average: bool | None, reduce: bool | None, emit_warning: bool = True
) -> int:
    """The code of the reduction that the former flags stand for."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
