"""How tensors are written as text, character for character as PyTorch 2.13 writes them.

`format_tensor` and `format_sparse_tensor` turn NumPy values and metadata into a string and know
nothing of the Tensor class; `tensor_str` reads both from a tensor.

Summarised tensors are cut to their edges before any number is converted, so printing a large
tensor reads only the elements that appear.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..engine.base.promote import get_default_dtype


@dataclasses.dataclass
class PrintOptions:
    """The settings that `set_printoptions` changes."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PRINT_OPTS = PrintOptions()

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None
):
    """Set how tensors are printed; None keeps an option, except `sci_mode`.

    Args:
        precision: digits after the point of floating numbers, at least 0 (at first 4).
        threshold: tensors with more elements than this are summarised (at first 1000).
        edgeitems: elements shown at each end of a summarised dimension (at first 3).
        linewidth: characters per line, after which a line of numbers breaks (at first 80).
        profile: "default", "short" or "full", a set of values for the four above; those that are
            also given by name win. Other names change nothing.
        sci_mode: True or False forces scientific notation on or off; None, set by every call that
            does not say otherwise, chooses by the range of the values.

    >>> import rushlight as torch
    >>> torch.set_printoptions(precision=2)
    >>> torch.tensor([1.12345])
    tensor([1.12])
    >>> torch.set_printoptions(profile="default")
    """
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    changes = dict(_PROFILES.get(profile, {})) if profile is not None else {}
    changes.update((name, value) for name, value in given.items() if value is not None)
    for name, value in changes.items():
        setattr(PRINT_OPTS, name, value)
    PRINT_OPTS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """Return the current options as a dict that `set_printoptions` takes as keywords."""
    return dataclasses.asdict(PRINT_OPTS)


@contextmanager
def printoptions(**kwargs) -> Iterator[None]:
    """Set print options as `set_printoptions` does and restore the old ones at the end."""
    previous = get_printoptions()
    set_printoptions(**kwargs)
    try:
        yield
    finally:
        set_printoptions(**previous)


# --- one number ------------------------------------------------------------------------------


@dataclasses.dataclass
class _Style:
    """How the numbers of one tensor are written: a width they share and a function."""

    width: int
    write: Callable[[Any], str]

    def __call__(self, value: Any) -> str:
        return self.write(value).rjust(self.width)


def _style_of(values: np.ndarray) -> _Style:
    """Choose the style for all `values`, which are float64, integer or bool."""
    if values.dtype.kind == "f":
        return _float_style(values.ravel())
    return _Style(max((len(str(v)) for v in values.ravel().tolist()), default=1), str)


def _float_style(values: np.ndarray) -> _Style:
    # Zeros and non-finite values have no say in the width, as in PyTorch: they may stick out.
    counted = values[np.isfinite(values) & (values != 0)]
    if not counted.size:
        return _Style(1, _write_integral)
    precision = PRINT_OPTS.precision
    write: Callable[[float], str]
    if _wants_scientific(np.abs(counted)):
        write = f"{{:.{precision}e}}".format
    elif (counted == np.ceil(counted)).all():
        write = _write_integral
    else:
        write = f"{{:.{precision}f}}".format
    return _Style(max(map(len, map(write, counted.tolist()))), write)


def _wants_scientific(magnitudes: np.ndarray) -> bool:
    if PRINT_OPTS.sci_mode is not None:
        return PRINT_OPTS.sci_mode
    low, high = float(magnitudes.min()), float(magnitudes.max())
    return high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4


def _write_integral(value: float) -> str:
    return f"{value:.0f}." if math.isfinite(value) else str(value)


# --- many numbers ----------------------------------------------------------------------------


class _Block:
    """The elements of one tensor that are shown, and how: writes the nested brackets."""

    def __init__(self, values: np.ndarray):
        summarize = values.size > PRINT_OPTS.threshold
        edge = PRINT_OPTS.edgeitems
        self.cut = [summarize and size > 2 * edge for size in values.shape]
        if any(self.cut):
            kept = [
                [*range(edge), *range(size - edge, size)] if cut else range(size)
                for size, cut in zip(values.shape, self.cut, strict=True)
            ]
            values = values[np.ix_(*kept)]
        self.values = _widen(values)
        if self.values.dtype.kind == "c":
            real, imag = _style_of(self.values.real), _style_of(self.values.imag)
            self.write = lambda value: _write_complex(value, real, imag)
            self.item_width = real.width + imag.width + 3
        else:
            self.write = style = _style_of(self.values)
            self.item_width = style.width + 2

    def text(self, indent: int) -> str:
        return self._rows(self.values, 0, indent)

    def _rows(self, values: np.ndarray, axis: int, indent: int) -> str:
        if values.ndim == 0:
            return self.write(values.item())
        if self.cut[axis] and not PRINT_OPTS.edgeitems:
            return "[...]"
        if values.ndim == 1:
            return self._line(values.tolist(), axis, indent)
        rows = [self._rows(row, axis + 1, indent + 1) for row in values]
        if self.cut[axis]:
            rows.insert(PRINT_OPTS.edgeitems, "...")
        newlines = "\n" * (values.ndim - 1)
        return "[" + f",{newlines}{' ' * (indent + 1)}".join(rows) + "]"

    def _line(self, items: list, axis: int, indent: int) -> str:
        texts = [self.write(item) for item in items]
        if self.cut[axis]:
            texts.insert(PRINT_OPTS.edgeitems, " ...")
        # Floor of a true division: a line narrower than its indent still shows one number.
        per_line = max(1, math.floor((PRINT_OPTS.linewidth - indent) / self.item_width))
        lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
        return "[" + f",\n{' ' * (indent + 1)}".join(lines) + "]"


_COMPLEX_KINDS = "cW"  # NumPy's, and that of ml_dtypes' complex32


def _widen(values: np.ndarray) -> np.ndarray:
    """Convert floats of any width, ml_dtypes' included, to float64, and complex to complex128."""
    if values.dtype.kind in "biu":
        return values
    return values.astype(np.complex128 if values.dtype.kind in _COMPLEX_KINDS else np.float64)


def _write_complex(value: complex, real: _Style, imag: _Style) -> str:
    imag_text = (imag(value.imag) + "j").lstrip()
    sign = "" if imag_text[0] in "+-" else "+"
    return real(value.real) + sign + imag_text


def _contents(values: np.ndarray | None, indent: int) -> str:
    """Write what stands between the parentheses; None is a tensor without values (meta)."""
    if values is None:
        return "..."
    return _Block(values).text(indent) if values.size else "[]"


# --- the whole tensor ------------------------------------------------------------------------


def format_tensor(
    values: np.ndarray | None,
    *,
    shape: Sequence[int],
    dtype_name: str,
    requires_grad: bool = False,
    grad_name: str | None = None,
    device: str = "cpu",
    default_dtype_name: str = "float32",
    layout: str = "torch.strided",
    prefix: str = "tensor",
    tensor_contents: str | None = None,
) -> str:
    """Write a dense tensor as PyTorch's ``repr`` does.

    Args:
        values: the tensor's values, any strides; bfloat16 and float8 as ml_dtypes. None where
            there are none to show: on the meta device, or with `tensor_contents`.
        shape: the tensor's sizes.
        dtype_name: "float32", "bool", ...; shown where it cannot be read off the values.
        requires_grad: shown unless `grad_name` is given.
        grad_name: name of the node that made the tensor ("AddmmBackward0"), or None.
        device: shown unless it is the CPU.
        default_dtype_name: the dtype of ``torch.get_default_dtype()``.
        layout: shown unless "torch.strided".
        prefix: "tensor", or the class name of a subclass.
        tensor_contents: text that replaces the values.

    >>> format_tensor(np.float32([1, 2.5]), shape=(2,), dtype_name="float32", requires_grad=True)
    'tensor([1.0000, 2.5000], requires_grad=True)'
    """
    size = f"size={tuple(shape)}"
    dtype = f"dtype=torch.{dtype_name}"
    suffixes = _device_suffix(device)
    if device.partition(":")[0] == "meta":
        suffixes += [size] + [dtype] * (dtype_name != default_dtype_name)
    elif math.prod(shape) == 0:
        # An empty tensor has no elements to read an integer dtype off, so that is shown too.
        suffixes += [size] * (len(shape) != 1) + [dtype] * (dtype_name != default_dtype_name)
    else:
        suffixes += [size] * (not PRINT_OPTS.edgeitems)
        suffixes += [dtype] * _is_unusual(dtype_name, default_dtype_name)
    suffixes += [f"layout={layout}"] * (layout != "torch.strided")
    suffixes += _grad_suffix(requires_grad, grad_name)
    indent = len(prefix) + 1
    if tensor_contents is None:
        tensor_contents = _contents(values, indent)
    return _with_suffixes(f"{prefix}({tensor_contents}", suffixes, indent)


def format_sparse_tensor(
    parts: Sequence[tuple[str, np.ndarray | None, Sequence[int]]],
    *,
    shape: Sequence[int],
    nnz: int,
    dtype_name: str,
    layout: str,
    requires_grad: bool = False,
    grad_name: str | None = None,
    device: str = "cpu",
    default_dtype_name: str = "float32",
    prefix: str = "tensor",
    tensor_contents: str | None = None,
) -> str:
    """Write a sparse tensor as PyTorch's ``repr`` does.

    Args:
        parts: (name, values or None, shape) of each tensor it is made of, in the order shown:
            "indices", "values", or "crow_indices", "col_indices", "values" and the like.
        nnz: number of stored elements; not shown on the meta device.
        layout: "torch.sparse_coo", "torch.sparse_csr", ...
        shape, dtype_name, requires_grad, grad_name, device, default_dtype_name, prefix,
            tensor_contents: as in `format_tensor`.
    """
    suffixes = [*_device_suffix(device), f"size={tuple(shape)}"]
    suffixes += [f"nnz={nnz}"] * (device.partition(":")[0] != "meta")
    suffixes += [f"dtype=torch.{dtype_name}"] * _is_unusual(dtype_name, default_dtype_name)
    suffixes += [f"layout={layout}", *_grad_suffix(requires_grad, grad_name)]
    indent = len(prefix) + 1
    if tensor_contents is None:
        texts = [_sparse_part(*part, indent=indent) for part in parts]
        tensor_contents = f",\n{' ' * indent}".join(texts)
    newline = layout == "torch.sparse_coo"
    return _with_suffixes(f"{prefix}({tensor_contents}", suffixes, indent, newline=newline)


def _sparse_part(name: str, values: np.ndarray | None, shape: Sequence[int], indent: int) -> str:
    head = f"{name}=tensor("
    text = head + _contents(values, indent + len(head))
    if values is None or not values.size:
        text += f", size={tuple(shape)}"
    return text + ")"


def _device_suffix(device: str) -> list[str]:
    return [f"device='{device}'"] if device.partition(":")[0] != "cpu" else []


def _grad_suffix(requires_grad: bool, grad_name: str | None) -> list[str]:
    if grad_name is not None:
        return [f"grad_fn=<{grad_name}>"]
    return ["requires_grad=True"] if requires_grad else []


def _is_unusual(dtype_name: str, default_dtype_name: str) -> bool:
    default_complex = "complex128" if default_dtype_name == "float64" else "complex64"
    return dtype_name not in (default_dtype_name, default_complex, "int64", "bool")


def _with_suffixes(text: str, suffixes: list[str], indent: int, newline: bool = False) -> str:
    """Append the suffixes, each on the last line if it fits there, and close the parenthesis."""
    parts = [text]
    # One more than the line's length: PyTorch counts so, and breaks lines by it.
    last = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if newline or last + len(suffix) + 2 > PRINT_OPTS.linewidth:
            parts.append(f",\n{' ' * indent}{suffix}")
            last = indent + len(suffix)
            newline = False
        else:
            parts.append(f", {suffix}")
            last += len(suffix) + 2
    return "".join(parts) + ")"


# --- from a tensor ---------------------------------------------------------------------------

# The methods that return the two index tensors of a compressed sparse layout.
COMPRESSED_INDICES = {
    "torch.sparse_csr": ("crow_indices", "col_indices"),
    "torch.sparse_csc": ("ccol_indices", "row_indices"),
    "torch.sparse_bsr": ("crow_indices", "col_indices"),
    "torch.sparse_bsc": ("ccol_indices", "row_indices"),
}


def tensor_str(t, *, tensor_contents: str | None = None) -> str:
    """Write the tensor `t`, its class name, gradient and device as PyTorch's ``repr`` does.

    Args:
        t: a tensor; dense ones on a device with values are read through their storage.
        tensor_contents: text that replaces the values.
    """
    device = str(t.device)
    common: dict[str, Any] = {
        "shape": tuple(t.shape),
        "dtype_name": t.dtype.name,
        "requires_grad": t.requires_grad,
        "grad_name": _grad_name(t),
        "device": device,
        "default_dtype_name": get_default_dtype().name,
        "layout": str(t.layout),
        "prefix": _prefix_of(type(t)),
        "tensor_contents": tensor_contents,
    }
    hidden = tensor_contents is not None or device.partition(":")[0] == "meta"
    if common["layout"] != "torch.strided":
        parts = _sparse_parts(t.detach(), common["layout"], hidden)
        return format_sparse_tensor(parts, nnz=t._nnz(), **common)
    return format_tensor(None if hidden else tensor_values(t.detach()), **common)


def tensor_values(t) -> np.ndarray:
    """View a dense tensor's storage as a NumPy array of its shape, strides and dtype.

    Unlike ``t.numpy()`` this takes any dtype; whoever writes to the array writes to the tensor (on
    another device: to a copy of it).
    """
    t = t.resolve_conj().resolve_neg()
    t = t if t.device.type in ("cpu", "meta") else t.cpu()
    dtype = np.dtype(t.dtype.np)
    if math.prod(t.shape) == 0:
        return np.empty(tuple(t.shape), dtype)
    return np.ndarray(
        tuple(t.shape),
        dtype,
        buffer=t.untyped_storage()._numpy_bytes(),
        offset=t.storage_offset() * dtype.itemsize,
        strides=tuple(stride * dtype.itemsize for stride in t.stride()),
    )


def _sparse_parts(t, layout: str, hidden: bool) -> list[tuple[str, np.ndarray | None, tuple]]:
    if layout == "torch.sparse_coo":
        parts = {"indices": t._indices(), "values": t._values()}
    else:
        parts = {name: getattr(t, name)() for name in (*COMPRESSED_INDICES[layout], "values")}
    return [
        (name, None if hidden else tensor_values(part), tuple(part.shape))
        for name, part in parts.items()
    ]


def _prefix_of(cls: type) -> str:
    root = __name__.partition(".")[0]
    ours = cls.__module__.partition(".")[0] == root and cls.__name__ in ("Tensor", "Parameter")
    return "tensor" if ours else cls.__name__


def _grad_name(t) -> str | None:
    try:
        grad_fn = t.grad_fn
    except RuntimeError:
        # A view made without gradients and then written in place has a history that is an error.
        return "Invalid"
    return None if grad_fn is None else grad_fn.name().rpartition("::")[2]
