"""The on-disk object cache: compiled kernels by the hash of what they were made from.

One file per kernel: a digest of the content, then the object code.  Files are written aside and
moved into place, so processes never see half of one; what does not verify is ignored and rewritten.
Location: RUSHLIGHT_CACHE_DIR, else the user's cache folder; RUSHLIGHT_CACHE=0 switches it off.
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

FORMAT = "rushlight-kernel-1"
LIMIT_BYTES = 256 << 20
_DIGEST = 32
counters = {"compiled": 0, "loaded": 0}


def folder():
    """Where objects are kept, or None where caching is off."""
    if os.environ.get("RUSHLIGHT_CACHE", "1") == "0":
        return None
    given = os.environ.get("RUSHLIGHT_CACHE_DIR")
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "rushlight"


def key_of(*parts):
    """The name of an object made from these texts."""
    return hashlib.sha256("\0".join((FORMAT, *parts)).encode()).hexdigest()[:40]


def load(key):
    """The object's bytes, or None where there is no intact one."""
    where = folder()
    if where is None:
        return None
    try:
        content = (where / f"{key}.o").read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
        return None
    counters["loaded"] += 1
    return content[_DIGEST:]


def store(key, code):
    """Keep an object; failures (no space, no rights) only cost the next process a compilation."""
    where = folder()
    if where is None:
        return
    try:
        where.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=where, suffix=".tmp")
        with os.fdopen(handle, "wb") as f:
            f.write(hashlib.sha256(code).digest() + code)
        os.replace(name, where / f"{key}.o")
        _trim(where)
    except OSError:
        return


def _trim(where, every=64):
    """Now and then drop the oldest files beyond the size limit."""
    if counters["compiled"] % every:
        return
    files = sorted(
        ((f.stat().st_mtime, f.stat().st_size, f) for f in where.glob("*.o")),
        key=lambda entry: entry[0],
    )
    total = sum(size for _, size, _ in files)
    for _, size, f in files:
        if total <= LIMIT_BYTES:
            break
        f.unlink(missing_ok=True)
        total -= size
