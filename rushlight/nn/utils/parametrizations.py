"""Parametrizations of weights: orthogonal matrices, weight and spectral normalization."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from ... import frontend as rl
from ... import linalg
from .. import functional as F
from ..modules.module import Module
from . import parametrize
from .spectral_norm import as_matrix, normalize_into, output_dim
from .weight_norm import norm_except_dim, weight_from

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _get_tensor(module: Module, name: str):
    tensor = getattr(module, name, None)
    if not isinstance(tensor, rl.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return tensor


def _is_orthogonal(Q) -> bool:
    n, k = Q.size(-2), Q.size(-1)
    identity = rl.eye(k, dtype=Q.dtype, device=Q.device)
    return rl.allclose(Q.mH @ Q, identity, atol=10.0 * n * rl.finfo(Q.dtype).eps)


def _make_orthogonal(A):
    """The Q of A = QR with a positive diagonal of R: uniform if A is normal."""
    X, tau = rl.geqrf(A)
    Q = linalg.householder_product(X, tau)
    return Q * X.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class _OrthMaps(Enum):
    matrix_exp = auto()
    cayley = auto()
    householder = auto()


class _Orthogonal(Module):
    """Maps matrices to orthogonal ones.

    With `use_trivialization` the map starts at ``base``: the original is what is applied to it, and
        is
    reset whenever a matrix is assigned. Matrices with fewer rows than columns are transposed.
    """

    def __init__(
        self, weight, orthogonal_map: _OrthMaps, *, use_trivialization: bool = True
    ) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map is _OrthMaps.householder:
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X):
        is_wide = X.size(-2) < X.size(-1)
        X = X.mT if is_wide else X
        if self.orthogonal_map is _OrthMaps.householder:
            Q = self._by_reflections(X)
        else:
            Q = self._by_skew_matrix(X)
        if hasattr(self, "base"):
            Q = self.base @ Q
        return Q.mT if is_wide else Q

    def _by_skew_matrix(self, X):
        n, k = X.size(-2), X.size(-1)
        X = X.tril()
        if n != k:
            X = rl.cat([X, X.new_zeros(n, n - k).expand(*X.shape[:-2], -1, -1)], dim=-1)
        A = X - X.mH
        if self.orthogonal_map is _OrthMaps.matrix_exp:
            Q = rl.matrix_exp(A)
        else:
            identity = rl.eye(n, dtype=A.dtype, device=A.device)
            Q = linalg.solve(rl.add(identity, A, alpha=-0.5), rl.add(identity, A, alpha=0.5))
        return Q if n == k else Q[..., :k]

    def _by_reflections(self, X):
        # The diagonal holds the signs of R, 1 or -1; reflections have ones there, as in LAPACK.
        A = X.tril(diagonal=-1)
        tau = 2.0 / (1.0 + (A * A).sum(dim=-2))
        signs = X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        return linalg.householder_product(A, tau) * signs

    @rl.no_grad()
    def right_inverse(self, Q):
        """What to map to get `Q`, or the nearest to it that is orthogonal."""
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. "
                f"Got a tensor of shape {Q.shape}."
            )
        is_wide = Q.size(-2) < Q.size(-1)
        tall = Q.mT if is_wide else Q
        if hasattr(self, "base"):
            self.base = self._square_base(tall)
            start = rl.zeros_like(Q)
            start.diagonal(dim1=-2, dim2=-1).fill_(-1.0)  # -1 is the sign R has for the identity
            return start
        if self.orthogonal_map is not _OrthMaps.householder:
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False."
            )
        A, tau = rl.geqrf(tall)
        diagonal = A.diagonal(dim1=-2, dim2=-1)
        diagonal.sign_()
        diagonal[tau == 0.0] *= -1  # LAPACK does not reflect there
        return A.mT if is_wide else A

    @staticmethod
    def _square_base(Q):
        """An orthogonal square matrix that begins with the columns of Q."""
        n, k = Q.size(-2), Q.size(-1)
        if n == k:
            return Q.clone() if _is_orthogonal(Q) else _make_orthogonal(Q)
        rest = rl.randn(*Q.size()[:-2], n, n - k, dtype=Q.dtype, device=Q.device)
        return _make_orthogonal(rl.cat([Q, rest], dim=-1))


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keep a weight orthogonal: its columns, or its rows if they are fewer, are orthonormal.

    Args:
        module: the module, which is changed.
        name: of the weight, (*, n, k), floating or complex.
        orthogonal_map: "matrix_exp", "cayley" or "householder"; None: "matrix_exp" for square and
            complex weights, else "householder".
        use_trivialization: faster to train, at the cost of one more matrix of the size of the
            weight.

    Returns: the module.
    Raises: ValueError if there is no such weight, it has fewer than 2 dimensions, or for another
        map.
    Source: Lezcano-Casado 2019, arXiv:1909.09501; Mhammedi et al. 2016, arXiv:1612.00188.

    >>> import rushlight as torch
    >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 5))
    >>> Q = layer.weight
    >>> torch.allclose(Q.T @ Q, torch.eye(3), atol=1e-5)
    True
    """
    weight = _get_tensor(module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        is_square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if is_square or weight.is_complex() else "householder"
    if orthogonal_map not in _OrthMaps.__members__:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    kind = _OrthMaps[orthogonal_map]
    parametrization = _Orthogonal(weight, kind, use_trivialization=use_trivialization)
    # Not checked: the original need not be orthogonal.
    parametrize.register_parametrization(module, name, parametrization, unsafe=True)
    return module


class _WeightNorm(Module):
    """Maps lengths and directions to a weight."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        return weight_from(weight_v, weight_g, self.dim)

    def right_inverse(self, weight):
        """The lengths and the directions of `weight`."""
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Learn the length and the direction of a weight apart.

    Args:
        module: the module, which is changed.
        name: of the weight.
        dim: the dimension that keeps a length for each index; None: one length for all.

    Returns: the module; the lengths are ``module.parametrizations.<name>.original0``, the
        directions ``original1``. State dicts of the older `nn.utils.weight_norm` can be loaded.
    Source: Salimans, Kingma 2016, arXiv:1602.07868.

    >>> import rushlight as torch
    >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape
    torch.Size([40, 1])
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename_old_keys(state_dict, prefix, *_):
        old = (f"{prefix}{name}_g", f"{prefix}{name}_v")
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename_old_keys)
    return module


class _SpectralNorm(Module):
    """Divides a weight by its largest singular value, which is estimated by power iteration."""

    def __init__(
        self, weight, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(
                "Dimension out of range (expected to be in range of "
                f"[-{ndim}, {ndim - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight, self.dim)
            for name, size in zip(("_u", "_v"), matrix.size(), strict=True):
                vector = matrix.new_empty(size).normal_(0, 1)
                self.register_buffer(name, F.normalize(vector, dim=0, eps=eps))
            self._power_method(matrix, 15)

    @rl.no_grad()
    def _power_method(self, matrix, n_power_iterations: int) -> None:
        for _ in range(n_power_iterations):
            normalize_into(self._u, rl.mv(matrix, self._v), self.eps)
            normalize_into(self._v, rl.mv(matrix.mH, self._u), self.eps)

    def forward(self, weight):
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # Copies, as backward of this forward must not see the values of the next one.
        u, v = self._u.clone(), self._v.clone()
        return weight / rl.vdot(u, rl.mv(matrix, v))

    def right_inverse(self, value):
        """`value` itself, which is normalized when it is read."""
        return value


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
):
    """Divide a weight by its largest singular value.

    Args:
        module: the module, which is changed.
        name: of the weight.
        n_power_iterations: how many steps improve the estimate each time the weight is read, in
            training; at least 1.
        eps: lower bound for lengths, against division by 0.
        dim: the dimension of the weight that counts outputs; None: the usual one for the module.

    Returns: the module.
    Raises: ValueError if there is no such weight; IndexError for another dimension.
    Source: Miyato et al. 2018, arXiv:1802.05957.

    >>> import rushlight as torch
    >>> layer = torch.nn.Linear(20, 40)
    >>> _ = torch.nn.utils.parametrizations.spectral_norm(layer, n_power_iterations=20)
    >>> bool((torch.linalg.matrix_norm(layer.weight, 2) - 1).abs() < 1e-2)
    True
    """
    weight = _get_tensor(module, name)
    dim = output_dim(module) if dim is None else dim
    parametrization = _SpectralNorm(weight, n_power_iterations, dim, eps)
    parametrize.register_parametrization(module, name, parametrization)
    return module
