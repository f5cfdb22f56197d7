"""Loads every family of records.  The order of import is the order of tables, nothing else."""

from . import (  # noqa: F401
    activations,
    arithmetic,
    compare,
    convolution,
    distance,
    indexing,
    joining,
    losses,
    losses_class,
    memory,
    normalization,
    pooling,
    pooling_adaptive,
    products,
    reduce,
    softmax,
    unary,
    views,
)
