"""Spectral normalization, by a hook that recomputes the weight before each forward.

`parametrizations.spectral_norm` is the newer way to the same.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ... import frontend as rl
from ... import linalg
from .. import functional as F
from ..modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..modules.module import Module
from ..parameter import Parameter, UninitializedParameter

__all__ = [
    "SpectralNorm",
    "SpectralNormLoadStateDictPreHook",
    "SpectralNormStateDictHook",
    "spectral_norm",
    "remove_spectral_norm",
]

T_module = TypeVar("T_module", bound=Module)


def output_dim(module: Module) -> int:
    """The dimension of the weight that counts outputs: 1 for transposed convolutions, else 0."""
    return int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))


def as_matrix(weight, dim: int):
    """The weight with `dim` first and the other dimensions merged."""
    if dim != 0:
        weight = weight.permute(dim, *(d for d in range(weight.dim()) if d != dim))
    return weight.flatten(1)


def normalize_into(out, vector, eps: float):
    """Write `vector`, scaled to length 1, into the buffer `out`, which keeps its identity."""
    return out.copy_(F.normalize(vector, dim=0, eps=eps))


class SpectralNorm:
    """The hook: sets the weight `name` to ``name + "_orig"`` divided by its spectral norm.

    The norm is estimated by power iteration, which goes on from forward to forward in training.
    """

    # 0: u was saved with the state dict, but not v; the weight was saved too. 1: u and v are saved.
    _version: int = 1

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight):
        """The weight as a matrix with a row for each output."""
        return as_matrix(weight, self.dim)

    def compute_weight(self, module: Module, do_power_iteration: bool):
        """The normalized weight; the buffers u and v are improved first if asked for."""
        weight = getattr(module, self.name + "_orig")
        u = getattr(module, self.name + "_u")
        v = getattr(module, self.name + "_v")
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            with rl.no_grad():
                for _ in range(self.n_power_iterations):
                    normalize_into(v, rl.mv(matrix.t(), u), self.eps)
                    normalize_into(u, rl.mv(matrix, v), self.eps)
                # Backward of this forward must not see the values of the next one.
                u, v = u.clone(), v.clone()
        return weight / rl.dot(u, rl.mv(matrix, v))

    def remove(self, module: Module) -> None:
        """Make the normalized weight a parameter."""
        with rl.no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        weight = self.compute_weight(module, do_power_iteration=module.training)
        setattr(module, self.name, weight)

    def _solve_v_and_rescale(self, matrix, u, target_sigma):
        """For old states: v with u = normalize(matrix @ v), dot(u, matrix @ v) = target_sigma."""
        inverse = linalg.pinv(matrix.t().mm(matrix))
        v = inverse.mm(matrix.t()).mv(u)
        return v.mul_(target_sigma / rl.dot(u, rl.mv(matrix, v)))

    @staticmethod
    def apply(
        module: Module, name: str, n_power_iterations: int, dim: int, eps: float
    ) -> SpectralNorm:
        """Replace the parameter `name` of `module` by the original, and add the buffers u and v."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(
                    f"Cannot register two spectral_norm hooks on the same parameter {name}"
                )
        fn = SpectralNorm(name, n_power_iterations, dim, eps)
        weight: Any = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        if isinstance(weight, UninitializedParameter):
            raise ValueError(
                "The module passed to `SpectralNorm` can't have uninitialized parameters. "
                "Make sure to run the dummy forward before applying spectral normalization"
            )
        with rl.no_grad():
            height, width = fn.reshape_weight_to_matrix(weight).size()
            u = F.normalize(weight.new_empty(height).normal_(0, 1), dim=0, eps=eps)
            v = F.normalize(weight.new_empty(width).normal_(0, 1), dim=0, eps=eps)
        delattr(module, name)
        module.register_parameter(name + "_orig", weight)
        setattr(module, name, weight.data)  # no Parameter: it will be set to results
        module.register_buffer(name + "_u", u)
        module.register_buffer(name + "_v", v)
        module.register_forward_pre_hook(fn)
        module._register_state_dict_hook(SpectralNormStateDictHook(fn))
        module._register_load_state_dict_pre_hook(SpectralNormLoadStateDictPreHook(fn))
        return fn


class SpectralNormLoadStateDictPreHook:
    """Completes state dicts of version 0, which lack v."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(
        self,
        state_dict,
        prefix,
        local_metadata,
        strict,
        missing_keys,
        unexpected_keys,
        error_msgs,
    ) -> None:
        fn = self.fn
        version = local_metadata.get("spectral_norm", {}).get(fn.name + ".version", None)
        if version is not None and version >= 1:
            return
        key = prefix + fn.name
        is_new = all(key + suffix in state_dict for suffix in ("_orig", "_u", "_v"))
        if version is None and is_new and key not in state_dict:
            return  # a new state dict that lost its metadata
        missing = [key + suffix for suffix in ("_orig", "", "_u") if key + suffix not in state_dict]
        if missing:
            if strict:
                missing_keys += missing
            return
        with rl.no_grad():
            original = state_dict[key + "_orig"]
            sigma = (original / state_dict.pop(key)).mean()
            matrix = fn.reshape_weight_to_matrix(original)
            state_dict[key + "_v"] = fn._solve_v_and_rescale(matrix, state_dict[key + "_u"], sigma)


class SpectralNormStateDictHook:
    """Notes the version in the metadata of state dicts."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(self, module, state_dict, prefix, local_metadata) -> None:
        versions = local_metadata.setdefault("spectral_norm", {})
        key = self.fn.name + ".version"
        if key in versions:
            raise RuntimeError(f"Unexpected key in metadata['spectral_norm']: {key}")
        versions[key] = self.fn._version


def spectral_norm(
    module: T_module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> T_module:
    """Divide a weight by its largest singular value before each forward.

    Args:
        module: the module, which is changed.
        name: of the parameter, which becomes ``name + "_orig"``.
        n_power_iterations: how many steps improve the estimate at each forward, in training; at
            least 1.
        eps: lower bound for lengths, against division by 0.
        dim: the dimension of the weight that counts outputs; None: the usual one for the module.

    Returns: the module.
    Source: Miyato et al. 2018, arXiv:1802.05957.

    >>> import rushlight as torch
    >>> layer = torch.nn.utils.spectral_norm(torch.nn.Linear(20, 40))
    >>> layer.weight_u.size()
    torch.Size([40])
    """
    dim = output_dim(module) if dim is None else dim
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module: T_module, name: str = "weight") -> T_module:
    """Undo `spectral_norm`; ValueError if there is none. Returns: the module."""
    found = _pop_hook(
        module._forward_pre_hooks, lambda h: isinstance(h, SpectralNorm) and h.name == name
    )
    if found is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    found.remove(module)
    for hooks in (module._state_dict_hooks, module._load_state_dict_pre_hooks):
        # Loading hooks are wrapped.
        _pop_hook(hooks, lambda h: getattr(getattr(h, "hook", h), "fn", None) is found)
    return module


def _pop_hook(hooks, matches):
    """Remove the first hook that matches and return it; None if there is none."""
    for key, hook in hooks.items():
        if matches(hook):
            del hooks[key]
            return hook
    return None
