"""Errors with a class of their own."""


class LinAlgError(RuntimeError):
    """A matrix without the decomposition or solution asked for."""
