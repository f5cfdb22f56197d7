"""One expression through every stage: ``python docs/internals/pipeline.py``.

Shows what ``(a @ b).relu().sum()`` and its backward become: calls, tape, graph, loop nests, LLVM.
"""

import rushlight as torch
from rushlight.engine.backends.cpu.expressions import supported
from rushlight.engine.backends.cpu.jit import jit
from rushlight.engine.backends.cpu.loops import collapse
from rushlight.engine.backends.cpu.lower import lower
from rushlight.engine.ir.graph import Graph
from rushlight.engine.ir.show import show
from rushlight.engine.record import plan, state
from rushlight.engine.schedule import HostStep, describe, schedule


def title(text):
    print(f"\n=== {text}")


def record():
    """Run the expression and its backward; nothing is computed yet."""
    a = torch.ones(2, 3, requires_grad=True)
    b = torch.full((3, 4), 0.5)
    loss = torch.relu(a @ b).sum()
    loss.backward()
    return a, loss


def show_tape():
    title("the tape: one event per operator; (slot, offset) per operand")
    for event in state.segment.events:
        head, operands = event[0], event[1:]
        name = head.name if hasattr(head, "graph") else type(head).__name__.lower()
        print(f"{name:18s}", operands)


def graph_of(events, wanted):
    """The graph a plan is made from (compile_graph is given it)."""
    caught = []
    original = plan.compile_graph
    plan.compile_graph = lambda graph, *rest: caught.append(graph)
    try:
        plan.build(tuple(events), wanted, {}, {})
    finally:
        plan.compile_graph = original
    return caught[0]


def show_graph(a, loss) -> Graph:
    title("the graph: calls inlined, equal values shared, dead ones gone")
    wanted = (loss._st.slot, a.grad._st.slot)
    graph = graph_of(state.segment.events, wanted)
    print(show(graph))
    return graph


def show_schedule(graph):
    title("the schedule: loop nests, and what the host does")
    steps = schedule(graph, supported)
    print(describe(steps))
    return [s for s in steps if not isinstance(s, HostStep)]


def show_llvm(nest):
    title("one kernel as LLVM IR (its first lines)")
    text, *_ = lower("kernel", nest, collapse(nest))
    print("\n".join(text.splitlines()[:12]), "\n  ...")
    print(f"compiled for {jit().cpu}, vectors of {jit().width} bits")


def main():
    a, loss = record()
    show_tape()
    nests = show_schedule(show_graph(a, loss))
    show_llvm(nests[0])
    title("the values")
    print("loss", loss.item())
    print("a.grad", a.grad)


if __name__ == "__main__":
    main()
