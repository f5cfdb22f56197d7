"""``gradcheck`` and ``gradgradcheck``: derivatives against finite differences."""

import numpy as np

from .. import frontend as rl
from ..frontend.backward import grad

GradcheckError = type(
    "GradcheckError", (RuntimeError,), {"__doc__": "gradcheck found a difference."}
)


def _tuple(value):
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _differentiable(values):
    return [v for v in values if rl.is_tensor(v) and v.requires_grad]


def _outputs(func, inputs):
    return [o for o in _tuple(func(*inputs)) if rl.is_tensor(o) and o.dtype.category >= 2]


def _flat(t):
    return np.array(t.detach()._array()).reshape(-1)


def _numeric(func, inputs, x, eps):
    """d outputs / d x by central differences: one (numel(x), numel(out)) array per output; a
    complex x gives the two real directions, one after the other."""
    values = x.detach()._array()
    places = list(np.ndindex(*values.shape))
    directions = [1.0] if not x.dtype.is_complex else [1.0, 1.0j]
    rows = []
    for direction in directions:
        for place in places:
            kept = values[place].copy()
            sides = []
            for sign in (1, -1):
                _set(x, place, kept + sign * eps * direction)
                with rl.no_grad():
                    sides.append([_flat(o) for o in _outputs(func, inputs)])
            _set(x, place, kept)
            rows.append([(a - b) / (2 * eps) for a, b in zip(*sides, strict=True)])
    count = len(_outputs(func, inputs))
    return [np.array([r[k] for r in rows]) for k in range(count)]


def _set(x, place, value):
    """Write one element under the tensor, visibly to later operators."""
    x.detach()._array()[place] = value


def _analytic(output, x):
    """The same arrays from backward: for each output element (and direction) the gradient of x."""
    rows = []
    for direction in [1.0] if not output.dtype.is_complex else [1.0, 1.0j]:
        for i in range(output.numel()):
            cotangent = np.zeros(output.numel(), output.dtype.np)
            cotangent[i] = direction
            seed = rl.tensor(cotangent, dtype=output.dtype).reshape(output.shape)
            (g,) = grad(output, x, seed, retain_graph=True, allow_unused=True)
            rows.append(np.zeros(x.numel(), x.dtype.np) if g is None else _flat(g))
    return np.array(rows).reshape(-1, x.numel())


def _compare(numeric, analytic, output, x, atol, rtol):
    """Both as real Jacobians: rows are directions of x, columns real parts of the output."""
    n = numeric.reshape(-1, output.numel())
    real_n = np.concatenate([n.real, n.imag], 1) if output.dtype.is_complex else n.real
    a = analytic
    real_a = np.concatenate([a.real, a.imag], 1).T if x.dtype.is_complex else a.real.T
    return np.allclose(real_n, real_a, rtol=rtol, atol=atol, equal_nan=True), real_n, real_a


def gradcheck(
    func,
    inputs,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    raise_exception=True,
    nondet_tol=0.0,
    check_undefined_grad=True,
    check_grad_dtypes=False,
    check_batched_grad=False,
    check_batched_forward_grad=False,
    check_forward_ad=False,
    check_backward_ad=True,
    fast_mode=False,
    masked=None,
):
    """Compare backward with central differences, for every input that requires grad.

    Args:
        func: tensors to tensor(s); float64 (or complex128) inputs are expected.
        eps, atol, rtol: step and tolerances.
        fast_mode: accepted; the full check is done (it is the stricter one).

    Returns: True; on a difference raises GradcheckError, or returns False without raise_exception.
    """
    if check_forward_ad or check_batched_forward_grad or check_batched_grad:
        raise NotImplementedError("gradcheck: forward mode and batched gradients are not built yet")
    inputs = _tuple(inputs)
    if not _differentiable(inputs):
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True."
        )
    try:
        _check_all(func, inputs, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check_all(func, inputs, eps, atol, rtol, nondet_tol):
    outputs = _outputs(func, inputs)
    for i, x in enumerate(inputs):
        if not (rl.is_tensor(x) and x.requires_grad):
            continue
        numeric = _numeric(func, inputs, x, eps)
        for k, out in enumerate(outputs):
            if not out.requires_grad:
                analytic = np.zeros(
                    (out.numel() * (2 if out.dtype.is_complex else 1), x.numel()), x.dtype.np
                )
            else:
                analytic = _analytic(out, x)
                again = _analytic(out, x)
                if not np.allclose(analytic, again, rtol=0, atol=nondet_tol, equal_nan=True):
                    raise GradcheckError(
                        "Backward is not reentrant, i.e., running backward with same "
                        "input and grad_output multiple times gives different values"
                    )
            ok, n, a = _compare(numeric[k], analytic, out, x, atol, rtol)
            if not ok:
                raise GradcheckError(
                    f"Jacobian mismatch for output {k} with respect to input {i},\n"
                    f"numerical:{n}\nanalytical:{a}\n"
                )


def gradgradcheck(
    func,
    inputs,
    grad_outputs=None,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    gen_non_contig_grad_outputs=False,
    raise_exception=True,
    nondet_tol=0.0,
    check_undefined_grad=True,
    check_grad_dtypes=False,
    check_batched_grad=False,
    check_fwd_over_rev=False,
    check_rev_over_rev=True,
    fast_mode=False,
    masked=False,
):
    """`gradcheck` of the gradient itself: second derivatives against finite differences."""
    inputs = _tuple(inputs)
    if grad_outputs is None:
        rng = np.random.RandomState(0)
        grad_outputs = [
            rl.tensor(rng.standard_normal(tuple(o.shape)), dtype=o.dtype).requires_grad_()
            for o in _outputs(func, inputs)
        ]
    grad_outputs = _tuple(grad_outputs)
    count = len(grad_outputs)

    def gradient(*args):
        xs, cotangents = args[:-count], args[-count:]
        wanted = _differentiable(xs)
        with rl.enable_grad():
            found = grad(
                _outputs(func, xs), wanted, cotangents, create_graph=True, allow_unused=True
            )
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradient,
        (*inputs, *grad_outputs),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
    )
