"""Environment flags, read once at import; see docs/internals for what each does."""

import os


def _flag(name):
    return os.environ.get(name, "0") not in ("", "0")


EAGER = _flag("RUSHLIGHT_EAGER")  # execute operator by operator
VERIFY = _flag("RUSHLIGHT_VERIFY")  # check the IR after every stage
DEBUG = set(filter(None, os.environ.get("RUSHLIGHT_DEBUG", "").split(",")))
BACKEND = os.environ.get("RUSHLIGHT_BACKEND", "")  # "reference" forces the NumPy interpreter
