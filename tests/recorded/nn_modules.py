"""Record what PyTorch's modules are and compute, for tests/nn.

Run as ``python tests/recorded/nn_modules.py`` where PyTorch is installed.
"""

import json
import sys
import warnings
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "nn"))

from describe import describe  # noqa: E402
from samples import SAMPLES  # noqa: E402


def main():
    """Write nn_modules.json."""
    warnings.simplefilter("ignore")
    recorded = {sample.name: describe(torch, sample) for sample in SAMPLES}
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in recorded.items())
    (HERE / "nn_modules.json").write_text("{\n" + lines + "\n}\n")
    print(f"{len(recorded)} samples, torch {torch.__version__}")


if __name__ == "__main__":
    main()
