"""Rooms import only what the house allows, modules have no import cycle, late imports are few."""

import ast
import pathlib

import pytest

import rushlight

ROOT = pathlib.Path(rushlight.__file__).parent
IR = {"engine.base", "engine.ir"}
PUBLIC = {"_utils", "autograd", "fft", "linalg", "overrides", "random", "serialization", "special"}
PUBLIC |= {"storage", "version"}
FACE = {"frontend", *PUBLIC}  # what programs see of the core
ROOMS = {
    "engine.base": set(),
    "engine.ir": {"engine.base"},
    "engine.ops": IR,
    "engine.autodiff": {*IR, "engine.ops"},
    "engine.schedule": IR,
    "engine.runtime": {"engine.base"},
    "engine.backends.reference": {*IR, "engine.runtime"},
    "engine.backends.cpu": {*IR, "engine.schedule", "engine.runtime"},
    "engine.execute": {
        *IR,
        "engine.schedule",
        "engine.runtime",
        "engine.backends.reference",
        "engine.backends.cpu",
    },
    "engine.explain": {"engine.base", "engine.runtime", "engine.backends.cpu"},
    "engine.record": {*IR, "engine.ops", "engine.autodiff", "engine.runtime", "engine.execute"},
    # ir: as_strided's derivative is made where its view is
    "frontend": {*IR, "engine.ops", "engine.record", "engine.runtime"},
    **{name: {*FACE, "engine.base", "engine.record"} for name in PUBLIC},
    "_utils": {*FACE, "nn"},  # the names checkpoints use, wherever what they name lives
    "nn": FACE,
    "optim": {*FACE, "nn"},
    "utils": FACE,
    "vision": {*FACE, "nn", "utils"},
    "interop": {*FACE, "nn"},
    "signal": FACE,
    "masked": {*FACE, "engine.base"},
    "cuda": set(),
    "_C": FACE,
    "testing": {*FACE, "nn", "optim", "engine.base", "engine.ops"},
    "cli": {*FACE, "nn", "optim", "utils", "vision", "interop", "engine.explain"},
    "__main__": {"cli"},
}
LATE = {  # imports inside functions: (module, imported) -> why
    ("_utils", "nn.parameter"): "checkpoints name a function of `_utils` that makes Parameters",
    ("nn.parameter", "_utils"): "the other half of that pair",
    ("engine.execute", "engine.backends.cpu.program"): "loads llvmlite, only to compile",
    ("engine.explain", "engine.backends.cpu.peak"): "loads llvmlite, only to measure",
    ("frontend.overrides", "frontend.dispatch"): "modes clear its caches; it asks for overrides",
    ("frontend.serialization_rebuild", "frontend.serialization"): "a storage pickles by save/load",
    ("utils.data.iterators", "utils.data.dataloader"): "for type checkers only",
    ("utils.data.worker", "utils.data.dataset"): "for type checkers only",
    ("utils.tensorboard.writer", "utils.tensorboard._embedding"): "needs tensorboard's plugins",
}


def room_of(module):
    """The room of a dotted module inside rushlight."""
    parts = module.split(".")
    if parts[0] != "engine":
        return parts[0]
    return ".".join(parts[: 3 if parts[1:2] == ["backends"] else 2])


def parse():
    """{module: (is it a package, its tree)}; the package itself is ""."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(p for p in parts if p != "__init__")
        found[name] = path.name == "__init__.py", ast.parse(path.read_text())
    return found


MODULES = parse()


def internal(name, nodes):
    """The modules of ours that import statements among `nodes` name."""
    package = name.split(".") if name else []
    package = package if MODULES[name][0] else package[:-1]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (a.name[10:] for a in node.names if a.name.startswith("rushlight."))
        elif isinstance(node, ast.ImportFrom):
            given = node.module.split(".") if node.module else []
            if not node.level and given[0] != "rushlight":
                continue
            base = package[: len(package) - node.level + 1] if node.level else []
            target = ".".join(base + (given if node.level else given[1:]))
            for alias in node.names:
                one = f"{target}.{alias.name}".strip(".")
                yield one if one in MODULES else target


@pytest.mark.parametrize("name", [m for m in MODULES if m not in ("engine", "engine.backends", "")])
def test_a_room_imports_what_it_may(name):
    here = room_of(name)
    assert here in ROOMS, f"room {here} is not in the table"
    allowed = {here, *ROOMS[here]}
    wrong = {t for t in internal(name, ast.walk(MODULES[name][1])) if room_of(t) not in allowed}
    wrong.discard("")  # what the package itself exports: frontend's names and __version__
    assert not wrong, f"{name} imports {sorted(wrong)}"


def test_late_imports_are_listed():
    """An import inside a function hides an edge; each one has a reason."""
    late = set()
    for name, (_, tree) in MODULES.items():
        top = set(map(id, tree.body))
        inner = [node for node in ast.walk(tree) if id(node) not in top]
        late |= {(name, target) for target in internal(name, inner)}
    assert late == set(LATE), "unlisted, or listed and gone"


def test_no_import_cycle():
    graph = {name: set(internal(name, tree.body)) - {name} for name, (_, tree) in MODULES.items()}
    for name in graph:  # a package's __init__ runs first and imports its own modules
        graph[name] = {t for t in graph[name] if t and not name.startswith(t + ".")}
    largest = max(components(graph), key=len)
    assert len(largest) == 1, f"the largest import cycle: {sorted(largest)}"


def components(graph):
    """Strongly connected components (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

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
            at = stack.index(v)
            found.append(stack[at:])
            del stack[at:]

    for v in graph:
        if v not in index:
            visit(v)
    return found
