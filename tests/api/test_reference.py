"""What help() and docs/reference say of operators: complete, current, true where it can run."""

import doctest
import pathlib
import pydoc
import runpy

import pytest

import rushlight as torch
from rushlight.engine.ops import REGISTRY
from rushlight.frontend.documentation import Docstring, spellings

TOOL = runpy.run_path(str(pathlib.Path(__file__).parents[2] / "tools" / "reference.py"))
OPERATORS = dict(TOOL["operators"]())
EXAMPLES = {
    op.full_name: op.__doc__
    for overloads in OPERATORS.values()
    for op in overloads
    if ">>>" in (op.__doc__ or "")
}


def test_pages_are_current():
    rendered, pages = TOOL["render"](), TOOL["PAGES"]
    found = {path.name: path.read_text() for path in pages.iterdir()}
    stale = sorted(path for path in {*rendered, *found} if rendered.get(path) != found.get(path))
    assert not stale, f"run `python tools/reference.py`: {stale}"


def look_up(spelled):
    """The object of a name such as torch.nn.functional.relu or Tensor.relu."""
    found = torch
    for part in spelled.removeprefix("torch.").split("."):
        found = getattr(found, part)
    return found


def test_every_spelling_exists():
    missing = []
    for overloads in REGISTRY.values():
        for spelled in spellings(overloads):
            try:
                assert callable(look_up(spelled))
            except (AttributeError, AssertionError):
                missing.append(spelled)
    assert not missing


def test_every_operator_says_what_it_does():
    short = [
        op.full_name
        for overloads in OPERATORS.values()
        for op in overloads
        if len((op.__doc__ or "").split("\n\n")[0].split()) < 3 and "``" not in (op.__doc__ or "")
    ]
    assert not short, "a record's docstring says what is computed, for which operands"


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name):
    test = doctest.DocTestParser().get_doctest(EXAMPLES[name], {"torch": torch}, name, None, None)
    report = []
    assert doctest.DocTestRunner().run(test, out=report.append).failed == 0, "".join(report)


def test_help_shows_the_record():
    shown = pydoc.plain(pydoc.render_doc(torch.softmax))
    for text in (
        "softmax(input: Tensor, dim: int, dtype: dtype or None = None, *, out=None) -> Tensor",
        "Exponentials divided by their sum along `dim`",
        "Names: torch.softmax, Tensor.softmax, torch.special.softmax.",
        "Gradient: yes.",
    ):
        assert text in shown
    assert "Dtypes: bool, integers, floating; bool and integers are" in torch.atan2.__doc__
    assert "torch.relu_, Tensor.relu_" in torch.Tensor.relu_.__doc__
    assert "inplace: bool = False" in torch.nn.functional.relu.__doc__


def test_a_docstring_is_written_when_it_is_read():
    written = []
    text = Docstring("short", lambda: written.append(1) or "the long text")
    assert not written
    assert (str(text), len(text), text[4:8], text + "!") == (
        "the long text",
        13,
        "long",
        "the long text!",
    )
    assert "long" in text and "> " + text == "> the long text" and text == "the long text"
    assert written == [1]
