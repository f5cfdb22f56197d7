"""The backward engine: runs nodes by falling sequence number, sums what meets, calls hooks.

Order, hooks and captured gradients follow PyTorch's engine; see the rules in docs/internals.
"""

import heapq
import warnings

from ..engine.base import dtypes
from ..engine.record import state
from .graph import LAST, AccumulateGrad, edge
from .tensor import Tensor


class _Run:
    """One backward pass."""

    def __init__(self, roots, wanted, keep, create):
        self.keep, self.create = keep, create
        self.buffers, self.foreign = {}, set()
        self.dependencies, self.reached = _count_edges([fn for fn, _ in roots])
        self.wanted = wanted  # {node: [(output, position)]} or None
        self.runs = None if wanted is None else _on_a_path(self.reached, wanted)
        self.captured = {}

    def active(self, node):
        return self.wanted is None or node in self.wanted or self.runs.get(node, False)

    def deliver(self, node, nr, g, foreign):
        buffer = self.buffers.get(node)
        if buffer is None:
            buffer = self.buffers[node] = [None] * node.n_out
        have = buffer[nr]
        if have is None:
            buffer[nr] = g
            if foreign:
                self.foreign.add((node, nr))
        else:
            buffer[nr] = have + g
            self.foreign.discard((node, nr))

    def run(self, ready):
        tie = 0
        queue = []
        for node in ready:
            if not self.dependencies.get(node):
                queue.append((-node.seq, tie, node))
                tie += 1
        heapq.heapify(queue)
        while queue:
            node = heapq.heappop(queue)[2]
            self.step(node)
            for e in node.edges:
                if e is None:
                    continue
                target = e[0]
                left = self.dependencies[target] = self.dependencies[target] - 1
                if left == 0 and self.active(target):
                    heapq.heappush(queue, (-target.seq, tie, target))
                    tie += 1

    def step(self, node):
        grads = self.buffers.pop(node, None) or [None] * node.n_out
        executed = self.wanted is None or self.runs.get(node, False)
        if executed and self.wanted is not None:
            self.capture(node, grads)  # before the hooks if the node also runs, else after them
        extras = node.extras
        hooked = (extras is not None or node.seq == LAST) and _tensor_hooks(node, grads)
        if not executed:
            self.capture(node, grads)
            return
        if extras is not None and extras.pre_hooks:
            hooked = _pre_hooks(extras, grads) or hooked
        if isinstance(node, AccumulateGrad):
            with node.lock:
                node.foreign = hooked or (node, 0) in self.foreign
                found = self.apply(node, grads)
        else:
            found = self.apply(node, grads)
        foreign = node.gives_foreign
        if extras is not None and extras.post_hooks:
            found, foreign = _post_hooks(extras, found, grads), True
        for e, g in zip(node.edges, found, strict=True):
            if e is not None and g is not None and self.active(e[0]):
                self.deliver(e[0], e[1], g, foreign)
        if not self.keep:
            node.release()

    def apply(self, node, grads):
        def needed(i):
            e = node.edges[i]
            return e is not None and self.active(e[0])

        if not state.anomaly:
            return node.apply(grads, needed)
        try:
            found = node.apply(grads, needed)
        except Exception:
            _blame(node)
            raise
        _check_nan(node, found)
        return found

    def capture(self, node, grads):
        for nr, position in self.wanted.get(node, ()):
            self.captured[position] = grads[nr]


def _count_edges(roots):
    dependencies, reached, stack = {}, set(roots), list(dict.fromkeys(roots))
    while stack:
        for e in stack.pop().edges:
            if e is not None:
                dependencies[e[0]] = dependencies.get(e[0], 0) + 1
                if e[0] not in reached:
                    reached.add(e[0])
                    stack.append(e[0])
    return dependencies, reached


def _on_a_path(reached, wanted):
    """{node: does one of its edges lead to a wanted node}."""
    runs = {}
    for node in reached:
        stack = [node]
        while stack:
            top = stack[-1]
            if top in runs:
                stack.pop()
                continue
            targets = [e[0] for e in top.edges if e is not None]
            todo = [t for t in targets if t not in runs]
            if todo:
                stack.extend(todo)
            else:
                runs[top] = any(runs[t] or t in wanted for t in targets)
                stack.pop()
    return runs


# -------------------------------------------------------------------------------- hooks
def _tensor_hooks(node, grads):
    """Hooks on the tensors this node's outputs are; returns whether one replaced a gradient."""
    replaced = False
    if isinstance(node, AccumulateGrad):
        given = node.variable._leaf_hooks and grads[0] is not None
        hooks = {0: node.variable._leaf_hooks} if given else None
    else:
        hooks = node.extras.hooks
    if hooks:
        for nr, table in list(hooks.items()):
            for hook in list(table.values()):
                found = hook(grads[nr])  # None where no gradient arrived, as in PyTorch
                replaced = True
                if found is not None:
                    grads[nr] = _checked(found, grads[nr])
    if node.extras is not None:
        for nr, ref in list(node.extras.retains.items()):
            t = ref()
            if t is not None and grads[nr] is not None:
                t._grad = grads[nr].clone() if t._grad is None else t._grad + grads[nr]
    return replaced


def _checked(found, g):
    if not isinstance(found, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(found).__name__}'")
    if g is not None and found.shape != g.shape:
        raise RuntimeError(
            f"hook '<hook>' has changed the size of value: {list(g.shape)} to {list(found.shape)}"
        )
    return found


def _pre_hooks(extras, grads):
    for hook in list(extras.pre_hooks.values()):
        found = hook(tuple(grads))
        if found is not None:
            grads[:] = found if isinstance(found, tuple | list) else [found]
    return True


def _post_hooks(extras, found, grads):
    for hook in list(extras.post_hooks.values()):
        replaced = hook(tuple(found), tuple(grads))
        if replaced is not None:
            found = list(replaced) if isinstance(replaced, tuple | list) else [replaced]
    return found


def _blame(node):
    trace = node.metadata.get("traceback_")
    if trace:
        warnings.warn(
            f"Error detected in {node.name()}. Traceback of forward call that caused the "
            f"error:\n{''.join(trace)}",
            stacklevel=2,
        )
    else:
        warnings.warn(
            f"Error detected in {node.name()}. No forward pass information available. "
            "Enable detect anomaly during forward pass for more information.",
            stacklevel=2,
        )


def _check_nan(node, found):
    if not state.anomaly_check_nan:
        return
    for i, g in enumerate(found):
        if g is not None and g.dtype.category >= dtypes.FLOAT and bool((g != g).any()):
            _blame(node)
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.")


# ---------------------------------------------------------------------------- entry points
def run_backward(tensors, grads, keep, create, inputs=None):
    """Backward from `tensors`; returns captured gradients where `inputs` are given."""
    roots = []
    for t, g in zip(tensors, grads, strict=True):
        e = edge(t) if t.requires_grad else None
        if e is None:
            raise RuntimeError(
                "element 0 of tensors does not require grad and does not have a grad_fn"
            )
        roots.append((e, g))
    run = _Run([e for e, _ in roots], None if inputs is None else _wanted(inputs), keep, create)
    mine = state.mine
    before, mine.grad = mine.grad, create
    mine.passes.append(run)
    try:
        for (node, nr), g in roots:
            run.deliver(node, nr, g, foreign=True)
        run.run(dict.fromkeys(node for (node, _), _ in roots))
    finally:
        mine.grad = before
        mine.passes.remove(run)
    return None if inputs is None else [run.captured.get(i) for i in range(len(inputs))]


def reached_now(t):
    """(this thread's innermost pass under way, will it bring a gradient to t)."""
    run, e = state.passes[-1], edge(t)
    return run, e is not None and e[0] in run.reached and run.active(e[0])


def _wanted(inputs):
    wanted = {}
    for i, t in enumerate(inputs):
        e = edge(t)
        if e is not None:
            wanted.setdefault(e[0], []).append((e[1], i))
    return wanted


def make_grads(outputs, grads):
    """Cotangents of the outputs: given ones checked, implicit ones for scalars."""
    found = []
    for out, g in zip(outputs, grads, strict=True):
        if g is not None:
            found.append(_given_grad(out, g))
        elif not out.requires_grad:
            found.append(None)
        elif out._meta.plain.numel != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        else:
            if out.dtype.category != dtypes.FLOAT:
                raise RuntimeError(
                    "grad can be implicitly created only for real scalar outputs but "
                    f"got {out.dtype}"
                )
            found.append(out.detach().new_ones(out.shape))
    return found


def _given_grad(out, g):
    if not isinstance(g, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if g.shape != out.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[0] has a shape of {g.shape} and "
            f"output[0] has a shape of {out.shape}."
        )
    if g.dtype.is_complex != out.dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have "
            "the same dtype. Mismatch in dtype: grad_output[0] has a dtype of "
            f"{g.dtype} and output[0] has a dtype of {out.dtype}."
        )
    return g if g.dtype is out.dtype else g.to(out.dtype)


def _as_tuple(value, count=None):
    if value is None:
        return (None,) * count
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def backward(
    tensors,
    grad_tensors=None,
    retain_graph=None,
    create_graph=False,
    grad_variables=None,
    inputs=None,
):
    """Sum of gradients of `tensors` with respect to the graph's leaves, into their ``.grad``.

    Args:
        tensors: tensor or sequence of tensors to differentiate.
        grad_tensors: cotangents, one per tensor; None for one-element tensors.
        retain_graph: keep saved values for another pass; default `create_graph`.
        create_graph: record the backward pass itself.
        inputs: accumulate only into these.

    Raises: RuntimeError where a tensor needs an explicit cotangent, or the graph was freed.
    """
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.",
            FutureWarning,
            stacklevel=2,
        )
        grad_tensors = grad_variables if grad_tensors is None else grad_tensors
    tensors = _as_tuple(tensors)
    given = _as_tuple(grad_tensors, len(tensors))
    keep = create_graph if retain_graph is None else retain_graph
    chosen = None
    if inputs is not None:
        chosen = _as_tuple(inputs)
        if not chosen:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    if create_graph:
        warnings.warn(
            "Using backward() with create_graph=True will create a reference cycle between the "
            "parameter and its gradient which can cause a memory leak. We recommend using "
            "autograd.grad when creating the graph to avoid this. If you have to use this "
            "function, "
            "make sure to reset the .grad fields of your parameters to None after use to break the "
            "cycle and avoid the leak.",
            UserWarning,
            stacklevel=3,
        )
    grads = make_grads(tensors, given)
    for t in chosen or ():
        if not t.is_leaf:
            t.retain_grad()
    if chosen is None:
        run_backward(tensors, grads, keep, create_graph)
        return
    found = run_backward(tensors, grads, keep, create_graph, chosen)
    before, state.grad = state.grad, create_graph
    try:
        for t, g in zip(chosen, found, strict=True):
            if g is not None and t.is_leaf:
                node = edge(t)[0]
                with node.lock:
                    node.foreign = True
                    node.apply([g], None)
    finally:
        state.grad = before


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
):
    """Gradients of `outputs` with respect to `inputs`, returned as a tuple.

    Args:
        allow_unused: None gradients for inputs the outputs do not depend on; otherwise an error.
        materialize_grads: zeros instead of None.

    >>> import rushlight as torch
    >>> x = torch.tensor([3.], requires_grad=True)
    >>> torch.autograd.grad((x * x).sum(), x)
    (tensor([6.]),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when "
            "materialize_grads=True, but got: allow_unused=False."
        )
    if is_grads_batched:
        raise NotImplementedError(
            "autograd.grad(is_grads_batched=True) needs vmap, which rushlight "
            "does not have yet; hint: loop over the cotangents"
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    outputs, chosen = _as_tuple(outputs), _as_tuple(inputs)
    for t in chosen:
        if not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    keep = create_graph if retain_graph is None else retain_graph
    grads = make_grads(outputs, _as_tuple(grad_outputs, len(outputs)))
    found = run_backward(outputs, grads, keep, create_graph, chosen)
    if not allow_unused and any(g is None for g in found):
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the "
            "graph. Set allow_unused=True if this is the desired behavior."
        )
    if materialize_grads:
        found = [
            t.new_zeros(t.shape) if g is None else g for t, g in zip(chosen, found, strict=True)
        ]
    return tuple(found)
