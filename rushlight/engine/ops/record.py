"""What a record is: one PyTorch operator overload, declared once.

Kinds
    pointwise   body on broadcast Values of one dtype; promotion, opmath and strides are generic
    operator    body on Values as they come (reductions, products, norms, ...)
    view        `geometry(meta, ...)` says where the result lies; body gives its derivative
    composite   Python on Tensors, calling other operators through `T`; no schema, its own signature

Everything else is derived from the record: function, method, in-place and out= forms, argument
checks, gradient, docs, stubs and tests.
"""

import functools
from functools import cached_property

from ..base import dtypes
from . import schema as schemas

REGISTRY: dict[str, list] = {}


class _Functions:
    """`T.name`: the public functions on Tensors, for composite bodies (bound by the frontend)."""

    _source = None

    def __getattr__(self, name):
        return getattr(self._source, name)

    def bind(self, source):
        type(self)._source = source


T = _Functions()


class Op:
    """One overload.  See the decorators below for the meaning of the fields."""

    def __init__(
        self,
        kind,
        schema,
        body,
        *,
        variants="function,method",
        promote="default",
        result="same",
        vjp=None,
        node=None,
        strides=None,
        geometry=None,
        ref=None,
        samples=None,
        structural=(),
        differentiable=True,
        dtypes=None,
        overlap=True,
        multi=False,
        absolute=False,
        aliases=(),
        promotes=None,
        layout=None,
        seen_as=None,
        out="any",
        numbers=("other",),
        masks=False,
    ):
        self.kind, self.schema_text, self.body = kind, schema, body
        self.name, self.overload = schemas.split_name(schema)
        self.variants = frozenset(variants.split(","))
        self.promote, self.result, self.vjp = promote, result, vjp
        self.node = node or _camel(self.name) + "Backward0"
        self.strides, self.geometry, self.ref, self.samples = strides, geometry, ref, samples
        self.structural = frozenset(structural)
        self.differentiable, self.dtypes = differentiable, dtypes
        self.overlap, self.multi, self.absolute = overlap, multi, absolute
        self.aliases, self.promotes = aliases, promotes
        self.layout = (
            layout  # like strides, from the tagged arguments: (arguments, shapes) -> strides
        )
        self.out = out  # what out= must be: "any", "apart" (from the operands), "exact" (dtype too)
        self.seen_as = seen_as  # views of another dtype: dtype -> dtype
        self.numbers = frozenset(numbers)  # pointwise: Tensor parameters that may be Python numbers
        self.masks = masks  # the derivative only chooses by the operands: constant in them
        self.calls, self.inplace_calls, self.shadow_calls = {}, {}, {}
        self.__doc__ = body.__doc__

    @cached_property
    def schema(self):
        return schemas.parse(self.schema_text)

    def node_name(self, arguments):
        """The name of the node these arguments make: fixed, or a function of the tagged
        arguments."""
        return self.node(arguments) if callable(self.node) else self.node

    @property
    def full_name(self):
        return f"{self.name}.{self.overload}" if self.overload else self.name

    def __repr__(self):
        return f"<op {self.full_name}>"


def numbered(name, with_tensor, with_number, at=1):
    """Node names that depend on whether parameter `at` is a tensor or a number."""
    return lambda arguments: (
        f"{name}Backward{with_tensor if arguments[at][0] == 't' else with_number}"
    )


def _camel(name):
    return "".join(w[:1].upper() + w[1:] for w in name.strip("_").split("_"))


_SPACES = frozenset(("nn", "linalg", "fft", "special"))


def _register(op):
    """Into the table under its names; what only one space has is called "<space>.<name>"."""
    spaces = op.variants & _SPACES
    elsewhere = op.variants - spaces - {"inplace", "out"}
    own = f"{min(spaces)}.{op.name}" if len(spaces) == 1 and not elsewhere else op.name
    for name in (own, *op.aliases):
        REGISTRY.setdefault(name, []).append(op)
    return op


def _decorator(kind, **defaults):
    def with_schema(schema, **fields):
        def wrap(body):
            return _register(Op(kind, schema, body, **{**defaults, **fields}))

        return wrap

    return with_schema


pointwise = _decorator("pointwise", variants="function,method,inplace,out")
operator = _decorator("operator", variants="function,method,out")
view = _decorator("view")
mutation = _decorator(
    "operator", variants="inplace"
)  # exists only in place; body: self's new value


def in_float32(body):
    """`body`, which on tensors of one half type sees them as float32; its results are of that type.
    What is one tensor stays one."""

    @functools.wraps(body)
    def widened(*args, **kwargs):
        given = [v for v in (*args, *kwargs.values()) if _is_floating(v)]
        kinds = {t.dtype for t in given}
        if len(kinds) != 1 or not kinds & {*dtypes.HALVES}:
            return body(*args, **kwargs)
        (dtype,) = kinds
        wide = {id(t): t.float() for t in given}
        named = {k: wide.get(id(v), v) for k, v in kwargs.items()}
        found = body(*[wide.get(id(v), v) for v in args], **named)
        if isinstance(found, tuple):
            return tuple([v.to(dtype) if _is_floating(v) else v for v in found])
        return found.to(dtype)

    return widened


def _is_floating(v):
    return T.is_tensor(v) and v.dtype.category == dtypes.FLOAT


def composite(variants="function,method", name=None, schema=None, wide=False, **fields):
    """A Python function of Tensors under its own name and signature (first parameter `input`); with
    a `schema`, one more overload of a name that has records.  `wide`: on tensors of one half type
    it is computed in float32 and rounded once, at its end."""

    def wrap(body):
        return _register(
            Op(
                "composite",
                schema or (name or body.__name__.strip("_")) + "(",
                in_float32(body) if wide else body,
                variants=variants,
                **fields,
            )
        )

    return wrap
