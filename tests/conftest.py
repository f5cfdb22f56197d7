"""Expected failures: every one is listed in tests/exceptions.json with its reason and date."""

import json
import pathlib

import pytest

LISTED = json.loads(pathlib.Path(__file__).with_name("exceptions.json").read_text())


def pytest_collection_modifyitems(items):
    for item in items:
        for entry in LISTED:
            if entry["test"] in item.nodeid:
                reason = f"{entry['reason']} ({entry['date']})"
                item.add_marker(pytest.mark.xfail(reason=reason, strict=entry.get("strict", True)))
