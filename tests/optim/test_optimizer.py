"""The base class: groups, checkpoints, hooks, errors; and that a step reads no tensor."""

import copy
import pickle
import sys

import pytest

import rushlight as torch

FIRST_ORDER = [
    "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "Muon", "NAdam", "RAdam",
    "RMSprop", "Rprop", "SGD",
]  # fmt: skip
READS = ["item", "tolist", "numpy", "__bool__", "__float__", "__int__", "__index__"]


def matrix(fill=1.0, grad=0.5):
    param = torch.nn.Parameter(torch.full((2, 2), fill))
    param.grad = torch.full((2, 2), grad)
    return param


def values(param):
    return param.detach().reshape(-1).tolist()


@pytest.fixture
def no_reads(monkeypatch):
    """A function that forbids reading tensors until the test ends."""

    def forbid():
        for name in READS:

            def refuse(self, *args, _name=name, **kwargs):
                raise AssertionError(f"a tensor was read by {_name}")

            monkeypatch.setattr(torch.Tensor, name, refuse)

    yield forbid


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_step_reads_no_tensor(name, no_reads):
    param = matrix()
    optimizer = getattr(torch.optim, name)([param])
    no_reads()
    for _ in range(3):
        optimizer.step()


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_loaded_state_is_read_once(name, no_reads):
    param = matrix()
    first = getattr(torch.optim, name)([param])
    first.step()
    second = getattr(torch.optim, name)([param])
    second.load_state_dict(first.state_dict())
    second.step()
    no_reads()
    second.step()


def test_tensor_lr_is_not_read(no_reads):
    lr = torch.tensor(0.1)
    optimizers = [
        getattr(torch.optim, name)([matrix()], lr=lr)
        for name in ("Adam", "SGD", "RMSprop", "Adagrad")
    ]
    no_reads()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.step()


def test_a_step_count_written_from_outside_is_respected():
    mine, reference = matrix(), matrix()
    a, b = torch.optim.Adam([mine]), torch.optim.Adam([reference])
    a.step()
    a.state[mine]["step"].fill_(41.0)
    b.step()
    b.state[reference]["step"] = torch.tensor(41.0)
    a.step()
    b.step()
    assert a.state[mine]["step"].item() == 42
    assert values(mine) == values(reference)


def test_step_ends_the_segment_of_any_optimizer(monkeypatch):
    class Plain(torch.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {})

        def step(self, closure=None):
            return 7

    flushes = []
    frontend = sys.modules["rushlight.frontend"]
    monkeypatch.setattr(frontend, "flush_segment", lambda: flushes.append(1))
    assert Plain([matrix()]).step() == 7
    torch.optim.SGD([matrix()]).step()
    assert len(flushes) == 2


def test_capturable_equals_plain():
    for name in ("Adam", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop", "Adadelta"):
        plain, capturable = matrix(), matrix()
        a = getattr(torch.optim, name)([plain])
        b = getattr(torch.optim, name)([capturable], capturable=True)
        for _ in range(7):
            a.step()
            b.step()
        assert values(capturable) == pytest.approx(values(plain), rel=1e-5), name


def test_closure_runs_with_gradients():
    param = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = torch.optim.SGD([param], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (param**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0
    assert param.item() == 1.0


def test_groups_have_their_own_options():
    a, b = matrix(), matrix()
    optimizer = torch.optim.SGD([{"params": a, "lr": 1.0}, {"params": [b]}], lr=0.5)
    optimizer.step()
    assert values(a) == [0.5] * 4
    assert values(b) == [0.75] * 4
    c = matrix()
    optimizer.add_param_group({"params": c, "lr": 2.0})
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 0.5, 2.0]


def test_parameters_without_gradient_are_skipped():
    a, b = matrix(), matrix()
    b.grad = None
    optimizer = torch.optim.Adam([a, b])
    optimizer.step()
    assert values(b) == [1.0] * 4
    assert list(optimizer.state_dict()["state"]) == [0]


def test_sgd_without_momentum_has_no_state():
    optimizer = torch.optim.SGD([matrix()])
    optimizer.step()
    assert optimizer.state_dict()["state"] == {}


@pytest.mark.parametrize("set_to_none", [True, False])
def test_zero_grad(set_to_none):
    param = matrix()
    torch.optim.SGD([param]).zero_grad(set_to_none)
    assert param.grad is None if set_to_none else param.grad.reshape(-1).tolist() == [0.0] * 4


def test_state_dict_counts_parameters_through_the_groups():
    a, b, c = matrix(), matrix(), matrix()
    optimizer = torch.optim.SGD([{"params": [a, b]}, {"params": [c]}], momentum=0.9)
    optimizer.step()
    packed = optimizer.state_dict()
    assert [group["params"] for group in packed["param_groups"]] == [[0, 1], [2]]
    assert packed["state"][2]["momentum_buffer"] is optimizer.state[c]["momentum_buffer"]


def test_loading_casts_state_but_not_the_step_count():
    source = torch.optim.Adam([matrix()])
    source.step()
    param = torch.nn.Parameter(torch.ones(2, 2, dtype=torch.bfloat16))
    target = torch.optim.Adam([param])
    target.load_state_dict(source.state_dict())
    assert target.state[param]["exp_avg"].dtype == torch.bfloat16
    assert target.state[param]["step"].dtype == torch.float32


def test_loading_an_old_checkpoint_fills_in_options_and_tensors():
    param = matrix()
    optimizer = torch.optim.NAdam([param])
    optimizer.step()
    saved = copy.deepcopy(optimizer.state_dict())
    saved["state"][0].update(step=1, mu_product=0.5)
    del saved["param_groups"][0]["decoupled_weight_decay"]
    optimizer.load_state_dict(saved)
    state = optimizer.state[param]
    assert (state["step"].item(), state["mu_product"].item()) == (1.0, 0.5)
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is False


def test_loading_checks_the_groups():
    a, b = matrix(), matrix()
    packed = torch.optim.SGD([a, b]).state_dict()
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        torch.optim.SGD([a]).load_state_dict(packed)
    with pytest.raises(ValueError, match="different number of parameter groups"):
        torch.optim.SGD([{"params": a}, {"params": b}]).load_state_dict(packed)


def test_names_are_kept():
    optimizer = torch.optim.SGD([("weight", matrix()), ("bias", matrix())])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


@pytest.mark.parametrize("name", ["Adam", "SGD", "LBFGS"])
def test_pickle_and_deepcopy_continue_alike(name):
    optimizer = getattr(torch.optim, name)([matrix()], lr=0.1)

    def advance(one):
        param = one.param_groups[0]["params"][0]
        param.grad = torch.full((2, 2), 0.25)
        one.step(*([lambda: 1.0] if name == "LBFGS" else []))
        return values(param)

    advance(optimizer)
    copies = [pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer)]
    expected = advance(optimizer)
    for other in copies:
        assert advance(other) == expected


def test_repr():
    text = repr(torch.optim.Rprop([matrix()], lr=0.5))
    assert text.startswith("Rprop (\nParameter Group 0\n    capturable: False\n    differentiable:")
    assert text.endswith("    maximize: False\n    step_sizes: (1e-06, 50)\n)")


def test_hooks_run_in_order():
    param, log = matrix(), []
    optimizer = torch.optim.SGD([param], momentum=0.9)
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: log.append("pre")),
        optimizer.register_step_post_hook(lambda o, args, kwargs: log.append("post")),
        optimizer.register_state_dict_pre_hook(lambda o: log.append("save 2")),
        optimizer.register_state_dict_pre_hook(lambda o: log.append("save 1"), prepend=True),
        optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1}),
        optimizer.register_load_state_dict_pre_hook(lambda o, state: log.append("load")),
        optimizer.register_load_state_dict_post_hook(lambda o: log.append("loaded")),
    ]
    optimizer.step()
    packed = optimizer.state_dict()
    optimizer.load_state_dict(packed)
    assert log == ["pre", "post", "save 1", "save 2", "load", "loaded"]
    assert packed["extra"] == 1
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(log) == 6


def test_global_hooks_and_changed_arguments():
    from rushlight.optim.optimizer import (
        register_optimizer_step_post_hook,
        register_optimizer_step_pre_hook,
    )

    log = []
    handles = [
        register_optimizer_step_pre_hook(lambda o, args, kwargs: (args, {"closure": lambda: 3})),
        register_optimizer_step_post_hook(lambda o, args, kwargs: log.append(sorted(kwargs))),
    ]
    try:
        assert torch.optim.SGD([matrix()]).step() == 3
    finally:
        for handle in handles:
            handle.remove()
    assert log == [["closure"]]


def test_swap_in_restores_everything():
    param, other = matrix(), matrix(fill=3.0)
    optimizer = torch.optim.SGD([param], lr=1.0, momentum=0.5)
    optimizer.step()
    packed = copy.deepcopy(optimizer.state_dict())
    packed["param_groups"][0]["lr"] = 2.0
    before = values(param)
    with torch.optim.swap_in_optimizer_params_and_state(optimizer, {"w": other}, packed):
        optimizer.step()
    assert values(other) == [3.0 - 2.0 * 0.75] * 4
    assert values(param) == before
    assert optimizer.param_groups[0]["lr"] == 1.0
    assert packed["state"][0]["momentum_buffer"].reshape(-1).tolist() == [0.75] * 4
    with pytest.raises(RuntimeError, match="different number of params"):
        packed["param_groups"][0]["params"] = [0, 1]
        with torch.optim.swap_in_optimizer_params_and_state(optimizer, {"w": other}, packed):
            pass


def non_leaf():
    return matrix() * 2


CONSTRUCTION_ERRORS = [
    (TypeError, "should be an iterable of Tensors", lambda o: o.SGD(matrix())),
    (ValueError, "empty parameter list", lambda o: o.SGD([])),
    (TypeError, "ordered collections", lambda o: o.SGD([{"params": {matrix()}}])),
    (TypeError, "can only optimize Tensors", lambda o: o.SGD([1])),
    (ValueError, "non-leaf", lambda o: o.SGD([non_leaf()])),
    (ValueError, "Some param names are missing", lambda o: o.SGD([("a", matrix()), matrix()])),
    (ValueError, "1-element", lambda o: o.Adam([matrix()], lr=torch.tensor([0.1, 0.2]))),
    (ValueError, "Invalid learning rate: -1", lambda o: o.Adamax([matrix()], lr=-1)),
    (ValueError, "index 1: 1.0", lambda o: o.NAdam([matrix()], betas=(0.5, 1.0))),
    (
        ValueError,
        "both floats or both",
        lambda o: o.Adam([matrix()], betas=(torch.tensor(0.9), 0.9)),
    ),
    (ValueError, "capturable=False", lambda o: o.Adam([matrix()], torch.tensor(0.1), foreach=True)),
    (RuntimeError, "fused", lambda o: o.AdamW([matrix()], fused=True, differentiable=True)),
    (RuntimeError, "cannot be `True`", lambda o: o.Adagrad([matrix()], fused=True, foreach=True)),
    (ValueError, "Nesterov", lambda o: o.SGD([matrix()], nesterov=True)),
    (ValueError, "Invalid rho value", lambda o: o.Adadelta([matrix()], rho=1.1)),
    (ValueError, "Invalid eta values", lambda o: o.Rprop([matrix()], etas=(1.0, 0.5))),
    (ValueError, "beta2_decay should be <= 0", lambda o: o.Adafactor([matrix()], beta2_decay=0.8)),
    (ValueError, "only supports 2D", lambda o: o.Muon([torch.nn.Parameter(torch.ones(3))])),
    (ValueError, "is not supported", lambda o: o.Muon([matrix()], adjust_lr_fn="arbitrary")),
    (
        ValueError,
        "parameter groups",
        lambda o: o.LBFGS([{"params": matrix()}, {"params": matrix()}]),
    ),
    (ValueError, "Invalid epsilon", lambda o: o.SparseAdam([matrix()], eps=0.0)),
]


@pytest.mark.parametrize(
    ("error", "match", "build"), CONSTRUCTION_ERRORS, ids=[m for _, m, _ in CONSTRUCTION_ERRORS]
)
def test_construction_errors(error, match, build):
    with pytest.raises(error, match=match):
        build(torch.optim)


def test_group_errors():
    a, b = matrix(), matrix()
    optimizer = torch.optim.SGD([a])
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [a]})
    with pytest.raises(ValueError, match="cannot add param group with names"):
        optimizer.add_param_group({"params": [("b", b)]})
    with pytest.raises(TypeError, match="must be a dict"):
        optimizer.add_param_group([b])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        torch.optim.SGD([b, b])
    with pytest.raises(RuntimeError, match="does not support dense gradients"):
        torch.optim.SparseAdam([a]).step()


def test_required_options():
    from rushlight.optim.optimizer import required

    with pytest.raises(ValueError, match="required optimization parameter lr"):
        torch.optim.Optimizer([matrix()], {"lr": required})
