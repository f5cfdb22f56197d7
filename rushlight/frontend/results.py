"""Named results: ``torch.return_types.max(values=..., indices=...)``."""

import sys
import types
from collections import namedtuple

return_types = types.ModuleType(
    "torch.return_types", "Result types of operators with several outputs."
)
_types: dict = {}


def return_type(name, fields):
    """The result class of an operator, made once."""
    key = (name, fields)
    if key not in _types:
        cls = namedtuple(name, fields)
        cls.__module__ = "torch.return_types"
        cls.__repr__ = _show
        _types[key] = cls
        setattr(return_types, name, cls)
    return _types[key]


def _show(self):
    fields = ",\n".join(f"{k}={v!r}" for k, v in zip(self._fields, self, strict=True))
    return f"torch.return_types.{type(self).__name__}(\n{fields})"


def pack(call, outs):
    """Several results as PyTorch returns them: a named type, a tuple, or a list."""
    if call.listed:
        return tuple(outs)
    if call.op is not None and all(call.results):
        return return_type(call.op.name, tuple(call.results))(*outs)
    return tuple(outs)


sys.modules.setdefault("rushlight.return_types", return_types)
