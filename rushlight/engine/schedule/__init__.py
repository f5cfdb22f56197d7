"""From a graph to loop nests: what is fused into one kernel, what is stored where.

Read `nest.py` (what a kernel is), `windows.py` and
`convolutions.py` (what is put in terms of other primitives), `maps.py` (how loops
address operands), `roots.py` and `fuse.py` (what is computed together), `build.py` and `order.py`
(instructions and loops), `memory.py` (where values live).
"""

from ..base import config
from ..base.shapes import numel
from .build import build
from .expand import expand  # noqa: F401
from .fuse import fuse
from .memory import plan_memory  # noqa: F401
from .nest import HostStep, Nest, describe  # noqa: F401
from .roots import weight

MEMORY = frozenset("load store const argument scalar index gather scatter fold".split())


def work(nest):
    """About how many additions one run of a nest takes as long as."""
    each = sum([1 if i.name in MEMORY else weight(i.name) for i in nest.body])
    return numel(nest.shape) * each


def schedule(graph, can_fuse):
    """Steps of the graph in order: Nests and HostSteps.

    `can_fuse(value)` tells whether the backend has code for a value.  Afterwards every output is
    stored, contiguous, by some steps (or is an input).
    """
    fusion = fuse(graph, can_fuse)
    steps = [
        step if isinstance(step, HostStep) else build(step, fusion.wanted, fusion.roots.turned)
        for step in fusion.steps
    ]
    if "schedule" in config.DEBUG:
        print(describe(steps))
    return steps
