"""A pytest plugin (``python -m pytest -p tests.traced``): every test runs under a line tracer.

Debuggers and coverage tools see frames as they run; nothing here may depend on not being watched.
"""

import sys
import threading


def _trace(frame, event, argument):
    return _trace if "rushlight" in frame.f_code.co_filename else None


def pytest_runtest_setup(item):
    sys.settrace(_trace)
    threading.settrace(_trace)
