"""Who does shards on this machine: this process, or several that it starts.

Workers get a shard at a time and answer with its facts, so that nothing piles up. They end when
their pipe does, whatever ends the process at its other end.
"""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, TypeAlias

from refine.corpus.shards import Shard
from refine.corpus.work import Job, refine_shard
from refine.exceptions import RefineError

Outcome: TypeAlias = dict[str, Any] | RefineError
"""Facts of a shard, or what is wrong with it."""


class WorkerError(RuntimeError):
    """A worker that ended, or failed in another way than by bad input."""


def core_count() -> int:
    """Return how many cores this process may use."""
    with suppress(AttributeError, OSError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_local(
    shards: Sequence[Shard], job: Job, workers: int = 1
) -> Generator[tuple[Shard, Outcome], None, None]:
    """Do shards and yield each with its outcome, as they are done.

    Args:
        shards: in the order in which they are begun.
        job: what to do with them.
        workers: processes; 1 is this one.

    Raises:
        WorkerError: a worker was ended from outside, or failed; what it did before is written.
    """
    if workers <= 1 or len(shards) <= 1:
        for shard in shards:
            try:
                yield shard, refine_shard(shard, job)
            except RefineError as error:
                yield shard, error
    else:
        yield from _in_processes(shards, job, min(workers, len(shards)))


def _in_processes(
    shards: Sequence[Shard], job: Job, workers: int
) -> Generator[tuple[Shard, Outcome], None, None]:
    context = multiprocessing.get_context("spawn")
    started: list[Any] = []
    pipes: list[Connection] = []
    busy: dict[Connection, Shard] = {}
    waiting = iter(shards)
    try:
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, job), daemon=True)
            process.start()
            theirs.close()
            started.append(process)
            pipes.append(ours)
            _give(ours, waiting, busy)
        while busy:
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                shard = busy.pop(ready)
                outcome = _answer(ready, shard)
                _give(ready, waiting, busy)
                yield shard, outcome
    finally:
        for pipe in pipes:
            pipe.close()
        for process in started:
            if busy:
                process.kill()
            process.join()


def _give(pipe: Connection, waiting: Iterator[Shard], busy: dict[Connection, Shard]) -> None:
    shard = next(waiting, None)
    if shard is not None:
        busy[pipe] = shard
        with suppress(OSError):  # A worker that is gone is told of where its answer is due.
            pipe.send(shard)


def _answer(pipe: Connection, shard: Shard) -> Outcome:
    try:
        outcome = pipe.recv()
    except (EOFError, OSError):
        raise WorkerError(
            f"a worker ended in the middle of {shard.where}, as when memory runs out; what is "
            "finished is kept: try --resume with fewer --workers, or another -o with a smaller "
            "--batch"
        ) from None
    if isinstance(outcome, str):
        raise WorkerError(f"{shard.where}: {outcome}")
    answer: Outcome = outcome
    return answer


def _serve(pipe: Connection, job: Job) -> None:
    """Do shards from a pipe until it ends; Ctrl-C is for who holds the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        while True:
            pipe.send(attempt(pipe.recv(), job))


def attempt(shard: Shard, job: Job) -> Outcome | str:
    """Do a shard and return what becomes of it; of errors that are nobody's data the traceback."""
    try:
        return refine_shard(shard, job)
    except RefineError as error:
        return error
    except Exception:
        return traceback.format_exc()
