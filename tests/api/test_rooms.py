"""Rooms import only what the house allows, and module imports have no cycle."""

import ast
import pathlib

import rushlight

ROOT = pathlib.Path(rushlight.__file__).parent
ENGINE = {
    "engine.base": set(),
    "engine.ir": {"engine.base"},
    "engine.ops": {"engine.base", "engine.ir"},
    "engine.autodiff": {"engine.base", "engine.ir", "engine.ops"},
    "engine.schedule": {"engine.base", "engine.ir"},
    "engine.runtime": {"engine.base"},
    "engine.backends.reference": {"engine.base", "engine.ir", "engine.runtime"},
    "engine.backends.cpu": {"engine.base", "engine.ir", "engine.schedule", "engine.runtime"},
    "engine.execute": {
        "engine.base",
        "engine.ir",
        "engine.schedule",
        "engine.runtime",
        "engine.backends.reference",
        "engine.backends.cpu",
    },
    "engine.record": {
        "engine.base",
        "engine.ir",
        "engine.ops",
        "engine.autodiff",
        "engine.runtime",
        "engine.execute",
    },
}
PUBLIC = {
    "autograd",
    "linalg",
    "fft",
    "special",
    "random",
    "overrides",
    "serialization",
    "storage",
    "_utils",
}
BASE = {"frontend", *PUBLIC}
OUTER = {
    "frontend": {
        "engine.base",
        "engine.ops",
        "engine.record",
        "engine.runtime",
        "engine.ir",
    },  # ir: as_strided's derivative is made where its view is
    "public": {"frontend", "engine.base", "engine.record", *PUBLIC},
    "nn": BASE,
    "optim": {*BASE, "nn"},
    "utils": BASE,
    "vision": {*BASE, "nn", "utils"},
    "interop": {*BASE, "nn"},
    "testing": {*BASE, "nn", "optim", "engine.ops"},
    "cli": {*BASE, "nn", "optim", "utils", "vision", "interop"},
}


def room_of(module):
    """The room of a dotted module inside rushlight."""
    parts = module.split(".")
    if parts[0] == "engine":
        if parts[1:2] == ["backends"]:
            return ".".join(parts[:3])
        return ".".join(parts[:2])
    return parts[0]


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT).with_suffix("")
        name = ".".join(p for p in relative.parts if p != "__init__")
        yield name, path.name == "__init__.py", ast.parse(path.read_text())


def imports(name, is_package, tree, deep):
    """Dotted internal modules an AST imports; function-level ones too where `deep`."""
    nodes = ast.walk(tree) if deep else tree.body
    for node in nodes:
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        parts = name.split(".") if name else []
        package = parts if is_package else parts[:-1]
        start = package[: len(package) - node.level + 1]
        target = ".".join(start + (node.module.split(".") if node.module else []))
        known = {n.name for n in node.names}
        yield target, known


def resolved(all_names, name, is_package, tree, deep):
    for target, names in imports(name, is_package, tree, deep):
        found = [f"{target}.{n}".strip(".") for n in names]
        for one in found:
            yield one if one in all_names else target


def test_rooms_import_what_they_may():
    everything = list(modules())
    names = {n for n, _, _ in everything}
    wrong = []
    for name, is_package, tree in everything:
        here = room_of(name) if name else ""
        if not here or name in ("__main__", "_utils", "engine", "engine.backends"):
            continue  # _utils: the names pickles use, wherever what they name lives
        allowed = ENGINE.get(here) or OUTER.get("public" if here in PUBLIC else here)
        assert allowed is not None or here in ENGINE, f"room {here} is not in the table"
        for target in resolved(names, name, is_package, tree, deep=True):
            there = room_of(target) if target else "frontend"
            if there not in (here, *(allowed or ())) and target:
                wrong.append(f"{name} imports {target}")
    assert not wrong, "\n".join(wrong)


def test_no_import_cycle():
    everything = list(modules())
    names = {n for n, _, _ in everything}
    graph = {
        n: {t for t in resolved(names, n, p, tree, deep=False) if t in names and t != n}
        for n, p, tree in everything
    }
    for n in list(graph):  # a package's __init__ runs first, and imports its own modules
        graph[n] = {t for t in graph[n] if not n.startswith(t + ".")}
    cycles = [c for c in components(graph) if len(c) > 1]
    assert not cycles, cycles


def components(graph):
    """Strongly connected components (Tarjan)."""
    index, low, stack, out = {}, {}, [], []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in graph[v]:
            if w not in index:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in stack:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            found = []
            while True:
                found.append(stack.pop())
                if found[-1] == v:
                    break
            out.append(found)

    for v in graph:
        if v not in index:
            visit(v)
    return out


def test_operators_are_declared_once():
    from rushlight.engine.ops import REGISTRY

    for name, overloads in REGISTRY.items():
        full = [op.full_name for op in overloads]
        assert len(set(full)) == len(full), f"{name} is declared twice: {full}"
