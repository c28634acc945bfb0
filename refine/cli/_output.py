"""What the verbs share: options, progress on standard error, the wording of failures."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from refine.exceptions import RefineError
from refine.files import dump_json

F = TypeVar("F", bound=Callable[..., Any])


def output_option(help_text: str = "Where to write; - is standard output.") -> Callable[[F], F]:
    """Give a verb ``-o/--output`` (required)."""
    return click.option("-o", "--output", required=True, metavar="OUT", help=help_text)


def json_option(function: F) -> F:
    """Give a verb ``--json``: its summary, or its error, as one JSON object."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print a summary as JSON (on standard error where the data go to standard output).",
    )(function)


def progress_option(function: F) -> F:
    """Give a verb ``--progress/--no-progress``; by default a bar on a terminal only."""
    return click.option(
        "--progress/--no-progress", default=None, help="Show a progress bar on standard error."
    )(function)


def wants_progress(progress: bool | None) -> bool:
    """Resolve the value of `progress_option`."""
    return sys.stderr.isatty() if progress is None else progress


def say(message: str) -> None:
    """Tell a person something: one line on standard error."""
    click.echo(message, err=True)


def summary(data: dict[str, Any], *, data_on_stdout: bool) -> None:
    """Print a JSON summary where it does not mix with data."""
    click.echo(dump_json(data).decode(), err=data_on_stdout)


def report(error: Exception, *, as_json: bool) -> int:
    """Print an error on standard error and return the exit code.

    Bad input exits with 3; everything else is a failure of the program or the machine and
    exits with 1, named by its type (``REFINE_DEBUG=1`` shows the traceback).
    """
    import os

    if os.environ.get("REFINE_DEBUG"):
        raise error
    code = 3 if isinstance(error, RefineError) else 1
    message = str(error) if code == 3 else f"{type(error).__name__}: {error}"
    if as_json:
        detail: dict[str, Any] = {"code": code, "message": message}
        if isinstance(error, RefineError):
            detail |= {"message": error.message, "where": error.where, "hint": error.hint}
        click.echo(dump_json({"error": detail}).decode(), err=True)
    else:
        click.echo(f"refine: {message}", err=True)
    return code


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out rows under a head: the first column to the left, the others to the right."""
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    width = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(width[0]), *map(str.rjust, line[1:], width[1:])]).rstrip()
        for line in lines
    )
