"""Record what PyTorch's DataLoader yields: ``python tests/recorded/data_loader.py``."""

import json
import sys
from pathlib import Path

import torch
import torch.utils.data

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "data"))

import data_cases  # noqa: E402

if __name__ == "__main__":
    records = [
        {"case": case, "result": data_cases.run(torch, **case)} for case in data_cases.all_cases()
    ]
    lines = ",\n".join(json.dumps(record, separators=(",", ":")) for record in records)
    (HERE / "data_loader.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
