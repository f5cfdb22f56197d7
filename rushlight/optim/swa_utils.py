"""Averages of a model over training: equal weights (SWA) or exponential ones (EMA)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, Literal

from .. import frontend as rl
from .. import nn
from .lr_scheduler import LRScheduler
from .lr_scheduler.base import per_group, warn_if_called_by_user

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def _check_decay(decay):
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_avg_fn(decay: float = 0.999):
    """The `avg_fn` of an exponential moving average: ``decay * average + (1 - decay) * current``.

    Args:
        decay: in [0, 1].

    Returns: function of (average, current, number of models so far) -> the new average.
    Raises: ValueError if `decay` is out of range.
    """
    _check_decay(decay)

    @rl.no_grad()
    def ema_update(ema_param, current_param, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn():
    """The `avg_fn` of an equally weighted average.

    Returns: function of (average, current, number of models so far) -> the new average.
    """

    @rl.no_grad()
    def swa_update(averaged_param, current_param, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999):
    """The `multi_avg_fn` of an exponential moving average; see `get_ema_avg_fn`.

    Returns: function of (list of averages, which it updates in place, list of current values,
        number of models so far).
    Raises: ValueError if `decay` is out of range.
    """
    _check_decay(decay)

    @rl.no_grad()
    def ema_update(ema_param_list, current_param_list, _):
        _move_towards_(ema_param_list, current_param_list, 1 - decay)

    return ema_update


def get_swa_multi_avg_fn():
    """The `multi_avg_fn` of an equally weighted average.

    Returns: function of (list of averages, which it updates in place, list of current values,
        number of models so far).
    """

    @rl.no_grad()
    def swa_update(averaged_param_list, current_param_list, num_averaged):
        _move_towards_(averaged_param_list, current_param_list, 1 / (float(num_averaged) + 1))

    return swa_update


def _move_towards_(averages, currents, weight):
    for average, current in zip(averages, currents, strict=True):
        if average.is_floating_point() or average.is_complex():
            average.lerp_(current, weight)
        else:  # counters are rounded down
            average.copy_(average * (1 - weight) + current * weight)


class AveragedModel(nn.Module):
    """A copy of a model whose parameters are averages over the models it has been shown.

    The first `update_parameters` copies; every later one averages, with equal weights unless told
    otherwise.

    Args:
        model: the model to copy.
        device: where the copy lives; None leaves it where `model` is.
        avg_fn: function of (average, current, number of models so far) -> the new average.
        multi_avg_fn: the same on lists of parameters of one device and dtype, in place; at most one
            of the two.
        use_buffers: average the buffers too, instead of copying them.

    Attributes:
        module: the copy.
        n_averaged: number of models so far, a 0-dim int64 buffer.

    Raises: AssertionError if both functions are given.

    Source: Izmailov et al. 2018, arXiv:1803.05407.

    >>> import rushlight as torch
    >>> model = torch.nn.Linear(1, 1)
    >>> average = torch.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 3.0):
    ...     _ = torch.nn.init.constant_(model.weight, value)
    ...     average.update_parameters(model)
    >>> average.module.weight.item(), average.n_averaged.item()
    (2.0, 2)
    """

    n_averaged: Any

    def __init__(
        self,
        model: nn.Module,
        device=None,
        avg_fn: Callable[..., Any] | None = None,
        multi_avg_fn: Callable[..., None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", rl.tensor(0, dtype=rl.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args, **kwargs):
        """What the averaged model computes."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: nn.Module) -> None:
        """Take the parameters of `model` into the average.

        Args:
            model: of the same architecture as the one given to the constructor.
        """
        both = zip(self._averaged(self.module), self._averaged(model), strict=True)
        pairs = [(average.detach(), new.detach().to(average.device)) for average, new in both]
        if self.n_averaged == 0:
            for average, current in pairs:
                average.copy_(current)
        elif self.multi_avg_fn is not None:
            for averages, currents in _by_device_and_dtype(pairs):
                self.multi_avg_fn(averages, currents, self.n_averaged.to(averages[0].device))
        else:
            avg_fn = self.avg_fn or get_swa_avg_fn()
            for average, current in pairs:
                average.copy_(avg_fn(average, current, self.n_averaged.to(average.device)))
        if not self.use_buffers:
            for mine, theirs in zip(self.module.buffers(), model.buffers(), strict=True):
                mine.detach().copy_(theirs.detach().to(mine.device))
        self.n_averaged += 1

    def _averaged(self, model):
        if self.use_buffers:
            return chain(model.parameters(), model.buffers())
        return model.parameters()


def _by_device_and_dtype(pairs):
    groups: dict[Any, tuple[list, list]] = {}
    for average, current in pairs:
        averages, currents = groups.setdefault((average.device, average.dtype), ([], []))
        averages.append(average)
        currents.append(current)
    return list(groups.values())


def update_bn(loader: Iterable[Any], model: nn.Module, device=None) -> None:
    """Compute the running statistics of all batch normalizations anew, in one pass over the data.

    An averaged model needs this: the statistics of its activations are not the average of theirs.

    Args:
        loader: yields inputs of `model`, or lists or tuples that begin with one.
        model: its running means and variances are overwritten; its training mode is restored.
        device: where to move the inputs; None leaves them where they are.
    """
    momenta = {}
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.momentum = None  # equal weights for all batches
    with rl.no_grad():
        for batch in loader:
            batch = batch[0] if isinstance(batch, list | tuple) else batch
            model(batch if device is None else batch.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the current learning rate to `swa_lr` in `anneal_epochs` epochs; there it stays.

    Args:
        optimizer: whose learning rates are set.
        swa_lr: the final learning rate, a number or a list with one per group.
        anneal_epochs: length of the way, at least 0.
        anneal_strategy: "cos" or "linear".
        last_epoch: index of the last epoch seen; -1 to start.

    Raises: ValueError for an argument out of range.

    >>> import rushlight as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> scheduler = torch.optim.swa_utils.SWALR(optimizer, 0.5, 2, "linear")
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.75]
    """

    def __init__(
        self,
        optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        swa_lrs = per_group("swa_lr", optimizer, swa_lr)
        for lr, group in zip(swa_lrs, optimizer.param_groups, strict=True):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, t: float) -> float:
        """Share of the way that is behind after a share `t` of the epochs."""
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self):
        """The learning rates for this epoch, one per group."""
        warn_if_called_by_user(self)
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = (self._share(step - 1), self._share(step))
        return [self._next(group, before, now) for group in self.optimizer.param_groups]

    def _share(self, step):
        return self.anneal_func(max(0, min(1, step / max(1, self.anneal_epochs))))

    @staticmethod
    def _next(group, before, now):
        """The group's next learning rate; where it started follows from where it is."""
        lr, end = group["lr"], group["swa_lr"]
        start = end if before == 1 else (lr - before * end) / (1 - before)
        return end * now + start * (1 - now)
