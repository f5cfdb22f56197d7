"""The flat namespace of ``torch.*``: Tensor, creation, operators, grad modes, serialization."""

from .api import *  # noqa: F403
from .api import __all__  # noqa: F401
