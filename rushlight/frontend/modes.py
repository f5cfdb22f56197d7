"""Grad modes: no_grad, enable_grad, set_grad_enabled, inference_mode, anomaly detection."""

import functools
import inspect
import warnings

from ..engine.record import state


class _Mode:
    """A context manager that also decorates functions, generators and classes' methods."""

    def __call__(self, function):
        if inspect.isclass(function):
            raise TypeError(
                f"{type(self).__name__} decorates functions, not classes; hint: decorate "
                "its __init__ or forward"
            )
        if inspect.isgeneratorfunction(function):
            return self._generator(function)

        @functools.wraps(function)
        def run(*args, **kwargs):
            with self.clone():
                return function(*args, **kwargs)

        return run

    def _generator(self, function):
        @functools.wraps(function)
        def run(*args, **kwargs):
            generator = function(*args, **kwargs)
            resume, given = generator.send, None
            try:
                while True:
                    try:
                        with self.clone():
                            value = resume(given)
                    except StopIteration as stop:
                        return stop.value
                    try:
                        resume, given = generator.send, (yield value)
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001  (it is the generator's to handle)
                        resume, given = generator.throw, error
            finally:
                with self.clone():
                    generator.close()

        return run

    def clone(self):
        """A fresh instance with the same arguments."""
        return type(self)()


def _decorates(cls):
    """``@no_grad`` without parentheses works too."""
    original = cls.__new__ if cls.__new__ is not object.__new__ else None

    def __new__(kind, function=None, *args):
        made = original(kind) if original else object.__new__(kind)
        return made if function is None or not callable(function) else kind()(function)

    cls.__new__ = __new__
    return cls


@_decorates
class no_grad(_Mode):  # noqa: N801
    """Within: operators record nothing for backward.

    >>> import rushlight as torch
    >>> x = torch.ones(1, requires_grad=True)
    >>> with torch.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    def __enter__(self):
        self.before, state.grad = state.grad, False

    def __exit__(self, *exc):
        state.grad = self.before


@_decorates
class enable_grad(_Mode):  # noqa: N801
    """Within: operators record again, inside a `no_grad`."""

    def __enter__(self):
        self.before, state.grad = state.grad, True

    def __exit__(self, *exc):
        state.grad = self.before


class set_grad_enabled(_Mode):  # noqa: N801
    """Switch recording on or off; as a function at once, as a context for its block."""

    def __init__(self, mode):
        self.mode = bool(mode)
        self.before, state.grad = state.grad, self.mode

    def __call__(self, function):
        state.grad = self.before
        return super().__call__(function)

    def __enter__(self):
        state.grad = self.mode

    def __exit__(self, *exc):
        state.grad = self.before

    def clone(self):
        return set_grad_enabled(self.mode)


class inference_mode(_Mode):  # noqa: N801
    """Within: no recording, and new tensors may never be recorded."""

    def __new__(cls, mode=True):
        return cls()(mode) if callable(mode) else object.__new__(cls)

    def __init__(self, mode=True):
        self.mode = mode if isinstance(mode, bool) else True

    def __enter__(self):
        self.before = (state.grad, state.inference)
        if self.mode:
            state.grad, state.inference = False, True
        else:
            state.grad, state.inference = True, False

    def __exit__(self, *exc):
        state.grad, state.inference = self.before

    def clone(self):
        return inference_mode(self.mode)


class set_detect_anomaly:  # noqa: N801
    """Anomaly mode: errors in backward show where the forward operator was called; NaN raises."""

    def __init__(self, mode, check_nan=True):
        self.before = (state.anomaly, state.anomaly_check_nan)
        state.anomaly, state.anomaly_check_nan = mode, check_nan

    def __enter__(self):
        pass

    def __exit__(self, *exc):
        state.anomaly, state.anomaly_check_nan = self.before


class detect_anomaly(set_detect_anomaly):  # noqa: N801
    """Anomaly mode for a block."""

    def __init__(self, check_nan=True):
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            UserWarning,
            stacklevel=2,
        )
        super().__init__(True, check_nan)
        self.modes = (state.anomaly, state.anomaly_check_nan)
        state.anomaly, state.anomaly_check_nan = self.before

    def __enter__(self):
        state.anomaly, state.anomaly_check_nan = self.modes


def is_grad_enabled():
    """Are operators on tensors that require grad being recorded?"""
    return state.grad


def is_inference_mode_enabled():
    """Is inference mode on?"""
    return state.inference


def is_anomaly_enabled():
    """Is anomaly detection on?"""
    return state.anomaly


def is_anomaly_check_nan_enabled():
    """Does anomaly detection raise where a gradient has NaN?"""
    return state.anomaly_check_nan
