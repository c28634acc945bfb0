"""MMPose predictions: inferencer files of images and videos, and demos' ``--save-predictions``.

MMPose 1.x: mmpose/structures/utils.py, split_instances (its `bbox` is nested twice), and
apis/inferencers/base_mmpose_inferencer.py; Sapiens writes the demos' form without boxes. Boxes are
xyxy. MMPose 0.x, by hand: `keypoints` are x, y, score and `bbox` ends with the box score. The files
name no image: an image is known by its file's name, a frame by `frame_id`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

import refine.history as _history
from refine._types import Floats, Indices
from refine.exceptions import FormatError
from refine.formats._images import LARGEST, stem, whole
from refine.formats._keypoints import (
    flat,
    joints,
    kind_after,
    matrix,
    no_joints,
    number,
    skeleton_of,
)
from refine.formats._mmpose_tests import are_tests, read_tests
from refine.formats._records import describe, list_in
from refine.formats._rows import column, extras, first_keys, fours, tracks
from refine.formats._unlabelled import FIELD as HALVES, carry_halves, put_back
from refine.formats.base import Document, Format, Holding, Options, Page, Source, Verdict, Where
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton, skeleton, skeleton_from_category

OWN = {"keypoints", "keypoint_scores", "bbox", "bbox_score", _history.FIELD}
FRAME = ("frame_id", "instances")


def read_mmpose(source: Source, options: Options) -> Poses:
    """Read any of the forms; in a folder a file of instances per image.

    Raises:
        FormatError: neither instances nor frames of them.
        SkeletonError: see `skeleton_of`.
    """
    tests = source.document
    if source.held == "document" and isinstance(tests, list) and are_tests(tests):
        return _read_tests(tests, source, options)
    pages = source.pages()
    if source.held == "lines":
        pages = [Page(source.path, source.document, source.path)]
    lists = _dumped(pages[0].document) if len(pages) == 1 else None
    if lists is not None:
        frames = [{"frame_id": i, "instances": each} for i, each in enumerate(lists)]
        pages = [pages[0]._replace(document=frames)]
    demo = pages[0].document if isinstance(pages[0].document, dict) else None
    contents = [_content(page) for page in pages]
    video = any(_is_video(content) for content in contents)
    if video and len(pages) > 1:
        raise FormatError(
            "expected the instances of one image in each file of a folder, got frames",
            where=next(p.where for p, c in zip(pages, contents, strict=True) if _is_video(c)),
            hint="one video at a time",
        )
    refs: list[ImageRef] = []
    rows: list[Any] = []
    image: list[int] = []
    for i, frame in enumerate(contents[0] if video else [{"instances": c} for c in contents]):
        where = source.record("frame")(i)
        instances = list_in(frame, "instances", where)
        number_ = whole(frame.get("frame_id"), "frame_id", where)
        if video and number_ is None:
            raise FormatError("expected a 'frame_id', got none", where=where)
        extra = {key: v for key, v in frame.items() if key not in FRAME}
        name = stem(str(pages[0 if video else i].name)) if number_ is None else number_
        refs.append(ImageRef(name, frame=number_, extra=extra))
        rows += instances
        image += [i] * len(instances)
    if demo and options.skeleton is None:
        options = replace(options, skeleton=_named(demo))
    meta = {
        "video": video,
        "dump": None if lists is None else _around(source.document),
        "demo": demo and {k: v for k, v in demo.items() if k != "instance_info"},
    }
    first = np.searchsorted(image, np.arange(len(pages)))

    def name_instance(i: int) -> str:
        at = f"{source.path}, instance {i}"
        return f"{pages[image[i]].where}, instance {i - first[image[i]]}" if len(pages) > 1 else at

    poses = _poses(rows, np.array(image, np.intp), refs, options, name_instance)
    return poses.replace(meta={**meta, **poses.meta})


def _read_tests(tests: list[Any], source: Source, options: Options) -> Poses:
    found = read_tests(tests, source.record("result"))
    rows = [row for _, instances in found for row in instances]
    image = [i for i, (_, instances) in enumerate(found) for _ in instances]
    refs = [ref for ref, _ in found]
    poses = _poses(
        rows,
        np.array(image, np.intp),
        refs,
        options,
        lambda i: f"{source.path}, image {refs[image[i]].id!r}",
    )
    note = "results of a test: predictions and scores are read, and nothing that is beside them"
    return poses.replace(meta={**poses.meta, "video": True, "notes": (note,)})


def write_mmpose(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write instances of one image, or frames where the source had them or there are more images.

    Raises:
        FormatError: several images without whole numbers to call the frames by.
    """
    lists = flat(poses, precision)
    old, nested = bool(poses.meta.get("old")), poses.meta.get("nested", True)
    steps = _history.encode(poses.history)
    frames: list[dict[str, Any]] = []
    empty = np.asarray(~poses.present.any(1))
    for ref, rows in poses.by_image():
        instances = []
        for i in rows.tolist():
            row = dict(poses.extra[i])
            put_back(lists[i], row.pop(HALVES, None), poses.skeleton.joints, precision)
            points = [lists[i][at : at + 3] for at in range(0, len(lists[i]), 3)]
            if empty[i] and "keypoints" in row:
                pass
            elif old:
                row["keypoints"] = points
            else:
                row["keypoints"] = [[x, y] for x, y, _ in points]
                row["keypoint_scores"] = [score for _, _, score in points]
            box = None if poses.box is None else poses.box[i]
            score = float(poses.instance_score[i])
            if box is not None and np.isfinite(box).all():
                values = box.tolist() + ([score] if old and score == score else [])
                row["bbox"] = [values] if nested and not old else values
            if score == score and not (old and "bbox" in row):
                row["bbox_score"] = score
            if poses.track is not None and poses.track[i] >= 0:
                row["track_id"] = int(poses.track[i])
            if steps:
                row[_history.FIELD] = steps
            instances.append(row)
        name = ref.id if ref.frame is None else ref.frame
        frames.append({"frame_id": name, "instances": instances, **ref.extra})
    demo = poses.meta.get("demo")
    if held == "folder":
        each = [frame["instances"] for frame in frames]
        return each if demo is None else [{**demo, "instance_info": content} for content in each]
    video = poses.meta.get("video", held == "lines") or len(frames) != 1
    numbers = [frame["frame_id"] for frame in frames]
    if video and (bad := [n for n in numbers if type(n) is not int or not 0 <= n <= LARGEST]):
        raise FormatError(
            "expected whole numbers from 0 to 2^53 as image ids, by which MMPose calls frames of "
            f"videos, got {bad[0]!r:.40}",
            hint="another --to",
        )
    if (dump := poses.meta.get("dump")) is not None and held == "document":
        groups = [frame["instances"] for frame in frames]
        if isinstance(dump, dict):
            return {**dump, "predictions": groups}
        if len(dump) == len(groups):
            return [{**d, "predictions": [g]} for d, g in zip(dump, groups, strict=True)]
        return groups
    content = frames if video else frames[0]["instances"]
    return content if demo is None or held == "lines" else {**demo, "instance_info": content}


def _dumped(document: Document) -> list[Any] | None:
    """Return the instances of each image where they stand in lists of their own, else None.

    0.x wrote a video as a list per frame; results of an inferencer, when they are dumped, have one
    per image under `predictions`, and come in a list where they were collected.
    """
    if isinstance(document, dict):
        document = document.get("predictions")
    elif isinstance(document, list) and "predictions" in first_keys(document):
        each = [d.get("predictions") if isinstance(d, dict) else None for d in document]
        document = list(chain.from_iterable(d if isinstance(d, list) else [d] for d in each))
    lists = document if isinstance(document, list) else []
    return lists if lists and all(isinstance(d, list) for d in lists) else None


def _around(document: Document) -> Any:
    """Return what stands around lists that `_dumped` found, for them to be written back into."""
    if isinstance(document, dict):
        return {k: v for k, v in document.items() if k != "predictions"}
    if isinstance(document, list) and "predictions" in first_keys(document):
        return [{k: v for k, v in d.items() if k != "predictions"} for d in document]
    return []


def _content(page: Page) -> list[Any]:
    document = page.document
    content = document.get("instance_info") if isinstance(document, dict) else document
    if not isinstance(content, list):
        raise FormatError(
            f"expected a list of instances or frames, got {describe(content)}", where=page.where
        )
    return content


def _is_video(content: list[Any]) -> bool:
    return "instances" in first_keys(content)


def _poses(
    rows: list[Any], image: Indices, refs: Sequence[ImageRef], options: Options, where: Where
) -> Poses:
    for i, row in enumerate(rows):
        if not isinstance(row, dict) or not isinstance(row.get("keypoints", 0), list | None):
            raise FormatError(
                f"expected an object with a list 'keypoints', got {describe(row)}", where=where(i)
            )
    first: dict[str, Any] = next((row for row in rows if row["keypoints"]), {"keypoints": []})
    old = bool(rows) and "keypoint_scores" not in (first if first["keypoints"] else rows[0])
    k = len(first["keypoints"])
    values = _points(rows, where, 3 if old else 2, k)
    found = joints(values, options, where)
    empty = options.skeleton or options.default or skeleton("coco17")
    body = skeleton_of(k, options, "coco17") if k else empty
    found = found if k else no_joints(len(rows), len(body))
    box, score, nested = _boxes(rows, where, old)
    history = _history.agree([row.get(_history.FIELD) for row in rows], where)
    track = tracks(rows)
    extra = extras(rows, OWN, track)
    carry_halves(extra, values, body.joints)
    return Poses(
        body,
        found.xy,
        found.score,
        score,
        image,
        tuple(refs),
        score_kind=kind_after(history, found.kind),
        box=box,
        track=track,
        history=history,
        extra=extra,
        meta={**found.meta, "old": old, "nested": nested},
    )


def _points(rows: Sequence[Mapping[str, Any]], where: Where, width: int, k: int) -> Floats:
    """Return x, y, score (N, K, 3) from points of 2 values and scores apart, or of 3 values.

    Instances whose keypoints are null or [] are NaN at NaN, score 0.
    """
    scores: list[Any] = []
    places: list[Any] = []
    for i, row in enumerate(rows):
        points, each = row["keypoints"], row.get("keypoint_scores")
        if not points:
            places.append(None)
            scores.append([0] * k)
            continue
        if len(points) != k or (each is None) == (width == 2):
            raise FormatError(
                f"expected {k} 'keypoints' and as many 'keypoint_scores' as in the "
                f"first instance, got {len(points)}",
                where=where(i),
            )
        if not all(type(p) is list and len(p) == width for p in points):
            raise FormatError(
                f"expected {width} numbers per joint in 'keypoints', got {points!r:.60}",
                where=where(i),
            )
        places.append(list(chain.from_iterable(points)))
        scores.append(each)
    values = matrix(places, k * width, "keypoints", where).reshape(len(rows), k, width)
    if width == 3:
        values[[row is None for row in places], :, 2] = 0.0
        return values
    third = matrix(scores, k, "keypoint_scores", where)
    return np.concatenate([values, third[..., None]], -1)


def _boxes(
    rows: Sequence[Mapping[str, Any]], where: Where, old: bool
) -> tuple[Floats | None, Floats, bool]:
    """Return boxes (N, 4) xyxy or None, instance scores (N,), and whether boxes were nested."""
    lists = [row.get("bbox") or None for row in rows]
    nested = all(type(b) is list and len(b) == 1 for b in lists if b is not None)
    if nested:
        lists = [b and b[0] for b in lists]
    score = column(rows, "bbox_score", where)
    if old:
        for i, b in enumerate(lists):
            if type(b) is list and len(b) == 5:
                score[i], lists[i] = number(b[4], "bbox", where(i)), b[:4]
    found = fours(lists, "bbox", where)
    return found, score, nested or found is None


def _named(demo: Mapping[str, Any]) -> Skeleton | None:
    """Read the skeleton off the demo's `meta_info`, if it names the joints."""
    about = demo.get("meta_info")
    names = about.get("keypoint_id2name") if isinstance(about, dict) else None
    if not isinstance(names, dict) or not names:
        return None
    ordered = [names.get(str(i)) for i in range(len(names))]
    if not all(isinstance(name, str) for name in ordered):
        return None
    return skeleton_from_category({"keypoints": ordered}, "meta_info")


def _is_mmpose(document: Document) -> Verdict:
    if are_tests(document):
        return Verdict.YES
    if lists := _dumped(document):
        first: list[Any] = next((each for each in lists if each), [])
        if not first and not isinstance(document, list):
            return Verdict.YES
        return Verdict.YES if _is_mmpose(first) else Verdict.NO
    if isinstance(document, dict):
        return Verdict.YES if "instance_info" in document else Verdict.NO
    keys = first_keys(document)
    if not isinstance(document, list) or not keys or "image_id" in keys:
        return Verdict.NO
    points = document[0].get("keypoints")
    in_pairs = isinstance(points, list) and points and isinstance(points[0], list)
    old = in_pairs and "bbox" in keys and "labels" not in keys
    known = "keypoint_scores" in keys or "instances" in keys or old
    return Verdict.YES if known else Verdict.NO


FORMATS = (
    Format(
        name="mmpose",
        about="MMPose predictions: a list of the instances of an image, or of a video's frames",
        tells="'keypoint_scores', 'instances' or 'instance_info'",
        detect=_is_mmpose,
        read=read_mmpose,
        write=write_mmpose,
        holdings=("document", "folder", "lines"),
        fields=frozenset({*OWN, *FRAME, "track_id"}),
        private=frozenset({*OWN, *FRAME, HALVES}),
        cannot_hold=(
            "image names",
            "image sizes",
            "score kind",
            "areas",
            "skeletons that do not ship",
            "frames per second",
        ),
    ),
)
