"""Ray as who does shards, and Ray datasets of poses: autoscaling, back-pressure, retries are Ray's.

Workers are actors of Ray Data, one core and one thread each, that load the refiner once. What they
read and write must be within their reach: a file system that all nodes share, or URLs.
"""

import logging
import os
import pickle
import socket
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from refine.corpus.local import Outcome, WorkerError, attempt
from refine.corpus.shards import Shard
from refine.corpus.table import check_columns, refine_table
from refine.corpus.work import Job
from refine.exceptions import FormatError, RefineError
from refine.files import parse_json
from refine.formats._parquet import KEY, load_pyarrow
from refine.pipeline import Config
from refine.pipeline.runner import check_cut, merge

NEWLINE = "\n"
PART = "_part"
"""Column that says in which part of a dataset an image is."""
PARTS = 200
"""Of a dataset, if nobody asks for others: 50,000 poses each where there are ten million."""
KNOCK_SECONDS = 5.0
"""That a cluster's door may take to open."""
GOLDEN = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: what neighbours are spread with, Knuth, TAOCP 3, section 6.4."""


def run_ray(
    shards: Sequence[Shard], job: Job, workers: int | None = None, *, address: str | None = None
) -> Generator[tuple[Shard, Outcome], None, None]:
    """Do shards on a Ray cluster and yield each with its outcome, as they are done.

    A shard whose worker or node dies is done again, by another; what is written is the same.

    Args:
        shards: any number.
        job: what to do with them.
        workers: actors; by default from one up to what the cluster has cores for.
        address: of a running cluster; by default the one that `ray.init` finds, or one that is
            started on this machine.

    Raises:
        RefineError: no Ray, or no cluster at that address.
        WorkerError: a worker failed in another way than by bad input.
    """
    if not shards:
        return
    with connected(address) as ray:
        rows = [{"shard": pickle.dumps(shard)} for shard in shards]
        done = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            ShardWorker,
            batch_size=1,
            compute=_pool(ray, workers),
            num_cpus=1,
            fn_constructor_args=(job, str(Path.cwd())),
        )
        try:
            for row in done.iter_rows():
                shard, outcome = pickle.loads(row["outcome"])
                if isinstance(outcome, str):
                    raise WorkerError(f"{shard.where}: {outcome}")
                yield shard, outcome
        except ray.exceptions.RayError as error:
            raise WorkerError(
                f"Ray gave up: {str(error).strip().rpartition(NEWLINE)[2]:.300}; what is finished "
                "is kept: try --resume"
            ) from error


class ShardWorker:
    """An actor that does shards.

    Args:
        job: what to do with them.
        folder: where names of files begin that are not absolute.
    """

    def __init__(self, job: Job, folder: str) -> None:
        self.job = job
        os.chdir(folder)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do the shards of a batch; one that comes twice is answered alike."""
        shards = [pickle.loads(each) for each in batch["shard"]]
        answers = [pickle.dumps((shard, attempt(shard, self.job))) for shard in shards]
        return {"outcome": np.array(answers, object)}


def refine_dataset(
    dataset: Any,
    config: Config | None = None,
    *,
    schema: Any = None,
    parts: int = PARTS,
    workers: int | None = None,
    **options: Any,
) -> Any:
    """Refine the poses of a Ray dataset in the schema of the Parquet format.

    Ray cuts datasets anywhere. So rows are dealt to parts by their image first, and each part is
    one table of whole images, in which the poses of an image are in the order of their column
    `pose`: what becomes of them is what `refine.run` makes of them, however the dataset is cut.
    That shuffles all rows; ``refine run --engine ray`` cuts files between images and does not.

    Args:
        dataset: `ray.data.Dataset`, a row per pose.
        config: the default does everything.
        schema: `pyarrow.Schema` whose metadata tell skeleton, kind of scores and history; by
            default those of the dataset, which lose them in some operations.
        parts: to which images are dealt, each of which a worker holds in memory.
        workers: actors; by default from one up to what the cluster has cores for.
        options: attributes of `Config`, which win over `config`.

    Returns:
        a dataset, lazy as all of Ray's, of what `refine_table` makes of each part.

    Raises:
        RefineError: steps for videos, pictures without a profile, or no Ray. Of rows when their
            turn comes, see `refine.corpus.refine_table`.
    """
    merged = merge(config, options)
    check_cut(merged)
    ray, pyarrow = load_ray(), load_pyarrow("a dataset")
    told = getattr(dataset.schema(), "base_schema", None) if schema is None else schema
    told = told if isinstance(told, pyarrow.Schema) else None
    about = None if told is None else (told.metadata or {}).get(KEY)
    dealt = dataset.map_batches(
        deal, batch_size=None, batch_format="pyarrow", fn_kwargs={"parts": parts, "about": about}
    )
    # Tasks, which end: the actors of a hash shuffle keep small clusters from the workers.
    dealt.context.shuffle_strategy = ray.data.context.ShuffleStrategy.SORT_SHUFFLE_PULL_BASED
    return dealt.groupby(PART).map_groups(
        TableWorker,
        batch_format="pyarrow",
        compute=_pool(ray, workers),
        num_cpus=1,
        fn_constructor_args=(merged, told),
    )


def deal(table: Any, parts: int, about: bytes | None = None) -> Any:
    """Add the column `PART` to a table of poses: the same for all rows of an image.

    Args:
        table: `pyarrow.Table` in the schema of the Parquet format, any rows.
        parts: how many there are.
        about: what the metadata of the whole dataset tell.

    Raises:
        FormatError: a table of other columns, or of another skeleton or kind of scores.
    """
    pyarrow = load_pyarrow("a dataset")
    check_columns(table)
    for name in ("image_id", "pose"):
        if name not in table.schema.names:
            raise FormatError(
                f"expected a column {name!r}, got none: it tells which poses belong together, and "
                "their order",
                hint="`to_arrow`, or a file that `refine convert --to parquet` writes",
            )
    _check_alike((table.schema.metadata or {}).get(KEY), about)
    ids = table["image_id"].combine_chunks()
    if ids.null_count:
        raise FormatError(f"expected an image id in every row, got {ids.null_count} without")
    if pyarrow.types.is_integer(ids.type):
        spread = ids.to_numpy(zero_copy_only=False).astype(np.uint64) * np.uint64(GOLDEN)
        part = (spread >> np.uint64(32)) % np.uint64(parts)
    else:
        ids = ids if pyarrow.types.is_dictionary(ids.type) else ids.dictionary_encode()
        names = [zlib.crc32(str(name).encode()) % parts for name in ids.dictionary.to_pylist()]
        part = np.array(names, np.int64)[ids.indices.to_numpy(zero_copy_only=False)]
    return table.append_column(PART, pyarrow.array(part.astype(np.int32)))


def _check_alike(here: bytes | None, about: bytes | None) -> None:
    """Check that some rows are of the skeleton and the kind of scores of the dataset."""
    if here is None or about is None or here == about:
        return
    told, whole = (parse_json(text, "metadata") for text in (here, about))
    for name in ("skeleton", "score_kind"):
        if told.get(name) != whole.get(name):
            raise FormatError(
                f"expected one {name} in a dataset, got {told.get(name)!r:.60} after "
                f"{whole.get(name)!r:.60}",
                hint="a dataset for each",
            )


class TableWorker:
    """An actor that refines tables of whole images."""

    def __init__(self, config: Config, schema: Any) -> None:
        self.config, self.schema = config, schema

    def __call__(self, table: Any) -> Any:
        """Refine a part of `deal`."""
        table = table.drop_columns([PART])
        table = table.sort_by([("image_id", "ascending"), ("pose", "ascending")])
        return refine_table(table, self.config, schema=self.schema)


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Be connected to Ray within: as the process is already, or to a cluster.

    Raises:
        RefineError: no Ray, or no cluster.
    """
    ray = load_ray()
    if ray.is_initialized():
        yield ray
        return
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        raise RefineError(
            f"expected a Ray cluster, got: {str(error).partition(NEWLINE)[0]:.200}",
            where=address,
            hint="--address of a running one, or none for one on this machine",
        ) from None
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str | None) -> None:
    """Check that somebody is there: Ray tries for minutes.

    Raises:
        OSError: nobody.
    """
    host, colon, port = (address or "").rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), KNOCK_SECONDS).close()


def load_ray() -> Any:
    """Import Ray with Ray Data.

    Raises:
        RefineError: it is not installed.
    """
    try:
        import_module("ray.data")
    except ImportError:
        raise RefineError("expected Ray, got none", hint="pip install 'refine-pose[ray]'") from None
    return import_module("ray")


def _pool(ray: Any, workers: int | None) -> Any:
    strategy = ray.data.ActorPoolStrategy
    return strategy(size=workers) if workers else strategy(min_size=1)
