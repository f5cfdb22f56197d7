"""`SummaryWriter`: what a training program logs, into TensorBoard's event files.

`FileWriter` owns one event file; the `tensorboard` package queues the records and writes them in a
thread of its own. Each ``add_*`` method builds one protocol buffer with summary.py.
"""

import functools
import os
import socket
import time
import weakref
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from . import _images, summary
from ._convert_np import make_np

__all__ = ["FileWriter", "SummaryWriter"]


class FileWriter:
    """One event file in the folder `log_dir`, written in the background.

    Args:
        log_dir: folder, made if missing.
        max_queue: events that may wait before an ``add_*`` call blocks.
        flush_secs: seconds between writes to disk.
        filename_suffix: end of the file's name.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        self.event_writer = EventFileWriter(str(log_dir), max_queue, flush_secs, filename_suffix)

    def get_logdir(self) -> str:
        """The folder of the event file."""
        return self.event_writer.get_logdir()

    def add_event(self, event: Event, step: Any = None, walltime: float | None = None) -> None:
        """Add `event`, stamped with `step` and with `walltime` (default: now)."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self.event_writer.add_event(event)

    def add_summary(
        self, summary: Any, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Add a `Summary` protocol buffer."""
        self.add_event(Event(summary=summary), global_step, walltime)

    def flush(self) -> None:
        """Wait until all events are on disk."""
        self.event_writer.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self.event_writer.close()


class SummaryWriter:
    """Write scalars, images, histograms and more to `log_dir` for TensorBoard.

    All ``add_*`` methods take a `tag`, the data, `global_step` (the x axis) and `walltime` (seconds
    since the epoch; default now). Data may be a tensor, a NumPy array or a number.

    Args:
        log_dir: folder; default ``runs/<date>_<time>_<host><comment>``.
        comment: end of the default folder's name; unused if `log_dir` is given.
        purge_step: TensorBoard hides what earlier runs logged in this folder from this step on.
        max_queue: events that may wait before an ``add_*`` call blocks.
        flush_secs: seconds between writes to disk.
        filename_suffix: end of the event files' names.

    A writer that is not closed is closed when it is collected or the program ends.

    >>> from rushlight.utils.tensorboard import SummaryWriter
    >>> with SummaryWriter("runs/example") as writer:
    ...     for step in range(10):
    ...         writer.add_scalar("loss", 1 / (step + 1), step)
    """

    def __init__(
        self,
        log_dir: str | os.PathLike | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            now = datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir = log_dir
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._get_file_writer()

    def _get_file_writer(self) -> FileWriter:
        """The main event file's writer, opened again after `close`."""
        if self.file_writer is not None:
            return self.file_writer
        self.file_writer = self._open(self.log_dir)
        self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
        self._finalizer = weakref.finalize(self, _close_all, self.all_writers)
        if self.purge_step is not None:
            step, self.purge_step = self.purge_step, None
            self.file_writer.add_event(Event(step=step, file_version="brain.Event:2"))
            start = SessionLog(status=SessionLog.START)
            self.file_writer.add_event(Event(step=step, session_log=start))
        return self.file_writer

    def _open(self, log_dir: str | os.PathLike) -> FileWriter:
        return FileWriter(log_dir, self.max_queue, self.flush_secs, self.filename_suffix)

    def _add(self, proto: Any, global_step: Any = None, walltime: float | None = None) -> None:
        self._get_file_writer().add_summary(proto, global_step, walltime)

    @functools.cached_property
    def default_bins(self) -> list[float]:
        """TensorFlow's histogram edges: 0 and +-1e-12 * 1.1 ** k up to 1e20."""
        edges, edge = [], 1e-12
        while edge < 1e20:
            edges.append(edge)
            edge *= 1.1
        return [-edge for edge in reversed(edges)] + [0] + edges

    def get_logdir(self) -> str | os.PathLike:
        """The folder of the event files, as given."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Add one number.

        Args:
            new_style: store it as a tensor, which TensorBoard loads faster.
            double_precision: with `new_style`, keep float64.
        """
        proto = summary.scalar(
            tag, scalar_value, new_style=new_style, double_precision=double_precision
        )
        self._add(proto, global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Add several numbers to one chart; each name gets an event file in a folder of its own."""
        walltime = time.time() if walltime is None else walltime
        logdir = self._get_file_writer().get_logdir()
        assert self.all_writers is not None
        for tag, value in tag_scalar_dict.items():
            folder = f"{logdir}/{main_tag.replace('/', '_')}_{tag}"
            if folder not in self.all_writers:
                self.all_writers[folder] = self._open(folder)
            proto = summary.scalar(main_tag, value)
            self.all_writers[folder].add_summary(proto, global_step, walltime)

    def add_tensor(
        self, tag: str, tensor: Any, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Add a whole tensor, below 2 GB; bfloat16 is stored as float32."""
        self._add(summary.tensor_proto(tag, tensor), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Add the distribution of `values`, any shape.

        Args:
            bins: "tensorflow" (exponential edges), or what `numpy.histogram` takes.
            max_bins: join neighbouring bins if there are more.
        """
        if isinstance(bins, str) and bins == "tensorflow":
            bins = self.default_bins
        self._add(summary.histogram(tag, values, bins, max_bins), global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: int,
        sum: float,
        sum_squares: float,
        bucket_limits: Sequence[float],
        bucket_counts: Sequence[float],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Add a distribution that the caller counted; `bucket_limits` are the right edges."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError(
                "len(bucket_limits) != len(bucket_counts), see the document. "
                f"({len(bucket_limits)} and {len(bucket_counts)})"
            )
        proto = summary.histogram_raw(
            tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts
        )
        self._add(proto, global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Add a picture: uint8 in [0, 255] or float in [0, 1], 1, 3 or 4 channels.

        `dataformats` names the dimensions: "CHW", "HWC", "HW", or with N for a batch.
        """
        self._add(summary.image(tag, img_tensor, dataformats=dataformats), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Add a batch of pictures as one grid, 8 to a row; values as in `add_image`."""
        self._add(summary.image(tag, img_tensor, dataformats=dataformats), global_step, walltime)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: str | Sequence[str] | None = None,
    ) -> None:
        """Add a picture with boxes (K, 4), each row x0, y0, x1, y1 in pixels.

        `labels` are drawn if there is one per box. `rescale` scales both sides of the picture.
        """
        names = [labels] if isinstance(labels, str) else labels
        if names is not None and len(names) != box_tensor.shape[0]:
            names = None
        proto = summary.image_boxes(tag, img_tensor, box_tensor, rescale, dataformats, names)
        self._add(proto, global_step, walltime)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: Any = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Add a matplotlib figure, or a list of them; `close` frees it afterwards."""
        dataformats = "NCHW" if isinstance(figure, list) else "CHW"
        pixels = _images.figure_to_image(figure, close)
        self.add_image(tag, pixels, global_step, walltime, dataformats)

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: Any = None,
        fps: float = 4,
        walltime: float | None = None,
    ) -> None:
        """Add videos (N, T, C, H, W), side by side, as a GIF; values as in `add_image`."""
        self._add(summary.video(tag, vid_tensor, fps), global_step, walltime)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: Any = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """Add a sound of one channel, (L) or (1, L), values in [-1, 1], `sample_rate` in Hz."""
        self._add(summary.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    def add_text(
        self,
        tag: str,
        text_string: str,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Add Markdown text."""
        self._add(summary.text(tag, text_string), global_step, walltime)

    def add_graph(
        self,
        model: Any,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:
        """Not supported: raises NotImplementedError."""
        raise NotImplementedError(
            f"add_graph: rushlight does not trace {type(model).__name__} into a TensorBoard graph"
            "\nhint: leave the call out; every other add_* method works"
        )

    def add_onnx_graph(self, prototxt: Any) -> None:
        """Not supported: raises NotImplementedError."""
        raise NotImplementedError(
            f"add_onnx_graph: rushlight does not convert ONNX graphs for TensorBoard ({prototxt})"
            "\nhint: open the file with an ONNX viewer"
        )

    def add_embedding(
        self,
        mat: Any,
        metadata: Sequence | None = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: Sequence[str] | None = None,
    ) -> None:
        """Add vectors for the projector.

        Args:
            mat: (N, D).
            metadata: N labels; with `metadata_header`, N rows of one value per column.
            label_img: (N, C, H, W), a picture per vector, values as in `add_image`.
            metadata_header: names of the columns of `metadata`.
        """
        from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

        from . import _embedding

        step = f"{0 if global_step is None else global_step}".zfill(5)
        subdir = f"{step}/{_embedding.encode_tag(tag)}"
        logdir = self._get_file_writer().get_logdir()
        folder = os.path.join(logdir, subdir)
        pictures = None if label_img is None else make_np(label_img)
        _embedding.make_folder(folder)
        _embedding.write_files(folder, make_np(mat), metadata, pictures, metadata_header)
        if not hasattr(self, "_projector_config"):
            self._projector_config = ProjectorConfig()
        name = f"{tag}:{step}"
        _embedding.add_to_config(
            logdir, self._projector_config, name, subdir, metadata is not None, pictures
        )

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Add precision and recall of `predictions` in [0, 1] for the binary `labels`.

        At most 127 thresholds are used. `weights` has one value per element, or is one number.
        """
        proto = summary.pr_curve(tag, labels, predictions, num_thresholds, weights)
        self._add(proto, global_step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: None = None,
        walltime: float | None = None,
    ) -> None:
        """Add a precision-recall curve that the caller computed; one value per threshold each."""
        proto = summary.pr_curve_raw(
            tag,
            true_positive_counts,
            false_positive_counts,
            true_negative_counts,
            false_negative_counts,
            precision,
            recall,
            num_thresholds,
            weights,
        )
        self._add(proto, global_step, walltime)

    def add_custom_scalars_multilinechart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Add a chart of several scalar tags."""
        self._add(summary.custom_scalars({category: {title: ["Multiline", tags]}}))

    def add_custom_scalars_marginchart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Add a chart with a band; `tags` are the value, its lower and its upper bound."""
        if len(tags) != 3:
            raise AssertionError(f"Expected 3 tags, got {len(tags)}.")
        self._add(summary.custom_scalars({category: {title: ["Margin", tags]}}))

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Sequence]]) -> None:
        """Add charts, once per writer: ``{category: {chart: ["Multiline" or "Margin", tags]}}``."""
        self._add(summary.custom_scalars(layout))

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Add a point cloud or mesh.

        Args:
            vertices: (B, N, 3) coordinates.
            colors: (B, N, 3), uint8 in [0, 255] or float in [0, 1].
            faces: (B, M, 3), the three vertices of each triangle.
            config_dict: classes and settings of ThreeJS: camera, lights, material.
        """
        proto = summary.mesh(tag, vertices, colors, faces, config_dict)
        self._add(proto, global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list] | None = None,
        run_name: str | None = None,
        global_step: Any = None,
    ) -> None:
        """Add one run's hyperparameters and results, in a folder `run_name` (default: the time).

        Args:
            hparam_dict: name to bool, int, float, str, tensor of one element, or None (left out).
            metric_dict: name to number; names unlike those of ``add_scalar``.
            hparam_domain_discrete: name to all values the hyperparameter may take.
        """
        protos = summary.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        logdir = self._get_file_writer().get_logdir()
        with SummaryWriter(os.path.join(logdir, run_name or str(time.time()))) as run:
            for proto in protos:
                run._add(proto, global_step)
            for name, value in metric_dict.items():
                run.add_scalar(name, value, global_step)

    def flush(self) -> None:
        """Wait until all events are on disk."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Flush and close all event files; the next ``add_*`` call opens new ones."""
        if self.all_writers is not None:
            self._finalizer()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> "SummaryWriter":
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        self.close()


def _close_all(writers: dict[str, FileWriter]) -> None:
    for writer in writers.values():
        writer.close()
