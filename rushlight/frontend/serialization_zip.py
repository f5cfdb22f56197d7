"""The zip container of a checkpoint: stored records, byte for byte as PyTorch lays them out.

A record `data/0` of the archive `model` is written as

| bytes                     | content                                                            |
|---------------------------|--------------------------------------------------------------------|
| 30                        | local header; sizes and CRC zero, since they follow the data      |
| len("model/data/0")       | name                                                              |
| 0, 12, 20 or 28           | zip64 field, if the record or its position reaches 4 GiB          |
| 4 + padding               | field "FB", filled up with "Z": the data start at a multiple of 64 |
| size                      | data, not compressed                                              |
| 0, 16 or 24               | data descriptor (signature, CRC, size, size); none after no data  |

after all records come the central directory and its zip64 and plain end records. Since data are
aligned and not compressed, a reader can map them into memory. Imports nothing of ours.
"""

import struct
import zlib
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # modules that importing rushlight need not wait for are imported when used
    from zipfile import ZipInfo

_LIMIT = 0xFFFFFFFF  # what the 32-bit fields of the plain zip format cannot say
_CHUNK = 1 << 24  # written and summed in pieces that stay in the cache
_SIZES_FOLLOW, _UTF8 = 0x0008, 0x0800  # flags
_STORED = 0  # compression method


class ZipWriter:
    """Writes records to a stream that need not be seekable.

    Args:
        write: takes bytes-like objects, as a file's ``write``.
        root: folder inside the archive that holds all records.
        alignment: the data of each record start at a multiple of this many bytes.
        compute_crc32: False leaves the checksums zero; other zip tools then report damage.
    """

    def __init__(
        self,
        write: Callable[[Any], Any],
        root: str = "archive",
        alignment: int = 64,
        compute_crc32: bool = True,
    ):
        import hashlib

        self._write = write
        self._root = root
        self._alignment = alignment
        self._compute_crc32 = compute_crc32
        self._position = 0
        self._directory: list[bytes] = []
        self._names = hashlib.blake2b(digest_size=8)
        self._sums = hashlib.blake2b(digest_size=8)

    def add(self, name: str, data: Any) -> None:
        """Write one record; `data` is any contiguous bytes-like object."""
        view = memoryview(data).cast("B")
        path = f"{self._root}/{name}".encode()
        size, start = len(view), self._position
        flags = _UTF8 | (_SIZES_FOLLOW if size else 0)
        # PyTorch leaves the second of the sizes zero here; the one in the directory counts.
        zip64 = _zip64_field(size, 0, start)
        extra = zip64 + self._padding(start + 30 + len(path) + len(zip64))
        header = struct.pack(
            "<4s5H3L2H", b"PK\3\4", 0, flags, 0, 0, 0, 0, 0, 0, len(path), len(extra)
        )
        self._put(header + path + extra)
        crc = self._put_data(view)
        if size:
            widths = "<4sLQQ" if zip64 else "<4s3L"
            self._put(struct.pack(widths, b"PK\7\x08", crc, size, size))
        self._directory.append(_directory_entry(path, flags, crc, size, start))
        self._names.update(path + b"\0")
        self._sums.update(struct.pack("<LQ", crc, size))

    def close(self) -> None:
        """Write the format's own records and the central directory."""
        self.add("version", b"3\n")
        hashes = (int.from_bytes(h.digest(), "little") for h in (self._names, self._sums))
        self.add(".data/serialization_id", "".join(f"{h:020d}" for h in hashes).encode())
        start, count = self._position, len(self._directory)
        for entry in self._directory:
            self._put(entry)
        size = self._position - start
        end64 = struct.pack(
            "<4sQ2H2L4Q", b"PK\6\6", 44, 0x031E, 45, 0, 0, count, count, size, start
        )
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, self._position, 1)
        count16 = min(count, 0xFFFF)
        sizes = min(size, _LIMIT), min(start, _LIMIT)
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count16, count16, *sizes, 0)
        self._put(end64 + locator + end)

    def _padding(self, start: int) -> bytes:
        missing = -(start + 4) % self._alignment
        return struct.pack("<2sH", b"FB", missing) + b"Z" * missing

    def _put(self, data: Any) -> None:
        self._write(data)
        self._position += len(data)

    def _put_data(self, view: memoryview) -> int:
        crc = 0
        for begin in range(0, len(view), _CHUNK):
            chunk = view[begin : begin + _CHUNK]
            if self._compute_crc32:
                crc = zlib.crc32(chunk, crc)
            self._put(chunk)
        return crc


def _zip64_field(size: int, stored_size: int, start: int) -> bytes:
    """The extra field with the numbers that 32 bits cannot hold, or nothing."""
    values = ([size, stored_size] if size >= _LIMIT else []) + ([start] if start >= _LIMIT else [])
    if not values:
        return b""
    return struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values)


def _directory_entry(path: bytes, flags: int, crc: int, size: int, start: int) -> bytes:
    zip64 = _zip64_field(size, size, start)
    size32, start32 = min(size, _LIMIT), min(start, _LIMIT)
    lengths = len(path), len(zip64)
    fields = (0, 0, flags, 0, 0, 0, crc, size32, size32, *lengths, 0, 0, 0, 0, start32)
    return struct.pack("<4s6H3L5H2L", b"PK\1\2", *fields) + path + zip64


class ZipReader:
    """Reads the records of an archive in a seekable file.

    Raises: RuntimeError if the file is not a whole zip archive with all records in one folder.
    """

    def __init__(self, file: IO[bytes]):
        import zipfile

        self._file = file
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, struct.error, EOFError) as error:
            raise RuntimeError(
                "PytorchStreamReader failed reading zip archive: failed finding central directory "
                f"({error})\nhint: the file is damaged or was not written to its end"
            ) from None
        names = self._zip.namelist()
        self._root, slash, _ = names[0].partition("/") if names else ("", "", "")
        if not slash:
            raise RuntimeError(
                "PytorchStreamReader failed reading zip archive: file in archive is not in a "
                f"subdirectory: {names[0] if names else '(no files)'}"
            )

    def has(self, name: str) -> bool:
        """Whether there is a record `name`."""
        return f"{self._root}/{name}" in self._zip.NameToInfo

    def read(self, name: str) -> bytes:
        """The bytes of a record."""
        return self.read_array(name).tobytes()

    def read_array(self, name: str) -> np.ndarray:
        """The bytes of a record as a new uint8 array; checksums are not compared."""
        info = self._info(name)
        if info.compress_type != _STORED:
            return np.frombuffer(bytearray(self._zip.read(info)), np.uint8)
        self._file.seek(self._data_offset(info))
        return read_exactly(self._file, info.file_size, f"record {name}")

    def span(self, name: str) -> tuple[int, int]:
        """Where the data of a record lie in the file: offset and size in bytes."""
        info = self._info(name)
        if info.compress_type != _STORED:
            raise RuntimeError(f"record {name} is compressed and cannot be mapped into memory")
        return self._data_offset(info), info.file_size

    def _info(self, name: str) -> "ZipInfo":
        try:
            return self._zip.getinfo(f"{self._root}/{name}")
        except KeyError:
            raise RuntimeError(
                f"PytorchStreamReader failed locating file {name}: file not found"
            ) from None

    def _data_offset(self, info: "ZipInfo") -> int:
        self._file.seek(info.header_offset)
        header = self._file.read(30)
        if len(header) != 30 or header[:4] != b"PK\3\4":
            raise RuntimeError(f"invalid header of {info.filename}: the archive is corrupted")
        return info.header_offset + 30 + sum(struct.unpack("<2H", header[26:]))


def read_exactly(file: IO[bytes], size: int, what: str) -> np.ndarray:
    """Read `size` bytes into a new uint8 array.

    Raises: RuntimeError, naming `what`, if the file ends before that.
    """
    if size < 0:
        raise RuntimeError(f"invalid size of {what}: {size} bytes; the file is corrupted")
    result = np.empty(size, np.uint8)
    if hasattr(file, "readinto"):
        done = 0
        view = memoryview(result)  # type: ignore[arg-type]
        while done < size and (count := file.readinto(view[done:])):
            done += count
    else:
        data = file.read(size)
        done = len(data)
        result[:done] = np.frombuffer(data, np.uint8)
    if done != size:
        raise RuntimeError(f"unexpected EOF, expected {size} bytes of {what}, got {done}")
    return result
