"""Finding images: the one rule by which predictions, annotations, sizes and pictures meet."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from refine.exceptions import FormatError
from refine.poses import ImageRef

DIGITS = 20
"""Of ids; longer ones are no numbers of images."""


class _Match(NamedTuple):
    """Images that a name fits, and whether folders that differ had to be overlooked."""

    rows: tuple[int, ...] = ()
    loose: bool = False


def find_images(
    refs: Sequence[ImageRef],
    names: Sequence[str | None],
    ids: Sequence[int | str] | None = None,
    *,
    where: str,
) -> list[int | None]:
    r"""Find images among known ones by their names, and by ids where no name speaks against it.

    Names are compared as whole paths, then by the longest end of the path that both share, then
    by that without suffix, each only where it fits one image; `\\` separates folders, too. A string
    id is a name, and a number if it spells one. Whole numbers are names only where `ids` are not
    given (a folder of pictures: ``000000000139.jpg`` is 139) or hold none of them.

    Args:
        refs: the images to find.
        names: of the I known images, None where unknown.
        ids: of the known images, if they have any.
        where: of the known images, for messages.

    Returns:
        index into the known images, None where there is none or names fit several.

    Raises:
        FormatError: an image whose id and name are those of two different images.

    >>> known = ["cam1/1.jpg", "cam2/1.jpg"]
    >>> find_images([ImageRef("cam2/1"), ImageRef("1.jpg"), ImageRef(8)], known, [8, 9], where="")
    [1, None, 0]
    """
    return KnownImages(names, ids, where).find(refs)


class KnownImages:
    """Images to find others among, whose names are sorted once; the arguments of `find_images`."""

    def __init__(
        self, names: Sequence[str | None], ids: Sequence[int | str] | None, where: str
    ) -> None:
        self.names, self.ids, self.where = names, ids, where
        self._by_id = {name: i for i, name in enumerate(ids or ())}

    @cached_property
    def _lookup(self) -> "_Names":
        return _Names(self.names)

    @cached_property
    def _by_text(self) -> dict[str, int]:
        return {str(name): i for i, name in enumerate(self.ids or ())}

    def find(self, refs: Sequence[ImageRef]) -> list[int | None]:
        """Return the index of each image, None where there is none or names fit several.

        Raises:
            FormatError: an image whose id and name are those of two different images.
        """
        found = self.find_named(refs)
        if self.ids is None or not any(i is not None for i in found):
            for at, ref in enumerate(refs):
                if found[at] is None and not ref.file_name:
                    found[at] = self._lookup.numbered(ref.id, padded=self.ids is None)
        return found

    def find_named(self, refs: Sequence[ImageRef]) -> list[int | None]:
        """Do what `find` does without taking numbers for names.

        Raises:
            FormatError: see `find`.
        """
        by_id = self._by_id
        if not any(ref.file_name for ref in refs) and all(ref.id in by_id for ref in refs):
            return [by_id[ref.id] for ref in refs]
        found: list[int | None] = []
        called: dict[int, set[str]] = defaultdict(set)
        loose: set[int] = set()
        for at, ref in enumerate(refs):
            exact = by_id.get(ref.id)
            spelled = [ref.id] if isinstance(ref.id, str) and exact is None else []
            fits = _Match()
            for name in filter(None, (ref.file_name, *spelled)):
                fits = fits if fits.rows else self._lookup.find(name)
            if len(fits.rows) == 1:
                called[fits.rows[0]].add("/".join(_parts(ref.file_name or str(ref.id))))
                loose |= {at} if fits.loose else set()
            number = exact if exact is not None else self._by_text.get(_digits(ref.id))
            if number in fits.rows:
                found.append(number)
            elif fits.rows:
                if number is not None and len(fits.rows) == 1:
                    ids = self.ids or ()
                    raise _two(ref, self.names, ids, number, fits.rows[0], self.where)
                found.append(fits.rows[0] if len(fits.rows) == 1 else None)
            elif number is not None and ref.file_name and self.names[number]:
                found.append(None)
            else:
                found.append(number)
        for at in loose:
            # Two names for one image: the one whose folders do not fit is another's.
            row = found[at]
            found[at] = None if row is None or len(called[row]) > 1 else row
        return found


class _Names:
    """Known names by whole path, and by every end of the path with and without suffix."""

    def __init__(self, names: Sequence[str | None]) -> None:
        self.paths: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self.ends: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self.stems: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self.numbers: dict[int, list[int]] = defaultdict(list)
        self.depth = [0 if name is None else len(_parts(name)) for name in names]
        for i, name in enumerate(names):
            if not name:
                continue
            path = _parts(name)
            bare = _without_suffix(path)
            self.paths[path].append(i)
            for start in range(len(path)):
                self.ends[path[start:]].append(i)
                self.stems[bare[start:]].append(i)
            if bare[-1].isascii() and bare[-1].isdecimal() and len(bare[-1]) < DIGITS:
                self.numbers[int(bare[-1])].append(i)

    def find(self, name: str) -> _Match:
        path = _parts(name)
        if path in self.paths:
            return _Match(tuple(self.paths[path]))
        for table, sought in (
            (self.ends, path),
            (self.stems, path),
            (self.stems, _without_suffix(path)),
        ):
            for start in range(len(sought)):
                rows = table.get(sought[start:], ())
                if rows:
                    loose = len(rows) == 1 and start > 0 and len(path) - start < self.depth[rows[0]]
                    return _Match(tuple(rows), loose)
        return _Match()

    def numbered(self, value: int | str, *, padded: bool) -> int | None:
        text = str(value)
        rows: Sequence[int] = self.stems.get((text,), ())
        if padded and not rows and _digits(value):
            rows = self.numbers.get(int(text), ())
        return rows[0] if len(rows) == 1 else None


def _parts(name: str) -> tuple[str, ...]:
    parts = tuple(p for p in name.replace("\\", "/").split("/") if p not in ("", "."))
    return parts or (name,)


def _without_suffix(path: tuple[str, ...]) -> tuple[str, ...]:
    head, dot, _ = path[-1].rpartition(".")
    return (*path[:-1], head) if dot and head else path


def _digits(value: int | str) -> str:
    """Return the number that an id spells, without zeros in front; "" for none."""
    text = str(value)
    return str(int(text)) if text.isascii() and text.isdecimal() and len(text) < DIGITS else ""


def _two(
    ref: ImageRef,
    names: Sequence[str | None],
    ids: Sequence[int | str],
    number: int,
    named: int,
    where: str,
) -> FormatError:
    told = f"id {ref.id!r}" + (f" named {ref.file_name!r}" if ref.file_name else "")
    return FormatError(
        f"expected one image for {told}, got two: by id {ids[number]!r}, {names[number]!r}; "
        f"by name {ids[named]!r}, {names[named]!r}",
        where=where,
        hint="the ids of that file, or no file names",
    )
