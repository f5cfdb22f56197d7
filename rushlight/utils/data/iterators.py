"""The iterators of a DataLoader: one loads in this process, one hands the work to others.

A loader makes one for each epoch, or with persistent workers one for all epochs. The processes run
`worker.worker_loop`; its module describes the messages.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import pickle
import signal
import time
import warnings
import weakref
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

from .sampler import draw_seed
from .worker import (
    STATUS_CHECK_INTERVAL_S,
    STOP,
    ExceptionWrapper,
    Message,
    WorkerInfo,
    _DatasetKind,
    worker_loop,
)

if TYPE_CHECKING:
    from .dataloader import DataLoader


class _BaseDataLoaderIter:
    """One pass over a loader: draws the seed, walks the sampler, counts what it yields."""

    def __init__(self, loader: DataLoader) -> None:
        _warn_of_pin_memory(loader)
        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._IterableDataset_len_called = loader._IterableDataset_len_called
        self._auto_collation = loader._auto_collation
        self._drop_last = loader.drop_last
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._timeout = loader.timeout
        self._collate_fn = loader.collate_fn
        self._sampler_iter = iter(self._index_sampler)
        self._base_seed = draw_seed(loader.generator)
        self._persistent_workers = loader.persistent_workers
        self._num_yielded = 0
        self._new_fetcher = functools.partial(
            _DatasetKind.create_fetcher,
            self._dataset_kind,
            self._dataset,
            self._auto_collation,
            self._collate_fn,
            self._drop_last,
        )

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def _reset(self, loader: DataLoader, first_iter: bool = False) -> None:
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._IterableDataset_len_called = loader._IterableDataset_len_called

    def _next_index(self):
        return next(self._sampler_iter)

    def _next_data(self):
        raise NotImplementedError

    def __next__(self):
        data = self._next_data()
        self._num_yielded += 1
        announced = self._IterableDataset_len_called
        if announced is not None and self._num_yielded > announced:
            self._warn_of_length(announced)
        return data

    def _warn_of_length(self, announced: int) -> None:
        message = (
            f"Length of IterableDataset {self._dataset} was reported to be {announced} (when "
            f"accessing len(dataloader)), but {self._num_yielded} samples have been fetched. "
        )
        if self._num_workers > 0:
            message += (
                "For multiprocessing data-loading, this could be caused by not properly "
                "configuring the IterableDataset replica at each worker: see the example of "
                "rushlight.utils.data.IterableDataset."
            )
        warnings.warn(message, stacklevel=3)

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self):
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled")


def _warn_of_pin_memory(loader: DataLoader) -> None:
    if not loader.pin_memory:
        return
    if loader.pin_memory_device:
        warnings.warn(
            "pin_memory_device is deprecated, the current accelerator will be used as the device, "
            f"ignore pin_memory_device='{loader.pin_memory_device}'.",
            stacklevel=6,
        )
    warnings.warn(
        "'pin_memory' argument is set as true but no accelerator is found, then device pinned "
        "memory won't be used.",
        stacklevel=6,
    )


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Loads each batch when it is asked for."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        if self._timeout != 0:
            raise AssertionError(
                "_SingleProcessDataLoaderIter requires timeout == 0: there is no worker to wait "
                f"for, got timeout={self._timeout} with num_workers=0"
            )
        self._dataset_fetcher = self._new_fetcher()

    def _next_data(self):
        return self._dataset_fetcher.fetch(self._next_index())


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Hands indices to worker processes in turn, and collects the batches they send back.

    Each worker has a pipe for tasks and one for replies. So a worker that dies, in the middle of
    a message even, cuts off no other, and the loader sees the end of its pipe at once.
    """

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        if loader.prefetch_factor <= 0:  # type: ignore[operator]
            raise AssertionError(
                "prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter"
            )
        self._max_tasks = loader.prefetch_factor * self._num_workers  # type: ignore[operator]
        self._in_order = loader.in_order
        self._workers: list = []
        self._inboxes: list = []  # where we write tasks, by worker
        self._outlets: list = []  # where we read replies, by worker
        # Runs when the iterator is collected, at its end, or when the interpreter exits.
        self._shutdown_workers = weakref.finalize(
            self, _stop_workers, os.getpid(), self._workers, self._inboxes, self._outlets
        )
        for worker_id in range(self._num_workers):
            self._start_worker(loader, worker_id)
        self._reset(loader, first_iter=True)

    def _start_worker(self, loader: DataLoader, worker_id: int) -> None:
        import multiprocessing

        context = loader.multiprocessing_context or multiprocessing
        inbox, task_writer = context.Pipe(duplex=False)
        reply_reader, outlet = context.Pipe(duplex=False)
        seed = self._base_seed + worker_id
        info = WorkerInfo(worker_id, self._num_workers, seed, self._dataset)
        worker = context.Process(
            target=worker_loop,
            args=(
                info, self._base_seed, self._new_fetcher, loader.worker_init_fn, inbox, outlet
            ),
            daemon=True,
        )  # fmt: skip
        try:
            worker.start()
        except (TypeError, AttributeError, pickle.PicklingError):
            warnings.warn(
                "Got pickle error when attempting to start a worker Process: its arguments (the "
                "dataset, collate_fn, worker_init_fn) must be picklable unless the start method "
                "is 'fork'. hint: define them at the top level of a module, or pass "
                "multiprocessing_context='fork'.",
                stacklevel=5,
            )
            raise
        # With our copies of the worker's ends closed, its death closes the pipes.
        inbox.close()
        outlet.close()
        self._workers.append(worker)
        self._inboxes.append(task_writer)
        self._outlets.append(reply_reader)

    def _reset(self, loader: DataLoader, first_iter: bool = False) -> None:
        # In the first epoch this is the second iter() of the sampler, as in PyTorch: samplers
        # whose __iter__ draws at once draw twice.
        super()._reset(loader, first_iter)
        self._pending: deque[int] = deque()  # the worker of each task sent and not answered
        self._workers_status = [True] * self._num_workers  # False: at the end of its iterable
        self._worker_cycle = itertools.cycle(range(self._num_workers))
        if not first_iter:
            self._resume_workers()
        for _ in range(self._max_tasks):
            self._try_put_index()

    def _is_usable(self) -> bool:
        """Whether another epoch can start; not after a worker's death or Ctrl-C."""
        return self._shutdown_workers.alive and all(w.is_alive() for w in self._workers)

    def _resume_workers(self) -> None:
        """Start a new epoch in every worker, and drop what is left of the one before."""
        for worker in range(self._num_workers):
            self._send(worker, (Message.RESUME, None))
        for worker in range(self._num_workers):
            while pickle.loads(self._read_reply([worker])[1]) is not Message.RESUMED:
                pass

    def _next_data(self):
        while self._pending:
            workers = [self._pending[0]] if self._in_order else self._pending
            worker, message = self._read_reply(workers)
            self._pending.remove(worker)
            data = pickle.loads(message)
            if data is Message.STREAM_END:
                self._retire(worker)
                self._try_put_index()
                continue
            self._try_put_index()
            if isinstance(data, ExceptionWrapper):
                data.reraise()
            return data
        if not self._persistent_workers:
            self._shutdown_workers()
        raise StopIteration

    def _retire(self, worker: int) -> None:
        """Give no more tasks this epoch to a worker whose iterable is exhausted."""
        self._workers_status[worker] = False
        self._pending = deque(other for other in self._pending if other != worker)
        if not self._persistent_workers:
            _send_stop(self._inboxes[worker])

    def _try_put_index(self) -> None:
        """Send the next index, if there is one, to the next worker that can take it."""
        try:
            index = self._next_index()
        except StopIteration:
            return
        worker = self._next_worker()
        if worker is not None:
            self._send(worker, (Message.FETCH, index))
            self._pending.append(worker)

    def _next_worker(self) -> int | None:
        share = self._max_tasks // max(1, sum(self._workers_status))
        for worker in itertools.islice(self._worker_cycle, self._num_workers):
            if self._workers_status[worker] and (
                self._in_order or self._pending.count(worker) < share
            ):
                return worker
        return None

    def _send(self, worker: int, task) -> None:
        try:
            self._inboxes[worker].send(task)
        except BrokenPipeError as error:
            self._raise_for_broken_pipe(worker, error)

    def _read_reply(self, workers: Iterable[int]) -> tuple[int, bytes]:
        """The next reply of any of `workers`, and which it was."""
        try:
            worker = self._wait_for_reply(workers)
            try:
                return worker, self._outlets[worker].recv_bytes()
            except (EOFError, OSError) as error:
                self._raise_for_broken_pipe(worker, error)
        except KeyboardInterrupt:  # half a message may be left in the pipe
            self._shutdown_workers()
            raise

    def _wait_for_reply(self, workers: Iterable[int]) -> int:
        """Wait until one of `workers` has written, or closed its pipe, and return which."""
        from multiprocessing.connection import wait

        outlets = {self._outlets[worker]: worker for worker in workers}
        sentinels = [worker.sentinel for worker in self._active_workers()]
        deadline = time.monotonic() + (self._timeout or float("inf"))
        while True:
            patience = min(STATUS_CHECK_INTERVAL_S, max(0, deadline - time.monotonic()))
            for ready in wait([*outlets, *sentinels], patience):
                if ready in outlets:
                    return outlets[ready]
            self._raise_for_dead_workers()
            if time.monotonic() >= deadline:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")

    def _active_workers(self) -> list:
        """The processes that must be alive: retired ones may have ended."""
        return list(itertools.compress(self._workers, self._workers_status))

    def _raise_for_broken_pipe(self, worker: int, cause: Exception) -> NoReturn:
        self._workers[worker].join(STATUS_CHECK_INTERVAL_S)
        self._raise_for_dead_workers(cause)
        raise cause

    def _raise_for_dead_workers(self, cause: Exception | None = None) -> None:
        dead = [worker for worker in self._active_workers() if not worker.is_alive()]
        if dead:
            pids = ", ".join(str(worker.pid) for worker in dead)
            reasons = ", ".join(_describe_exit(worker.exitcode) for worker in dead)
            raise RuntimeError(
                f"DataLoader worker (pid(s) {pids}) exited unexpectedly ({reasons}). "
                "hint: num_workers=0 may show the error"
            ) from cause


def _describe_exit(exitcode: int) -> str:
    if exitcode >= 0:
        return f"exit code {exitcode}"
    with contextlib.suppress(ValueError):
        return f"killed by signal {signal.Signals(-exitcode).name}"
    return f"killed by signal {-exitcode}"


def _send_stop(inbox) -> None:
    with contextlib.suppress(OSError):  # the worker is gone
        inbox.send_bytes(STOP)


def _stop_workers(owner_pid: int, workers: list, inboxes: list, outlets: list) -> None:
    """End the workers: by asking, and after a while by a signal."""
    if os.getpid() != owner_pid:
        return  # a fork has a copy of the iterator, but the workers are not its children
    for inbox in inboxes:
        _send_stop(inbox)
    deadline = time.monotonic() + STATUS_CHECK_INTERVAL_S
    for worker in workers:
        worker.join(max(0, deadline - time.monotonic()))
        if worker.is_alive():
            worker.terminate()
            worker.join(STATUS_CHECK_INTERVAL_S)
    for connection in (*inboxes, *outlets):
        connection.close()
