"""Running sums, products and extremes; differences, gradients and integrals."""

import numpy as np

from ..base import dtypes
from ..base.promote import result_type
from ..base.shapes import wrap_dim
from ..ir import lang as L
from ..ir.gradients_host import host_vjp
from .record import T, composite, operator
from .reduce import to_picked

_FORMS = "function,method,inplace,out"


def _running(name, op, doc, ref):
    def body(self, dim, dtype):
        d = wrap_dim(dim, self.ndim)
        target = dtype or (dtypes.int64 if self.dtype.category <= dtypes.INT else self.dtype)
        wide = dtypes.OPMATH.get(target, target)
        x = L.cast(L.cast(self, target), wide)
        return L.cast(L.scan(x, d, op), target) if self.ndim else L.cast(x, target)

    body.__doc__ = doc
    operator(
        f"{name}(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
        variants=_FORMS,
        ref=ref,
    )(body)


_running("cumsum", "sum", "Sums of all elements up to each along a dimension.", np.cumsum)
_running("cumprod", "prod", "Products of all elements up to each along a dimension.", np.cumprod)


# ------------------------------------------------------------------------------- extremes
def _running_extreme(name, op, doc):
    def body(self, dim):
        d = wrap_dim(dim, self.ndim)
        if self.dtype.is_complex:
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Complex'")
        if not self.ndim:
            return self, L.const(self.graph, 0, dtypes.int64)
        narrow = self.dtype is dtypes.bool_
        x = L.cast(self, dtypes.uint8) if narrow else self
        values = L.scan(x, d, op)
        hit = L.eq(x, values)
        if x.dtype.category == dtypes.FLOAT:
            hit = hit | L.isnan(x)
        place = L.arange_along(x, d)
        indices = L.scan(L.where(hit, place, L.like(place, 0)), d, "max")
        return L.cast(values, self.dtype), indices

    body.__doc__ = doc
    operator(f"{name}(Tensor self, int dim) -> (Tensor values, Tensor indices)", vjp=to_picked)(
        body
    )


_running_extreme("cummax", "max", "Largest elements up to each, and where the last of them is.")
_running_extreme("cummin", "min", "Smallest elements up to each, and where the last of them is.")


# --------------------------------------------------------------------------- logcumsumexp
def _log_running(x, d):
    return L.host("logcumsumexp", [x], [(x.shape, x.dtype)], axis=d)[0]


@host_vjp("logcumsumexp")
def _logcumsumexp_gradient(grads, outs, inputs, axis):
    """exp(x_i) times the sum over j >= i of g_j exp(-out_j), summed in logarithms."""
    g, out, x = grads[0], outs[0], inputs[0]
    zero, one, nothing = (L.like(g, v) for v in (0, 1, float("-inf")))
    out = L.where(L.eq(out, nothing), zero, out)  # a sum of nothing passes nothing on

    def share(part, chosen):
        log = L.where(chosen, L.log(L.where(chosen, part, one)), nothing)
        later = _log_running(L.flip(log - L.conjugate(out), [axis]), axis)
        return L.exp(L.flip(later, [axis]) + L.conjugate(x))

    if x.dtype.is_complex:
        return [share(g, L.ne(g, zero))]
    return [share(g, L.gt(g, zero)) - share(-g, L.lt(g, zero))]


@operator("logcumsumexp(Tensor self, int dim) -> Tensor")
def logcumsumexp(self, dim):
    """Logarithm of the running sum of exponentials, without overflow."""
    d = wrap_dim(dim, self.ndim)
    if self.dtype.category < dtypes.FLOAT:
        raise NotImplementedError(
            f"\"logcumsumexp_out_cpu\" not implemented for '{self.dtype.type_name}'"
        )
    if not self.ndim:
        return self
    return _log_running(self, d)


# ---------------------------------------------------------------------------- differences
@operator(
    "diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor",
    node="SubBackward0",
)
def diff(self, n, dim, prepend, append):
    """The n-th differences of neighbours along a dimension; `prepend` and `append` are joined
    first."""
    if not self.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if n == 0:
        return self
    d = wrap_dim(dim, self.ndim)
    parts = [v for v in (prepend, self, append) if v is not None]
    for v in parts:
        _fits(v, self, d)
    common = result_type([(v.dtype, v.ndim) for v in parts])
    x = L.concat([L.cast(v, common) for v in parts], d)
    for _ in range(min(n, x.shape[d])):
        size = x.shape[d]
        tail, head = L.slice_axis(x, d, 1, size), L.slice_axis(x, d, 0, size - 1)
        x = L.bitxor(tail, head) if common is dtypes.bool_ else tail - head
    return x


def _fits(v, like, d):
    if v.ndim != like.ndim:
        raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    for a, (n, m) in enumerate(zip(v.shape, like.shape, strict=True)):
        if a != d and n != m:
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input "
                "except along the differencing dimension; input.size("
                f"{a}) = {m}, but got {n}"
            )


# ------------------------------------------------------------------------------- integrals
def _widths(x, y, d):
    """Distances between the points x, broadcast against y along d."""
    if x.ndim == 1:
        if x.shape[0] != y.shape[d]:
            raise RuntimeError(
                "trapezoid: There must be one `x` value for each sample point, got "
                f"{x.shape[0]} for {y.shape[d]}"
            )
        return T.diff(x).reshape([-1 if a == d else 1 for a in range(y.ndim)])
    view = x.reshape((1,) * (y.ndim - x.ndim) + tuple(x.shape)) if x.ndim < y.ndim else x
    return T.diff(view, 1, d - y.ndim)


def _strips(y, x, dx, dim, name):
    """Twice the areas between neighbours."""
    d = wrap_dim(dim, y.ndim)
    if y.dtype is dtypes.bool_:
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported")
    if x is not None and x.dtype is dtypes.bool_:
        raise RuntimeError(f"{name}: received a bool input for `x`, but bool is not supported")
    if x is not None and x.ndim:
        width = _widths(x, y, d)
    else:
        if x is not None:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        width = dx
    size = y.shape[d]
    pairs = y.narrow(d, 1, size - 1) + y.narrow(d, 0, size - 1)
    return pairs * width, d


@composite("function", aliases=("trapz",))
def trapezoid(y, x=None, *, dx=1, dim=-1):
    """Integral along a dimension by the trapezoid rule.

    Args:
        y: values at the sample points.
        x: the points, of y's shape or (n,); without it they are `dx` apart.
    """
    if y.ndim and y.shape[wrap_dim(dim, y.ndim)] == 0:
        shape = [n for a, n in enumerate(y.shape) if a != wrap_dim(dim, y.ndim)]
        return T.zeros(shape, dtype=y.dtype)
    areas, d = _strips(y, x, dx, dim, "trapezoid")
    return areas.sum(d) / 2.0


@composite("function")
def cumulative_trapezoid(y, x=None, *, dx=1, dim=-1):
    """Running integral along a dimension by the trapezoid rule; one element shorter than y."""
    areas, d = _strips(y, x, dx, dim, "cumulative_trapezoid")
    return T.cumsum(areas, d) / 2.0


# ------------------------------------------------------------------------------- gradient
def _slope(x, d, spacing, edge_order):
    """Second-order differences along d at equal (a number) or given (a vector) distances."""
    size = x.shape[d]

    def at(lo, hi):
        return x.narrow(d, lo, hi - lo)

    if not T.is_tensor(spacing):
        inner = (at(2, size) - at(0, size - 2)) / (2 * spacing)
        gap = after = spacing
    else:
        steps = T.diff(spacing)
        wide = [-1 if a == d else 1 for a in range(x.ndim)]
        h, k = steps[:-1].reshape(wide), steps[1:].reshape(wide)
        inner = (
            -k / (h * (h + k)) * at(0, size - 2)
            + (k - h) / (h * k) * at(1, size - 1)
            + h / (k * (h + k)) * at(2, size)
        )
        gap, after = steps, steps
    first, last = _ends(at, size, gap, after, edge_order, T.is_tensor(spacing))
    return T.cat([first, inner, last], d)


def _ends(at, size, gap, after, order, varied):
    """One-sided differences at both ends."""
    h0, h1 = (gap[0], gap[-1]) if varied else (gap, after)
    if order == 1:
        return (at(1, 2) - at(0, 1)) / h0, (at(size - 1, size) - at(size - 2, size - 1)) / h1
    k0, k1 = (gap[1], gap[-2]) if varied else (gap, after)

    def bent(a, b, c, h, k):
        return -(2.0 * h + k) / (h * (h + k)) * a + (h + k) / (h * k) * b - h / (k * (h + k)) * c

    first = bent(at(0, 1), at(1, 2), at(2, 3), h0, k0)
    last = -bent(at(size - 1, size), at(size - 2, size - 1), at(size - 3, size - 2), h1, k1)
    return first, last


def _gradient_dims(input, spacing, dim):
    """(dimensions, spacing of each)."""
    listed = isinstance(spacing, list | tuple)
    if dim is None:
        dims = list(range(input.ndim))
    else:
        dims = [dim] if isinstance(dim, int) else list(dim)
    dims = [wrap_dim(d, input.ndim) for d in dims]
    if not listed:
        return dims, [spacing] * len(dims)
    if len(spacing) != len(dims):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar or a list of length "
            f"{len(dims)}, but got a list of length {len(spacing)}"
        )
    return dims, list(spacing)


@composite("function")
def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """Numerical derivative along dimensions, by second-order differences.

    Args:
        spacing: distance of the samples, or a list with a distance or a vector of coordinates for
            every dimension.
        dim: one dimension or several; all by default.
        edge_order: 1 or 2, accuracy at the ends.

    Returns:
        A tuple with a tensor of the input's shape for every dimension.
    """
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    x = input
    if x.dtype in (dtypes.uint8, dtypes.bool_):
        raise RuntimeError(f"torch.gradient does not support {x.dtype} input.")
    dims, spacings = _gradient_dims(x, 1 if spacing is None else spacing, dim)
    if len(set(dims)) != len(dims):
        raise RuntimeError("dim appears multiple times in the list of dims")
    for d in dims:
        if x.shape[d] < edge_order + 1:
            raise RuntimeError(
                "torch.gradient expected each dimension size to be at least edge_order+1"
            )
    return tuple(_slope(x, d, s, edge_order) for d, s in zip(dims, spacings, strict=True))
