"""``torch.autograd.graph``: nodes, and hooks on what is saved for backward."""

import weakref

from ..engine.record import state
from ..frontend.backward import reached_now
from ..frontend.graph import Node, edge  # noqa: F401
from ..frontend.hooks import RemovableHandle


class GradientEdge(tuple):
    """(node, output_nr): where gradients of a tensor flow to."""

    def __new__(cls, node, output_nr):
        return super().__new__(cls, (node, output_nr))

    node = property(lambda self: self[0])
    output_nr = property(lambda self: self[1])


def get_gradient_edge(tensor):
    """The edge of a tensor that requires grad."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not "
            "require gradients"
        )
    return GradientEdge(*edge(tensor))


class saved_tensors_hooks:  # noqa: N801
    """Within: `pack` sees every tensor saved for backward, `unpack` gives it back.

    Args:
        pack_hook: tensor -> anything.
        unpack_hook: what `pack_hook` returned -> tensor.
    """

    def __init__(self, pack_hook, unpack_hook):
        self.pair = (pack_hook, unpack_hook)

    def __enter__(self):
        state.saved_hooks.append(self.pair)

    def __exit__(self, *exc):
        state.saved_hooks.pop()


class save_on_cpu(saved_tensors_hooks):  # noqa: N801
    """Keep saved tensors on the CPU (where they are already: a copy)."""

    def __init__(self, pin_memory=False, device_type="cuda"):
        super().__init__(lambda t: t.clone(), lambda t: t)


class disable_saved_tensors_hooks:  # noqa: N801
    """Within: using saved-tensor hooks raises `error_message`."""

    def __init__(self, error_message):
        self.message = error_message

    def _refuse(self, *_):
        raise RuntimeError(self.message)

    def __enter__(self):
        state.saved_hooks.append((self._refuse, self._refuse))

    def __exit__(self, *exc):
        state.saved_hooks.pop()


def register_multi_grad_hook(tensors, fn, *, mode="all"):
    """Call `fn` with the gradients of `tensors` when all are known (or with the first: "any")."""
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    known: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # pass -> {position: gradient}

    def collect(i):
        def hook(g):
            run, _ = reached_now(tensors[i])
            found = known.setdefault(run, {})
            found[i] = g
            if mode == "any":
                if len(found) == 1:
                    fn(g)
                return
            if len(found) == sum(reached_now(t)[1] for t in tensors):
                del known[run]
                fn([found.get(k) for k in range(len(tensors))])

        return hook

    handles = [t.register_hook(collect(i)) for i, t in enumerate(tensors)]
    return _Handles(handles)


class _Handles(RemovableHandle):
    """One handle for several hooks."""

    def __init__(self, handles):
        self.handles = handles

    def remove(self):
        for h in self.handles:
            h.remove()
