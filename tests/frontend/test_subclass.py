"""``__torch_function__``: subclasses and modes that see every call, attributes of plain tensors."""

import gc
import weakref

import pytest

import rushlight as torch
from rushlight.overrides import TorchFunctionMode


def name_of(func):
    return getattr(func, "__name__", str(func))


class Logging(torch.Tensor):
    """Writes down every function it sees; results are of its type."""

    log: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.log.append(name_of(func))
        return super().__torch_function__(func, types, args, kwargs or {})


@pytest.fixture
def log():
    Logging.log.clear()
    return Logging.log


def logging(*values):
    return torch.tensor(values or (1.0, 2.0)).as_subclass(Logging)


CALLS = {  # what is logged: call
    "add": lambda x: torch.add(x, 1),
    "mul": lambda x: torch.mul(2, x),
    "sum": lambda x: x.sum(),
    "relu": lambda x: torch.relu(x),
    "linear": lambda x: torch.nn.functional.linear(x, torch.ones(3, 2)),
    "softmax": lambda x: torch.nn.functional.softmax(x, 0),
    "view": lambda x: x.view(2, 1),
    "reshape": lambda x: x.reshape(1, 2),
    "__getitem__": lambda x: x[0],
    "cat": lambda x: torch.cat([x, torch.ones(1)]),
    "stack": lambda x: torch.stack((torch.ones(2), x)),
    "where": lambda x: torch.where(x > 1, x, 0.0),
    "to": lambda x: x.to(torch.float64),
    "clone": lambda x: x.clone(),
    "detach": lambda x: x.detach(),
    "zeros_like": lambda x: torch.zeros_like(x),
    "add_": lambda x: x.add_(1),
    "matmul": lambda x: torch.matmul(x, torch.ones(2, 2)),
    "float": lambda x: x.float(),
    "exp": lambda x: x.exp(),
    "max": lambda x: x.max(0),
    "split": lambda x: x.split(1),
    "new_zeros": lambda x: x.new_zeros(2),
    "expand": lambda x: x.expand(3, 2),
    "layer_norm": lambda x: torch.nn.functional.layer_norm(x, (2,)),
    "masked_fill": lambda x: x.masked_fill(torch.tensor([True, False]), 0.0),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_is_logged_and_keeps_the_type(log, name):
    x = logging()
    log.clear()
    found = CALLS[name](x)
    assert name in log
    for t in found if isinstance(found, tuple | list) else [found]:
        assert type(t) is Logging


def test_operators_and_protocols_are_logged(log):
    x = logging()
    log.clear()
    (x + 1) * 2 - x / 3
    _ = -x
    x[0] = 5.0
    x += 1
    x > 0  # noqa: B015
    len(x)
    for wanted in ("add", "mul", "sub", "div", "neg", "__setitem__", "gt", "__len__"):
        assert any(wanted in n for n in log), (wanted, log)


def test_readers_return_plain_values(log):
    x = logging()
    assert x.tolist() == [1.0, 2.0] and x[0].item() == 1.0 and float(x[1]) == 2.0
    assert bool(x[0] == 1) and "Logging(" in repr(x)
    assert x.numel() == 2 and tuple(x.shape) == (2,) and x.dtype is torch.float32
    assert type(x.shape) is torch.Size


def test_gradients(log):
    x = logging().requires_grad_()
    y = (x * x).sum()
    assert type(y) is Logging and y.requires_grad
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0]
    assert any("backward" in n for n in log)
    (g,) = torch.autograd.grad((x * 3).sum(), x)
    assert g.tolist() == [3.0, 3.0]


def test_attributes_stay_on_the_object(log):
    x = logging()
    x.unit = "m"
    assert x.unit == "m" and not hasattr(x + 1, "unit")
    assert x.add_(1) is x and x.unit == "m"
    assert x.data.tolist() == [2.0, 3.0]
    assert isinstance(x, torch.Tensor) and isinstance(x, Logging)


def test_leaving_the_subclass():
    x = logging()
    y = x.as_subclass(torch.Tensor)
    assert type(y) is torch.Tensor
    y[0] = 7.0
    assert x.tolist() == [7.0, 2.0]
    with torch._C.DisableTorchFunctionSubclass():
        assert type(x + 1) is torch.Tensor


class Carrying(torch.Tensor):
    """Hands an attribute on to results."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        found = super().__torch_function__(func, types, args, kwargs or {})
        if isinstance(found, cls):
            names = [a.label for a in args if isinstance(a, cls) and hasattr(a, "label")]
            found.label = "+".join(names)
        return found


def test_attributes_kept_by_the_subclass():
    a, b = torch.ones(2).as_subclass(Carrying), torch.ones(2).as_subclass(Carrying)
    a.label, b.label = "a", "b"
    c = a * b
    assert type(c) is Carrying and c.label == "a+b" and c.sum().label == "a+b"


class Refusing(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented


class Duck:
    """No tensor at all, but takes part."""

    def __init__(self, value):
        self.value = value

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        plain = [a.value if isinstance(a, Duck) else a for a in args]
        return Duck(func(*plain, **(kwargs or {})))


def test_who_answers():
    d = torch.add(torch.ones(2), Duck(torch.ones(2)))
    assert isinstance(d, Duck) and d.value.tolist() == [2.0, 2.0]
    assert isinstance(torch.sum(Duck(torch.ones(2))), Duck)
    with pytest.raises(TypeError, match="no implementation found|Multiple dispatch failed"):
        torch.add(torch.ones(2).as_subclass(Refusing), 1)


class Child(Logging):
    pass


def test_subclasses_answer_before_their_bases():
    x, y = logging(), torch.ones(2).as_subclass(Child)
    assert type(x + y) is Child and type(torch.ones(2) + y) is Child
    assert type(torch.cat([x, y])) is Child


def test_two_unrelated_subclasses():
    a, b = logging(), torch.ones(2).as_subclass(Carrying)
    with pytest.raises(TypeError):
        a + b


def test_plain_subclass_default_behaviour():
    class Plain(torch.Tensor):
        pass

    x = torch.ones(2).as_subclass(Plain)
    assert type(x + 1) is Plain and type(x.sum()) is Plain and type(x[0]) is Plain
    assert type(torch.nn.functional.relu(x)) is Plain
    assert type(Plain([1.0, 2.0])) is Plain
    values, indices = x.max(0)
    assert type(values) is Plain


def test_disabled_torch_function():
    class Quiet(torch.Tensor):
        __torch_function__ = torch._C._disabled_torch_function_impl

    x = torch.ones(2).as_subclass(Quiet)
    assert type(x + 1) is torch.Tensor
    p = torch.nn.Parameter(torch.ones(2))
    assert type(p * 2) is torch.Tensor and type(p.data) is torch.Tensor


# ------------------------------------------------------------------------------- modes
class Recording(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.names.append(name_of(func))
        return func(*args, **(kwargs or {}))


def test_a_mode_sees_functions_on_plain_tensors():
    x = torch.ones(2)
    with Recording() as mode:
        y = torch.nn.functional.linear(x, torch.ones(2, 2)).relu() + 1
        y.sum().item()
        torch.zeros(2)
    z = x * 3
    for wanted in ("linear", "relu", "sum", "item", "zeros"):
        assert wanted in mode.names
    assert "mul" not in mode.names and z.tolist() == [3.0, 3.0]


def test_modes_nest_and_replace():
    class Doubling(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            found = func(*args, **(kwargs or {}))
            return found * 2 if func is torch.exp else found

    outer = Recording()
    with outer, Doubling():
        y = torch.exp(torch.zeros(1))
    assert y.tolist() == [2.0] and outer.names.count("exp") == 1
    assert torch.exp(torch.zeros(1)).tolist() == [1.0]


def test_a_mode_survives_exceptions():
    class Failing(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"), Failing():
        torch.ones(1) + 1
    assert (torch.ones(1) + 1).tolist() == [2.0]


# -------------------------------------------------------------------- plain tensors
def test_attributes_and_weak_references():
    x = torch.ones(2)
    x.note, x.grad_note = "n", [1]
    assert x.note == "n" and x.__dict__["grad_note"] == [1]
    assert not hasattr(x.clone(), "note") and not hasattr(x[:], "note")
    gone = []
    weakref.finalize(x, gone.append, 1)
    ref = weakref.ref(x)
    assert ref() is x
    del x
    gc.collect()
    assert ref() is None and gone == [1]


def test_tensors_hash_by_identity_and_compare_by_value():
    x, y = torch.ones(2), torch.ones(2)
    table = {x: "x", y: "y"}
    assert table[x] == "x" and table[y] == "y" and len(table) == 2
    assert (x == y).tolist() == [True, True] and torch.equal(x, y)
    assert x is not y and (x == None) is False  # noqa: E711


def test_temporaries_die_at_once():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    ref = weakref.ref(y)
    z = y.sum()
    del y
    z.backward()
    del z
    gc.collect()
    assert ref() is None and x.grad.tolist() == [2.0, 2.0]


def test_setting_shape_attributes_is_refused():
    x = torch.ones(2)
    for name in ("shape", "dtype", "device", "is_leaf", "grad_fn"):
        with pytest.raises((AttributeError, RuntimeError)):
            setattr(x, name, None)
