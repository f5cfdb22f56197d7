"""``torch.autograd``: backward, grad, Function, anomaly detection, graph hooks, gradcheck."""

from ..frontend.backward import backward, grad  # noqa: F401
from ..frontend.modes import (  # noqa: F401
    detect_anomaly,
    enable_grad,
    inference_mode,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)
from ..frontend.tensor import Tensor as Variable  # noqa: F401
from . import anomaly_mode, forward_ad, function, functional, grad_mode, graph, variable  # noqa: F401
from .function import Function  # noqa: F401
from .gradcheck import gradcheck, gradgradcheck  # noqa: F401

__all__ = [
    "backward",
    "grad",
    "Function",
    "gradcheck",
    "gradgradcheck",
    "no_grad",
    "enable_grad",
    "detect_anomaly",
    "set_detect_anomaly",
    "set_grad_enabled",
    "inference_mode",
    "Variable",
]
