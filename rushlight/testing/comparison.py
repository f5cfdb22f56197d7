"""`assert_close`: pairs of values, their kinds compared one after the other.

A comparison first lines up both sides, down through sequences and mappings, into pairs of leaves;
then the first pair that differs raises.  `_KINDS` lists what a leaf may be, in the order of trial.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import frontend as rl

_TOLERANCES = {  # dtype: (rtol, atol)
    rl.float16: (1e-3, 1e-5),
    rl.bfloat16: (1.6e-2, 1e-5),
    rl.float32: (1.3e-6, 1e-5),
    rl.float64: (1e-7, 1e-7),
    rl.complex64: (1.3e-6, 1e-5),
    rl.complex128: (1e-7, 1e-7),
}
_NUMBERS = {bool: rl.bool, int: rl.int64, float: rl.float64, complex: rl.complex128}


@dataclass
class _Options:
    allow_subclasses: bool
    rtol: Any
    atol: Any
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_layout: bool
    check_stride: bool

    def tolerances(self, *dtypes):
        """(rtol, atol): as given, or the widest of the dtypes' defaults."""
        if self.rtol is not None:
            return self.rtol, self.atol
        known = [_TOLERANCES.get(d, (0.0, 0.0)) for d in dtypes]
        return max(r for r, _ in known), max(a for _, a in known)


def assert_close(
    actual,
    expected,
    *,
    allow_subclasses=True,
    rtol=None,
    atol=None,
    equal_nan=False,
    check_device=True,
    check_dtype=True,
    check_layout=True,
    check_stride=False,
    msg=None,
):
    """Raise AssertionError unless ``|actual - expected| <= atol + rtol * |expected|`` everywhere.

    Args:
        actual: a tensor or something `as_tensor` takes, a number, a bool, None, or a sequence or
            mapping of them.
        expected: the same kind of thing.
        allow_subclasses: if False, both types must be the same.
        rtol: relative tolerance, at least 0; given together with `atol`, by default from the dtype
            (float32: 1.3e-6 and 1e-5; float64: 1e-7 both; integers and bool: 0).
        atol: absolute tolerance.
        equal_nan: two NaNs are close.
        check_device: devices must agree.
        check_dtype: dtypes (of numbers: types) must agree; otherwise values are promoted.
        check_layout: layouts must agree.
        check_stride: strides must agree.
        msg: the error message, or a function of the one that would be raised.

    Raises: AssertionError where they differ; TypeError for things that cannot be compared;
        ValueError if only one tolerance is given.

    >>> import rushlight as torch
    >>> from rushlight.testing import assert_close
    >>> assert_close(torch.ones(2) / 3, torch.full((2,), 0.33333333))
    """
    if (rtol is None) is not (atol is None):
        raise ValueError(
            "Both 'rtol' and 'atol' must be either specified or omitted, but got no "
            f"{'rtol' if rtol is None else 'atol'}."
        )
    options = _Options(
        allow_subclasses,
        rtol,
        atol,
        equal_nan,
        check_device,
        check_dtype,
        check_layout,
        check_stride,
    )
    path: tuple = ()
    try:
        for path, compare, a, e in list(_pairs(actual, expected, options, ())):  # noqa: B007
            compare(a, e, options)
    except AssertionError as error:
        raise AssertionError(_message(error, path, msg)) from None


def _message(error, path, msg):
    path = getattr(error, "path", path)
    text = str(error)
    if path:
        where = "".join(f"[{key!r}]" for key in path)
        text += f"\n\nThe failure occurred for item {where}"
    if msg is None:
        return text
    return msg(text) if callable(msg) else msg


# --------------------------------------------------------------------------- lining up
def _pairs(actual, expected, options, path):
    """(path, comparison, actual, expected) of every leaf, in order."""
    if _both(Sequence, actual, expected) and not isinstance(actual, str):
        if len(actual) != len(expected):
            text = f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            raise _mismatch(text, path)
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            yield from _pairs(a, e, options, (*path, i))
    elif _both(Mapping, actual, expected):
        _check_keys(actual, expected, path)
        for key in sorted(actual) if _sortable(actual) else actual:
            yield from _pairs(actual[key], expected[key], options, (*path, key))
    else:
        yield (path, *_leaf(actual, expected, options))


def _both(kind, actual, expected):
    return isinstance(actual, kind) and isinstance(expected, kind)


def _sortable(keys):
    try:
        sorted(keys)
    except TypeError:
        return False
    return True


def _check_keys(actual, expected, path):
    missing, extra = set(expected) - set(actual), set(actual) - set(expected)
    if missing or extra:
        text = (
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {sorted(missing)}\n"
            f"Additional keys in the actual mapping: {sorted(extra)}"
        )
        raise _mismatch(text, path)


def _mismatch(text, path):
    error = AssertionError(text)
    error.path = path  # type: ignore[attr-defined]
    return error


def _leaf(actual, expected, options):
    """(comparison, actual, expected) of the first kind that takes both."""
    for takes, compare in _KINDS:
        if takes(actual, expected):
            return compare, actual, expected
    tensors = _as_tensors(actual, expected, options.allow_subclasses)
    if tensors is None:
        raise TypeError(
            f"No comparison pair was able to handle inputs of type {type(actual)} and "
            f"{type(expected)}."
        )
    return _compare_tensors, *tensors


def _as_tensors(actual, expected, allow_subclasses):
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    if not related or not allow_subclasses and type(actual) is not type(expected):
        return None
    try:
        return rl.as_tensor(actual), rl.as_tensor(expected)
    except (TypeError, ValueError, RuntimeError):
        return None


# ------------------------------------------------------------------------------ leaves
def _compare_none(actual, expected, options):
    if actual is not expected:
        raise AssertionError(f"None mismatch: {actual} is not {expected}")


def _compare_bools(actual, expected, options):
    if bool(actual) is not bool(expected):
        raise AssertionError(f"Booleans mismatch: {actual} is not {expected}")


def _is_number(value):
    return isinstance(value, int | float | complex | np.number)


def _compare_numbers(actual, expected, options):
    actual, expected = (v.item() if isinstance(v, np.number) else v for v in (actual, expected))
    if options.check_dtype and type(actual) is not type(expected):
        raise AssertionError(f"The (d)types do not match: {type(actual)} != {type(expected)}.")
    rtol, atol = options.tolerances(_NUMBERS[type(actual)], _NUMBERS[type(expected)])
    if actual == expected or options.equal_nan and actual != actual and expected != expected:
        return
    difference = abs(actual - expected)
    bound = atol + rtol * abs(expected)
    if difference <= bound and difference != float("inf"):
        return
    raise AssertionError(_scalar_message(actual, expected, rtol, atol))


_KINDS = (
    (lambda a, e: a is None or e is None, _compare_none),
    (lambda a, e: _both(bool | np.bool_, a, e), _compare_bools),
    (lambda a, e: _is_number(a) and _is_number(e), _compare_numbers),
)


def _compare_tensors(actual, expected, options):
    _check_attributes(actual, expected, options)
    if actual.device.type == "meta" or expected.device.type == "meta":
        return
    rtol, atol = options.tolerances(actual.dtype, expected.dtype)
    common = rl.promote_types(actual.dtype, expected.dtype)
    actual, expected = (t.detach().to("cpu", common) for t in (actual, expected))
    close = rl.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=options.equal_nan)
    if not bool(close.all()):
        raise AssertionError(_tensor_message(actual, expected, close, rtol, atol))


def _check_attributes(actual, expected, options):
    for name, wanted in (
        ("shape", True),
        ("device", options.check_device),
        ("dtype", options.check_dtype),
        ("layout", options.check_layout),
        ("stride", options.check_stride),
    ):
        a, e = getattr(actual, name), getattr(expected, name)
        if name == "stride":
            name, a, e = "stride()", actual.stride(), expected.stride()
        if wanted and a != e:
            raise AssertionError(f"The values for attribute '{name}' do not match: {a} != {e}.")


# ----------------------------------------------------------------------------- messages
def _scalar_message(actual, expected, rtol, atol):
    difference = abs(actual - expected)
    relative = difference / abs(expected) if expected else float("inf")
    return (
        _verdict("Scalars", rtol, atol)
        + f"Expected {expected} but got {actual}.\n"
        + f"Absolute difference: {difference}{_allowed(atol, rtol, atol)}\n"
        + f"Relative difference: {relative}{_allowed(rtol, rtol, atol)}"
    )


def _tensor_message(actual, expected, close, rtol, atol):
    if not actual.ndim:
        return _scalar_message(actual.item(), expected.item(), rtol, atol)
    if not (actual.is_floating_point() or actual.is_complex()):
        actual, expected = actual.to(rl.int64), expected.to(rl.int64)
    wrong, total = int((~close).sum()), close.numel()
    difference = (actual - expected).abs()
    relative = difference / expected.abs()
    text = _verdict("Tensor-likes", rtol, atol)
    text += f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})\n"
    for name, values, bound in (("absolute", difference, atol), ("relative", relative, rtol)):
        values = values.masked_fill(close, 0)  # what is close is not the worst
        at = int(values.flatten().argmax())
        index = tuple(int(i) for i in np.unravel_index(at, tuple(values.shape)))
        text += f"Greatest {name} difference: {values[index].item()} at index {index}"
        text += _allowed(bound, rtol, atol) + "\n"
    return text[:-1]


def _verdict(what, rtol, atol):
    return f"{what} are not {'close' if rtol or atol else 'equal'}!\n\n"


def _allowed(bound, rtol, atol):
    return f" (up to {bound} allowed)" if rtol or atol else ""
