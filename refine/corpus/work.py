"""Doing a shard: read, refine, write. The same bytes whoever does it, and however often."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from refine.corpus.reading import Reading, read_piece, read_shard
from refine.corpus.shards import Piece, Shard
from refine.corpus.storage import join, put, put_all
from refine.exceptions import RefineError, RefineWarning
from refine.formats import format_for, get_format, prepared, with_images
from refine.formats._losses import count_losses
from refine.formats.base import Format
from refine.formats.containers import (
    documents_of,
    dump,
    file_names,
    renamed,
)
from refine.formats.io import content_of
from refine.history import COUNTS, Step
from refine.pipeline import Config, run
from refine.pipeline.runner import summarise
from refine.poses import ImageRef, Poses


@dataclass(frozen=True, slots=True)
class Job:
    """What is done with shards.

    Attributes:
        output: folder, or URL of one, that gets what is made.
        config: what `refine.run` does; None writes what was read.
        reading: how to read, as `settle` returns it.
        format: of the outputs; None is that of the inputs.
        part: ending of the one file that a piece, or a folder's shard, becomes, ".parquet", say;
            None where files keep their names.
        skeleton: name or file; joints are mapped onto it when all is done.
        precision: decimals of coordinates.
        lenient: leave out what cannot be read of a shard of several files.
    """

    output: str
    config: Config | None
    reading: Reading = field(default_factory=Reading)
    format: str | None = None
    part: str | None = None
    skeleton: str | None = None
    precision: int | None = None
    lenient: bool = False


def refine_shard(shard: Shard, job: Job) -> dict[str, Any]:
    """Read a shard, refine it, and write what becomes of it.

    Returns:
        its facts, plain data: counts, losses by name, what was said, "names" of what was written,
        "left_out", and in "images_told" the ids of images that could not be told beforehand.

    Raises:
        RefineError: poses that cannot be read or refined.
        StorageError: a target that cannot be written.
    """
    told = Tally()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RefineWarning)
        if shard.kind == "files":
            _do_files(shard, job, told)
        elif shard.kind == "folder":
            _do_folder(shard, job, told)
        else:
            for i, piece, poses in _pieces(shard, job, told):
                _put(_refined(poses, job, told), _named(piece, shard, job, i), job, told)
    told.facts["warnings"] = [_worded(each.message) for each in caught]
    return told.facts


class Tally:
    """Facts of a shard, as they come."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {
            "poses_in": 0,
            "poses_out": 0,
            "images": 0,
            "counts": {},
            "lost": {},
            "notes": [],
            "names": [],
            "left_out": [],
            "images_told": [],
        }

    def add(self, before: Poses, after: Poses) -> None:
        """Count poses, and what the steps that are new in their history did."""
        facts, new = self.facts, after.history[len(before.history) :]
        facts["poses_in"] += len(before)
        facts["poses_out"] += len(after)
        facts["images"] += len(before.images)
        if new:
            self.count("counts", summarise(new)[1])
        facts["weights"] = next((s.weights for s in new if s.weights), None)
        facts["steps"] = [s.name for s in new]
        look: dict[str, Any] = next((dict(s.parameters) for s in new if s.name == "look"), {})
        if look:
            unread, unfit = look.get("unread", 0), look.get("unfit", 0)
            seen = {"poses_seen": look["poses"], "poses_unseen": look["without_picture"]}
            self.count("seen", {**seen, "pictures_unread": unread, "pictures_unfit": unfit})

    def count(self, name: str, counts: Mapping[Any, int]) -> None:
        """Add counts to those under a name."""
        so_far = self.facts.setdefault(name, {})
        for key, number in counts.items():
            so_far[key] = so_far.get(key, 0) + number

    def note(self, notes: Sequence[str]) -> None:
        """Remember what a person should know, once."""
        self.facts["notes"] += [each for each in notes if each not in self.facts["notes"]]


def uncounted(poses: Poses, before: int) -> Poses:
    """Return poses whose history from some step on does not tell of how many they are.

    What is counted in a shard, and the margins of its poses, would differ with the cut.
    """
    new = tuple(
        Step(s.name, {k: v for k, v in s.parameters.items() if _lasts(k, v)}, s.weights)
        for s in poses.history[before:]
    )
    return poses.replace(history=poses.history[:before] + new)


def _lasts(name: str, value: Any) -> bool:
    return name not in COUNTS and not isinstance(value, list)


def _refined(poses: Poses, job: Job, told: Tally) -> Poses:
    result = poses if job.config is None else run(poses, job.config)
    told.add(poses, result)
    told.note(poses.meta.get("notes", ()))
    result = uncounted(result, len(poses.history))
    return result.to(job.skeleton) if job.skeleton else result


def _do_folder(shard: Shard, job: Job, told: Tally) -> None:
    poses = _refined(_sound(shard, job, told), job, told)
    told.facts["images_told"] = [ref.id for ref in poses.images]
    if job.part:
        _put(poses, _named(shard.pieces[0], shard, job, 0), job, told)
        return
    form = _form(poses, job, "")
    poses = _prepared(poses, form, job, told)
    prefix = shard.pieces[0].name.rpartition("/")[0]
    names = [f"{prefix}/{n}".lstrip("/") for n in file_names(form, poses)]
    pages = documents_of(form, poses, job.precision, "folder")
    documents = pages if isinstance(pages, list) else [pages]
    put_all(
        job.output,
        ((name, dump(page, "document", name)) for name, page in zip(names, documents, strict=True)),
    )


def _sound(shard: Shard, job: Job, told: Tally) -> Poses:
    """Read files together, without those that cannot be read, if some may be left out."""
    try:
        return read_shard(shard, job.reading)
    except RefineError:
        if not job.lenient:
            raise
    good = [piece for _, piece, _ in _pieces(shard, job, told)]
    return read_shard(replace(shard, pieces=tuple(good)), job.reading)


def _pieces(shard: Shard, job: Job, told: Tally) -> Iterator[tuple[int, Piece, Poses]]:
    """Read pieces one by one, without those that cannot be read, if some may be left out."""
    for i, piece in enumerate(shard.pieces):
        try:
            poses = read_piece(piece, shard, job.reading)
        except RefineError as error:
            if not job.lenient or len(shard.pieces) == 1:
                raise
            told.facts["left_out"].append(as_facts(error))
        else:
            yield i, piece, poses


def _do_files(shard: Shard, job: Job, told: Tally) -> None:
    """Refine files that stand alone together: what becomes of each is the same."""
    files = []
    for i, piece, poses in _together(list(_pieces(shard, job, told)), job, told):
        if job.part:
            told.facts["images_told"] += [ref.id for ref in poses.images]
        name = _named(piece, shard, job, i)
        form = _form(poses, job, name)
        files.append((name, _content(poses, name, form, job, told)))
        told.facts["names"] += [name] if job.part else []
    put_all(job.output, files)


def _together(
    files: Sequence[tuple[int, Piece, Poses]], job: Job, told: Tally
) -> Iterator[tuple[int, Piece, Poses]]:
    """Refine the poses of files in as few runs as may be."""
    alone = job.config is None or job.config.pictures is not None
    start = 0
    while start < len(files):
        stop = start + 1
        first = files[start][2]
        while not alone and stop < len(files) and _joins(first, files[stop][2]):
            stop += 1
        group = files[start:stop]
        results = (
            [_refined(first, job, told)]
            if len(group) == 1
            else _run_as_one([p for *_, p in group], job, told)
        )
        for (i, piece, _), result in zip(group, results, strict=True):
            yield i, piece, result
        start = stop


def _joins(one: Poses, other: Poses) -> bool:
    """Whether poses may be refined together, none of them changed by it."""
    return (
        one.skeleton == other.skeleton
        and one.score_kind == other.score_kind
        and one.history == other.history
        and [getattr(one, n) is None for n in ("box", "area", "track")]
        == [getattr(other, n) is None for n in ("box", "area", "track")]
    )


def _run_as_one(parts: Sequence[Poses], job: Job, told: Tally) -> Iterator[Poses]:
    """Refine poses of several files whose images may be called alike."""
    first = np.cumsum([0, *(len(part.images) for part in parts)])
    numbered = [
        part.replace(images=tuple(ImageRef(int(i)) for i in range(low, low + len(part.images))))
        for low, part in zip(first.tolist(), parts, strict=False)
    ]
    result = _refined(Poses.concat(numbered), job, told)
    for low, high, part in zip(first.tolist(), first[1:].tolist(), parts, strict=False):
        some = result[np.flatnonzero((result.image >= low) & (result.image < high))]
        told.note(part.meta.get("notes", ()))
        yield some.replace(image=some.image - low, images=part.images, meta=part.meta)


def _form(poses: Poses, job: Job, name: str) -> Format:
    return get_format(job.format or format_for(poses, name))


def _prepared(poses: Poses, form: Format, job: Job, told: Tally) -> Poses:
    """Return poses as they are written, and remember what that takes from them."""
    told.facts["format"] = form.name
    own = form.name == poses.meta["format"]
    told.count("lost", count_losses(poses, form, poses.meta["held"] if own else None))
    if job.reading.images and form.name.startswith("coco") and not own:
        poses = with_images(poses, job.reading.images, rename=True)
    prepared_, notes = prepared(poses, form.name)
    told.note(notes)
    return prepared_


def _content(poses: Poses, name: str, form: Format, job: Job, told: Tally) -> bytes:
    poses = _prepared(poses, form, job, told)
    return content_of(poses, name.rpartition("/")[2], form, job.precision)


def _put(poses: Poses, name: str, job: Job, told: Tally) -> None:
    form = _form(poses, job, name)
    put(join(job.output, name), _content(poses, name, form, job, told))
    told.facts["names"].append(name)


def _named(piece: Piece, shard: Shard, job: Job, number: int) -> str:
    if job.part:
        of = f"-{number:03d}" if len(shard.pieces) > 1 and shard.kind != "folder" else ""
        return f"part-{shard.number:05d}{of}{job.part}"
    return renamed(piece.name, get_format(job.format)) if job.format else piece.name


def as_facts(error: RefineError) -> dict[str, Any]:
    """Return what an error tells as plain data."""
    return {"where": error.where, "message": error.message, "hint": error.hint}


def _worded(warning: Warning | str) -> dict[str, Any]:
    return {"message": str(warning), "details": list(getattr(warning, "details", ()))}
