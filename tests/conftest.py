"""Expected failures, and the list of operators that the suite reaches.

Every expected failure is listed in tests/exceptions.json with its reason and date.  With
RUSHLIGHT_TRACE_OPS=<file> the names of the operator records inferred by the tests are written there
(tests/conformance/trace_built.py turns them into built.txt).
"""

import json
import os
import pathlib

import pytest

LISTED = json.loads(pathlib.Path(__file__).with_name("exceptions.json").read_text())


def pytest_collection_modifyitems(items):
    for item in items:
        for entry in LISTED:
            if entry["test"] in item.nodeid:
                reason = f"{entry['reason']} ({entry['date']})"
                item.add_marker(pytest.mark.xfail(reason=reason, strict=entry.get("strict", True)))


def pytest_configure(config):
    path = os.environ.get("RUSHLIGHT_TRACE_OPS")
    if path:
        config.pluginmanager.register(_Tracer(pathlib.Path(path)))


class _Tracer:
    """Notes every record whose calls are inferred."""

    def __init__(self, path):
        from rushlight.frontend import dispatch, views

        self.path, self.reached = path, set()
        dispatch.call_of = self.noting(dispatch.call_of)
        views.infer_view = self.noting(views.infer_view)

    def noting(self, infer):
        def noted(op, *args):
            self.reached.update((op.name, *op.aliases))
            return infer(op, *args)

        return noted

    def pytest_sessionfinish(self):
        self.path.write_text("\n".join(sorted(self.reached)) + "\n")
