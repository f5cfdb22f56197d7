"""The runs that tests compare with PyTorch, for a given framework."""

import copy

import numpy as np

NUM_STEPS, RELOAD_AFTER, KEPT = 6, 3, (1, 2, 6)
SHAPES = [(2, 3), (3,)]

# (class, arguments, dtype); {"tensor": x} stands for a 0-dim tensor.
TENSOR_LR = {"lr": {"tensor": 0.01}}
TRAJECTORIES = [
    ("SGD", {"lr": 0.1}, "float32"),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}, "float32"),
    ("SGD", {"momentum": 0.9, "nesterov": True, "maximize": True}, "complex64"),
    ("SGD", {**TENSOR_LR, "momentum": 0.9}, "float32"),
    ("SGD", {"momentum": 0.9, "fused": True}, "float32"),
    ("Adam", {}, "float32"),
    ("Adam", {"weight_decay": 0.1, "amsgrad": True, "maximize": True}, "float32"),
    ("Adam", {"foreach": True, "betas": [0.8, 0.95]}, "float64"),
    ("Adam", {"fused": True}, "float32"),
    ("Adam", {**TENSOR_LR, "betas": [{"tensor": 0.8}, {"tensor": 0.95}]}, "float32"),
    ("Adam", {"amsgrad": True}, "complex64"),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.5}, "float32"),
    ("AdamW", {"lr": 0.1, "eps": 1e-3}, "bfloat16"),
    ("Adadelta", {"weight_decay": 0.1}, "float32"),
    ("Adadelta", {"rho": 0.5, "maximize": True}, "complex64"),
    ("Adagrad", {"lr_decay": 0.5, "initial_accumulator_value": 0.1}, "float32"),
    ("Adagrad", TENSOR_LR, "float64"),
    ("Adamax", {"weight_decay": 0.1}, "float32"),
    ("Adamax", TENSOR_LR, "complex64"),
    ("ASGD", {"t0": 3, "lambd": 0.1, "weight_decay": 0.1}, "float32"),
    ("ASGD", {**TENSOR_LR, "t0": 2}, "float32"),
    ("ASGD", {"t0": 3}, "float64"),
    ("NAdam", {"momentum_decay": 6e-3, "weight_decay": 0.1}, "float32"),
    ("NAdam", {"decoupled_weight_decay": True, "weight_decay": 0.1, **TENSOR_LR}, "float64"),
    ("RAdam", {"weight_decay": 0.1}, "float32"),
    ("RAdam", {"decoupled_weight_decay": True, "weight_decay": 0.1}, "complex64"),
    ("RMSprop", {"momentum": 0.9, "centered": True, "weight_decay": 0.1}, "float32"),
    ("RMSprop", {**TENSOR_LR, "alpha": 0.9}, "complex64"),
    ("Rprop", {"etas": [0.3, 1.7], "step_sizes": [1e-3, 0.02]}, "float32"),
    ("Rprop", {"maximize": True}, "complex64"),
    ("Adafactor", {"weight_decay": 0.1, "d": 1.5}, "float32"),
    ("Adafactor", {"eps": [1e-3, 1e-2], "lr": 0.5, "maximize": True}, "float64"),
    ("Muon", {"lr": 0.1, "momentum": 0.8}, "float32"),
    ("Muon", {"nesterov": False, "adjust_lr_fn": "match_rms_adamw"}, "float32"),
]
LBFGS = [
    {"lr": 0.1, "max_iter": 7},
    {"line_search_fn": "strong_wolfe", "max_iter": 6},
    {"line_search_fn": "strong_wolfe", "max_eval": 4, "history_size": 2},
]
DIFFERENTIABLE = [
    ("SGD", {"lr": {"tensor": 0.1}, "momentum": 0.9}),
    ("SGD", {"weight_decay": {"tensor": 0.1}}),
    ("Adam", {"lr": {"tensor": 0.1}, "betas": [{"tensor": 0.8}, {"tensor": 0.9}]}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("Adadelta", {}),
    ("Adagrad", {}),
    ("Adamax", {}),
    ("ASGD", {}),
    ("NAdam", {}),
    ("RAdam", {}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Rprop", {}),
]


def label(name, kwargs, *rest):
    """A readable test id."""
    return "-".join([name, *(f"{k}={v}" for k, v in kwargs.items()), *rest]).replace(" ", "")


def arguments(torch, value, **options):
    """`value` with tensors in place of {"tensor": x} and tuples in place of lists."""
    if isinstance(value, dict):
        if "tensor" in value:
            return torch.tensor(value["tensor"], **options)
        return {k: arguments(torch, v, **options) for k, v in value.items()}
    if isinstance(value, list):
        return tuple(arguments(torch, v, **options) for v in value)
    return value


def draw(torch, rng, shape, dtype):
    """Normal numbers, the same in every framework."""
    array = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        array = array + 1j * rng.standard_normal(shape)
    return torch.tensor(array, dtype=getattr(torch, dtype))


def numbers(torch, tensor):
    """A flat list of Python floats."""
    tensor = tensor.detach()
    tensor = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    return [float(x) for x in tensor.reshape(-1).tolist()]


def trajectory(torch, name, kwargs, dtype):
    """Parameters after some steps and the final state; the optimizer is reloaded on the way."""
    rng = np.random.RandomState(0)
    shapes = [(2, 3), (3, 2)] if name == "Muon" else SHAPES
    params = [torch.nn.Parameter(draw(torch, rng, shape, dtype)) for shape in shapes]

    def create():
        return getattr(torch.optim, name)(params, **arguments(torch, kwargs))

    optimizer, kept = create(), []
    for step in range(1, NUM_STEPS + 1):
        for param, shape in zip(params, shapes, strict=True):
            param.grad = draw(torch, rng, shape, dtype)
        optimizer.step()
        if step in KEPT:
            kept.append([numbers(torch, param) for param in params])
        if step == RELOAD_AFTER:
            state, optimizer = copy.deepcopy(optimizer.state_dict()), create()
            optimizer.load_state_dict(state)
    state = {
        str(index): {
            key: [str(value.dtype).rpartition(".")[2], list(value.shape), numbers(torch, value)]
            for key, value in entry.items()
        }
        for index, entry in optimizer.state_dict()["state"].items()
    }
    options = sorted(optimizer.state_dict()["param_groups"][0])
    return {"params": kept, "state": state, "options": options}


def minimization(torch, kwargs):
    """Losses, point and counts of L-BFGS on the Rosenbrock function; reloaded before every step."""
    x = torch.nn.Parameter(torch.tensor([-1.2, 1.0, 0.5], dtype=torch.float64))
    optimizer, losses = torch.optim.LBFGS([x], **kwargs), []

    def closure():
        optimizer.zero_grad()
        loss = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
        loss.backward()
        return loss

    for _ in range(3):
        losses.append(float(optimizer.step(closure)))
        state = copy.deepcopy(optimizer.state_dict())
        optimizer = torch.optim.LBFGS([x], **kwargs)
        optimizer.load_state_dict(state)
    entry = state["state"][0]
    counts = [entry["func_evals"], entry["n_iter"], len(entry["old_dirs"])]
    return {"losses": losses, "x": numbers(torch, x), "counts": counts, "keys": sorted(entry)}


def differentiated(torch, name, kwargs):
    """Gradients through a step: by the old parameter, its gradient, and the options."""
    rng = np.random.RandomState(1)
    start, grad = (draw(torch, rng, (2, 3), "float64").requires_grad_() for _ in range(2))
    options = arguments(torch, kwargs, dtype=torch.float64, requires_grad=True)
    param = start.clone()
    optimizer = getattr(torch.optim, name)([param], differentiable=True, **options)
    param.grad = grad.clone()
    optimizer.step()
    (param**2).sum().backward()
    leaves = [start, grad]
    for value in options.values():
        leaves += [
            v for v in (value if isinstance(value, tuple) else (value,)) if torch.is_tensor(v)
        ]
    return [None if leaf.grad is None else numbers(torch, leaf.grad) for leaf in leaves]


# ---------------------------------------------------------------------- schedules


class PowerOf:
    """A callable object, whose attributes belong to the state of a schedule."""

    def __init__(self, base):
        self.base = base

    def __call__(self, epoch):
        return self.base**epoch


def _slow(epoch):
    return 0.95


# name -> function of (lr_scheduler module, optimizer); the last word of a name is only for reading.
SCHEDULES = {
    "LambdaLR": lambda L, o: L.LambdaLR(o, [PowerOf(0.9), _slow]),
    "MultiplicativeLR": lambda L, o: L.MultiplicativeLR(o, _slow),
    "StepLR": lambda L, o: L.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda L, o: L.MultiStepLR(o, [2, 5, 5, 9], 0.5),
    "ConstantLR": lambda L, o: L.ConstantLR(o, 0.3, 4),
    "LinearLR": lambda L, o: L.LinearLR(o, 0.2, 0.7, 6),
    "ExponentialLR": lambda L, o: L.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda L, o: L.PolynomialLR(o, 8, 1.5),
    "CosineAnnealingLR": lambda L, o: L.CosineAnnealingLR(o, 5, 0.01),
    "CosineAnnealingWarmRestarts": lambda L, o: L.CosineAnnealingWarmRestarts(o, 3, 2, 0.001),
    "CyclicLR triangular": lambda L, o: L.CyclicLR(o, 0.01, [0.1, 0.2], 3),
    "CyclicLR triangular2": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 3, 5, "triangular2"),
    "CyclicLR exp_range": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 3, mode="exp_range", gamma=0.9),
    "CyclicLR scale_fn": lambda L, o: L.CyclicLR(
        o, 0.01, 0.1, 3, scale_fn=PowerOf(0.8), scale_mode="iterations"
    ),
    "OneCycleLR cos": lambda L, o: L.OneCycleLR(o, 0.3, 20),
    "OneCycleLR linear": lambda L, o: L.OneCycleLR(
        o, [0.3, 0.4], epochs=4, steps_per_epoch=6, anneal_strategy="linear", three_phase=True
    ),
    "ReduceLROnPlateau min": lambda L, o: L.ReduceLROnPlateau(o, patience=1),
    "ReduceLROnPlateau max": lambda L, o: L.ReduceLROnPlateau(
        o, "max", 0.5, 1, 1e-2, "abs", 2, [1e-3, 2e-3]
    ),
    "SequentialLR": lambda L, o: L.SequentialLR(
        o, [L.ConstantLR(o, 0.1, 3), L.ExponentialLR(o, 0.9), L.CosineAnnealingLR(o, 5)], [4, 9]
    ),
    "ChainedScheduler": lambda L, o: L.ChainedScheduler(
        [L.ConstantLR(o, 0.1, 3), L.ExponentialLR(o, 0.9)]
    ),
    "SWALR": lambda L, o: L.SWALR(o, [0.02, 0.03], 4, "cos"),
}
# Schedules whose `step` takes an epoch, by a closed form or by `get_lr`.
WITH_EPOCH = [name for name in SCHEDULES if name.split()[0] not in (
    "ReduceLROnPlateau", "SequentialLR", "ChainedScheduler", "OneCycleLR"
)]  # fmt: skip


class Schedulers:
    """torch.optim.lr_scheduler with SWALR."""

    def __init__(self, torch):
        self._optim = torch.optim

    def __getattr__(self, name):
        owner = self._optim.swa_utils if name == "SWALR" else self._optim.lr_scheduler
        return getattr(owner, name)


def two_groups(torch, lr=0.1):
    """An optimizer with two groups, whose learning rates are lr and 2 lr."""
    params = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": [params[0]], "lr": lr}, {"params": [params[1]], "lr": 2 * lr}]
    return torch.optim.SGD(groups, momentum=0.9)


def schedule(torch, name, epochs=None, num_steps=14, reload_after=6, tensor_lr=False):
    """Learning rates and momenta, step by step; optimizer and schedule are reloaded on the way."""
    schedulers = Schedulers(torch)

    def create():
        optimizer = two_groups(torch, torch.tensor(0.1) if tensor_lr else 0.1)
        return optimizer, SCHEDULES[name](schedulers, optimizer)

    optimizer, scheduler = create()
    rows = [[float(lr) for lr in scheduler.get_last_lr()]]
    for i in range(num_steps):
        optimizer.step()
        extra = [1 / (1 + i // 3) + 0.01 * (i * 7 % 5)] if "Plateau" in name else []
        extra += [epochs[i]] if epochs and i in epochs else []
        scheduler.step(*extra)
        rows.append([float(lr) for lr in scheduler.get_last_lr()])
        rows[-1] += [float(group["momentum"]) for group in optimizer.param_groups]
        if i == reload_after:
            states = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
            optimizer, scheduler = create()
            optimizer.load_state_dict(states[0])
            scheduler.load_state_dict(states[1])
    return {"rows": rows, "keys": sorted(scheduler.state_dict())}
