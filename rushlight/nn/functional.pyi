"""The operators of torch.nn.functional are installed from their records."""

from typing import Any

def __getattr__(name: str) -> Any: ...
