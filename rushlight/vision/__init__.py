"""Images: data sets (datasets/), under torchvision's names.

`rushlight run` serves this room as `torchvision`. It may use the public rooms of rushlight; Pillow
is imported only where an image object is asked for.
"""

import importlib

__all__ = ["datasets"]


def __getattr__(name: str):
    if name in __all__:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
