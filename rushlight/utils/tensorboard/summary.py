"""One `Summary` protocol buffer per kind of data; what each plugin of TensorBoard expects to read.

Function names and arguments are those of torch.utils.tensorboard.summary. Next to read: writer.py.
"""

import io
import json
import wave
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

from ... import frontend as rl
from . import _images
from ._convert_np import make_np

__all__ = ["audio", "compute_curve", "custom_scalars", "histogram", "histogram_raw", "hparams"]
__all__ += ["image", "image_boxes", "make_histogram", "mesh", "pr_curve", "pr_curve_raw", "scalar"]
__all__ += ["tensor_proto", "text", "video"]

_MAX_PROTO_BYTES = 1 << 31
_MAX_THRESHOLDS = 127  # more do not fit the plugin's one-byte count


def _summary(tag: str, **fields: Any) -> Summary:
    return Summary(value=[Summary.Value(tag=tag, **fields)])


def _metadata(plugin: str, content: bytes = b"") -> SummaryMetadata:
    data = SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    return SummaryMetadata(plugin_data=data)


def _strings(*values: bytes, shape: Sequence[int] = ()) -> TensorProto:
    dims = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
    return TensorProto(dtype="DT_STRING", string_val=values, tensor_shape=dims)


def _tensor(array: np.ndarray) -> TensorProto:
    from tensorboard.util.tensor_util import make_tensor_proto  # slow to import, rarely needed

    return make_tensor_proto(array)


def scalar(
    name: str,
    tensor: Any,
    collections: None = None,
    new_style: bool = False,
    double_precision: bool = False,
) -> Summary:
    """One number, of a Python number, array or tensor with one element.

    Raises: AssertionError for more than one element; ValueError for `collections`, which belongs to
        TensorFlow's graphs.
    """
    if collections is not None:
        raise ValueError("scalar: collections belong to TensorFlow graphs; leave it None")
    value = make_np(tensor).squeeze()
    if value.ndim != 0:
        raise AssertionError(
            "Tensor should contain one element (0 dimensions). "
            f"Was given size: {value.size} and {value.ndim} dimensions."
        )
    if not new_style:
        return _summary(name, simple_value=float(value))
    kept = value.astype(np.float64 if double_precision else np.float32)
    return _summary(name, tensor=_tensor(kept), metadata=_metadata("scalars"))


def tensor_proto(tag: str, tensor: rl.Tensor | np.ndarray) -> Summary:
    """A whole tensor, below 2 GB; bfloat16 is stored as float32."""
    array = make_np(tensor)
    if array.nbytes >= _MAX_PROTO_BYTES:
        raise ValueError("tensor is bigger than protocol buffer's hard limit of 2GB in size")
    return _summary(tag, tensor=_tensor(array), metadata=_metadata("tensor"))


def histogram_raw(
    name: str,
    min: float,
    max: float,
    num: int,
    sum: float,
    sum_squares: float,
    bucket_limits: Sequence[float],
    bucket_counts: Sequence[float],
) -> Summary:
    """A histogram that the caller counted; `bucket_limits` are the right edges."""
    proto = HistogramProto(
        min=min,
        max=max,
        num=num,
        sum=sum,
        sum_squares=sum_squares,
        bucket_limit=bucket_limits,
        bucket=bucket_counts,
    )
    return _summary(name, histo=proto)


def histogram(name: str, values: Any, bins: Any, max_bins: int | None = None) -> Summary:
    """Count `values` into `bins` (edges, a number or a rule of `numpy.histogram`)."""
    return _summary(name, histo=make_histogram(make_np(values).astype(float), bins, max_bins))


def make_histogram(values: np.ndarray, bins: Any, max_bins: int | None = None) -> HistogramProto:
    """Histogram without the empty bins at both ends.

    TensorBoard draws a bucket from the limit before it, so one empty bucket stays in front.

    Raises: ValueError if `values` is empty.
    """
    if values.size == 0:
        raise ValueError("The input has no element.")
    values = values.reshape(-1)
    counts, edges = np.histogram(values, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        counts, edges = _merge_bins(counts, edges, len(counts) // max_bins)
    filled = np.flatnonzero(counts)
    if filled.size == 0:
        raise ValueError("The histogram is empty: no value lies within the bins.")
    first, last = filled[0], filled[-1]
    before = counts[first - 1 : first] if first > 0 else np.zeros(1, counts.dtype)
    return HistogramProto(
        min=values.min(),
        max=values.max(),
        num=len(values),
        sum=values.sum(),
        sum_squares=values.dot(values),
        bucket_limit=edges[first : last + 2].tolist(),
        bucket=np.concatenate([before, counts[first : last + 1]]).tolist(),
    )


def _merge_bins(
    counts: np.ndarray, edges: np.ndarray, group: int
) -> tuple[np.ndarray, np.ndarray]:
    """Join each `group` neighbouring bins; the last may hold fewer."""
    starts = np.arange(0, len(counts), group)
    return np.add.reduceat(counts, starts), np.append(edges[starts], edges[-1])


def image(tag: str, tensor: Any, rescale: float = 1, dataformats: str = "NCHW") -> Summary:
    """A picture, or a batch as one grid; see `_images.convert_to_HWC` for `dataformats`."""
    pixels = _images.to_uint8(_images.convert_to_HWC(make_np(tensor), dataformats))
    return _image(tag, pixels, _images.encode_png(pixels, rescale))


def image_boxes(
    tag: str,
    tensor_image: Any,
    tensor_boxes: Any,
    rescale: float = 1,
    dataformats: str = "CHW",
    labels: Sequence[str] | None = None,
) -> Summary:
    """A picture with boxes (K, 4), each row x0, y0, x1, y1 in pixels."""
    pixels = _images.to_uint8(_images.convert_to_HWC(make_np(tensor_image), dataformats))
    return _image(tag, pixels, _images.encode_png(pixels, rescale, make_np(tensor_boxes), labels))


def video(tag: str, tensor: Any, fps: float = 4) -> Summary:
    """Videos (N, T, C, H, W) side by side, as an animated GIF."""
    frames = _images.to_uint8(_images.video_frames(make_np(tensor)))
    return _image(tag, frames[0], _images.encode_gif(frames, fps))


def _image(tag: str, pixels: np.ndarray, encoded: bytes) -> Summary:
    height, width, channels = pixels.shape
    proto = Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=encoded
    )
    return _summary(tag, image=proto)


def audio(tag: str, tensor: Any, sample_rate: int = 44100) -> Summary:
    """A sound of one channel, values in [-1, 1], clipped with a warning; stored as 16-bit WAV."""
    samples = make_np(tensor).squeeze()
    if samples.ndim != 1:
        raise AssertionError("input tensor should be 1 dimensional.")
    if np.abs(samples).max(initial=0) > 1:
        print("warning: audio amplitude out of range, auto clipped.")
        samples = samples.clip(-1, 1)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(sample_rate)
        sound.writeframes((samples * np.iinfo(np.int16).max).astype("<i2").tobytes())
    proto = Summary.Audio(
        sample_rate=sample_rate,
        num_channels=1,
        length_frames=len(samples),
        encoded_audio_string=buffer.getvalue(),
        content_type="audio/wav",
    )
    return _summary(tag, audio=proto)


def text(tag: str, text: str) -> Summary:
    """Markdown text."""
    from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

    metadata = _metadata("text", TextPluginData(version=0).SerializeToString())
    return _summary(
        f"{tag}/text_summary", tensor=_strings(text.encode(), shape=(1,)), metadata=metadata
    )


def custom_scalars(layout: Mapping[str, Mapping[str, Sequence]]) -> Summary:
    """Charts that join scalar tags: ``{category: {chart: ["Multiline" or "Margin", tags]}}``."""
    from tensorboard.plugins.custom_scalar import layout_pb2

    categories = [
        layout_pb2.Category(
            title=title, chart=[_chart(layout_pb2, *item) for item in charts.items()]
        )
        for title, charts in layout.items()
    ]
    content = layout_pb2.Layout(category=categories).SerializeToString()
    return _summary(
        "custom_scalars__config__", tensor=_strings(content), metadata=_metadata("custom_scalars")
    )


def _chart(layout_pb2: Any, title: str, description: Sequence) -> Any:
    kind, tags = description[0], description[1]
    if kind != "Margin":
        return layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags))
    if len(tags) != 3:
        raise AssertionError(f"a Margin chart takes 3 tags (value, lower, upper), got {len(tags)}")
    content = layout_pb2.MarginChartContent
    series = content.Series(value=tags[0], lower=tags[1], upper=tags[2])
    return layout_pb2.Chart(title=title, margin=content(series=[series]))


def pr_curve(
    tag: str, labels: Any, predictions: Any, num_thresholds: int = 127, weights: Any = None
) -> Summary:
    """Precision and recall of `predictions` in [0, 1] for binary `labels`, at even thresholds."""
    num_thresholds = min(num_thresholds, _MAX_THRESHOLDS)
    data = compute_curve(make_np(labels), make_np(predictions), num_thresholds, weights)
    return _pr_summary(tag, data, num_thresholds)


def pr_curve_raw(
    tag: str,
    tp: Any,
    fp: Any,
    tn: Any,
    fn: Any,
    precision: Any,
    recall: Any,
    num_thresholds: int = 127,
    weights: None = None,
) -> Summary:
    """A precision-recall curve that the caller computed, one value per threshold.

    Raises: ValueError for `weights`: counts that are given cannot be weighted any more.
    """
    if weights is not None:
        raise ValueError("pr_curve_raw: weights have no effect on given counts; leave it None")
    rows = [make_np(row) for row in (tp, fp, tn, fn, precision, recall)]
    return _pr_summary(tag, np.stack(rows), min(num_thresholds, _MAX_THRESHOLDS))


def _pr_summary(tag: str, data: np.ndarray, num_thresholds: int) -> Summary:
    from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData

    content = PrCurvePluginData(version=0, num_thresholds=num_thresholds).SerializeToString()
    return _summary(
        tag, tensor=_tensor(data.astype(np.float32)), metadata=_metadata("pr_curves", content)
    )


def compute_curve(
    labels: np.ndarray,
    predictions: np.ndarray,
    num_thresholds: int = _MAX_THRESHOLDS,
    weights: Any = None,
) -> np.ndarray:
    """Rows tp, fp, tn, fn, precision, recall of shape (6, num_thresholds)."""
    smallest = 1e-7  # keeps 0 / 0 at 0
    weights = 1.0 if weights is None else make_np(weights)
    bucket = np.floor(predictions * (num_thresholds - 1)).astype(np.int32)
    truth = labels.astype(np.float64)

    def count_at_or_above(amount: np.ndarray) -> np.ndarray:
        bounds = (0, num_thresholds - 1)
        counts, _ = np.histogram(bucket, bins=num_thresholds, range=bounds, weights=amount)
        return np.cumsum(counts[::-1])[::-1]

    tp, fp = count_at_or_above(truth * weights), count_at_or_above((1.0 - truth) * weights)
    tn, fn = fp[0] - fp, tp[0] - tp
    precision = tp / np.maximum(smallest, tp + fp)
    recall = tp / np.maximum(smallest, tp + fn)
    return np.stack((tp, fp, tn, fn, precision, recall))


def mesh(
    tag: str,
    vertices: Any,
    colors: Any,
    faces: Any,
    config_dict: Mapping[str, Any] | None,
    display_name: str | None = None,
    description: str | None = None,
) -> Summary:
    """A point cloud or mesh: `vertices`, and `colors` and `faces` if not None, are (B, N, 3)."""
    from tensorboard.plugins.mesh import metadata
    from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData as Kind

    config = "{}" if config_dict is None else json.dumps(config_dict, sort_keys=True)
    given = ((Kind.VERTEX, vertices), (Kind.FACE, faces), (Kind.COLOR, colors))
    parts = [(kind, make_np(part)) for kind, part in given if part is not None]
    components = metadata.get_components_bitmask([kind for kind, _ in parts])
    values = [
        Summary.Value(
            tag=metadata.get_instance_name(tag, kind),
            tensor=_tensor(part.astype(np.float32)),
            metadata=metadata.create_summary_metadata(
                tag, display_name, kind, components, part.shape, description, json_config=config
            ),
        )
        for kind, part in parts
    ]
    return Summary(value=values)


def hparams(
    hparam_dict: dict[str, Any],
    metric_dict: dict[str, Any],
    hparam_domain_discrete: dict[str, list] | None = None,
) -> tuple[Summary, Summary, Summary]:
    """What the hparams plugin reads: the experiment, the start and the end of one session.

    Args:
        hparam_dict: name to bool, int, float, str, tensor of one element, or None (left out).
        metric_dict: name to value; only the names go into these summaries.
        hparam_domain_discrete: name to all values the hyperparameter may take.

    Raises: TypeError if an argument is no dictionary or a domain has values of another type;
        ValueError for a hyperparameter of another type.
    """
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams import plugin_data_pb2 as plugin

    domains = _check_hparams(hparam_dict, metric_dict, hparam_domain_discrete)
    start = plugin.SessionStartInfo()
    infos = []
    for name, value in hparam_dict.items():
        if value is not None:
            field, kind, stored = _hparam_value(value)
            setattr(start.hparams[name], field, stored)
            infos.append(api_pb2.HParamInfo(name=name, type=api_pb2.DataType.Value(kind)))
            for choice in domains.get(name, ()):
                setattr(infos[-1].domain_discrete.values.add(), field, choice)
    metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=name)) for name in metric_dict]
    experiment = api_pb2.Experiment(hparam_infos=infos, metric_infos=metrics)
    end = plugin.SessionEndInfo(status=api_pb2.Status.Value("STATUS_SUCCESS"))

    def pack(tag: str, **content: Any) -> Summary:
        data = plugin.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
        return _summary(tag, metadata=_metadata(metadata.PLUGIN_NAME, data.SerializeToString()))

    return (
        pack(metadata.EXPERIMENT_TAG, experiment=experiment),
        pack(metadata.SESSION_START_INFO_TAG, session_start_info=start),
        pack(metadata.SESSION_END_INFO_TAG, session_end_info=end),
    )


def _check_hparams(hparam_dict: Any, metric_dict: Any, domains: Any) -> dict[str, list]:
    domains = domains or {}
    named = {"hparam_dict": hparam_dict, "metric_dict": metric_dict}
    for name, value in (named | {"hparam_domain_discrete": domains}).items():
        if not isinstance(value, dict):
            raise TypeError(f"parameter: {name} should be a dictionary, nothing logged.")
    for name, choices in domains.items():
        kind = type(hparam_dict.get(name))
        is_list = name in hparam_dict and isinstance(choices, list)
        if not is_list or not all(isinstance(choice, kind) for choice in choices):
            raise TypeError(
                f"parameter: hparam_domain_discrete[{name}] should be a list of same type as "
                f"hparam_dict[{name}]."
            )
    return domains


def _hparam_value(value: Any) -> tuple[str, str, Any]:
    """The protocol buffer's field, the plugin's type, and the value to store."""
    if isinstance(value, str):
        return "string_value", "DATA_TYPE_STRING", value
    if isinstance(value, rl.Tensor):
        value = value.item()
    if isinstance(value, (int, float)):  # bool too: PyTorch logs True as 1.0
        return "number_value", "DATA_TYPE_FLOAT64", value
    raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")
