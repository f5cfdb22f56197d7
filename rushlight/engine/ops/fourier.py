"""torch.fft: discrete Fourier transforms over dimensions, and helpers for their frequencies.

Sizes are cut or padded with zeros in the operator's body; the transforms themselves are host
functions (backends/reference/host_fft.py) with derivatives in ir/gradients_fft.py.
"""

from ..base import dtypes
from ..base.promote import get_default_dtype
from ..base.shapes import unique_dims, wrap_dim
from ..ir import gradients_fft as F
from ..ir import lang as L
from .record import T, composite, operator

_SCALES = {"forward": (2, 0), "backward": (0, 2), "ortho": (1, 1), None: (0, 2)}


def _scale(norm, forward, name):
    """0 none, 1 by 1 / sqrt(n), 2 by 1 / n: what `norm` asks of this direction."""
    if norm not in _SCALES:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return _SCALES[norm][0 if forward else 1]


# --------------------------------------------------------------------------- operands and sizes
def _promoted(x, name, complex_):
    """x as complex64/128 or float32/64; halves have no transform on CPUs."""
    d = x.dtype
    if d in dtypes.OPMATH:
        raise RuntimeError(f"Unsupported dtype {d.type_name}")
    if d.category < dtypes.FLOAT:
        d = get_default_dtype()
    return L.cast(x, d.to_complex() if complex_ else d)


def _real_only(x, name):
    if x.dtype.is_complex:
        raise RuntimeError(f"{name} expects a real input tensor, but got {x.dtype.type_name}")


def _resized(x, axis, size):
    """Cut, or padded with zeros at the end, to `size` along an axis."""
    have = x.shape[axis]
    if size < have:
        return L.slice_axis(x, axis, 0, size)
    high = [0] * x.ndim
    high[axis] = size - have
    return L.pad(x, [0] * x.ndim, high)


def _positive(size):
    if size < 1:
        raise RuntimeError(f"Invalid number of data points ({size}) specified")


def _one_axis(x, n, dim):
    """(axis, size) of a transform over one dimension."""
    axis = wrap_dim(dim, x.ndim)
    size = x.shape[axis] if n is None and x.ndim else 1 if n is None else n
    _positive(size)
    return axis, size


def _axes(x, s, dim):
    """(axes, sizes) of a transform over several dimensions; -1 keeps a size."""
    if dim is None:
        count = x.ndim if s is None else len(s)
        if count > x.ndim:
            raise RuntimeError(
                f"Got shape with {count} values but input tensor only has {x.ndim} dimensions."
            )
        axes = tuple(range(x.ndim - count, x.ndim))
    else:
        axes = _unique(dim, x.ndim)
        if s is not None and len(s) != len(axes):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
    sizes = [x.shape[a] for a in axes] if s is None else [
        x.shape[a] if n == -1 else n for a, n in zip(axes, s, strict=True)
    ]  # fmt: skip
    for n in sizes:
        _positive(n)
    return axes, tuple(sizes)


def _unique(dim, ndim):
    axes = tuple(wrap_dim(d, ndim) for d in dim)
    if len(set(axes)) != len(axes):
        raise RuntimeError("FFT dims must be unique")
    return axes


def _c2c(x, axes, sizes, forward, norm, name):
    x = _promoted(x, name, True)
    for a, n in zip(axes, sizes, strict=True):
        x = _resized(x, a, n)
    return F.transform(x, axes, forward, _scale(norm, forward, name)) if axes else x


def _r2c(x, axes, sizes, forward, norm, name):
    _real_only(x, name)
    x = _promoted(x, name, False)
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis")
    for a, n in zip(axes, sizes, strict=True):
        x = _resized(x, a, n)
    return F.half_spectrum(x, axes, forward, _scale(norm, forward, name))


def _c2r(x, axes, sizes, forward, norm, name):
    x = _promoted(x, name, True)
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis")
    for a, n in zip(axes[:-1], sizes[:-1], strict=True):
        x = _resized(x, a, n)
    x = _resized(x, axes[-1], sizes[-1] // 2 + 1)
    return F.from_half_spectrum(x, axes, sizes[-1], forward, _scale(norm, forward, name))


def _c2r_size(x, s, last):
    """Sizes of a transform from a half spectrum: its last dimension doubles."""
    return 2 * (x.shape[last] - 1) if s is None or s == -1 else s


# ------------------------------------------------------------------------------- the operators
_KINDS = {
    "fft": (_c2c, True, "Fourier transform"),
    "ifft": (_c2c, False, "Inverse Fourier transform"),
    "rfft": (_r2c, True, "Fourier transform of real input, its half spectrum"),
    "irfft": (_c2r, False, "Inverse of rfft: real, from a half spectrum"),
    "hfft": (_c2r, True, "Fourier transform, real, of a half Hermitian signal"),
    "ihfft": (_r2c, False, "Inverse of hfft: the half spectrum of a real signal"),
}
_NODES = {_c2c: "FftC2CBackward0", _r2c: "FftR2CBackward0", _c2r: "FftC2RBackward0"}


def _declare(name, suffix, schema, body, transform, doc):
    body.__doc__ = doc
    operator(
        f"fft_{name}{suffix}({schema}) -> Tensor",
        variants="internal,out",
        aliases=(f"fft.{name}{suffix}",),
        node=_NODES[transform],
    )(body)


def _declare_kind(name, transform, forward, doc):
    full = f"fft_{name}"

    def one(self, n, dim, norm):
        if not self.ndim:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        axis = wrap_dim(dim, self.ndim)
        if transform is _c2r:
            size = _c2r_size(self, n, axis)
            _positive(size)
        else:
            axis, size = _one_axis(self, n, dim)
        return transform(self, (axis,), (size,), forward, norm, full)

    def many(self, s, dim, norm, suffix="n"):
        if transform is _c2r:
            axes, sizes = _half_axes(self, s, dim)
        else:
            axes, sizes = _axes(self, s, dim)
        return transform(self, axes, sizes, forward, norm, full + suffix)

    def two(self, s, dim, norm):
        return many(self, s, dim, norm, "2")

    one_schema = "Tensor self, int? n=None, int dim=-1, str? norm=None"
    _declare(name, "", one_schema, one, transform, f"{doc}, over one dimension.")
    many_schema = "Tensor self, int[1]? s=None, int[1]? dim=None, str? norm=None"
    _declare(name, "n", many_schema, many, transform, f"{doc}, over several dimensions.")
    two_schema = "Tensor self, int[1]? s=None, int[1] dim=[-2,-1], str? norm=None"
    _declare(name, "2", two_schema, two, transform, f"{doc}, over two dimensions.")


def _half_axes(x, s, dim):
    """_axes for a half spectrum."""
    axes, sizes = _axes(x, s, dim)
    if not axes:
        return axes, sizes
    last = _c2r_size(x, None if s is None else s[-1], axes[-1])
    _positive(last)
    return axes, (*sizes[:-1], last)


for _name, (_transform, _forward, _doc) in _KINDS.items():
    _declare_kind(_name, _transform, _forward, _doc)


# ---------------------------------------------------------------------------- order of frequencies
def _shifts(input, dim, towards):
    if dim is None:
        axes = tuple(range(input.ndim))
    else:
        axes = unique_dims((dim,) if isinstance(dim, int) else dim, input.ndim)
    if not axes:
        return input.clone()
    return T.roll(input, [towards(input.shape[a]) for a in axes], list(axes))


@composite("internal", name="fft_fftshift", aliases=("fft.fftshift",))
def fftshift(input, dim=None):
    """Frequencies with 0 in the middle."""
    return _shifts(input, dim, lambda n: n // 2)


@composite("internal", name="fft_ifftshift", aliases=("fft.ifftshift",))
def ifftshift(input, dim=None):
    """Inverse of fftshift."""
    return _shifts(input, dim, lambda n: (n + 1) // 2)


@composite("internal,out", name="fft_fftfreq", aliases=("fft.fftfreq",))
def fftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False):
    """Frequencies of fft's bins, in cycles per unit of the sample spacing d."""
    bins = T.arange(n, device=device, layout=layout)
    bins = T.where(bins < (n + 1) // 2, bins, bins - n).to(dtype or T.get_default_dtype())
    return (bins * (1.0 / (n * d))).requires_grad_(requires_grad)


@composite("internal,out", name="fft_rfftfreq", aliases=("fft.rfftfreq",))
def rfftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False):
    """Frequencies of rfft's bins, in cycles per unit of the sample spacing d."""
    bins = T.arange(n // 2 + 1, device=device, layout=layout)
    bins = bins.to(dtype or T.get_default_dtype())
    return (bins * (1.0 / (n * d))).requires_grad_(requires_grad)
