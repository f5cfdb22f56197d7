"""``torch.fft``: the operators whose records name this space."""

from typing import TYPE_CHECKING, Any

from .frontend.install import public

globals().update(public["fft"])
__all__ = list(public["fft"])

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
