"""In-place operators and ``out=``: what may be written, what history a write leaves.

Order of the checks is PyTorch's: forbidden views, views of leaves, leaves, then memory overlap.
"""

import warnings

from ..engine.base.dtypes import can_cast
from ..engine.base.shapes import has_zero_stride
from ..engine.record import record_call, record_write, state
from .dispatch import OpNode
from .graph import NamedNode, edge
from .views import refuse_other_dtype, refuse_rebase, set_history


class CopySlices(NamedNode):
    """An in-place write through a view, seen as one operator on the view's base."""

    __slots__ = ("base_geometry", "view", "inner")

    def __init__(self, base, view, inner):
        super().__init__("torch::autograd::CopySlices", [edge(base), *inner.edges[1:]])
        self.base_geometry = (base._meta.plain, base._off)
        self.view = (view._meta.plain, view._off)
        self.inner = inner

    def apply(self, grads, needed):
        if grads[0] is None:
            return [None] * len(self.edges)
        inner = self.inner  # once: another thread may release the node
        if inner is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly "
                "access saved tensors after they have already been freed)."
            )
        (base, base_off), (view, off) = self.base_geometry, self.view
        whole = grads[0].new_zeros((max(base.extent, 1),)).as_strided(base.shape, base.strides, 0)
        whole.copy_(grads[0])
        part = whole.as_strided(view.shape, view.strides, off - base_off)
        found = inner.apply([part.clone()], needed)
        out = list(found)
        if needed(0):
            if found[0] is None:
                part.zero_()
            else:
                part.copy_(found[0])
            out[0] = whole
        return out

    def release(self):
        self.inner = None


# ------------------------------------------------------------------------------- checks
def check_inplace(t, recording):
    """May t be written now?"""
    if t._inference and not state.inference:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed."
            "You can make a clone to get a normal tensor before doing inplace update."
        )
    if not recording:
        return
    if t._view is not None:
        refuse_rebase(t)
        if t.requires_grad and t._view.base._fn is None:
            raise RuntimeError(
                "a view of a leaf Variable that requires grad is being used in an "
                "in-place operation."
            )
    if t.requires_grad and t._fn is None:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )


def check_overlap(out, sources):
    """Refuse writes whose result would depend on the order of the loop."""
    meta = out._meta.plain
    if not meta.dense and has_zero_stride(meta.shape, meta.strides):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )
    storage = out._st
    for t in sources:
        if t._st is storage and _partial_overlap(out, t):
            raise RuntimeError(
                "unsupported operation: some elements of the input tensor and the written-to "
                "tensor refer to a single memory location. Please clone() the tensor before "
                "performing the operation."
            )


def same_place(a, b):
    """Are both the same elements of one storage?"""
    return a._st is b._st and a._off == b._off and a._meta.plain is b._meta.plain


def _partial_overlap(a, b):
    if a is b or a._st is not b._st:
        return False
    m, n = a._meta.plain, b._meta.plain
    if a._off == b._off and m is n or not (m.dense and n.dense) or not m.numel or not n.numel:
        return False
    if (a._off, m.numel) == (b._off, n.numel):
        return m.strides != n.strides
    return a._off < b._off + n.numel and b._off < a._off + m.numel


# -------------------------------------------------------------------------------- writing
def finish_inplace(call, tensors, scalars):
    """Run a Call whose result replaces tensors[0]; returns it."""
    target = tensors[0]
    node = begin_write(target, call, tensors, scalars)
    if call.op.overlap and not (call.op.name == "copy" and same_place(*tensors)):
        check_overlap(target, tensors[1:])
    write(target, call, tensors, scalars)
    end_write(target, node)
    return target


def overwrite(target, value):
    """`target` takes the values of a result of its shape and dtype, outside of any graph (running
    statistics)."""
    if target._meta.plain.device.type != "meta":
        record_write(state.mine, target, value._st, value._meta.plain)
    target._vc.version += 1


def begin_write(target, call, tensors, scalars):
    """Checks, and the node of a write that is recorded (with what it saves from before)."""
    mine = state.mine
    recording = mine.grad and call.op.differentiable and _any_recorded(call, tensors)
    if recording or target._inference:
        check_inplace(target, recording)
    if not recording:
        return None
    edges = [
        edge(t) if f and t.requires_grad else None
        for t, f in zip(tensors, call.float_inputs, strict=True)
    ]
    node = OpNode(call, edges, scalars)
    node.save_written(tensors, target.clone)
    return node


def _any_recorded(call, tensors):
    i, floats = 0, call.float_inputs
    for t in tensors:
        if floats[i] and (t._rg or t._view is not None and t.requires_grad):
            return True
        i += 1
    return False


def write(target, call, tensors, scalars):
    """Record the call and the write of its result; counts a version."""
    meta = target._meta.plain
    if meta.device.type != "meta":
        mine = state.mine
        (storage,) = record_call(mine, call, tensors, scalars)
        record_write(mine, target, storage, call.out_metas[0])
    target._vc.version += 1


def end_write(target, node):
    """Give the written tensor (and its base) their new history."""
    if node is None:
        return
    rebase_history(target, node)
    node.save_results([target], weak=target._view is not None)


def rebase_history(t, node):
    """t now comes from `node`; a view passes that on to its base."""
    if t._view is None:
        set_history(t, node, 0)
        return
    base = t._view.base
    refuse_other_dtype(t)
    t._nr = 0
    set_history(base, CopySlices(base, t, node), 0)
    t._view.version = -1  # derive this view's history again, now
    t.grad_fn  # noqa: B018


# ----------------------------------------------------------------------------------- out=
def check_out(op, out, operands, results):
    """Refuse ``out=`` tensors that share memory with an operand, or of another dtype, where the
    operator's record says so."""
    pairs = zip(*[v if isinstance(v, tuple | list) else (v,) for v in (out, results)], strict=False)
    for given, result in pairs:
        if op.out == "exact" and given.dtype is not result.dtype:
            raise RuntimeError(
                f"Expected out tensor to have dtype {result.dtype}, but got {given.dtype} instead"
            )
        place = given._meta.plain
        if has_zero_stride(place.shape, place.strides) or any(
            given is t or _shares(given, t) for t in operands
        ):
            raise RuntimeError(
                "unsupported operation: some elements of the input tensor and the written-to "
                "tensor refer to a single memory location. Please clone() the tensor before "
                "performing the operation."
            )


def _shares(a, b):
    m, n = a._meta.plain, b._meta.plain
    return a._st is b._st and a._off < b._off + n.extent and b._off < a._off + m.extent


def write_out(op_name, out, result):
    """Put a computed result into the tensor given as ``out=``."""
    if state.grad and (out.requires_grad or result.requires_grad):
        raise RuntimeError(
            f"{op_name}(): functions with out=... arguments don't support automatic "
            "differentiation, but one of the arguments requires grad."
        )
    from_meta, to_meta = result._meta.plain, out._meta.plain
    if from_meta.device.type != to_meta.device.type:
        raise RuntimeError(
            f"Expected out tensor to have device {from_meta.device}, but got "
            f"{to_meta.device} instead"
        )
    if not can_cast(from_meta.dtype, to_meta.dtype):
        raise RuntimeError(
            f"result type {from_meta.dtype.type_name} can't be cast to the desired "
            f"output type {to_meta.dtype.type_name}"
        )
    if from_meta.shape != to_meta.shape:
        if to_meta.numel:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape "
                f"{list(to_meta.shape)}, which does not match the required output shape "
                f"{list(from_meta.shape)}. This behavior is deprecated",
                stacklevel=3,
            )
        out.resize_(from_meta.shape)
    return out.copy_(result)
