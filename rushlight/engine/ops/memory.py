"""Copies and fills: clone, copy_, fill_, zero_, and dtype conversion."""

from ..base import dtypes, shapes
from ..ir import lang as L
from .record import composite, mutation, operator


def _like_self(metas, out_shapes):
    return [shapes.like_strides(metas[0].shape, metas[0].strides)]


@operator("clone(Tensor self) -> Tensor", strides=_like_self, variants="internal")
def clone(self):
    """A copy; strides are kept where the memory is dense."""
    return self


@operator("contiguous(Tensor self) -> Tensor", variants="internal", node="CloneBackward0")
def contiguous_copy(self):
    """A row-major copy."""
    return self


@operator(
    "channels_last(Tensor self) -> Tensor",
    variants="internal",
    node="CloneBackward0",
    strides=lambda metas, out: [shapes.channels_last_strides(metas[0].shape)],
)
def channels_last_copy(self):
    """A copy in channels_last order."""
    return self


@operator(
    "_to_copy(Tensor self, *, dtype dtype, Device? device=None) -> Tensor",
    strides=_like_self,
    variants="internal",
    node="ToCopyBackward0",
)
def to_copy(self, dtype, device):
    """A copy in another dtype, or on another device."""
    return L.cast(self, dtype)


def _copy_gradient(grads, outputs, self, src, non_blocking):
    g = grads[0]
    given = (
        L.cast(L.real(g) if not src.dtype.is_complex else g, src.dtype)
        if src.dtype.category >= dtypes.FLOAT
        else None
    )
    return {"self": L.like(g, 0), "src": None if given is None else sum_to(given, src.shape)}


def sum_to(g, shape):
    """Transpose of broadcasting: sum g down to `shape`."""
    lead = g.ndim - len(shape)
    axes = [i for i in range(g.ndim) if i < lead or shape[i - lead] != g.shape[i]]
    wide = dtypes.OPMATH.get(g.dtype, g.dtype)  # halves add up in float32
    return L.cast(L.reshape(L.sum_(L.cast(g, wide), axes, keepdim=True), shape), g.dtype)


@mutation(
    "copy(Tensor self, Tensor src, bool non_blocking=False) -> Tensor",
    node="torch::autograd::CopyBackwards",
    vjp=_copy_gradient,
)
def copy(self, src, non_blocking):
    """Elements of `src`, broadcast and converted, into self."""
    if len(src.shape) > self.ndim or any(
        n not in (1, m) for n, m in zip(src.shape[::-1], self.shape[::-1], strict=False)
    ):
        raise RuntimeError(
            f"The size of tensor a ({self.shape[-1] if self.shape else 1}) must match "
            f"the size of tensor b ({src.shape[-1] if src.shape else 1}) at "
            f"non-singleton dimension {max(self.ndim - 1, 0)}"
        )
    return L.broadcast(L.cast(src, self.dtype), self.shape)


def _zero_gradient(grads, outputs, self, **rest):
    return {"self": L.like(grads[0], 0)}


def _fill_gradient(grads, outputs, self, value):
    return {"self": L.like(grads[0], 0), "value": L.cast(L.sum_(grads[0]), value.dtype)}


@mutation(
    "fill.Scalar(Tensor self, Scalar value) -> Tensor",
    variants="function,inplace",
    overlap=False,
    strides=_like_self,
    node="FillBackward2",
    vjp=_zero_gradient,
)
def fill(self, value):
    """Every element becomes `value`."""
    return L.broadcast(L.cast(value, self.dtype), self.shape)


@mutation(
    "fill.Tensor(Tensor self, Tensor value) -> Tensor",
    variants="function,inplace",
    overlap=False,
    strides=_like_self,
    node="FillBackward3",
    vjp=_fill_gradient,
)
def fill_tensor(self, value):
    """Every element becomes the 0-d tensor `value`."""
    if value.ndim:
        raise RuntimeError(
            "fill_ only supports 0-dimension value tensor but got tensor with "
            f"{value.ndim} dimensions."
        )
    return L.broadcast(L.cast(value, self.dtype), self.shape)


@mutation("zero(Tensor self) -> Tensor", overlap=False, node="ZeroBackward0", vjp=_zero_gradient)
def zero(self):
    """Every element becomes 0."""
    return L.like(self, 0)


@mutation(
    "_draw(Tensor self, Tensor values, str node) -> Tensor",
    variants="internal,inplace",
    node=lambda given: given[2][1],
    vjp=lambda grads, outputs, self, values, node: {"self": L.like(grads[0], 0)},
)
def draw(self, values, node):
    """Every element becomes the drawn value; gradients stop here."""
    return values


def _function_of(method, doc):
    """A method under torch.<name>."""

    def call(input, *args, **kwargs):
        return getattr(input, method)(*args, **kwargs)

    call.__doc__ = doc
    composite("function", name=method)(call)


for _method, _doc in (
    ("as_strided_", "`input` itself with another size, strides and offset over the same storage."),
    ("detach_", "Take `input` out of the graph that made it; later gradients end here."),
    (
        "resize_as_",
        "`input` itself in the shape of a template; added elements are not set.",
    ),
    ("zero_", "Every element of `input` becomes 0, in place."),
):
    _function_of(_method, _doc)
