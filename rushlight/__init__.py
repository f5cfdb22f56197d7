"""rushlight: a deep-learning framework that runs PyTorch programs.

``import rushlight as torch``, or ``rushlight run script.py`` on an unmodified script.
Heavy rooms load on first attribute access.
"""

from importlib import import_module as _import_module

from .frontend import *  # noqa: F403

__version__ = "0.1.0"
_ROOMS = (
    "autograd",
    "nn",
    "optim",
    "utils",
    "random",
    "linalg",
    "special",
    "signal",
    "masked",
    "fft",
    "backends",
    "cuda",
    "_C",
    "overrides",
    "vision",
    "interop",
    "testing",
    "cli",
    "serialization",
    "storage",
)


def __getattr__(name):
    if name in _ROOMS:
        return _import_module("." + name, __name__)
    raise AttributeError(
        f"module 'rushlight' has no attribute '{name}' (not built yet, or not a name of torch)"
    )


def __dir__():
    return sorted({*globals(), *_ROOMS})
