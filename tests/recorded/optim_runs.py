"""Record what PyTorch's optimizers and schedules do: ``python tests/recorded/optim_runs.py``."""

import json
import sys
import warnings
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "optim"))

import optim_cases as cases  # noqa: E402

EPOCHS = {3: 2, 8: 11}


def record():
    return {
        "trajectories": [cases.trajectory(torch, *case) for case in cases.TRAJECTORIES],
        "lbfgs": [cases.minimization(torch, kwargs) for kwargs in cases.LBFGS],
        "differentiable": [cases.differentiated(torch, *case) for case in cases.DIFFERENTIABLE],
        "schedules": {name: cases.schedule(torch, name) for name in cases.SCHEDULES},
        "epochs": {name: cases.schedule(torch, name, EPOCHS) for name in cases.WITH_EPOCH},
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # for epochs in step(); for reading tensors that need gradients
    lines = []
    for section, results in record().items():
        named = isinstance(results, dict)
        items = [
            (json.dumps(key) + ":" if named else "") + json.dumps(value, separators=(",", ":"))
            for key, value in (results.items() if named else enumerate(results))
        ]
        body = ",\n".join(items)
        lines.append(f'"{section}":' + (f"{{\n{body}\n}}" if named else f"[\n{body}\n]"))
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (HERE / "optim_runs.json").write_text(text, encoding="utf-8")
