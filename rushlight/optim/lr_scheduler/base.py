"""The base class of all schedules, and how they read and set the values of parameter groups."""

from __future__ import annotations

import contextlib
import functools
import types
import warnings
import weakref
from typing import Any

from ... import frontend as rl
from ..optimizer import Optimizer, _to_scalar

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Please use `scheduler.step()` to step the scheduler. During the deprecation, if "
    "epoch is different from None, the closed form is used instead of the new chainable form, "
    "where available."
)
_ORDER_HELP = "See https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"


class LRScheduler:
    """Base class of learning-rate schedules; a subclass defines `get_lr`.

    Creating a schedule makes its first step, which sets the learning rates of epoch 0. Call `step`
    after ``optimizer.step()``.

    Args:
        optimizer: its groups' "lr" (a number, or a tensor that is then written in place) are set;
            the learning rate each group starts with is kept as "initial_lr".
        last_epoch: index of the last epoch seen, to continue a run; -1 to start one.

    Attributes:
        base_lrs: the initial learning rates, one per group.
        last_epoch: number of steps after the first.

    Raises: TypeError if `optimizer` is none; KeyError if a run is continued and a group has no
        "initial_lr".

    >>> import rushlight as torch
    >>> class Halving(torch.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr / 2**self.last_epoch for lr in self.base_lrs]
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> scheduler = Halving(optimizer)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                    "scheduler with last_epoch >= 0; hint: load the optimizer's state first, or "
                    "leave last_epoch at -1"
                )
        self.base_lrs: list[Any] = group_values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _note_steps_of(optimizer)
        self._initial_step()

    def _initial_step(self):
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer, as a dict for `torch.save` and `load_state_dict`."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned; the optimizer's state is loaded on its own."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The learning rates set last, one per group; tensors are copies."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The learning rates for `last_epoch`, one per group; for `step` to call."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_lr()")

    def step(self, epoch: int | None = None) -> None:
        """Set the learning rates of the next epoch; call it after ``optimizer.step()``.

        Args:
            epoch: deprecated: go to this epoch instead, by the closed form where the schedule has
                one.
        """
        if self._step_count == 1:
            self._check_order()
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _check_order(self):
        if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
            warnings.warn(
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                "initialization. Please, make sure to call `optimizer.step()` before "
                "`lr_scheduler.step()`. " + _ORDER_HELP,
                UserWarning,
                stacklevel=3,
            )
        elif not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch "
                "1.1.0 and later, you should call them in the opposite order: `optimizer.step()` "
                "before `lr_scheduler.step()`. Failure to do this will result in skipping the "
                "first value of the learning rate schedule. " + _ORDER_HELP,
                UserWarning,
                stacklevel=3,
            )

    def _update_lr(self, epoch=None):
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed_form = getattr(self, "_get_closed_form_lr", None)
        with inside_step(self):
            values = self.get_lr() if epoch is None or closed_form is None else closed_form()
        self._set_lrs(values)

    def _set_lrs(self, values):
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            set_group_value(group, "lr", lr)
        self._last_lr = group_values(self.optimizer, "lr")

    def _scaled(self, factor):
        """The current learning rates times `factor`."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def _unchanged(self):
        return group_values(self.optimizer, "lr")


class _LRScheduler(LRScheduler):
    """The old name of `LRScheduler`, for `isinstance` checks and subclasses in older programs."""


class CallableStateMixin:
    """State of schedules that hold user functions in a list attribute named `_callables`.

    A function or lambda cannot be saved and is left out (None); of a callable object the attributes
    are.
    """

    _callables: str

    def state_dict(self):
        """All attributes but the optimizer and functions; of callable objects, their attributes."""
        state = super().state_dict()  # type: ignore[misc]
        state[self._callables] = [saved_callable(fn) for fn in state[self._callables]]
        return state

    def load_state_dict(self, state_dict):
        """Continue from what `state_dict` returned; functions stay as they are."""
        state = dict(state_dict)
        saved = state.pop(self._callables)
        super().load_state_dict(state)  # type: ignore[misc]
        for fn, attributes in zip(getattr(self, self._callables), saved, strict=True):
            if attributes is not None:
                fn.__dict__.update(attributes)


def saved_callable(fn):
    """What a checkpoint keeps of `fn`: the attributes of a callable object, None for a function."""
    return None if fn is None or isinstance(fn, types.FunctionType) else fn.__dict__.copy()


def check_optimizer(optimizer):
    """Raise TypeError unless `optimizer` is an Optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


@contextlib.contextmanager
def inside_step(scheduler):
    """While the context lasts, `get_lr` knows that `step` calls it."""
    scheduler._get_lr_called_within_step = True
    try:
        yield
    finally:
        scheduler._get_lr_called_within_step = False


def warn_if_called_by_user(scheduler):
    """To be called by `get_lr`, which answers for the next epoch only while `step` runs."""
    if not scheduler._get_lr_called_within_step:
        warnings.warn(
            "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
            UserWarning,
            stacklevel=3,
        )


def copied(value):
    """`value`; a tensor as a copy, because schedules write tensors in place."""
    return value.clone() if isinstance(value, rl.Tensor) else value


def group_values(optimizer, key):
    """[group[key]] over the groups; KeyError where it is missing."""
    return [copied(group[key]) for group in optimizer.param_groups]


def set_group_value(group, key, value):
    """Set ``group[key]``; a tensor is filled, so that whoever holds it sees the new value."""
    if isinstance(group[key], rl.Tensor):
        group[key].fill_(_to_scalar(value))
    else:
        group[key] = value


def per_group(name, optimizer, value):
    """`value`, one number or a list with one per group, as a list."""
    groups = optimizer.param_groups
    if not isinstance(value, list | tuple):
        value = [value] * len(groups)
    elif len(value) != len(groups):
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {len(groups)}."
        )
    return [copied(v) for v in value]


def _note_steps_of(optimizer):
    """Wrap the `step` of this one object so that it leaves a trace, to check the order of calls."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    reference, function = weakref.ref(optimizer), optimizer.step.__func__

    @functools.wraps(function)
    def step(*args, **kwargs):
        owner = reference()
        owner._opt_called = True
        return function(owner, *args, **kwargs)

    step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = step
