"""The examples in the docstrings of the package run."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

from rushlight import optim


def documented():
    """{name: class or function with an example} over all modules of the package."""
    found = {}
    for info in pkgutil.walk_packages(optim.__path__, "rushlight.optim."):
        for value in vars(importlib.import_module(info.name)).values():
            own = (getattr(value, "__module__", None) or "").startswith("rushlight.optim")
            if own and callable(value) and ">>>" in (inspect.getdoc(value) or ""):
                found[value.__qualname__] = value
    return found


@pytest.mark.parametrize("name", sorted(documented()))
def test_example(name):
    text = inspect.getdoc(documented()[name])
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    report = []
    results = doctest.DocTestRunner().run(test, out=report.append)
    assert results.failed == 0, "".join(report)
