"""``torch.special``: the operators whose records name this space."""

from typing import TYPE_CHECKING, Any

from .frontend.install import public

globals().update(public["special"])
__all__ = list(public["special"])

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
