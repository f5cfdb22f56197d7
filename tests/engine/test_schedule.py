"""What is fused, where values live: read off the schedule of small graphs."""

import pytest

import rushlight  # noqa: F401
from rushlight.engine.base import dtypes
from rushlight.engine.base.shapes import numel
from rushlight.engine.ir import lang as L
from rushlight.engine.ir.graph import Graph
from rushlight.engine.ir.primitives import PRIMITIVES
from rushlight.engine.schedule import HostStep, describe, plan_memory, schedule

HOST = ("dot", "conv", "scan", "argsort")


def can_fuse(v):
    return v.prim.name not in HOST


def graph_of(*shapes, dtype=dtypes.float32):
    graph = Graph()
    inputs = [graph.add_input(PRIMITIVES["input"], (numel(s),), dtype) for s in shapes]
    return graph, *[L.reshape(v, s) for v, s in zip(inputs, shapes, strict=True)]


def finish(graph, *outputs):
    graph.outputs = [L.reshape(v, (numel(v.shape),)) for v in outputs]
    return schedule(graph, can_fuse)


def names(nest):
    return [i.name for i in nest.body]


def test_a_chain_is_one_nest_without_intermediates():
    graph, x, y = graph_of((4, 5), (5,))
    z = x
    for _ in range(5):
        z = L.tanh(z * 2 + L.broadcast(y, (4, 5)))
    (nest,) = finish(graph, z)
    assert names(nest).count("store") == 1 and names(nest).count("tanh") == 5
    assert names(nest).count("load") == 2


def test_softmax_is_three_passes_over_a_row():
    graph, x = graph_of((8, 100))
    e = L.exp(x - L.max_(x, [1], True))
    (nest,) = finish(graph, e / L.sum_(e, [1], True))
    assert nest.axes == (1,) and len(nest.passes) == 3
    assert names(nest).count("exp") == 1, "kept for the last pass, not computed again"
    assert names(nest).count("store") == 2, "one of them to a row of scratch"


def test_layer_norm_is_one_nest():
    graph, x, w = graph_of((8, 100), (100,))
    mean = L.mean(x, [1], True)
    centred = x - mean
    variance = L.mean(centred * centred, [1], True)
    (nest,) = finish(graph, centred * L._emit("rsqrt", variance + 1e-5) * L.broadcast(w, x.shape))
    assert len(nest.passes) == 3 and names(nest).count("store") == 1


def test_several_results_of_one_domain_share_a_nest():
    graph, p, g, m = graph_of((6, 7), (6, 7), (6, 7))
    momentum = m * 0.9 + g
    (nest,) = finish(graph, p - momentum * 0.1, momentum)
    assert names(nest).count("store") == 2 and names(nest).count("load") == 3


def test_independent_work_stays_apart():
    """Kernels are shared by structure, so joining strangers would only make more of them."""
    graph, a, b = graph_of((6, 7), (6, 7))
    assert len(finish(graph, L.tanh(a), L.tanh(b))) == 2


def test_a_transposed_product_is_made_transposed():
    graph, a, b = graph_of((4, 5), (5, 6))
    (step,) = finish(graph, L.transpose(L.dot(a, b)))
    assert isinstance(step, HostStep) and step.source.prim.name == "dot"
    assert [shape for shape, _ in step.operands] == [(6, 5), (5, 4)]


def test_concat_is_written_where_its_parts_are_made():
    graph, a, b = graph_of((4, 5), (4, 5))
    steps = finish(graph, L.concat([L.tanh(a), L.tanh(b)], 1))
    assert len(steps) == 2 and all(names(s) == ["load", "tanh", "store"] for s in steps)


@pytest.mark.parametrize("read_later", (False, True))
def test_updates_happen_in_place_unless_the_old_content_is_read(read_later):
    graph, p, g = graph_of((12,), (12,))
    new = p - g
    outputs = [new, L.scan(p, 0, "sum")] if read_later else [new]
    memory = plan_memory(graph, finish(graph, *outputs), {0: 0})
    assert memory.plan[0] == ((True, 0, False) if read_later else (False, 0, False))


def test_a_partial_write_starts_from_the_memory_it_replaces():
    graph, flat, x = graph_of((20,), (5,))
    steps = finish(graph, L.store(flat, x, 3, (2,)))
    assert len(steps) == 2
    assert len(plan_memory(graph, steps, {0: 0}).steps) == 1
    assert len(plan_memory(graph, steps, {}).steps) == 2


def test_the_arena_reuses_memory():
    graph, x = graph_of((1000,))
    for _ in range(6):
        x = L.scan(L.tanh(x), 0, "sum")
    memory = plan_memory(graph, finish(graph, x), {})
    assert memory.arena_bytes <= 2 * 4032


def test_a_schedule_prints():
    graph, x = graph_of((8, 10))
    text = describe(finish(graph, L.dot(x, L.transpose(L.exp(x))), L.sum_(x, [1])))
    assert "fold(t0, sum)" in text and "= dot(" in text and "nest [8, 10]" in text
