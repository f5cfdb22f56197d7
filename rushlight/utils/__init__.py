"""Tools around training, under PyTorch's names: data/, tensorboard/.

Sub-modules load on first use, so that ``torch.utils.data.DataLoader`` works after ``import torch``.
"""

import importlib
import importlib.util


def __getattr__(name: str):
    known = not name.startswith("_") and importlib.util.find_spec(f"{__name__}.{name}") is not None
    if not known:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
