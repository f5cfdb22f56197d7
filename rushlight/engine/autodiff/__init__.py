"""Reverse-mode differentiation of graphs: `derive` turns a graph into the graph of its
cotangents."""

from .derive import Derivative, derive  # noqa: F401
