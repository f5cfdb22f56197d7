"""Schedules that move learning rate and momentum in opposite directions: cycles, and one cycle."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Literal

from .base import (
    LRScheduler,
    check_optimizer,
    per_group,
    saved_callable,
    set_group_value,
    warn_if_called_by_user,
)


class _MomentumMixin:
    """Momentum of the groups: "momentum", or the first of "betas"."""

    optimizer: Any

    def _start_momentum(self, base_momentum, max_momentum, set_groups):
        """Check that there is a momentum, and let the groups start with the highest.

        Returns: lowest and highest momentum, two lists with one per group.
        """
        defaults, groups = self.optimizer.defaults, self.optimizer.param_groups
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                "optimizer must support momentum or beta1 with `cycle_momentum` option enabled, "
                f"which {type(self.optimizer).__name__} does not"
            )
        self.use_beta1 = "betas" in defaults
        base = per_group("base_momentum", self.optimizer, base_momentum)
        top = per_group("max_momentum", self.optimizer, max_momentum)
        for low, high, group in zip(base, top, groups, strict=True):
            if set_groups:
                self._set_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low
        return base, top

    def _set_momentum(self, group, value):
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


def _halved_each_cycle(cycle):
    return 1 / (2.0 ** (cycle - 1))


def _gamma_to_the(gamma, iteration):
    return gamma**iteration


class CyclicLR(_MomentumMixin, LRScheduler):
    """The learning rate goes up and down between two bounds; the momentum goes the other way.

    Call `step` after every batch.

    Args:
        optimizer: whose learning rates are set.
        base_lr: lower bound, a number or a list with one per group.
        max_lr: upper bound, likewise; with `scale_fn` it may not be reached.
        step_size_up: batches on the way up.
        step_size_down: batches on the way down; None means as many.
        mode: "triangular": all cycles alike; "triangular2": half the amplitude after each cycle;
            "exp_range": the amplitude times ``gamma**batches``.
        gamma: base of "exp_range".
        scale_fn: factor of the amplitude, in [0, 1], instead of `mode`.
        scale_mode: what `scale_fn` is a function of: "cycle" (from 1) or "iterations" (batches so
            far).
        cycle_momentum: cycle the momentum (or the first of the betas) as well.
        base_momentum: lowest momentum, at `max_lr`; a number or a list with one per group.
        max_momentum: highest momentum, at `base_lr`; likewise.
        last_epoch: index of the last batch seen; -1 to start.

    Raises: ValueError for an unknown mode, or if the optimizer has no momentum to cycle.

    Source: Smith 2015, arXiv:1506.01186.

    >>> import rushlight as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    >>> scheduler = torch.optim.lr_scheduler.CyclicLR(optimizer, 0.0, 1.0, step_size_up=2)
    >>> lrs = []
    >>> for _ in range(5):
    ...     lrs += scheduler.get_last_lr()
    ...     optimizer.step()
    ...     scheduler.step()
    >>> lrs
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    _SCALES: dict[str, tuple[Callable[..., float], str]] = {
        "triangular": (lambda cycle: 1.0, "cycle"),
        "triangular2": (_halved_each_cycle, "cycle"),
        "exp_range": (_gamma_to_the, "iterations"),
    }

    def __init__(
        self,
        optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups, strict=True):
                set_group_value(group, "lr", lr)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        if mode not in self._SCALES and scale_fn is None:
            raise ValueError(
                f"mode is invalid and scale_fn is None: expected one of {', '.join(self._SCALES)}, "
                f"got {mode!r}"
            )
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else self._SCALES[mode][1]
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._start_momentum(
                base_momentum, max_momentum, last_epoch == -1
            )
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x) -> float:
        """The factor of the amplitude in cycle or iteration `x`."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        function = self._SCALES[self.mode][0]
        return function(self.gamma, x) if self.mode == "exp_range" else function(x)

    def get_lr(self):
        """The learning rates for `last_epoch`, one per group; sets the momentum too."""
        warn_if_called_by_user(self)
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        up = x <= self.step_ratio
        height = x / self.step_ratio if up else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, bounds, strict=True):
                self._set_momentum(group, high - (high - low) * height * scale)
        lrs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height * scale for low, high in lrs]

    def state_dict(self):
        """All attributes but the optimizer and a `scale_fn` that is a function."""
        state = super().state_dict()
        state["_scale_fn_custom"] = saved_callable(self._scale_fn_custom)
        return state

    def load_state_dict(self, state_dict) -> None:
        """Continue from what `state_dict` returned; a `scale_fn` stays what it is."""
        state = dict(state_dict)
        attributes = state.pop("_scale_fn_custom")
        super().load_state_dict(state)
        if attributes is not None:
            self._scale_fn_custom.__dict__.update(attributes)


def _phase(end_step, start_lr, end_lr, start_momentum, end_momentum):
    return {
        "end_step": end_step,
        "start_lr": start_lr,
        "end_lr": end_lr,
        "start_momentum": start_momentum,
        "end_momentum": end_momentum,
    }


def _along_cosine(start, end, share):
    return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


def _along_line(start, end, share):
    return (end - start) * share + start


_ANNEAL = {"cos": _along_cosine, "linear": _along_line}


def _positive_int(name, value):
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"Expected positive integer {name}, but got {value}")
    return value


class OneCycleLR(_MomentumMixin, LRScheduler):
    """One rise to `max_lr` and one long fall; the momentum goes the other way.

    Call `step` after every batch. The learning rate starts at ``max_lr / div_factor`` and ends at
    that divided by `final_div_factor`.

    Args:
        optimizer: whose learning rates are set.
        max_lr: highest learning rate, a number or a list with one per group.
        total_steps: batches in all; None means ``epochs * steps_per_epoch``.
        epochs, steps_per_epoch: see `total_steps`.
        pct_start: share of the batches on the way up, a float in [0, 1].
        anneal_strategy: "cos" or "linear".
        cycle_momentum: move the momentum (or the first of the betas) as well.
        base_momentum: lowest momentum, at `max_lr`; a number or a list with one per group.
        max_momentum: highest momentum, at both ends; likewise.
        div_factor: see above.
        final_div_factor: see above.
        three_phase: come down as fast as up, and fall to the lowest learning rate in a third phase.
        last_epoch: index of the last batch seen; -1 to start.

    Raises: ValueError for an argument out of range, if the optimizer has no momentum to move, and
        from `step` after `total_steps`.

    Source: Smith and Topin 2017, arXiv:1708.07120; two phases as in fastai.

    >>> import rushlight as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    >>> scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> lrs = []
    >>> for _ in range(9):
    ...     lrs += [round(lr, 3) for lr in scheduler.get_last_lr()]
    ...     optimizer.step()
    ...     scheduler.step()
    >>> lrs
    [0.04, 0.52, 1.0, 0.95, 0.812, 0.611, 0.389, 0.188, 0.05]
    """

    def __init__(
        self,
        optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = self._count_steps(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        self._schedule_phases = self._phases(pct_start, three_phase)
        if anneal_strategy not in _ANNEAL:
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_func_type = anneal_strategy
        max_lrs = per_group("max_lr", optimizer, max_lr)
        for top, group in zip(max_lrs, optimizer.param_groups, strict=True):
            if last_epoch == -1:
                group["initial_lr"] = top / div_factor
                group["max_lr"] = top
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._start_momentum(base_momentum, max_momentum, last_epoch == -1)
        super().__init__(optimizer, last_epoch)

    @staticmethod
    def _count_steps(total_steps, epochs, steps_per_epoch):
        if total_steps is not None:
            return _positive_int("total_steps", total_steps)
        if epochs is None or steps_per_epoch is None:
            raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
        return _positive_int("epochs", epochs) * _positive_int("steps_per_epoch", steps_per_epoch)

    def _phases(self, pct_start, three_phase):
        """What each phase ends with; the names are keys of the parameter groups."""
        rise = float(pct_start * self.total_steps)
        up = _phase(rise - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        last = self.total_steps - 1
        if not three_phase:
            return [up, _phase(last, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        down = _phase(2 * rise - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum")
        return [up, down, _phase(last, "initial_lr", "min_lr", "max_momentum", "max_momentum")]

    def get_lr(self):
        """The learning rates for `last_epoch`, one per group; sets the momentum too."""
        warn_if_called_by_user(self)
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times. "
                f"The specified number of total steps is {self.total_steps}"
            )
        start, phases = 0.0, self._schedule_phases
        for phase in phases[:-1]:
            if step <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = phases[-1]
        share = (step - start) / (phase["end_step"] - start)
        anneal = functools.partial(_ANNEAL[self._anneal_func_type], share=share)
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                start_momentum = group[phase["start_momentum"]]
                self._set_momentum(group, anneal(start_momentum, group[phase["end_momentum"]]))
        return [
            anneal(group[phase["start_lr"]], group[phase["end_lr"]])
            for group in self.optimizer.param_groups
        ]
