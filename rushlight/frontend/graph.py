"""The autograd graph: nodes, edges, saved values.  One node per recorded operator.

A node keeps its operator's Call; its backward is the Call's derivative, recorded like any operator,
so a backward pass can itself be differentiated.
"""

import itertools
import threading
import weakref

from ..engine.base.locks import process_lock
from ..engine.record import state
from .hooks import RemovableHandle

_sequence = itertools.count()
making = process_lock()  # for what a node or tensor has one of, made when first asked for
LAST = 1 << 60  # leaves' accumulators run as soon as they are ready


class Extras:
    """What few nodes have: hooks, gradients to retain, anomaly metadata."""

    __slots__ = ("hooks", "retains", "pre_hooks", "post_hooks", "metadata")

    def __init__(self):
        self.hooks, self.retains = {}, {}  # output number -> hooks, weak tensor
        self.pre_hooks, self.post_hooks, self.metadata = {}, {}, {}


class Node:
    """One step of the backward graph, as `grad_fn` shows it."""

    __slots__ = ("edges", "seq", "extras", "__weakref__")
    gives_foreign = False  # may what it returns be held by somebody else?

    def name(self):
        """The name PyTorch shows, e.g. ``AddBackward0``."""
        raise NotImplementedError

    @property
    def next_functions(self):
        """((node, output number), ..) this node passes gradients to; (None, 0) where none."""
        return tuple((None, 0) if e is None else e for e in self.edges)

    @property
    def operator(self):
        """The forward operator's name, as error messages use it."""
        head = self.name()
        if "::" in head:
            return head
        for tail in ("Backward0", "Backward"):
            if tail in head:
                return head.replace(tail, "", 1)
        return head

    def apply(self, grads, needed):
        """Cotangents of the edges; `needed(i)` tells whether edge i wants one."""
        raise NotImplementedError

    def release(self):
        """Free what was saved; a second backward raises."""

    def more(self):
        """The node's Extras, made on first use."""
        if self.extras is None:
            with making:
                self.extras = self.extras or Extras()
        return self.extras

    @property
    def metadata(self):
        """A dictionary for anomaly mode and for programs."""
        return self.more().metadata

    def register_hook(self, hook):
        """Call ``hook(grad_inputs, grad_outputs)`` after this node ran; may replace grad_inputs."""
        return RemovableHandle.put(self.more().post_hooks, hook)

    def register_prehook(self, hook):
        """Call ``hook(grad_outputs)`` before this node runs; may replace them."""
        return RemovableHandle.put(self.more().pre_hooks, hook)

    def _sequence_nr(self):
        return self.seq

    def __repr__(self):
        return f"<{self.name().rpartition(':')[2]} object at {id(self):#x}>"


class NamedNode(Node):
    """A node that carries its own name."""

    __slots__ = ("_name", "n_out")

    def __init__(self, name, edges, n_out=1):
        self._name, self.edges, self.n_out = name, edges, n_out
        self.seq = next(_sequence)
        self.extras = None

    def name(self):
        return self._name


class Saved:
    """What PyTorch saves: an alias and the version seen, never a snapshot."""

    __slots__ = ("tensor", "version", "nr", "is_output", "leaf", "fn", "hooks", "packed")

    def __init__(self, t, is_output=False, weak=False):
        self.version, self.nr, self.is_output = t._vc.version, t._nr, is_output
        fn = t._fn
        self.leaf = fn is None
        self.fn = weakref.ref(fn) if weak and fn is not None else None
        self.tensor = t._alias() if is_output and fn is not None else t
        self.hooks = None
        if state.saved_hooks:
            self.hooks = state.saved_hooks[-1]
            self.packed = self.hooks[0](t.detach() if is_output else t)
            self.tensor = None

    def unpack(self, owner):
        if self.hooks is not None:
            return self._unpack_hooked(owner)
        t = self.tensor
        original = not (self.is_output and not self.leaf)
        if t._vc.version != self.version:
            self._stale(owner, original)
        if original:
            return t
        t = t._alias()
        t._fn, t._nr, t._rg = (self.fn() if self.fn is not None else None) or owner, self.nr, True
        return t

    def _unpack_hooked(self, owner):
        found = self.hooks[1](self.packed)
        if self.is_output and not self.leaf:
            found = found._alias()
            found._fn, found._nr, found._rg = owner, self.nr, True
        return found

    def _stale(self, owner, original):
        t = self.tensor
        fn = self.fn() if self.fn is not None else t.grad_fn if original else None
        stale(t, self.version, self.nr, owner if fn is None and not self.leaf else fn)


def stale(t, version, nr, node):
    """A saved value was written since: PyTorch's error."""
    of = f", which is output {nr} of {node.operator}," if node is not None else ""
    kind = f"torch.{t.dtype.type_name}Tensor"
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: [{kind} {list(t.shape)}]{of} is at version {t._vc.version}; expected "
        f"version {version} instead. Hint: enable anomaly detection to find the operation "
        "that failed to compute its gradient, with torch.autograd.set_detect_anomaly(True, "
        "check_nan=False)."
    )


class AccumulateGrad(NamedNode):
    """Adds what arrives to a leaf's `.grad`."""

    __slots__ = ("variable", "foreign", "lock")

    def __init__(self, leaf):
        super().__init__("torch::autograd::AccumulateGrad", [])
        self.variable = leaf
        self.seq = LAST
        self.foreign = False  # somebody else may hold what arrives (hooks, the caller)
        self.lock = threading.RLock()  # of the thread whose pass adds to `.grad` and calls hooks

    def apply(self, grads, needed):
        t, g = self.variable, grads[0]
        if t.grad_fn is not None:
            raise RuntimeError("leaf variable has been moved into the graph interior")
        if g is not None:
            self._accumulate(t, g)
            for hook in list(t._post_accumulate_hooks.values()) if t._post_accumulate_hooks else ():
                hook(t)
        return []

    def _accumulate(self, t, g):
        have = t._grad
        if have is None:
            t._grad = g.clone() if state.grad else self._own(g, t._meta.plain)
        elif state.grad:
            t._grad = have + g
        else:
            have.add_(g)

    def _own(self, g, meta):
        """The gradient as a tensor nobody else writes to, in the layout of its parameter."""
        g = g.detach()
        strides = meta.strides if meta.dense else None
        if strides is not None and g._meta.plain.strides != strides:
            return g.new_empty_strided(meta.shape, strides).copy_(g)
        return g.clone() if self.foreign else g


def edge(t):
    """(node, output number) that gradients of t flow to, or None."""
    fn = t.grad_fn if t._view is not None else t._fn
    if fn is not None:
        return (fn, t._nr)
    if not t._rg:
        return None
    acc = t._acc() if t._acc is not None else None
    return (acc or _accumulator(t), 0)


def _accumulator(t):
    """The leaf's one AccumulateGrad: graphs that several threads make meet in it."""
    with making:
        acc = t._acc() if t._acc is not None else None
        if acc is None:
            acc = AccumulateGrad(t)
            t._acc = weakref.ref(acc)
        return acc
