"""Write built.txt: the items of PyTorch's op_db that the test suite reaches.

RUSHLIGHT_TRACE_OPS=reached.txt python -m pytest
python tests/conformance/trace_built.py reached.txt          # needs PyTorch
"""

import pathlib
import sys

from torch.testing._internal.common_methods_invocations import op_db

HERE = pathlib.Path(__file__).parent
SPACES = ("nn.functional.", "linalg.", "special.", "fft.")


def short(name):
    """An op_db name as records spell it."""
    for space in SPACES:
        if name.startswith(space):
            return name[len(space) :]
    return name


def main():
    reached = set(pathlib.Path(sys.argv[1]).read_text().split())
    found = set()
    for op in op_db:
        if op.name.startswith(("_", "ops.")):
            continue
        if short(op.name) in reached or short(op.name).strip("_") in reached:
            variant = op.variant_test_name
            found.add(f"{op.name}:{variant}" if variant else op.name)
    (HERE / "built.txt").write_text("\n".join(sorted(found)) + "\n")
    print(f"{len(found)} items reached")


if __name__ == "__main__":
    main()
