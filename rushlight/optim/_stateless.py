"""Running an optimizer on borrowed parameters and state."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from typing import Any

from .. import frontend as rl
from .optimizer import Optimizer

__all__ = ["swap_in_optimizer_params_and_state"]

_NAME = "swap_in_optimizer_params_and_state"


@contextlib.contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: dict[str, Any], swapin_optim_state: dict[str, Any]
):
    """Within the context `optimizer` works on other parameters and another state.

    In-place changes reach the borrowed tensors; everything else is undone at the end.
    `load_state_dict`, in contrast, keeps the parameters.

    Args:
        optimizer: has state already, from a step or from `load_state_dict`.
        swapin_parameters: name -> tensor, in the order of the optimizer's parameters.
        swapin_optim_state: shaped like ``optimizer.state_dict()``.

    Raises: RuntimeError if the optimizer has no state, or if parameters and state do not fit its
        groups.

    >>> import rushlight as torch
    >>> w, other = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    >>> optimizer = torch.optim.SGD([w], lr=0.5, momentum=0.9)
    >>> w.grad, other.grad = torch.ones(1), torch.ones(1)
    >>> optimizer.step()
    >>> with torch.optim.swap_in_optimizer_params_and_state(
    ...     optimizer, {"w": other}, {**optimizer.state_dict(), "state": {}}
    ... ):
    ...     optimizer.step()
    >>> w.item(), other.item()
    (0.5, 0.5)
    """
    state, plan = _match(optimizer, swapin_parameters, swapin_optim_state)
    saved_state, saved_groups = optimizer.state, [dict(g) for g in optimizer.param_groups]
    borrowed: defaultdict[Any, Any] = defaultdict(dict)
    try:
        for group, new_group, params in plan:
            group.update(new_group, params=params)
            for param, index in zip(params, new_group["params"], strict=True):
                borrowed[param] = dict(state.get(index, {}))
        optimizer.state = borrowed
        yield
    finally:
        for group, saved in zip(optimizer.param_groups, saved_groups, strict=True):
            group.clear()
            group.update(saved)
        optimizer.state = saved_state


def _require(holds, rule):
    if not holds:
        raise RuntimeError(f"{_NAME} requires {rule}")


def _match(optimizer, parameters, optim_state):
    """The new state, and [(group, its new options and indices, its new parameters)]."""
    _require(optimizer.state, "initialized optimizer state")
    _require(isinstance(optim_state, dict), "a dict shaped like optimizer.state_dict()")
    state, groups = optim_state.get("state"), optim_state.get("param_groups")
    _check_state(state)
    _require(
        isinstance(groups, list),
        "swapin_optim_state['param_groups'] to be a list of param-group dicts, "
        f"got {type(groups).__name__}",
    )
    if len(groups) != len(optimizer.param_groups):
        raise RuntimeError(
            "swapin_optim_state has a different number of parameter groups than the live "
            f"optimizer: expected {len(optimizer.param_groups)}, got {len(groups)}"
        )
    flat, plan, seen = list(parameters.values()), [], set()
    for i, (group, new) in enumerate(zip(optimizer.param_groups, groups, strict=True)):
        indices = _check_group(i, group, new)
        seen.update(indices)
        _require(
            len(indices) <= len(flat),
            "the explicit parameter state to match optimizer.param_groups ordering",
        )
        plan.append((group, new, flat[: len(indices)]))
        flat = flat[len(indices) :]
    extra = [key for key in state if key not in seen]
    _require(
        not extra,
        "swapin_optim_state['state'] to be keyed only by packed parameter ids from "
        f"param_groups[*]['params']; got extra keys {extra!r}",
    )
    return state, plan


def _check_state(state):
    _require(
        isinstance(state, dict),
        "swapin_optim_state['state'] to be a dict mapping packed parameter ids to per-param state "
        f"dicts, got {type(state).__name__}",
    )
    _require(
        not any(isinstance(key, rl.Tensor) for key in state),
        "optimizer.state_dict()-style state keyed by packed parameter ids",
    )
    _require(
        all(isinstance(v, dict) for k, v in state.items() if isinstance(k, int)),
        "per-parameter optimizer state entries to be dictionaries",
    )


def _check_group(i, group, new):
    """The parameter indices of the new group `new`, which must look like the live one, `group`."""
    _require(isinstance(new, dict), "each optimizer param group to be a dictionary")
    indices = new.get("params")
    _require(
        isinstance(indices, list) and all(isinstance(index, int) for index in indices),
        "param_groups[*]['params'] entries keyed by packed parameter ids",
    )
    if len(group["params"]) != len(indices):
        raise RuntimeError(
            f"swapin_optim_state param group {i} has a different number of params than the live "
            f"optimizer param group: expected {len(group['params'])}, got {len(indices)}"
        )
    _require(
        set(group) == set(new),
        f"param group keys to exactly match the live optimizer group keys for group {i}. "
        f"Keys only in swap-in: {sorted(set(new) - set(group))}. "
        f"Keys only in live: {sorted(set(group) - set(new))}",
    )
    return indices
