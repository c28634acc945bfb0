"""Reading shards: the poses of one are what they would be as a part of the whole."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from refine.corpus.rows import read_rows
from refine.corpus.shards import Kind, Piece, Shard, heads_of, largest_file
from refine.corpus.storage import read_range, read_whole
from refine.exceptions import FormatError, RefineError, SkeletonError
from refine.formats import read
from refine.formats._parquet import from_table
from refine.formats.base import Source
from refine.formats.containers import load_files, parse_lines
from refine.poses import Poses, ScoreKind
from refine.skeletons import Skeleton

HEAD_BYTES, HEAD_ROWS = 1 << 20, 1000
"""Of a file, by which to tell what all of it is."""
TELLING = ("ndjson", "parquet")
"""Formats that tell the kind of their scores; of others it is guessed from all scores of a file."""
SURE = ("unknown", "logit")
"""Kinds that a few scores prove of all: some are no flags, some are beyond what others may be."""


@dataclass(frozen=True, slots=True)
class Alike:
    """What the shards of one corpus have in common.

    Attributes:
        skeleton: of all poses.
        score_kind: of their scores.
        format: of the files.
        kind: of the shards that are in this format.
        where: the file that told.
    """

    skeleton: Skeleton
    score_kind: ScoreKind
    format: str
    kind: Kind
    where: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read; most attributes are arguments of `refine.read`.

    Attributes:
        format: of the files; None sniffs.
        skeleton: name or file, where files do not tell.
        images: COCO file that tells of the images.
        zero_is_missing: whether (0, 0) is no place.
        normalised: whether coordinates are shares of the images.
        category: the only one to read.
        default: skeleton where neither files nor `skeleton` tell: that of the ground truth.
        alike: what all shards must be, of `settle`; None where files stand alone.
    """

    format: str | None = None
    skeleton: str | None = None
    images: str | None = None
    zero_is_missing: bool = True
    normalised: bool | None = None
    category: int | str | None = None
    default: Skeleton | None = None
    alike: Alike | None = None


def settle(shards: Sequence[Shard], reading: Reading, *, lenient: bool = False) -> Reading:
    """Look into the first shard for what the others must be, too.

    What files do not tell is guessed from what is in them: whether coordinates are px, the
    skeleton, and whether scores are flags, which only a look at all of them can tell. Shards must
    not guess differently.

    Args:
        shards: of `plan`.
        reading: how to read, without `Reading.alike`.
        lenient: look into the next one where one cannot be read.

    Raises:
        FormatError: it, or with `lenient` none, can be read.
        SkeletonError: see `refine.read`.
    """
    failed: list[RefineError] = []
    settled: Reading | None = None
    for shard in sorted(shards, key=largest_file, reverse=True):
        for head in heads_of(shard):
            try:
                found = _settled(head, reading, short=settled is None)
            except RefineError as error:
                if not lenient:
                    raise
                failed.append(error)
                continue
            settled = settled or found
            if not _may_be_flags(found):
                return found
    if failed and not settled:
        raise failed[0]
    return settled or reading


def _may_be_flags(reading: Reading) -> bool:
    """Whether other files may show that what was taken for flags are scores."""
    alike = reading.alike
    return alike is not None and alike.format not in TELLING and alike.score_kind == "flag"


def _settled(head: Shard, reading: Reading, *, short: bool) -> Reading:
    poses = _read(head, reading, short=short)
    form = str(poses.meta["format"])
    alike = Alike(poses.skeleton, poses.score_kind, form, head.kind, head.pieces[0].source)
    shares = True if poses.meta.get("normalised") else reading.normalised
    return replace(reading, normalised=shares, alike=alike)


def read_shard(shard: Shard, reading: Reading) -> Poses:
    """Read the poses of a shard; of files that stand alone use `read_piece`.

    Raises:
        FormatError: it cannot be read, or is not like the others.
        SkeletonError: another skeleton than the others'.
    """
    return _likened(_read(shard, reading), reading, shard.where)


def read_piece(piece: Piece, shard: Shard, reading: Reading) -> Poses:
    """Read the poses of one piece of a shard.

    Raises:
        FormatError: see `read_shard`.
        SkeletonError: see `read_shard`.
    """
    return read_shard(replace(shard, pieces=(piece,)), reading)


def _read(shard: Shard, reading: Reading, *, short: bool = False) -> Poses:
    alike = reading.alike
    if shard.kind == "folder":
        sources: list[Source | str] = [_folder(shard)]
    else:
        sources = [_open(piece, shard, short) for piece in shard.pieces]
    parts = []
    for piece, source in zip(shard.pieces, sources, strict=False):
        try:
            poses = read(
                source,
                alike.format if alike and alike.kind == shard.kind else reading.format,
                skeleton=reading.skeleton,
                images=reading.images,
                zero_is_missing=reading.zero_is_missing,
                normalised=reading.normalised,
                default=alike.skeleton if alike else reading.default,
                category=reading.category,
            )
        except RefineError as error:
            raise _shifted(error, piece) from None
        parts.append(poses)
    if len(parts) == 1:
        return parts[0]
    return Poses.concat(parts).replace(meta=parts[0].meta)


def _folder(shard: Shard) -> Source:
    folder = shard.pieces[0].source.rpartition("/")[0] or "/"
    return load_files(folder, [piece.source.rpartition("/")[2] for piece in shard.pieces])


def _open(piece: Piece, shard: Shard, short: bool) -> Source | str:
    place, start, stop = piece.source, piece.start, piece.stop
    if shard.kind == "files":
        return place
    if shard.kind == "rows":
        if short:
            stop = start + HEAD_ROWS if stop is None else min(stop, start + HEAD_ROWS)
        return Source(place, "document", [from_table(read_rows(place, start, stop), place)])
    if stop is None:
        return parse_lines(read_whole(place), place)
    data = read_range(place, start, stop)
    if short and len(data) > HEAD_BYTES:
        data = data[: data.find(b"\n", HEAD_BYTES) + 1 or None]
    return parse_lines(data, place, piece.before)


def _shifted(error: RefineError, piece: Piece) -> RefineError:
    """Count rows from the beginning of the file in what is told of a part of it."""
    found = re.fullmatch(r"(.*, row )(\d+)(.*)", error.where or "")
    if found and piece.start and not piece.before and found[1] == f"{piece.source}, row ":
        error.where = f"{found[1]}{piece.start + int(found[2])}{found[3]}"
    return error


def _likened(poses: Poses, reading: Reading, where: str) -> Poses:
    """Return the poses of a shard as a part of the whole.

    Raises:
        SkeletonError: another skeleton.
        FormatError: another kind of scores, or shares of images among px.
    """
    alike = reading.alike
    if alike is None:
        return poses
    if poses.skeleton != alike.skeleton:
        raise SkeletonError(
            f"expected one skeleton, got {poses.skeleton.name} after {alike.skeleton.name} in "
            f"{alike.where}",
            where=where,
            hint="a run for each",
        )
    if poses.meta.get("normalised") and reading.normalised is None:
        raise FormatError(
            f"expected coordinates in px as in {alike.where}, got shares of the images",
            where=where,
            hint="--pixels or --normalised",
        )
    if poses.score_kind == alike.score_kind:
        return poses
    guessed = alike.format not in TELLING and alike.score_kind in SURE
    if len(poses) and not guessed and poses.score[poses.present].any():
        raise FormatError(
            f"expected one kind of scores, got {poses.score_kind!r} after {alike.score_kind!r} in "
            f"{alike.where}",
            where=where,
            hint="a run for each, or one with a --batch of all",
        )
    return poses.replace(score_kind=alike.score_kind)
