"""How full backward hooks see gradients: identity nodes around a module's inputs and outputs."""

from __future__ import annotations

import warnings

from ... import autograd
from ... import frontend as rl


class BackwardHookFunction(autograd.Function):
    """Returns its inputs; its node in the graph is where hooks see all their gradients at once."""

    @staticmethod
    def forward(ctx, *tensors):
        ctx.mark_non_differentiable(*[t for t in tensors if not t.requires_grad])
        return tensors

    @staticmethod
    def backward(ctx, *grads):
        return grads


def _wrap_tensors(values: tuple):
    """Pass the tensors among `values` through one identity node.

    Returns: the values, the positions of the tensors, and the node; None for both where nothing
    requires a gradient.
    """
    positions = [i for i, value in enumerate(values) if isinstance(value, rl.Tensor)]
    if not (rl.is_grad_enabled() and any(values[i].requires_grad for i in positions)):
        return values, None, None
    wrapped = BackwardHookFunction.apply(*(values[i] for i in positions))
    node = next(t.grad_fn for t in wrapped if t.grad_fn is not None)
    result = list(values)
    for i, tensor in zip(positions, wrapped, strict=True):
        result[i] = tensor
    make = tuple if type(values) is tuple else lambda items: type(values)(*items)  # a named tuple
    return make(result), positions, node


def _spread(positions, grads, size: int) -> tuple:
    """One entry for each of `size` values: its gradient, or None where it is no tensor."""
    result = [None] * size
    for i, grad in zip(positions, grads, strict=True):
        result[i] = grad
    return tuple(result)


class BackwardHook:
    """One call of a module that has full backward hooks.

    Args:
        module: the module the hooks are given.
        user_hooks: called with (module, grad_input, grad_output) once both are known.
        user_pre_hooks: called with (module, grad_output) before.
    """

    def __init__(self, module, user_hooks, user_pre_hooks):
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs = None
        self.num_inputs = 0
        self.input_positions = None

    def setup_input_hook(self, args: tuple) -> tuple:
        """The arguments of the call, connected so that their gradients reach the hooks."""
        args, self.input_positions, node = _wrap_tensors(args)
        self.num_inputs = len(args)
        if node is not None:
            node.register_hook(lambda grad_inputs, _: self._on_grad_inputs(grad_inputs))
        return args

    def setup_output_hook(self, result):
        """The result of the call, connected so that its gradients reach the hooks."""
        results = result if isinstance(result, tuple) else (result,)
        wrapped, positions, node = _wrap_tensors(results)
        if node is not None:
            node.register_hook(
                lambda _, grads: self._on_grad_outputs(
                    positions, _spread(positions, grads, len(results))
                )
            )
        return wrapped if isinstance(result, tuple) else wrapped[0]

    def _on_grad_inputs(self, grads):
        if self.grad_outputs is None:  # the gradient came by another way than through the outputs
            return None
        grad_inputs = _spread(self.input_positions, grads, self.num_inputs)
        for hook in self.user_hooks:
            new = hook(self.module, grad_inputs, self.grad_outputs)
            if new is None:
                continue
            if len(new) != len(grad_inputs):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(new)}, but expected {len(grad_inputs)}"
                )
            grad_inputs = new
        self.grad_outputs = None
        return tuple(grad_inputs[i] for i in self.input_positions)

    def _on_grad_outputs(self, positions, grad_outputs):
        for hook in self.user_pre_hooks:
            new = hook(self.module, grad_outputs)
            if new is None:
                continue
            if len(new) != len(grad_outputs):
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(new)}, but expected {len(grad_outputs)}"
                )
            grad_outputs = new
        self.grad_outputs = grad_outputs
        if self.input_positions is None:
            self._call_hooks_without_inputs()
        return tuple(grad_outputs[i] for i in positions)

    def _call_hooks_without_inputs(self):
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module "
            "outputs since no inputs require gradients.",
            stacklevel=6,
        )
        grad_inputs = (None,) * self.num_inputs
        for hook in self.user_hooks:
            new = hook(self.module, grad_inputs, self.grad_outputs)
            if new is not None and not (isinstance(new, tuple) and all(g is None for g in new)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )
        self.grad_outputs = None
