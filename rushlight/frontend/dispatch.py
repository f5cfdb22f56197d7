"""Calling an operator: find its Call, record it, and give the result its history.

`install.py` generates each record's public function, which looks into the Call cache by itself and
comes here (`choose`, `run_bound`) with what the cache does not know.
"""

from ..engine.base import dtypes
from ..engine.base.promote import on_default_change
from ..engine.record import call_of, record_call, state
from ..engine.runtime.storage import Storage
from .arguments import accepts, bind, classify, is_number
from .graph import Node, Saved, edge
from .results import pack
from .tensor import Tensor, _new

CALL_LIMIT = 20_000
_caches: list = []


# ------------------------------------------------------------------------------ recording
class OpNode(Node):
    """The node of a recorded Call."""

    __slots__ = ("call", "saved", "scalars", "freed", "reads")

    def __init__(self, call, edges, scalars):
        super().__init__(call.node_name, edges, len(call.out_metas))
        self.call, self.scalars, self.saved, self.freed = call, scalars, {}, False
        self.reads = False

    def _derivative(self):
        needs = tuple([i for i, e in enumerate(self.edges) if e is not None])
        return self.call.derivative(needs, _float_outputs(self.call))[0]

    def save_inputs(self, tensors, clone_self=None):
        """Remember the operands the derivative reads (of one written in place: its old value)."""
        n = len(self.call.metas)
        d = self._derivative()
        self.reads = bool(d.inputs or d.outputs)
        for i in d.inputs:
            if i < n:
                self.saved[i] = Saved(clone_self() if i == 0 and clone_self else tensors[i])

    def save_outputs(self, outputs, weak=False):
        """Remember the results the derivative reads, without their history."""
        for i in self._derivative().outputs:
            self.saved[~i] = Saved(outputs[i], is_output=True, weak=weak)

    def apply(self, grads, needed):
        given = tuple(i for i, g in enumerate(grads) if g is not None)
        needs = tuple(i for i, e in enumerate(self.edges) if e is not None and needed(i))
        out = [None] * len(self.edges)
        if not needs:
            return out
        self._check_freed()
        d, call = self.call.derivative(needs, given)
        if not call.out_metas:
            return out
        n = len(self.call.metas)
        places = [i for i in d.inputs if i < n] + [~i for i in d.outputs]
        tensors = [None] * len(places)
        for k in range(len(places) - 1, -1, -1):  # PyTorch unpacks `other` before `self`
            tensors[k] = self.saved[places[k]].unpack(self)
        tensors += [grads[i] for i in given]
        scalars = tuple(self.scalars[i - n] for i in d.inputs if i >= n)
        results = finish_all(call.with_metas(tuple([t._meta.plain for t in tensors])), tensors,
                             scalars)
        for i, w in zip(needs, d.wanted, strict=True):
            if w is not None:
                out[i] = results[w]
        return out

    def _check_freed(self):
        if self.freed:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved "
                "tensors after they have already been freed). Saved intermediate values of the "
                "graph are freed when you call .backward() or autograd.grad(). Specify "
                "retain_graph=True if you need to backward through the graph a second time or if "
                "you need to access saved tensors after calling backward.")

    def release(self):
        if self.reads:  # a Python number the derivative reads counts as saved, too
            self.freed = True
            self.saved = {}

    def __getattr__(self, name):
        """`_saved_self`, `_saved_result`, ...: what PyTorch's nodes show."""
        if name.startswith("_saved_"):
            self._check_freed()
            what = name[len("_saved_"):]
            place = ~0 if what == "result" else _parameter_position(self.call, what)
            if place in self.saved:
                return self.saved[place].unpack(self)
        raise AttributeError(f"'{self._name}' object has no attribute '{name}'")


def _parameter_position(call, name):
    names = [p.name for p in call.op.schema.params if p.type.startswith("Tensor")]
    return names.index(name) if name in names else None


def _float_outputs(call):
    return tuple(i for i, m in enumerate(call.out_metas) if m.dtype.category >= dtypes.FLOAT)


def finish_all(call, tensors, scalars):
    """Record a call; returns its results as a list of tensors with their history."""
    outs = []
    if call.device.type == "meta":
        storages = [Storage(m.dtype, m.numel, m.device) for m in call.out_metas]
    else:
        storages = record_call(call, tensors, scalars)
    for storage, meta in zip(storages, call.out_metas, strict=True):
        t = _new(Tensor)
        t._st, t._off, t._meta, t._vc = storage, 0, meta, storage
        t._rg, t._fn, t._nr, t._view = False, None, 0, None
        outs.append(t)
    if state.grad and call.differentiable:
        for t in tensors:
            if t._rg or t._view is not None and t.requires_grad:
                attach(call, tensors, scalars, outs)
                break
    if state.inference:
        for t in outs:
            t._inference = True
    return outs


def attach(call, tensors, scalars, outs):
    """Give results their node."""
    if call.op is not None and not call.op.differentiable:
        return
    edges = [edge(t) if f and t.requires_grad else None
             for t, f in zip(tensors, call.float_inputs, strict=True)]
    for t in tensors:
        if t._inference:
            raise RuntimeError("Inference tensors cannot be saved for backward. Please do not use "
                               "Tensors created in inference mode in computation tracked by "
                               "autograd. To work around this, you can make a clone to get a "
                               "normal tensor and use it in autograd, or use `torch.no_grad()` "
                               "instead of `torch.inference_mode()`.")
    node = OpNode(call, edges, scalars)
    for i, t in enumerate(outs):
        if call.out_metas[i].dtype.category >= dtypes.FLOAT:
            t._fn, t._nr, t._rg = node, i, True
    node.save_inputs(tensors)
    node.save_outputs(outs)
    if state.anomaly:
        note_forward(node)


def note_forward(node):
    """Anomaly mode: remember where the forward operator was called."""
    import traceback
    node.metadata = {"traceback_": traceback.format_stack()[:-3]}


def finish(call, tensors, scalars):
    """Record a call; returns what the operator returns."""
    outs = finish_all(call, tensors, scalars)
    if len(outs) == 1 and not call.listed:
        return outs[0]
    return pack(call, outs)


# ------------------------------------------------------------------------------- slow path
def run_bound(op, values):
    """An operator on bound arguments: check, infer, remember, record."""
    key, tagged, tensors, scalars = classify(op, values)
    return finish(infer(op, op.calls, key, tagged), tensors, scalars)


def infer(op, cache, key, tagged, target=None):
    """The Call for these arguments, remembered (under a mode: not where the fast path looks)."""
    if state.function_modes:
        cache = op.shadow_calls
    call = cache.get(key)
    if call is None:
        if not cache:
            _caches.append(cache)
        elif len(cache) >= CALL_LIMIT:
            cache.clear()
        call = cache[key] = call_of(op, tagged, target)
    return call


def clear_caches():
    """Forget every inferred call (the default dtype changed, or a mode must see each call)."""
    for cache in _caches:
        cache.clear()
    _caches.clear()


on_default_change(clear_caches)


def choose(overloads, name, args, kwargs):
    """The first overload that accepts the arguments, and the bound values."""
    problems = []
    for op in overloads:
        try:
            values = bind(op, args, kwargs)
        except TypeError as error:
            problems.append(error)
            continue
        if all(_fits(op, p, values[p.name]) for p in op.schema.params):
            return op, values
    if len(overloads) == 1:
        if problems:
            raise problems[0]
        return overloads[0], bind(overloads[0], args, kwargs)
    given = ", ".join([type(a).__name__ for a in args]
                      + [f"{k}={type(v).__name__}" for k, v in kwargs.items()])
    known = "\n".join(f" * {op.schema_text}" for op in overloads)
    raise TypeError(f"{name}() received an invalid combination of arguments - got ({given}), but "
                    f"expected one of:\n{known}")


def _fits(op, p, value):
    if accepts(p, value):
        return True
    return p.type == "Tensor" and op.kind == "pointwise" and is_number(value)
