"""The intermediate representation: primitives (one record each), graphs of values, verifier,
printer.

Read in order: `primitives.py` (what exists), `graph.py` (Value, Graph), `lang.py` (the functions
operator bodies are written in), `gradients.py` (derivatives), `verify.py`, `show.py`.
"""
