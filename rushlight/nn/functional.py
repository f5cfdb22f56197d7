"""``torch.nn.functional``: the operators whose records name this space, and two from ``torch``."""

from ..frontend import sigmoid, tanh  # noqa: F401
from ..frontend.install import public

globals().update(public["nn"])
