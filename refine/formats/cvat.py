"""CVAT's XML 1.1: skeletons, or points, of images and of the tracks of a video.

docs.cvat.ai, "XML annotation format", and cvat/apps/dataset_manager/formats/cvat.py. A joint that
is `outside` is not labelled (v = 0), one that is `occluded` not seen (v = 1). Scores and tracks are
attributes, `score` and `track_id`, which CVAT passes over unless the label has such. Written are
images with skeletons, which its tasks import; the label is `person` unless the source had another.
"""

from typing import Any

import numpy as np

import refine.history as _history
from refine.categories import category_of
from refine.exceptions import FormatError, SkeletonError
from refine.formats._cvat import OTHERS, POINTS, SKELETON, Content, Shape, content_of
from refine.formats._encodings import number_text
from refine.formats._instances import Facts, Instances, poses_of
from refine.formats._keypoints import rounded, skeleton_of
from refine.formats._named import (
    PERSON,
    USUAL,
    category_of_label,
    joint_index,
    label_of_category,
    place_joints,
    skeleton_of_names,
    unplaced,
)
from refine.formats._unlabelled import FIELD as UNLABELLED
from refine.formats._xml import XML, Element, from_element, to_element, xml_in
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.poses import Poses
from refine.skeletons import Skeleton

LABEL, ATTRIBUTES, ABOUT, OCCLUDED = "label", "attributes", "about", "occluded"
"""Fields of a pose: its label, CVAT's and XML's attributes, and joints that are not seen."""


def read_cvat(source: Source, options: Options) -> Poses:
    """Read the images, or frames of tracks.

    Raises:
        FormatError: no such XML, or shapes that may be of several persons.
        SkeletonError: labels of joints that differ, or that the skeleton asked for lacks.
    """
    root = xml_in(source.document, source.path)
    if root.tag != "annotations":
        raise FormatError(f"expected <annotations>, got <{root.tag:.40}>", where=source.path)
    found = content_of(root, source.path)
    shapes = found.shapes
    steps = [step.text for meta in root.named("meta") for step in meta.named(_history.FIELD)]
    rows = [_row(shape, steps) for shape in shapes]
    places = [shape.where for shape in shapes]
    instances = Instances(rows, [s.image for s in shapes], found.refs, places, {})
    body, names = _skeleton(root, found, options)
    scored = any(m.score is not None for s in shapes for m in s.marks.values())
    marks = [_values(shape, names, scored) for shape in shapes]
    values = place_joints(marks, body, POINTS, places.__getitem__)
    facts = Facts(frozenset(), np.array([shape.score for shape in shapes], np.float64))
    chosen = Options(options.where, body, options.zero_is_missing)
    poses = poses_of(instances, values, chosen, facts)
    outside = [_outside(shape, names, body) for shape in shapes]
    told = [{UNLABELLED: of} if of else {} for of in outside]
    extra = [{**row, **of} for row, of in zip(poses.extra, told, strict=True)]
    fate = "carried along" if root.named("image") else "left out"
    notes = [f"{found.others} shapes that are no poses: {fate}"] if found.others else []
    notes += [f"{found.left} skeletons of tracks are outside: left out"] if found.left else []
    meta = {"meta": [from_element(meta) for meta in root.named("meta")], "notes": tuple(notes)}
    return poses.replace(extra=tuple(extra), meta={**poses.meta, **meta})


def write_cvat(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write images with a skeleton per pose; missing joints are outside, at (0, 0) if nowhere."""
    del held
    xy = rounded(poses, precision).tolist()
    present = poses.present.tolist()
    images = []
    for number, (ref, rows) in enumerate(poses.by_image()):
        shapes = [_written(poses, i, xy[i], present[i]) for i in rows.tolist()]
        about = {"id": str(ref.id if isinstance(ref.id, int) else number)}
        about["name"] = str(ref.id) if ref.file_name is None else ref.file_name
        about |= {k: str(v) for k, v in (("width", ref.width), ("height", ref.height)) if v}
        about |= {k: v for k, v in ref.extra.items() if isinstance(v, str)}
        others = [to_element(each) for each in ref.extra.get(OTHERS, [])]
        images.append(Element("image", about, "", [*shapes, *others]))
    labels = list(dict.fromkeys(_label(row) for row in poses.extra)) or [PERSON]
    meta = [to_element(each) for each in poses.meta.get("meta", [])]
    if not meta or not all(set(_joints(meta, of)) == {*poses.skeleton.joints} for of in labels):
        every = [each for of in labels for each in _label_elements(of, poses.skeleton)]
        meta = [_nest("meta", _nest("task", Element("labels", {}, "", every)))]
    if poses.history:
        steps = [_text(_history.FIELD, line) for line in _history.encode(poses.history)]
        kept = [child for child in meta[0].children if child.tag != _history.FIELD]
        meta[0] = meta[0]._replace(children=[*kept, *steps])
    root = Element("annotations", {}, "", [_text("version", "1.1"), *meta, *images])
    return {XML: from_element(root)}


def tell_of_images(poses: Poses) -> tuple[Poses, tuple[str, ...]]:
    """Say which images get numbers, and what is lost of missing joints."""
    named = sum(not isinstance(ref.id, int) for ref in poses.images)
    notes = (f"ids of {named} images that are no numbers: their places",) if named else ()
    return poses, (*notes, *unplaced(poses, "cvat"))


def _row(shape: Shape, steps: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {_history.FIELD: steps} if steps else {}
    row |= {} if shape.track is None else {"track_id": shape.track}
    if shape.label:
        row |= {LABEL: shape.label, "category_id": category_of_label(shape.label)}
    scored = any(mark.score is not None for mark in shape.marks.values())
    hidden = [name for name, mark in shape.marks.items() if mark.occluded and not mark.outside]
    row |= {OCCLUDED: hidden} if scored and hidden else {}
    row |= {ATTRIBUTES: shape.attributes} if shape.attributes else {}
    return row | ({ABOUT: shape.about} if shape.about else {})


def _skeleton(root: Element, found: Content, options: Options) -> tuple[Skeleton, dict[str, str]]:
    """Return the skeleton, and the joint in it of each name in the file."""
    used = list(dict.fromkeys(name for shape in found.shapes for name in shape.marks))
    labels = dict.fromkeys(shape.label for shape in found.shapes)
    orders = {tuple(_joints(root.named("meta"), label)) for label in labels} - {()}
    if len(orders) > 1:
        raise SkeletonError(
            f"expected skeletons of the same joints, got those of {', '.join(labels):.200}",
            where=options.where,
            hint="an export of one label",
        )
    order = list(next(iter(orders), ()))
    whole = bool(order) and set(used) <= {*order}
    names = order if whole else used
    if names and all(name.isascii() and name.isdecimal() for name in names):
        count = max(len(names), *(int(name) for name in names if len(name) < 5))
        body = skeleton_of(count, options, USUAL)
        numbers = {str(j + 1): joint for j, joint in enumerate(body.joints)}
        if not set(names) <= numbers.keys():
            raise SkeletonError(
                f"expected joints numbered from 1 to {len(body)}, got {', '.join(names):.200}",
                where=options.where,
            )
        return body, numbers
    body = skeleton_of_names(names, options, "cvat", whole=whole)
    return body, {name: name for name in names}


def _joints(metas: list[Element], label: str) -> list[str]:
    """Return the joints of a skeleton, as the description of the labels orders them."""
    names = []
    for each in (label_ for meta in metas for label_ in meta.under("label")):
        told = {child.tag: child.text for child in each.children}
        if told.get("type") == POINTS and told.get("parent") == label and told.get("name"):
            names.append(told["name"])
    return names


def _values(shape: Shape, names: dict[str, str], scored: bool) -> dict[str, tuple[Any, ...]]:
    """Return x, y and score or flag of the joints of a shape; of those outside nothing."""
    return {
        names[name]: (m.x, m.y, m.score if scored else 1.0 if m.occluded else 2.0)
        for name, m in shape.marks.items()
        if not m.outside
    }


def _outside(shape: Shape, names: dict[str, str], body: Skeleton) -> dict[str, list[float]]:
    """Return the places of joints that are not labelled, as annotations carry them."""
    gone = {names[n]: m for n, m in shape.marks.items() if m.outside and (m.x or m.y)}
    return {body.joints[joint_index(body, n)]: [m.x, m.y] for n, m in gone.items()}


def _written(poses: Poses, i: int, xy: list[list[float]], present: list[bool]) -> Element:
    """Return the skeleton of a pose."""
    extra, flags = poses.extra[i], poses.score_kind == "flag"
    places, hidden = extra.get(UNLABELLED, {}), extra.get(OCCLUDED, ())
    points = []
    for j, joint in enumerate(poses.skeleton.joints):
        x, y = xy[j] if present[j] else _place_of(places, joint)
        score = float(poses.score[i, j])
        occluded = present[j] and (score == 1 if flags else joint in hidden)
        told = {"label": joint, "outside": str(int(not present[j]))}
        told |= {"occluded": str(int(occluded))}
        told[POINTS] = f"{number_text(x)},{number_text(y)}"
        scored = present[j] and not flags and score == score
        points.append(Element(POINTS, told, "", [_attribute("score", score)] if scored else []))
    score = float(poses.instance_score[i])
    more = [_attribute("score", score)] if score == score else []
    if poses.track is not None and poses.track[i] >= 0:
        more.append(_attribute("track_id", int(poses.track[i])))
    more += [_attribute(name, text) for name, text in extra.get(ATTRIBUTES, {}).items()]
    about = {"label": _label(extra)} | extra.get(ABOUT, {"source": "auto", "z_order": "0"})
    return Element(SKELETON, about, "", [*points, *more])


def _place_of(places: Any, joint: str) -> list[float]:
    """Return the place of a joint that is not labelled, (0, 0) where none is known."""
    place = places.get(joint) if isinstance(places, dict) else None
    known = isinstance(place, list) and len(place) == 2 and {*map(type, place)} <= {int, float}
    return place if isinstance(place, list) and known else [0.0, 0.0]


def _label(row: Any) -> str:
    return str(row.get(LABEL, label_of_category(category_of(row))))


def _attribute(name: str, value: float | str) -> Element:
    text = value if isinstance(value, str) else number_text(value)
    return Element("attribute", {"name": name}, text, [])


def _label_elements(label: str, body: Skeleton) -> list[Element]:
    """Return the description of a label and of its joints, which tells their order."""
    told = [("name", label), ("type", SKELETON)]
    out = [Element("label", {}, "", [_text(*pair) for pair in told])]
    for joint in body.joints:
        told = [("name", joint), ("type", POINTS), ("parent", label)]
        out.append(Element("label", {}, "", [_text(*pair) for pair in told]))
    return out


def _text(tag: str, text: str) -> Element:
    return Element(tag, {}, text, [])


def _nest(tag: str, child: Element) -> Element:
    return Element(tag, {}, "", [child])


def _is_cvat(document: Document) -> Verdict:
    root = document.get(XML) if isinstance(document, dict) else None
    return (
        Verdict.YES if isinstance(root, dict) and root.get("tag") == "annotations" else Verdict.NO
    )


_OWN = frozenset({LABEL, ATTRIBUTES, ABOUT, OCCLUDED, OTHERS, UNLABELLED})

FORMATS = (
    Format(
        name="cvat",
        about="CVAT XML 1.1: images with skeletons or points, or the tracks of a video",
        tells="<annotations> in .xml",
        detect=_is_cvat,
        read=read_cvat,
        write=write_cvat,
        fields=_OWN | {"category_id", "track_id"},
        private=_OWN | {"subset", "task_id"},
        complete=tell_of_images,
        ending=".xml",
        cannot_hold=(
            "frame numbers",
            "score kind",
            "boxes",
            "areas",
            "unknown fields",
            "frames per second",
        ),
    ),
)
