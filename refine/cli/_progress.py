"""A training on screen: a bar with the time left, or a line per epoch."""

import os
from collections.abc import Callable
from typing import Any

from refine.cli._output import say, wants_progress


def is_first() -> bool:
    """Whether this process speaks for all that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def follow(
    start: Callable[[Callable[[Any], None]], None],
    epochs: int,
    figures: Callable[[Any], str],
    progress: bool | None,
) -> Any:
    """Run a training and say where it stands: a bar with the time left, or a line an epoch.

    Args:
        start: runs it, given what to report to: objects with epoch, step and steps.
        epochs: in all.
        figures: words for a report.
        progress: of `progress_option`.

    Returns:
        the last report, None if there was none.
    """
    last: list[Any] = []
    if not wants_progress(progress) or not is_first():

        def note(at: Any) -> None:
            if at.step == at.steps:
                say(figures(at))
            last[:] = [at]

        start(note)
        return last[-1] if last else None
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("drawing errors", total=epochs)

        def show(at: Any) -> None:
            bar.update(task, completed=at.epoch + at.step / at.steps, description=figures(at))
            last[:] = [at]

        start(show)
    return last[-1] if last else None
