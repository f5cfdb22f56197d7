"""What users log (tensors, arrays, numbers) as NumPy arrays."""

from typing import Any

import numpy as np

from ... import frontend as rl

__all__ = ["make_np"]


def make_np(x: Any) -> np.ndarray:
    """Return `x` as an array: a number becomes shape (1,), bfloat16 becomes float32.

    Raises: NotImplementedError for anything but a tensor, an array or a number.
    """
    if isinstance(x, np.ndarray):
        return x
    if np.isscalar(x):
        return np.array([x])
    if isinstance(x, rl.Tensor):
        x = x.detach().cpu()
        return (x.float() if x.dtype == rl.bfloat16 else x).numpy()
    raise NotImplementedError(f"Got {type(x)}, but numpy array or torch tensor are expected.")
