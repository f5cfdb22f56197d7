"""From a graph to loop nests: what is fused into one kernel, what is stored, what runs on the host.

Read `nest.py` (what a kernel is), then `fuse.py` (how a graph becomes steps).
"""

from .fuse import schedule  # noqa: F401
from .nest import HostStep, Nest  # noqa: F401
