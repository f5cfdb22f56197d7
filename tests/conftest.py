"""Expected failures, and the list of operators that the suite reaches.

Every expected failure is listed in tests/exceptions.json with its reason and date.  With
RUSHLIGHT_TRACE_OPS=<file> the names of the operators that the tests reach are written there
(tests/conformance/trace_built.py does that, and turns them into built.txt).
"""

import json
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
LISTED = json.loads((HERE / "exceptions.json").read_text())


@pytest.fixture(autouse=True)
def recorded():
    """A test starts with recording, whatever those before it read (engine/record/alone.py)."""
    from rushlight.engine.record import state

    state.mine.reads = 0


def pytest_collection_modifyitems(items):
    for item in items:
        for entry in LISTED:
            if entry["test"] in item.nodeid:
                reason = f"{entry['reason']} ({entry['date']})"
                item.add_marker(pytest.mark.xfail(reason=reason, strict=entry.get("strict", True)))


def pytest_configure(config):
    if os.environ.get("RUSHLIGHT_TRACE_OPS"):
        sys.path.insert(0, str(HERE / "conformance"))
        import trace_built

        config.pluginmanager.register(trace_built)
