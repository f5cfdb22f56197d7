"""What the register tile has to know of an instruction set: one row each."""

from typing import NamedTuple


class Isa(NamedTuple):
    """One instruction set.

    `rows` are the most rows of a tile of 1, 2, .. vectors: rows x vectors accumulators, the vectors
    of B and one number of A fit into the vector registers, and the addresses of the rows into the
    general ones.  `masks` are the element sizes (bytes) whose loads and stores take a mask at no
    cost.
    """

    name: str
    vector: int  # bytes
    rows: tuple
    masks: frozenset
    needs: tuple  # processor features

    def lanes(self, itemsize):
        """Elements of a vector."""
        return self.vector // itemsize

    @property
    def widest(self):
        """Vectors of the widest tile, which wide matrices take."""
        return len(self.rows)


TABLE = (
    Isa("avx512", 64, (10, 10, 9, 6), frozenset((1, 2, 4, 8)), ("avx512f", "avx512bw", "avx512vl")),
    Isa("avx2", 32, (10, 6), frozenset((4, 8)), ("avx2", "fma")),
    Isa("vector128", 16, (12, 12, 8, 6), frozenset(), ()),  # AArch64; slow but right elsewhere
)


def of(features):
    """The first row whose features ({name: present}) are all there."""
    return next(isa for isa in TABLE if all(features.get(f) for f in isa.needs))
