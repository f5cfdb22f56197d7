"""Event files for TensorBoard, under the names of torch.utils.tensorboard.

writer.py holds `SummaryWriter`; summary.py builds one protocol buffer per kind of data; _images.py
turns arrays into PNG and GIF; _embedding.py writes the projector's files. Records and protocol
buffers come from the `tensorboard` package, which this room needs and rushlight does not install
by itself.
"""

try:
    from tensorboard.summary.writer.record_writer import RecordWriter
except ImportError as error:
    if (error.name or "").partition(".")[0] != "tensorboard":
        raise
    raise ModuleNotFoundError(
        "rushlight.utils.tensorboard needs the package tensorboard\n"
        "hint: pip install 'rushlight[tensorboard]'",
        name="tensorboard",
    ) from None

from .writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "RecordWriter", "SummaryWriter"]
