"""The digits that ship with the package."""

import hashlib
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import DataLoader
from rushlight.vision.datasets import Digits, digits

FOLDER = Path(digits.__file__).parent


def test_split_and_content():
    train, test = Digits(), Digits(train=False)
    assert (len(train), len(test)) == (1437, 360)
    assert test.data.dtype == np.uint8 and test.data.shape == (360, 8, 8) and test.data.max() == 16
    with np.load(FOLDER / "digits.npz") as stored:
        np.testing.assert_array_equal(test.data, stored["images"][::5])
        assert test.targets == stored["labels"][::5].tolist()
        assert train.targets[:5] == stored["labels"][[1, 2, 3, 4, 6]].tolist()
    assert Counter(train.targets + test.targets)[0] == 178


def test_items():
    image, label = Digits(train=False)[1]
    assert type(label) is int and label == 5
    assert image.shape == (1, 8, 8) and image.dtype == torch.float32
    np.testing.assert_array_equal(image[0].numpy() * 16, Digits(train=False).data[1])
    with pytest.raises(IndexError):
        Digits()[1437]


def test_transforms_and_classes():
    data = Digits(transform=lambda image: image * 2, target_transform=str)
    image, label = data[0]
    assert image.max().item() == 2.0 and label == "1"
    assert data.classes[7] == "7 - seven" and data.class_to_idx["7 - seven"] == 7
    assert "1437" in repr(data) and "Train" in repr(data)


def test_batches():
    images, labels = next(iter(DataLoader(Digits(), batch_size=16)))
    assert images.shape == (16, 1, 8, 8) and labels.dtype == torch.int64


def test_pil_images():
    pytest.importorskip("PIL")
    image, _ = Digits(train=False, pil=True)[0]
    assert image.mode == "L" and image.size == (8, 8)
    expected = Digits(train=False).data[0].astype(int) * 255 // 16
    np.testing.assert_array_equal(np.asarray(image), expected)


def test_root(tmp_path):
    shutil.copy(FOLDER / "digits.npz", tmp_path)
    assert len(Digits(tmp_path)) == 1437
    with pytest.raises(FileNotFoundError):
        Digits(tmp_path / "nowhere")


def test_the_note_beside_the_file_is_right():
    note = (FOLDER / "DIGITS.md").read_text()
    assert hashlib.sha256((FOLDER / "digits.npz").read_bytes()).hexdigest() in note
    assert "CC BY 4.0" in note and "CC BY 4.0" in Digits.__doc__
