"""A kernel before any machine: loops over a domain and passes of instructions.

Loops run over `Nest.shape`.  Those in `axes` are folded: every pass runs over them once for each
point of the remaining (kept) loops, and what a pass folds is a row value that later passes may use,
so a softmax is one nest of three passes over rows that stay in cache.  Sizes, strides, offsets and
run-time numbers are arguments; what is left is the structure that code is generated for.
"""

from itertools import count
from typing import NamedTuple

NEAR = 2048  # elements
MOST_ROWS = 64


class Access(NamedTuple):
    """How a nest touches memory: element `offset + sum(loop index * stride)` of a stored value."""

    value: object  # an ir Value, or Scratch
    offset: int
    strides: tuple


class Scratch:
    """Memory of one nest: a value kept from one pass to the next."""

    __slots__ = ("dtype", "shape", "index")
    numbers = count(1)

    def __init__(self, dtype):
        self.dtype, self.shape, self.index = dtype, None, -next(self.numbers)

    def __repr__(self):
        return f"scratch{-self.index}"


def rows_together(row):
    """How many rows of so many elements may be in one pass before the next: scratch holds them, in
    a cache near the processor."""
    return max(1, min(MOST_ROWS, NEAR // max(row, 1)))


class Instruction(NamedTuple):
    """One line of a body; `refs` are earlier instructions.

    Names beyond the elementwise primitives (`extra` in brackets): load, store, gather (refs: row),
    scatter (refs: value, row) [access]; const [repr]; argument [position in `params`]; scalar,
    index [position]; fold [operation], whose value belongs to the row; clamp_index, idiv and rem
    [position in `params`, dtype, may an index count from the end?].
    """

    name: str
    refs: tuple
    dtype: object
    extra: object


class Nest:
    """See the module.

    `passes` is a list of (inner, row): positions in `body` of the instructions that run at every
    point, and of those that run once a row, after the pass.
    """

    def __init__(self, shape, axes=()):
        self.shape, self.axes = shape, axes
        self.body, self.passes = [], []
        self.accesses = []
        self.rows = {}  # access of a gather or scatter -> stride of a row
        self.indices = []  # per index instruction: (constant, coefficient per loop)
        self.scalars = []  # ir Values that are run-time numbers
        self.params = []  # other run-time integers: sizes, check numbers, bits of constants
        self.order = None  # loops, outermost first (see order.py)

    def effects(self, *names):
        """(instruction, access) of the loads, stores, .. named."""
        return [(i, self.accesses[_access(i)]) for i in self.body if i.name in names]

    def reads(self):
        """Values this nest reads from memory."""
        found = [a.value for _, a in self.effects("load", "gather")]
        return found + [a.value for i, a in self.effects("scatter") if i.extra[1] != "set"]

    def writes(self):
        """Values this nest writes."""
        return [a.value for _, a in self.effects("store", "scatter")]


def _access(instruction):
    return instruction.extra if isinstance(instruction.extra, int) else instruction.extra[0]


class HostStep:
    """A primitive the host evaluates on arrays.

    `operands` are (shape, Access) pairs, with strides per axis.  `value` is what the step makes, by
    the rule of `source`: the same, or a product that is made transposed, of transposed operands.
    """

    def __init__(self, value, source, operands):
        self.value, self.source, self.operands = value, source, operands

    def reads(self):
        """Values this step reads from memory."""
        return [access.value for _, access in self.operands]

    def writes(self):
        """The value this step makes."""
        return [self.value]


def describe(steps):
    """Steps as text, one nest or host step a paragraph (RUSHLIGHT_DEBUG=schedule)."""
    return "\n".join(_describe_nest(s) if isinstance(s, Nest) else _describe_host(s) for s in steps)


def _describe_host(step):
    operands = ", ".join(map(repr, step.reads()))
    return f"host {step.value!r} = {step.source.prim.name}({operands})"


def _describe_nest(nest):
    folded = f" fold loops {list(nest.axes)}" if nest.axes else ""
    lines = [f"nest {list(nest.shape)}{folded}"]
    for number, (inner, row) in enumerate(nest.passes):
        lines += [f"  pass {number}"] if len(nest.passes) > 1 else []
        lines += [f"    {_line(nest, i)}" for i in inner]
        lines += [f"    row: {_line(nest, i)}" for i in row]
    return "\n".join(lines)


def _line(nest, position):
    name, refs, dtype, extra = nest.body[position]
    operands = ", ".join(f"t{r}" for r in refs)
    if name in ("load", "store", "gather", "scatter"):
        access = nest.accesses[_access(nest.body[position])]
        operands += f"{', ' if refs else ''}{access.value!r}+{access.offset} {list(access.strides)}"
    elif extra is not None and not isinstance(extra, tuple):
        operands += f"{', ' if refs else ''}{extra}"
    return f"t{position} = {name}({operands}) : {dtype.name}"
