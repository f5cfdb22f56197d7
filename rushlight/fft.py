"""``torch.fft``: the operators whose records name this space."""

from .frontend.install import public

globals().update(public["fft"])
__all__ = list(public["fft"])
