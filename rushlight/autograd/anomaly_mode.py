"""``torch.autograd.anomaly_mode``."""

from ..frontend.modes import detect_anomaly, set_detect_anomaly  # noqa: F401
