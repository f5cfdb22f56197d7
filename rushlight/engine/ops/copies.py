"""Copies of views (``*_copy``) and copies with a view replaced (``*_scatter``)."""

from ..base import shapes
from ..base.shapes import numel
from ..ir import lang as L
from . import views
from .record import REGISTRY, T, composite, operator

_COPIED = """alias diagonal expand permute select slice split split_with_sizes squeeze t transpose
    unbind unfold unsqueeze view view_as_real view_as_complex""".split()


def _copy_of(view):
    operator(
        view.schema_text.replace(view.name, view.name + "_copy", 1),
        variants="function,out",
        node=f"{view.node}_copy",
    )(view.body)


for _name in _COPIED:
    for _view in REGISTRY[_name]:
        _copy_of(_view)


@operator(
    "view_copy.dtype(Tensor self, ScalarType dtype) -> Tensor",
    variants="function,out",
    differentiable=False,
)
def view_copy_dtype(self, dtype):
    """The same bytes as elements of another dtype, copied."""
    shape, old, new = list(self.shape), self.dtype.itemsize, dtype.itemsize
    if old != new:
        if not shape or shape[-1] * old % new:
            raise RuntimeError(
                f"self.size(-1) must be divisible by {new // old or 1} to view {self.dtype} as "
                f"{dtype} (different element sizes), but got shape {shape}"
            )
        shape[-1] = shape[-1] * old // new
    return L.host("reinterpret", [self], [(tuple(shape), dtype)], dtype=dtype)[0]


@operator("detach_copy(Tensor self) -> Tensor", variants="function,out", differentiable=False)
def detach_copy(self):
    """A copy without history."""
    return self


@operator(
    "narrow_copy(Tensor self, int dim, int start, int length) -> Tensor",
    variants="function,method,out",
)
def narrow_copy(self, dim, start, length):
    """`length` elements from `start` along a dimension, copied."""
    if not self.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if dim >= self.ndim:
        raise RuntimeError(f"narrow_copy(): Expected dim < {self.ndim}, but got {dim}")
    d, lo = views.narrow_range(self.shape, dim, start, length)
    return L.slice_axis(self, d, lo, lo + length)


@composite("function,out")
def as_strided_copy(input, size, stride, storage_offset=None):
    """A copy of a view with any geometry."""
    return T.as_strided(input, size, stride, storage_offset).clone(
        memory_format=T.contiguous_format
    )


# ------------------------------------------------------------------------------- scatters
def _scattered(view, self, src, what, **arguments):
    """self with what `view(self, **arguments)` shows replaced by `src`."""
    count = numel(self.shape)
    places = view(L.reshape(L.iota(self, count), self.shape), **arguments)
    if src.shape != places.shape:
        raise RuntimeError(
            f"expected src to have a size equal to the {what} of self. "
            f"src size = {list(src.shape)}, {what} size = {list(places.shape)}"
        )
    flat = L.put(L.reshape(self, (count,)), places, L.cast(src, self.dtype))
    return L.reshape(flat, self.shape)


def _like_self(metas, out_shapes):
    return [shapes.like_strides(metas[0].shape, metas[0].strides)]


def _scatter(schema, view, what, doc):
    def body(self, src, **arguments):
        return _scattered(view.body, self, src, what, **arguments)

    body.__doc__ = doc
    operator(schema, variants="function,method,out", strides=_like_self)(body)


_scatter(
    "select_scatter(Tensor self, Tensor src, int dim, int index) -> Tensor",
    REGISTRY["select"][0],
    "slice",
    "self with one slice along a dimension replaced by `src`.",
)
_scatter(
    "slice_scatter(Tensor self, Tensor src, int dim=0, int? start=None, int? end=None, "
    "int step=1) -> Tensor",
    REGISTRY["slice"][0],
    "slice",
    "self with ``[start:end:step]`` along a dimension replaced by `src`.",
)
_scatter(
    "diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor",
    REGISTRY["diagonal"][0],
    "slice",
    "self with a diagonal replaced by `src`.",
)


def _strided_gradient(grads, outputs, self, src, size, stride, offset, own, start, reach):
    """PyTorch 2.13's convention: what was replaced gives its cotangent to both operands, and the
    rest of self gets none (docs/decisions/0002)."""
    empty = L.const(self.graph, 0, self.dtype, (reach,))
    seen = L.load(L.store(empty, grads[0], start, own), offset, size, stride)
    to_self = L.load(L.store(empty, seen, offset, stride), start, self.shape, own)
    return {"self": to_self, "src": seen}


@operator(
    "_as_strided_scatter(Tensor self, Tensor src, int[] size, int[] stride, int offset, int[] own, "
    "int start, int reach) -> Tensor",
    variants="internal",
    node="AsStridedScatterBackward0",
    strides=_like_self,
    vjp=_strided_gradient,
)
def _as_strided_scatter(self, src, size, stride, offset, own, start, reach):
    """self, which lies in `reach` elements of memory at `start` with strides `own`, with a view of
    that memory replaced."""
    memory = L.store(L.const(self.graph, 0, self.dtype, (reach,)), self, start, own)
    memory = L.store(memory, L.cast(src, self.dtype), offset, stride)
    return L.load(memory, start, self.shape, own)


@composite("function,method,out")
def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """`input` with the elements a view of any geometry shows replaced by `src`."""
    if tuple(src.shape) != tuple(size):
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. "
            f"src size = {list(src.shape)}, slice size = {list(size)}"
        )
    meta = input._meta.plain
    if shapes.has_zero_stride(meta.shape, meta.strides):
        input = input.clone(memory_format=T.contiguous_format)
        meta = input._meta.plain
    start = input.storage_offset()
    offset = start if storage_offset is None else storage_offset
    T.as_strided(input, size, stride, offset)  # the checks
    return T._as_strided_scatter(
        input, src, size, stride, offset, meta.strides, start, input._st.size
    )
