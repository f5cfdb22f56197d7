"""Which of PyTorch's operators the test suite reaches: ``python tests/conformance/trace_built.py``.

Runs the suite with RUSHLIGHT_TRACE_OPS=<file>, for which tests/conftest.py makes this file a plugin:
it notes every record a Call or a view is inferred for and every hand-written public function that is
entered.  Then the op_db items they stand for go to built.txt (PyTorch has the names).  Arguments are
passed to pytest.  `python tests/conformance/run.py ops --items tests/conformance/built.txt` judges
what is listed.
"""

import inspect
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import types

HERE = pathlib.Path(__file__).resolve().parent
BUILT = HERE / "built.txt"
VARIABLE = "RUSHLIGHT_TRACE_OPS"
SPACES = {"nn": "nn.functional.", "linalg": "linalg.", "fft": "fft.", "special": "special."}


# --------------------------------------------------------------------------- the plugin
def pytest_configure(config):
    if os.environ.get(VARIABLE):
        config.traced_names = trace()


def pytest_sessionfinish(session):
    names = getattr(session.config, "traced_names", None)
    if names is not None:
        sys.setprofile(None)
        pathlib.Path(os.environ[VARIABLE]).write_text("\n".join(sorted(names)) + "\n")


def trace():
    """Start noting; the set of public paths that grows."""
    from rushlight.engine.record.call import Call
    from rushlight.frontend.views import ViewCall

    seen, paths, codes = set(), record_paths(), hand_written()

    def noting(made):
        def init(self, op, *args, **kwargs):
            seen.update(paths.get(id(op), ()))
            made(self, op, *args, **kwargs)

        return init

    Call.__init__, ViewCall.__init__ = noting(Call.__init__), noting(ViewCall.__init__)

    def entered(frame, event, argument):
        if event == "call" and frame.f_code in codes:
            seen.update(codes[frame.f_code])

    threading.setprofile(entered)
    sys.setprofile(entered)
    return seen


def record_paths():
    """{id of a record: PyTorch's names for it}."""
    from rushlight.engine.ops import REGISTRY

    found = {}
    for name, overloads in REGISTRY.items():
        space, _, short = name.rpartition(".")
        for op in overloads:
            mine = found.setdefault(id(op), set())
            mine.add(SPACES.get(space, "") + short)
            mine.update(prefix + short for s, prefix in SPACES.items() if s in op.variants)
    return found


def hand_written():
    """{code: names} of composites, and of public functions and methods that have no record."""
    import rushlight
    from rushlight.engine.ops import REGISTRY

    paths = record_paths()
    found = {}
    for overloads in REGISTRY.values():
        for op in overloads:
            if op.kind == "composite":
                found.setdefault(inspect.unwrap(op.body).__code__, set()).update(paths[id(op)])
    for prefix, owner in (("", rushlight), ("Tensor.", rushlight.Tensor)):
        for name, value in vars(owner).items():
            if isinstance(value, types.FunctionType) and not hasattr(value, "materialise"):
                found.setdefault(value.__code__, set()).add(prefix + name)
    return found


# ---------------------------------------------------------------------------- the script
def items(names):
    """The op_db items that PyTorch spells like one of the traced names."""
    sys.path.insert(0, str(HERE))
    from harness.families import ops

    found = []
    for item, op in ops.index().items():
        methods = (op.method_variant, op.inplace_variant)
        spelled = {op.name} | {
            "Tensor." + m.__name__ for m in methods if isinstance(m, types.MethodDescriptorType)
        }
        if not ops.is_internal(op) and not names.isdisjoint(spelled):
            found.append(item)
    return sorted(found)


def main():
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "names.txt"
        command = [sys.executable, "-m", "pytest", "-q", *sys.argv[1:]]
        subprocess.run(command, cwd=HERE.parents[1], env={**os.environ, VARIABLE: str(out)})
        if not out.exists():
            sys.exit("pytest did not run to its end: nothing was traced")
        found = items(set(out.read_text().split()))
    BUILT.write_text("\n".join(found) + "\n")
    print(f"{BUILT.name}: {len(found)} operators")


if __name__ == "__main__":
    main()
