"""Checkpoints: what PyTorch wrote is read, what is written is what PyTorch writes, nothing runs.

The files of PyTorch are recorded by tests/recorded/serialization.py.
"""

import base64
import collections
import gzip
import io
import json
import mmap
import os
import pickle
import stat
import struct
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight.frontend import serialization
from rushlight.frontend.serialization_zip import ZipReader, ZipWriter

RECORDED = Path(__file__).parents[1] / "recorded" / "serialization.json"
FILES = {name: base64.b64decode(text) for name, text in json.loads(RECORDED.read_text()).items()}
FORMATS = ["zip", "legacy"]


def saved(obj, **options):
    buffer = io.BytesIO()
    torch.save(obj, buffer, **options)
    buffer.seek(0)
    return buffer


def reloaded(obj, *, load=None, **options):
    return torch.load(saved(obj, **options), **(load or {}))


def views():
    base = torch.arange(6.0).reshape(2, 3)
    return {"base": base, "row": base[1], "transposed": base.t(), "alone": torch.ones(2)}


def same_storage(a, b):
    return a.untyped_storage()._key() == b.untyped_storage()._key()


# --- files of PyTorch ------------------------------------------------------------------------


def recorded(name, **options):
    return torch.load(io.BytesIO(FILES[name]), **options)


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("form", FORMATS)
def test_views_of_pytorch_share_storage(form, weights_only):
    got = recorded(f"views-{form}", weights_only=weights_only)
    assert got["base"].tolist() == [[0, 1, 2], [3, 4, 5]]
    got["base"][1, 0] = 30
    assert got["row"].tolist() == [30, 4, 5]
    assert got["transposed"].tolist() == [[0, 30], [1, 4], [2, 5]]
    assert got["transposed"].stride() == (1, 3)
    assert not same_storage(got["alone"], got["base"])


@pytest.mark.parametrize("form", FORMATS)
def test_dtypes_of_pytorch(form):
    for name, tensor in recorded(f"dtypes-{form}").items():
        assert tensor.dtype is getattr(torch, name)
        expected = [[False, True], [True, True]] if name == "bool" else [[0, 1], [2, 3]]
        assert tensor.tolist() == expected


@pytest.mark.parametrize("form", FORMATS)
def test_state_dict_of_pytorch(form):
    got = recorded(f"state_dict-{form}")
    assert type(got) is OrderedDict
    assert {key: value.tolist() for key, value in got.items()} == {
        "weight": [[0.5, -0.5]],
        "bias": [2.0],
    }
    assert got._metadata == {"": {"version": 1}}


@pytest.mark.parametrize("form", FORMATS)
def test_training_state_of_pytorch(form):
    got = recorded(f"training-{form}")
    assert isinstance(got["weight"], torch.nn.Parameter) and got["weight"].requires_grad
    assert got["weight"].tolist() == [1.0, 1.0]
    assert got["optimizer"]["state"][0]["exp_avg"].tolist() == pytest.approx([0.1, 0.1])
    assert got["optimizer"]["param_groups"][0]["lr"] == 0.1


@pytest.mark.parametrize("form", FORMATS)
def test_plain_values_of_pytorch(form):
    got = recorded(f"plain-{form}")
    assert got["size"] == torch.Size([2, 3]) and type(got["size"]) is torch.Size
    assert got["dtype"] is torch.float16
    assert got["device"] == torch.device("cpu")
    assert got["bytes"] == b"\x00\xff" and got["set"] == {1} and got["none"] is None
    assert got["tuple"] == (1, "a", 2.5, True) and got["big"] == 2**80
    assert got["empty"].shape == (0, 3) and got["scalar"].item() == 7
    assert got["grad"].requires_grad and got["grad"].is_leaf
    assert got["meta"].device.type == "meta" and got["meta"].shape == (2, 3)


def without_id(data):
    """The archive without its serialization id, which differs between writers, and its CRC."""
    info = zipfile.ZipFile(io.BytesIO(data)).getinfo("archive/.data/serialization_id")
    content = zipfile.ZipFile(io.BytesIO(data)).read(info)
    assert len(content) == 40 and content.isdigit()
    return data.replace(content, b"").replace(struct.pack("<L", info.CRC), b"")


@pytest.mark.parametrize("name", ["views", "dtypes", "state_dict"])
def test_written_archives_are_pytorchs_byte_for_byte(name):
    again = saved(recorded(f"{name}-zip")).getvalue()
    assert without_id(again) == without_id(FILES[f"{name}-zip"])


# --- what tensors keep -----------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_views_survive(form):
    got = reloaded(views(), _use_new_zipfile_serialization=form == "zip")
    got["base"].fill_(1)
    assert got["row"].tolist() == [1, 1, 1] and same_storage(got["transposed"], got["base"])


def test_a_view_takes_its_whole_storage_along():
    got = reloaded(torch.arange(100)[90:95])
    assert got.tolist() == [90, 91, 92, 93, 94]
    assert got.storage_offset() == 90 and got.untyped_storage().nbytes() == 800


def test_one_storage_with_two_dtypes_is_refused():
    base = torch.zeros(4)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        saved([base, base.view(torch.int32)])


def test_attributes_and_subclasses():
    class Named(torch.Tensor):
        pass

    Named.__module__, Named.__qualname__ = __name__, "Named"
    globals()["Named"] = Named
    tensor = torch.ones(2).as_subclass(Named)
    tensor.note = "hello"
    with pytest.raises(pickle.UnpicklingError, match="Unsupported global"):
        reloaded(tensor)
    with serialization.safe_globals([Named]):
        got = reloaded(tensor)
    assert type(got) is Named and got.note == "hello" and got.tolist() == [1, 1]


def test_gradients_and_history_stay_behind():
    tensor = torch.ones(2, requires_grad=True)
    (tensor * 2).sum().backward()
    got = reloaded({"leaf": tensor, "result": tensor * 2})
    assert got["leaf"].grad is None and got["leaf"].requires_grad
    assert got["result"].is_leaf and got["result"].requires_grad


def test_parameter_keeps_its_attributes():
    parameter = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    parameter.partition = 3
    got = reloaded(parameter)
    assert type(got) is torch.nn.Parameter and got.partition == 3 and not got.requires_grad


@pytest.mark.parametrize("form", FORMATS)
def test_whole_modules(form):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
    buffer = saved(model, _use_new_zipfile_serialization=form == "zip")
    assert b"rushlight" not in buffer.getvalue()
    with pytest.raises(pickle.UnpicklingError, match=r"torch\.nn\.modules\.container\.Sequential"):
        torch.load(buffer)
    buffer.seek(0)
    got = torch.load(buffer, weights_only=False)
    x = torch.ones(1, 3)
    assert got(x).tolist() == model(x).tolist()


def test_storages_are_saved_themselves():
    storage = reloaded(torch.tensor([1, 2]).untyped_storage())
    assert storage.dtype is torch.uint8 and storage.tolist()[::8] == [1, 2]
    again = pickle.loads(pickle.dumps(storage))
    assert again.tolist() == storage.tolist() and len(again) == 16 and again[8] == 2


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("weights_only", [True, False])
def test_protocols(protocol, weights_only):
    value = {"x": torch.ones(2), "y": torch.float32, "z": [b"b", "s", {1}, 2**40]}
    got = reloaded(value, pickle_protocol=protocol, load={"weights_only": weights_only})
    assert got["x"].tolist() == [1, 1] and got["y"] is torch.float32 and got["z"] == value["z"]


def test_sparse_tensors():
    if not hasattr(torch, "sparse_coo_tensor"):
        pytest.skip("no sparse tensors yet")
    got = reloaded(torch.eye(3).to_sparse())
    assert got.to_dense().tolist() == torch.eye(3).tolist()


# --- files -----------------------------------------------------------------------------------


def test_path_names_the_archive(tmp_path):
    for name, root in [("a.b.pt", "a.b"), ("plain", "plain"), ("é.pt", "archive")]:
        torch.save(torch.ones(1), tmp_path / name)
        assert zipfile.ZipFile(tmp_path / name).namelist()[0] == f"{root}/data.pkl"
        assert torch.load(str(tmp_path / name)).tolist() == [1]


class Unpicklable:
    def __reduce__(self):
        raise ValueError("no")


def test_a_failed_save_keeps_the_old_file(tmp_path):
    path = tmp_path / "x.pt"
    torch.save(1, path)
    with pytest.raises(ValueError, match="no"):
        torch.save(Unpicklable(), path)
    assert torch.load(path) == 1 and os.listdir(tmp_path) == ["x.pt"]


def test_a_save_keeps_permissions_and_links(tmp_path):
    path, link = tmp_path / "x.pt", tmp_path / "link.pt"
    torch.save(1, path)
    os.chmod(path, 0o640)
    os.symlink(path, link)
    torch.save(2, link)
    assert link.is_symlink() and torch.load(path) == 2
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640


def test_missing_folder(tmp_path):
    with pytest.raises(RuntimeError, match=r"Parent directory .* does not exist"):
        torch.save(1, tmp_path / "no" / "x.pt")


def test_not_a_file():
    with pytest.raises(AttributeError, match="expected 'f' to be string, path"):
        torch.save(1, 5)
    with pytest.raises(AttributeError, match="seekable"):
        torch.load(5)


@pytest.mark.parametrize("form", FORMATS)
def test_streams_that_only_write(form):
    parts = []

    class Stream:
        write = staticmethod(lambda data: parts.append(bytes(data)))
        flush = staticmethod(lambda: None)

    torch.save(torch.ones(2), Stream(), _use_new_zipfile_serialization=form == "zip")
    assert torch.load(io.BytesIO(b"".join(parts))).tolist() == [1, 1]


@pytest.mark.parametrize("weights_only", [True, False])
def test_several_objects_in_one_file(tmp_path, weights_only):
    with open(tmp_path / "x.bin", "wb+") as file:
        for value in range(3):
            torch.save(torch.full((2,), value), file, _use_new_zipfile_serialization=False)
        file.seek(0)
        got = [torch.load(file, weights_only=weights_only).tolist() for _ in range(3)]
        assert got == [[0, 0], [1, 1], [2, 2]] and file.read() == b""


def test_gzip(tmp_path):
    with gzip.open(tmp_path / "x.gz", "wb") as file:
        torch.save(torch.ones(2), file, _use_new_zipfile_serialization=False)
    with gzip.open(tmp_path / "x.gz", "rb") as file:
        assert torch.load(file).tolist() == [1, 1]


def test_other_zip_tools_may_compress(tmp_path):
    source = zipfile.ZipFile(saved(views()))
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert torch.load(tmp_path / "x.pt")["row"].tolist() == [3, 4, 5]
    with pytest.raises(RuntimeError, match="compressed"):
        torch.load(tmp_path / "x.pt", mmap=True)


def test_mmap_is_private_by_default(tmp_path):
    path = tmp_path / "x.pt"
    torch.save(views(), path)
    got = torch.load(path, mmap=True)
    got["base"][1, 0] = 30
    assert got["row"].tolist() == [30, 4, 5]
    assert torch.load(path)["row"].tolist() == [3, 4, 5]


@pytest.mark.skipif(not hasattr(mmap, "MAP_SHARED"), reason="the system has no shared mappings")
def test_mmap_may_be_shared(tmp_path):
    path = tmp_path / "x.pt"
    torch.save(torch.zeros(4), path)
    with serialization.set_default_mmap_options(mmap.MAP_SHARED):
        torch.load(path, mmap=True).untyped_storage()._numpy_bytes()[3] = 64
    assert serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    assert torch.load(path).tolist() == [2, 0, 0, 0]


def test_mmap_wants_a_path_and_the_zip_format(tmp_path):
    with pytest.raises(ValueError, match="f must be a file path"):
        torch.load(saved(1), mmap=True)
    torch.save(1, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="mmap can only be used with files saved with"):
        torch.load(tmp_path / "x.pt", mmap=True)


@pytest.mark.parametrize("kept", [0, 3, 100, -1])
@pytest.mark.parametrize("form", FORMATS)
def test_truncated_files(form, kept):
    data = saved(views(), _use_new_zipfile_serialization=form == "zip").getvalue()[:kept]
    with pytest.raises((RuntimeError, EOFError, pickle.UnpicklingError)):
        torch.load(io.BytesIO(data))


def test_checksums_may_be_left_out():
    serialization.set_crc32_options(False)
    try:
        buffer = saved(torch.ones(2))
    finally:
        serialization.set_crc32_options(True)
    assert torch.load(buffer).tolist() == [1, 1]
    assert zipfile.ZipFile(buffer).getinfo("archive/data/0").CRC == 0


def archive(pickled, records=None, root="archive"):
    buffer = io.BytesIO()
    writer = ZipWriter(buffer.write, root)
    for name, data in {"data.pkl": pickled, **(records or {})}.items():
        writer.add(name, data)
    writer.close()
    buffer.seek(0)
    return buffer


def test_big_endian_files():
    source = ZipReader(saved({"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([1j, 2])}))
    records = {
        "byteorder": b"big",
        "data/0": np.array([1, 2], ">f4").tobytes(),
        "data/1": np.array([1j, 2], ">c8").tobytes(),
    }
    got = torch.load(archive(source.read("data.pkl"), records))
    assert got["a"].tolist() == [1, 2] and got["b"].tolist() == [1j, 2]
    serialization.set_default_load_endianness(serialization.LoadEndianness.BIG)
    try:
        del records["byteorder"]
        assert torch.load(archive(source.read("data.pkl"), records))["a"].tolist() == [1, 2]
    finally:
        serialization.set_default_load_endianness(None)
    with pytest.raises(ValueError, match="Unknown endianness type"):
        torch.load(archive(source.read("data.pkl"), {"byteorder": b"middle"}))


def test_torchscript_archives_are_told_apart():
    with pytest.raises(RuntimeError, match="TorchScript"):
        torch.load(archive(b"", {"constants.pkl": b""}))


def test_records_start_at_multiples_of_64_with_zip64_where_needed(monkeypatch):
    monkeypatch.setattr("rushlight.frontend.serialization_zip._LIMIT", 1000)
    written = []
    writer = ZipWriter(written.append)
    writer.add("small", b"abc")
    writer.add("large", bytes(2000))
    writer.add("late", b"xyz")
    data = b"".join(map(bytes, written))
    # The local header, its zip64 field (two sizes, then only the position) and the padding.
    for name, field in (("large", 20), ("late", 12)):
        start = data.index(f"archive/{name}".encode()) - 30
        name_length, extra_length = struct.unpack_from("<2H", data, start + 26)
        assert (start + 30 + name_length + extra_length) % 64 == 0
        kind, size = struct.unpack_from("<2H", data, start + 30 + name_length)
        assert (kind, size) == (1, field - 4)
    assert data.count(struct.pack("<QQ", 2000, 2000)) == 1  # the data descriptor


# --- where storages go -----------------------------------------------------------------------


def cuda_checkpoint():
    pickled = ZipReader(saved(torch.ones(2))).read("data.pkl")
    pickled = pickled.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
    return archive(pickled, {"data/0": np.ones(2, np.float32).tobytes()})


@pytest.mark.parametrize(
    "map_location",
    ["cpu", torch.device("cpu"), {"cuda:0": "cpu"}, lambda storage, location: storage],
    ids=["str", "device", "dict", "function"],
)
def test_map_location(map_location):
    assert torch.load(cuda_checkpoint(), map_location=map_location).tolist() == [1, 1]


def test_map_location_function_may_decline():
    seen = []
    got = torch.load(saved(torch.ones(2)), map_location=lambda s, where: seen.append(where))
    assert got.tolist() == [1, 1] and seen == ["cpu"]


@pytest.mark.parametrize("map_location", [None, {"cuda:1": "cpu"}, "cuda"])
def test_devices_that_are_not_here(map_location):
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        torch.load(cuda_checkpoint(), map_location=map_location)
    with pytest.raises(RuntimeError, match="don't know how to restore data location"):
        torch.load(saved(torch.ones(2)), map_location="moon")


@pytest.mark.parametrize("form", FORMATS)
def test_loading_to_meta(form):
    buffer = saved(views(), _use_new_zipfile_serialization=form == "zip")
    got = torch.load(buffer, map_location="meta")
    assert got["transposed"].device.type == "meta"
    assert got["transposed"].shape == (3, 2) and got["transposed"].stride() == (1, 3)


# --- old formats -----------------------------------------------------------------------------


class Name:
    """Pickled as the class it names."""

    def __init__(self, name):
        self.name = name


class OldPickler(pickle._Pickler):
    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Name):
            self.write(pickle.GLOBAL + f"torch\n{obj.name}\n".encode())
        else:
            super().save(obj, save_persistent_id)

    def persistent_id(self, obj):
        return obj.id if isinstance(obj, Persistent) else None


class Persistent:
    def __init__(self, persistent):
        self.id = persistent


def old_pickle(obj):
    buffer = io.BytesIO()
    OldPickler(buffer, 2).dump(obj)
    return buffer.getvalue()


def elements(*values):
    return struct.pack(f"<q{len(values)}f", len(values), *values)


def old_tar():
    """What PyTorch 0.1 wrote: storage 11, storage 12 a view of its elements 2 to 6, two tensors."""
    storages = old_pickle(1) + old_pickle((11, "cpu", Name("FloatStorage")))
    storages += elements(*range(6)) + old_pickle([(12, 11, 2, 4)])
    tensors = old_pickle(2)
    for key, storage, size, stride, offset in (
        (1, 11, (2, 3), (3, 1), 0),
        (2, 12, (2,), (2,), 1),
    ):
        tensors += old_pickle((key, storage, Name("FloatTensor")))
        tensors += struct.pack(f"<{2 + 2 * len(size)}q", len(size), *size, *stride, offset)
    members = {
        "storages": storages,
        "tensors": tensors,
        "pickle": old_pickle({"a": Persistent("1"), "b": Persistent("2")}),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    buffer.seek(0)
    return buffer


def test_tar_files():
    with pytest.raises(RuntimeError, match="weights_only=True.* legacy .tar format"):
        torch.load(old_tar())
    got = torch.load(old_tar(), weights_only=False)
    assert got["a"].tolist() == [[0, 1, 2], [3, 4, 5]] and got["b"].tolist() == [3, 5]
    got["a"][1, 0] = 30
    assert got["b"].tolist() == [30, 5]


class Rebuild:
    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        from rushlight._utils import _rebuild_tensor

        return _rebuild_tensor, self.arguments


def test_views_of_storages():
    view = Persistent(("storage", Name("FloatStorage"), "7", "cpu", 6, ("8", 2, 4)))
    root = Persistent(("storage", Name("FloatStorage"), "7", "cpu", 6, None))
    pickled = old_pickle([Rebuild(root, 0, (6,), (1,)), Rebuild(view, 1, (2,), (2,))])
    header = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    data = header + pickled.replace(b"rushlight.frontend.serialization_rebuild", b"torch._utils")
    data += pickle.dumps(["7"], 2) + elements(*range(6))
    whole, part = torch.load(io.BytesIO(data))
    assert whole.tolist() == [0, 1, 2, 3, 4, 5] and part.tolist() == [3, 5]
    whole[3] = 30
    assert part.tolist() == [30, 5]


def test_wrong_magic_number():
    with pytest.raises(RuntimeError, match="Invalid magic number"):
        torch.load(io.BytesIO(pickle.dumps(5, 2)))


# --- untrusted files -------------------------------------------------------------------------

ran = []


def run(*args):
    ran.append(args)
    return {}


class Evil:
    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce_ex__(self, protocol):
        return self.reduced


def refuses(pickled, match):
    with pytest.raises(pickle.UnpicklingError, match=r"(?s)Weights only load failed.*" + match):
        torch.load(archive(pickled))
    assert not ran


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("obj", "match"),
    [
        (Evil(run, (1,)), r"Unsupported global: GLOBAL \S*test_serialization\.run"),
        (Evil(eval, ("run(1)",)), "Unsupported global: GLOBAL eval"),
        (Evil(os.system, ("true",)), "whose module .* is blocked"),
        (Evil(getattr, (1, "real")), "Unsupported global: GLOBAL getattr"),
        (Evil(collections.deque, ([1],)), "Unsupported global: GLOBAL collections.deque"),
    ],
    ids=["own", "eval", "system", "getattr", "deque"],
)
def test_functions_are_refused(obj, match, protocol):
    refuses(pickle.dumps(obj, protocol), match)


def opcodes(*parts):
    return b"\x80\x02" + b"".join(parts) + b"."


ORDERED = b"ccollections\nOrderedDict\n"
TENSOR = b"ctorch\nTensor\n"
DEVICE = b"ctorch\ndevice\n(X\x03\x00\x00\x00cputR"


@pytest.mark.parametrize(
    ("pickled", "match"),
    [
        (opcodes(b"c__builtin__\nset\n(]tR", b"(K\x01e"), "Can only extend lists"),
        (opcodes(b"]K\x01K\x02s"), "Can only SETITEM for dict"),
        (opcodes(b"K\x01)R"), "Trying to call reduce for unrecognized function"),
        (opcodes(b"K\x01)\x81"), "Can only create new object"),
        (opcodes(DEVICE, b"}X\x04\x00\x00\x00typeK\x01sb"), "Can only build"),
        (opcodes(TENSOR, b"}X\x04\x00\x00\x00item", ORDERED, b"sb"), "Can only build"),
        (opcodes(b"(c__builtin__\neval\nX\x01\x00\x00\x001o"), "GLOBAL eval"),
        (opcodes(b"(i__builtin__\neval\n"), "Unsupported operand"),
        (opcodes(b"\x82\x01"), "Unsupported operand"),
        (opcodes(b"X\x01\x00\x00\x00aQ"), "Only persistent_load of storage"),
        (opcodes(b"X\x06\x00\x00\x00module\x85Q"), "Only persistent_load of storage"),
        (opcodes(b"h\x07"), "Memo value not found"),
        (opcodes(b"K\x01\x86"), "corrupted"),
        (opcodes(b"ctorch.storage\n_load_from_bytes\n"), "_load_from_bytes"),
        (opcodes(b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00zlbtR"), "zlb"),
    ],
)
def test_opcodes_are_refused(pickled, match):
    refuses(pickled, match)


def test_blocked_modules_stay_blocked():
    with serialization.safe_globals([os.system, (os.system, "posix.system")]):
        refuses(pickle.dumps(Evil(os.system, ("true",)), 2), "is blocked")


def test_extension_codes_are_refused_even_if_registered():
    with serialization.safe_globals([run]):
        refuses(opcodes(b"\x82\x01"), "Unsupported operand 130")


def forged(size, stride, offset=0, numel=4, nbytes=16):
    """A checkpoint whose tensor has this geometry over a storage of `nbytes` bytes."""
    storage = Persistent(("storage", Name("FloatStorage"), "0", "cpu", numel))
    pickled = old_pickle(Rebuild(storage, offset, size, stride))
    pickled = pickled.replace(b"rushlight.frontend.serialization_rebuild", b"torch._utils")
    return archive(pickled, {"data/0": bytes(nbytes)})


def test_forged_checkpoint_is_otherwise_sound():
    assert torch.load(forged((2, 2), (2, 1))).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"size": (5,), "stride": (1,)}, "out of bounds for storage of size 16"),
        ({"size": (2,), "stride": (4,)}, "out of bounds"),
        ({"size": (4,), "stride": (1,), "offset": 1}, "out of bounds"),
        ({"size": (2**62, 2**62), "stride": (1, 1)}, "out of bounds"),
        ({"size": (2,), "stride": (-1,)}, "not negative"),
        ({"size": (2,), "stride": (1,), "offset": -1}, "not negative"),
        ({"size": (2,), "stride": ()}, "as many"),
        ({"size": (5,), "stride": (1,), "numel": 5}, "its storage needs 20"),
        ({"size": (1,), "stride": (1,), "numel": -1}, "corrupted"),
    ],
)
def test_tensors_stay_inside_their_storage(arguments, match):
    with pytest.raises(RuntimeError, match=match):
        torch.load(forged(**arguments))


def test_attributes_do_not_reach_the_inside_of_tensors():
    from rushlight._utils import _set_obj_state

    tensor = torch.ones(2)
    _set_obj_state(tensor, {"_grad": "forged", "note": 1})
    assert tensor.grad is None and tensor.note == 1
    for name in ("_meta", "__class__", "shape"):
        with pytest.raises(RuntimeError, match="Invalid serialized state"):
            _set_obj_state(tensor, ({}, {name: "forged"}))


class Config:
    def __init__(self, size):
        self.size = size


def test_safe_globals():
    with pytest.raises(pickle.UnpicklingError, match=r"add_safe_globals\(\[\S*Config\]\)"):
        reloaded(Config(3))
    serialization.add_safe_globals([Config])
    try:
        assert Config in serialization.get_safe_globals()
        assert reloaded(Config(3)).size == 3
    finally:
        serialization.clear_safe_globals()
    assert serialization.get_safe_globals() == []
    with serialization.safe_globals([(Config, "elsewhere.Settings")]):
        pickled = ZipReader(saved(Config(3))).read("data.pkl")
        pickled = pickled.replace(f"c{__name__}\nConfig\n".encode(), b"celsewhere\nSettings\n")
        assert type(torch.load(archive(pickled))) is Config


def test_unsafe_globals_are_listed_without_running_them():
    for protocol in (2, 4):
        buffer = saved({"a": Config(1), "b": torch.ones(1)}, pickle_protocol=protocol)
        found = serialization.get_unsafe_globals_in_checkpoint(buffer)
        assert found == [f"{__name__}.Config"]
    with pytest.raises(ValueError, match="Expected input to be a checkpoint"):
        serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(b"nothing"))


def test_weights_only_and_its_switches(monkeypatch, tmp_path):
    path = tmp_path / "x.pt"
    torch.save(Config(1), path)
    with pytest.raises(RuntimeError, match="Can not safely load weights when explicit pickle"):
        torch.load(path, weights_only=True, pickle_module=pickle)
    assert torch.load(path, pickle_module=pickle).size == 1
    with pytest.warns(UserWarning, match="pickle_load_args only works"):
        assert torch.load(saved(1), encoding="latin1") == 1
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.warns(UserWarning, match="forcing weights_only=False"):
        assert torch.load(path).size == 1
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(RuntimeError, match="Only one of"):
        torch.load(path)


def test_missing_classes_say_so():
    pickled = b"\x80\x02ctorch.nn.modules.nowhere\nNothing\n."
    with pytest.raises(AttributeError, match=r"torch\.nn\.modules\.nowhere\.Nothing.* not have"):
        torch.load(archive(pickled), weights_only=False)
    quantized = b"\x80\x02ctorch._utils\n_rebuild_qtensor\n)R."
    with pytest.raises(NotImplementedError, match="quantized"):
        torch.load(archive(quantized))


def test_strides_are_written_however_they_are_shared():
    """Metadata of many tensors may hold one tuple, which pickle would refer back to."""
    first = torch.zeros(3)
    second = torch.zeros(5).as_strided((3,), first.stride(), 1)
    assert second.stride() == (1,)
    parts = [pickle.dumps(t.__reduce_ex__(2)[1][2:4]) for t in (first, second)]
    assert parts[0] == parts[1]
    assert first.__reduce_ex__(2)[1][3] is not second.__reduce_ex__(2)[1][3]
