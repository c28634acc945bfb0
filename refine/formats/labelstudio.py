"""Label Studio: tasks of images, their keypoints made by people or, before them, by models.

``[{"data": {"image": ...}, "annotations": [{"result": [...]}], "predictions": [...]}]``; a result
is a point with the name of its joint, or a rectangle, in percents of the image (labelstud.io/guide/
predictions and /tags/keypointlabels). Points of a person are tied by the rectangle that is their
parent, or by relations. What is written are `predictions`, with a rectangle around each person as
the parent, unless annotations were read.
"""

from typing import Any

import numpy as np

import refine.history as _history
from refine.categories import category_of
from refine.exceptions import FormatError
from refine.formats._images import image_id
from refine.formats._instances import Facts, Instances, poses_of
from refine.formats._keypoints import flat
from refine.formats._named import (
    category_of_label,
    label_of_category,
    place_joints,
    skeleton_of_names,
    unplaced,
)
from refine.formats._records import describe
from refine.formats._regions import (
    BOX,
    PLACES,
    POINT,
    SIZE,
    Person,
    file_name_of,
    persons_of,
    regions_of,
)
from refine.formats._rows import column, first_keys, fours
from refine.formats._units import shares_of
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.geometry import keypoint_box, xywh_to_xyxy, xyxy_to_xywh
from refine.poses import ImageRef, Poses

MADE = ("annotations", "predictions")
"""What people and what models made; the first that a file has is read."""

PERCENT = 100.0
DOT = 0.5
"""Width of a point on the screen in percents of the image, as the interface draws it first."""

DRAWN = {"text": ["around the joints"]}
"""`meta` of rectangles that tie the points of a pose without a box, and are none."""

LABEL, REGIONS = "label", "regions"
"""Fields of a pose: the label of its rectangle, and what is carried of its results."""
TASK, AROUND, OTHERS = "task", "around", "others"
"""Fields of an image: its task, what stands around its results, and results of other kinds."""


def read_labelstudio(source: Source, options: Options) -> Poses:
    """Read tasks; coordinates are as the file has them, percents.

    Raises:
        FormatError: several annotations of one task, points that may be of several persons, or
            results of another form.
        SkeletonError: a label that is no joint of the skeleton asked for.
    """
    tasks: Any = source.document
    if not isinstance(tasks, list):
        raise FormatError(f"expected a list of tasks, got {describe(tasks)}", where=source.path)
    where = source.record("task")
    field = MADE[0] if any(_has(task, MADE[0]) for task in tasks) else MADE[1]
    refs: list[ImageRef] = []
    image: list[int] = []
    persons: list[Person] = []
    rows: list[dict[str, Any]] = []
    places: list[str] = []
    unread = 0
    for i, task in enumerate(tasks):
        if not isinstance(task, dict):
            raise FormatError(f"expected an object, got {describe(task)}", where=where(i))
        around, results = _made(task, field, where(i))
        unread += field == MADE[0] and _has(task, MADE[1])
        regions, others = regions_of(results, where(i))
        found = persons_of(regions, others, where(i))
        sizes = {region.size for region in regions}
        if len(sizes) > 1:
            raise FormatError(f"expected one size of an image, got {sizes!r:.80}", where=where(i))
        data = task.get("data")
        name = file_name_of(data)
        width, height = next(iter(sizes), (None, None))
        rest = {k: v for k, v in task.items() if k != field}
        extra = {TASK: rest, AROUND: around, OTHERS: others}
        number = task.get("id", i if name is None else name)
        refs.append(ImageRef(image_id(number, where(i)), name, width, height, extra=extra))
        steps = data.get(_history.FIELD) if isinstance(data, dict) else None
        persons += found
        image += [i] * len(found)
        places += [f"{where(i)}, person {q}" for q in range(len(found))]
        told = {} if steps is None else {_history.FIELD: steps}
        rows += [_row(person) | told for person in found]
    if len({ref.id for ref in refs}) < len(refs):
        raise FormatError("expected tasks of different ids, got one twice", where=source.path)
    instances = Instances(rows, image, refs, places, {})
    names = [label for person in persons for label in person.points]
    body = skeleton_of_names(names, options, "labelstudio")
    marks = [
        {label: (*r.place, r.result.get("score")) for label, r in person.points.items()}
        for person in persons
    ]
    values = place_joints(marks, body, "value", instances.where)
    if not any("score" in r.result for person in persons for r in person.points.values()):
        values[..., 2] = np.nan
    boxes = [p.box if p.box and p.box.result.get("meta") != DRAWN else None for p in persons]
    box = fours([each and each.place for each in boxes], "value", instances.where)
    facts = Facts(
        frozenset({"score"}),
        column(rows, "score", instances.where),
        None if box is None else xywh_to_xyxy(box),
    )
    chosen = Options(options.where, body, options.zero_is_missing)
    poses = poses_of(instances, values, chosen, facts)
    note = f"annotations are read; {unread} tasks have predictions beside them, carried along"
    notes = (note,) if unread else ()
    return poses.replace(meta={**poses.meta, "made": field, "notes": notes})


def write_labelstudio(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write a task per image: predictions, or annotations where such were read.

    Raises:
        FormatError: the size of an image is not known, or a pose has neither a box nor joints.
    """
    del held
    own = poses.meta.get("format") == "labelstudio" and not poses.meta.get("normalised")
    shares = poses if own else shares_of(poses, precision, "labelstudio", PERCENT)
    box = np.full((len(poses), 4), np.nan) if poses.box is None else poses.box
    drawn = np.asarray(~np.isfinite(box).all(1))
    box = np.where(drawn[:, None], keypoint_box(poses.xy), box)
    if not np.isfinite(box).all():
        raise FormatError(
            "expected joints or a box of every pose for labelstudio, got a pose without both",
            hint="`refine nms --score-threshold`, which drops empty poses, or another --to",
        )
    size = 1.0 if own else np.tile(poses.image_sizes[poses.image] / PERCENT, 2)
    box = xyxy_to_xywh(box / size)
    lists = flat(shares, precision if own else None)
    field = poses.meta.get("made", MADE[1])
    tasks = []
    for ref, rows in poses.by_image():
        results = []
        for i in rows.tolist():
            rectangle, *points = _results(poses, i, lists[i], box[i])
            rectangle = {k: v for k, v in rectangle.items() if drawn[i] or v != DRAWN}
            results += [rectangle | ({"meta": DRAWN} if drawn[i] else {}), *points]
        size_ = {k: v for k, v in zip(SIZE, (ref.width, ref.height), strict=True) if v}
        results = [{**size_, **each} for each in results]
        task = dict(ref.extra.get(TASK, {}))
        if not task:
            task = {"id": ref.id} if isinstance(ref.id, int) else {}
            task["data"] = {"image": ref.file_name or str(ref.id)}
        if poses.history and isinstance(task.get("data", {}), dict):
            task["data"] = {**task.get("data", {}), _history.FIELD: _history.encode(poses.history)}
        around = dict(ref.extra.get(AROUND, {}))
        scores = poses.instance_score[rows]
        if not around and field == MADE[1]:
            around = {"model_version": "refine"}
            around |= {"score": float(scores.mean())} if np.isfinite(scores).any() else {}
        results += ref.extra.get(OTHERS, [])
        tasks.append({**task, field: [{**around, "result": results}]})
    return tasks


def tell_of_parents(poses: Poses) -> tuple[Poses, tuple[str, ...]]:
    """Say which poses get a rectangle that ties their points, and what missing joints lose."""
    count = len(poses) if poses.box is None else int((~np.isfinite(poses.box).all(1)).sum())
    notes = (f"rectangles around the joints of {count} poses without a box",) if count else ()
    return poses, (*notes, *unplaced(poses, "labelstudio"))


def _has(task: Any, field: str) -> bool:
    made = task.get(field) if isinstance(task, dict) else None
    return isinstance(made, list) and any(_counts(each) for each in made)


def _counts(made: Any) -> bool:
    return not isinstance(made, dict) or (
        not made.get("was_cancelled") and made.get("result") != []
    )


def _made(task: dict[str, Any], field: str, where: str) -> tuple[dict[str, Any], list[Any]]:
    """Return the one that was made of a task, without its results, and these."""
    made = task.get(field)
    if made is not None and not isinstance(made, list):
        raise FormatError(f"expected a list {field!r}, got {describe(made)}", where=where)
    some = [each for each in made or [] if _counts(each)]
    if len(some) > 1:
        by = [
            str(each.get("completed_by") or each.get("model_version") or each.get("id"))
            for each in some
            if isinstance(each, dict)
        ]
        raise FormatError(
            f"expected one of {field!r} of a task, got {len(some)}: {', '.join(by):.80}",
            where=where,
            hint="an export of one annotator, or of one version of a model",
        )
    if not some:
        return {}, []
    results = some[0].get("result") if isinstance(some[0], dict) else None
    if not isinstance(results, list):
        raise FormatError(
            f"expected a list 'result' in {field!r}, got {describe(results)}", where=where
        )
    return {k: v for k, v in some[0].items() if k != "result"}, results


def _row(person: Person) -> dict[str, Any]:
    """Return what is carried of a person beside its places."""
    row: dict[str, Any] = {REGIONS: {label: r.rest for label, r in person.points.items()}}
    if person.box is None:
        return row
    row[REGIONS][""] = person.box.rest
    label = person.box.label
    row |= {LABEL: label, "score": person.box.result.get("score")}
    return row | {"category_id": category_of_label(label)}


def _results(poses: Poses, i: int, values: list[float], box: Any) -> list[dict[str, Any]]:
    """Return the results of a pose: its rectangle and its points."""
    extra = poses.extra[i]
    carried = extra.get(REGIONS, {})
    label = extra.get(LABEL, label_of_category(category_of(extra)))
    parent = carried.get("", {}).get("id", f"person-{i}")
    value: dict[str, Any] = dict(zip(PLACES[BOX], box.tolist(), strict=True))
    common = {"type": BOX, "from_name": "box", "to_name": "image", "id": parent}
    about = {"rotation": 0} | value | {BOX: [label]}
    results = [_result(carried.get("", common), about, float(poses.instance_score[i]))]
    for j, joint in enumerate(poses.skeleton.joints):
        if not poses.present[i, j]:
            continue
        x, y, score = values[3 * j : 3 * j + 3]
        value = {"x": x, "y": y, POINT: [joint]}
        common = {"type": POINT, "from_name": "keypoint", "to_name": "image"}
        common |= {"id": f"{parent}-{j}", "parentID": parent}
        score = np.nan if poses.score_kind == "none" else score
        results.append(_result(carried.get(joint, common), {"width": DOT} | value, score))
    return results


def _result(common: dict[str, Any], value: dict[str, Any], score: float) -> dict[str, Any]:
    told = {} if score != score else {"score": score}
    return {**common, **told, "value": {**value, **common.get("value", {})}}


def _is_labelstudio(document: Document) -> Verdict:
    keys = first_keys(document)
    task: Any = document[0] if isinstance(document, list) and keys else {}
    made = any(isinstance(task.get(field), list) for field in MADE)
    return Verdict.YES if made and isinstance(task.get("data"), dict) else Verdict.NO


_FIELDS = frozenset({LABEL, REGIONS, TASK, AROUND, OTHERS, "category_id", _history.FIELD})

FORMATS = (
    Format(
        name="labelstudio",
        about="Label Studio tasks: annotations, or predictions for annotators; in percents",
        tells="'data' beside 'annotations' or 'predictions'",
        detect=_is_labelstudio,
        read=read_labelstudio,
        write=write_labelstudio,
        holdings=("document", "lines"),
        fields=_FIELDS,
        private=_FIELDS - {"category_id"},
        complete=tell_of_parents,
        shares=PERCENT,
        cannot_hold=(
            "frame numbers",
            "score kind",
            "areas",
            "tracks",
            "unknown fields",
            "frames per second",
        ),
    ),
)
