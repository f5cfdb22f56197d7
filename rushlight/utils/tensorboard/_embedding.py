"""The files that TensorBoard's projector reads, in one folder per embedding.

`tensors.tsv` holds the vectors, `metadata.tsv` the labels, `sprite.png` the pictures;
`projector_config.pbtxt` in the log folder lists them. Files go through TensorFlow's file layer, as
TensorBoard's own do, so that a log folder may be remote.
"""

import math
import posixpath
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import text_format
from tensorboard.compat import tf
from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo, ProjectorConfig

from . import _images

__all__ = ["add_to_config", "encode_tag", "make_folder", "write_files"]


def encode_tag(tag: str) -> str:
    """`tag` as one folder name: %, / and \\ become %25, %2f and %5c."""
    for character in "%/\\":
        tag = tag.replace(character, f"%{ord(character):02x}")
    return tag


def make_folder(path: str) -> None:
    """Create `path`; say so if it exists, for then an earlier embedding is overwritten."""
    files = tf.io.gfile
    if not files.exists(path):
        files.makedirs(path)
    elif files.isdir(path):
        print("warning: Embedding dir exists, did you set global_step for add_embedding()?")
    else:
        raise NotADirectoryError(f"Path: `{path}` exists, but is a file. Cannot proceed.")


def write_files(
    folder: str,
    mat: np.ndarray,
    metadata: Sequence | None,
    label_img: np.ndarray | None,
    metadata_header: Sequence[str] | None,
) -> None:
    """Write the vectors `mat` (N, D), N labels and N pictures (N, C, H, W) into `folder`.

    Raises: AssertionError if the counts differ or `mat` is not 2-D.
    """
    if mat.ndim != 2:
        raise AssertionError("mat should be 2D, where mat.size(0) is the number of data points")
    if metadata is not None:
        if len(metadata) != len(mat):
            raise AssertionError("#labels should equal with #data points")
        _write(folder, "metadata.tsv", _metadata_lines(metadata, metadata_header))
    if label_img is not None:
        if len(label_img) != len(mat):
            raise AssertionError("#images should equal with #data points")
        _write(folder, "sprite.png", _sprite(label_img))
    _write(folder, "tensors.tsv", _lines(mat.tolist()))


def add_to_config(
    logdir: str,
    config: ProjectorConfig,
    name: str,
    subdir: str,
    has_metadata: bool,
    label_img: np.ndarray | None,
) -> None:
    """Add an embedding to `config` and rewrite the log folder's list of them."""
    info = EmbeddingInfo(tensor_name=name, tensor_path=posixpath.join(subdir, "tensors.tsv"))
    if has_metadata:
        info.metadata_path = posixpath.join(subdir, "metadata.tsv")
    if label_img is not None:
        info.sprite.image_path = posixpath.join(subdir, "sprite.png")
        info.sprite.single_image_dim.extend([label_img.shape[3], label_img.shape[2]])
    config.embeddings.append(info)
    _write(logdir, "projector_config.pbtxt", text_format.MessageToString(config).encode())


def _metadata_lines(metadata: Sequence, header: Sequence[str] | None) -> bytes:
    if not header:
        return _lines([label] for label in metadata)
    if len(header) != len(metadata[0]):
        raise AssertionError("len of header must be equal to the number of columns in metadata")
    return _lines([header, *metadata])


def _lines(rows: Any) -> bytes:
    return ("\n".join("\t".join(map(str, row)) for row in rows) + "\n").encode()


def _sprite(label_img: np.ndarray) -> bytes:
    """All pictures in one square, as the projector wants it, row by row."""
    grid = _images.make_grid(label_img, ncols=math.ceil(len(label_img) ** 0.5)).transpose(1, 2, 0)
    side = grid.shape[1]
    square = np.zeros((side, side, 3), grid.dtype)
    square[: len(grid)] = grid
    return _images.encode_png(_images.to_uint8(square))


def _write(folder: str, name: str, content: bytes) -> None:
    with tf.io.gfile.GFile(posixpath.join(folder, name), "wb") as file:
        file.write(content)
