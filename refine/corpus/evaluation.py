"""Evaluation of corpora: shard by shard, with the figures of the whole."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from refine._types import Floats
from refine.corpus.reading import Reading, read_shard, settle
from refine.corpus.shards import Shard, plan
from refine.corpus.storage import local
from refine.evaluation.coco import Report, evaluate_parts
from refine.evaluation.parts import Area, Options, aim
from refine.poses import Poses
from refine.skeletons import Skeleton


def read_parts(
    places: Sequence[str], reading: Reading, batch: int | None = None
) -> Iterator[tuple[str, Poses]]:
    """Read a corpus part by part; no image lies in two parts.

    Args:
        places: files, folders and data sets, see `refine.corpus.shards.plan`.
        reading: how.
        batch: poses of a part.

    Returns:
        what messages call each part, and its poses.

    Raises:
        FormatError: nothing to read, an image in two shards; of a part when its turn comes, that
            it cannot be read, or is not like the others.
        SkeletonError: another skeleton than the others'.
    """
    shards = plan([local(place) for place in places], format=reading.format, batch=batch)
    return _read_each(shards, settle(shards, reading))


def _read_each(shards: Sequence[Shard], reading: Reading) -> Iterator[tuple[str, Poses]]:
    for shard in shards:
        apart = shard.kind != "folder"
        for part in [replace(shard, pieces=(p,)) for p in shard.pieces] if apart else [shard]:
            yield part.where, read_shard(part, reading)


def evaluate_corpus(
    gt: Any,
    places: str | Path | Sequence[str | Path],
    *,
    sigmas: Floats | float | str | Path | Skeleton | None = None,
    image_ids: Sequence[int | str] | None = None,
    max_dets: int = 20,
    area: Area = "auto",
    strict: bool = True,
    batch: int | None = None,
) -> Report:
    """Do what `refine.evaluate` does with predictions that no memory holds; in every digit.

    Shards are matched one after the other, and what is kept of a pose are 54 bytes. The ground
    truth is in memory.

    Args:
        gt: see `refine.evaluate`, as all that is not told here.
        places: of the predictions: files, folders by image, data sets with Parquet or NDJSON in
            them, also behind URLs.
        sigmas: by default those of the ground truth's skeleton.
        image_ids: score only these images.
        max_dets: best predictions per image that count.
        area: of predictions.
        strict: refuse predictions on images that the ground truth lacks.
        batch: poses of a shard.

    Raises:
        FormatError, SkeletonError, ArrayError: see `refine.evaluate`, `read_parts` and
            `refine.evaluation.evaluate_parts`.
    """
    options = Options(sigmas, image_ids, max_dets, area, strict)
    truth = aim(gt, options).truth
    names = [places] if isinstance(places, str | Path) else places
    parts = read_parts([str(each) for each in names], Reading(default=truth.skeleton), batch)
    return evaluate_parts(truth, parts, options).report
