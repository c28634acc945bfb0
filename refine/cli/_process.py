"""What the command line does with the process around it: streams, signals, warnings, its end."""

import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType
from typing import Any, TextIO

import click

from refine.cli._output import report, say
from refine.exceptions import RefineWarning

GARBAGE = (100_000, 50, 100)
"""When Python looks for cycles of garbage. By its own settings a third of the time of large files
goes into looking at all that was read again and again, and more than in proportion."""
TERMINATED = 128 + signal.SIGTERM
"""Exit code of what SIGTERM ended, as shells have it."""


@contextmanager
def prepare() -> Iterator[None]:
    """Make streams safe to write to, let SIGTERM end a run tidily, and say warnings in a line.

    Within, Python looks for garbage less often.
    """
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # A console that cannot show a letter shows its number; no work is lost over it.
        strict = getattr(stream, "errors", None) in ("strict", "surrogateescape")
        if strict and isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    thresholds = gc.get_threshold()
    gc.set_threshold(*GARBAGE)
    stdout, before = sys.stdout, None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, _end)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", RefineWarning)
            warnings.showwarning = _show_with(warnings.showwarning)
            yield
    except SystemExit as ended:
        # click wraps standard output whose reader went away (head), and exits: that is no failure.
        if sys.stdout is not stdout:
            _forget_stdout()
            ended.code = 0
        raise
    finally:
        gc.set_threshold(*thresholds)
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def report_failure(error: Exception) -> int:
    """Say what went wrong and return the exit code."""
    if isinstance(error, click.exceptions.Abort):
        # click takes an EOFError for an interrupt, too.
        if isinstance(error.__cause__, EOFError):
            return report(error.__cause__, as_json=_wants_json())
        return 130
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        _forget_stdout()
        return 0
    code = report(error, as_json=_wants_json())
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        # What could not be written stays in the buffer, and Python would try again.
        _forget_stdout()
    return code


def _wants_json() -> bool:
    return "--json" in sys.argv


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)


def _show_with(show: Any) -> Any:
    def show_warning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, RefineWarning):
            say(f"warning: {message}", least=-1)
            for detail in getattr(message, "details", ()):
                say(f"  {detail}", least=1)
        else:
            show(message, category, filename, lineno, file, line)

    return show_warning


def _open_closed_streams() -> None:
    """Give closed standard streams a descriptor each, or the next file opened would become it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The wrong way round, so that who reads or writes is told.
            mode = os.O_WRONLY if number == 0 else os.O_RDONLY
            os.open(os.devnull, mode)
            if name == "stdout":
                sys.stdout = os.fdopen(number, "w", closefd=False)


def _forget_stdout() -> None:
    """Let what is still to be written to standard output go nowhere, also when Python exits."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
    except OSError:
        pass
