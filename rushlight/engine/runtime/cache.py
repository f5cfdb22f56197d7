"""The on-disk object cache: compiled kernels by the hash of what they were made from.

One file per kernel: a digest of the content, then the object code.  Files are written aside and
moved into place, so processes never see half of one; what does not verify is ignored and rewritten.
Location: RUSHLIGHT_CACHE_DIR, else the user's cache folder; RUSHLIGHT_CACHE=0 switches it off.
"""

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

FORMAT = "rushlight-kernel-2"
LIMIT_BYTES = 256 << 20
TRIM_EVERY = 64  # stores between looks at the size
STALE_SECONDS = 3600
_DIGEST = 32
counters = {"compiled": 0, "loaded": 0, "stored": 0}


def folder():
    """Where objects are kept, or None where caching is off."""
    if os.environ.get("RUSHLIGHT_CACHE", "1") == "0":
        return None
    given = os.environ.get("RUSHLIGHT_CACHE_DIR")
    if given:
        return Path(given)
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or home / ".cache"
    return Path(base) / "rushlight"


def key_of(*parts):
    """The name of an object made from these texts."""
    return hashlib.sha256("\0".join((FORMAT, *parts)).encode()).hexdigest()[:40]


def load(key):
    """The object's bytes, or None where there is no intact one."""
    where = folder()
    if where is None:
        return None
    path = where / f"{key}.o"
    try:
        content = path.read_bytes()
    except OSError:
        return None
    code = content[_DIGEST:]
    if not code or _digest(key, code) != content[:_DIGEST]:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # the files used longest ago go first
    counters["loaded"] += 1
    return code


def store(key, code):
    """Keep an object; failures (no space, no rights) only cost the next process a compilation."""
    where = folder()
    if where is None:
        return
    with contextlib.suppress(OSError):
        where.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=where, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as f:
                f.write(_digest(key, code) + code)
            os.replace(name, where / f"{key}.o")
        except OSError:
            os.unlink(name)
            raise
        counters["stored"] += 1
        if counters["stored"] % TRIM_EVERY == 1:
            trim(where)


def usage():
    """(number of objects kept, their bytes)."""
    where, sizes = folder(), []
    for f in where.glob("*.o") if where else ():
        with contextlib.suppress(OSError):  # another process has just dropped it
            sizes.append(f.stat().st_size)
    return len(sizes), sum(sizes)


def _digest(key, code):
    return hashlib.sha256(key.encode() + code).digest()


def trim(where, limit=LIMIT_BYTES):
    """Drop the files used longest ago beyond the size limit, and what killed processes left."""
    now = time.time()
    files = []
    for f in where.iterdir():
        with contextlib.suppress(OSError):
            found = f.stat()
            if f.suffix == ".o":
                files.append((found.st_mtime, found.st_size, f))
            elif f.suffix == ".tmp" and now - found.st_mtime > STALE_SECONDS:
                f.unlink()
    total = sum(size for _, size, _ in files)
    for _, size, f in sorted(files):
        if total <= limit:
            break
        with contextlib.suppress(OSError):
            f.unlink()
        total -= size
