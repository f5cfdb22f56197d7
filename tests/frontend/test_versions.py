"""Version counters, and the error where a saved value was written since."""

import re

import pytest

import rushlight as torch

MODIFIED = "one of the variables needed for gradient computation has been modified by an inplace op"


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


COUNTS = {  # what a call adds to the version
    "add_": (lambda x: x.add_(1), 1),
    "setitem": (lambda x: x.__setitem__(0, 1.0), 1),
    "masked setitem": (lambda x: x.__setitem__(x > 0, 1.0), 1),
    "copy_": (lambda x: x.copy_(torch.ones(2)), 1),
    "out=": (lambda x: torch.add(torch.ones(2), 1, out=x), 1),
    "through a view": (lambda x: x[:1].add_(1), 1),
    "through detach": (lambda x: x.detach().add_(1), 1),
    "through data": (lambda x: x.data.add_(1), 0),
    "zero_ of a view of a view": (lambda x: x.view(2, 1)[0].zero_(), 1),
    "reading": (lambda x: x.add(1), 0),
    "resize_": (lambda x: x.resize_(3), 1),
    "random": (lambda x: x.normal_(), 1),
    "t_": (lambda x: x.unsqueeze_(0).t_(), 2),
    "iadd": (lambda x: x.__iadd__(1), 1),
    "numpy": (lambda x: x.numpy().fill(3), 0),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name):
    call, more = COUNTS[name]
    x = torch.ones(2)
    call(x)
    assert x._version == more


SAVED = {  # (operator, which operand or result is written, does PyTorch notice)
    "mul other": (lambda a, b: a * b, "b", True),
    "mul self": (lambda a, b: a * b, "a", True),
    "mul result": (lambda a, b: a * b, "out", False),
    "add": (lambda a, b: a + b, "a", False),
    "exp operand": (lambda a, b: a.exp(), "a", False),
    "exp result": (lambda a, b: a.exp(), "out", True),
    "sigmoid result": (lambda a, b: a.sigmoid(), "out", True),
    "tanh result": (lambda a, b: a.tanh(), "out", True),
    "relu result": (lambda a, b: a.relu(), "out", True),
    "relu operand": (lambda a, b: a.relu(), "a", False),
    "sin operand": (lambda a, b: a.sin(), "a", True),
    "pow operand": (lambda a, b: a**2, "a", True),
    "div": (lambda a, b: a / b, "b", True),
    "div by number": (lambda a, b: a / 2, "a", False),
    "log": (lambda a, b: a.log(), "a", True),
    "sqrt result": (lambda a, b: a.sqrt(), "out", True),
    "softmax result": (lambda a, b: a.softmax(0), "out", True),
    "log_softmax result": (lambda a, b: a.log_softmax(0), "out", True),
    "sum": (lambda a, b: a.sum(), "a", False),
    "max": (lambda a, b: a.max(0).values, "a", False),
    "mean": (lambda a, b: a.mean(0, keepdim=True), "a", False),
    "mm": (lambda a, b: a[None] @ b[:, None], "b", True),
    "where": (lambda a, b: torch.where(a > 0, a, b), "a", False),
    "cat": (lambda a, b: torch.cat([a, b]), "a", False),
    "abs": (lambda a, b: a.abs(), "a", True),
    "clamp": (lambda a, b: a.clamp(0, 1), "a", True),
    "index": (lambda a, b: a[torch.tensor([0])], "a", False),
    "prod": (lambda a, b: a.prod(), "a", True),
    "norm": (lambda a, b: a.norm(), "a", True),
    "gelu": (lambda a, b: torch.nn.functional.gelu(a), "a", True),
    "mse_loss": (lambda a, b: torch.nn.functional.mse_loss(a, b), "b", True),
}


@pytest.mark.parametrize("name", SAVED)
def test_saved_values_are_guarded(name):
    make, written, noticed = SAVED[name]
    values = {"a": leaf() * 1, "b": leaf(3.0, 4.0) * 1}
    values["out"] = make(values["a"], values["b"])
    out = values["out"] * 1
    with torch.no_grad():
        values[written].add_(1)
    if noticed:
        with pytest.raises(RuntimeError, match=MODIFIED):
            out.sum().backward()
    else:
        out.sum().backward()


def test_the_message():
    x = leaf()
    y = x.exp()
    z = y * 2
    y.add_(1)
    with pytest.raises(RuntimeError) as caught:
        z.sum().backward()
        y.sum().backward()
    text = str(caught.value)
    assert re.search(
        r"\[torch\.FloatTensor \[2\]\], which is output 0 of Exp, is at version 1; "
        r"expected version 0 instead",
        text,
    )
    assert "torch.autograd.set_detect_anomaly(True, check_nan=False)" in text


def test_a_saved_leaf_written_without_grad():
    w = leaf()
    y = (w * w).sum()
    with torch.no_grad():
        w -= 0.1
    with pytest.raises(RuntimeError, match="is at version 1; expected version 0"):
        y.backward()


def test_data_goes_unnoticed():
    w = leaf()
    y = (w * w).sum()
    w.data.fill_(10.0)
    y.backward()
    assert w.grad.tolist() == [20.0, 20.0]


def test_writes_before_saving_do_not_count():
    x = leaf() * 1
    x.add_(1)
    y = (x * x).sum()
    y.backward()


def test_versions_survive_flushes():
    x = torch.ones(2)
    v = x[:1]
    for _ in range(3):
        x.add_(1)
        v.sum().item()
    assert x._version == v._version == 3
    y = x.detach()
    y.mul_(2)
    assert x._version == 4 and x.clone()._version == 0
