"""The shapes of CVAT's XML: skeletons, or points, of images and of the frames of tracks."""

from typing import Any, NamedTuple

from refine.exceptions import FormatError
from refine.formats._encodings import cell_number
from refine.formats._images import whole
from refine.formats._xml import Element, from_element
from refine.poses import ImageRef

SKELETON, POINTS, FRAME = "skeleton", "points", "frame"
OTHERS = "others"
"""Field of an image for shapes that are no poses."""


class Mark(NamedTuple):
    """A joint: its place in px, whether it is outside or occluded, and its score."""

    x: float
    y: float
    outside: bool
    occluded: bool
    score: float | None


class Shape(NamedTuple):
    """A pose.

    Attributes:
        image: index into the images.
        label: of the skeleton; "" for points alone.
        track: number of the track, None for none.
        marks: by the name of the joint.
        attributes: of CVAT, by name, without those that are read.
        about: attributes of the XML element, without those that are read.
        score: of the pose.
        where: it is, for messages.
    """

    image: int
    label: str
    track: int | None
    marks: dict[str, Mark]
    attributes: dict[str, str]
    about: dict[str, str]
    score: float | None
    where: str


class Content(NamedTuple):
    """What a file holds.

    Attributes:
        refs: the images, or frames that have poses.
        shapes: the poses.
        numbered: whether the names of joints are their numbers, from 1 on.
        others: how many shapes are no poses.
        left: how many skeletons of tracks are outside of the picture.
    """

    refs: list[ImageRef]
    shapes: list[Shape]
    numbered: bool
    others: int
    left: int


def content_of(root: Element, where: str) -> Content:
    """Return the poses of images or, in a file of tracks, those of its frames.

    Skeletons are poses; without any, points in one element are one, or those of a group.

    Raises:
        FormatError: images and tracks together, or an element that lacks what it must have.
    """
    images, tracks = root.named("image"), root.named("track")
    if images and tracks:
        raise FormatError("expected images or tracks, got both", where=where)
    return _of_images(images, where) if images or not tracks else _of_tracks(root, tracks, where)


def _of_images(images: list[Element], where: str) -> Content:
    refs: list[ImageRef] = []
    shapes: list[Shape] = []
    skeletons = any(image.named(SKELETON) for image in images)
    clouds = any(";" in p.attributes.get(POINTS, "") for image in images for p in image.children)
    count = 0
    for i, image in enumerate(images):
        at = f"{where}, image {image.attributes.get('name', i)!r:.60}"
        poses: list[tuple[Element, list[Element]]]
        if skeletons:
            poses = [(each, each.named(POINTS)) for each in image.named(SKELETON)]
        elif clouds:
            poses = [(each, [each]) for each in image.named(POINTS) if _is_cloud(each)]
        else:
            poses = _groups(image.named(POINTS), at)
        used = {id(each) for of in poses for each in (of[0], *of[1])}
        others = [from_element(child) for child in image.children if id(child) not in used]
        count += len(others)
        refs.append(_ref(image, others, at))
        for number, (element, points) in enumerate(poses):
            shapes.append(_shape(element, points, i, None, f"{at}, shape {number}"))
    return Content(refs, shapes, not skeletons and clouds, count, 0)


def _of_tracks(root: Element, tracks: list[Element], where: str) -> Content:
    size = next(iter(root.under("original_size")), Element("", {}, "", []))
    width, height = (_size(size, name, where) for name in ("width", "height"))
    found: list[tuple[int, Shape]] = []
    others = left = 0
    skeletons = any(track.named(SKELETON) for track in tracks)
    for track in tracks:
        at = f"{where}, track {track.attributes.get('id', '')!r:.40}"
        number = _int(track.attributes.get("id"), "id", at)
        kept = track.named(SKELETON if skeletons else POINTS)
        others += len(track.children) - len(kept) - len(track.named("attribute"))
        for element in kept:
            frame = _int(element.attributes.get(FRAME), FRAME, at)
            points = element.named(POINTS) if skeletons else [element]
            shape = _shape(element, points, 0, number, f"{at}, frame {frame}")
            shape = shape._replace(label=track.attributes.get("label", ""))
            if shape.marks and all(mark.outside for mark in shape.marks.values()):
                left += 1
            else:
                found.append((frame, shape))
    frames = sorted({frame for frame, _ in found})
    place = {frame: i for i, frame in enumerate(frames)}
    shapes = [s._replace(image=place[f]) for f, s in sorted(found, key=lambda of: of[0])]
    refs = [ImageRef(frame, None, width, height, frame) for frame in frames]
    return Content(refs, shapes, not skeletons, others, left)


def _shape(
    element: Element, points: list[Element], image: int, track: int | None, where: str
) -> Shape:
    attributes = {a.attributes.get("name", ""): a.text for a in element.named("attribute")}
    score = cell_number(attributes.pop("score", ""), "score", where)
    own = attributes.pop("track_id", None)
    marks: dict[str, Mark] = {}
    for point in points:
        told = point.attributes
        places = _places(told.get(POINTS, ""), where)
        names = [told.get("label", "")]
        if len(places) > 1 or point is element:
            names = [str(j + 1) for j in range(len(places))]
        texts = {a.attributes.get("name"): a.text for a in point.named("attribute")}
        for name, (x, y) in zip(names, places, strict=True):
            if name in marks:
                raise FormatError(
                    f"expected each joint once in a pose, got {name!r:.40} twice", where=where
                )
            marks[name] = Mark(
                x,
                y,
                told.get("outside") == "1",
                told.get("occluded") == "1",
                cell_number(texts.get("score", ""), "score", where),
            )
    gone = {"label", FRAME, "keyframe", POINTS, "outside", "occluded"}
    about = {k: v for k, v in element.attributes.items() if k not in gone}
    if own is not None:
        track = _int(own, "track_id", where)
    label = element.attributes.get("label", "") if element.tag == SKELETON else ""
    return Shape(image, label, track, marks, attributes, about, score, where)


def _groups(points: list[Element], where: str) -> list[tuple[Element, list[Element]]]:
    """Return the points of each pose: those of a group, or all if none is in one."""
    groups: dict[str, list[Element]] = {}
    for point in points:
        groups.setdefault(point.attributes.get("group_id", "0"), []).append(point)
    loose = groups.get("0", [])
    names = {point.attributes.get("label") for point in loose}
    if loose and (len(groups) > 1 or len(names) < len(loose)):
        raise FormatError(
            f"expected points in groups, one per person, got {len(loose)} that are in none",
            where=where,
            hint="skeletons, or groups of points",
        )
    bare = Element(POINTS, {}, "", [])
    return [(bare, of) for of in groups.values()]


def _is_cloud(element: Element) -> bool:
    return ";" in element.attributes.get(POINTS, "")


def _places(text: str, where: str) -> list[tuple[float, float]]:
    try:
        pairs = [tuple(map(float, pair.split(","))) for pair in text.split(";")]
    except ValueError:
        pairs = [()]
    if not all(len(pair) == 2 for pair in pairs):
        raise FormatError(f"expected points 'x,y', got {text!r:.60}", where=where)
    return [(pair[0], pair[1]) for pair in pairs]


def _ref(image: Element, others: list[Any], where: str) -> ImageRef:
    told = image.attributes
    width, height = (
        whole(cell_number(told.get(name, ""), name, where), name, where)
        for name in ("width", "height")
    )
    rest = {k: v for k, v in told.items() if k not in ("id", "name", "width", "height")}
    extra: dict[str, Any] = rest | ({OTHERS: others} if others else {})
    return ImageRef(_int(told.get("id"), "id", where), told.get("name"), width, height, None, extra)


def _size(element: Element, name: str, where: str) -> int | None:
    text = next((child.text for child in element.named(name)), "")
    return whole(cell_number(text, name, where), name, where)


def _int(text: str | None, name: str, where: str) -> int:
    number = whole(cell_number(text or "", name, where), name, where)
    if number is None:
        raise FormatError(f"expected a number in {name!r}, got none", where=where)
    return number
