"""The order of a nest's loops: which one is innermost, and which are folded around it."""


class Order:
    """Loops outermost first: `kept`, then `inner` (the folded ones; in a nest without folds, all),
    then `lane`, a kept loop that runs innermost, or None."""

    __slots__ = ("kept", "inner", "lane")

    def __init__(self, kept, inner, lane):
        self.kept, self.inner, self.lane = tuple(kept), tuple(inner), lane


FAR_MORE = 64  # memory of one more axis, against memory without


def arrange(nest):
    """The Order of a nest: innermost is the loop along which most memory is contiguous.  What
    varies along few loops is small: a scale for each channel has no say against an image."""
    loops = range(len(nest.shape))
    if not loops or any(i.name == "scatter" for i in nest.body):
        return Order((), loops, None)
    innermost = _innermost(nest)
    if not nest.axes:
        return Order((), [d for d in loops if d != innermost] + [innermost], None)
    kept = [d for d in loops if d not in nest.axes and d != innermost]
    folded = [d for d in nest.axes if d != innermost]
    if innermost in nest.axes:
        return Order(kept, [*folded, innermost], None)
    return Order(kept, folded, innermost)


def _innermost(nest):
    loops = range(len(nest.shape))
    score = [0] * len(loops)
    for i in [nest.body[p] for inner, _ in nest.passes for p in inner]:
        if i.name in ("load", "store"):
            strides = nest.accesses[i.extra].strides
            weight = FAR_MORE ** sum([s != 0 for s in strides or ()])
            for d in loops:
                if strides is not None and strides[d] == 1:
                    score[d] += weight * (2 if i.name == "store" else 1)
    return max(loops, key=lambda d: (score[d], d))
