"""Backends: `compile(graph, scalars, updates) -> Program`, `program.run(arrays, scalars)`."""
