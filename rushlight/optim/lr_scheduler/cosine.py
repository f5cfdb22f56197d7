"""Cosine schedules, without and with restarts."""

from __future__ import annotations

import math

from .base import LRScheduler, inside_step, warn_if_called_by_user


def _half_wave(progress):
    """1 at progress 0, 0 at progress 1, along a cosine."""
    return (1 + math.cos(math.pi * progress)) / 2


class CosineAnnealingLR(LRScheduler):
    """From the initial learning rate down to `eta_min` along half a cosine wave of `T_max` epochs.

    Each step changes the current learning rate, so that other schedules can act at the same time;
    after `T_max` epochs it rises again.

    Args:
        optimizer: whose learning rates are set.
        T_max: epochs from the initial to the lowest learning rate.
        eta_min: lowest learning rate.
        last_epoch: index of the last epoch seen; -1 to start.

    Source: Loshchilov and Hutter 2016, arXiv:1608.03983, without its restarts.

    >>> import rushlight as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> round(scheduler.get_last_lr()[0], 6)
    0.5
    """

    def __init__(self, optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The learning rates for `last_epoch`, one per group."""
        warn_if_called_by_user(self)
        if self._is_initial:
            return self._unchanged()
        if self._step_count == 1 and self.last_epoch > 0:
            return self._get_closed_form_lr()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # The learning rate was eta_min, of which no multiple leads up again.
            rise = 1 - _half_wave(1 / self.T_max)
            groups = zip(self.base_lrs, self.optimizer.param_groups, strict=True)
            return [group["lr"] + (lr - self.eta_min) * rise for lr, group in groups]
        now = _half_wave(self.last_epoch / self.T_max)
        before = _half_wave((self.last_epoch - 1) / self.T_max)
        return [
            now / before * (group["lr"] - self.eta_min) + self.eta_min
            for group in self.optimizer.param_groups
        ]

    def _get_closed_form_lr(self):
        share = _half_wave(self.last_epoch / self.T_max)
        return [self.eta_min + (lr - self.eta_min) * share for lr in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half cosine waves from the initial learning rate down to `eta_min`, one after the other.

    Args:
        optimizer: whose learning rates are set.
        T_0: epochs of the first wave, at least 1.
        T_mult: each wave is as many times as long as the one before, at least 1.
        eta_min: lowest learning rate.
        last_epoch: index of the last epoch seen; -1 to start.

    Raises: ValueError for an argument out of range.

    Source: Loshchilov and Hutter 2016, arXiv:1608.03983.

    >>> import rushlight as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> lrs = []
    >>> for _ in range(4):
    ...     lrs += [round(lr, 6) for lr in scheduler.get_last_lr()]
    ...     optimizer.step()
    ...     scheduler.step()
    >>> lrs
    [1.0, 0.5, 1.0, 0.5]
    """

    def __init__(
        self, optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, float | int):
            raise ValueError(
                f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}"
            )
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The learning rates for `T_cur` of `T_i` epochs, one per group."""
        warn_if_called_by_user(self)
        share = _half_wave(self.T_cur / self.T_i)
        return [self.eta_min + (lr - self.eta_min) * share for lr in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go to the next epoch, or to `epoch`, which may have a fraction (batch / num_batches).

        Raises: ValueError if `epoch` is negative.
        """
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            epoch = 0 if epoch is None else epoch
            self._go_to(epoch)
        self.last_epoch = math.floor(epoch)
        with inside_step(self):
            values = self.get_lr()
        self._set_lrs(values)

    def _go_to(self, epoch):
        if epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        if epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            # n waves are over, whose lengths are a geometric series.
            n = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**n
