"""What the verbs share: options, progress on standard error, the wording of failures."""

import errno
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from refine.exceptions import FormatError, RefineError
from refine.files import dump_json

F = TypeVar("F", bound=Callable[..., Any])


_VERBOSITY = "refine.verbosity"
"""In `click.Context.meta`: -1 quiet, 0, 1 verbose."""
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF, errno.EIO}
"""What systems say of standard output that is closed or leads to a full disk."""


TARGETS = ("output", "video", "trajectories")
"""Options of verbs that name what is written."""


def output_option(
    help_text: str = "Where to write; - is standard output.", *, required: bool = True
) -> Callable[[F], F]:
    """Give a verb ``-o/--output`` and ``--no-clobber``, which also holds for its other targets."""

    def give(function: F) -> F:
        function = click.option(
            "--no-clobber", is_flag=True, expose_value=False, callback=_check_free,
            help="Fail where OUT is there already.",
        )(function)  # fmt: skip
        return click.option(
            "-o", "--output", required=required, is_eager=True, metavar="OUT", help=help_text
        )(function)

    return give


def _check_free(ctx: click.Context, option: click.Parameter, chosen: bool) -> None:
    for target in filter(None, map(ctx.params.get, TARGETS)):
        output = Path(target)
        if chosen and (output.is_file() or (output.is_dir() and any(output.iterdir()))):
            raise FormatError(
                "expected a target that is not there yet, as --no-clobber asks",
                where=str(output),
                hint="another",
            )


def add_verbosity(command: click.Command) -> click.Command:
    """Give a verb ``-q/--quiet`` and ``-v/--verbose``."""
    if not any(option.name == "quiet" for option in command.params):
        for level, name, words in (
            (-1, "quiet", "Say nothing but warnings and errors."),
            (1, "verbose", "Say more: every name that is left out."),
        ):
            command.params.append(
                click.Option(
                    [f"-{name[0]}", f"--{name}"],
                    is_flag=True,
                    expose_value=False,
                    help=words,
                    callback=partial(_set_verbosity, level),
                )
            )
    return command


def _set_verbosity(level: int, ctx: click.Context, option: click.Parameter, chosen: bool) -> None:
    if chosen:
        ctx.meta[_VERBOSITY] = level


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


def say(message: str, least: int = 0) -> None:
    """Tell a person something: one line on standard error.

    Args:
        message: to say.
        least: -1 even with ``--quiet``, 0, 1 only with ``--verbose``.
    """
    context = click.get_current_context(silent=True)
    if (context.meta.get(_VERBOSITY, 0) if context else 0) >= least:
        click.echo(message, err=True)


def summary(data: dict[str, Any], *, data_on_stdout: bool) -> None:
    """Print a JSON summary, in UTF-8 whatever the console, where it does not mix with data."""
    click.echo(dump_json(data), err=data_on_stdout)


def report(error: Exception, *, as_json: bool) -> int:
    """Print an error on standard error and return the exit code.

    Bad input, and standard output that cannot be written, exit with 3; everything else is a failure
    of the program or the machine and exits with 1, named by its type (``REFINE_DEBUG=1`` shows the
    traceback).
    """
    import os

    if os.environ.get("REFINE_DEBUG"):
        raise error
    known = _in_words(error)
    code = 3 if isinstance(known, RefineError) else 1
    message = str(known) if code == 3 else f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        message = (
            f"expected the Python package {package}, which is not installed; "
            f"try `pip install {package}`"
        )
    if as_json:
        detail: dict[str, Any] = {"code": code, "message": message}
        if isinstance(known, RefineError):
            detail |= {"message": known.message, "where": known.where, "hint": known.hint}
        detail = {k: _showable(v) if isinstance(v, str) else v for k, v in detail.items()}
        click.echo(dump_json({"error": detail}), err=True)
    else:
        click.echo(f"refine: {message}", err=True)
    return code


def _in_words(error: Exception) -> Exception:
    if isinstance(error, OSError) and error.filename is None and error.errno in _UNWRITABLE:
        return FormatError(f"expected a writable standard output, got: {error.strerror}")
    return error


def _showable(text: str) -> str:
    """Return text that UTF-8 can hold: names of files may have bytes that are none."""
    return text.encode("utf-8", "backslashreplace").decode()


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out rows under a head: the first column to the left, the others to the right."""
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    width = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(width[0]), *map(str.rjust, line[1:], width[1:])]).rstrip()
        for line in lines
    )
