"""The record of a run beside what it makes: what was planned, and which shards are done.

In the folder of outputs stands ``_refine/``: ``plan.json`` from the beginning, ``done/`` with a
file for each shard that is done, and in the end ``summary.json`` in their place. What has no
summary is not finished.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from refine._version import __version__
from refine.corpus.cuts import twice
from refine.corpus.shards import Shard
from refine.corpus.storage import (
    is_folder,
    is_there,
    is_url,
    join,
    names_below,
    put,
    read_whole,
    remove,
    remove_drafts,
    stamp,
)
from refine.corpus.work import Job
from refine.exceptions import FormatError
from refine.files import dump_json, parse_json

FOLDER = "_refine"
PLAN, DONE, SUMMARY = f"{FOLDER}/plan.json", f"{FOLDER}/done", f"{FOLDER}/summary.json"
ADDED = ("poses_in", "poses_out", "images")
"""Facts of shards that add up."""
COUNTED = ("counts", "lost", "seen")
"""Facts that are counts by name."""
FILES = ("weights", "picture_weights", "profile", "calibration", "images", "skeleton")
"""Options that may name files."""


def describe(shards: Sequence[Shard], job: Job) -> dict[str, Any]:
    """Say what a run is to do; runs of one description write the same bytes.

    Raises:
        FormatError: an input that cannot be read.
    """
    sources = list(dict.fromkeys(piece.source for s in shards for piece in s.pieces))
    stamps = [[source, *stamp(source)] for source in sources]
    cuts = [[s.kind, [[p.source, p.name, p.start, p.stop] for p in s.pieces]] for s in shards]
    return {
        "version": __version__,
        "options": _options(job),
        "inputs": {"files": len(sources), "bytes": sum(s[1] for s in stamps)},
        "inputs_digest": _digest(stamps),
        "shards": len(shards),
        "shards_digest": _digest(cuts),
    }


def _options(job: Job) -> dict[str, Any]:
    reading, alike = job.reading, job.reading.alike
    told = {
        **(asdict(job.config) if job.config else {}),
        "format": job.format,
        "part": job.part,
        "to_skeleton": job.skeleton,
        "precision": job.precision,
        "from": reading.format,
        "skeleton": reading.skeleton,
        "images": reading.images,
        "zero_is_missing": reading.zero_is_missing,
        "normalised": reading.normalised,
        "category": reading.category,
        "read_as": None if alike is None else [alike.format, alike.skeleton.name],
    }
    for name in (*FILES, "to_skeleton"):
        if isinstance(path := told.get(name), str) and Path(path).is_file():
            told[name] = [path, *stamp(path)]
    plain: dict[str, Any] = parse_json(dump_json(told), "options")
    return plain


def _digest(value: Any) -> str:
    return hashlib.sha256(dump_json(value)).hexdigest()[:16]


def begin(output: str, plan: Mapping[str, Any], *, resume: bool) -> dict[int, dict[str, Any]]:
    """Begin a run, or take up one that was interrupted.

    Args:
        output: the folder of outputs, new or empty, or with `resume` that of the same run.
        plan: of `describe`.
        resume: whether what is there already is to be kept.

    Returns:
        the facts of the shards that are done, by number.

    Raises:
        FormatError: a folder with other data, or of a run with other options, inputs or shards.
        StorageError: it cannot be written.
    """
    if is_there(join(output, PLAN)):
        if not resume:
            finished = is_there(join(output, SUMMARY))
            raise FormatError(
                f"expected a new or empty folder, got a run that is {'' if finished else 'not '}"
                "finished",
                where=output,
                hint="another -o" if finished else "--resume, or another -o",
            )
        _check_same(output, plan)
        remove_drafts(output)
        return _done(output)
    if not _is_free(output):
        raise FormatError(
            "expected a new or empty folder, got one with other data",
            where=output,
            hint="another -o",
        )
    put(join(output, PLAN), dump_json(plan))
    return {}


def _is_free(output: str) -> bool:
    if is_url(output):
        return not (is_folder(output) and names_below(output, ("",)))
    folder = Path(output)
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def _check_same(output: str, plan: Mapping[str, Any]) -> None:
    where = join(output, PLAN)
    before = parse_json(read_whole(where), where)
    if not isinstance(before, dict):
        raise FormatError("expected the plan of a run", where=where, hint="another -o")
    for name, told in plan.items():
        if before.get(name) == told:
            continue
        was = before.get(name)
        if name == "options" and isinstance(was, dict):
            key = next(k for k in {**was, **told} if was.get(k) != told.get(k))
            name, was, told = f"option {key!r}", was.get(key), told.get(key)
        elif name.endswith("_digest"):
            name = name.removesuffix("_digest")
            was = told = "others"
        got = "others" if told == "others" else f"{told!r:.60} after {was!r:.60}"
        raise FormatError(
            f"expected the run that was begun here, got another: {name}, {got}",
            where=output,
            hint="the same command, or another -o",
        )


def read_summary(output: str) -> dict[str, Any] | None:
    """Return the summary of a run that is finished, None of others.

    Raises:
        FormatError: it cannot be read.
    """
    place = join(output, SUMMARY)
    summary: dict[str, Any] | None = None
    if is_there(place):
        summary = parse_json(read_whole(place), place)
    return summary


def _done(output: str) -> dict[int, dict[str, Any]]:
    folder = join(output, DONE)
    if not is_folder(folder):
        return {}
    names = names_below(folder, (".json",))
    marks = ((name, join(folder, name)) for name in names)
    return {int(name.partition(".")[0]): parse_json(read_whole(at), at) for name, at in marks}


def mark(output: str, number: int, facts: Mapping[str, Any]) -> None:
    """Write down that a shard is done.

    Raises:
        StorageError: that cannot be written.
    """
    put(join(output, f"{DONE}/{number:06d}.json"), dump_json(facts))


def finish(output: str, shards: Mapping[int, Mapping[str, Any]]) -> None:
    """Write down that all is done.

    Raises:
        StorageError: that cannot be written.
    """
    put(join(output, SUMMARY), dump_json(total(shards)))
    remove(join(output, DONE))


def forget(output: str) -> None:
    """Remove the record of a run that wrote nothing, and its folder.

    Raises:
        StorageError: it cannot be removed.
    """
    if not is_url(output) and {path.name for path in Path(output).iterdir()} == {FOLDER}:
        remove(output)


def total(shards: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Add up the facts of shards."""
    facts: dict[str, Any] = dict.fromkeys(ADDED, 0)
    counts: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
    notes: dict[str, None] = {}
    for _, each in sorted(shards.items()):
        for name in ADDED:
            facts[name] += each[name]
        for name in COUNTED:
            counts[name].update(each.get(name, {}))
        notes |= dict.fromkeys(each["notes"])
        facts |= {name: each[name] for name in ("weights", "steps", "format") if each.get(name)}
    return {**facts, **{name: dict(of) for name, of in counts.items()}, "notes": list(notes)}


def check_images(
    shards: Sequence[Shard], done: Mapping[int, Mapping[str, Any]], *, joined: bool
) -> None:
    """Check that no image of a folder lies in two shards, or, where all are joined, at all.

    Raises:
        FormatError: one does; the outputs are there, and not finished.
    """
    first: dict[Any, Shard] = {}
    for shard in shards:
        home = "" if joined else shard.pieces[0].source.rpartition("/")[0]
        for image in done.get(shard.number, {}).get("images_told", ()):
            if (other := first.setdefault((home, image), shard)) is not shard:
                raise twice(image, other.where, shard.where)
