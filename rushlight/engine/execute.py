"""verify -> schedule -> compile -> run: the one file that sees every engine room below."""

from importlib.util import find_spec

from .backends import reference
from .backends.reference.run import evaluate
from .base import config
from .ir.verify import verify

_llvm_found: list = []


def compile_graph(graph, scalars, updates):
    """A Program for the graph.

    Args:
        graph: its inputs are 1-d arrays bound at run time, its outputs 1-d values.
        scalars: the values that receive run-time numbers, in order.
        updates: {output position: input position} where an output is that input's next content.
    """
    if config.VERIFY:
        verify(graph)
    if config.BACKEND == "reference" or not _has_llvm():
        return reference.compile(graph, scalars, updates)
    from .backends.cpu import program  # loads llvmlite: only when something is compiled

    if not program.usable():
        return reference.compile(graph, scalars, updates)
    return program.compile(graph, scalars, updates, evaluate)


def _has_llvm():
    if not _llvm_found:
        _llvm_found.append(find_spec("llvmlite") is not None)
    return _llvm_found[0]
