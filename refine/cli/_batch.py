"""Several inputs of one verb: patterns, names of outputs, what goes wrong with some of them."""

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from refine.cli._output import say, summary
from refine.exceptions import FormatError, RefineError
from refine.files import STDIO, is_stream

if TYPE_CHECKING:
    from refine.formats import Format

F = TypeVar("F", bound=Callable[..., Any])
PARTIAL = 4
"""Exit code where all is written but something, which was named, was left out."""


@dataclass(frozen=True, slots=True)
class Written:
    """How poses are written: format, skeleton and decimals; and whether a bar shows progress."""

    to: str | None
    skeleton: str | None
    precision: int | None
    progress: bool | None


def inputs_argument(function: F) -> F:
    """Give a verb its inputs, ``pred``, and ``--keep-going``."""
    function = click.option(
        "--keep-going",
        is_flag=True,
        help="Leave out inputs that cannot be read; exit code 4 says so.",
    )(function)
    return click.argument("pred", nargs=-1, required=True, metavar="PRED...")(function)


def for_each(
    pred: Sequence[str],
    output: str,
    do: Callable[[str, str], dict[str, Any]],
    *,
    to: str | None = None,
    keep_going: bool = False,
    as_json: bool = False,
) -> None:
    """Do one thing from each input to its output: OUT, or for several a file of its name in OUT.

    Args:
        pred: files, folders and patterns.
        output: file, or for several inputs the folder, which is made.
        do: from input and output to the facts of its summary; those with a true "partial" set the
            exit code.
        to: format of the outputs; None is that of each input.
        keep_going: say what is wrong with an input, and go on with the others.
        as_json: print the facts; of several inputs, a list of them.

    Raises:
        RefineError: an output that cannot be written, which is found before anything is read; a bad
            input, without `keep_going`; or no input that is good.
    """
    from refine.formats.containers import check_target
    from refine.formats.known import get_format

    form = get_format(to) if to else None
    inputs = expand(pred)
    several = len(pred) > 1 or len(inputs) > 1
    targets = _targets(inputs, output, form) if several else [output]
    for target in targets:
        check_target(target, form)
    done: list[dict[str, Any]] = []
    failed: list[RefineError] = []
    for source, target in zip(inputs, targets, strict=True):
        try:
            facts = do(source, target)
        except RefineError as error:
            if not keep_going:
                raise
            failed.append(error)
            say(f"left out: {error}", least=-1)
        else:
            done.append({"input": source, "output": target, **facts} if several else facts)
    if failed and not done:
        raise failed[0]
    flags = [facts.pop("partial", False) for facts in done]
    if several:
        say(f"{len(done)} of {len(inputs)} inputs written to {output}")
    if as_json:
        left_out = [{"where": e.where, "message": e.message, "hint": e.hint} for e in failed]
        whole = {"inputs": done, "left_out": left_out} if several else done[0]
        summary(whole, data_on_stdout=output == STDIO)
    if failed or any(flags):
        raise click.exceptions.Exit(PARTIAL)


def expand(patterns: Sequence[str]) -> list[str]:
    """List what patterns name, in their order; a name that is there stands for itself.

    Raises:
        FormatError: a pattern that names nothing.
    """
    from refine.corpus.storage import SCHEME, matching

    found: list[str] = []
    for pattern in patterns:
        if pattern == STDIO or Path(pattern).exists() or not glob.has_magic(pattern):
            found.append(pattern)
        elif SCHEME in pattern:
            found += matching(pattern)
        elif names := sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207, patterns may be absolute
            found += names
        else:
            raise FormatError("expected a pattern of some files, got none", where=pattern)
    return list(dict.fromkeys(found))


def _targets(inputs: Sequence[str], output: str, to: "Format | None") -> list[str]:
    """Name an output for each input, in a folder that is made.

    Raises:
        FormatError: no folder, or inputs of one name.
    """
    from refine.formats.containers import is_file_name, renamed

    folder = Path(output)
    file = folder.exists() or is_file_name(output)
    if is_stream(output) or STDIO in inputs or (file and not folder.is_dir()):
        raise FormatError(
            f"expected a folder for {len(inputs)} outputs", where=output, hint="-o FOLDER"
        )
    names = [Path(source).name for source in inputs]
    names = [renamed(name, to) for name in names] if to else names
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise FormatError(
            f"expected inputs of different names, got {twice} twice",
            hint="one run per folder of inputs",
        )
    if any((folder / n).resolve() == Path(s).resolve() for n, s in zip(names, inputs, strict=True)):
        raise FormatError(
            "expected another folder than that of the inputs", where=output, hint="another -o"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FormatError(f"expected a folder, got: {error.strerror}", where=output) from None
    return [str(folder / name) for name in names]
