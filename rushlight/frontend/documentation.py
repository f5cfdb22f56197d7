"""What help() shows of an operator, made from its records when somebody reads it.

tools/reference.py writes the same facts as pages.  `page` is the entry.
"""

import inspect
import re
from collections.abc import Callable

from ..engine.base import dtypes
from ..engine.ops import REGISTRY
from ..engine.ops.schema import REQUIRED
from ..engine.record import common_dtype
from .arguments import public_name, takes_number

SPACES = {  # namespaces of the records' `variants`, as programs write them
    "function": "torch",
    "nn": "torch.nn.functional",
    "linalg": "torch.linalg",
    "fft": "torch.fft",
    "special": "torch.special",
}
_TYPES = {  # schema types that are not Python's words
    "Tensor[]": "sequence of Tensors",
    "Tensor?[]": "sequence of Tensors or None",
    "Scalar": "number",
    "int[]": "int or sequence of ints",
    "float[]": "sequence of floats",
    "Sizes": "int or sequence of ints",
    "Padding": "str, int or sequence of ints",
    "Device": "device",
    "Layout": "layout",
    "MemoryFormat": "memory_format",
}
_GROUPS = ("bool", "integers", "floating", "complex")  # by category
_PROMOTION = {
    "float": "bool and integers are computed in the default floating dtype",
    "integer": "bool is computed in int64",
}
_RESULTS = {"bool": "the result is bool", "real": "the result is real"}


class Docstring(str):
    """A docstring written on first reading.

    It is a str because help() wants one; its own characters, which only C code sees that asks for
    no method, are the record's `text`.
    """

    text: str
    _write: Callable[[], str]

    def __new__(cls, text, write):
        made = super().__new__(cls, text)
        made.text, made._write = text, write
        return made

    def _read(self):
        if "_text" not in self.__dict__:
            self._text = self._write()
        return self._text

    def __radd__(self, other):
        return other + self._read()

    def __reduce_ex__(self, protocol):
        return str, (self._read(),)


def _forward(name):
    def call(self, *args, **kwargs):
        return getattr(self._read(), name)(*args, **kwargs)

    return call


_KEPT = {"__new__", "__getattribute__", "__doc__", "maketrans"}
for _name in set(vars(str)) - _KEPT:
    setattr(Docstring, _name, _forward(_name))


# ---------------------------------------------------------------------------------- pages
def page(overloads, form="call"):
    """Signatures, text and facts of the overloads of a name, as one docstring."""
    parts = ["\n".join(heads) + f"\n\n{text}" for heads, text in by_text(overloads, form)]
    facts = [f"{title}: {text}." for title, text in facts_of(overloads).items()]
    return "\n\n".join([*parts, "\n".join(facts)])


def by_text(overloads, form="call"):
    """[(signatures, text)]: what has the same docstring belongs together."""
    names = spellings(overloads)
    name = (names[0] if names else overloads[0].name).rpartition(".")[2]
    if form == "inplace":
        name = name.removesuffix("_") + "_"
    groups: dict = {}
    for op in overloads:
        heads = groups.setdefault(text_of(op), [])
        heads += [signature(op, name, form)]
    return [(list(dict.fromkeys(heads)), text) for text, heads in groups.items()]


def text_of(op):
    """The record's docstring, with the name callers know `self` by."""
    return re.sub(r"\bself\b(?!-)", "input", inspect.cleandoc(op.__doc__ or ""))


def facts_of(overloads):
    """{title: text} of what the records say beside their docstrings."""
    found = {"Names": ", ".join(spellings(overloads))}
    accepted = list(dict.fromkeys(filter(None, map(_dtypes, overloads))))
    if accepted:
        found["Dtypes"] = "; or ".join(accepted)
    found["Gradient"] = "; ".join(dict.fromkeys(map(_gradient, overloads)))
    return found


# ----------------------------------------------------------------------------- signatures
def signature(op, name, form):
    """One overload as ``name(parameter: type = default, ...) -> result``."""
    if op.kind == "composite":
        return f"{name}({', '.join(_python_parameters(op))})"
    parts = []
    for p in op.schema.params:
        if p.kw_only and "*" not in parts:
            parts.append("*")
        parts.append(_parameter(op, p))
    if form == "flag":
        parts.append("inplace: bool = False")
    return f"{name}({', '.join(_with_out(op, parts, form))}) -> {_result(op, form)}"


def _with_out(op, parts, form):
    if form != "call" or "out" not in op.variants or any(p.startswith("out") for p in parts):
        return parts
    star = [] if any(p.startswith("*") for p in parts) else ["*"]
    return [*parts, *star, "out=None"]


def _python_parameters(op):
    parameters = inspect.signature(op.body).parameters.values()
    parts: list[str] = []
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and not any(text.startswith("*") for text in parts):
            parts.append("*")
        parts.append(str(p))
    return _with_out(op, parts, "call")


def _parameter(op, p):
    kind = p.type.removesuffix("?")
    text = f"{public_name(p)}: {_TYPES.get(kind, kind)}"
    if p.type == "Tensor" and takes_number(op, p):
        text += " or number"
    if p.type.endswith("?"):
        text += " or None"
    return text if p.default is REQUIRED else f"{text} = {p.default!r}"


def _result(op, form):
    results = op.schema.results
    if op.schema.listed:
        return "tuple of Tensors"
    if form == "inplace" or len(results) == 1:
        return "Tensor"
    return f"({', '.join(name or 'Tensor' for name in results)})"


# ---------------------------------------------------------------------------------- facts
def spellings(overloads):
    """Every public name of an operator: in namespaces, as a method, in place."""
    variants = frozenset().union(*(op.variants for op in overloads))
    names = [name for name, known in REGISTRY.items() if overloads[0] in known]
    found = []
    for name in names:
        space, _, short = name.rpartition(".")
        spaces = [space] if space else [s for s in SPACES if s in variants]
        found += [f"{SPACES[s]}.{short}" for s in spaces]
        if space and space != "nn":  # an alias has no forms of its own
            continue
        if "method" in variants:
            found.append(f"Tensor.{short}")
        if "inplace" in variants:
            places = [SPACES[s] for s in spaces] + ([] if space else ["Tensor"])
            found += [f"{place}.{short}_" for place in places]
    return found


def _dtypes(op):
    """Which operands a pointwise record takes, and what becomes of them; "" if it does not say."""
    if op.kind != "pointwise":
        return ""
    if callable(op.promote):
        return " ".join(op.promote.__doc__.split())
    told = [_taken(op), _PROMOTION.get(op.promote), _RESULTS.get(op.result)]
    return "; ".join(filter(None, told))


def _taken(op):
    taken = [d for d in dtypes.ALL if _accepts(op, d)]
    words = []
    for category, group in enumerate(_GROUPS):
        members = [d for d in dtypes.ALL if d.category == category]
        inside = [d.name for d in taken if d.category == category]
        words += [group] if len(inside) == len(members) else inside
    return "all" if len(taken) == len(dtypes.ALL) else ", ".join(words)


def _accepts(op, dtype):
    try:
        common_dtype(op, [(dtype, 1)], op.promote)
    except (RuntimeError, TypeError):  # NotImplementedError is a RuntimeError
        return False
    return True


def _gradient(op):
    if op.kind == "composite":
        return "of the operators it is made of"
    if not op.differentiable:
        return "none"
    return "not implemented, as in PyTorch" if hasattr(op.vjp, "refuses") else "yes"
