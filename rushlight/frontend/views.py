"""Views: tensors that share a storage, and PyTorch's rules about their history.

The rules (who may be written in place, when a view's history is derived again, what the errors say)
were established by comparing random programs with PyTorch; tests/programs/fuzz repeats that.
"""

from ..engine.base.meta import meta_of
from ..engine.base.shapes import extent
from ..engine.ir import lang as L
from ..engine.ir.graph import Graph
from ..engine.ir.primitives import PRIMITIVES
from ..engine.record import state
from ..engine.record.call import Call, call_of
from ..engine.record.segment import expose
from .arguments import static
from .dispatch import OpNode, known
from .graph import _sequence, edge
from .tensor import Tensor, ViewInfo, _new


class ViewCall:
    """A view operator on given metadata: where results lie, and (when asked) its derivative."""

    __slots__ = ("op", "arguments", "metas", "shifts", "known", "usual")

    def __init__(self, op, arguments, metas, shifts):
        self.op, self.arguments, self.metas, self.shifts = op, arguments, metas, shifts
        self.known = None  # its Call, once asked for
        self.usual = not (op.multi or op.absolute or op.seen_as)

    def call(self, source):
        """The Call whose derivative this view has."""
        if self.known is None:
            if self.op.name == "as_strided":
                self.known = as_strided_call(
                    source._meta.plain, source._off, self.metas[0], self.shifts[0]
                )
            else:
                self.known = call_of(self.op, self.arguments)
        return self.known


def infer_view(op, key, source, arguments):
    """The ViewCall of `op` on a source tensor; errors are raised here, at the user's call."""
    return known(op, op.calls, key, lambda: _view_call(op, source, arguments))


def _view_call(op, source, arguments):
    meta = source._meta.plain
    names = [p.name for p in op.schema.params][1:]
    found = op.geometry(meta, source._off, **dict(zip(names, arguments, strict=True)))
    placed = found if op.multi else [found]
    dtype = op.seen_as(meta.dtype) if op.seen_as is not None else meta.dtype
    metas = [
        meta_of(tuple(shape), dtype, tuple(strides), meta.device) for shape, strides, _ in placed
    ]
    if op.name == "as_strided":
        _check_bounds(source, metas[0], placed)
    base = 0 if op.absolute else source._off
    tagged = [("t", meta)] + [("s", a) for a in arguments]
    return ViewCall(op, tagged, metas, [offset - base for _, _, offset in placed])


def _check_bounds(source, meta, placed):
    """as_strided may not reach past the storage."""
    if meta.numel and placed[0][2] + meta.extent > source._st.size:
        raise RuntimeError(
            f"setStorage: sizes {list(meta.shape)}, strides {list(meta.strides)}, "
            f"storage offset {placed[0][2]}, and itemsize {meta.dtype.itemsize} "
            f"requiring a storage size of "
            f"{(placed[0][2] + meta.extent) * meta.dtype.itemsize} are out of bounds "
            f"for storage of size {source._st.nbytes}"
        )


def run_view(op, values):
    """A view operator on bound arguments."""
    params = op.schema.params
    source = values[params[0].name]
    if not isinstance(source, Tensor):
        raise TypeError(
            f"{op.name}(): argument 'input' (position 1) must be Tensor, not "
            f"{type(source).__name__}"
        )
    arguments = tuple(static(p, values[p.name]) for p in params[1:])
    if source._view is not None and state.grad and source.requires_grad:
        edge(source)  # errors of history come before errors of shape
    key = (source._meta.plain, *arguments) + ((source._off,) if op.absolute else ())
    view = op.calls.get(key)
    return finish_view(view or infer_view(op, key, source, arguments), source)


def finish_view(view, source):
    """The view(s) of `source`, with their place in the graph."""
    mine, node, made = state.mine, None, "default"
    if not mine.grad:
        made = "inference" if mine.inference else "no_grad"
    elif source._rg or source._view is not None and source.requires_grad:
        fn, info = source._fn, source._view
        current = fn is not None and (info is None or info.version == source._vc.version)
        # edge() may refuse, even where nothing is made (unbind of nothing)
        history = (fn, source._nr) if current else edge(source)
        if view.metas:
            node = _new(OpNode)  # its constructor, written out for speed
            node.call, node.edges = view.known or view.call(source), [history]
            node.scalars, node.seq, node.saved = (), next(_sequence), {}
            node.extras, node.freed = None, False
    if view.usual:
        return link(source, view.metas[0], source._off + view.shifts[0], made, node)
    op = view.op
    base = 0 if op.absolute else source._off
    if op.seen_as is not None:  # memory that is seen as two dtypes is read and written at once
        expose(source._st)
    if not op.multi:
        return link(source, view.metas[0], base + view.shifts[0], made, node)
    made = "multi" if made == "default" else made
    return tuple(
        [
            link(source, meta, base + shift, made, node, i)
            for i, (meta, shift) in enumerate(zip(view.metas, view.shifts, strict=True))
        ]
    )


def link(source, meta, offset, made="default", node=None, nr=0):
    """An alias that knows it is a view of `source`."""
    v = _new(Tensor)
    v._st, v._off, v._meta = source._st, offset, meta
    v._vc = counter = source._vc
    v._fn, v._nr, v._rg = node, nr, node is not None
    parent = source._view
    v._view = info = _new(ViewInfo)
    info.version = counter.version
    if parent is None:
        info.base, info.made = source, made
    else:
        info.base, info.made = parent.base, parent.made if made == "default" else made
    if made == "inference" or source._inference:
        v._inference = True
    return v


# ----------------------------------------------------------------------------- history
def grad_fn(t):
    """The node that made t; a view whose memory was written since gets a new one from its base."""
    info = t._view
    if info is None:
        return t._fn
    if t._fn is None and not info.base.requires_grad:
        return None
    if info.version != t._vc.version:
        refuse_rebase(t, indirect=True)
        refuse_other_dtype(t)
        set_history(t, as_strided_node(info.base, t), 0)
    return t._fn


def refuse_other_dtype(t):
    """History through a view of another dtype is not derived again yet."""
    if t._meta.plain.dtype is not t._view.base._meta.plain.dtype:
        raise NotImplementedError(
            "in-place writes that record history through a real view of a complex tensor are not "
            "built yet; hint: write to the complex tensor itself"
        )


def as_strided_node(base, t):
    """The node of t seen as as_strided of its base."""
    call = as_strided_call(base._meta.plain, base._off, t._meta.plain, t._off)
    return OpNode(call, [edge(base)], ())


def as_strided_call(source, source_offset, target, offset):
    """as_strided's derivative works on addresses: elements that share one share its cotangent, and
    a source that itself overlaps gets the mean."""
    graph = Graph()
    x = graph.add_input(PRIMITIVES["input"], source.shape, source.dtype)
    low = min(source_offset, offset)
    size = (
        max(
            source_offset + extent(source.shape, source.strides),
            offset + extent(target.shape, target.strides),
            low + 1,
        )
        - low
    )
    flat = L.store(L.const(graph, 0, source.dtype, (size,)), x, source_offset - low, source.strides)
    graph.outputs = [L.load(flat, offset - low, target.shape, target.strides)]

    def rule(grads, inputs, outputs):
        if not source.numel or not target.numel:  # no cotangent arrives: constant zeros
            return [L.const(grads[0].graph, 0, grads[0].dtype, source.shape)]
        return [_pull_back(grads[0], size, (source, source_offset - low), (target, offset - low))]

    out = meta_of(target.shape, target.dtype, target.strides, target.device)
    return Call(
        None,
        "as_strided",
        "AsStridedBackward0",
        graph,
        (source,),
        (),
        (out,),
        rule,
        device=source.device,
    )


def _pull_back(g, size, source, target):
    (src, src_offset), (dst, dst_offset) = source, target
    zeros = L.const(g.graph, 0, g.dtype, (size,))
    at_target = _places(g.graph, dst, dst_offset)
    at_source = _places(g.graph, src, src_offset)
    flat = L.put(zeros, at_target, g, "add")
    if not src.dense:
        ones = L.const(g.graph, 1, g.dtype, src.shape)
        counts = L.put(zeros, at_source, ones, "add")
        flat = L.where(
            L.eq(counts, 0), flat, flat / L.where(L.eq(counts, 0), L.like(counts, 1), counts)
        )
    return L.take(flat, at_source)


def _places(graph, meta, offset):
    total = L.const(graph, offset, L.iota(graph, 1).dtype, meta.shape)
    for d, s in enumerate(meta.strides):
        if s and meta.shape[d] > 1:
            total = total + L.arange_along(total, d) * s
    return total


def set_history(t, node, nr):
    """t was made by output `nr` of node; a retained gradient moves along."""
    old, old_nr = t._fn, t._nr
    t._fn, t._nr, t._rg = node, nr, True
    if t._view is not None:
        t._view.version = t._vc.version
    if t._retains and old is not None and old is not node and old_nr in old.more().retains:
        node.more().retains[nr] = old.extras.retains.pop(old_nr)


_MULTI = (
    " This view is the output of a function that returns multiple views. Such functions do not "
    "allow the output views to be modified inplace. You should replace the inplace operation by "
    "an out-of-place one."
)
_AMBIGUOUS = (
    " Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify "
    "your code by moving both the view and the inplace either both inside the {mode} block "
    "(if you don't want the inplace to be tracked) or both outside (if you want the inplace "
    "to be tracked)."
)


def refuse_rebase(v, indirect=False):
    """Views that may not be written (or used after their base was written) say why."""
    made = v._view.made
    if made == "default":
        return
    what = (
        "its base or another view of its base has been modified inplace"
        if indirect
        else "is being modified inplace"
    )
    of = f"Output {v._nr} of {v._fn.operator} is a view" if v._fn is not None else None
    if made == "multi" and of:
        raise RuntimeError(f"{of} and {what}.{_MULTI}")
    mode, outside = (
        ("inference", "in normal mode")
        if made == "inference"
        else ("no_grad", "with grad mode enabled")
    )
    head = f"{of} of a view which was" if of else "A view was"
    tail = (
        _MULTI
        if made == "multi"
        else _AMBIGUOUS.format(mode="inference_mode" if made == "inference" else mode)
    )
    raise RuntimeError(f"{head} created in {mode} mode and {what} {outside}.{tail}")


setattr(Tensor, "grad_fn", property(grad_fn, doc="The node that recorded this tensor, or None."))  # noqa: B010
