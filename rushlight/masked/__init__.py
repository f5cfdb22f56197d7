"""torch.masked: reductions and normalizations of the elements a mask keeps.

A mask is a tensor that is true where an element counts, of the input's shape or one that broadcasts
to it.  ``reductions.py`` and ``normalizations.py`` are ordinary functions on strided tensors over
``selection.py``; MaskedTensor, a tensor that carries its mask along, is not built yet, and neither
are sparse tensors.
"""

from .normalizations import (
    cumprod,
    cumsum,
    log_softmax,
    logaddexp,
    normalize,
    softmax,
    softmin,
)
from .reductions import (
    amax,
    amin,
    argmax,
    argmin,
    logsumexp,
    mean,
    median,
    norm,
    prod,
    std,
    sum,
    var,
)

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "mean",
    "median",
    "norm",
    "normalize",
    "prod",
    "softmax",
    "softmin",
    "std",
    "sum",
    "var",
]


def __getattr__(name):
    if name in ("MaskedTensor", "masked_tensor", "as_masked_tensor", "is_masked_tensor"):
        raise AttributeError(
            f"torch.masked.{name}: MaskedTensor is not built yet; give the mask to the functions "
            "of torch.masked instead, as in torch.masked.sum(x, mask=mask)"
        )
    raise AttributeError(f"module 'rushlight.masked' has no attribute '{name}'")
