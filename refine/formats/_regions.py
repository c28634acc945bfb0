"""The results of Label Studio: points and rectangles of an image, and which are of one person."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from refine.exceptions import FormatError
from refine.formats._images import whole
from refine.formats._records import describe

POINT, BOX = "keypointlabels", "rectanglelabels"
PLACES = {POINT: ("x", "y"), BOX: ("x", "y", "width", "height")}
"""Values of a result that are its place, percent, by the type of the result."""

LABELS = {POINT: (POINT, "labels"), BOX: (BOX, "labels")}
"""Where a value has its labels: under its own tag, or under that of `Labels`."""

TYPES = {"keypoint": POINT, "rectangle": BOX, "labels": ""} | {kind: kind for kind in PLACES}
SIZE = ("original_width", "original_height")
UPLOAD = re.compile(r"/data/upload/.*/[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""


class Region(NamedTuple):
    """A point or a rectangle.

    Attributes:
        kind: `POINT` or `BOX`.
        label: of the joint, or of whom the rectangle is around.
        place: the values of `PLACES`.
        size: width and height of the image, px.
        result: as the file has it.
        rest: the result without what is read.
        where: it is, for messages.
    """

    kind: str
    label: str
    place: list[Any]
    size: tuple[int | None, int | None]
    result: dict[str, Any]
    rest: dict[str, Any]
    where: str


class Person(NamedTuple):
    """The points of a person by the name of the joint, and the rectangle around, if any."""

    points: dict[str, Region]
    box: Region | None


def regions_of(results: Sequence[Any], where: str) -> tuple[list[Region], list[Any]]:
    """Tell points and rectangles from other results, of which those remain as they are.

    Raises:
        FormatError: not one label, or a rotation.
    """
    regions, others = [], []
    for i, result in enumerate(results):
        at = f"{where}, result {i}"
        if not isinstance(result, dict):
            raise FormatError(f"expected an object, got {describe(result)}", where=at)
        value = result.get("value")
        kind = TYPES.get(str(result.get("type")), "")
        if not kind or not isinstance(value, dict):
            others.append(result)
            continue
        found = next((value[key] for key in LABELS[kind] if key in value), None)
        if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], str):
            raise FormatError(
                f"expected one label in {kind!r}, got {found!r:.60}",
                where=at,
                hint="the name of a joint as the label of each point" if kind == POINT else None,
            )
        for turned in (result.get("image_rotation"), value.get("rotation")):
            if turned not in (None, 0):
                raise FormatError(f"expected no rotation, got {turned!r:.40}", where=at)
        place = [value.get(key) for key in PLACES[kind]]
        width, height = (whole(result.get(key), key, at) or None for key in SIZE)
        own = {*PLACES[kind], *LABELS[kind]}
        rest = {k: v for k, v in result.items() if k not in {*SIZE, "score", "value"}}
        more = {k: v for k, v in value.items() if k not in own}
        rest |= {"value": more} if more else {}
        regions.append(Region(kind, found[0], place, (width, height), result, rest, at))
    return regions, others


def persons_of(regions: Sequence[Region], others: Sequence[Any], where: str) -> list[Person]:
    """Tie the points of each person: by their parents, by relations, or as the only one's.

    Rectangles without points are persons of whom nothing more is known, where they have the label
    of those with points, or that of a person.

    Raises:
        FormatError: points that may be of any of several persons, or a joint twice in one.
    """
    ties = _ties(regions, others)
    groups: dict[str, list[Region]] = {}
    loose: list[Region] = []
    for region in regions:
        name = ties.get(str(region.result.get("id")))
        if name is None and region.kind == POINT:
            loose.append(region)
        elif name is not None:
            groups.setdefault(name, []).append(region)
    alone = [r for r in regions if r.kind == BOX and str(r.result.get("id")) not in ties]
    labels = {r.label for of in groups.values() for r in of if r.kind == BOX} | {"person"}
    if loose:
        several = len({r.label for r in loose}) < len(loose) or len(alone) > 1
        if groups or several:
            raise FormatError(
                "expected points that are tied to those of the same person, got "
                f"{len(loose)} of {len(groups) or 'several'} that are not",
                where=loose[0].where if groups else where,
                hint="a rectangle around each person as the parent of its points, or relations",
            )
        groups[""] = [*alone, *loose]
        alone = []
    order = {id(region): i for i, region in enumerate(regions)}
    every = [*groups.values(), *([r] for r in alone if r.label.lower() in labels)]
    return [_person(of) for of in sorted(every, key=lambda of: order[id(of[0])])]


def file_name_of(data: Any) -> str | None:
    """Return the name of the image of a task, None where that is not told.

    >>> file_name_of({"image": "/data/local-files/?d=cam%201/a.jpg"})
    'cam 1/a.jpg'
    """
    texts = {k: v for k, v in data.items() if isinstance(v, str)} if isinstance(data, dict) else {}
    url = texts.get("image") or (next(iter(texts.values())) if len(texts) == 1 else "")
    if not url or url.startswith("data:"):
        return None
    _, local, path = url.partition("?d=")
    path = path if local else re.sub(r"^\w+://", "", url).partition("?")[0]
    return unquote(UPLOAD.sub("", path))


def _ties(regions: Sequence[Region], others: Sequence[Any]) -> dict[str, str]:
    """Return id -> id of the group, of regions that a parent or relation ties to another."""
    known = {str(r.result.get("id")) for r in regions if r.result.get("id") is not None}
    pairs = [(r.result.get("id"), r.result.get("parentID") or None) for r in regions]
    for other in others:
        if isinstance(other, Mapping) and other.get("type") == "relation":
            pairs.append((other.get("from_id"), other.get("to_id")))
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.setdefault(name, name) != name:
            name = root[name]
        return name

    for one, other in pairs:
        if one is not None and other is not None and {str(one), str(other)} <= known:
            root[find(str(one))] = find(str(other))
    return {name: find(name) for name in [*root]}


def _person(of: Sequence[Region]) -> Person:
    points: dict[str, Region] = {}
    boxes = [region for region in of if region.kind == BOX]
    for region in of:
        if region.kind == POINT and points.setdefault(region.label, region) is not region:
            raise FormatError(
                f"expected each joint once in a person, got {region.label!r:.60} twice",
                where=region.where,
                hint="a rectangle around each person as the parent of its points",
            )
    if len(boxes) > 1:
        raise FormatError(
            "expected one rectangle around a person, got another one", where=boxes[1].where
        )
    return Person(points, boxes[0] if boxes else None)
