"""Record PyTorch's result dtypes: ``python tests/recorded/promotion.py`` (needs torch 2.13).

For every pair of dtypes, each side a tensor with dimensions or a 0-d one, and for every dtype with
a Python number: the dtype of `add`, `true_divide`, `eq`, `pow`, `where`; "error" where it raises.
"""

import itertools
import json
import pathlib

DTYPES = (
    "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128"
).split()
NUMBERS = {"bool": True, "int": 1, "float": 1.0, "complex": 1j}
OPERATORS = ("add", "div", "pow", "where", "maximum", "result_type")


def apply(torch, name, a, b):
    """The name of the result's dtype."""
    if name == "where":
        found = torch.where(torch.tensor([True]), a, b)
    else:
        found = getattr(torch, name)(a, b)
    return str(found if name == "result_type" else found.dtype).rpartition(".")[2]


def operands(torch):
    """{label: value}: `float32` has a dimension, `float32()` has none, `float` is a number."""
    found = {d: torch.ones(1, dtype=getattr(torch, d)) for d in DTYPES}
    found |= {d + "()": torch.ones((), dtype=getattr(torch, d)) for d in DTYPES}
    return found | {"python " + name: value for name, value in NUMBERS.items()}


def table(torch):
    """{operator: {"a,b": dtype or "error"}}."""
    values, found = operands(torch), {}
    for name in OPERATORS:
        rows = found[name] = {}
        for (a, x), (b, y) in itertools.product(values.items(), repeat=2):
            if "python" in a and "python" in b and name != "result_type":
                continue
            try:
                rows[f"{a},{b}"] = apply(torch, name, x, y)
            except (RuntimeError, TypeError):
                rows[f"{a},{b}"] = "error"
    return found


if __name__ == "__main__":
    import torch

    where = pathlib.Path(__file__).with_suffix(".json")
    where.write_text(json.dumps(table(torch), indent=0, sort_keys=True) + "\n")
