"""Which values get a place of their own, and which are computed where they are used.

A root is computed once, in some nest; whatever lies between roots is computed (again) by each user.
"""

from ..base.shapes import numel
from .convolutions import contiguous
from .maps import MOVEMENT, base, memory_under, passes

FOLDS = frozenset(("sum", "prod", "max", "min", "argmax", "argmin"))
WRITES = frozenset(("pad", "concat", "store", "put"))
SIMPLE = frozenset(
    """neg sign floor ceil round trunc abs invert add sub mul maximum minimum bitand bitor bitxor
    shl shr copysign eq ne lt le gt ge isnan where cast""".split()
)
SHARED, FEW_ROWS = 4, 128  # products that share an operand, rows of each
CHEAP = 2  # simple operations that are repeated rather than stored
MAX_OPERATIONS = 80  # of one expression
MAX_LOADS = 16


def weight(name):
    """What an operation costs, beside its operands; an addition is 1."""
    return 1 if name in SIMPLE else 4 if name in ("div", "sqrt", "take") else 12


class Roots:
    """`found` maps a root's index to its kind: host, fold, write or value; `cost` is (cost, loads,
    operations) of using a value, `size` the operations of its own expression."""

    def __init__(self, graph, values, can_fuse):
        self.can_fuse = can_fuse
        self.found, self.cost, self.size = {}, {}, {}
        self.users = {v.index: [] for v in values}
        self.turned = {}  # index of a transposition -> the product it turns
        self.products = set()  # indices of those products: they have no place themselves
        for v in values:
            for i in v.inputs:
                self.users[i.index].append(v)
        for v in graph.outputs:
            self._store(v)
        for v in values:
            self._turned_product(v)
        for v in values:
            self._needed_in_memory(v)
        for v in values:
            self._wanted_often(v)

    def kind(self, v):
        """The kind of a value that cannot be computed inside an expression, else None."""
        name = v.prim.name
        if v.prim.kind == "source" or name in MOVEMENT:
            return None
        if v.dtype is None or not self.can_fuse(v) or _odd(v):
            return "host"
        return "fold" if name in FOLDS else "write" if name in WRITES else None

    def _turned_product(self, v):
        """A product that is only wanted transposed is computed transposed: (A B)' = B' A'."""
        users = self.users[v.index]
        if v.prim.name == "dot" and v.index not in self.found and len(users) == 1:
            if users[0].prim.name == "permute" and _swaps(users[0].params["axes"]):
                self.turned[users[0].index] = v
                self.products.add(v.index)
                self.found[users[0].index] = "host"

    def _store(self, v):
        v = base(v)
        if v.prim.name != "input":
            self.found.setdefault(v.index, "value")

    def _needed_in_memory(self, v):
        kind, name = self.kind(v), v.prim.name
        if v.index in self.turned:
            return
        if kind and v.index not in self.products:
            self.found[v.index] = kind
        if kind == "host":
            for k, i in enumerate(v.inputs):
                view = i.shape is not None and k not in self.whole(v)
                self._store(memory_under(i, self.turned)[0] if view else i)
        elif name == "take":
            self._store(memory_under(v.inputs[0], self.turned)[0])
        elif name in MOVEMENT and not passes(v):
            self._store(v.inputs[0])

    def whole(self, v):
        """Positions of the operands that a host step wants contiguous.  Beside those of its kind: a
        transposed matrix by which many products of few rows multiply, as a recurrent layer's, is
        turned once for all of them."""
        if v.prim.name != "dot" or v.shape[-2] > FEW_ROWS:
            return contiguous(v)
        users = [u for u in self.users[v.inputs[1].index] if u.prim.name == "dot"]
        return (1,) if v.inputs[1].prim.name == "permute" and len(users) >= SHARED else ()

    def _wanted_often(self, v):
        """Values many expressions want are roots, unless computing them again is cheaper."""
        kind, cost, loads, count = self.found.get(v.index), 0, 0, 0
        if v.prim.name != "input" and kind != "host":
            for i in v.inputs:
                more, seen, nodes = self.cost[i.index]
                cost, loads, count = cost + more, loads + seen, count + nodes
        if v.prim.kind != "source" and kind is None and v.index not in self.products:
            if v.prim.name not in MOVEMENT:
                count += 1
                cost += weight(v.prim.name)
            if self._pays(v, cost, loads, count):
                kind = self.found[v.index] = "value"
        self.size[v.index] = count
        stored = kind is not None or v.prim.name == "input"
        self.cost[v.index] = (0, 1, 1) if stored else (cost, loads, count)

    def _pays(self, v, cost, loads, count):
        if count > MAX_OPERATIONS or loads > MAX_LOADS:
            return True
        if v.prim.name in MOVEMENT or cost <= CHEAP and loads <= 2:
            return False
        if loads == 0 and cost <= 4 * CHEAP:
            return False
        return len(self.users[v.index]) > 1 or self._grows(v)

    def _grows(self, v):
        """Do movements of v repeat it?"""
        todo = list(self.users[v.index])
        while todo:
            u = todo.pop()
            if u.prim.name == "expand":
                return True
            if u.prim.name in MOVEMENT:
                todo += self.users[u.index]
        return False


def _swaps(axes):
    return tuple(axes) == (*range(len(axes) - 2), len(axes) - 1, len(axes) - 2)


def _odd(v):
    """Folds of nothing, and writes whose elements share a place."""
    if v.prim.name in FOLDS:
        return numel(v.inputs[0].shape) == 0
    return v.prim.name == "store" and _overlaps(v.inputs[1].shape, v.params["strides"])


def _overlaps(shape, strides):
    reach = 0
    for s, n in sorted((s, n) for s, n in zip(strides, shape, strict=True) if n > 1):
        if s <= reach:
            return True
        reach += s * (n - 1)
    return False
