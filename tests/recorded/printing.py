"""Record how PyTorch prints tensors: writes printing.json beside this file. Run with PyTorch 2.13.

Each case holds the bytes of a tensor's values, its dtype, shape and strides, what else its text
depends on, the print options, and the text.
"""

import json
import math
import random
from pathlib import Path

import torch

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
INTS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]
COMPLEX = [torch.complex64, torch.complex128]
SHAPES = [(), (0,), (0, 3), (2, 0), (1,), (3,), (11,), (26,), (2, 3), (7, 2), (2, 3, 4), (3, 1, 9)]
SPECIAL = [0.0, -0.0, math.nan, math.inf, -math.inf, 1.0, 0.5, 1e-5, 1e5, 1e38, 1e-40]

rng = random.Random(0)


def floats(count, kind):
    normal = torch.randn(count, dtype=torch.float64)
    return {
        "normal": normal,
        "whole": torch.round(normal * 50),
        "wide": torch.exp(normal * 8) * normal.sign(),
        "tiny": normal * 1e-7,
        "large": torch.round(normal * 1e9),
        "same": torch.full((count,), rng.choice([1e8, 1e-4, 9e-5, 1e8 + 8, 0.5])).double(),
        "special": torch.tensor([rng.choice(SPECIAL) for _ in range(count)]).double(),
    }[kind]


def values(dtype, shape):
    count = math.prod(shape)
    kinds = ["normal", "normal", "whole", "wide", "tiny", "large", "same", "special"]
    if dtype == torch.bool:
        flat = torch.rand(count) < 0.5
    elif dtype.is_complex:
        flat = torch.complex(floats(count, rng.choice(kinds)), floats(count, rng.choice(kinds)))
    elif dtype.is_floating_point:
        flat = floats(count, rng.choice(kinds))
    else:
        info = torch.iinfo(dtype)
        low, high = rng.choice([(info.min, info.max), (max(info.min, -9), 10), (0, 120)])
        flat = torch.randint(low, high, (count,))
    return flat.to(dtype).reshape(shape)


def options():
    if rng.random() < 0.5:
        return {"profile": "default"}
    return {
        "profile": rng.choice(["default", "short", "full"]),
        "precision": rng.choice([None, 0, 1, 3, 8]),
        "threshold": rng.choice([None, 0, 5, 20]),
        "edgeitems": rng.choice([None, 0, 1, 2, 4]),
        "linewidth": rng.choice([None, 1, 20, 40, 120]),
        "sci_mode": rng.choice([None, True, False]),
    }


def case(tensor, default=torch.float32, history=None):
    chosen = options()
    torch.set_default_dtype(default)
    torch.set_printoptions(**chosen)
    plain = tensor
    if history == "leaf":
        tensor = tensor.clone().requires_grad_()
    elif history == "result":
        tensor = tensor.clone().requires_grad_().clone()
    text = repr(tensor)
    torch.set_default_dtype(torch.float32)
    meta = tensor.device.type == "meta"
    return {
        "bytes": "" if meta else plain.flatten().view(torch.uint8).numpy().tobytes().hex(),
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "device": str(tensor.device),
        "default": str(default).removeprefix("torch."),
        "requires_grad": tensor.requires_grad,
        "grad_name": tensor.grad_fn.name() if tensor.grad_fn is not None else None,
        "options": chosen,
        "text": text,
    }


def record():
    torch.manual_seed(0)
    cases = []
    for dtype in [*FLOATS * 3, *INTS, *COMPLEX * 2, torch.bool]:
        cases += [case(values(dtype, shape)) for shape in SHAPES]
    for dtype in [torch.float32, torch.float64, torch.complex64]:
        for history in ("leaf", "result"):
            cases += [case(values(dtype, shape), history=history) for shape in SHAPES]
    for default in (torch.float64, torch.float16):
        for dtype in [*FLOATS, torch.int64, *COMPLEX]:
            cases.append(case(values(dtype, rng.choice(SHAPES)), default=default))
    for dtype in (torch.float32, torch.int64):
        cases.append(case(torch.empty(2, 3, dtype=dtype, device="meta")))
    cases.append(case(torch.arange(1001, dtype=torch.int16)))
    cases.append(case(torch.randn(40, 30)))
    return cases


if __name__ == "__main__":
    lines = ",\n".join(json.dumps(entry) for entry in record())
    Path(__file__).with_suffix(".json").write_text(f"[\n{lines}\n]\n")
