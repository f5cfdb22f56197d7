"""``torch.special``: the operators whose records name this space."""

from .frontend.install import public

globals().update(public["special"])
__all__ = list(public["special"])
