"""Calling an operator: find its Call, record it, and give the result its history.

`install.py` generates each record's public function, which looks into the Call cache by itself and
comes here (`choose`, `run_bound`) with what the cache does not know.
"""

import traceback

from ..engine.base import dtypes
from ..engine.base.device import meta as META
from ..engine.base.locks import process_lock
from ..engine.base.promote import on_default_change
from ..engine.record import call_of, record_call, state
from ..engine.record.segment import user_frame
from ..engine.runtime.storage import storage_of
from .arguments import accepts, bind, classify, is_number, reads_tensor, takes_number
from .graph import Node, Saved, _sequence, edge, stale
from .results import pack
from .tensor import _new, wrap

CALL_LIMIT = 20_000
_caches: dict = {}  # by identity, every call cache that holds something
_remembering = process_lock()
_forgotten = 0  # how often all calls were forgotten
_modes = 0  # how many function modes are entered, in all threads


# ------------------------------------------------------------------------------ recording
class OpNode(Node):
    """The node of a recorded Call."""

    __slots__ = ("call", "saved", "scalars", "freed")

    def __init__(self, call, edges, scalars):
        self.call, self.edges, self.scalars, self.seq = call, edges, scalars, next(_sequence)
        self.saved, self.extras, self.freed = {}, None, False

    n_out = property(lambda self: len(self.call.out_metas))

    def name(self):
        return self.call.node_name

    def save_written(self, tensors, old_self):
        """Remember the operands of an in-place operator, of the written one its old value."""
        for i in self._plan()[0]:
            t = old_self() if i == 0 else tensors[i]
            if t._inference:
                refuse_inference()
            self.saved[i] = Saved(t) if state.saved_hooks else (t, t._vc.version)

    def save_results(self, outputs, weak=False):
        """Remember results, without their history."""
        for i in self._plan()[1]:
            self.saved[~i] = Saved(outputs[i], is_output=True, weak=weak)

    def _plan(self):
        return what_to_save(self.call, sum([1 << i for i, e in enumerate(self.edges) if e]))

    def unpack(self, found):
        """A saved value, checked for having been written since."""
        if found.__class__ is tuple:
            t, version = found
            if t._vc.version != version:
                stale(t, version, t._nr, t.grad_fn)
            return t
        return found.unpack(self)

    def apply(self, grads, needed):
        given = tuple([i for i, g in enumerate(grads) if g is not None])
        needs = tuple([i for i, e in enumerate(self.edges) if e is not None and needed(i)])
        out = [None] * len(self.edges)
        if not given:
            return out
        saved = self.saved  # before the check: another thread may release the node
        self._check_freed()
        unpacked = {place: self.unpack(saved[place]) for place in self._unpack_order(saved)}
        if not needs:
            return out
        d, call = self.call.derivative(needs, given)
        n = len(self.call.metas)
        tensors = [unpacked[i] for i in d.inputs if i < n] + [unpacked[~i] for i in d.outputs]
        tensors += [grads[i] for i in given]
        scalars = tuple([self.scalars[i - n] for i in d.inputs if i >= n])
        results = finish_all(
            call.with_metas(tuple([t._meta.plain for t in tensors])), tensors, scalars
        )
        for i, g in zip(needs, results, strict=True):
            out[i] = g
        return out

    def _unpack_order(self, saved):
        """PyTorch unpacks everything it saved: operands by name (`other` before `self`),
        results."""
        if not saved or len(saved) == 1:
            return saved or ()
        names = _tensor_names(self.call)
        return sorted(saved, key=lambda place: "~result" if place < 0 else names[place])

    def _check_freed(self):
        if self.freed:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved "
                "tensors after they have already been freed). Saved intermediate values of the "
                "graph are freed when you call .backward() or autograd.grad(). Specify "
                "retain_graph=True if you need to backward through the graph a second time or if "
                "you need to access saved tensors after calling backward."
            )

    def release(self):
        if self.saved or self.scalars and _reads_numbers(self.call, self.edges):
            self.freed = True
            self.saved = None

    def __getattr__(self, name):
        """`_saved_self`, `_saved_result`, ...: what PyTorch's nodes show."""
        if name.startswith("_saved_"):
            self._check_freed()
            what = name[len("_saved_") :]
            place = ~0 if what == "result" else _parameter_position(self.call, what)
            if place in self.saved:
                return self.unpack(self.saved[place])
        raise AttributeError(f"'{self.name()}' object has no attribute '{name}'")


def _tensor_names(call):
    """Names of the Call's tensors; lists and derived calls count on."""
    names = (
        []
        if call.op is None
        else [p.name for p in call.op.schema.params if p.type.startswith("Tensor")]
    )
    return names + [f"{i:03}" for i in range(len(call.metas))]


def _parameter_position(call, name):
    names = _tensor_names(call)
    return names.index(name) if name in names else None


def what_to_save(call, wanted):
    """(inputs, outputs) that the derivative of the inputs in the bit set `wanted` reads."""
    found = call.saves.get(wanted)
    if found is None:
        n = len(call.metas)
        needs = tuple([i for i in range(n) if wanted >> i & 1])
        floats = tuple(i for i, f in enumerate(call.float_inputs) if f)
        # PyTorch saves what more than one operand's derivative reads, wanted or not
        always = len(floats) == 1 or call.op is not None and call.op.masks
        whole = needs or (floats if always else ())
        d = call.derivative(whole, _float_outputs(call))[0]
        found = call.saves[wanted] = (tuple(i for i in d.inputs if i < n), d.outputs)
    return found


def _float_outputs(call):
    return tuple(i for i, m in enumerate(call.out_metas) if m.dtype.category >= dtypes.FLOAT)


def _reads_numbers(call, edges):
    """Does the derivative read a Python number?  It counts as saved."""
    needs = tuple([i for i, e in enumerate(edges) if e is not None])
    n = len(call.metas)
    return any(i >= n for i in call.derivative(needs, _float_outputs(call))[0].inputs)


def finish_all(call, tensors, scalars):
    """Record a call; returns its results as a list of tensors with their history."""
    mine = state.mine
    if call.device is META:
        storages = [storage_of(m.dtype, m.numel, m.device) for m in call.out_metas]
    else:
        storages = record_call(mine, call, tensors, scalars)
    outs = list(map(wrap, storages, call.out_metas))
    if mine.inference:
        for t in outs:
            t._inference = True
    elif mine.grad and call.differentiable:
        for t in tensors:
            if t._rg or t._view is not None and t.requires_grad:
                attach(mine, call, tensors, scalars, outs)
                break
    return outs


def finish(call, tensors, scalars):
    """Record a call; returns what the operator returns."""
    outs = finish_all(call, tensors, scalars)
    return outs[0] if call.single else pack(call, outs)


def attach(mine, call, tensors, scalars, outs):
    """Give results their node (none where the operands that record only choose)."""
    edges, floats, recorded, wanted, i = [], call.float_inputs, False, 0, 0
    for t in tensors:
        found = None
        if floats[i] and (t._rg or t._view is not None and t.requires_grad):
            fn, info, recorded = t._fn, t._view, True
            if fn is not None and (info is None or info.version == t._vc.version):
                found = (fn, t._nr)
                wanted |= 1 << i
            else:
                found = edge(t)
                if found is not None:  # views of leaves made without recording have none
                    wanted |= 1 << i
        edges.append(found)
        i += 1
    if not recorded:
        return
    of_inputs, of_outputs = call.saves.get(wanted) or what_to_save(call, wanted)
    node = _new(OpNode)  # its constructor, written out for speed
    node.call, node.edges, node.scalars, node.seq = call, edges, scalars, next(_sequence)
    node.extras, node.freed = None, False
    node.saved = saved = {}
    if of_inputs:
        plain = not mine.saved_hooks
        for i in of_inputs:
            t = tensors[i] if i >= call.snapshots else tensors[i].detach().clone()
            if t._inference:
                refuse_inference()
            saved[i] = (t, t._vc.version) if plain else Saved(t)
    if call.single:  # which records, as an operand did
        t = outs[0]
        t._fn, t._nr, t._rg = node, 0, True
    else:
        records, i = call.records, 0
        for t in outs:
            if records[i]:
                t._fn, t._nr, t._rg = node, i, True
            i += 1
    if of_outputs:
        node.save_results(outs)
    if mine.anomaly:
        note_forward(node)


def refuse_inference():
    """Inference tensors stay out of the graph."""
    raise RuntimeError(
        "Inference tensors cannot be saved for backward. Please do not use Tensors "
        "created in inference mode in computation tracked by autograd. To work around "
        "this, you can make a clone to get a normal tensor and use it in autograd, or "
        "use `torch.no_grad()` instead of `torch.inference_mode()`."
    )


def note_forward(node):
    """Anomaly mode: remember where the forward operator was called."""
    node.metadata["traceback_"] = traceback.format_stack(user_frame())


# ------------------------------------------------------------------------------- slow path
def run_bound(op, values):
    """An operator on bound arguments: check, infer, remember, record."""
    key, tagged, tensors, scalars = classify(op, values)
    return finish(infer(op, op.calls, key, tagged), tensors, scalars)


def infer(op, cache, key, tagged, target=None):
    """The Call for these arguments, remembered."""
    return known(op, cache, key, lambda: call_of(op, tagged, target))


def known(op, cache, key, make):
    """What `make` returns, remembered; not where the fast path looks if a mode must see each
    call."""
    before = _forgotten
    if _modes:
        cache = op.shadow_calls
    call = cache.get(key)
    return call if call is not None else _remember(cache, key, make(), before)


def _remember(cache, key, call, before):
    """Keep an inferred call, unless another thread made all be forgotten since it was begun."""
    with _remembering:
        if before != _forgotten:
            return call
        if len(cache) >= CALL_LIMIT:
            cache.clear()
        _caches[id(cache)] = cache
        return cache.setdefault(key, call)


def clear_caches():
    """Forget every inferred call: the default dtype changed."""
    global _forgotten
    with _remembering:
        _forgotten += 1
        for cache in _caches.values():
            cache.clear()
        _caches.clear()


def count_modes(change):
    """A function mode was entered (1) or left (-1) in some thread; while there is one, no thread
    fills what the fast path looks into."""
    global _modes
    with _remembering:
        if not _modes:
            clear_caches()
        _modes += change


on_default_change(clear_caches)


def choose(overloads, name, args, kwargs):
    """The first overload that accepts the arguments, and the bound values."""
    problems, lenient = [], None
    for op in overloads:
        try:
            values = bind(op, args, kwargs)
        except TypeError as error:
            problems.append(error)
            continue
        if all(_fits(op, p, values[p.name]) for p in op.schema.params):
            if not any(reads_tensor(p, values[p.name]) for p in op.schema.params):
                return op, values
            lenient = lenient or (
                op,
                values,
            )  # a 0-d tensor as a number: only if no overload wants it
    if lenient:
        return lenient
    if len(overloads) == 1:
        if problems:
            raise problems[0]
        return overloads[0], bind(overloads[0], args, kwargs)
    given = ", ".join(
        [type(a).__name__ for a in args] + [f"{k}={type(v).__name__}" for k, v in kwargs.items()]
    )
    known = "\n".join(f" * {op.schema_text}" for op in overloads)
    raise TypeError(
        f"{name}() received an invalid combination of arguments - got ({given}), but "
        f"expected one of:\n{known}"
    )


def _fits(op, p, value):
    if accepts(p, value):
        return True
    return p.type == "Tensor" and takes_number(op, p) and is_number(value)
