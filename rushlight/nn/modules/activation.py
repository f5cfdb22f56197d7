"""Activation functions as modules; multi-head attention is in _attention.py.

Each class keeps the arguments of its function in `nn.functional` as attributes of the same names.
"""

from __future__ import annotations

import warnings

from ... import frontend as rl
from .. import functional as F
from .. import init
from ._attention import MultiheadAttention
from ._declare import new_parameter, rehome, shows, stores
from .module import Module

__all__ = [
    "Threshold",
    "ReLU",
    "RReLU",
    "Hardtanh",
    "ReLU6",
    "Sigmoid",
    "Hardsigmoid",
    "Tanh",
    "SiLU",
    "Mish",
    "Hardswish",
    "ELU",
    "CELU",
    "SELU",
    "GLU",
    "GELU",
    "Hardshrink",
    "LeakyReLU",
    "LogSigmoid",
    "Softplus",
    "Softshrink",
    "MultiheadAttention",
    "PReLU",
    "Softsign",
    "Tanhshrink",
    "Softmin",
    "Softmax",
    "Softmax2d",
    "LogSoftmax",
]

rehome(__name__, MultiheadAttention)


class Threshold(Module):
    """``x`` where x > threshold, else `value`; elementwise.

    Args:
        threshold: where to switch.
        value: what replaces the rest.
        inplace: write into the input.

    >>> import rushlight as torch
    >>> torch.nn.Threshold(0.5, 9.0)(torch.tensor([0.0, 1.0]))
    tensor([9., 1.])
    """

    @stores
    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None: ...

    def forward(self, input):
        return F.threshold(input, self.threshold, self.value, self.inplace)

    extra_repr = shows("threshold={threshold}, value={value}", inplace=False)


class ReLU(Module):
    """``max(x, 0)``; elementwise.

    Args:
        inplace: write into the input.

    >>> import rushlight as torch
    >>> torch.nn.ReLU()(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    @stores
    def __init__(self, inplace: bool = False) -> None: ...

    def forward(self, input):
        return F.relu(input, inplace=self.inplace)

    extra_repr = shows(inplace=False)


class RReLU(Module):
    """``x`` where x >= 0, else ``a * x``, with `a` drawn from U(lower, upper) for each element.

    In eval mode `a` is the mean of the bounds.

    Args:
        lower, upper: the bounds.
        inplace: write into the input.

    Source: Xu et al. 2015, arXiv:1505.00853.

    >>> import rushlight as torch
    >>> torch.nn.RReLU(0.25, 0.75).eval()(torch.tensor([-1.0, 1.0]))
    tensor([-0.5000,  1.0000])
    """

    @stores
    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None: ...

    def forward(self, input):
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    extra_repr = shows("lower={lower}, upper={upper}", inplace=False)


class Hardtanh(Module):
    """``min(max(x, min_val), max_val)``; elementwise.

    Args:
        min_val, max_val: the bounds, min_val < max_val.
        inplace: write into the input.
        min_value, max_value: deprecated names of the bounds.

    >>> import rushlight as torch
    >>> torch.nn.Hardtanh()(torch.tensor([-2.0, 0.5, 2.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        self.min_val = self._renamed("min_val", min_val, min_value)
        self.max_val = self._renamed("max_val", max_val, max_value)
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise AssertionError(
                f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})"
            )

    @staticmethod
    def _renamed(name, value, old_value):
        if old_value is None:
            return value
        warnings.warn(
            f"keyword argument `{name}ue` is deprecated and renamed to `{name}`",
            FutureWarning,
            stacklevel=3,
        )
        return old_value

    def forward(self, input):
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    extra_repr = shows("min_val={min_val}, max_val={max_val}", inplace=False)


class ReLU6(Hardtanh):
    """``min(max(x, 0), 6)``; elementwise.

    Args:
        inplace: write into the input.

    >>> import rushlight as torch
    >>> torch.nn.ReLU6()(torch.tensor([-1.0, 7.0]))
    tensor([0., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    extra_repr = shows(inplace=False)


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``; elementwise.

    >>> import rushlight as torch
    >>> torch.nn.Sigmoid()(torch.zeros(1))
    tensor([0.5000])
    """

    def forward(self, input):
        return rl.sigmoid(input)


class Hardsigmoid(Module):
    """``min(max(x / 6 + 1 / 2, 0), 1)``; elementwise.

    Args:
        inplace: write into the input.

    >>> import rushlight as torch
    >>> torch.nn.Hardsigmoid()(torch.tensor([-4.0, 0.0, 4.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """

    @stores
    def __init__(self, inplace: bool = False) -> None: ...

    def forward(self, input):
        return F.hardsigmoid(input, self.inplace)


class Tanh(Module):
    """The hyperbolic tangent; elementwise.

    >>> import rushlight as torch
    >>> torch.nn.Tanh()(torch.zeros(1))
    tensor([0.])
    """

    def forward(self, input):
        return rl.tanh(input)


class SiLU(Module):
    """``x * sigmoid(x)``, also called swish; elementwise.

    Args:
        inplace: write into the input.

    >>> import rushlight as torch
    >>> torch.nn.SiLU()(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7311])
    """

    @stores
    def __init__(self, inplace: bool = False) -> None: ...

    def forward(self, input):
        return F.silu(input, inplace=self.inplace)

    extra_repr = shows(inplace=False)


class Mish(Module):
    """``x * tanh(softplus(x))``; elementwise.

    Args:
        inplace: write into the input.

    Source: Misra 2019, arXiv:1908.08681.

    >>> import rushlight as torch
    >>> torch.nn.Mish()(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8651])
    """

    @stores
    def __init__(self, inplace: bool = False) -> None: ...

    def forward(self, input):
        return F.mish(input, inplace=self.inplace)

    extra_repr = shows(inplace=False)


class Hardswish(Module):
    """``x * min(max(x + 3, 0), 6) / 6``; elementwise.

    Args:
        inplace: write into the input.

    Source: Howard et al. 2019, arXiv:1905.02244.

    >>> import rushlight as torch
    >>> torch.nn.Hardswish()(torch.tensor([-4.0, 0.0, 3.0]))
    tensor([-0., 0., 3.])
    """

    @stores
    def __init__(self, inplace: bool = False) -> None: ...

    def forward(self, input):
        return F.hardswish(input, self.inplace)


class ELU(Module):
    """``x`` where x > 0, else ``alpha * (exp(x) - 1)``; elementwise.

    Args:
        alpha: the limit for small x, negated.
        inplace: write into the input.

    Source: Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289.

    >>> import rushlight as torch
    >>> torch.nn.ELU()(torch.tensor([-1.0, 1.0]))
    tensor([-0.6321,  1.0000])
    """

    @stores
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None: ...

    def forward(self, input):
        return F.elu(input, self.alpha, self.inplace)

    extra_repr = shows("alpha={alpha}", inplace=False)


class CELU(Module):
    """``max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))``; elementwise.

    Args:
        alpha: the limit for small x, negated; not 0.
        inplace: write into the input.

    Source: Barron 2017, arXiv:1704.07483.

    >>> import rushlight as torch
    >>> torch.nn.CELU(2.0)(torch.tensor([-2.0, 1.0]))
    tensor([-1.2642,  1.0000])
    """

    @stores
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None: ...

    def forward(self, input):
        return F.celu(input, self.alpha, self.inplace)

    extra_repr = shows("alpha={alpha}", inplace=False)


class SELU(Module):
    """An ELU scaled so that outputs of unit variance keep it: 1.0507 * elu(x, 1.6733); elementwise.

    Args:
        inplace: write into the input.

    Source: Klambauer et al. 2017, arXiv:1706.02515.

    >>> import rushlight as torch
    >>> torch.nn.SELU()(torch.tensor([-1.0, 1.0]))
    tensor([-1.1113,  1.0507])
    """

    @stores
    def __init__(self, inplace: bool = False) -> None: ...

    def forward(self, input):
        return F.selu(input, self.inplace)

    extra_repr = shows(inplace=False)


class GLU(Module):
    """``a * sigmoid(b)`` for the two halves a and b of the input.

    Args:
        dim: the dimension to halve; its size must be even.

    >>> import rushlight as torch
    >>> torch.nn.GLU()(torch.tensor([4.0, 0.0]))
    tensor([2.])
    """

    @stores
    def __init__(self, dim: int = -1) -> None: ...

    def forward(self, input):
        return F.glu(input, self.dim)

    extra_repr = shows("dim={dim}")


class GELU(Module):
    """``x * P(X <= x)`` for a standard normal X; elementwise.

    Args:
        approximate: "none", or "tanh" for the approximation by a hyperbolic tangent.

    Source: Hendrycks, Gimpel 2016, arXiv:1606.08415.

    >>> import rushlight as torch
    >>> torch.nn.GELU()(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8413])
    """

    @stores
    def __init__(self, approximate: str = "none") -> None: ...

    def forward(self, input):
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Hardshrink(Module):
    """``x`` where abs(x) > lambd, else 0; elementwise.

    Args:
        lambd: where to switch.

    >>> import rushlight as torch
    >>> torch.nn.Hardshrink()(torch.tensor([-1.0, 0.25]))
    tensor([-1.,  0.])
    """

    @stores
    def __init__(self, lambd: float = 0.5) -> None: ...

    def forward(self, input):
        return F.hardshrink(input, self.lambd)

    extra_repr = shows("{lambd}")


class LeakyReLU(Module):
    """``x`` where x > 0, else ``negative_slope * x``; elementwise.

    Args:
        negative_slope: the slope for negative x.
        inplace: write into the input.

    >>> import rushlight as torch
    >>> torch.nn.LeakyReLU(0.5)(torch.tensor([-1.0, 1.0]))
    tensor([-0.5000,  1.0000])
    """

    @stores
    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None: ...

    def forward(self, input):
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    extra_repr = shows("negative_slope={negative_slope}", inplace=False)


class LogSigmoid(Module):
    """``log(1 / (1 + exp(-x)))``, computed without overflow; elementwise.

    >>> import rushlight as torch
    >>> torch.nn.LogSigmoid()(torch.tensor([0.0, -500.0]))
    tensor([  -0.6931, -500.0000])
    """

    def forward(self, input):
        return F.logsigmoid(input)


class Softplus(Module):
    """``log(1 + exp(beta * x)) / beta``, and x where beta * x > threshold; elementwise.

    Args:
        beta: how sharp the bend is; not 0.
        threshold: beyond it the function is linear.

    >>> import rushlight as torch
    >>> torch.nn.Softplus()(torch.tensor([0.0, 30.0]))
    tensor([ 0.6931, 30.0000])
    """

    @stores
    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None: ...

    def forward(self, input):
        return F.softplus(input, self.beta, self.threshold)

    extra_repr = shows("beta={beta}, threshold={threshold}")


class Softshrink(Module):
    """x moved by `lambd` towards 0, and 0 where it is nearer than that; elementwise.

    Args:
        lambd: at least 0.

    >>> import rushlight as torch
    >>> torch.nn.Softshrink()(torch.tensor([-1.0, 0.25]))
    tensor([-0.5000,  0.0000])
    """

    @stores
    def __init__(self, lambd: float = 0.5) -> None: ...

    def forward(self, input):
        return F.softshrink(input, self.lambd)

    extra_repr = shows("{lambd}")


class PReLU(Module):
    """``x`` where x >= 0, else ``weight * x`` with a weight that is learned.

    Args:
        num_parameters: 1, or the number of channels, the size of dimension 1 of the input.
        init: the first value of the weight.
        device, dtype: of the weight; None: the defaults.

    Source: He et al. 2015, arXiv:1502.01852.

    >>> import rushlight as torch
    >>> torch.nn.PReLU()(torch.tensor([-1.0, 1.0])).detach()
    tensor([-0.2500,  1.0000])
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device=None, dtype=None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = new_parameter(num_parameters, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to its first value."""
        init.constant_(self.weight, self.init)

    def forward(self, input):
        return F.prelu(input, self.weight)

    extra_repr = shows("num_parameters={num_parameters}")


class Softsign(Module):
    """``x / (1 + abs(x))``; elementwise.

    >>> import rushlight as torch
    >>> torch.nn.Softsign()(torch.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """

    def forward(self, input):
        return F.softsign(input)


class Tanhshrink(Module):
    """``x - tanh(x)``; elementwise.

    >>> import rushlight as torch
    >>> torch.nn.Tanhshrink()(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2384])
    """

    def forward(self, input):
        return F.tanhshrink(input)


class _SoftmaxAlong(Module):
    """A function that needs to be told a dimension."""

    dim: int | None = None  # pickles from before 0.4 lack it

    @stores
    def __init__(self, dim: int | None = None) -> None: ...

    extra_repr = shows("dim={dim}")


class Softmin(_SoftmaxAlong):
    """The softmax of ``-x``: non-negative values that sum to 1, the largest for the smallest x.

    Args:
        dim: the dimension along which they sum to 1.

    >>> import rushlight as torch
    >>> torch.nn.Softmin(dim=0)(torch.tensor([1.0, 1.0]))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input):
        return F.softmin(input, self.dim, _stacklevel=5)


class Softmax(_SoftmaxAlong):
    """``exp(x) / sum(exp(x))``: non-negative values that sum to 1.

    Args:
        dim: the dimension along which they sum to 1.

    >>> import rushlight as torch
    >>> torch.nn.Softmax(dim=0)(torch.tensor([0.0, 0.0]))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input):
        return F.softmax(input, self.dim, _stacklevel=5)


class LogSoftmax(_SoftmaxAlong):
    """The logarithm of the softmax, computed without overflow.

    Args:
        dim: the dimension along which the exponentials sum to 1.

    >>> import rushlight as torch
    >>> torch.nn.LogSoftmax(dim=0)(torch.tensor([0.0, 0.0]))
    tensor([-0.6931, -0.6931])
    """

    def forward(self, input):
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """The softmax over the channels, at each place of an image.

    Shape: (N, C, H, W) or (C, H, W), and the same.

    Raises: ValueError for another number of dimensions.

    >>> import rushlight as torch
    >>> torch.nn.Softmax2d()(torch.zeros(2, 1, 1)).flatten()
    tensor([0.5000, 0.5000])
    """

    def forward(self, input):
        if input.dim() not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead"
            )
        return F.softmax(input, -3, _stacklevel=5)
