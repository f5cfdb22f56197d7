"""The UCI handwritten digits, shipped inside the package (origin and licence: DIGITS.md).

digits.npz holds `images`, uint8 (1797, 8, 8) with values 0..16, and `labels`, uint8 (1797,), in the
order of the source. Next to read: utils/data, which batches what this returns.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ... import frontend as rl
from ...utils.data import Dataset

_FILE = "digits.npz"
_LEVELS = 16  # a pixel counts the inked cells of a 4x4 block
_TEST_EVERY = 5
_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Digits(Dataset):
    """1,797 images of handwritten digits, 8x8 grey, in 10 classes; no download.

    The split is fixed: the images at index 0, 5, 10, ... of the source are the test set (360), the
    others the training set (1,437).

    Args:
        root: folder that holds a `digits.npz`; None, the default, takes the copy in the package.
        train: the training set if True, the test set if False.
        transform: called with the image; its result takes the image's place.
        target_transform: called with the label; its result takes the label's place.
        pil: hand out ``PIL.Image`` images (mode "L", 0 to 255) instead of tensors. Needs Pillow.

    Attributes:
        data: uint8 array (N, 8, 8), values 0 to 16 (16 is full ink).
        targets: list of N labels, 0 to 9.
        classes, class_to_idx: names of the classes, "0 - zero" to "9 - nine".

    ``dataset[i]`` is ``(image, label)``: a float32 tensor (1, 8, 8) in [0, 1], and an int.

    Raises: FileNotFoundError if `root` has no `digits.npz`; IndexError for an index out of range;
        RuntimeError if `pil` is asked for and Pillow is missing.
    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
        Learning Repository, 1998, https://doi.org/10.24432/C50P49, its test set. Licence: Creative
        Commons Attribution 4.0 International (CC BY 4.0),
        https://creativecommons.org/licenses/by/4.0/. Changed here: stored as a NumPy file.

    >>> from rushlight.vision.datasets import Digits
    >>> image, label = Digits(train=False)[1]
    >>> image.shape, label
    (torch.Size([1, 8, 8]), 5)
    """

    classes = [f"{digit} - {name}" for digit, name in enumerate(_NAMES)]
    class_to_idx = {name: digit for digit, name in enumerate(classes)}

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        *,
        pil: bool = False,
    ) -> None:
        self.root = root
        self.train = train
        self.transform = transform
        self.target_transform = target_transform
        self._convert = _to_pil if pil else _to_tensor
        self.data, self.targets = _load(root, train)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, label = self._convert(self.data[index]), self.targets[index]
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        split = "Train" if self.train else "Test"
        return f"Dataset Digits\n    Number of datapoints: {len(self)}\n    Split: {split}"


def _load(root: str | os.PathLike | None, train: bool) -> tuple[np.ndarray, list[int]]:
    folder = Path(__file__).parent if root is None else Path(root)
    with np.load(folder / _FILE) as stored:
        images, labels = stored["images"], stored["labels"]
    is_test = np.arange(len(images)) % _TEST_EVERY == 0
    chosen = ~is_test if train else is_test
    return images[chosen], labels[chosen].tolist()


def _to_tensor(pixels: np.ndarray) -> rl.Tensor:
    return rl.tensor(pixels[None].astype(np.float32) / _LEVELS)


def _to_pil(pixels: np.ndarray) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise RuntimeError(
            "Digits(pil=True) needs Pillow\nhint: pip install 'rushlight[vision]'"
        ) from error
    return Image.fromarray((pixels.astype(np.uint16) * 255 // _LEVELS).astype(np.uint8))
