"""What first-order optimizers share: the step loop, scalar state, checks, pieces of rules.

Imports the frontend only. `adam.py` shows how an optimizer is written on top of it.
"""

from __future__ import annotations

import ctypes
from typing import Any

from .. import frontend as rl
from .optimizer import Optimizer, _get_scalar_dtype, _to_scalar, _use_grad_for_differentiable


class KnownScalars:
    """The values of 0-dim tensors that were written here, as Python numbers.

    Reading a tensor back makes the lazy engine run everything that is pending, and a step that read
    its counters could not be one program with the backward pass before it. An entry holds while the
    tensor is the same object at the same version. Any other write (a loaded checkpoint, user code)
    makes it stale; the value is then read, once.
    """

    def __init__(self):
        self._entries: dict[Any, tuple[Any, int, float]] = {}

    def read(self, key, tensor) -> float:
        """The value of `tensor`, known as `key`."""
        entry = self._entries.get(key)
        if entry is not None and entry[0] is tensor and entry[1] == tensor._version:
            return entry[2]
        value = tensor.item()
        self.wrote(key, tensor, value)
        return value

    def wrote(self, key, tensor, value) -> None:
        """`value` has just been written to `tensor`, known as `key`."""
        if tensor.is_inference():  # such a tensor counts no versions
            self._entries.pop(key, None)
        else:
            self._entries[key] = (tensor, tensor._version, value)


def rounded(value, dtype):
    """`value` as a tensor of `dtype` (float32 or float64) would hold it."""
    return float(value) if dtype == rl.float64 else ctypes.c_float(value).value


class PerParameterOptimizer(Optimizer):
    """An optimizer that moves each parameter by a rule of its own.

    A subclass defines `_init_state`, the state of a new parameter, and `_update`, the rule: a few
    in-place tensor operations. There is one implementation of each rule. The options `foreach` and
    `fused` choose between kernels in PyTorch; here they are accepted and change nothing in the
    mathematics, because the engine records the whole step and compiles it as one program anyway.
    What they mean for the state and which combinations are errors is as in PyTorch. With
    ``capturable=True`` the step counter is on the parameter's device and the rule computes with the
    tensor, on any device; with ``differentiable=True`` gradients flow through the update.
    """

    # Options that checkpoints of older PyTorch versions lack, and what they meant then.
    _late_options: dict[str, Any] = {"foreach": None, "maximize": False, "differentiable": False}
    # Entries of a parameter's state that are 0-dim tensors (numbers in old checkpoints).
    _scalar_state: tuple[str, ...] = ("step",)

    def _prepare(self):
        super()._prepare()
        self._known = KnownScalars()

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self._late_options.items():
                group.setdefault(name, value)
            for param in group["params"]:
                self._upgrade_scalars(group, param)

    def _upgrade_scalars(self, group, param):
        state = self.state[param] if param in self.state else {}
        for name in self._scalar_state:
            if name in state and not isinstance(state[name], rl.Tensor):
                state[name] = self._new_scalar(group, param, name, float(state[name]))

    def _init_state(self, group, param) -> dict[str, Any]:
        raise NotImplementedError(f"{type(self).__name__} does not define _init_state()")

    def _update(self, group, param, grad, state) -> None:
        raise NotImplementedError(f"{type(self).__name__} does not define _update()")

    @_use_grad_for_differentiable
    def step(self, closure=None):
        """Update every parameter that has a gradient.

        Args:
            closure: optional callable that clears the gradients, computes the loss, calls
                `backward` and returns the loss; gradients are recorded while it runs.

        Returns: what `closure` returned, or None.
        """
        loss = None
        if closure is not None:
            with rl.enable_grad():
                loss = closure()
        for group in self.param_groups:
            maximize = group.get("maximize", False)
            for param, state in self._ready(group):
                self._update(group, param, -param.grad if maximize else param.grad, state)
        return loss

    def _ready(self, group):
        """[(parameter, state)] where there is a gradient; all checks come before any write."""
        params = [param for param in group["params"] if param.grad is not None]
        for param in params:
            self._check_grad(group, param)
        return [(param, self._state_of(group, param)) for param in params]

    def _check_grad(self, group, param):
        if param.grad.is_sparse:
            raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")
        if group.get("fused") and not param.is_floating_point():
            raise RuntimeError(
                "`fused=True` requires all the params to be floating point Tensors, "
                f"but got {param.dtype} on {param.device.type}"
            )

    def _state_of(self, group, param):
        state = self.state[param]
        if not state:
            state.update(self._init_state(group, param))
        return state

    # ------------------------------------------------------------------ scalar state

    def _new_scalar(self, group, param, name, value):
        """A 0-dim tensor for `state[name]` of `param`, whose value is known without reading it."""
        dtype = _get_scalar_dtype(group.get("fused"))
        on_device = group.get("capturable") or group.get("fused")
        scalar = rl.tensor(value, dtype=dtype, device=param.device if on_device else "cpu")
        self._known.wrote((param, name), scalar, rounded(value, dtype))
        return scalar

    def _read_scalar(self, param, state, name) -> float:
        return self._known.read((param, name), state[name])

    def _wrote_scalar(self, param, state, name, value) -> None:
        """`state[name]` now holds `value`, rounded to its dtype."""
        scalar = state[name]
        # A reload casts scalars other than "step" to the parameter's dtype. The rounding of dtypes
        # below float32 is not reproduced: the entry stays stale and the next step reads the tensor.
        if scalar.dtype in (rl.float32, rl.float64):
            self._known.wrote((param, name), scalar, rounded(value, scalar.dtype))

    def _advance(self, param, state) -> float:
        """Count one step; returns the new count as a number, for bias corrections."""
        count = self._read_scalar(param, state, "step") + 1
        state["step"].add_(1)
        self._wrote_scalar(param, state, "step", count)
        return count


# ---------------------------------------------------------------------- argument checks


def check_lr(lr):
    """Raise ValueError unless `lr` is a number or a tensor of one element, at least 0."""
    if isinstance(lr, rl.Tensor) and lr.numel() != 1:
        raise ValueError(f"Tensor lr must be 1-element, but got shape {tuple(lr.shape)}")
    check_at_least_0("learning rate", lr)


def check_at_least_0(label, value):
    """Raise ValueError, naming `label`, unless `value` is at least 0 (and no NaN)."""
    if not 0.0 <= value:
        raise ValueError(f"Invalid {label}: {value}, it must be at least 0")


def check_betas(betas):
    """Raise ValueError unless both decay rates are in [0, 1)."""
    for i, beta in enumerate(betas[:2]):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}, it must be in [0, 1)")


def check_fused(group):
    """Raise RuntimeError where ``fused=True`` meets an option it excludes."""
    if group["fused"] and group["differentiable"]:
        raise RuntimeError("`fused` does not support `differentiable`")
    if group["fused"] and group["foreach"]:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


# ---------------------------------------------------------------------- pieces of update rules


def real_views(param, *others):
    """The tensors themselves, or for a complex `param` their views as pairs of real numbers."""
    if not param.is_complex():
        return (param, *others)
    return tuple(rl.view_as_real(t) for t in (param, *others))


def with_weight_decay(grad, param, weight_decay):
    """The gradient of the loss with the penalty ``weight_decay / 2 * |param|**2`` added."""
    if isinstance(weight_decay, rl.Tensor):
        # The clone is what a differentiable step needs: `param` is overwritten after this.
        return grad.addcmul(param.clone(), _to_scalar(weight_decay))
    return grad if weight_decay == 0 else grad.add(param, alpha=weight_decay)


def shrink_(param, lr, weight_decay):
    """Decoupled weight decay: ``param *= 1 - lr * weight_decay``."""
    if isinstance(weight_decay, rl.Tensor) or weight_decay != 0:
        param.mul_(1 - lr * weight_decay)


def add_scaled_(param, update, scale):
    """``param += scale * update``, for a number or a 0-dim tensor (which stays unread)."""
    if isinstance(scale, rl.Tensor):
        param.addcmul_(update, scale)
    else:
        param.add_(update, alpha=scale)


def add_quotient_(param, numerator, denominator, scale):
    """``param += scale * numerator / denominator``, for a number or a 0-dim tensor."""
    if isinstance(scale, rl.Tensor):
        param.addcdiv_(numerator * scale, denominator)
    else:
        param.addcdiv_(numerator, denominator, value=scale)


def decay_moments_(exp_avg, exp_avg_sq, grad, weight1, beta2, weight2):
    """Move the running means of the gradient and of its square towards `grad`."""
    exp_avg.lerp_(grad, weight1)
    exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=weight2)
