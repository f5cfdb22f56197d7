"""Functions of matrices and tensors as linear maps: powers, exponentials, products, inverses."""

import math

from ..base import dtypes
from ..base.promote import result_type
from ..base.shapes import wrap_dim
from ..ir import lang as L
from .linalg_common import linalg, linalg_composite, need_floating, need_square
from .record import T, composite, operator


# ------------------------------------------------------------------------ powers, exponentials
@linalg_composite()
def linalg_matrix_power(A, n):
    """``A`` multiplied n times by itself; of its inverse for negative n."""
    need_square(A, "linalg.matrix_power")
    if n == 0:
        never = T.zeros((), dtype=T.bool)  # keeps A in the graph, with a gradient of zeros
        return T.where(never, A, T.eye(A.shape[-1], dtype=A.dtype))
    if n < 0:
        A, n = T.linalg_inv(A), -n
    out = None
    while n:
        if n & 1:
            out = A if out is None else T.matmul(out, A)
        n >>= 1
        if n:
            A = T.matmul(A, A)
    return out.clone() if out is A else out


@composite("function,method,out")
def matrix_power(input, n):
    """Power n of square matrices, as linalg.matrix_power."""
    return T.linalg_matrix_power(input, n)


@operator(
    "linalg_matrix_exp(Tensor self) -> Tensor",
    variants="internal",
    aliases=("linalg.matrix_exp",),
)
def linalg_matrix_exp(self):
    """Exponential of square matrices, ``I + A + A @ A / 2 + ...``."""
    name = "linalg.matrix_exp"
    need_floating(self, name)
    need_square(self, name)
    wide = dtypes.OPMATH.get(self.dtype, self.dtype)
    return L.cast(L.host("matrix_exp", [L.cast(self, wide)], [(self.shape, wide)])[0], self.dtype)


@composite()
def matrix_exp(input):
    """Exponential of square matrices, as linalg.matrix_exp."""
    return T.linalg_matrix_exp(input)


# ----------------------------------------------------------------------------- chains, products
def _best_splits(sizes):
    """split[i, j]: where to cut the product of matrices i..j so that it is cheapest."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    split = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )
    return split


def _chain(matrices, name):
    for left, right in zip(matrices, matrices[1:], strict=False):
        if left.shape[1] != right.shape[0]:
            raise RuntimeError(
                f"{name}: tensors cannot be multiplied: {list(left.shape)} and {list(right.shape)}"
            )
    split = _best_splits([matrices[0].shape[0]] + [m.shape[1] for m in matrices])

    def multiply(i, j):
        if i == j:
            return matrices[i]
        k = split[i, j]
        return T.mm(multiply(i, k), multiply(k + 1, j))

    return multiply(0, len(matrices) - 1)


@linalg_composite()
def linalg_multi_dot(tensors):
    """Product of two or more matrices in the cheapest order; the ends may be vectors."""
    name = "multi_dot()"
    if len(tensors) < 2:
        raise RuntimeError(f"{name}: expected at least 2 tensors but got {len(tensors)}")
    first, last = tensors[0], tensors[-1]
    for i, t in enumerate(tensors):
        allowed = (1, 2) if i in (0, len(tensors) - 1) else (2,)
        if t.ndim not in allowed:
            sizes = " or ".join(f"{n}D" for n in allowed)
            raise RuntimeError(f"{name}: tensor {i} must be {sizes} but got {t.ndim}D")
        if t.dtype is not first.dtype:
            raise RuntimeError(f"{name}: all tensors must have be the same dtype but tensor 0 is "
                               f"{first.dtype} and tensor {i} {t.dtype}")  # fmt: skip
    matrices = list(tensors)
    if first.ndim == 1:
        matrices[0] = first.unsqueeze(0)
    if last.ndim == 1:
        matrices[-1] = last.unsqueeze(-1)
    shape = first.shape[:-1] + last.shape[1:]
    return _chain(matrices, name).reshape(shape)


@composite("function")
def chain_matmul(*matrices, out=None):
    """linalg.multi_dot of matrices."""
    found = matrices[0] if len(matrices) == 1 else T.linalg_multi_dot(list(matrices))
    return found if out is None else out.copy_(found)


def _cross(a, b, dim):
    """Cross product along an axis of size 3, of broadcast operands."""
    a1, a2, a3 = (L.slice_axis(a, dim, i, i + 1) for i in range(3))
    b1, b2, b3 = (L.slice_axis(b, dim, i, i + 1) for i in range(3))
    return L.concat([a2 * b3 - a3 * b2, a3 * b1 - a1 * b3, a1 * b2 - a2 * b1], dim)


@linalg("linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor")
def linalg_cross(self, other, dim):
    """Cross products of vectors of 3 elements along a dimension; the rest broadcasts."""
    if self.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    d = wrap_dim(dim, self.ndim)
    if self.shape[d] != 3 or other.shape[d] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {self.shape[d]} and "
            f"{other.shape[d]}"
        )
    common = result_type([(self.dtype, self.ndim), (other.dtype, other.ndim)])
    if common is dtypes.bool_:
        raise RuntimeError("\"cross\" not implemented for 'Bool'")
    a, b = L.broadcast_all(L.cast(self, common), L.cast(other, common))
    wide = dtypes.OPMATH.get(common, common)
    return L.cast(_cross(L.cast(a, wide), L.cast(b, wide), d), common)


@composite("function,method,out")
def cross(input, other, dim=None):
    """Cross product along `dim`, or along the first dimension of size 3."""
    if dim is None:
        found = [d for d, n in enumerate(input.shape) if n == 3]
        if not found:
            raise RuntimeError("no dimension of size 3 in input")
        dim = found[0]
    return T.linalg_cross(input, other, dim=dim)


@composite("function,method,out")
def kron(input, other):
    """Kronecker product: every element of `input` times the whole of `other`."""
    n = max(input.ndim, other.ndim)
    a = (1,) * (n - input.ndim) + tuple(input.shape)
    b = (1,) * (n - other.ndim) + tuple(other.shape)
    left = input.reshape([size for m in a for size in (m, 1)])
    right = other.reshape([size for m in b for size in (1, m)])
    return (left * right).reshape([p * q for p, q in zip(a, b, strict=True)])


@linalg("linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor")
def linalg_vecdot(x, y, dim):
    """Inner products along a dimension, of the conjugate of x with y."""
    common = result_type([(x.dtype, x.ndim), (y.dtype, y.ndim)])
    need_floating(x, "linalg.vecdot", "a floating point or complex tensor as input")
    a, b = L.broadcast_all(L.cast(x, common), L.cast(y, common))
    wide = dtypes.OPMATH.get(common, common)
    products = L.conjugate(L.cast(a, wide)) * L.cast(b, wide)
    return L.cast(L.sum_(products, [wrap_dim(dim, a.ndim)]), common)


@linalg_composite("internal")
def linalg_vander(x, *, N=None):
    """Vandermonde matrices: powers 0 .. N - 1 of the elements, N their number by default."""
    x = x if x.ndim else x.reshape(1)
    count = x.shape[-1] if N is None else N
    if count <= 1:
        raise RuntimeError("N must be greater than 1.")
    ones = T.ones_like(x).unsqueeze(-1)
    powers = x.unsqueeze(-1).expand(*x.shape, count - 1)
    return T.cat([ones, T.cumprod(powers, -1)], -1)


@composite("function")
def vander(x, N=None, increasing=False):
    """Vandermonde matrix of a vector, powers falling unless `increasing`."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    count = x.shape[0] if N is None else N
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    dtype = x.dtype if x.dtype.category >= dtypes.FLOAT else T.int64
    columns = [T.ones((x.shape[0], 1), dtype=dtype)] if count else []
    if count > 1:
        powers = x.to(dtype).unsqueeze(-1).expand(x.shape[0], count - 1)
        columns.append(T.cumprod(powers, -1))
    out = T.cat(columns, -1) if columns else T.empty((x.shape[0], 0), dtype=dtype)
    return out if increasing else T.flip(out, (1,))


# ------------------------------------------------------------------------- tensors as matrices
@linalg_composite()
def linalg_tensorinv(A, ind=2):
    """Inverse of A as a map from its last dimensions to its first `ind` ones."""
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    first, rest = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    if math.prod(first) != math.prod(rest):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {math.prod(rest)} != {math.prod(first)}"
        )
    matrix = A.reshape(math.prod(rest), math.prod(first))
    return T.linalg_inv(matrix).reshape(rest + first)


@linalg_composite()
def linalg_tensorsolve(A, B, dims=None):
    """X with ``tensordot(A, X, X.ndim) == B``; `dims` of A are moved to its end first."""
    if dims is not None:
        moved = [wrap_dim(d, A.ndim) for d in dims]
        A = T.movedim(A, moved, list(range(A.ndim - len(moved), A.ndim)))
    size = B.numel()
    shape = tuple(A.shape[B.ndim :])
    if math.prod(shape) != size:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {math.prod(shape)} != {size}"
        )
    return T.linalg_solve(A.reshape(size, size), B.reshape(-1)).reshape(shape)

