"""``torch.autograd.functional``: jacobian, hessian, vjp, hvp, vhp and jvp by reverse mode."""

from .. import frontend as rl
from ..frontend.backward import grad


def _tuple(value):
    return (tuple(value), True) if isinstance(value, tuple | list) else ((value,), False)


def _fresh(inputs, create_graph):
    return tuple(
        t.view_as(t) if create_graph and t.requires_grad else t.detach().requires_grad_()
        for t in inputs
    )


def _back(value, was_tuple):
    return value if was_tuple else value[0]


def _zero_fill(grads, inputs, strict, what):
    if strict and any(g is None for g in grads):
        raise RuntimeError(f"{what}: one of the user-provided inputs is independent of the outputs")
    return tuple(rl.zeros_like(t) if g is None else g for g, t in zip(grads, inputs, strict=True))


def _checked(inputs):
    inputs, many = _tuple(inputs)
    for t in inputs:
        if not rl.is_tensor(t):
            raise TypeError(
                "The inputs given must be either a Tensor or a tuple of Tensors but the "
                f"given type is {type(t)}."
            )
    return inputs, many


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """(outputs, v-weighted gradient): the product of `v` with func's Jacobian at `inputs`."""
    with rl.enable_grad():
        inputs, many = _checked(inputs)
        inputs = _fresh(inputs, create_graph)
        outputs, out_many = _tuple(func(*inputs))
        if v is None:
            if len(outputs) != 1 or outputs[0].numel() != 1:
                raise RuntimeError(
                    "The vector v can only be None if the user-provided function returns "
                    "a single Tensor with a single element."
                )
            vectors = (rl.ones_like(outputs[0]),)
        else:
            vectors = _tuple(v)[0]
        found = grad(outputs, inputs, vectors, create_graph=create_graph, allow_unused=True)
        found = _zero_fill(found, inputs, strict, "vjp")
    if not create_graph:
        outputs = tuple(o.detach() for o in outputs)
    return _back(outputs, out_many), _back(found, many)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """(outputs, Jacobian times `v`), by differentiating the gradient (double backward)."""
    with rl.enable_grad():
        inputs, _ = _checked(inputs)
        inputs = _fresh(inputs, create_graph)
        if v is None:
            if len(inputs) != 1 or inputs[0].numel() != 1:
                raise RuntimeError(
                    "The vector v can only be None if the input to the user-provided "
                    "function is a single Tensor with a single element."
                )
            vectors = (rl.ones_like(inputs[0]),)
        else:
            vectors = _tuple(v)[0]
        outputs, out_many = _tuple(func(*inputs))
        dummies = tuple(rl.zeros_like(o, requires_grad=True) for o in outputs)
        first = grad(outputs, inputs, dummies, create_graph=True, allow_unused=True)
        first = _zero_fill(first, inputs, strict, "jvp")
        live = [(f, w) for f, w in zip(first, vectors, strict=True) if f.requires_grad]
        found = (
            grad(
                [f for f, _ in live],
                dummies,
                [w for _, w in live],
                create_graph=create_graph,
                allow_unused=True,
            )
            if live
            else (None,) * len(dummies)
        )
        found = _zero_fill(found, outputs, False, "jvp")
    if not create_graph:
        outputs = tuple(o.detach() for o in outputs)
    return _back(outputs, out_many), _back(found, out_many)


def jacobian(
    func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"
):
    """Jacobian of `func`: per output and input a tensor of shape output.shape + input.shape."""
    if strategy != "reverse-mode" or vectorize:
        raise NotImplementedError(
            "jacobian: only vectorize=False, strategy='reverse-mode' is built"
        )
    with rl.enable_grad():
        inputs, many = _checked(inputs)
        inputs = _fresh(inputs, create_graph)
        outputs, out_many = _tuple(func(*inputs))
        rows = tuple(_rows(o, inputs, create_graph, strict) for o in outputs)
    rows = tuple(r if many else r[0] for r in rows)
    return rows if out_many else rows[0]


def _rows(output, inputs, create_graph, strict):
    flat = output.reshape(-1)
    columns = [[] for _ in inputs]
    for i in range(flat.numel()):
        found = (
            grad(flat[i], inputs, retain_graph=True, create_graph=create_graph, allow_unused=True)
            if flat.requires_grad
            else (None,) * len(inputs)
        )
        for column, g in zip(columns, _zero_fill(found, inputs, strict, "jacobian"), strict=True):
            column.append(g)
    return tuple(
        (rl.stack(c) if c else t.new_zeros((0, *t.shape))).reshape(
            tuple(output.shape) + tuple(t.shape)
        )
        for c, t in zip(columns, inputs, strict=True)
    )


def hessian(
    func,
    inputs,
    create_graph=False,
    strict=False,
    vectorize=False,
    outer_jacobian_strategy="reverse-mode",
):
    """Hessian of a scalar `func`: per pair of inputs a tensor of both shapes."""
    inputs, many = _checked(inputs)

    def gradient(*xs):
        value = func(*xs)
        if not rl.is_tensor(value) or value.numel() != 1:
            raise RuntimeError(
                "The Tensor returned by the function given to hessian should contain a "
                "single element"
            )
        found = grad(value.reshape(()), xs, create_graph=True, allow_unused=True)
        return _zero_fill(found, xs, strict, "hessian")

    found = jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return found if many else found[0][0]


def _scalar_gradient(func, inputs, create_graph):
    inputs, many = _checked(inputs)
    inputs = _fresh(inputs, create_graph)
    value = func(*inputs)
    first = grad(value, inputs, create_graph=True, allow_unused=True)
    return inputs, many, value, _zero_fill(first, inputs, False, "hvp")


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """(value, v times the Hessian) of a scalar function."""
    with rl.enable_grad():
        inputs, many, value, first = _scalar_gradient(func, inputs, create_graph)
        vectors = _tuple(v)[0] if v is not None else tuple(map(rl.ones_like, inputs))
        live = [(f, w) for f, w in zip(first, vectors, strict=True) if f.requires_grad]
        found = (
            grad(
                [f for f, _ in live],
                inputs,
                [w for _, w in live],
                create_graph=create_graph,
                allow_unused=True,
            )
            if live
            else (None,) * len(inputs)
        )
        found = _zero_fill(found, inputs, strict, "vhp")
    return (value if create_graph else value.detach()), _back(found, many)


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """(value, Hessian times v) of a scalar function; the Hessian is symmetric."""
    return vhp(func, inputs, v, create_graph, strict)
