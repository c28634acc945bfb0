"""Cutting corpora into shards: pieces of files that hold whole images.

What is cut where depends on the files and the size of a shard alone, not on who does them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

from refine.corpus import storage
from refine.corpus.cuts import Cut, check_distinct, cut_lines, cut_rows
from refine.exceptions import FormatError
from refine.formats.containers import LINE_SUFFIXES, is_lines_name, names_in
from refine.formats.known import endings

Kind = Literal["folder", "files", "lines", "rows"]
"""What the pieces of a shard are: files of one folder, which are read together; files that each
stand alone; lines of NDJSON; rows of Parquet."""

POSES, FILES = 50_000, 1000
"""Of a shard, where nobody asks for other sizes: a second or two of work in less than 300 MB."""

LINES = tuple(f"{suffix}{packed}" for suffix in LINE_SUFFIXES for packed in ("", ".gz"))
ROWS = (".parquet",)


@dataclass(frozen=True, slots=True)
class Piece:
    """A file or a part of one.

    Attributes:
        source: the file, a path or URL.
        name: of what is made of it, below the folder of outputs.
        start: byte of its first line, or number of its first row.
        stop: where it ends; None is the end of the file.
        before: lines of the file that come before.
    """

    source: str
    name: str
    start: int = 0
    stop: int | None = None
    before: int = 0


class _File(NamedTuple):
    """A file that was found: its kind, place, name below the outputs, and whose images it shares.

    In one home no id is that of two images.
    """

    kind: Kind
    place: str
    name: str
    home: str


@dataclass(frozen=True, slots=True)
class Shard:
    """Pieces that are done together.

    Attributes:
        number: of all shards, from 0.
        kind: what the pieces are.
        pieces: in their order.
        size: poses, or files.
    """

    number: int
    kind: Kind
    pieces: tuple[Piece, ...]
    size: int

    @property
    def where(self) -> str:
        """Name the shard for messages."""
        first = self.pieces[0]
        if len(self.pieces) > 1:
            return f"{first.source} and the next"
        if self.kind == "rows":
            return f"{first.source}, from row {first.start}"
        return f"{first.source}, from line {first.before + 1}" if first.stop else first.source


def plan(
    inputs: Sequence[str],
    *,
    format: str | None = None,
    batch: int | None = None,
    joined: bool = False,
    lenient: bool = False,
) -> list[Shard]:
    """Cut inputs into shards; no image lies in two.

    Args:
        inputs: files, folders of files by image, data sets (folders, also behind URLs, with Parquet
            or NDJSON in them, at any depth).
        format: of the files, where endings do not tell.
        batch: poses of a shard, at least, where its file has as many; or its files.
        joined: whether all becomes one file, in which images must differ by their ids; else those
            of one input in one folder must.
        lenient: leave what cannot be read to who does the shard.

    Raises:
        FormatError: nothing to read, a damaged file, or an image in two shards.
    """
    found: list[_File] = []
    several = len(inputs) > 1
    for place in map(storage.local, inputs):
        if not storage.is_folder(place):
            found.append(_File(_kind(place, format), place, Path(place).name, place))
            continue
        kind, names = _listed(place, format)
        prefix = f"{Path(place).name}/" if several else ""
        homes = [storage.join(place, name.rpartition("/")[0]) for name in names]
        found += [
            _File(kind, storage.join(place, name), prefix + name, home)
            for name, home in zip(names, homes, strict=True)
        ]
    if not joined:
        _check_names([file.name for file in found], several)
    shards: list[Shard] = []
    worlds: dict[str, list[Cut]] = {}
    for kind, group in _by_kind(found):
        if kind in ("folder", "files"):
            limit = batch or FILES
            pieces = iter([(Piece(file.place, file.name), 1) for file in group])
        else:
            limit = batch or POSES
            pieces = _pieces(kind, group, limit, "" if joined else None, worlds, lenient)
        shards += _grouped(pieces, kind, limit, len(shards))
    for cuts in worlds.values():
        check_distinct(cuts)
    return shards


def _kind(place: str, format: str | None) -> Kind:
    if place.endswith(ROWS) or format == "parquet":
        return "rows"
    return "lines" if is_lines_name(place) else "files"


def _listed(folder: str, format: str | None) -> tuple[Kind, list[str]]:
    """List the files of a folder: those by image that `refine.read` reads, or a data set."""
    by_image = not storage.is_url(folder) and any(Path(folder).glob("*.json"))
    if not by_image or format in ("parquet", "ndjson"):
        names = storage.names_below(folder, (*ROWS, *LINES))
        rows = [name for name in names if name.endswith(ROWS)]
        if rows and len(rows) < len(names) and format is None:
            raise FormatError(
                f"expected files of one kind, got {rows[0]} and others of NDJSON",
                where=folder,
                hint="--from parquet or --from ndjson, which leaves the others alone",
            )
        if rows and format != "ndjson":
            return "rows", rows
        if some := [name for name in names if name.endswith(LINES)]:
            return "lines", some
    if storage.is_url(folder):
        raise FormatError(
            f"expected {', '.join((*ROWS, *LINE_SUFFIXES))} files, got none", where=folder
        )
    return "folder", names_in(folder, endings())


def _by_kind(
    found: Iterable[_File],
) -> Iterator[tuple[Kind, list[_File]]]:
    """Part files where the kind changes, or the folder whose files are read together."""
    for (kind, _), group in groupby(found, lambda f: (f.kind, f.kind == "folder" and f.home)):
        yield kind, list(group)


def _pieces(
    kind: Kind,
    group: Iterable[_File],
    limit: int,
    world: str | None,
    worlds: dict[str, list[Cut]],
    lenient: bool,
) -> Iterator[tuple[Piece, int]]:
    cut: Callable[[str, int], list[Cut]] = cut_rows
    if kind == "lines":
        cut = partial(cut_lines, lenient=lenient)
    for _, place, name, home in group:
        try:
            cuts = cut(place, limit)
        except FormatError:
            if not lenient:
                raise
            yield Piece(place, name), limit
            continue
        worlds.setdefault(home if world is None else world, []).extend(cuts)
        for i, each in enumerate(cuts):
            own = name if len(cuts) == 1 else _numbered(name, i)
            yield Piece(place, own, each.start, each.stop, each.before), each.size


def _grouped(
    pieces: Iterable[tuple[Piece, int]], kind: Kind, limit: int, first: int
) -> Iterator[Shard]:
    """Put pieces together as long as they are no more than one shard."""
    held: list[Piece] = []
    total = 0
    number = first
    for piece, size in pieces:
        if held and total + size > limit:
            yield Shard(number, kind, tuple(held), total)
            held, total, number = [], 0, number + 1
        held.append(piece)
        total += size
    if held:
        yield Shard(number, kind, tuple(held), total)


def _numbered(name: str, number: int) -> str:
    """Name a part of a file.

    >>> _numbered("a/b.ndjson", 3)
    'a/b-00003.ndjson'
    """
    folder, slash, file = name.rpartition("/")
    stem, dot, suffix = file.partition(".")
    return f"{folder}{slash}{stem}-{number:05d}{dot}{suffix}"


def _check_names(names: list[str], several: bool) -> None:
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice:
        raise FormatError(
            f"expected inputs of different names, got {twice} twice",
            hint="one run per folder of inputs" if several else None,
        )


def heads_of(shard: Shard) -> Iterator[Shard]:
    """Yield parts of a shard by any of which to tell what all shards are.

    Those that stand alone tell nothing of others; those of a folder are told by all of them.
    """
    if shard.kind == "folder":
        yield shard
    elif shard.kind != "files":
        yield from (replace(shard, pieces=(piece,)) for piece in shard.pieces)


def largest_file(shard: Shard) -> int:
    """Return the bytes of the largest file of a folder, which has people in it; 0 of others."""
    if shard.kind != "folder":
        return 0
    return max(Path(piece.source).stat().st_size for piece in shard.pieces)
