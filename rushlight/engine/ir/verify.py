"""Checks that a graph is well formed; called between stages when RUSHLIGHT_VERIFY=1."""


def verify(graph):
    """Every value's inputs precede it and its shape and dtype are what its primitive infers."""
    for i, v in enumerate(graph.values):
        assert v.index == i and v.graph is graph, f"{v} is misplaced"
        for operand in v.inputs:
            assert operand.graph is graph and operand.index < i, (
                f"{v} reads {operand} before it exists"
            )
        shape, dtype = v.prim.infer(*v.inputs, **v.params)
        assert (shape, dtype) == (v.shape, v.dtype), (
            f"{v} = {v.prim.name} claims {v.dtype}{v.shape}, infers {dtype}{shape}"
        )
    for v in (*graph.inputs, *graph.outputs):
        assert graph.values[v.index] is v, f"{v} is not of this graph"
