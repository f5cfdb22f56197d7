"""Image data sets with torchvision's interface: ``dataset[i]`` is ``(image, target)``."""

from .digits import Digits

__all__ = ["Digits"]
