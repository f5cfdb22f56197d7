"""One record per PyTorch operator, a file per family.  `record.py` says what a record is.

Importing the package fills `REGISTRY`: public name -> overloads, in the order they are tried.
"""

from .record import REGISTRY, Op, T  # noqa: F401

from . import families  # noqa: F401  isort: skip
