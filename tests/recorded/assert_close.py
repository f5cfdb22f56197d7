"""Record what PyTorch's assert_close says and make_tensor draws (needs torch 2.13).

``python tests/recorded/assert_close.py`` writes assert_close.json: {source of a case: outcome}.
"""

import json
import pathlib

CASES = """
(T([1., 2., 4.]), T([1., 2., 3.]), {})
(T([1, 2]), T([1, 3]), {})
(T([True, False]), T([True, True]), {})
(1.0, 2.0, {})
(1, 2, {})
(1.0, 0.0, {})
(1.0, 1.0 + 1e-9, {})
(1, 1.0, {})
(1, 1.0, {'check_dtype': False})
(True, False, {})
(None, None, {})
(None, T(1.), {})
([1., 2.], [1.], {})
((1, 2), [1, 2], {})
([T(1.), T(2.)], [T(1.), T(3.)], {})
([1, [2, 3]], [1, [2, 4]], {})
({'a': 1, 'b': 2}, {'a': 1, 'c': 2}, {})
({'a': [1., 2.]}, {'a': [1., 3.]}, {})
(T([1., 2.]), T([1.]), {})
(T([1.]), T([1]), {})
(T([1.]), T([1]), {'check_dtype': False})
(T(1.), T(1.), {'rtol': 1})
(T(1.), T(1.5), {'rtol': 1, 'atol': 0})
(T([1., 2.]), T([1.5, 2.]), {'rtol': 0, 'atol': 0})
('a', 'b', {})
(np.ones(2), np.ones(2), {})
(np.ones(2), np.zeros(2), {})
(np.float64(1), 1.0, {})
(T([nan]), T([nan]), {})
(T([nan]), T([nan]), {'equal_nan': True})
(nan, nan, {})
(nan, nan, {'equal_nan': True})
(T([[1., float('inf')]]), T([[1., 2.]]), {})
(T([float('inf')]), T([float('inf')]), {})
(torch.zeros(2, 2), torch.ones(2, 2), {})
(torch.ones(2, 3).t(), torch.ones(3, 2), {})
(torch.ones(2, 3).t(), torch.ones(3, 2), {'check_stride': True})
(torch.nn.Parameter(T([1.])), T([1.]), {})
(torch.empty(2, device='meta'), torch.empty(2, device='meta'), {})
(T([1.]), torch.empty(1, device='meta'), {})
(T([1 + 1j]), T([1. + 2j]), {})
(T([1.], dtype=torch.bfloat16), T([1.01]), {'check_dtype': False})
(T([1.], dtype=torch.float16), T([1.01], dtype=torch.float16), {})
(T([1], dtype=torch.uint8), T([3], dtype=torch.uint8), {})
(torch.ones(0), torch.ones(0), {})
"""
DRAWS = """
make_tensor(5, dtype=torch.float32, device='cpu')
make_tensor((2, 3), dtype=torch.float64, device='cpu', low=-1, high=1)
make_tensor(6, dtype=torch.int64, device='cpu')
make_tensor(6, dtype=torch.uint8, device='cpu')
make_tensor(6, dtype=torch.bool, device='cpu')
make_tensor(3, dtype=torch.complex64, device='cpu')
make_tensor(2, 3, dtype=torch.float32, device='cpu', noncontiguous=True)
make_tensor(3, dtype=torch.float16, device='cpu', low=0.5)
make_tensor(4, dtype=torch.float32, device='cpu', low=-3e38, high=3e38)
"""


def outcome(scope, source):
    actual, expected, options = eval(source, scope)
    try:
        scope["assert_close"](actual, expected, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "ok"


def drawn(scope, source):
    torch = scope["torch"]
    torch.manual_seed(7)
    made = eval(source, scope)
    values = torch.view_as_real(made) if made.is_complex() else made
    return {"stride": made.stride(), "values": values.to(torch.float64).tolist()}


def main():
    import numpy as np
    import torch
    from torch.testing import assert_close, make_tensor

    scope = {"torch": torch, "T": torch.tensor, "np": np, "nan": float("nan")}
    scope |= {"assert_close": assert_close, "make_tensor": make_tensor}
    found = {
        "outcomes": {s: outcome(scope, s) for s in CASES.strip().splitlines()},
        "drawn": {s: drawn(scope, s) for s in DRAWS.strip().splitlines()},
    }
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
