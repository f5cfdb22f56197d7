"""What a DataLoader worker process does: fetch, collate and send back batches.

The loader and a worker share two pipes. Down the first come tasks, ``(FETCH, index)`` or
``(RESUME, None)``, or ``STOP``; up the second goes one reply for each task, in order: the
batch, an :class:`ExceptionWrapper`, ``STREAM_END`` once for an exhausted iterable (later tasks are
then skipped until RESUME), or ``RESUMED``. So replies need no numbers.

Everything handed to a worker can be pickled, as start methods other than fork need it.
The other side is in `iterators.py`.
"""

from __future__ import annotations

import contextlib
import enum
import os
import pickle
import queue
import random
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import frontend as rl

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from .dataset import Dataset

__all__ = ["ExceptionWrapper", "WorkerInfo", "get_worker_info", "worker_loop"]

STATUS_CHECK_INTERVAL_S = 5.0  # how often either side looks whether the other still lives
STOP = b"stop"  # in place of a pickled task


class Message(enum.Enum):
    """Messages between loader and worker beside indices and batches."""

    FETCH = enum.auto()
    RESUME = enum.auto()
    RESUMED = enum.auto()
    STREAM_END = enum.auto()


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a worker process knows about itself.

    Attributes:
        id: this worker, in [0, num_workers).
        num_workers: number of workers of the loader.
        seed: what `random` and the default generator of this worker were seeded with.
        dataset: this process's copy of the dataset.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Dataset


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """The :class:`WorkerInfo` of the current process; None outside a DataLoader worker."""
    return _worker_info


# -- errors that travel ----------------------------------------------------------------------


class KeyErrorMessage(str):
    """A text that is its own repr: KeyError shows the repr of its argument, newlines escaped."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """The exception being handled, as text that can be pickled, to be raised elsewhere.

    Args:
        exc_info: ``sys.exc_info()`` if None.
        where: completes "Caught <type> ...".
    """

    def __init__(self, exc_info=None, where: str = "in background") -> None:
        exc_info = exc_info or sys.exc_info()
        self.exc_type = exc_info[0]
        self.exc_msg = "".join(traceback.format_exception(*exc_info))
        self.where = where

    def reraise(self) -> None:
        """Raise an exception of the same type, whose message holds the original traceback."""
        message = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            message = KeyErrorMessage(message)
        elif getattr(self.exc_type, "message", None):
            raise self.exc_type(message=message)
        try:
            exception = self.exc_type(message)
        except Exception:  # its constructor wants other arguments
            raise RuntimeError(message) from None
        raise exception


# -- fetching, with or without worker processes ----------------------------------------------


class _MapDatasetFetcher:
    """Batches of a map-style dataset; the index is a key, or a list of them."""

    def __init__(self, dataset, auto_collation: bool, collate_fn: Callable, drop_last: bool):
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn

    def fetch(self, index):
        return self.collate_fn(self._samples(index) if self.auto_collation else self.dataset[index])

    def _samples(self, indices) -> list:
        if getattr(self.dataset, "__getitems__", None):
            return self.dataset.__getitems__(indices)
        return [self.dataset[i] for i in indices]


class _IterableDatasetFetcher:
    """Batches of an iterable-style dataset; of the index only the length counts."""

    def __init__(self, dataset, auto_collation: bool, collate_fn: Callable, drop_last: bool):
        self.iterator = iter(dataset)
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.ended = False

    def fetch(self, index):
        return self.collate_fn(self._samples(index) if self.auto_collation else next(self.iterator))

    def _samples(self, indices) -> list:
        if self.ended:
            raise StopIteration
        samples = []
        for _ in indices:
            try:
                samples.append(next(self.iterator))
            except StopIteration:
                self.ended = True
                break
        if not samples or (self.drop_last and len(samples) < len(indices)):
            raise StopIteration
        return samples


class _DatasetKind:
    Map = 0
    Iterable = 1

    @staticmethod
    def create_fetcher(kind: int, dataset, auto_collation, collate_fn, drop_last):
        """The fetcher for one pass over `dataset`."""
        fetcher = _MapDatasetFetcher if kind == _DatasetKind.Map else _IterableDatasetFetcher
        return fetcher(dataset, auto_collation, collate_fn, drop_last)


# -- the process -----------------------------------------------------------------------------


def worker_loop(
    info: WorkerInfo,
    base_seed: int,
    new_fetcher: Callable[[], Any],
    init_fn: Callable[[int], None] | None,
    inbox: Connection,
    outlet: Connection,
) -> None:
    """Serve tasks from `inbox` until told to stop or the loader's process is gone.

    Args:
        info: what :func:`get_worker_info` returns here.
        base_seed: the loader's draw; ``base_seed + id`` seeds this worker.
        new_fetcher: makes the fetcher for one epoch.
        init_fn: called once with the worker's id, after seeding.
        inbox: where tasks come from.
        outlet: where replies go.
    """
    try:
        _set_up_process(info, base_seed)
        where = f"in DataLoader worker process {info.id}"
        send = _start_sender(outlet)
        fetcher = _open_fetcher(new_fetcher, where, info.id, init_fn)
        ended = False
        for kind, index in _receive_tasks(inbox):
            if kind is Message.RESUME:
                send(_pack(Message.RESUMED, where))
                fetcher, ended = _open_fetcher(new_fetcher, where), False
            elif not ended:
                reply = _fetch(fetcher, index, where)
                ended = reply is Message.STREAM_END
                send(_pack(reply, where))
                del reply  # or the batch would live until the next one is made
    except KeyboardInterrupt:
        pass  # Ctrl-C reaches every process of the terminal; the loader's reports it


def _set_up_process(info: WorkerInfo, base_seed: int) -> None:
    global _worker_info
    _worker_info = info
    rl.set_num_threads(1)
    random.seed(info.seed)
    rl.manual_seed(info.seed)
    # Mixed, because NumPy's generator is the algorithm of `random`: from the same seed both
    # would give the same numbers.
    np.random.seed(np.random.SeedSequence([info.id, base_seed]).generate_state(4))


def _open_fetcher(new_fetcher, where: str, worker_id: int = 0, init_fn=None):
    """A new fetcher; if that fails, the error with which every task is answered."""
    try:
        if init_fn is not None:
            init_fn(worker_id)
        return new_fetcher()
    except Exception:
        return ExceptionWrapper(where=where)


def _fetch(fetcher, index, where: str):
    if isinstance(fetcher, ExceptionWrapper):
        return fetcher
    try:
        return fetcher.fetch(index)
    except Exception as error:
        if isinstance(error, StopIteration) and isinstance(fetcher, _IterableDatasetFetcher):
            return Message.STREAM_END
        return ExceptionWrapper(where=where)


def _receive_tasks(inbox: Connection) -> Iterator[tuple[Message, Any]]:
    """Tasks in order, until the loader says stop, which overtakes tasks not begun, or is gone.

    A thread reads them: a full pipe would block the loader while this process is busy.
    """
    import multiprocessing

    waiting: queue.SimpleQueue = queue.SimpleQueue()
    stopped = threading.Event()

    def read() -> None:
        with contextlib.suppress(EOFError, OSError):  # the loader has closed its end
            while (task := inbox.recv_bytes()) != STOP:
                waiting.put(task)
        stopped.set()
        waiting.put(STOP)

    _start_thread(read)
    # Two signs of the loader's death. Processes forked later hold the first one back by their
    # copy of its pipe; the second, adoption, is missed if it happened before this line.
    loader, parent_pid = multiprocessing.parent_process(), os.getppid()
    while loader and loader.is_alive() and os.getppid() == parent_pid:
        try:
            task = waiting.get(timeout=STATUS_CHECK_INTERVAL_S)
        except queue.Empty:
            continue
        if stopped.is_set():
            return
        yield pickle.loads(task)


def _start_sender(outlet: Connection) -> Callable[[Any], None]:
    """A function that queues bytes, which a thread writes to `outlet`.

    A full pipe blocks the writer, and the worker should prepare its next batches meanwhile.
    """
    outbox: queue.SimpleQueue = queue.SimpleQueue()

    def write() -> None:
        with contextlib.suppress(OSError):  # the loader has closed its end
            while True:
                outlet.send_bytes(outbox.get())

    _start_thread(write)
    return outbox.put


def _start_thread(target: Callable[[], None]) -> None:
    threading.Thread(target=target, name=f"rushlight_data_{target.__name__}", daemon=True).start()


def _pack(reply, where: str):
    """Pickle a reply; what cannot be pickled becomes an error that can."""
    from multiprocessing.reduction import ForkingPickler

    try:
        return ForkingPickler.dumps(reply, pickle.HIGHEST_PROTOCOL)
    except Exception:
        if isinstance(reply, ExceptionWrapper):  # of a local class: its traceback names it
            reply.exc_type = RuntimeError
        else:
            reply = ExceptionWrapper(where=f"while pickling a batch {where}")
        return ForkingPickler.dumps(reply, pickle.HIGHEST_PROTOCOL)
