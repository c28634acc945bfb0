"""What a format is: one value that knows how to tell, read, write and show itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, NamedTuple, TypeAlias

from refine.formats._person import one_person
from refine.poses import Poses
from refine.skeletons import Skeleton

Document: TypeAlias = dict[str, Any] | list[Any] | str | float | None
"""Parsed JSON."""

Where = Callable[[int], str]
"""Name of a record, by its number, for messages."""

Holding = Literal["document", "folder", "lines"]
"""A file of one JSON document, a folder of such files, or a file with a document on each line.

The lines of a file mean the same as a list of what they hold.
"""

HOLDINGS: dict[Holding, str] = {
    "document": "one JSON document",
    "folder": "a folder",
    "lines": "lines of JSON",
}
"""The holdings in words."""

LARGE = 1 << 20
"""Bytes from which compiled code pays: that of a process is loaded in 0.3 s."""

Loss = Literal[
    "image ids",
    "image names",
    "image sizes",
    "frame numbers",
    "frames per second",
    "images without poses",
    "keypoint scores",
    "score kind",
    "instance scores",
    "boxes",
    "areas",
    "tracks",
    "unknown fields",
    "history",
    "skeletons that do not ship",
]
"""What a format may have no place for."""


class Verdict(IntEnum):
    """How sure a format is that a document is of it; the surest is taken."""

    NO = 0
    PERHAPS = 1
    YES = 2


class Page(NamedTuple):
    """A document among several: of its image it tells the name, or the number of its line."""

    name: str | int
    document: Document
    where: str


@dataclass(frozen=True, slots=True)
class Source:
    """What a path holds.

    Attributes:
        path: for messages.
        held: in which way.
        documents: one, those of the files of a folder, or those of the lines of a file.
        names: of the files of a folder, without it.
        before: lines of the file that come before those here.
    """

    path: str
    held: Holding
    documents: Sequence[Document]
    names: Sequence[str] = ()
    before: int = 0

    @property
    def document(self) -> Document:
        """The only document; of lines, the list of them."""
        return list(self.documents) if self.held == "lines" else self.documents[0]

    def where(self, index: int) -> str:
        """Name a document for messages."""
        if self.held == "lines":
            return f"{self.path}, line {self.before + index + 1}"
        return f"{self.path}, {self.names[index]}" if self.held == "folder" else self.path

    def record(self, what: str) -> Where:
        """Return the namer of the items of `document`."""
        return self.where if self.held == "lines" else lambda i: f"{self.path}, {what} {i}"

    def pages(self) -> list[Page]:
        """Return the documents and what each is called."""
        names: Sequence[str | int] = self.names if self.held == "folder" else (self.path,)
        if self.held == "lines":
            names = range(self.before, self.before + len(self.documents))
        pages = zip(names, self.documents, strict=True)
        return [Page(name, page, self.where(i)) for i, (name, page) in enumerate(pages)]


@dataclass(frozen=True, slots=True)
class Options:
    """How to read.

    Attributes:
        where: the file, for messages.
        skeleton: of the poses, where the file does not tell.
        zero_is_missing: whether (0, 0) means a missing joint whatever its score.
        default: skeleton where neither the file nor `skeleton` tells and the number of joints fits.
        category: id or name of the one whose annotations are read; None for all.
    """

    where: str
    skeleton: Skeleton | None = None
    zero_is_missing: bool = True
    default: Skeleton | None = None
    category: int | str | None = None

    def record(self, what: str) -> Where:
        """Return the namer of records of one kind."""
        return lambda number: f"{self.where}, {what} {number}"


def leave(poses: Poses) -> tuple[Poses, tuple[str, ...]]:
    """Return poses as they are, for formats that demand nothing."""
    return poses, ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format. Adding one is a file with a tuple ``FORMATS`` and its line in `known`.

    Attributes:
        name: for ``--from`` and ``--to``.
        about: one line.
        tells: what tells a document of it from others, for messages.
        detect: how surely a document is of it; the rest of the file may still be wrong.
        read: poses of a source that is held in one of `holdings`.
        write: poses, rounded to so many decimals if that is not None, as one document or, for
            lines and folders, as the list of documents; a folder has one document per image.
        holdings: ways of holding its documents, the usual one first.
        cannot_hold: what is lost by writing.
        fields: names in its records to which it gives a meaning; an unknown field of another format
            that is called so gets another name.
        private: those that mean nothing, or something else, in other formats; they stay behind.
        skeletons: whose joints it is defined for; all if there are none.
        complete: gives poses what every record must have, and says what that was.
        shares: what the width of an image is in its coordinates, where they are no px: 1 for
            shares, 100 for percents. The sizes of the images are then needed.
        ending: of the names of the files in a folder.
        endings: of the names of further files that it is written to, see `_encodings`.
        example: poses for `sample`.
    """

    name: str
    about: str
    tells: str
    detect: Callable[[Document], Verdict]
    read: Callable[[Source, Options], Poses]
    write: Callable[[Poses, int | None, Holding], Document]
    holdings: tuple[Holding, ...] = ("document",)
    cannot_hold: tuple[Loss, ...] = ()
    fields: frozenset[str] = frozenset()
    private: frozenset[str] = frozenset()
    skeletons: tuple[str, ...] = ()
    complete: Callable[[Poses], tuple[Poses, tuple[str, ...]]] = leave
    shares: float = 0
    ending: str = ".json"
    endings: tuple[str, ...] = ()
    example: Callable[[], Poses] = one_person

    def sample(self) -> Document:
        """Return a document of one person on one image."""
        return self.write(self.example(), None, "document")
