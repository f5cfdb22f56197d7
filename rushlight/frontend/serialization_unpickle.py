"""Unpicklers of checkpoints: one for files that are trusted, one for those that are not.

`WeightsUnpickler` runs a pickle that nobody vouches for. It knows only the opcodes that build data,
looks names up in a table instead of importing them, and calls nothing else.
"""

import _compat_pickle
import functools
import pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import IO, Any

from .. import frontend as rl
from . import serialization_rebuild as rebuild
from .serialization_pickle import (
    SPECIAL,
    find_storage_type,
    is_torch,
    resolve,
    storage_type,
    torch_name,
)
from .serialization_rebuild import STORAGE_DTYPES

# --- unpickling what is trusted --------------------------------------------------------------

PersistentLoad = Callable[[Any], Any]


def make_unpickler(pickle_module, file: IO[bytes], persistent_load: PersistentLoad, **kwargs):
    """An unpickler of `pickle_module` that finds PyTorch's names here and runs anything it is told.

    With `WeightsUnpickler` for `pickle_module`, one that does not.
    """
    if pickle_module is WeightsUnpickler:
        return WeightsUnpickler(file, persistent_load, **kwargs)

    class TorchUnpickler(pickle_module.Unpickler):
        def persistent_load(self, saved_id):
            return persistent_load(saved_id)

        def find_class(self, module, name):
            kind = find_storage_type(module, name)
            if kind is not None:
                return kind
            return resolve(module, name) if is_torch(module) else super().find_class(module, name)

    return TorchUnpickler(file, **kwargs)


def load_one(pickle_module, file: IO[bytes], **kwargs) -> Any:
    """Unpickle one object that holds no storages."""
    if pickle_module is WeightsUnpickler:
        return WeightsUnpickler(file, **kwargs).load()
    return pickle_module.load(file, **kwargs)


# --- unpickling what is not ------------------------------------------------------------------

# Modules whose contents are refused even if a program has marked them as safe.
_BLOCKED_MODULES = ("sys", "os", "posix", "nt")

_safe_globals: set[Any] = set()


def add_safe_globals(safe_globals: Sequence[Any]) -> None:
    """Let ``torch.load(weights_only=True)`` use these classes and functions.

    Args:
        safe_globals: classes and functions, or pairs (class or function, "module.name") for one
            that the checkpoint knows by another name.
    """
    _safe_globals.update(safe_globals)


def get_safe_globals() -> list:
    """The classes and functions added by `add_safe_globals`, in no order."""
    return list(_safe_globals)


def clear_safe_globals() -> None:
    """Forget everything that `add_safe_globals` added."""
    _safe_globals.clear()


class safe_globals:  # noqa: N801 (PyTorch's name)
    """Context manager: `add_safe_globals` for the time of a block.

    >>> import rushlight as torch
    >>> with torch.serialization.safe_globals([complex]):
    ...     torch.serialization.get_safe_globals()
    [<class 'complex'>]
    """

    def __init__(self, safe_globals: Sequence[Any]):
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        add_safe_globals(self.safe_globals)

    def __exit__(self, *exc_info) -> None:
        _safe_globals.difference_update(self.safe_globals)


def user_globals() -> dict[str, Any]:
    """What `add_safe_globals` added, by the names a checkpoint may use for it."""
    table: dict[str, Any] = {}
    for entry in _safe_globals:
        if not isinstance(entry, tuple):
            table[f"{entry.__module__}.{entry.__qualname__}"] = entry
            name = torch_name(entry, entry.__qualname__)
            if name is not None:
                table[".".join(name)] = entry
            continue
        if len(entry) != 2:
            raise ValueError(
                "Expected tuple of length 2 (global, str of callable full path), but got tuple of "
                f"length: {len(entry)}"
            )
        if type(entry[1]) is not str:
            raise TypeError(
                "Expected second item in tuple to be str of callable full path, but got: "
                f"{type(entry[1])}"
            )
        table[entry[1]] = entry[0]
    return table


def _encode(text: str, encoding: str) -> bytes:
    # How protocol 2 writes bytes. Other codecs, and bytes(n), could make much out of little.
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"_codecs.encode with encoding {encoding!r} is not allowed")
    return text.encode("latin1")


def _bytes() -> bytes:
    return b""


def _bytearray(data: bytes | str = b"", encoding: str = "latin1") -> bytearray:
    return bytearray(_encode(data, encoding) if isinstance(data, str) else memoryview(data))


_DTYPE_NAMES = (
    *STORAGE_DTYPES.values(),
    "complex32",
    *"uint16 uint32 uint64 float8_e5m2 float8_e4m3fn float8_e5m2fnuz float8_e4m3fnuz "
    "float8_e8m0fnu".split(),
)


# Also allowed, but looked up when a checkpoint names them, since they are in rooms above this one.
_ALLOWED_ABOVE = {
    "torch.nn.parameter.Parameter": ("torch.nn.parameter", "Parameter"),
    "torch._utils._rebuild_parameter": ("torch._utils", "_rebuild_parameter"),
    "torch._utils._rebuild_parameter_with_state": (
        "torch._utils",
        "_rebuild_parameter_with_state",
    ),
}


def allowed_names() -> set[str]:
    """The names of everything that a checkpoint may use with ``weights_only=True``."""
    return {*_allowed_globals(), *_ALLOWED_ABOVE, *user_globals()}


@functools.cache
def _allowed_globals() -> dict[str, Any]:
    dtypes = [getattr(rl, name) for name in _DTYPE_NAMES if hasattr(rl, name)]
    kinds = [storage_type(name) for name in STORAGE_DTYPES]
    table: dict[str, Any] = {
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
        "_codecs.encode": _encode,
        "builtins.bytes": _bytes,
        "builtins.bytearray": _bytearray,
        "builtins.set": set,
        "builtins.complex": complex,
        "torch.Size": rl.Size,
        "torch.Tensor": rl.Tensor,
        "torch.device": rl.device,
        "torch.storage.UntypedStorage": storage_type("UntypedStorage"),
    }
    table.update((str(dtype), dtype) for dtype in dtypes)
    table.update((f"torch.{kind.name}", kind) for kind in kinds)
    table.update((f"torch.cuda.{kind.name}", kind) for kind in kinds)
    table.update((".".join(name), value) for name, value in SPECIAL.items())
    # This one unpickles what it is given, without restrictions.
    del table["torch.storage._load_from_bytes"], table["torch.storage.TypedStorage"]
    return table


class _SafeOpcodes(dict):
    def __missing__(self, opcode: int):
        raise pickle.UnpicklingError(f"Unsupported operand {opcode}")


_SAFE_OPCODES = (
    "PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG "
    "LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 "
    "UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 TUPLE EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 LIST "
    "EMPTY_LIST DICT EMPTY_DICT EMPTY_SET FROZENSET GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT "
    "MEMOIZE GLOBAL STACK_GLOBAL"
).split()


class WeightsUnpickler(pickle._Unpickler):
    """Unpickles tensors, containers and plain values, and refuses everything else.

    Args:
        file: where to read from.
        persistent_load: turns the id of a storage into the storage.
        encoding: how to decode the byte strings of Python 2.

    Raises: pickle.UnpicklingError at the first thing that is not allowed.
    """

    dispatch = _SafeOpcodes(
        (getattr(pickle, name)[0], pickle._Unpickler.dispatch[getattr(pickle, name)[0]])
        for name in _SAFE_OPCODES
    )

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file, persistent_load: PersistentLoad | None = None, **kwargs):
        super().__init__(file, **kwargs)
        self._storage = persistent_load
        self._added = user_globals()
        self._named: set[int] = set()  # identities of the allowed things that the pickle has named

    def load(self) -> Any:
        try:
            return super().load()
        except (IndexError, KeyError, UnicodeDecodeError, struct.error) as error:
            raise pickle.UnpicklingError(
                f"the pickle is corrupted ({type(error).__name__}: {error})"
            ) from error

    def find_class(self, module: str, name: str) -> Any:
        module, name = _modern_name(module, name)
        path = f"{module}.{name}"
        if module in _BLOCKED_MODULES:
            raise pickle.UnpicklingError(
                f"Trying to load unsupported GLOBAL {path} whose module {module} is blocked."
            )
        value = self._lookup(path)
        self._named.add(id(value))
        return value

    def _lookup(self, path: str) -> Any:
        if path in _allowed_globals():
            return _allowed_globals()[path]
        if path in self._added:
            return self._added[path]
        if path in _ALLOWED_ABOVE:
            return resolve(*_ALLOWED_ABOVE[path])
        path = path.removeprefix("builtins.")
        raise pickle.UnpicklingError(
            f"Unsupported global: GLOBAL {path} was not an allowed global by default. Please use "
            f"`torch.serialization.add_safe_globals([{path}])` or the "
            f"`torch.serialization.safe_globals([{path}])` context manager to allowlist this "
            "global if you trust this class/function."
        )

    def _load_reduce(self) -> None:
        args = self.stack.pop()
        function = self.stack[-1]
        if id(function) not in self._named:
            raise pickle.UnpicklingError(
                f"Trying to call reduce for unrecognized function {function}"
            )
        self.stack[-1] = function(*args)

    def _load_newobj(self) -> None:
        args = self.stack.pop()
        cls = self.stack.pop()
        if id(cls) not in self._named or not isinstance(cls, type):
            raise pickle.UnpicklingError(
                "Can only create new object for nn.Parameter or classes allowlisted via "
                f"`add_safe_globals` but got {cls}"
            )
        self.append(cls.__new__(cls, *args))

    def _load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        # Not every allowed type: a device, say, is shared by all who use it.
        if type(target) not in (OrderedDict, *self._added.values()):
            raise pickle.UnpicklingError(
                "Can only build OrderedDict or types allowlisted via `add_safe_globals`, but got "
                f"{type(target)}"
            )
        if type(target) is OrderedDict:
            target.__dict__.update(state)
        elif hasattr(target, "__setstate__"):
            target.__setstate__(state)
        else:
            rebuild._set_obj_state(target, state)

    def _load_append(self) -> None:
        item = self.stack.pop()
        self._expect((list,), "append to lists").append(item)

    def _load_appends(self) -> None:
        items = self.pop_mark()
        self._expect((list,), "extend lists").extend(items)

    def _load_additems(self) -> None:
        items = self.pop_mark()
        self._expect((set,), "add to sets").update(items)

    def _load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._expect(_DICTS, f"SETITEM for {_DICT_NAMES}")[key] = value

    def _load_setitems(self) -> None:
        items = self.pop_mark()
        target = self._expect(_DICTS, f"SETITEMS for {_DICT_NAMES}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key] = value

    def _expect(self, types: tuple, action: str) -> Any:
        target = self.stack[-1]
        if type(target) not in types:
            raise pickle.UnpicklingError(f"Can only {action}, but got {type(target)}")
        return target

    def _load_binpersid(self) -> None:
        pid = self.stack.pop()
        if type(pid) is not tuple or not pid or maybe_ascii(pid[0]) != "storage":
            raise pickle.UnpicklingError(
                f"Only persistent_load of storage is allowed, but got {type(pid)}"
            )
        if self._storage is None:
            raise pickle.UnpicklingError("unsupported persistent id encountered")
        self.append(self._storage(pid))

    dispatch.update(
        {
            pickle.REDUCE[0]: _load_reduce,
            pickle.NEWOBJ[0]: _load_newobj,
            pickle.BUILD[0]: _load_build,
            pickle.APPEND[0]: _load_append,
            pickle.APPENDS[0]: _load_appends,
            pickle.ADDITEMS[0]: _load_additems,
            pickle.SETITEM[0]: _load_setitem,
            pickle.SETITEMS[0]: _load_setitems,
            pickle.BINPERSID[0]: _load_binpersid,
        }
    )


_DICTS = (dict, OrderedDict, Counter)
_DICT_NAMES = "dict, collections.OrderedDict, collections.Counter"


def maybe_ascii(text: bytes | str) -> str:
    """PyTorch's own strings, which come as bytes where ``encoding="bytes"`` reads Python 2."""
    return text.decode("ascii") if isinstance(text, bytes) else text


def _modern_name(module: str, name: str) -> tuple[str, str]:
    """The name in Python 3 of what a protocol 2 pickle may call by its name in Python 2."""
    module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def globals_in_pickle(data: bytes) -> set[str]:
    """The names of all classes and functions that a pickle mentions, without running it."""
    import pickletools

    found: set[str] = set()
    strings: list[str] = []
    memo: dict[int, str] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            found.add(".".join(_modern_name(*argument.split(" ", 1))))
        elif opcode.name == "STACK_GLOBAL":
            found.add(".".join(_modern_name(*strings[-2:])))
        elif "UNICODE" in opcode.name:
            strings.append(argument)
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = strings[-1] if strings else ""
        elif opcode.name in ("BINGET", "LONG_BINGET") and argument in memo:
            strings.append(memo[argument])
    return found
