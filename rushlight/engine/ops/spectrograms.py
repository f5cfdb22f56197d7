"""Short-time Fourier transforms and the older window functions (torch.hann_window, ...)."""

import math
import warnings

from ..base import dtypes
from ..ir import lang as L
from .record import T, composite, operator


# -------------------------------------------------------------------------------- windows
def _window(name, length, periodic, formula, dtype, layout, device, requires_grad):
    """formula(n, span) of sample numbers; a periodic window is a longer one cut short."""
    dtype = dtype or T.get_default_dtype()
    if dtype.category != dtypes.FLOAT:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype.type_name}")
    if layout not in (None, T.strided):
        raise RuntimeError(f"{name} is not implemented for sparse types, got: {layout}")
    if length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={length}"
        )
    if length <= 1:
        return T.ones((length,), dtype=dtype, device=device, requires_grad=requires_grad)
    wide = dtypes.OPMATH.get(dtype, dtype)
    n = T.arange(length, dtype=wide, device=device)
    return formula(n, length if periodic else length - 1).to(dtype).requires_grad_(requires_grad)


def _cosines(*coefficients):
    """Alternating sum of cosines of multiples of the turn."""

    def formula(n, span):
        turn = 2 * math.pi / span
        terms = [(-1) ** i * c * T.cos(n * (turn * i)) for i, c in enumerate(coefficients)]
        return sum(terms[1:], terms[0])

    return formula


@composite("function")
def hann_window(
    window_length, periodic=True, *, dtype=None, layout=None, device=None, requires_grad=False
):
    """``(1 - cos(2 pi n / N)) / 2``."""
    return _window(
        "hann_window", window_length, periodic, _cosines(0.5, 0.5), dtype, layout, device,
        requires_grad,
    )  # fmt: skip


@composite("function")
def hamming_window(
    window_length,
    periodic=True,
    alpha=0.54,
    beta=0.46,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
):
    """``alpha - beta * cos(2 pi n / N)``."""
    return _window(
        "hamming_window", window_length, periodic, _cosines(alpha, beta), dtype, layout, device,
        requires_grad,
    )  # fmt: skip


@composite("function")
def blackman_window(
    window_length, periodic=True, *, dtype=None, layout=None, device=None, requires_grad=False
):
    """``0.42 - 0.5 * cos(2 pi n / N) + 0.08 * cos(4 pi n / N)``."""
    return _window(
        "blackman_window", window_length, periodic, _cosines(0.42, 0.5, 0.08), dtype, layout,
        device, requires_grad,
    )  # fmt: skip


@composite("function")
def bartlett_window(
    window_length, periodic=True, *, dtype=None, layout=None, device=None, requires_grad=False
):
    """A triangle from 0 to 1 and back."""
    return _window(
        "bartlett_window", window_length, periodic, lambda n, span: 1 - (n * (2 / span) - 1).abs(),
        dtype, layout, device, requires_grad,
    )  # fmt: skip


@composite("function")
def kaiser_window(
    window_length,
    periodic=True,
    beta=12.0,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
):
    """``i0(beta sqrt(1 - x^2)) / i0(beta)`` for x from -1 to 1."""

    def formula(n, span):
        x = n * (2 / span) - 1
        inside = T.clamp(1 - x * x, min=0).sqrt() * beta
        return T.i0(inside) / T.i0(T.tensor(float(beta), dtype=n.dtype))

    return _window(
        "kaiser_window", window_length, periodic, formula, dtype, layout, device, requires_grad
    )


# ------------------------------------------------------------------------------------- stft
def _framed_window(window, win_length, n_fft, x, call):
    """The window in the middle of n_fft samples; None where there is none to apply."""
    if window is None:
        warnings.warn(
            "A window was not provided. A rectangular window will be applied, which is known to "
            "cause spectral leakage. Explicitly set `window=torch.ones(n_fft)` to suppress this "
            "warning.",
            stacklevel=5,
        )
        if win_length == n_fft:
            return None
        window = T.ones((win_length,), dtype=dtypes.float32 if x is None else x.dtype.to_real())
    elif window.ndim != 1 or window.shape[0] != win_length:
        raise RuntimeError(
            f"{call} : expected a 1D window tensor of size equal to win_length={win_length}, but "
            f"got window with size {list(window.shape)}"
        )
    if win_length < n_fft:
        left = (n_fft - win_length) // 2
        window = T.nn.pad(window, (left, n_fft - win_length - left))
    return window


def _sizes(call, n_fft, hop_length, win_length, length=None):
    if length is not None and not 0 < n_fft <= length:
        raise RuntimeError(f"{call} : expected 0 < n_fft <= {length}, but got n_fft={n_fft}")
    if hop_length <= 0:
        raise RuntimeError(f"{call} : expected hop_length > 0, but got hop_length={hop_length}")
    if not 0 < win_length <= n_fft:
        raise RuntimeError(
            f"{call} : expected 0 < win_length <= n_fft, but got win_length={win_length}"
        )


@composite("function,method")
def stft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    pad_mode="reflect",
    normalized=False,
    onesided=None,
    return_complex=None,
    align_to_window=None,
):
    """Short-time Fourier transform: the spectrum of overlapping windows of a signal.

    Args:
        input: (L,) or (B, L), real or complex.
        n_fft: size of each transform; windows start `hop_length` (n_fft // 4) apart.
        window: (win_length,) weights, ones by default.
        center: pad the signal so that window t is centred at ``t * hop_length``.
        onesided: only frequencies 0 .. n_fft // 2; default for real input.
        return_complex: must be given for real input; False gives pairs of real numbers.
        align_to_window: not with center: frames as long as the window instead of n_fft.

    Returns: (B?, frequencies, frames), complex.
    """
    call = f"stft(input{list(input.shape)}, n_fft={n_fft}, hop_length={hop_length})"
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    is_complex = input.is_complex() or window is not None and window.is_complex()
    if return_complex is None:
        if not is_complex:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will "
                "further require that return_complex=True in a future PyTorch release."
            )
        return_complex = True
    if input.dtype.category < dtypes.FLOAT:
        raise RuntimeError(f"{call} : expected a tensor of floating point or complex values")
    if not 1 <= input.ndim <= 2:
        raise RuntimeError(f"{call} : expected a 1D or 2D tensor")
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false.")
    x = input if input.ndim == 2 else input.unsqueeze(0)
    if center:
        x = T.nn.pad(x.unsqueeze(1), (n_fft // 2, n_fft // 2), mode=pad_mode).squeeze(1)
    _sizes(call, n_fft, hop_length, win_length, x.shape[1])
    if onesided is None:
        onesided = not is_complex
    elif onesided and is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    frames = _frames(x, n_fft, hop_length, win_length, window, align_to_window, call)
    norm = "ortho" if normalized else None
    found = (T.fft_rfft if onesided else T.fft_fft)(frames, None, -1, norm).transpose(1, 2)
    found = found if input.ndim == 2 else found.squeeze(0)
    return found if return_complex else T.view_as_real(found.contiguous())


def _frames(x, n_fft, hop_length, win_length, window, align_to_window, call):
    """(B, frames, n_fft): overlapping pieces, weighted."""
    if align_to_window:
        pieces = x.unfold(1, win_length, hop_length)
        weights = _framed_window(window, win_length, win_length, x, call)
        pieces = pieces if weights is None else pieces * weights
        left = (n_fft - win_length) // 2
        return T.nn.pad(pieces, (left, n_fft - win_length - left))
    pieces = x.unfold(1, n_fft, hop_length)
    weights = _framed_window(window, win_length, n_fft, x, call)
    return pieces if weights is None else pieces * weights


@operator("_overlap_add(Tensor frames, int step) -> Tensor", variants="internal")
def overlap_add(frames, step):
    """(B, frames, n) laid `step` apart and added up: (B, (frames - 1) * step + n)."""
    batch, count, n = frames.shape
    size = (count - 1) * step + n
    starts = L.broadcast(L.reshape(L.iota(frames, count), (count, 1)), (count, n)) * step
    place = starts + L.broadcast(L.iota(frames, n), (count, n))
    zeros = L.const(frames.graph, 0, frames.dtype, (size, batch))
    return L.permute(L.put(zeros, place, L.permute(frames, (1, 2, 0)), "add"), (1, 0))


@composite("function,method")
def istft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    normalized=False,
    onesided=None,
    length=None,
    return_complex=False,
):
    """Inverse of stft by weighted overlap-add (Griffin, Lim 1984).

    Args:
        input: (B?, frequencies, frames), complex.
        length: of the signal, cut or padded with zeros; by default what the frames cover.
    """
    call = f"istft(input{list(input.shape)}, n_fft={n_fft}, hop_length={hop_length})"
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    if not input.is_complex():
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"{call}: expected a tensor with 2 or 3 dimensions, but got {input.ndim}"
        )
    if not input.numel():
        raise RuntimeError(f"{call}: input tensor cannot be empty.")
    _sizes(call, n_fft, hop_length, win_length)
    if onesided is None:
        onesided = input.shape[-2] != n_fft
    _check_bins(input.shape[-2], n_fft, onesided, call)
    if return_complex and onesided:
        raise RuntimeError(
            "Cannot have onesided output if window or input is complex: return_complex needs "
            "onesided=False"
        )
    x = (input if input.ndim == 3 else input.unsqueeze(0)).transpose(1, 2)
    norm = "ortho" if normalized else None
    if return_complex:
        frames = T.fft_ifft(x, None, -1, norm)
    else:  # of a two-sided spectrum one side is read
        frames = T.fft_irfft(x, n_fft, -1, norm)
    weights = _framed_window(window, win_length, n_fft, input, call)
    signal = _overlapped(frames, weights, hop_length, center, length, n_fft, call)
    return signal if input.ndim == 3 else signal.squeeze(0)


def _check_bins(bins, n_fft, onesided, call):
    expected = n_fft // 2 + 1 if onesided else n_fft
    if bins != expected:
        size = "n_fft / 2 + 1" if onesided else "n_fft"
        raise RuntimeError(
            f"{call}: expected the frequency dimension (3rd to the last) of the input tensor to "
            f"match {size} when onesided={onesided}, but got {bins}"
        )


def _overlapped(frames, weights, hop_length, center, length, n_fft, call):
    """The signal: weighted frames added up, divided by what the squared weights add up to."""
    if weights is None:
        weights = T.ones((n_fft,), dtype=frames.dtype.to_real())
    count = frames.shape[1]
    total = T._overlap_add(frames * weights, hop_length)
    squares = (weights * weights).expand(1, count, n_fft)
    envelope = T._overlap_add(squares, hop_length)
    start = n_fft // 2 if center else 0
    size = total.shape[1]
    end = start + length if length is not None else size - (n_fft // 2 if center else 0)
    total, envelope = total[:, start:end], envelope[:, start:end]
    smallest = envelope.abs().min()
    if not bool(smallest > 1e-11):
        raise RuntimeError(f"{call} window overlap add min: {float(smallest)}")
    signal = total / envelope
    if end > size:
        signal = T.nn.pad(signal, (0, end - size))
    return signal
