"""verify -> schedule -> compile -> run: the one file that sees every engine room below."""

from .backends import reference
from .base import config
from .ir.verify import verify


def compile_graph(graph, scalars, updates):
    """A Program for the graph.

    Args:
        graph: its inputs are 1-d arrays bound at run time, its outputs 1-d values.
        scalars: the values that receive run-time numbers, in order.
        updates: {output position: input position} where an output is that input's next content.
    """
    if config.VERIFY:
        verify(graph)
    return _backend().compile(graph, scalars, updates)


def _backend():
    if config.BACKEND == "reference":
        return reference
    return reference
