"""`SummaryWriter`: TensorBoard's own reader gives back what was logged."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import (
    EventFileLoader,
    RawEventFileLoader,
)
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.util.tensor_util import make_ndarray

from rushlight.utils.tensorboard import SummaryWriter


@pytest.fixture
def writer(tmp_path):
    with SummaryWriter(tmp_path) as opened:
        yield opened


def read(writer):
    writer.close()
    log = EventAccumulator(str(writer.get_logdir()), size_guidance={"scalars": 0, "images": 0})
    log.Reload()
    return log


def events(folder):
    files = sorted(Path(folder).glob("events.out.tfevents.*"))
    return [event for file in files for event in EventFileLoader(str(file)).Load()]


def picture(event):
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))


def test_scalars(writer):
    for step, value in enumerate([1, 2.5, np.float32(3), torch.tensor(4.5), torch.ones(1, 1)]):
        writer.add_scalar("loss", value, torch.tensor(step), walltime=100.0 + step)
    got = read(writer).Scalars("loss")
    assert [e.value for e in got] == [1, 2.5, 3, 4.5, 1]
    assert [e.step for e in got] == [0, 1, 2, 3, 4] and got[1].wall_time == 101.0
    with pytest.raises(AssertionError, match="one element"):
        writer.add_scalar("loss", torch.ones(2))


def test_new_style_scalars_keep_double_precision(writer):
    writer.add_scalar("single", 1 / 3, new_style=True)
    writer.add_scalar("double", 1 / 3, new_style=True, double_precision=True)
    log = read(writer)
    assert make_ndarray(log.Tensors("single")[0].tensor_proto) == np.float32(1 / 3)
    assert make_ndarray(log.Tensors("double")[0].tensor_proto) == 1 / 3


def test_scalars_of_one_chart_have_their_own_files(writer, tmp_path):
    for step in range(2):
        writer.add_scalars("run/curve", {"sin": step, "cos": 1 - step}, step)
    writer.close()
    log = EventAccumulator(str(tmp_path / "run_curve_cos"))
    log.Reload()
    assert [e.value for e in log.Scalars("run/curve")] == [1, 0]


def test_histogram(writer):
    writer.add_histogram("weights", torch.tensor([[1.0, -2.0], [0.0, 1.0]]), 3)
    histogram = read(writer).Histograms("weights")[0]
    value = histogram.histogram_value
    assert histogram.step == 3
    assert (value.min, value.max, value.num, value.sum, value.sum_squares) == (-2, 1, 4, 0, 6)
    assert sum(value.bucket) == 4 and len(value.bucket) == len(value.bucket_limit)
    with pytest.raises(ValueError, match="no element"):
        writer.add_histogram("weights", torch.zeros(0))


def test_histogram_raw(writer):
    writer.add_histogram_raw("raw", 0, 2, 3, 4.0, 5.0, [1, 2], [2, 1])
    assert read(writer).Histograms("raw")[0].histogram_value.bucket == [2, 1]
    with pytest.raises(ValueError, match=r"len\(bucket_limits\)"):
        writer.add_histogram_raw("raw", 0, 2, 3, 4.0, 5.0, [1, 2, 3], [2, 1])


def test_images(writer):
    pixels = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).to(torch.uint8)
    writer.add_image("chw", pixels[0])
    writer.add_image("hw", pixels[0, 0].float() / 255, dataformats="HW")
    writer.add_images("batch", pixels, 7)
    log = read(writer)
    np.testing.assert_array_equal(
        picture(log.Images("chw")[0]), pixels[0].permute(1, 2, 0).numpy()
    )
    assert (picture(log.Images("hw")[0]) == pixels[0, 0].numpy()[:, :, None]).all()
    batch = log.Images("batch")[0]
    assert (batch.step, batch.height, batch.width) == (7, 4, 10)
    np.testing.assert_array_equal(
        picture(batch)[:, 5:], pixels[1].permute(1, 2, 0).numpy()
    )


def test_image_formats_are_checked(writer):
    with pytest.raises(AssertionError, match="same dimension shorthand twice"):
        writer.add_image("x", torch.zeros(3, 4, 5), dataformats="CCH")
    with pytest.raises(AssertionError, match="size of input tensor"):
        writer.add_image("x", torch.zeros(4, 5))
    with pytest.raises(AssertionError, match="3 channels"):
        writer.add_images("x", torch.zeros(1, 2, 4, 5))


def test_image_with_boxes(writer):
    boxes = torch.tensor([[2.0, 2, 30, 20]])
    writer.add_image_with_boxes("boxes", torch.zeros(3, 40, 40), boxes, labels="cat")
    pixels = picture(read(writer).Images("boxes")[0])
    assert (pixels[10, 2] == [255, 0, 0]).all() and (pixels[35, 35] == 0).all()


def test_video_is_an_animation(writer):
    from PIL import Image

    writer.add_video("film", torch.rand(3, 5, 3, 8, 6), fps=10)
    event = read(writer).Images("film")[0]
    film = Image.open(io.BytesIO(event.encoded_image_string))
    assert (film.n_frames, film.size, film.info["duration"]) == (5, (24, 8), 100)


def test_audio(writer, capsys):
    writer.add_audio("tone", torch.tensor([[0.0, 0.5, -2.0]]), 1, sample_rate=8000)
    event = read(writer).Audio("tone")[0]
    assert (event.sample_rate, event.length_frames) == (8000, 3)
    samples = np.frombuffer(event.encoded_audio_string[-6:], "<i2")
    assert samples.tolist() == [0, 16383, -32767]
    assert "clipped" in capsys.readouterr().out


def test_text_and_tensors(writer):
    writer.add_text("note", "**bold** é")
    writer.add_tensor("half", torch.tensor([1.5, -2.0], dtype=torch.float16))
    writer.add_tensor("bf16", torch.tensor([[3.0]], dtype=torch.bfloat16))
    log = read(writer)
    note = make_ndarray(log.Tensors("note/text_summary")[0].tensor_proto)
    assert note.tolist() == ["**bold** é".encode()]
    half = make_ndarray(log.Tensors("half")[0].tensor_proto)
    assert half.dtype == np.float16 and half.tolist() == [1.5, -2.0]
    assert make_ndarray(log.Tensors("bf16")[0].tensor_proto).tolist() == [[3.0]]


def test_precision_recall(writer):
    labels, scores = torch.tensor([0, 1, 1, 0]), torch.tensor([0.1, 0.9, 0.4, 0.6])
    writer.add_pr_curve("pr", labels, scores, num_thresholds=3)
    writer.add_pr_curve_raw("raw", *np.ones((6, 3)), num_thresholds=3)
    log = read(writer)
    tp, fp, tn, fn, precision, recall = make_ndarray(log.Tensors("pr")[0].tensor_proto)
    assert (tp + fp + tn + fn == 4).all()
    assert tp.tolist() == [2, 1, 0] and fp.tolist() == [2, 1, 0]
    assert precision.tolist() == [0.5, 0.5, 0] and recall.tolist() == [1, 0.5, 0]
    assert make_ndarray(log.Tensors("raw")[0].tensor_proto).shape == (6, 3)


def test_custom_scalars(writer):
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

    writer.add_custom_scalars({"a": {"m": ["Multiline", ["x", "y"]], "g": ["Margin", list("vlu")]}})
    writer.add_custom_scalars_multilinechart(["x"])
    writer.add_custom_scalars_marginchart(["v", "l", "u"])
    stored = read(writer).Tensors("custom_scalars__config__")
    layout = Layout.FromString(make_ndarray(stored[0].tensor_proto).item())
    assert [chart.title for chart in layout.category[0].chart] == ["m", "g"]
    assert layout.category[0].chart[1].margin.series[0].upper == "u"
    with pytest.raises(AssertionError, match="3 tags"):
        writer.add_custom_scalars_marginchart(["v"])


def test_mesh(writer):
    vertices = torch.rand(1, 4, 3)
    faces = torch.tensor([[[0, 1, 2], [1, 2, 3]]])
    writer.add_mesh("cube", vertices, faces=faces, config_dict={"camera": {"cls": "Perspective"}})
    log = read(writer)
    np.testing.assert_array_equal(
        make_ndarray(log.Tensors("cube_VERTEX")[0].tensor_proto), vertices.numpy()
    )
    assert make_ndarray(log.Tensors("cube_FACE")[0].tensor_proto).shape == (1, 2, 3)


def test_hparams(writer, tmp_path):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    chosen = {"lr": 0.1, "net": "conv", "wide": True, "none": None, "t": torch.tensor([2.0])}
    writer.add_hparams(chosen, {"score": 0.9}, {"net": ["conv", "mlp"]}, run_name="trial")
    packed = {
        value.tag: HParamsPluginData.FromString(value.metadata.plugin_data.content)
        for event in events(tmp_path / "trial")
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    }
    start = packed["_hparams_/session_start_info"].session_start_info.hparams
    assert start["lr"].number_value == 0.1 and start["net"].string_value == "conv"
    assert start["wide"].number_value == 1.0 and start["t"].number_value == 2.0
    experiment = packed["_hparams_/experiment"].experiment
    assert [info.name for info in experiment.hparam_infos] == ["lr", "net", "wide", "t"]
    choices = experiment.hparam_infos[1].domain_discrete.values
    assert [choice.string_value for choice in choices] == ["conv", "mlp"]
    log = EventAccumulator(str(tmp_path / "trial"))
    log.Reload()
    assert log.Scalars("score")[0].value == pytest.approx(0.9)


def test_hparams_are_checked(writer):
    with pytest.raises(TypeError, match="should be a dictionary"):
        writer.add_hparams([], {})
    with pytest.raises(TypeError, match="list of same type"):
        writer.add_hparams({"lr": 0.1}, {}, {"lr": ["a"]})
    with pytest.raises(ValueError, match="one of int, float, str, bool"):
        writer.add_hparams({"lr": object()}, {})


def test_embedding(writer, tmp_path):
    vectors = torch.arange(6.0).reshape(3, 2)
    labels = [["a", 1], ["b", 2], ["c", 3]]
    writer.add_embedding(
        vectors, labels, torch.rand(3, 3, 4, 4), 5, "my/words", metadata_header=["name", "id"]
    )
    writer.add_embedding(vectors, global_step=6)
    folder = tmp_path / "00005" / "my%2fwords"
    assert (folder / "tensors.tsv").read_text() == "0.0\t1.0\n2.0\t3.0\n4.0\t5.0\n"
    assert (folder / "metadata.tsv").read_text() == "name\tid\na\t1\nb\t2\nc\t3\n"
    assert (folder / "sprite.png").exists()
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_name: "my/words:00005"' in config and "00006/default/tensors.tsv" in config
    with pytest.raises(AssertionError, match="#labels"):
        writer.add_embedding(vectors, ["one"], global_step=7)


def test_graphs_are_refused(writer):
    with pytest.raises(NotImplementedError, match="add_graph"):
        writer.add_graph(torch.nn.Linear(2, 2), torch.zeros(1, 2))
    with pytest.raises(NotImplementedError, match="add_onnx_graph"):
        writer.add_onnx_graph("model.onnx")


def test_figure_needs_matplotlib_or_draws(writer):
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        with pytest.raises(ImportError, match="pip install matplotlib"):
            writer.add_figure("plot", None)
        return
    writer.add_figure("plot", plt.figure(figsize=(2, 1), dpi=50))
    event = read(writer).Images("plot")[0]
    assert (event.width, event.height) == (100, 50)


def test_purge_step_hides_a_cut_run(tmp_path):
    with SummaryWriter(tmp_path) as first:
        for step in range(4):
            first.add_scalar("loss", step, step, walltime=1.0 + step)
    with SummaryWriter(tmp_path, purge_step=2, filename_suffix=".second") as second:
        second.add_scalar("loss", 20, 2)
    assert [e.value for e in read(second).Scalars("loss")] == [0, 1, 20]
    assert list(tmp_path.glob("*.second"))


def test_default_folder_and_reopening(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = SummaryWriter(comment="-try")
    assert Path(writer.get_logdir()).parent.name == "runs"
    assert str(writer.get_logdir()).endswith("-try")
    writer.close()
    writer.add_scalar("late", 1.0)
    assert read(writer).Scalars("late")[0].value == 1.0


def test_an_open_writer_is_closed_at_exit(tmp_path):
    program = (
        "from rushlight.utils.tensorboard import SummaryWriter\n"
        f"writer = SummaryWriter({str(tmp_path)!r})\n"
        "for step in range(30): writer.add_scalar('loss', step, step)\n"
    )
    root = str(Path(torch.__file__).resolve().parent.parent)
    subprocess.run(
        [sys.executable, "-c", program], check=True, env=os.environ | {"PYTHONPATH": root}
    )
    log = EventAccumulator(str(tmp_path))
    log.Reload()
    assert len(log.Scalars("loss")) == 30


def test_missing_extra_is_named(tmp_path):
    program = (
        "import sys\n"
        "sys.modules['tensorboard'] = None\n"
        "try:\n"
        "    import rushlight.utils.tensorboard\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    root = str(Path(torch.__file__).resolve().parent.parent)
    environment = os.environ | {"PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert "pip install 'rushlight[tensorboard]'" in done.stdout, done.stderr


def test_a_file_written_by_pytorch_is_written_the_same(writer, tmp_path):
    """A log of scalars that PyTorch wrote on someone's machine, event by event, byte by byte."""
    data = os.environ.get("RUSHLIGHT_TEST_DATA")
    if not data:
        pytest.skip("RUSHLIGHT_TEST_DATA is not set")
    (file,) = Path(data, "tensorboard-events").glob("events.out.tfevents.*")
    theirs = list(RawEventFileLoader(str(file)).Load())
    for event in map(Event.FromString, theirs[1:]):
        (value,) = event.summary.value
        writer.add_scalar(value.tag, value.simple_value, event.step, event.wall_time)
    writer.close()
    (file,) = tmp_path.glob("events.out.tfevents.*")
    assert list(RawEventFileLoader(str(file)).Load())[1:] == theirs[1:] and len(theirs) == 101
