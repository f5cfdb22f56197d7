"""Graphs as text, one value a line."""


def show(graph):
    """The live values of a graph, readable:  %3 = add(%1, %2) : float32[2, 3]"""
    lines = []
    for v in graph.live():
        inputs = [f"%{i.index}" for i in v.inputs]
        params = [f"{k}={p}" for k, p in v.params.items()]
        kind = f"{v.dtype.name}{list(v.shape)}" if v.dtype is not None else "results"
        lines.append(f"%{v.index} = {v.prim.name}({', '.join(inputs + params)}) : {kind}")
    outs = ", ".join(f"%{v.index}" for v in graph.outputs)
    return "\n".join([*lines, f"return {outs}"])
