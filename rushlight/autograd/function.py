"""``torch.autograd.Function``: operators with a backward written by hand."""

import warnings

from ..engine.base import dtypes
from ..engine.record import state
from ..frontend.creation import full_array
from ..frontend.dispatch import note_forward
from ..frontend.graph import NamedNode, Saved, edge
from ..frontend.inplace import check_inplace, rebase_history
from ..frontend.modes import no_grad
from ..frontend.tensor import Tensor
from ..frontend.views import link


class FunctionNode(NamedNode):
    """The node of a user's Function; gradients come from its ``backward``."""

    __slots__ = ("context", "input_metas", "output_metas", "freed")
    gives_foreign = True

    def apply(self, grads, needed):
        if self.freed:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access "
                "saved tensors after they have already been freed). Saved intermediate "
                "values of the graph are freed when you call .backward() or "
                "autograd.grad(). Specify retain_graph=True if you need to backward "
                "through the graph a second time or if you need to access saved tensors "
                "after calling backward."
            )
        ctx = self.context
        if ctx._materialize:
            grads = [
                _zeros(m) if g is None and m is not None else g
                for g, m in zip(grads, self.output_metas, strict=True)
            ]
        found = ctx._cls._run_backward(ctx, *grads)
        found = found if isinstance(found, tuple) else (found,)
        return self._matched(found, ctx)

    def _matched(self, found, ctx):
        """One gradient per input; extra trailing Nones are allowed."""
        wanted = len(ctx._is_tensor)
        if len(found) > wanted and all(g is None for g in found[wanted:]):
            found = found[:wanted]
        if len(found) != wanted:
            raise RuntimeError(
                f"function {self._name} returned an incorrect number of gradients "
                f"(expected {wanted}, got {len(found)})"
            )
        for i, (g, t) in enumerate(zip(found, ctx._is_tensor, strict=True)):
            if g is not None and not t:
                raise RuntimeError(
                    f"function {self._name} returned a gradient different than None at position "
                    f"{i + 1}, but the corresponding forward input was not a Variable"
                )
        out = [g for g, t in zip(found, ctx._is_tensor, strict=True) if t]
        for i, (g, meta) in enumerate(zip(out, self.input_metas, strict=True)):
            if g is not None and self.edges[i] is not None:
                out[i] = _fit(g, meta, self._name, i)
        return out

    def __repr__(self):
        return f"<torch.autograd.function.{self._name} object at {id(self):#x}>"

    def release(self):
        if self.context._saved:
            self.freed = True
            self.context._saved = ()

    def __getattr__(self, name):
        return getattr(object.__getattribute__(self, "context"), name)


def _zeros(meta):

    return full_array(tuple(meta.shape), 0, meta.dtype, meta.device)


def _fit(g, meta, name, i):
    if not isinstance(g, Tensor):
        raise RuntimeError(f"{name}: expected Variable or None (got {type(g).__name__})")
    if g.shape != meta.shape:
        try:
            g = g.sum_to_size(meta.shape)
        except RuntimeError:
            raise RuntimeError(
                f"Function {name} returned an invalid gradient at index {i} - got "
                f"{list(g.shape)} but expected shape compatible with "
                f"{list(meta.shape)}"
            ) from None
    return g if g.dtype is meta.dtype else g.to(meta.dtype)


class FunctionCtx:
    """What forward leaves for backward."""

    def __init__(self):
        self._saved, self._to_save = (), ()
        self._dirty, self._non_differentiable = (), ()
        self._materialize = True

    def save_for_backward(self, *tensors):
        """Keep tensors for backward; in-place changes to them are detected there."""
        self._to_save = tensors

    def save_for_forward(self, *tensors):
        """Kept for forward mode, which rushlight does not build yet."""

    def mark_dirty(self, *args):
        """Inputs that forward changed in place."""
        self._dirty = args

    def mark_non_differentiable(self, *args):
        """Outputs that have no gradient."""
        self._non_differentiable = args

    def set_materialize_grads(self, value):
        """Pass None instead of zeros for missing cotangents when False."""
        self._materialize = value

    @property
    def saved_tensors(self):
        """The tensors given to `save_for_backward`."""
        node = self._node
        if node is not None and node.freed:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access "
                "saved tensors after they have already been freed). Saved intermediate "
                "values of the graph are freed when you call .backward() or "
                "autograd.grad(). Specify retain_graph=True if you need to backward "
                "through the graph a second time or if you need to access saved tensors "
                "after calling backward."
            )
        return tuple(None if s is None else s.unpack(node) for s in self._saved)

    saved_variables = saved_tensors
    _node = None


class Function:
    """Subclass with static ``forward(ctx, ...)`` and ``backward(ctx, *grads)``; call with
    ``apply``.

    >>> import rushlight as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = torch.ones(2, requires_grad=True)
    >>> Double.apply(x).sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """

    generate_vmap_rule = False

    def __init__(self, *args, **kwargs):
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself. Instantiating an autograd "
            "function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            "new-style autograd function with static forward method."
        )

    @staticmethod
    def forward(*args, **kwargs):
        """The operator; with `setup_context` it takes no ctx."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx, inputs, output):
        """What backward needs, where forward takes no ctx."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        """Cotangents of the inputs from those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your "
            "custom autograd.Function to use it with backward mode AD."
        )

    vjp = backward

    @classmethod
    def _run_backward(cls, ctx, *grads):
        custom = cls.backward is not Function.backward
        if custom and cls.vjp is not Function.vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not "
                "allowed. You should only implement one of them."
            )
        return (cls.backward if custom else cls.vjp)(ctx, *grads)

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run forward and record the backward."""
        ctx = FunctionCtx()
        ctx._cls = cls
        ctx._is_tensor = [isinstance(a, Tensor) for a in args]
        tensors = [a for a in args if isinstance(a, Tensor)]
        recording = state.grad and any(t.requires_grad for t in tensors)
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        with no_grad():
            if cls.setup_context is not Function.setup_context:
                out = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, out)
            else:
                out = cls.forward(ctx, *args, **kwargs)
        return _record(cls, ctx, tensors, out, recording)


def _record(cls, ctx, tensors, out, recording):
    outputs = list(out) if isinstance(out, tuple | list) else [out]
    node = _node(cls, ctx, tensors, outputs) if recording else None
    for k, t in enumerate(outputs):
        if isinstance(t, Tensor):
            outputs[k] = _output(ctx, node, t, k, tensors)
    if node is not None:
        ctx._saved = tuple(
            None if t is None else Saved(t, is_output=any(t is o for o in outputs))
            for t in ctx._to_save
        )
        ctx._node = node
    elif ctx._to_save:
        ctx._saved = tuple(None if t is None else Saved(t) for t in ctx._to_save)
    ctx._to_save = ()
    return tuple(outputs) if isinstance(out, tuple | list) else outputs[0]


def _node(cls, ctx, tensors, outputs):
    node = FunctionNode(
        cls.__name__ + "Backward",
        [
            edge(t) if t.requires_grad and t.dtype.category >= dtypes.FLOAT else None
            for t in tensors
        ],
        len(outputs),
    )
    node.context, node.freed = ctx, False
    if state.anomaly:
        note_forward(node)
    node.input_metas = [t._meta.plain for t in tensors]
    node.output_metas = [t._meta.plain if isinstance(t, Tensor) else None for t in outputs]
    return node


def _output(ctx, node, t, k, tensors):
    """An output with its place in the graph: changed inputs, returned inputs, fresh results."""
    if any(t is d for d in ctx._dirty):
        if node is not None and t._fn is None and t._rg:
            raise RuntimeError(
                "a leaf Variable that requires grad has been used in an in-place operation."
            )
        check_inplace(t, node is not None)
        t._vc.version += 1
        if not any(t is s for s in tensors):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not "
                "returned as output."
            )
        if node is not None:
            rebase_history(t, node)
            t._nr = k
        return t
    returned = any(t is s for s in tensors)
    if any(t is d for d in ctx._non_differentiable) or t.dtype.category < dtypes.FLOAT:
        return t.detach() if returned else t
    if returned:
        t = (
            link(t, t._meta.plain, t._off)
            if node is None
            else link(t, t._meta.plain, t._off, "default", node, k)
        )
        return t
    if node is not None:
        t._fn, t._nr, t._rg = node, k, True
    return t


class InplaceFunction(Function):
    """Kept for old programs: a Function."""


class NestedIOFunction(Function):
    """Not built: nested inputs."""

    @classmethod
    def apply(cls, *args, **kwargs):
        raise NotImplementedError(
            "NestedIOFunction is not built in rushlight; hint: flatten the inputs and use Function"
        )


def once_differentiable(backward):
    """Decorator: this backward cannot be differentiated again; the error comes when somebody
    tries."""

    def run(ctx, *grads):
        recording = state.grad and any(isinstance(g, Tensor) and g.requires_grad for g in grads)
        with no_grad():
            found = backward(ctx, *grads)
        if not recording:
            return found
        outs = found if isinstance(found, tuple) else (found,)
        node = _Refusal("torch::autograd::Error", [edge(g) for g in grads if isinstance(g, Tensor)])
        for t in outs:
            if isinstance(t, Tensor):
                t._fn, t._nr, t._rg = node, 0, True
        return found

    return run


class _Refusal(NamedNode):
    __slots__ = ()

    def apply(self, grads, needed):
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )
