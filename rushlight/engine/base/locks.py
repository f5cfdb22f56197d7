"""Locks of the process that a forked child does not inherit taken by a thread it does not have."""

import os
import threading


def process_lock():
    """An RLock that a fork waits for.  Of locks that are held together, make the inner one first:
    a fork takes the last one made first."""
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock
