"""Whether inputs are done in shards: the options that ask for it, and inputs that need it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from refine.cli._batch import expand
from refine.files import STDIO, is_stream

if TYPE_CHECKING:
    from refine.cli._options import Input
    from refine.corpus.reading import Reading
    from refine.pipeline import Config
    from refine.skeletons import Skeleton

F = TypeVar("F", bound=Callable[..., Any])
LARGE_BYTES = 1 << 27
"""Of NDJSON or Parquet, from which they are done in shards unasked: some 100,000 poses a second
time, of which memory would hold ten times the size."""
LARGE_FILES = 2000
"""Inputs, from which they are."""


@dataclass(frozen=True, slots=True)
class Sharding:
    """How shards are made and done, as `sharding_options` tell.

    Attributes:
        workers: processes, 0 one for each core; None where nobody asked.
        batch: poses, or files, of a shard.
        resume: take up an interrupted run.
        engine: who does shards, "local" or "ray".
        address: of a Ray cluster.
    """

    workers: int | None = None
    batch: int | None = None
    resume: bool = False
    engine: str = "local"
    address: str | None = None

    @property
    def asked(self) -> bool:
        """Whether somebody asked for shards."""
        return self != Sharding()


def sharding_options(function: F) -> F:
    """Give a verb the options of `Sharding`, as the argument named `sharding`."""

    @wraps(function)
    def gather(
        *arguments: Any,
        workers: int | None,
        batch: int | None,
        resume: bool,
        engine: str,
        address: str | None,
        **others: Any,
    ) -> Any:
        if address is not None and engine != "ray":
            raise click.UsageError("--address is of a cluster: --engine ray")
        sharding = Sharding(workers, batch, resume, engine, address)
        return function(*arguments, sharding=sharding, **others)

    verb: Any = gather
    for option in (
        click.option(
            "--address",
            metavar="A",
            help="Of a Ray cluster.  [the one that runs here, or a new one]",
        ),
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="Who does shards: processes here, or a Ray cluster that reaches the same files.",
        ),
        click.option(
            "--resume",
            is_flag=True,
            help="Go on with what an interrupted run left in OUT, with the same options.",
        ),
        click.option(
            "--batch",
            type=click.IntRange(1),
            metavar="N",
            help="Do N poses, or files, at a time.  [50,000 of large inputs, or 1,000 files]",
        ),
        click.option(
            "--workers",
            type=click.IntRange(0),
            metavar="N",
            help="Processes that share large inputs; 0 is one for each core.  [1; of Ray, as many "
            "as it has cores for]",
        ),
    ):
        verb = option(verb)
    return verb  # type: ignore[no-any-return]


def takes_shards(
    pred: Sequence[str], output: str, config: "Config | None", to: str | None, sharding: Sharding
) -> bool:
    """Whether inputs are done in shards: asked for, the only way, or large and fit for it."""
    from refine.corpus.storage import is_url
    from refine.pipeline.runner import needs_video

    if sharding.asked or any(map(is_url, (*pred, output))):
        return True
    if STDIO in pred:
        return False
    inputs = expand(pred)
    if len(inputs) == 1 and _is_data_set(inputs[0]):
        return True
    fit = config is None or not needs_video(config)
    fit = fit and (config is None or config.pictures is None or config.profile is not None)
    if not fit or is_stream(output):
        return False
    if len(inputs) >= LARGE_FILES:
        return True
    shape = shape_of(output, to)
    if len(inputs) == 1 and Path(inputs[0]).is_dir():
        return shape == "" and to is None and _is_large(inputs)
    into = len(inputs) > 1 or output.endswith("/") or Path(output).is_dir()
    return (into if shape == "" else shape is not None) and _is_large(inputs)


def parts_of(place: str) -> list[str] | None:
    """Return the places of poses that come in parts; None of a file that memory holds.

    Parts are what a pattern names, a data set, what lies behind a URL, or a large file.

    Raises:
        FormatError: a pattern that names nothing.
    """
    from refine.corpus.storage import is_url

    if place == STDIO:
        return None
    if is_url(place):
        return [place]
    found = expand([place])
    return found if found != [place] or _is_data_set(place) or _is_large(found) else None


def reading_of(inputs: "Input", default: "Skeleton | None" = None) -> "Reading":
    """Return how the options say that shards are read.

    Args:
        inputs: the options.
        default: skeleton of the ground truth, by whose number predictions of a category are found.
    """
    from refine.corpus.reading import Reading

    return Reading(
        inputs.format,
        inputs.skeleton,
        inputs.images,
        not inputs.keep_zeros,
        inputs.normalised,
        inputs.category if default is None else None,
        default,
    )


def _is_data_set(place: str) -> bool:
    """Whether `refine.read` knows nothing of a folder, and shards do."""
    from refine.corpus.shards import LINES, ROWS
    from refine.corpus.storage import names_below

    folder = Path(place)
    if not folder.is_dir() or any(folder.glob("*.json")):
        return False
    return bool(names_below(place, (*LINES, *ROWS)))


def _is_large(inputs: Sequence[str]) -> bool:
    if len(inputs) == 1 and Path(inputs[0]).is_dir():
        return sum(1 for _ in Path(inputs[0]).glob("*.json")) >= LARGE_FILES
    if not all(name.endswith((".ndjson", ".jsonl", ".parquet")) for name in inputs):
        return False
    return sum(p.stat().st_size for p in map(Path, inputs) if p.is_file()) >= LARGE_BYTES


def shape_of(output: str, to: str | None) -> str | None:
    """Return the ending of the parts of a file, "" for a folder, None for neither."""
    from refine.formats.containers import is_file_name, is_lines_name

    if is_stream(output):
        return None
    if Path(output).is_dir() or not is_file_name(output):
        return ""
    if is_lines_name(output):
        return Path(output.removesuffix(".gz")).suffix
    return ".parquet" if output.endswith(".parquet") and to in (None, "parquet") else None
