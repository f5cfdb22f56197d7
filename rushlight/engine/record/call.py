"""A Call: an operator applied to given metadata, with its graph and result metadata.

Calls are cached per operator, so shapes and dtypes are inferred once; identity of Calls makes the
tape cheap to hash.
"""

from ..autodiff import derive
from ..base import device as devices
from ..base import dtypes, promote, shapes
from ..base.meta import meta_of
from ..ir import lang as L
from ..ir.graph import Graph
from ..ir.primitives import PRIMITIVES

INPUT, SCALAR = PRIMITIVES["input"], PRIMITIVES["scalar"]
NOTED_BYTES = 1 << 16  # of results; the recorder adds up those of larger calls


def _nothing():
    return None


class Call:
    """Graph inputs are the tensors in order, then the scalars."""

    __slots__ = (
        "op",
        "name",
        "node_name",
        "graph",
        "metas",
        "kinds",
        "out_metas",
        "rule",
        "differentiable",
        "derivatives",
        "variants",
        "results",
        "listed",
        "device",
        "float_inputs",
        "snapshots",
        "unordered",
        "noted",
        "plain",
        "single",
        "usual",
        "saves",
        "out_bytes",
        "records",
        "alone",
    )

    def __init__(
        self,
        op,
        name,
        node_name,
        graph,
        metas,
        kinds,
        out_metas,
        rule=None,
        results=("",),
        listed=False,
        device=devices.cpu,
    ):
        self.op, self.name, self.node_name, self.graph = op, name, node_name, graph
        self.metas, self.kinds, self.out_metas, self.rule = metas, kinds, out_metas, rule
        self.results, self.listed, self.device = results, listed, device
        self.derivatives = {}
        self.variants = {}
        self.unordered = any(v.prim.name == "clamp_index" for v in graph.values)
        self.saves = {}
        self.alone = _nothing  # its plan where it runs alone (a weak reference)
        self.out_bytes = sum(m.numel * m.dtype.itemsize for m in out_metas)
        self.plain = not self.unordered and device is devices.cpu  # may it run alone?
        self.noted = self.unordered or self.out_bytes > NOTED_BYTES
        self.single = len(out_metas) == 1 and not listed
        self.usual = self.single and device.type != "meta"
        self.records = self._recorded() if op is None or op.differentiable else ()
        self.differentiable = any(self.records)
        self.snapshots = 0  # so many operands are saved as they are: PyTorch saves masks of them
        self.float_inputs = tuple(m.dtype.category >= dtypes.FLOAT for m in metas)

    def __repr__(self):
        return f"<call {self.name}>"

    def _recorded(self):
        """Per output: does it get a node, being floating and made from a floating operand?  (An
        operator with a rule of its own says itself what it is made from.)"""
        reached = {
            v.index
            for v, m in zip(self.graph.inputs, self.metas, strict=False)
            if m.dtype.category >= dtypes.FLOAT
        }
        for v in self.graph.values:
            if self.rule and reached or not reached.isdisjoint([i.index for i in v.inputs]):
                reached.add(v.index)
        return tuple(
            v.index in reached and m.dtype.category >= dtypes.FLOAT
            for v, m in zip(self.graph.outputs, self.out_metas, strict=True)
        )

    def with_metas(self, metas):
        """The same graph reading operands of other strides."""
        if metas == self.metas:
            return self
        found = self.variants.get(metas)
        if found is None:
            found = self.variants[metas] = Call(
                self.op,
                self.name,
                self.node_name,
                self.graph,
                metas,
                self.kinds,
                self.out_metas,
                self.rule,
                self.results,
                self.listed,
                self.device,
            )
            found.float_inputs, found.snapshots = self.float_inputs, self.snapshots
        return found

    def derivative(self, needs, given):
        """(Derivative, Call) of the cotangents of inputs `needs` given those of outputs `given`."""
        key = (needs, given)
        found = self.derivatives.get(key)
        if found is None:
            found = self.derivatives[key] = self._derive(needs, given)
        return found

    def _derive(self, needs, given):
        d = derive(self.graph, needs, given, self.rule)
        n = len(self.metas)
        metas = (
            [self.metas[i] for i in d.inputs if i < n]
            + [self.out_metas[i] for i in d.outputs]
            + [self.out_metas[i] for i in given]
        )
        kinds = tuple(self.kinds[i - n] for i in d.inputs if i >= n)
        graph = d.graph
        tensors = [v for v in graph.inputs if v.prim is not SCALAR]
        graph.inputs = tensors + [v for v in graph.inputs if v.prim is SCALAR]
        outs = tuple(_gradient_meta(self.metas[i]) for i in needs)
        node = self.node_name + "Backward0"
        call = Call(
            self.op,
            self.name + "_backward",
            node,
            graph,
            tuple(metas),
            kinds,
            outs,
            results=("",) * len(outs),
            device=self.device,
        )
        if self.op is not None and self.op.masks:
            saved = len(metas) - len(given)
            call.float_inputs = (False,) * saved + call.float_inputs[saved:]
            call.snapshots = saved
        return d, call


def _gradient_meta(meta):
    return meta_of(
        meta.shape, meta.dtype, shapes.like_strides(meta.shape, meta.strides), meta.device
    )


def call_of(op, arguments, target=None):
    """Infer `op` on arguments: ("t", meta), ("T", metas), ("n", kind) or ("s", value) per
    parameter.

    `target` is the Meta an in-place call writes to: the result is cast to its dtype and must have
    its shape.
    """
    graph = Graph()
    metas, kinds, values = [], [], []
    scalars = []
    for tag, a in arguments:
        if tag == "t":
            metas.append(a)
            values.append(graph.add_input(INPUT, a.shape, a.dtype))
        elif tag == "T":
            metas.extend(m for m in a if m is not None)
            values.append(
                [None if m is None else graph.add_input(INPUT, m.shape, m.dtype) for m in a]
            )
        elif tag == "n":
            kinds.append(a)
            values.append(graph.add_input(SCALAR, (), promote.KIND_STORAGE[a]))
            scalars.append(values[-1])
        else:
            values.append(a)
    graph.inputs = [v for v in graph.inputs if v.prim is not SCALAR] + scalars
    device = _common_device(op, metas, arguments)
    run = _pointwise if op.kind == "pointwise" else _generic
    outs = run(op, graph, arguments, values, metas)
    if target is not None:
        outs = [(_written(op, outs[0][0], target), None)]
    graph.outputs = [v for v, _ in outs]
    out_metas = tuple(meta_of(v.shape, v.dtype, st, device) for v, st in outs)
    rule = None
    if op.vjp is not None:
        rule = _bind_rule(op, arguments, graph)
    return Call(
        op,
        op.name,
        op.node_name(arguments),
        graph,
        tuple(metas),
        tuple(kinds),
        out_metas,
        rule,
        op.schema.results,
        op.schema.listed,
        device,
    )


def _written(op, v, target):
    if v.shape != target.shape:
        raise RuntimeError(
            f"output with shape {list(target.shape)} doesn't match the broadcast shape "
            f"{list(v.shape)}"
        )
    if not dtypes.can_cast(v.dtype, target.dtype):
        raise RuntimeError(
            f"result type {v.dtype.type_name} can't be cast to the desired output type "
            f"{target.dtype.type_name}"
        )
    return L.cast(v, target.dtype)


def _common_device(op, metas, arguments):
    if op.name == "_to_copy" and arguments[-1][1] is not None:
        return arguments[-1][1]
    if op.name == "copy":  # this and _to_copy go between devices
        if metas[1].device.type == "meta" and metas[0].device.type != "meta":
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        return metas[0].device
    found = devices.cpu
    seen = [m.device for m in metas if m.ndim or len(metas) == 1]
    if seen:
        found = seen[0]
        for d in seen[1:]:
            if d.type != found.type:
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at "
                    f"least two devices, {found} and {d}! ({op.name}())"
                )
    elif metas:
        found = metas[0].device
    return found


# ------------------------------------------------------------------------------- pointwise
def _is_operand(op, param, tag):
    if tag not in "tn":
        return False
    if op.promotes is not None:
        return param.name in op.promotes
    return param.type.startswith("Tensor") or param.name == "other"


def _operands(op, arguments):
    """What decides the result dtype: (dtype, ndim) of tensors, the kinds of numbers."""
    found = []
    for p, (tag, a) in zip(op.schema.params, arguments, strict=True):
        if _is_operand(op, p, tag):
            found.append((a.dtype, a.ndim) if tag == "t" else a)
        elif op.promotes is not None and p.name in op.promotes and type(a) in promote.NUMBER_KINDS:
            found.append(promote.NUMBER_KINDS[type(a)])  # a number that is part of the kernel
    return found


def common_dtype(op, operands, mode):
    """The dtype a pointwise operator gives for operands as in `promote.result_type`; raises for
    those it does not take."""
    common = promote.result_type(operands)
    if mode == "float" and common.category < dtypes.FLOAT:
        common = promote.get_default_dtype()
    elif mode == "integer" and common is dtypes.bool_:
        common = dtypes.int64
    if op.dtypes is not None:
        op.dtypes(op, common)
    return common


_WITHOUT_TENSORS = frozenset(("add", "sub", "mul", "div", "floor_divide"))


def _pointwise(op, graph, arguments, values, metas):
    params = op.schema.params
    if not metas and op.name not in _WITHOUT_TENSORS:
        raise TypeError(f"{op.name}(): one of the operands must be a Tensor, not only numbers")
    mode = op.promote(*(a for _, a in arguments)) if callable(op.promote) else op.promote
    common = common_dtype(op, _operands(op, arguments), mode)
    compute = common if mode == "storage" else dtypes.OPMATH.get(common, common)
    shape = shapes.broadcast_shapes(*(m.shape for m in metas))
    ready = {}
    for p, (tag, _), v in zip(params, arguments, values, strict=True):
        if tag == "t":
            v = L.broadcast(v, shape)
            v = L.cast(L.cast(v, common), compute) if _is_operand(op, p, tag) else v
        elif tag == "n":
            v = L.broadcast(L.cast(v, compute), shape)
        ready[p.name] = v
    outs = op.body(**ready)
    outs = outs if isinstance(outs, tuple) else (outs,)
    sources = [(tuple(m.shape), m.strides) for m in metas]
    sources += [
        ((), ())
        for p, (tag, _) in zip(params, arguments, strict=True)
        if tag == "n" and p.type == "Tensor"
    ]  # a number there is a 0-d tensor to PyTorch
    strides = shapes.result_strides(shape, sources) if metas else None
    return [(_result(op, v, common), strides) for v in outs]


def _result(op, v, common):
    if op.result == "same":
        return L.cast(v, common)
    if op.result == "real":
        return L.cast(v, common.to_real())
    return v


# --------------------------------------------------------------------------------- generic
def _generic(op, graph, arguments, values, metas):
    ready = {p.name: v for p, v in zip(op.schema.params, values, strict=True)}
    factory = not any(tag in "tT" for tag, _ in arguments)
    outs = op.body(graph, **ready) if factory else op.body(**ready)
    outs = tuple(outs) if isinstance(outs, tuple | list) else (outs,)
    out_shapes = [v.shape for v in outs]
    if op.layout is not None:
        chosen = op.layout(arguments, out_shapes)
    elif op.strides is not None:
        chosen = op.strides(metas, out_shapes)
    else:
        chosen = [None] * len(outs)
    return list(zip(outs, chosen, strict=True))


def _bind_rule(op, arguments, graph):
    """The record's vjp(grads, outputs, **arguments) in terms of graph inputs."""
    params = op.schema.params

    def rule(grads, inputs, outputs):
        position = iter(range(len(inputs)))
        tensors = [v for v, old in zip(inputs, graph.inputs, strict=True) if old.prim is not SCALAR]
        scalars = iter(
            [v for v, old in zip(inputs, graph.inputs, strict=True) if old.prim is SCALAR]
        )
        given, places, source = {}, {}, iter(tensors)
        for p, (tag, a) in zip(params, arguments, strict=True):
            if tag == "t":
                given[p.name], places[p.name] = next(source), next(position)
            elif tag == "T":
                given[p.name] = [None if m is None else next(source) for m in a]
                places[p.name] = [None if m is None else next(position) for m in a]
            elif tag == "n":
                given[p.name] = next(scalars)
            else:
                given[p.name] = a
        found = op.vjp(grads, outputs, **given)
        flat = [None] * len(inputs)
        for name, g in found.items():
            at = places.get(name)
            if isinstance(at, list):
                for i, one in zip(at, g, strict=True):
                    if i is not None:
                        flat[i] = one
            elif at is not None:
                flat[at] = g
        return flat

    return rule
