"""Every summary against the one torch.utils.tensorboard builds from the same data."""

import inspect

import numpy as np
import pytest

pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
pytest.importorskip("tensorboard")

import torch.utils.tensorboard as theirs
from tensorboard.util.tensor_util import make_ndarray
from torch.utils.tensorboard import summary as expected

import rushlight.utils.tensorboard as ours
from rushlight.utils.tensorboard import summary

rng = np.random.default_rng(0)
RGB = rng.integers(0, 255, (3, 3, 8, 10), dtype=np.uint8)
GREY = rng.random((11, 1, 8, 8), dtype=np.float32) * 1.4 - 0.2
PHOTO = rng.random((3, 60, 80), dtype=np.float32)
BOXES = np.array([[5, 5, 50, 40], [10.5, 20, 70, 55]])
NORMAL = rng.standard_normal(50)
LABELS, SCORES = rng.integers(0, 2, 100), rng.random(100)
POINTS = rng.random((1, 4, 3), dtype=np.float32)
FACES = np.array([[[0, 1, 2], [1, 2, 3]]])
LAYOUT = {"a": {"b": ["Multiline", ["x", "y"]], "c": ["Margin", ["1", "2", "3"]]}}
HPARAMS = {"i": 1, "f": 2.5, "s": "x", "b": True, "n": None}

CASES = [
    *[("scalar", (value,), kind) for value in (1, 2.5, np.float32(3), np.ones((1, 1)))
      for kind in ({}, {"new_style": True}, {"new_style": True, "double_precision": True})],
    *[("histogram", (values, bins, most), {}) for values in (NORMAL, np.zeros(4))
      for bins in ("auto", 10, [-9, -1, 0, 1, 9]) for most in (None, 4, 7)],
    ("histogram_raw", (0, 1, 5, 2.0, 3.0, [1, 2], [3, 2]), {}),
    ("image", (RGB,), {}),
    ("image", (GREY,), {}),
    ("image", (RGB[0],), {"dataformats": "CHW", "rescale": 2}),
    ("image", (RGB[0, 0],), {"dataformats": "HW"}),
    ("image", (RGB.transpose(0, 2, 3, 1),), {"dataformats": "NHWC"}),
    ("image_boxes", (PHOTO, BOXES), {}),
    ("image_boxes", (PHOTO, BOXES), {"labels": ["cat", "dogy"]}),
    ("audio", (SCORES, 8000), {}),
    ("audio", (NORMAL[None],), {}),
    ("text", ("héllo",), {}),
    ("custom_scalars", (), {"layout": LAYOUT}),
    ("pr_curve", (LABELS, SCORES), {}),
    ("pr_curve", (LABELS, SCORES, 200), {}),
    ("pr_curve", (LABELS, SCORES, 11), {"weights": SCORES}),
    ("pr_curve_raw", tuple(np.arange(30.0).reshape(6, 5)), {"num_thresholds": 5}),
    ("mesh", (POINTS, None, None, None), {}),
    ("mesh", (POINTS, POINTS, FACES, {"camera": {"cls": "x"}}, "name", "text"), {}),
    ("hparams", (), {"hparam_dict": HPARAMS, "metric_dict": {"m": 1.0},
                     "hparam_domain_discrete": {"i": [1, 2], "s": ["x", "y"]}}),
]  # fmt: skip


def content(proto):
    """Comparable form: two tensors are equal if a reader gets the same array."""
    for value in proto.value:
        kind = value.WhichOneof("value")
        data = getattr(value, kind) if kind else None
        if kind == "tensor":
            array = make_ndarray(data)
            data = (array.dtype, array.shape, array.tolist())
        yield value.tag, value.metadata, kind, data


@pytest.mark.parametrize(("name", "args", "options"), CASES)
def test_summaries_are_equal(name, args, options):
    tag = () if name in ("custom_scalars", "hparams") else ("tag",)
    got = getattr(summary, name)(*tag, *args, **options)
    want = getattr(expected, name)(*tag, *args, **options)
    pairs = zip(got, want, strict=True) if isinstance(got, tuple) else [(got, want)]
    for mine, reference in pairs:
        assert list(content(mine)) == list(content(reference))


def test_methods_have_pytorchs_parameters():
    for name, method in vars(theirs.SummaryWriter).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            mine = inspect.signature(getattr(ours.SummaryWriter, name)).parameters.values()
            reference = inspect.signature(method).parameters.values()
            assert [(p.name, p.default) for p in mine] == [(p.name, p.default) for p in reference]
