"""A kernel before any machine: a loop nest whose body is a list of instructions.

Sizes, strides, offsets and run-time numbers are arguments; what is left, `Nest.key`, is the
structure that code is generated for.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Access:
    """How a nest touches a buffer: element `offset + sum(loop index * stride)` of a value."""

    value: object  # the materialised ir Value
    offset: int
    strides: tuple


@dataclass(frozen=True)
class Reduction:
    """The body's value `ref` folded with `op` over the loops in `axes`, into `out`."""

    ref: int
    op: str  # sum, prod, max, min
    axes: tuple
    out: Access


@dataclass
class Nest:
    """Loops over `shape`, outermost first; instructions are (name, refs, dtype, extra) tuples.

    Special names: load (extra: position in loads), index (position in indices), scalar (position in
    scalars), const (a number), gather (position in loads; refs: the row).
    """

    shape: tuple
    body: list = field(default_factory=list)
    loads: list = field(default_factory=list)
    indices: list = field(default_factory=list)  # (const, coefficient per loop)
    scalars: list = field(default_factory=list)  # ir Values
    stores: list = field(default_factory=list)  # (ref, Access)
    reductions: list = field(default_factory=list)
    made: dict = field(default_factory=dict)  # ir index -> ref, for values of the whole domain
    gathers: dict = field(default_factory=dict)  # load position -> stride of a row

    def reads(self):
        """Values this nest loads."""
        return [a.value for a in self.loads]

    def writes(self):
        """Values this nest stores."""
        return [a.value for _, a in self.stores] + [r.out.value for r in self.reductions]


@dataclass
class HostStep:
    """A primitive the host evaluates on arrays: strided views of stored values."""

    value: object
    operands: list = field(default_factory=list)  # Accesses, one per input of the value

    def reads(self):
        return [a.value for a in self.operands]

    def writes(self):
        return [self.value]
