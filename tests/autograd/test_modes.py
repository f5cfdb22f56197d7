"""no_grad, enable_grad, set_grad_enabled, inference_mode: contexts, decorators, generators."""

import threading

import pytest

import rushlight as torch


def leaf():
    return torch.tensor([1.0, 2.0], requires_grad=True)


def test_contexts_nest():
    x = leaf()
    assert torch.is_grad_enabled()
    with torch.no_grad():
        assert not torch.is_grad_enabled() and not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
            with torch.set_grad_enabled(False):
                assert not (x * 2).requires_grad
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    assert (x * 2).requires_grad


def test_exceptions_restore():
    for mode in (torch.no_grad, torch.inference_mode):
        with pytest.raises(KeyError), mode():
            raise KeyError
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_set_grad_enabled_as_a_function():
    torch.set_grad_enabled(False)
    try:
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
    assert torch.is_grad_enabled()


def test_decorators():
    x = leaf()

    @torch.no_grad()
    def f(x, factor=2):
        """Doc."""
        return x * factor

    @torch.no_grad
    def g(x):
        return x * 2

    @torch.enable_grad()
    def h(x):
        return x * 2

    @torch.set_grad_enabled(False)
    def k(x):
        return x * 2

    @torch.inference_mode()
    def m(x):
        return x * 2

    assert f.__name__ == "f" and f.__doc__ == "Doc."
    assert not f(x).requires_grad and f(x, factor=3).tolist() == [3.0, 6.0]
    assert not g(x).requires_grad and not k(x).requires_grad
    assert m(x).is_inference()
    with torch.no_grad():
        assert h(x).requires_grad
    assert torch.is_grad_enabled()


def test_decorated_methods_and_recursion():
    class Model:
        @torch.no_grad()
        def run(self, x, depth=3):
            return x if depth == 0 else self.run(x * 2, depth - 1)

    assert Model().run(leaf()).tolist() == [8.0, 16.0]
    assert not Model().run(leaf() * 1, 1).requires_grad


def test_generators():
    x = leaf()
    log = []

    @torch.no_grad()
    def numbers():
        try:
            got = yield x * 1
            log.append((got, torch.is_grad_enabled()))
            yield x * 2
        except ValueError:
            log.append(("thrown", torch.is_grad_enabled()))
            yield x * 3
        finally:
            log.append(("closed", torch.is_grad_enabled()))

    g = numbers()
    assert not next(g).requires_grad and torch.is_grad_enabled()
    assert not g.send("hello").requires_grad
    assert not g.throw(ValueError).requires_grad
    g.close()
    assert log == [("hello", False), ("thrown", False), ("closed", False)]
    assert torch.is_grad_enabled()


def test_generator_results():
    @torch.no_grad()
    def total():
        yield 1
        return "done"

    def outer():
        found = yield from total()
        yield found

    assert list(outer()) == [1, "done"]


def test_requires_grad_of_results():
    x = leaf()
    with torch.no_grad():
        y = x * 2
        z = torch.ones(2, requires_grad=True)
    assert y.is_leaf and not y.requires_grad and z.requires_grad
    y.requires_grad_()
    (y * 3).sum().backward()
    assert y.grad.tolist() == [3.0, 3.0] and x.grad is None


def test_modes_belong_to_threads():
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


# ------------------------------------------------------------------------ inference mode
def test_inference_tensors():
    x = leaf()
    with torch.inference_mode():
        y = x * 2
        assert torch.is_inference_mode_enabled() and not torch.is_grad_enabled()
        assert y.is_inference() and not y.requires_grad and y[:1].is_inference()
        y.add_(1)
        v = x[:1]
        assert not x.is_inference()
    assert not torch.is_inference_mode_enabled()
    assert y.tolist() == [3.0, 5.0] and not (y * 1).is_inference() and v.requires_grad
    assert y.clone().is_inference() is False


def test_inference_tensors_stay_out_of_graphs():
    w = leaf()
    with torch.inference_mode():
        y = torch.ones(2)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        w * y
    (w + y).sum().backward()
    with pytest.raises(
        RuntimeError, match="Inplace update to inference tensor outside InferenceMode"
    ):
        y.add_(1)
    with pytest.raises(
        RuntimeError, match="Setting requires_grad=True on inference tensor outside"
    ):
        y.requires_grad_()
    z = y.clone()
    z.add_(1)
    (w * z).sum().backward()


def test_inference_mode_off():
    x = leaf()
    with torch.inference_mode():
        with torch.inference_mode(False):
            assert torch.is_grad_enabled() and (x * 2).requires_grad
        assert torch.is_inference_mode_enabled()
    with torch.inference_mode(mode=False):
        assert (x * 2).requires_grad

    @torch.inference_mode(False)
    def f(x):
        return x * 2

    with torch.no_grad():
        assert f(x).requires_grad


def test_version_counters_of_inference_tensors():
    with torch.inference_mode():
        y = torch.ones(2)
    with pytest.raises(RuntimeError, match="Inference tensors do not track version counter"):
        y._version  # noqa: B018
