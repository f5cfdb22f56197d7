"""``torch.autograd.variable``: Variable is Tensor."""

from ..frontend.tensor import Tensor as Variable  # noqa: F401
