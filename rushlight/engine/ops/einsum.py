"""Einstein summation: parsing, an order of pairwise contractions, each as one matrix product."""

import string
from collections import Counter

from ..base.shapes import numel
from ..ir import lang as L
from .products import dot_values
from .record import T, composite, operator

_LETTERS = string.ascii_uppercase + string.ascii_lowercase
_ELLIPSIS = "..."


# ---------------------------------------------------------------------------------- parsing
def _terms(text):
    """Labels of one operand; an ellipsis is one label."""
    found, rest = [], text.replace(" ", "")
    while rest:
        if rest.startswith(_ELLIPSIS):
            found.append(_ELLIPSIS)
            rest = rest[3:]
            continue
        if rest[0] not in _LETTERS:
            where = "found '.' that is not part of any ellipsis" if rest[0] == "." else (
                f"invalid subscript given at index {len(text) - len(rest)} in the equation string, "
                "subscripts must be in [a-zA-Z]"
            )  # fmt: skip
            raise RuntimeError(f"einsum(): {where}")
        found.append(rest[0])
        rest = rest[1:]
    if found.count(_ELLIPSIS) > 1:
        raise RuntimeError(
            "einsum(): found '.' for operand for which an ellipsis was already found"
        )
    return found


def _expanded(terms, ndim, position):
    """The terms with the ellipsis replaced by labels counted from the right: ("...", k)."""
    named = len([t for t in terms if t != _ELLIPSIS])
    hidden = ndim - named
    if hidden < 0 or hidden and _ELLIPSIS not in terms:
        raise RuntimeError(
            "einsum(): the number of subscripts in the equation "
            f"({named}) {'is more than' if hidden < 0 else 'does not match'} the number of "
            f"dimensions ({ndim}) for operand {position}"
            + ("" if hidden < 0 else " and no ellipsis was given")
        )
    out = []
    for t in terms:
        out += [(_ELLIPSIS, k) for k in range(hidden, 0, -1)] if t == _ELLIPSIS else [t]
    return out


def parse(equation, ndims):
    """(labels of every operand, labels of the result)."""
    left, arrow, right = equation.partition("->")
    texts = left.split(",")
    if len(texts) != len(ndims):
        more = "fewer" if len(ndims) > len(texts) else "more"
        raise RuntimeError(
            f"einsum(): {more} operands were provided than specified in the equation"
            if more == "more"
            else "einsum(): more operands were provided than specified in the equation"
        )
    operands = [
        _expanded(_terms(t), n, i) for i, (t, n) in enumerate(zip(texts, ndims, strict=True))
    ]
    hidden = max(
        (k for ls in operands for e, *rest in ls if e == _ELLIPSIS for k in rest), default=0
    )
    dots = [(_ELLIPSIS, k) for k in range(hidden, 0, -1)]
    if not arrow:
        counts = Counter(label for labels in operands for label in labels)
        single = [t for t, n in counts.items() if n == 1 and isinstance(t, str)]
        return operands, dots + sorted(single, key=_LETTERS.index)
    result = []
    for t in _terms(right):
        result += dots if t == _ELLIPSIS else [t]
    _check_result(operands, result)
    return operands, result


def _check_result(operands, result):
    known = {label for labels in operands for label in labels}
    for label, count in Counter(result).items():
        if count > 1:
            raise RuntimeError(
                f"einsum(): output subscript {label} appears more than once in the output"
            )
        if label not in known:
            raise RuntimeError(
                f"einsum(): output subscript {label} does not appear in the equation for any input "
                "operand"
            )


# ------------------------------------------------------------------------------- contraction
class _Operand:
    """A value and the label of each of its dimensions."""

    def __init__(self, value, labels):
        self.value, self.labels = value, list(labels)

    def size(self, label):
        return self.value.shape[self.labels.index(label)] if label in self.labels else 1


def _diagonals(x, sizes):
    """Repeated labels become the diagonal."""
    labels = x.labels
    for label in [t for t, n in Counter(labels).items() if n > 1]:
        first, second = [i for i, t in enumerate(labels) if t == label][:2]
        n = sizes[label]
        value = L.move_axis(L.move_axis(x.value, second, 0), first + 1, 1)
        if value.shape[0] != value.shape[1]:
            raise RuntimeError(
                f"einsum(): subscript {label} is repeated for operand but the sizes don't match, "
                f"{value.shape[1]} != {value.shape[0]}"
            )
        rest = value.shape[2:]
        flat = L.reshape(value, (n * n, *rest))
        value = L.take(flat, L.iota(flat, n) * (n + 1))
        labels = [label] + [t for i, t in enumerate(labels) if i not in (first, second)]
        return _diagonals(_Operand(value, labels), sizes)
    return x


def _sizes(operands):
    sizes: dict = {}
    for i, x in enumerate(operands):
        for label, n in zip(x.labels, x.value.shape, strict=True):
            have = sizes.setdefault(label, n)
            if n not in (1, have) and have != 1:
                raise RuntimeError(
                    f"einsum(): subscript {label} has size {n} for operand {i} which does not "
                    f"broadcast with previously seen size {have}"
                )
            sizes[label] = max(n, have) if 0 not in (n, have) else 0
    return sizes


def _sum_away(x, kept):
    """Sum over labels nothing else needs."""
    axes = [i for i, t in enumerate(x.labels) if t not in kept]
    return _Operand(L.sum_(x.value, axes), [t for t in x.labels if t in kept]) if axes else x


def _arranged(x, groups, sizes):
    """The value with its dimensions grouped, one axis per group."""
    order = [x.labels.index(t) for group in groups for t in group]
    value = L.permute(x.value, order)
    full = [sizes[t] for group in groups for t in group]
    value = L.broadcast(value, full)
    return L.reshape(value, [numel([sizes[t] for t in group]) for group in groups])


def _pair(a, b, kept, sizes):
    """Contract two operands: labels of both that nothing needs are summed by a matrix product."""
    both = [t for t in a.labels if t in b.labels]
    summed = [t for t in both if t not in kept and a.size(t) == b.size(t)]
    batch = [t for t in both if t not in summed]
    rows = [t for t in a.labels if t not in both]
    columns = [t for t in b.labels if t not in both]
    labels = batch + rows + columns
    if not summed:
        left = L.broadcast(
            _spaced(a, labels), [sizes[t] if t in a.labels or t in b.labels else 1 for t in labels]
        )
        out = _Operand(left * L.broadcast(_spaced(b, labels), left.shape), labels)
        return _sum_away(out, kept)
    left = _arranged(a, (batch, rows, summed), sizes)
    right = _arranged(b, (batch, summed, columns), sizes)
    out = dot_values(left, right) if batch else L.unsqueeze(
        dot_values(L.drop_axis(left, 0), L.drop_axis(right, 0)), 0
    )  # fmt: skip
    return _sum_away(_Operand(L.reshape(out, [sizes[t] for t in labels]), labels), kept)


def _spaced(x, labels):
    """x with its dimensions in the order of labels, size 1 where it has none."""
    order = [x.labels.index(t) for t in labels if t in x.labels]
    value = L.permute(x.value, order)
    return L.reshape(value, [x.size(t) for t in labels])


def _cost(a, b, kept, sizes):
    """Size of the result less the sizes of the operands: what a greedy order minimises."""
    union = set(a.labels) | set(b.labels)
    result = numel([sizes[t] for t in union if t in kept])
    return result - numel(a.value.shape) - numel(b.value.shape)


def _needed(operands, result, skip=()):
    kept = set(result)
    for i, x in enumerate(operands):
        if i not in skip:
            kept.update(x.labels)
    return kept


def contract(operands, result):
    """The value of the sum of products of operands."""
    sizes = _sizes(operands)
    operands = [_diagonals(x, sizes) for x in operands]
    operands = [_sum_away(x, _needed(operands, result, (i,))) for i, x in enumerate(operands)]
    while len(operands) > 1:
        pairs = [(i, j) for j in range(len(operands)) for i in range(j)]
        kept = {p: _needed(operands, result, p) for p in pairs}
        i, j = min(pairs, key=lambda p: _cost(operands[p[0]], operands[p[1]], kept[p], sizes))
        joined = _pair(operands[i], operands[j], kept[i, j], sizes)
        operands = [x for k, x in enumerate(operands) if k not in (i, j)] + [joined]
    last = _sum_away(operands[0], set(result))
    value = L.permute(last.value, [last.labels.index(t) for t in result])
    return L.broadcast(value, [sizes[t] for t in result])


@operator(
    "_einsum(str equation, Tensor[] tensors) -> Tensor",
    variants="internal",
    node=lambda given: "PermuteBackward0" if len(given[1][1]) == 1 else "ViewBackward0",
)
def einsum_(equation, tensors):
    """einsum with its equation as text."""
    operands, result = parse(equation, [t.ndim for t in tensors])
    pairs = zip(tensors, operands, strict=True)
    return contract([_Operand(v, labels) for v, labels in pairs], result)


def _from_sublists(args):
    """The equation of ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""

    def text(labels):
        return "".join(_ELLIPSIS if t is Ellipsis else _letter(t) for t in labels)

    count = len(args) // 2
    equation = ",".join(text(args[2 * i + 1]) for i in range(count))
    if len(args) % 2:
        equation += "->" + text(args[-1])
    return equation, [args[2 * i] for i in range(count)]


def _letter(index):
    if not 0 <= index < 52:
        raise RuntimeError(f"einsum(): subscript {index} is not within the valid range [0, 52)")
    return _LETTERS[index]


@composite("function")
def einsum(*args):
    """Sum of products of tensors by an equation such as ``"ij,jk->ik"`` (or sublists of labels).

    Contractions are done two at a time, the one with the smallest result first.

    >>> torch.einsum("i,j->ij", torch.tensor([1., 2.]), torch.tensor([3., 4.]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    if not args:
        raise ValueError("einsum(): must specify the equation string and at least one operand")
    if isinstance(args[0], str):
        equation, tensors = args[0], args[1:]
    else:
        equation, tensors = _from_sublists(args)
    if len(tensors) == 1 and isinstance(tensors[0], list | tuple):
        tensors = tensors[0]
    if not tensors:
        raise ValueError("einsum(): must provide at least one operand")
    return T._einsum(equation, list(tensors))
