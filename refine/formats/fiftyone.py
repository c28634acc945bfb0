"""FiftyOne: samples with `Keypoints`, as `to_dict` and the export `FiftyOneDataset` have them.

``{"samples": [{"filepath": ..., "metadata": {...}, "<field>": {"_cls": "Keypoints", "keypoints":
[{"_cls": "Keypoint", "points": [[x, y], ...], "confidence": [...], "index": ...}]}}]}``
(fiftyone/core/labels.py), or samples alone. Points are shares of the image, missing ones NaN, which
MongoDB's JSON writes as ``{"$numberDouble": "NaN"}``. Scores and boxes of poses are attributes,
`score` and `bounding_box`.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

import refine.history as _history
from refine._types import Floats
from refine.categories import category_of
from refine.exceptions import FormatError
from refine.formats._images import whole
from refine.formats._instances import Facts, Instances, poses_of
from refine.formats._keypoints import flat, matrix
from refine.formats._named import category_of_label, label_of_category, skeleton_of_names
from refine.formats._records import describe, list_in
from refine.formats._rows import boxes, column, first_keys, sizes
from refine.formats._units import shares_of
from refine.formats._unlabelled import FIELD as HALVES, put_back
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton

SAMPLES, FIELD = "samples", "keypoints"
CLASSES = ("Keypoints", "Keypoint")
SKELETON = "default_skeleton"
NAN = {"$numberDouble": "NaN"}
"""As bson.json_util has it."""

SAMPLE = "sample"
"""Field of an image for its sample, without what is read of it."""
BOX = "bounding_box"
"""Left, top, width and height, shares, as those of FiftyOne's `Detection`."""
OWN = frozenset({"points", "confidence", "score", "index", BOX, _history.FIELD})
MARKS = frozenset({"_id", "_cls", "attributes", "tags", "label", "instance"})
"""Fields of every `Keypoint`, which mean nothing elsewhere."""


def read_fiftyone(source: Source, options: Options) -> Poses:
    """Read samples; coordinates are as the file has them, shares.

    Raises:
        FormatError: several fields with keypoints, or a sample of another form.
        SkeletonError: see `skeleton_of`.
    """
    document = source.document
    about = document if isinstance(document, dict) else {}
    samples: Any = list_in(about, SAMPLES, source.path) if about else document
    if not isinstance(samples, list):
        raise FormatError(f"expected samples, got {describe(samples)}", where=source.path)
    where = source.record("sample")
    field = _field(samples, source.path)
    refs: list[ImageRef] = []
    rows: list[dict[str, Any]] = []
    image: list[int] = []
    places: list[str] = []
    for i, sample in enumerate(samples):
        refs.append(_ref(sample, i, field, where(i)))
        people = _people(sample.get(field), where(i))
        steps = sample.get(_history.FIELD)
        rows += [row if steps is None else {**row, _history.FIELD: steps} for row in people]
        image += [i] * len(people)
        places += [f"{where(i)}, keypoint {q}" for q in range(len(people))]
    if len({ref.id for ref in refs}) < len(refs):
        refs = [replace(ref, id=i) for i, ref in enumerate(refs)]
    found = Instances(rows, image, refs, places, {})
    values = _values(found)
    body = _skeleton(about, field, values.shape[1], options)
    chosen = options if body is None else Options(options.where, body, options.zero_is_missing)
    score = column(rows, "score", found.where)
    facts = Facts(OWN - {_history.FIELD}, score, boxes(rows, BOX, found.where))
    poses = poses_of(found, values, chosen, facts)
    track = [whole(row.get("index"), "index", found.where(i)) for i, row in enumerate(rows)]
    extra = [
        {**row, "category_id": category_of_label(row["label"])}
        if isinstance(row.get("label"), str) and "category_id" not in row
        else row
        for row in poses.extra
    ]
    meta = {"document": {k: v for k, v in about.items() if k != SAMPLES}, "field": field}
    ids = np.array([-1 if t is None else t for t in track], np.int64)
    return poses.replace(
        track=ids if (ids >= 0).any() else None,
        extra=tuple(extra),
        meta={**poses.meta, **meta, "whole": bool(about)},
    )


def write_fiftyone(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write samples: with their skeleton as a data set, or alone where such were read, or as lines.

    Raises:
        FormatError: the size of an image is not known.
    """
    own = poses.meta.get("format") == "fiftyone"
    as_read = own and not poses.meta.get("normalised")
    shares = poses if as_read else shares_of(poses, precision, "fiftyone")
    shares = shares.replace(meta={"missing": "null", **poses.meta})
    lists = flat(shares, precision if as_read else None)
    per_box = 1.0 if as_read else np.tile(poses.image_sizes[poses.image], 2)
    box = sizes(None if poses.box is None else poses.box / per_box)
    field = poses.meta.get("field", FIELD)
    samples = []
    for ref, rows in poses.by_image():
        people = [_written(poses, i, lists[i], precision) for i in rows.tolist()]
        for person, i in zip(people, rows.tolist(), strict=True):
            person |= {} if box is None or box[i] is None else {BOX: box[i]}
        sample = {k: v for k, v in ref.extra.items() if k != SAMPLE}
        sample |= {"filepath": str(ref.id) if ref.file_name is None else ref.file_name}
        sample |= ref.extra.get(SAMPLE, {"tags": [], "_media_type": "image"})
        size = {k: v for k, v in (("width", ref.width), ("height", ref.height)) if v}
        if size:
            known = sample.get("metadata")
            known = known if isinstance(known, dict) else {"_cls": "ImageMetadata"}
            sample["metadata"] = {**known, **size}
        sample |= {} if ref.frame is None else {"frame_number": ref.frame}
        sample |= {_history.FIELD: _history.encode(poses.history)} if poses.history else {}
        sample[field] = {"_cls": CLASSES[0], FIELD: people}
        samples.append(sample)
    if held == "lines" or not poses.meta.get("whole", True):
        return samples
    document = dict(poses.meta.get("document", {}))
    body = poses.skeleton
    if _labels(document, field) != list(body.joints):
        edges = [list(edge) for edge in body.edges]
        told = {"_cls": "KeypointSkeleton", "labels": list(body.joints), "edges": edges}
        document[SKELETON] = told
    return {**document, SAMPLES: samples}


def _written(poses: Poses, i: int, values: list[float], precision: int | None) -> dict[str, Any]:
    row = dict(poses.extra[i])
    put_back(values, row.pop(HALVES, None), poses.skeleton.joints, precision)
    kind = category_of(row)
    label = row.get("label", label_of_category(kind))
    row.pop("category_id", None)
    row = {"_cls": CLASSES[1], "attributes": {}, "tags": [], "label": label} | row
    marks = [values[at : at + 3] for at in range(0, len(values), 3)]
    row["points"] = [[NAN if v is None or v != v else v for v in mark[:2]] for mark in marks]
    if poses.score_kind != "none":
        row["confidence"] = [None if mark[2] != mark[2] else mark[2] for mark in marks]
    score = float(poses.instance_score[i])
    row |= {"score": score} if score == score else {}
    if poses.track is not None and poses.track[i] >= 0:
        row["index"] = int(poses.track[i])
    return row


def _field(samples: Sequence[Any], where: str) -> str:
    """Return the one field of samples that holds keypoints."""
    fields = [
        name
        for sample in samples
        if isinstance(sample, dict)
        for name, value in sample.items()
        if isinstance(value, dict) and value.get("_cls") in CLASSES
    ]
    found = list(dict.fromkeys(fields))
    if len(found) > 1:
        raise FormatError(
            f"expected one field with keypoints, got {', '.join(map(repr, found)):.200}",
            where=where,
            hint=f"an export of one, dataset.select_fields({found[0]!r:.40})",
        )
    return found[0] if found else FIELD


def _people(value: Any, where: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    one = isinstance(value, dict) and value.get("_cls") == CLASSES[1]
    people = [value] if one else list_in(value, FIELD, where)
    for q, person in enumerate(people):
        if not isinstance(person, dict) or not isinstance(person.get("points"), list):
            raise FormatError(
                f"expected an object with a list 'points', got {describe(person)}",
                where=f"{where}, keypoint {q}",
            )
    return people


def _values(found: Instances) -> Floats:
    """Return x, y and confidence (N, K, 3); NaN for confidences that nobody gave."""
    points = [row["points"] for row in found.rows]
    k = next((len(each) for each in points if each), 0)
    for i, each in enumerate(points):
        for point in each:
            if not isinstance(point, list) or len(point) != 2:
                raise FormatError(
                    f"expected points [x, y], got {point!r:.60}", where=found.where(i)
                )
    flats = [[_number(v) for v in chain.from_iterable(each)] or [None] * 2 * k for each in points]
    xy = matrix(flats, 2 * k, "points", found.where).reshape(len(points), k, 2)
    lists = [row.get("confidence") for row in found.rows]
    lists = [[_number(v) for v in each] if isinstance(each, list) else each for each in lists]
    lists = [[0.0] * k if not of else each for each, of in zip(lists, points, strict=True)]
    score = matrix(lists, k, "confidence", found.where)
    return np.concatenate([xy, score[..., None]], -1)


def _number(value: Any) -> Any:
    return np.nan if value == NAN else value


def _ref(sample: Any, number: int, field: str, where: str) -> ImageRef:
    if not isinstance(sample, dict):
        raise FormatError(f"expected a sample, got {describe(sample)}", where=where)
    path, size = sample.get("filepath"), sample.get("metadata")
    size = size if isinstance(size, dict) else {}
    name = path if isinstance(path, str) and path else None
    width, height = (whole(size.get(key), key, where) or None for key in ("width", "height"))
    frame = whole(sample.get("frame_number"), "frame_number", where)
    rest = {k: v for k, v in sample.items() if k not in (field, _history.FIELD)}
    return ImageRef(number if name is None else name, name, width, height, frame, {SAMPLE: rest})


def _labels(about: dict[str, Any], field: str) -> list[str]:
    """Return the names of joints of a data set's skeleton, [] if it has none."""
    fields = about.get("skeletons")
    found = fields.get(field) if isinstance(fields, dict) else None
    found = found or about.get(SKELETON)
    labels = found.get("labels") if isinstance(found, dict) else None
    named = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    return list(labels) if isinstance(labels, list) and named else []


def _skeleton(about: dict[str, Any], field: str, k: int, options: Options) -> Skeleton | None:
    """Return the skeleton that a data set names, None where it names none of K joints."""
    labels = _labels(about, field)
    if options.skeleton is not None or not labels or k not in (0, len(labels)):
        return options.skeleton
    return skeleton_of_names(labels, options, "fiftyone", whole=True)


def _is_fiftyone(document: Document) -> Verdict:
    samples = document.get(SAMPLES) if isinstance(document, dict) else document
    sample: Any = samples[0] if first_keys(samples) and isinstance(samples, list) else {}
    marked = any(isinstance(v, dict) and v.get("_cls") in CLASSES for v in sample.values())
    whole_ = isinstance(document, dict) and "filepath" in sample
    return Verdict.YES if marked or whole_ else Verdict.NO


_FIELDS = OWN | MARKS | {SAMPLE, "category_id"}

FORMATS = (
    Format(
        name="fiftyone",
        about="FiftyOne samples with Keypoints, as to_dict() and exports have them; in shares",
        tells="'_cls' Keypoints in samples",
        detect=_is_fiftyone,
        read=read_fiftyone,
        write=write_fiftyone,
        holdings=("document", "lines"),
        fields=_FIELDS,
        private=_FIELDS - {"category_id"} | {HALVES},
        shares=1,
        cannot_hold=(
            "image ids",
            "score kind",
            "areas",
            "frames per second",
        ),
    ),
)
