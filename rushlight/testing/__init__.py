"""``torch.testing``: comparing results and making random inputs."""

from .comparison import assert_close  # noqa: F401
from .creation import make_tensor  # noqa: F401
