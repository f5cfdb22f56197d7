"""L-BFGS, a quasi-Newton method, and its line search.

Unlike the other optimizers this one decides by values, and so it reads the loss and a few 0-dim
tensors in every iteration.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import frontend as rl
from ._per_parameter import check_lr
from .optimizer import Optimizer, ParamsT, _to_scalar, _use_grad_for_differentiable

__all__ = ["LBFGS"]

# What is kept between two steps, in the state of the first parameter.
_MEMORY = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")


class LBFGS(Optimizer):
    """Newton's method with an inverse Hessian estimated from the last gradients and steps.

    One `step` runs up to `max_iter` iterations, each of which evaluates `closure` at least once.
    Memory is that of the parameters times ``2 * history_size + 3``.

    Args:
        params: tensors or (name, tensor) pairs; one group only.
        lr: step length (the first trial of a line search), at least 0; a number or a tensor of one
            element.
        max_iter: iterations per `step`.
        max_eval: evaluations of the closure per `step`; None means ``max_iter * 5 // 4``.
        tolerance_grad: stop when no element of the gradient is larger.
        tolerance_change: stop when loss or parameters change less.
        history_size: number of gradient differences kept.
        line_search_fn: None for steps of length `lr`, or "strong_wolfe".

    Raises: ValueError for a negative lr or more than one group; RuntimeError from `step` for
        another line search.

    Source: Nocedal and Wright, Numerical Optimization, 2nd ed., algorithms 7.4 and 3.5; tolerances
        and cubic interpolation as in Schmidt's minFunc.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 3) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> round(optimizer.step(closure).item(), 3)
    29.0
    >>> [round(v, 3) for v in w.tolist()]
    [3.0, 3.0]
    """

    def __init__(
        self,
        params: ParamsT,
        lr=1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self):
        return self.param_groups[0]["params"]

    @_use_grad_for_differentiable
    def step(self, closure):
        """Run up to `max_iter` iterations.

        Args:
            closure: callable that clears the gradients, computes the loss, calls `backward` and
                returns the loss.

        Returns: the loss before the first iteration.
        Raises: RuntimeError if `line_search_fn` is neither None nor "strong_wolfe".
        """
        group, params = self.param_groups[0], self._params
        lr, max_iter = _to_scalar(group["lr"]), group["max_iter"]
        tolerance_change = group["tolerance_change"]
        state = self.state[params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = _evaluate(closure)
        loss, grad = float(first_loss), _flat_grad(params)
        num_evals = 1
        state["func_evals"] += 1
        if _is_flat(grad, group):
            return first_loss
        memory: dict[str, Any] = {name: state.get(name) for name in _MEMORY}
        for i in range(1, max_iter + 1):
            state["n_iter"] += 1
            _update_direction(memory, grad, state, group["history_size"])
            memory["prev_flat_grad"], memory["prev_loss"] = grad, loss
            d = memory["d"]
            t = lr
            if state["n_iter"] == 1:
                t = min(1.0, 1.0 / grad.abs().sum()) * lr
            memory["t"] = t
            slope = grad.dot(d)
            if slope > -tolerance_change:
                break
            new_evals = 0
            if group["line_search_fn"] is not None:
                point, new_evals = self._search(closure, _Point(t, loss, grad, slope), d, num_evals)
                loss, grad, memory["t"] = point.loss, point.grad, point.t
                _move_(params, memory["t"], d)
            else:
                _move_(params, t, d)
                if i != max_iter:  # with minibatches the loss after the last move is of no use
                    loss, grad = float(_evaluate(closure)), _flat_grad(params)
                    new_evals = 1
            num_evals += new_evals
            state["func_evals"] += new_evals
            if i == max_iter or num_evals >= group["max_eval"] or _is_flat(grad, group):
                break
            if d.mul(memory["t"]).abs().max() <= tolerance_change:
                break
            if abs(loss - memory["prev_loss"]) < tolerance_change:
                break
        state.update(memory)
        return first_loss

    def _search(self, closure, start, d, num_evals):
        """The point along `d` that the line search settles on, and the evaluations it took."""
        group, params = self.param_groups[0], self._params
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError(
                "only 'strong_wolfe' is supported as line_search_fn, "
                f"got {group['line_search_fn']!r}"
            )
        origin = [param.clone() for param in params]

        def evaluate(t):
            _move_(params, t, d)
            loss, grad = float(_evaluate(closure)), _flat_grad(params)
            for param, value in zip(params, origin, strict=True):
                param.copy_(value)
            return _Point(t, loss, grad, grad.dot(d))

        return _strong_wolfe(evaluate, start, d.abs().max(), group["max_eval"] - num_evals)


def _evaluate(closure):
    with rl.enable_grad():
        return closure()


def _is_flat(grad, group):
    return bool(grad.abs().max() <= group["tolerance_grad"])


def _flat_grad(params):
    """All gradients as one vector of real numbers; zeros where there is none."""
    pieces = []
    for param in params:
        grad = rl.zeros_like(param) if param.grad is None else param.grad
        if grad.is_sparse:
            raise NotImplementedError("LBFGS: sparse gradients are not supported yet")
        pieces.append(_real(grad).reshape(-1))
    return rl.cat(pieces, 0)


def _real(t):
    return rl.view_as_real(t) if t.is_complex() else t


def _move_(params, t, d):
    """``params += t * d``, with `d` laid out as `_flat_grad` does."""
    offset, t = 0, float(t)
    for param in map(_real, params):
        count = param.numel()
        param.add_(d[offset : offset + count].view_as(param), alpha=t)
        offset += count


def _update_direction(memory, grad, state, history_size):
    """Set memory["d"] to minus the inverse Hessian times `grad` (the two-loop recursion)."""
    if state["n_iter"] == 1:
        memory.update(d=grad.neg(), old_dirs=[], old_stps=[], ro=[], H_diag=1)
        return
    differences, steps, ro = memory["old_dirs"], memory["old_stps"], memory["ro"]
    y = grad.sub(memory["prev_flat_grad"])
    s = memory["d"].mul(memory["t"])
    ys = y.dot(s)
    if ys > 1e-10:
        if len(differences) == history_size:
            for history in (differences, steps, ro):
                history.pop(0)
        differences.append(y)
        steps.append(s)
        ro.append(1.0 / ys)
        memory["H_diag"] = ys / y.dot(y)
    al = state.setdefault("al", [None] * history_size)
    q = grad.neg()
    for i in reversed(range(len(differences))):
        al[i] = steps[i].dot(q) * ro[i]
        q.addcmul_(differences[i], al[i], value=-1)
    r = q.mul(memory["H_diag"])
    for i in range(len(differences)):
        r.addcmul_(steps[i], al[i] - differences[i].dot(r) * ro[i])
    memory["d"] = r


# ---------------------------------------------------------------------- line search


class _Point(NamedTuple):
    """A place on the search line: step length, loss, gradient, and slope along the line."""

    t: Any
    loss: float
    grad: Any
    slope: Any


def _strong_wolfe(evaluate, start, d_norm, max_evals, c1=1e-4, c2=0.9, tolerance_change=1e-9):
    """A point with enough decrease (c1) and a small enough slope (c2).

    Args:
        evaluate: step length -> _Point.
        start: the loss, gradient and slope at length 0, with the first length to try as `t`.
        d_norm: largest element of the direction.
        max_evals: evaluations after the first.

    Returns: (the point, number of evaluations).
    """

    def rises(point):
        return point.loss > start.loss + c1 * point.t * start.slope

    def is_good(point):
        return abs(point.slope) <= -c2 * start.slope

    previous = origin = start._replace(t=0)
    point = evaluate(start.t)
    num = 0
    while num < max_evals:
        if rises(point) or (num > 1 and point.loss >= previous.loss):
            break
        if is_good(point):
            return point, num + 1
        if point.slope >= 0:
            break
        bounds = (point.t + 0.01 * (point.t - previous.t), point.t * 10)
        previous, point = point, evaluate(_minimum_of_cubic(previous, point, bounds))
        num += 1
    bracket = [origin if num == max_evals else previous, point]

    # Shrink the bracket around a good point.
    low, high = _order(bracket)
    stalled = False
    while num < max_evals:
        if abs(bracket[1].t - bracket[0].t) * d_norm < tolerance_change:
            break
        t, stalled = _off_the_ends(_minimum_of_cubic(*bracket), bracket, stalled)
        point = evaluate(t)
        num += 1
        if rises(point) or point.loss >= bracket[low].loss:
            bracket[high] = point
            low, high = _order(bracket)
            continue
        good = is_good(point)
        if not good and point.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = point
        if good:
            break
    return bracket[low], num + 1


def _order(bracket):
    return (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)


def _off_the_ends(t, bracket, stalled):
    """Keep a trial step from sticking to an end of the bracket.

    Returns: (`t`, moved a tenth of the bracket inwards where needed; whether it is near an end).
    """
    lower, upper = sorted((bracket[0].t, bracket[1].t))
    margin = 0.1 * (upper - lower)
    if not min(upper - t, t - lower) < margin:
        return t, False
    if not (stalled or t >= upper or t <= lower):
        return t, True
    return (upper - margin if abs(t - upper) < abs(t - lower) else lower + margin), False


def _minimum_of_cubic(p, q, bounds=None):
    """Where the cubic through two points and slopes is least, in `bounds` or between them."""
    lower, upper = bounds or sorted((p.t, q.t))
    if p.t > q.t:
        p, q = q, p
    d1 = p.slope + q.slope - 3 * (p.loss - q.loss) / (p.t - q.t)
    square = d1**2 - p.slope * q.slope
    if not square >= 0:
        return (lower + upper) / 2.0
    d2 = square.sqrt()
    t = q.t - (q.t - p.t) * ((q.slope + d2 - d1) / (q.slope - p.slope + 2 * d2))
    return min(max(t, lower), upper)
