"""The NumPy interpreter of the IR: the oracle, and what runs where LLVM is missing."""

from .run import compile  # noqa: F401, A004
