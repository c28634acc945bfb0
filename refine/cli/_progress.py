"""A training on screen: a bar with the time left, or a line per epoch."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from refine.cli._output import say, wants_progress

if TYPE_CHECKING:
    from refine.refiner.training import Progress, Run

T = TypeVar("T")


def is_first() -> bool:
    """Whether this process speaks for all that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def stage(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Show that some work is under way, and say afterwards how long it took.

    Args:
        name: of the work.
        seconds: gets them under this name.
    """
    begin = time.perf_counter()
    if wants_progress(None):
        from rich.console import Console

        with Console(stderr=True).status(name):
            yield
    else:
        yield
    seconds[name] = time.perf_counter() - begin
    say(f"{name}: {seconds[name]:.1f} s")


def count_poses(
    total: int,
    work: Callable[[Callable[[int], None] | None], T],
    progress: bool | None,
    what: str = "poses",
) -> T:
    """Do work on poses, or on something else, under a bar.

    Args:
        total: number of poses.
        work: called with what is to be told how many are done; None without a bar.
        progress: of `progress_option`.
        what: is counted.
    """
    if not wants_progress(progress):
        return work(None)
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress as Bar

    columns = (*Bar.get_default_columns(), MofNCompleteColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        return work(lambda done: bar.update(task, completed=done))


@contextmanager
def follow_poses(total: int, progress: bool | None) -> Iterator[Callable[[int], None]]:
    """Show a bar over poses that become done, with their rate and the time left.

    Args:
        total: number of poses.
        progress: of `progress_option`.

    Yields:
        what is to be told how many more are done.
    """
    if not wants_progress(progress):
        yield lambda more: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress as Bar,
        TextColumn,
        TimeRemainingColumn,
    )

    rate = TextColumn("{task.fields[rate]:,.0f} a second")
    columns = (BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    begin, done = time.perf_counter(), 0
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("poses", total=total, rate=0.0)

        def advance(more: int) -> None:
            nonlocal done
            done += more
            bar.update(task, completed=done, rate=done / (time.perf_counter() - begin))

        yield advance


def follow(
    start: Callable[["Run"], Any],
    run: "Run",
    epochs: int,
    words: Callable[["Progress"], str],
    progress: bool | None,
) -> "Progress | None":
    """Run a training and say where it stands: a bar with the time left, or a line per epoch.

    Args:
        start: runs it.
        run: how; its reports are shown here.
        epochs: in all.
        words: for the figures of a report.
        progress: of `progress_option`.

    Returns:
        the last report, None if there was none.
    """
    last: list[Progress] = []

    def described(at: "Progress") -> str:
        last[:] = [at]
        return f"epoch {at.epoch + 1}/{epochs}  {words(at)}"

    if not wants_progress(progress) or not is_first():

        def note(at: "Progress") -> None:
            text = described(at)
            if at.step == at.steps:
                say(text)

        start(replace(run, report=note))
        return last[-1] if last else None
    from rich.console import Console
    from rich.progress import BarColumn, Progress as Bar, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("drawing errors", total=epochs)

        def show(at: "Progress") -> None:
            text = described(at)
            bar.update(task, completed=at.epoch + at.step / at.steps, description=text)

        start(replace(run, report=show))
    return last[-1] if last else None
