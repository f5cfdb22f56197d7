"""Loads every family of records.  The order of import is the order of tables, nothing else."""

from . import (  # noqa: F401
    arithmetic,
    indexing,
    memory,
    views,
)
