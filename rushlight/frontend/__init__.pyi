"""The flat namespace is filled when the package is imported; for type checkers it is open."""

from typing import Any

from .tensor import Tensor as Tensor

tensor: Any
device: Any
dtype: Any

def __getattr__(name: str) -> Any: ...
