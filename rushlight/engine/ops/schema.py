"""PyTorch's schema language: ``add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) ->
Tensor``.

Parsed on an operator's first use, so that import pays nothing.
"""

import re
from typing import Any, NamedTuple

REQUIRED = object()


class Param(NamedTuple):
    name: str
    type: str  # Tensor, Tensor?, Tensor[], Scalar, int, int[], float, bool, str, dtype, ...
    default: Any
    kw_only: bool


class Schema(NamedTuple):
    name: str
    overload: str
    params: tuple
    results: tuple  # names, "" where unnamed
    listed: bool  # -> Tensor[]


_PARAM = re.compile(
    r"^(?P<type>[A-Za-z]+)(\([a-z]!?\))?(?P<suffix>(\[\d*\])?\??(\[\d*\])?\??) "
    r"(?P<name>\w+)(=(?P<default>.*))?$"
)
_TYPES = {"SymInt": "int", "ScalarType": "dtype", "Dimname": "str"}


def split_name(schema):
    """(name, overload) without parsing the rest."""
    full = schema[: schema.index("(")]
    name, _, overload = full.partition(".")
    return name, overload


def parse(schema):
    """The Schema of a declaration; ValueError shows what could not be read."""
    head, _, tail = schema.partition(" -> ")
    name, overload = split_name(head)
    body = head[head.index("(") + 1 : head.rindex(")")]
    params, kw_only = [], False
    for text in _split(body):
        if text == "*":
            kw_only = True
        else:
            params.append(_param(text, kw_only))
    tail = tail.strip()
    listed = tail.startswith("Tensor") and "[]" in tail
    if tail.startswith("("):
        results = tuple((part.split() + [""])[1] for part in _split(tail[1:-1]))
    else:
        results = ("",)
    return Schema(name, overload, tuple(params), results, listed)


def _split(text):
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return parts + [last] if last else parts


def _param(text, kw_only):
    m = _PARAM.match(text)
    if m is None:
        raise ValueError(f"cannot read the parameter {text!r}")
    base = _TYPES.get(m["type"], m["type"])
    suffix = re.sub(r"\d", "", m["suffix"])
    default = REQUIRED if m["default"] is None else _default(m["default"])
    return Param(m["name"], base + suffix, default, kw_only)


_WORDS = {"None": None, "True": True, "False": False, "Mean": 1, "contiguous_format": None}


def _default(text):
    if text in _WORDS:
        return _WORDS[text]
    if text.startswith("["):
        return tuple(int(v) for v in text[1:-1].split(",") if v.strip())
    if text[0] in "\"'":
        return text[1:-1]
    try:
        return int(text)
    except ValueError:
        return float(text)
