"""torch.fft, stft, istft and windows against NumPy and against each other."""

import numpy as np
import pytest

import rushlight as torch


def sample(*shape, complex_=False):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if complex_ else x


@pytest.mark.parametrize("norm", [None, "forward", "backward", "ortho"])
@pytest.mark.parametrize("n", [None, 3, 5, 12])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_one_dimension(name, n, norm):
    x = sample(4, 7, complex_=name in ("fft", "ifft", "irfft", "hfft"))
    for axis in (0, -1):
        found = getattr(torch.fft, name)(torch.tensor(x), n, axis, norm).numpy()
        np.testing.assert_allclose(found, getattr(np.fft, name)(x, n, axis, norm), atol=1e-12)


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_several_dimensions(name):
    x = sample(3, 4, 6, complex_=name != "rfftn")
    for s, dim in ((None, None), ((4, 5), (0, 2)), (None, (1,))):
        found = getattr(torch.fft, name)(torch.tensor(x), s, dim).numpy()
        axes = dim if dim is not None else (0, 1, 2)
        sizes = s
        np.testing.assert_allclose(found, getattr(np.fft, name)(x, sizes, axes), atol=1e-12)


def test_types():
    assert torch.fft.fft(torch.arange(4)).dtype is torch.complex64
    assert torch.fft.irfft(torch.ones(3, dtype=torch.complex64)).dtype is torch.float32
    with pytest.raises(RuntimeError, match="expects a real input tensor"):
        torch.fft.rfft(torch.ones(3, dtype=torch.complex64))
    with pytest.raises(RuntimeError, match="Invalid number of data points"):
        torch.fft.fft(torch.ones(3), 0)


@pytest.mark.parametrize("n", [6, 7])
def test_gradients_through_half_spectra(n):
    x = torch.tensor(sample(2, n), requires_grad=True)
    w = torch.tensor(sample(2, n))
    y = torch.fft.irfft(torch.fft.rfft(x) ** 2, n)
    (g,) = torch.autograd.grad((y * w).sum(), x)
    h = 1e-6
    for place in np.ndindex(2, n):
        moved = [x.detach().clone() for _ in range(2)]
        moved[0][place] += h
        moved[1][place] -= h
        ups = [float((torch.fft.irfft(torch.fft.rfft(m) ** 2, n) * w).sum()) for m in moved]
        assert float(g[place]) == pytest.approx((ups[0] - ups[1]) / (2 * h), rel=1e-6, abs=1e-7)


def test_frequencies_and_shifts():
    for n in (1, 5, 8):
        np.testing.assert_allclose(torch.fft.fftfreq(n, 0.5).numpy(), np.fft.fftfreq(n, 0.5))
        np.testing.assert_allclose(torch.fft.rfftfreq(n).numpy(), np.fft.rfftfreq(n))
    x = torch.arange(15).reshape(3, 5)
    assert torch.fft.fftshift(x).tolist() == np.fft.fftshift(x.numpy()).tolist()
    assert torch.fft.ifftshift(torch.fft.fftshift(x)).equal(x)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("normalized", [True, False])
def test_istft_inverts_stft(center, normalized):
    x = torch.tensor(sample(2, 64))
    window = torch.hamming_window(16, dtype=torch.float64)
    geometry = dict(n_fft=16, hop_length=4, window=window, center=center, normalized=normalized)
    spectrum = torch.stft(x, return_complex=True, **geometry)
    assert spectrum.shape == (2, 9, 17 if center else 13)
    again = torch.istft(spectrum, length=64, **geometry)
    np.testing.assert_allclose(again.numpy(), x.numpy(), atol=1e-12)


def test_stft_of_a_tone_peaks_at_its_frequency():
    t = torch.arange(256, dtype=torch.float64)
    spectrum = torch.stft(
        torch.sin(t * (2 * np.pi * 5 / 32)), 32, window=torch.hann_window(32, dtype=t.dtype),
        return_complex=True,
    )  # fmt: skip
    assert set(spectrum.abs().argmax(0)[2:-2].tolist()) == {5}
    with pytest.raises(RuntimeError, match="return_complex"):
        torch.stft(t, 32)


def test_windows():
    np.testing.assert_allclose(torch.hann_window(8, False).numpy(), np.hanning(8), atol=1e-6)
    np.testing.assert_allclose(torch.hamming_window(8, False).numpy(), np.hamming(8), atol=1e-6)
    np.testing.assert_allclose(torch.blackman_window(8, False).numpy(), np.blackman(8), atol=1e-6)
    np.testing.assert_allclose(torch.bartlett_window(8, False).numpy(), np.bartlett(8), atol=1e-6)
    kaiser = torch.kaiser_window(8, False, 5.0, dtype=torch.float64)
    np.testing.assert_allclose(kaiser.numpy(), np.kaiser(8, 5.0), atol=1e-12)
    assert torch.hann_window(8).equal(torch.hann_window(9, False)[:8])
    assert torch.hann_window(1).tolist() == [1] and torch.hann_window(0).shape == (0,)
    assert torch.allclose(torch.signal.windows.hann(8), torch.hann_window(8, False))
