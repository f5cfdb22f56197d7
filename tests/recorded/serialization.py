"""Record checkpoints that PyTorch writes: writes serialization.json beside this file.

Run with PyTorch 2.13. Each entry is a file in base64; tests/frontend/test_serialization.py knows
what the functions here put into it.
"""

import base64
import io
import json
from collections import OrderedDict
from pathlib import Path

import torch

ZIP = {}
LEGACY = {"_use_new_zipfile_serialization": False}
DTYPES = (
    "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128"
).split()


def views():
    base = torch.arange(6.0).reshape(2, 3)
    return {"base": base, "row": base[1], "transposed": base.t(), "alone": torch.ones(2)}


def dtypes():
    return {name: torch.tensor([[0, 1], [2, 3]]).to(getattr(torch, name)) for name in DTYPES}


def state_dict():
    layer = torch.nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -0.5]]))
        layer.bias.fill_(2.0)
    return layer.state_dict()


def training():
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = torch.optim.Adam([weight], lr=0.1)
    weight.sum().backward()
    optimizer.step()
    weight.data.fill_(1.0)
    return OrderedDict(weight=weight, optimizer=optimizer.state_dict(), epoch=3)


def plain():
    return {
        "size": torch.Size([2, 3]),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "bytes": b"\x00\xff",
        "set": {1},
        "none": None,
        "tuple": (1, "a", 2.5, True),
        "big": 2**80,
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(7),
        "grad": torch.ones(1, requires_grad=True),
        "meta": torch.ones(2, 3, device="meta"),
    }


def file_of(obj, **options):
    buffer = io.BytesIO()
    torch.save(obj, buffer, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def record():
    makers = (views, dtypes, state_dict, training, plain)
    return {
        f"{maker.__name__}-{name}": file_of(maker(), **options)
        for maker in makers
        for name, options in (("zip", ZIP), ("legacy", LEGACY))
    }


if __name__ == "__main__":
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(file)}" for name, file in record().items())
    Path(__file__).with_suffix(".json").write_text(f"{{\n{lines}\n}}\n")
