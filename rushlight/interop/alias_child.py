"""Importing this module installs the `torch` alias; multiprocessing's fork server preloads it."""

from .alias import install

install()
