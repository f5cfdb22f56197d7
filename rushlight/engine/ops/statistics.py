"""Covariance and correlation."""

from ..base import dtypes
from .record import T, composite


def _weights(input, fweights, aweights):
    """The product of both kinds of weights, checked; None without any."""
    count = input.shape[1]
    if fweights is not None:
        _check_weights(fweights, "fweights", count, dtypes.INT, "integral")
    if aweights is not None:
        _check_weights(aweights, "aweights", count, dtypes.FLOAT, "floating point")
    if fweights is None:
        return aweights
    return fweights if aweights is None else aweights * fweights


def _check_weights(weights, name, count, category, kind):
    if weights.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with "
            f"{weights.ndim} dimensions"
        )
    if weights.dtype.category != category:
        raise RuntimeError(
            f"cov(): expected {name} to have {kind} dtype but got {name} with "
            f"{weights.dtype.type_name} dtype"
        )
    if weights.numel() != count:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input "
            f"but got {weights.numel()} != {count}"
        )
    if count and bool((weights < 0).any()):
        raise RuntimeError(f"cov(): {name} cannot be negative")


@composite()
def cov(input, *, correction=1, fweights=None, aweights=None):
    """Covariance matrix of variables (rows) over observations (columns).

    Args:
        correction: subtracted from the number of observations (1: Bessel).
        fweights: (n,) integers, how often each observation counts.
        aweights: (n,) floating weights of the observations.
    """
    if input.ndim > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input if input.ndim == 2 else input.reshape(1, -1)
    w = _weights(x, fweights, aweights)
    total = x.shape[1] if w is None else w.sum()
    if w is None:
        mean = x.sum(1) / total
        factor = total - correction
    else:
        mean = (x * w).sum(1) / total
        factor = total - correction
        if aweights is not None and correction:
            factor = total - correction * (w * aweights).sum() / total
    centred = x - mean.unsqueeze(1)
    weighted = centred if w is None else centred * w
    factor = T.clamp(factor, min=0) if T.is_tensor(factor) else max(factor, 0)
    product = T.mm(centred, weighted.t().conj())
    return (product / factor if T.is_tensor(factor) or factor else product / 0.0).squeeze()


@composite(wide=True)  # rounding in between would leave nothing of a gradient that cancels
def corrcoef(input):
    """Correlation coefficients of variables (rows) over observations (columns)."""
    if input.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    c = T.cov(input)
    if not c.ndim:
        return c / c
    d = T.diag(c)
    deviation = (T.real(d) if d.is_complex() else d).sqrt()
    c = c / deviation.unsqueeze(1) / deviation.unsqueeze(0)
    if c.is_complex():
        return T.complex(T.real(c).clamp(-1, 1), T.imag(c).clamp(-1, 1))
    return c.clamp(-1, 1)
