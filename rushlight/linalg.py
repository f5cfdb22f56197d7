"""``torch.linalg``: the operators whose records name this space."""

from .frontend.install import public

globals().update(public["linalg"])
__all__ = list(public["linalg"])
