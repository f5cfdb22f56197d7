"""Meta: the interned metadata of a tensor (shape, strides, dtype, device, layout).

Two tensors with equal metadata hold the same Meta object, so caches compare by identity.
Nothing may rely on distinct objects being unequal: the table is emptied when it grows large.
"""

from . import device as devices
from . import shapes

LIMIT = 100_000


class Meta:
    """Interned metadata; build with `meta_of`.  `plain` is None for ordinary tensors, or the
    ordinary Meta where `self` marks a tensor that must leave the fast path (subclasses)."""

    __slots__ = (
        "shape",
        "strides",
        "dtype",
        "device",
        "layout",
        "numel",
        "ndim",
        "contiguous",
        "dense",
        "plain",
        "special",
    )

    def __init__(self, shape, strides, dtype, device, layout):
        self.shape = shapes.Size(shape)
        self.strides = strides
        self.dtype = dtype
        self.device = device
        self.layout = layout
        self.numel = shapes.numel(shape)
        self.ndim = len(shape)
        self.contiguous = shapes.is_contiguous(shape, strides)
        self.dense = shapes.is_dense(shape, strides)
        self.plain = self
        self.special = None

    def __repr__(self):
        return f"Meta({self.dtype.name}{list(self.shape)}, strides={self.strides}, {self.device})"

    @property
    def extent(self):
        return shapes.extent(self.shape, self.strides)

    def marked(self):
        """The twin that never hits a call cache; its `plain` is this object."""
        if self.special is None:
            twin = Meta(self.shape, self.strides, self.dtype, self.device, self.layout)
            twin.plain, twin.special = self, twin
            self.special = twin
        return self.special


_table: dict = {}


def meta_of(shape, dtype, strides=None, device=devices.cpu, layout="strided"):
    """The Meta of these properties; row-major where strides are not given."""
    if strides is None:
        strides = shapes.contiguous_strides(shape)
    key = (tuple(shape), strides, dtype, device, layout)
    found = _table.get(key)
    if found is None:
        if len(_table) >= LIMIT:
            _table.clear()
        found = _table.setdefault(key, Meta(*key))
    return found
