"""Matrix products, in all the shapes PyTorch gives them."""

from ..base import dtypes
from ..base.shapes import broadcast_shapes, numel
from ..ir import lang as L
from .record import T, composite, operator


def dot_values(a, b):
    """L.dot in the type products accumulate in."""
    wide = dtypes.OPMATH.get(a.dtype, a.dtype)
    return L.cast(L.dot(L.cast(a, wide), L.cast(b, wide)), a.dtype)


def _same_dtype(a, b, name):
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: "
            f"{_c_name(a.dtype)} != {_c_name(b.dtype)}"
        )


def _c_name(d):
    return {
        "float32": "float",
        "float64": "double",
        "int64": "long long",
        "int32": "int",
        "float16": "c10::Half",
        "bfloat16": "c10::BFloat16",
    }.get(d.name, d.name)


def mm_values(a, b):
    if a.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if b.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and "
            f"{b.shape[0]}x{b.shape[1]})"
        )
    _same_dtype(a, b, "mm")
    return dot_values(a, b)


@operator("mm(Tensor self, Tensor mat2) -> Tensor")
def mm(self, mat2):
    """Product of two matrices, (n, k) x (k, m)."""
    return mm_values(self, mat2)


@operator("mv(Tensor self, Tensor vec) -> Tensor")
def mv(self, vec):
    """Matrix times vector."""
    if self.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {self.ndim}, {vec.ndim}")
    if self.shape[1] != vec.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({self.shape[0]}), mat "
            f"({self.shape[0]}x{self.shape[1]}), vec ({vec.shape[0]})"
        )
    _same_dtype(self, vec, "mv")
    return L.reshape(dot_values(self, L.unsqueeze(vec, 1)), (self.shape[0],))


def _dot_check(a, b, name):
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"{name} : expected both vectors to have same dtype, but found "
            f"{a.dtype.type_name} and {b.dtype.type_name}"
        )
    if a.shape != b.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{a.shape[0]}] and src "
            f"[{b.shape[0]}] to have the same number of elements, but got {a.shape[0]} "
            f"and {b.shape[0]} elements respectively"
        )


def _inner(a, b):
    n = a.shape[0]
    return L.reshape(dot_values(L.reshape(a, (1, n)), L.reshape(b, (n, 1))), ())


@operator("dot(Tensor self, Tensor tensor) -> Tensor")
def dot(self, tensor):
    """Inner product of two vectors."""
    _dot_check(self, tensor, "dot")
    return _inner(self, tensor)


@operator("vdot(Tensor self, Tensor other) -> Tensor")
def vdot(self, other):
    """Inner product with the first vector conjugated."""
    _dot_check(self, other, "vdot")
    return _inner(L.conjugate(self), other)


def bmm_values(a, b):
    if a.ndim != 3:
        raise RuntimeError("batch1 must be a 3D tensor")
    if b.ndim != 3:
        raise RuntimeError("batch2 must be a 3D tensor")
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: "
            f"[{a.shape[0]}, {a.shape[2]}] but got: [{b.shape[0]}, {b.shape[1]}]."
        )
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"expected scalar type {a.dtype.type_name} but found {b.dtype.type_name}"
        )
    return dot_values(a, b)


@operator("bmm(Tensor self, Tensor mat2) -> Tensor")
def bmm(self, mat2):
    """Products of matrices in a batch, (b, n, k) x (b, k, m)."""
    return bmm_values(self, mat2)


# ------------------------------------------------------------------- with an added term
def _combined(base, product, beta, alpha):
    """beta * base + alpha * product; a beta of 0 ignores base (NaN in it does not spread)."""
    dtype = product.dtype
    if not (isinstance(alpha, int) and alpha == 1):
        product = product * _as(alpha, product)
    if isinstance(beta, int | float) and beta == 0:
        return product
    base = L.broadcast(L.cast(base, dtype), product.shape)
    if not (isinstance(beta, int) and beta == 1):
        factor = _as(beta, base)
        base = L.where(L.eq(factor, 0), factor, base * factor)
    return base + product


def _as(number, x):
    return (
        L.broadcast(L.cast(number, x.dtype), x.shape)
        if hasattr(number, "prim")
        else L.like(x, number)
    )


_TERM = "*, Scalar beta=1, Scalar alpha=1) -> Tensor"


def _fits(shape, target, name):
    try:
        ok = broadcast_shapes(shape, target) == tuple(target)
    except RuntimeError:
        ok = False
    if not ok:
        raise RuntimeError(
            f"The expanded size of the tensor ({target[-1]}) must match the existing "
            f"size ({shape[-1]}) at non-singleton dimension {len(target) - 1}.  Target "
            f"sizes: {list(target)}.  Tensor sizes: {list(shape)}"
        )


def _added(name, schema, product, what):
    def body(self, beta, alpha, **factors):
        found = product(*factors.values())
        _fits(self.shape, found.shape, name)
        if self.dtype is not found.dtype:
            raise RuntimeError(
                "self and mat2 must have the same dtype, but got "
                f"{self.dtype.type_name} and {found.dtype.type_name}"
            )
        return _combined(self, found, beta, alpha)

    body.__doc__ = f"""``beta * self + alpha * product``, the product {what}.

    With ``beta=0`` nothing of `self` counts, not even NaN; `self` broadcasts to the product.
    RuntimeError where dtypes differ.
    """
    operator(f"{name}({schema}, {_TERM}", variants="function,method,inplace,out")(body)


def _outer(a, b):
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"addr: Expected 1-D argument vec1, but got {a.ndim}-D")
    return L.broadcast(L.unsqueeze(a, 1), (a.shape[0], b.shape[0])) * L.broadcast(
        L.unsqueeze(b, 0), (a.shape[0], b.shape[0])
    )


_added("addmm", "Tensor self, Tensor mat1, Tensor mat2", mm_values, "of matrices as in mm")
_added(
    "addmv",
    "Tensor self, Tensor mat, Tensor vec",
    lambda m, v: mv.body(m, v),
    "of a matrix and a vector",
)
_added("addr", "Tensor self, Tensor vec1, Tensor vec2", _outer, "of all pairs of two vectors")
_added(
    "baddbmm",
    "Tensor self, Tensor batch1, Tensor batch2",
    bmm_values,
    "of matrices in a batch as in bmm",
)
_added(
    "addbmm",
    "Tensor self, Tensor batch1, Tensor batch2",
    lambda a, b: L.sum_(bmm_values(a, b), [0]),
    "the sum over the batch of bmm",
)


# ------------------------------------------------------------------------------- matmul
def matmul_values(a, b):
    """NumPy's matmul rules: vectors get a dimension that is dropped again, batches broadcast."""
    if not a.ndim or not b.ndim:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {a.ndim}D and {b.ndim}D"
        )
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {_c_name(a.dtype)} != "
            f"{_c_name(b.dtype)}"
        )
    drop_row, drop_column = a.ndim == 1, b.ndim == 1
    a = L.unsqueeze(a, 0) if drop_row else a
    b = L.unsqueeze(b, 1) if drop_column else b
    if a.shape[-1] != b.shape[-2]:
        _matmul_mismatch(a, b, drop_row, drop_column)
    out = _batched(a, b)
    if drop_row:
        out = L.drop_axis(out, out.ndim - 2)
    return L.drop_axis(out, out.ndim - 1) if drop_column else out


def _matmul_mismatch(a, b, drop_row, drop_column):
    if drop_row and drop_column:
        raise RuntimeError(
            "inconsistent tensor size, expected tensor "
            f"[{a.shape[-1]}] and src [{b.shape[-2]}] to have the same number of "
            f"elements, but got {a.shape[-1]} and {b.shape[-2]} elements respectively"
        )
    if a.ndim > 2 and b.ndim > 2:
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{a.shape[0]}, {a.shape[-1]}] but got: [{b.shape[0]}, {b.shape[-2]}]."
        )
    rows = numel(a.shape[:-1])
    raise RuntimeError(
        f"mat1 and mat2 shapes cannot be multiplied ({rows}x{a.shape[-1]} and "
        f"{b.shape[-2]}x{b.shape[-1]})"
    )


def _batched(a, b):
    if b.ndim == 2:  # one matrix for all rows: a single product
        flat = L.reshape(a, (numel(a.shape[:-1]), a.shape[-1]))
        return L.reshape(dot_values(flat, b), (*a.shape[:-1], b.shape[-1]))
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = L.broadcast(a, (*batch, *a.shape[-2:]))
    b = L.broadcast(b, (*batch, *b.shape[-2:]))
    return dot_values(a, b)


def _matmul_node(a, b):
    if a == b == 1:
        return "DotBackward0"
    if b == 1:
        return "MvBackward0" if a == 2 else "UnsafeViewBackward0"
    if a == 1:
        return "SqueezeBackward4"
    return "MmBackward0" if a == b == 2 else "UnsafeViewBackward0"


@operator(
    "matmul(Tensor self, Tensor other) -> Tensor",
    aliases=("linalg.matmul",),
    node=lambda a: _matmul_node(a[0][1].ndim, a[1][1].ndim),
)
def matmul(self, other):
    """Matrix product with broadcasting batches; vectors on either side."""
    return matmul_values(self, other)


def _linear_node(arguments):
    (_, x), _, (_, bias) = arguments
    if x.ndim == 2:
        return "AddmmBackward0" if bias is not None else "MmBackward0"
    return "ViewBackward0" if bias is not None else "UnsafeViewBackward0"


@operator(
    "linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
    variants="nn",
    node=_linear_node,
)
def linear(input, weight, bias):
    """``input @ weight.T + bias``; input (*, in), weight (out, in) or (in,), bias (out,)."""
    if weight.ndim not in (1, 2):
        raise RuntimeError(f"linear(): weight must be 1D or 2D, got {weight.ndim}D")
    out = matmul_values(input, L.transpose(weight) if weight.ndim == 2 else weight)
    if bias is None:
        return out
    return out + L.broadcast(bias, out.shape)


@operator("outer(Tensor self, Tensor vec2) -> Tensor", aliases=("ger",), node="MulBackward0")
def outer(self, vec2):
    """All products of the elements of two vectors, (n, m)."""
    if self.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer: Expected 1-D argument self, but got {self.ndim}-D")
    common = (
        self.dtype if self.dtype is vec2.dtype else dtypes.promote_types(self.dtype, vec2.dtype)
    )
    return _outer(L.cast(self, common), L.cast(vec2, common))


@composite("function,method,out")
def inner(input, other):
    """Sum of products over the last dimension of both."""
    if not input.ndim or not other.ndim:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    return T.tensordot(input, other, ([-1], [-1]))


@composite("function,out")
def tensordot(a, b, dims=2):
    """Sum of products over pairs of dimensions: a count, or (dims of a, dims of b)."""
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        of_a, of_b = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        of_a, of_b = ([int(d) for d in ds] for ds in dims)
    if len(of_a) != len(of_b):
        raise RuntimeError("both dimension lists should have same length")
    of_a, of_b = [d % a.ndim for d in of_a], [d % b.ndim for d in of_b]
    for i, j in zip(of_a, of_b, strict=True):
        if a.shape[i] == 1 != b.shape[j]:
            b = b.sum(j, keepdim=True)
        elif b.shape[j] == 1 != a.shape[i]:
            a = a.sum(i, keepdim=True)
        elif a.shape[i] != b.shape[j]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} "
                f"in dim {i} and second has size {b.shape[j]} in dim {j}"
            )
    left = [d for d in range(a.ndim) if d not in of_a]
    right = [d for d in range(b.ndim) if d not in of_b]
    inner_size = numel([a.shape[d] for d in of_a])
    x = a.permute(*left, *of_a).reshape(numel([a.shape[d] for d in left]), inner_size)
    y = b.permute(*of_b, *right).reshape(inner_size, numel([b.shape[d] for d in right]))
    return T.mm(x, y).reshape([a.shape[d] for d in left] + [b.shape[d] for d in right])


@operator(
    "bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor",
    variants="function,nn",
    node="SumBackward0",
)
def bilinear(input1, input2, weight, bias):
    """``input1 W_o input2 + bias_o`` for every output o; weight (O, I, J), inputs (*, I) and (*,
    J)."""
    if input1.shape[:-1] != input2.shape[:-1] or input1.ndim != input2.ndim:
        raise RuntimeError(
            "bilinear(): input batch dimensions do not match: got "
            f"{list(input1.shape)} and {list(input2.shape)}"
        )
    o, i, j = weight.shape
    for name, x, n in (("input1", input1, i), ("input2", input2, j)):
        if x.shape[-1] != n:
            raise RuntimeError(
                f"bilinear(): {name} size does not match weight size: got {x.shape[-1]} "
                f"but expected {n}"
            )
    if bias is not None and tuple(bias.shape) != (o,):
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {list(bias.shape)} but "
            f"expected {o}"
        )
    wide = dtypes.OPMATH.get(input1.dtype, input1.dtype)
    rows = numel(input1.shape[:-1])
    x, y = (L.reshape(L.cast(v, wide), (rows, v.shape[-1])) for v in (input1, input2))
    w = L.reshape(L.permute(L.cast(weight, wide), (1, 0, 2)), (i, o * j))
    cube = L.reshape(L.dot(x, w), (rows, o, j))
    out = L.sum_(cube * L.broadcast(L.unsqueeze(y, 1), cube.shape), [2])
    out = out if bias is None else out + L.broadcast(L.cast(bias, wide), out.shape)
    return L.cast(L.reshape(out, (*input1.shape[:-1], o)), input1.dtype)
