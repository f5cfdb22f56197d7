"""Meeting points with other software: the `torch` alias (alias.py), which `rushlight run` installs.

The alias works on names alone and imports nothing of rushlight until a program asks for it.
"""
