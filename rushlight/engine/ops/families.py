"""Loads every family of records.  The order of import is the order of tables, nothing else."""

from . import (  # noqa: F401
    arithmetic,
    compare,
    indexing,
    joining,
    memory,
    products,
    reduce,
    unary,
    views,
)
