"""torch.signal.windows: windows of M samples, symmetric or (``sym=False``) periodic.

All share the keywords dtype (float32 or float64), layout, device and requires_grad.
"""

import math
from collections.abc import Iterable

from .. import frontend as rl

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


def _checked(name, M, dtype, layout):
    """The dtype of the window; ValueError for what PyTorch refuses."""
    dtype = dtype or rl.get_default_dtype()
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not rl.strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if dtype not in (rl.float32, rl.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    return dtype


def _window(name, M, formula, dtype, layout, device, requires_grad):
    """formula(n) of the sample numbers 0 .. M - 1; ones for M = 1."""
    dtype = _checked(name, M, dtype, layout)
    if M <= 1:
        return rl.ones((M,), dtype=dtype, device=device, requires_grad=requires_grad)
    n = rl.arange(M, dtype=dtype, device=device)
    return formula(n).detach().requires_grad_(requires_grad)


def _span(M, sym):
    return M - 1 if sym else M


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype=None,
    layout=rl.strided,
    device=None,
    requires_grad: bool = False,
):
    """``exp(-abs(n - center) / tau)``; the centre is the middle unless given (not for sym)."""
    _checked("exponential", M, dtype, layout)
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    middle = _span(M, sym) / 2 if center is None else center
    return _window(
        "exponential", M, lambda n: rl.exp(-(n - middle).abs() / tau), dtype, layout, device,
        requires_grad,
    )  # fmt: skip


def cosine(
    M: int, *, sym: bool = True, dtype=None, layout=rl.strided, device=None,
    requires_grad: bool = False,
):  # fmt: skip
    """``sin(pi (n + 1/2) / M)``."""
    size = M if sym else M + 1
    return _window(
        "cosine", M, lambda n: rl.sin((n + 0.5) * (math.pi / size)), dtype, layout, device,
        requires_grad,
    )  # fmt: skip


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype=None,
    layout=rl.strided,
    device=None,
    requires_grad: bool = False,
):
    """A bell curve of standard deviation `std` samples."""
    _checked("gaussian", M, dtype, layout)
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    middle = _span(M, sym) / 2
    return _window(
        "gaussian", M, lambda n: rl.exp(-(((n - middle) / (std * math.sqrt(2))) ** 2)), dtype,
        layout, device, requires_grad,
    )  # fmt: skip


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype=None,
    layout=rl.strided,
    device=None,
    requires_grad: bool = False,
):
    """``i0(beta sqrt(1 - x^2)) / i0(beta)`` for x from -1 to 1."""
    _checked("kaiser", M, dtype, layout)
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    half = _span(M, sym) / 2

    def formula(n):
        x = (n - half) / half
        inside = rl.clamp(1 - x * x, min=0)
        return rl.i0(beta * inside.sqrt()) / rl.i0(rl.tensor(float(beta), dtype=n.dtype))

    return _window("kaiser", M, formula, dtype, layout, device, requires_grad)


def hamming(
    M: int, *, sym: bool = True, dtype=None, layout=rl.strided, device=None,
    requires_grad: bool = False,
):  # fmt: skip
    """general_hamming with alpha 0.54."""
    _checked("hamming", M, dtype, layout)
    return general_hamming(
        M, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad
    )


def hann(
    M: int, *, sym: bool = True, dtype=None, layout=rl.strided, device=None,
    requires_grad: bool = False,
):  # fmt: skip
    """general_hamming with alpha 0.5."""
    _checked("hann", M, dtype, layout)
    return general_hamming(
        M, alpha=0.5, sym=sym, dtype=dtype, layout=layout, device=device,
        requires_grad=requires_grad,
    )  # fmt: skip


def blackman(
    M: int, *, sym: bool = True, dtype=None, layout=rl.strided, device=None,
    requires_grad: bool = False,
):  # fmt: skip
    """general_cosine with coefficients 0.42, 0.5, 0.08."""
    _checked("blackman", M, dtype, layout)
    return general_cosine(
        M, a=[0.42, 0.5, 0.08], sym=sym, dtype=dtype, layout=layout, device=device,
        requires_grad=requires_grad,
    )  # fmt: skip


def nuttall(
    M: int, *, sym: bool = True, dtype=None, layout=rl.strided, device=None,
    requires_grad: bool = False,
):  # fmt: skip
    """general_cosine with Nuttall's four coefficients."""
    return general_cosine(
        M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, dtype=dtype, layout=layout,
        device=device, requires_grad=requires_grad,
    )  # fmt: skip


def bartlett(
    M: int, *, sym: bool = True, dtype=None, layout=rl.strided, device=None,
    requires_grad: bool = False,
):  # fmt: skip
    """A triangle from 0 to 1 and back."""
    half = _span(M, sym) / 2
    return _window(
        "bartlett", M, lambda n: 1 - (n / half - 1).abs(), dtype, layout, device, requires_grad
    )


def general_cosine(
    M,
    *,
    a: Iterable,
    sym: bool = True,
    dtype=None,
    layout=rl.strided,
    device=None,
    requires_grad: bool = False,
):
    """``sum((-1) ** i * a[i] * cos(2 pi i n / (M - 1)))``."""
    _checked("general_cosine", M, dtype, layout)
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    coefficients = list(a)
    if not coefficients:
        raise ValueError("Coefficients cannot be empty")
    turn = 2 * math.pi / max(_span(M, sym), 1)

    def formula(n):
        terms = [(-1) ** i * c * rl.cos(n * (turn * i)) for i, c in enumerate(coefficients)]
        return sum(terms[1:], terms[0])

    return _window("general_cosine", M, formula, dtype, layout, device, requires_grad)


def general_hamming(
    M,
    *,
    alpha: float = 0.54,
    sym: bool = True,
    dtype=None,
    layout=rl.strided,
    device=None,
    requires_grad: bool = False,
):
    """``alpha - (1 - alpha) * cos(2 pi n / (M - 1))``."""
    _checked("general_hamming", M, dtype, layout)
    return general_cosine(
        M, a=[alpha, 1.0 - alpha], sym=sym, dtype=dtype, layout=layout, device=device,
        requires_grad=requires_grad,
    )  # fmt: skip
