"""Samples of operators for tests/ops/test_ops.py: how to call a record with small inputs.

Pointwise records and reductions are sampled from their schema; ARGUMENTS says how to call the rest.
A record for which nothing fits has no sample: conformance and the tests of its family cover it.
"""

import numpy as np

import rushlight as torch
from rushlight.engine.ops import REGISTRY
from rushlight.engine.ops.schema import REQUIRED

F = torch.nn.functional
DOMAINS = {  # where the function is defined and smooth, if not (0.2, 0.8)
    "acosh": (1.1, 3.0),
    "airy_ai": (0.2, 0.8),
    "hardshrink": (0.6, 2.0),
    "hardtanh": (-0.9, 0.9),
    "log_ndtr": (-2.0, 2.0),
    "mvlgamma": (2.6, 4.0),
    "multigammaln": (2.6, 4.0),
    "softshrink": (0.6, 2.0),
    "threshold": (0.6, 2.0),
    "gcd": (1, 30),
    "lcm": (1, 30),
    "ldexp": (0.5, 2.0),
}
SYMMETRIC = {"cholesky", "cholesky_inverse", "linalg_cholesky", "linalg_cholesky_ex"}
SYMMETRIC |= {"linalg_eigh", "linalg_eigvalsh"}  # they read one triangle
INTEGER = {"gcd", "lcm", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not"}
INTEGER |= {"bitwise_left_shift", "bitwise_right_shift"}
VALUES = {  # required parameters that are not tensors, by name or (operator, name)
    ("clamp", "min"): 0.3,
    ("clamp", "max"): 0.6,
    ("pow", "exponent"): 2.5,
    ("div", "rounding_mode"): "floor",
    ("polygamma", "n"): 1,
    ("mvlgamma", "p"): 2,
    ("multigammaln", "p"): 2,
    ("round", "decimals"): 1,
    "threshold": 0.5,
    "value": 0.7,
}


class Draw:
    """Makes the tensors of one sample: the same numbers for the same record."""

    def __init__(self, name):
        self.numbers = np.random.RandomState(sum(map(ord, name)) % 1000)
        self.low, self.high = DOMAINS.get(name, (0.2, 0.8))
        self.integer = name in INTEGER

    def tensor(self, *shape):
        """Floating values of the operator's domain (integers where it needs them)."""
        if self.integer:
            return torch.tensor(self.numbers.randint(1, 12, shape).astype(np.int64))
        return torch.tensor(self.numbers.uniform(self.low, self.high, shape))

    def index(self, high, *shape):
        """int64 values below `high`, without repetition along the last dimension."""
        rows = [
            self.numbers.permutation(high)[: shape[-1]] for _ in range(int(np.prod(shape[:-1])))
        ]
        return torch.tensor(np.array(rows).reshape(shape).astype(np.int64))

    def mask(self, *shape):
        """bool values, about half of them True."""
        return torch.tensor(self.numbers.rand(*shape) < 0.5)

    def definite(self, n):
        """A symmetric positive definite matrix."""
        half = self.tensor(n, n)
        return half @ half.t() + torch.eye(n, dtype=half.dtype)


ARGUMENTS = {  # name -> the arguments, made by a Draw
    "addbmm": lambda d: (d.tensor(2, 4), d.tensor(3, 2, 3), d.tensor(3, 3, 4)),
    "addmm": lambda d: (d.tensor(2, 4), d.tensor(2, 3), d.tensor(3, 4)),
    "addmv": lambda d: (d.tensor(2), d.tensor(2, 3), d.tensor(3)),
    "addr": lambda d: (d.tensor(2, 3), d.tensor(2), d.tensor(3)),
    "baddbmm": lambda d: (d.tensor(3, 2, 4), d.tensor(3, 2, 3), d.tensor(3, 3, 4)),
    "bmm": lambda d: (d.tensor(2, 2, 3), d.tensor(2, 3, 4)),
    "cat": lambda d: ([d.tensor(2, 3), d.tensor(1, 3)],),
    "stack": lambda d: ([d.tensor(2, 3), d.tensor(2, 3)], 1),
    "cumsum": lambda d: (d.tensor(2, 3), 1),
    "cumprod": lambda d: (d.tensor(2, 3), 1),
    "cummax": lambda d: (d.tensor(2, 3), 1),
    "cummin": lambda d: (d.tensor(2, 3), 1),
    "logcumsumexp": lambda d: (d.tensor(2, 3), 1),
    "diff": lambda d: (d.tensor(2, 3),),
    "dot": lambda d: (d.tensor(4), d.tensor(4)),
    "vdot": lambda d: (d.tensor(4), d.tensor(4)),
    "flip": lambda d: (d.tensor(2, 3), (0, 1)),
    "gather": lambda d: (d.tensor(2, 4), 1, d.index(4, 2, 3)),
    "index_add": lambda d: (d.tensor(2, 4), 1, d.index(4, 1, 3)[0], d.tensor(2, 3)),
    "index_copy": lambda d: (d.tensor(2, 4), 1, d.index(4, 1, 3)[0], d.tensor(2, 3)),
    "index_select": lambda d: (d.tensor(2, 4), 1, d.index(4, 1, 3)[0]),
    "scatter.src": lambda d: (d.tensor(2, 4), 1, d.index(4, 2, 3), d.tensor(2, 3)),
    "scatter.value": lambda d: (d.tensor(2, 4), 1, d.index(4, 2, 3), 0.5),
    "scatter_add": lambda d: (d.tensor(2, 4), 1, d.index(4, 2, 3), d.tensor(2, 3)),
    "masked_fill.Scalar": lambda d: (d.tensor(2, 3), d.mask(2, 3), 0.5),
    "masked_scatter": lambda d: (d.tensor(2, 3), d.mask(2, 3), d.tensor(2, 3)),
    "take": lambda d: (d.tensor(2, 3), d.index(6, 2, 2)),
    "kthvalue": lambda d: (d.tensor(2, 4), 2),
    "topk": lambda d: (d.tensor(2, 4), 2),
    "linear": lambda d: (d.tensor(2, 3), d.tensor(4, 3), d.tensor(4)),
    "matmul": lambda d: (d.tensor(2, 1, 2, 3), d.tensor(3, 4)),
    "mm": lambda d: (d.tensor(2, 3), d.tensor(3, 4)),
    "mv": lambda d: (d.tensor(2, 3), d.tensor(3)),
    "outer": lambda d: (d.tensor(2), d.tensor(3)),
    "renorm": lambda d: (d.tensor(2, 3), 2, 0, 0.5),
    "repeat": lambda d: (d.tensor(2, 3), (2, 1)),
    "roll": lambda d: (d.tensor(2, 3), 1, 1),
    "searchsorted.Tensor": lambda d: (d.tensor(6).sort().values, d.tensor(4)),
    "trace": lambda d: (d.tensor(3, 3),),
    **dict.fromkeys(SYMMETRIC, lambda d: (d.definite(3),)),
    "linalg_det": lambda d: (d.definite(3),),
    "logdet": lambda d: (d.definite(3),),
    "linalg_inv": lambda d: (d.definite(3),),
    "linalg_solve": lambda d: (d.definite(3), d.tensor(3, 2)),
    "linalg_svdvals": lambda d: (d.tensor(3, 2),),
    "nn.adaptive_avg_pool2d": lambda d: (d.tensor(1, 2, 4, 5), (2, 3)),
    "nn.avg_pool2d": lambda d: (d.tensor(1, 2, 4, 5), 2),
    "nn.max_pool2d": lambda d: (d.tensor(1, 2, 4, 5), 2),
    "conv1d": lambda d: (d.tensor(2, 2, 6), d.tensor(3, 2, 3), d.tensor(3), 2, 1),
    "conv2d": lambda d: (d.tensor(1, 2, 5, 4), d.tensor(2, 1, 3, 2), None, 1, 1, 1, 2),
    "conv_transpose2d": lambda d: (d.tensor(1, 2, 3, 2), d.tensor(2, 2, 2, 2)),
    "nn.binary_cross_entropy": lambda d: (d.tensor(2, 3), d.tensor(2, 3)),
    "nn.cross_entropy": lambda d: (d.tensor(3, 4), d.index(4, 1, 3)[0]),
    "nn.embedding": lambda d: (d.index(4, 2, 3), d.tensor(4, 2)),
    "nn.glu": lambda d: (d.tensor(2, 4),),
    "nn.group_norm": lambda d: (d.tensor(2, 4, 3), 2),
    "nn.kl_div": lambda d: (d.tensor(2, 3), d.tensor(2, 3)),
    "nn.l1_loss": lambda d: (d.tensor(2, 3), d.tensor(2, 3) + 1),
    "nn.layer_norm": lambda d: (d.tensor(2, 3), (3,), d.tensor(3), d.tensor(3)),
    "nn.mse_loss": lambda d: (d.tensor(2, 3), d.tensor(2, 3)),
    "nn.nll_loss": lambda d: (d.tensor(3, 4), d.index(4, 1, 3)[0]),
    "nn.normalize": lambda d: (d.tensor(2, 3),),
    "nn.smooth_l1_loss": lambda d: (d.tensor(2, 3), d.tensor(2, 3)),
    "pixel_shuffle": lambda d: (d.tensor(1, 4, 2, 3), 2),
    "permute_copy": lambda d: (d.tensor(2, 3), (1, 0)),
    "prelu": lambda d: (d.tensor(2, 3), d.tensor(3)),
}


class Sample:
    """One record under its public name, with a way to make arguments for it."""

    def __init__(self, name, path, op, make):
        self.name, self.op, self.make = name, op, make
        self.short, self.function = op.name, public_function(path)
        self.options = {p.name: value_of(op, p) for p in op.schema.params if needs(p) and p.kw_only}

    def arguments(self):
        """Positional arguments, new ones each time, the same values each time."""
        return self.make(Draw(self.short))

    def __call__(self, arguments, **options):
        return self.function(*arguments, **self.options, **options)

    def __repr__(self):
        return self.name


def public_function(name):
    """The function users call for a registry name, or None."""
    space, _, short = name.rpartition(".")
    owner = {"": torch, "nn": F}.get(space) or getattr(torch, space)
    found = getattr(owner, short, None) or getattr(torch.Tensor, short, None)
    return found if callable(found) else None


def needs(p):
    """Must a call give this parameter?"""
    return p.default is REQUIRED


def value_of(op, p):
    """A value for a parameter that is no tensor, or None."""
    if (op.name, p.name) in VALUES or p.name in VALUES:
        return VALUES.get((op.name, p.name), VALUES.get(p.name))
    return 0.4 if p.type.startswith(("Scalar", "float")) else None


def schema_arguments(op):
    """A maker of arguments from the schema, or None where types do not say enough."""
    if any(needs(p) and p.kw_only and value_of(op, p) is None for p in op.schema.params):
        return None
    params = [p for p in op.schema.params if not p.kw_only]
    if op.kind == "pointwise":
        makers = [_argument(op, p) for p in params if needs(p) or (op.name, p.name) in VALUES]
        return None if None in makers else lambda d: tuple(make(d) for make in makers)
    required = [p for p in params if needs(p)]
    if op.kind != "operator" or [p.type for p in required[:1]] != ["Tensor"]:
        return None
    axes = {"int": 1, "int[]": (1,), "int[]?": (1,)}
    if any(p.name not in ("dim", "dims") or p.type not in axes for p in required[1:]):
        return None
    return lambda d: (d.tensor(3, 3), *(axes[p.type] for p in required[1:]))


def _argument(op, p):
    if p.type == "Tensor":
        return (lambda d: d.mask(2, 3)) if p.name == "condition" else (lambda d: d.tensor(2, 3))
    value = value_of(op, p)
    return None if value is None else lambda d: value


def samples():
    """Every public record that can be called, once, under its first public name."""
    names: dict = {}
    for name, overloads in REGISTRY.items():
        for op in overloads:
            names.setdefault(op, []).append(name)
    found = [_sample(op, known) for op, known in names.items()]
    return [s for s in found if s is not None]


def _sample(op, names):
    public = [n for n in names if public_function(n) is not None]
    hidden = op.name.startswith("_") or op.variants == {"inplace"}
    if hidden or not public or op.kind in ("composite", "view"):
        return None
    full = public[0] + ("." + op.overload if op.overload else "")
    make = next((ARGUMENTS[n] for n in (full, public[0], op.name) if n in ARGUMENTS), None)
    make = make or schema_arguments(op)
    return None if make is None else Sample(full, public[0], op, make)
