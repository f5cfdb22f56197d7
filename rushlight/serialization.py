"""``torch.serialization``: save, load, safe globals, map_location."""

from .frontend import serialization_config as config  # noqa: F401
from .frontend.serialization import *  # noqa: F403
