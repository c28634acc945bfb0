"""VitPose of transformers: what its `post_process_pose_estimation` returns, dumped as JSON.

Per image a list with an object per person (transformers/models/vitpose/image_processing_vitpose.py;
Sapiens2 of transformers returns the same): `keypoints`, `scores` and `labels`, the numbers of the
joints. With ``threshold`` joints are left out, and `labels` tell which remain. VitPose's `bbox` is
none: it holds the middle and the scale of the crop, in units of 200 px, as if these were a box.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

import refine.history as _history
from refine._types import Floats
from refine.exceptions import FormatError, SkeletonError
from refine.formats._instances import (
    Facts,
    hold_instances,
    instances_of,
    poses_of,
    rows_of,
)
from refine.formats._keypoints import matrix
from refine.formats._named import USUAL, unplaced
from refine.formats._records import describe
from refine.formats._rows import column, first_keys, fours
from refine.formats._unlabelled import FIELD as HALVES
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.poses import Poses
from refine.skeletons import skeleton, skeleton_names

OWN = frozenset({"keypoints", "scores", "labels"})
BOX = "bbox"
SCORE = "score"
"""Of a person; this project's addition, for transformers has none."""

TINY = 1 / 20
"""Of the extent of the joints; less is no box. The scale that VitPose puts in its place is 1/200 of
the crop, of which a person's joints fill a tenth at least."""


def read_vitpose(source: Source, options: Options) -> Poses:
    """Read the persons of an image, of a list of images, or of a folder with a file per image.

    Boxes that hold the middle and scale of the crop are carried along, and said to be none.

    Raises:
        FormatError: lists of different lengths, or a joint twice.
        SkeletonError: joints that the skeleton lacks, or left out so that no skeleton is told.
    """
    found = instances_of(source)
    labels = [_labels(row, found.where(i)) for i, row in enumerate(found.rows)]
    k, dropped = _count(labels, options)
    values = np.full((len(labels), k, 3), np.nan)
    values[..., 2] = 0.0
    for i, (row, numbers) in enumerate(zip(found.rows, labels, strict=True)):
        values[i, numbers] = _marks(row, found.where(i))
    lists = [row.get(BOX) for row in found.rows]
    box = fours(lists, BOX, found.where)
    notes: list[str] = []
    if box is not None and not _are_boxes(box, values):
        count = int(np.isfinite(box).all(1).sum())
        notes.append(
            f"'bbox' of {count} poses holds the middle and scale of a crop, a fault of VitPose in "
            "transformers: no box"
        )
        box = None
    if dropped and options.skeleton is None:
        notes.append(
            f"a threshold left joints out; taken for {k} joints of "
            f"{(options.default or skeleton(USUAL)).name}, --skeleton tells another"
        )
    own = {*OWN, SCORE} | ({BOX} if box is not None else set())
    score = column(found.rows, SCORE, found.where)
    poses = poses_of(found, values, options, Facts(frozenset(own), score, box))
    return poses.replace(meta={**poses.meta, "dropped": dropped, "notes": tuple(notes)})


def write_vitpose(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write persons of one image, or lists of them where there are more; without missing joints."""
    dropped = poses.meta.get("dropped", True)
    names = poses.skeleton.joints

    def write(i: int, values: list[float]) -> dict[str, Any]:
        half = poses.extra[i].get(HALVES, {})
        kept = [
            j for j, name in enumerate(names) if not dropped or poses.present[i, j] or name in half
        ]
        row: dict[str, Any] = {
            "keypoints": [values[3 * j : 3 * j + 2] for j in kept],
            "scores": [values[3 * j + 2] for j in kept],
            "labels": kept,
        }
        if poses.box is not None and np.isfinite(poses.box[i]).all():
            row[BOX] = poses.box[i].tolist()
        score = float(poses.instance_score[i])
        return row | ({SCORE: score} if score == score else {})

    return hold_instances(rows_of(poses, precision, "keypoints", write), poses, held)


def tell_of_scores(poses: Poses) -> tuple[Poses, tuple[str, ...]]:
    """Return poses as they are, and say what is lost of missing joints."""
    return poses, unplaced(poses, "vitpose") if poses.meta.get("dropped", True) else ()


def _labels(row: dict[str, Any], where: str) -> list[int]:
    """Return the numbers of the joints of a person."""
    points, labels = row.get("keypoints"), row.get("labels")
    if not isinstance(points, list):
        raise FormatError(f"expected a list 'keypoints', got {describe(points)}", where=where)
    labels = list(range(len(points))) if labels is None else labels
    if not isinstance(labels, list) or len(labels) != len(points):
        raise FormatError(
            f"expected as many 'labels' as 'keypoints', {len(points)}, got {labels!r:.60}",
            where=where,
        )
    if not all(type(label) is int and label >= 0 for label in labels):
        raise FormatError(
            f"expected numbers of joints in 'labels', got {labels!r:.60}", where=where
        )
    if len(set(labels)) < len(labels):
        raise FormatError(f"expected joints once in 'labels', got {labels!r:.60}", where=where)
    return labels


def _marks(row: dict[str, Any], where: str) -> Floats:
    """Return x, y, score (K', 3) of a person."""
    points = matrix(row["keypoints"], 2, "keypoints", lambda j: f"{where}, joint {j}")
    scores = matrix([row.get("scores")], len(points), "scores", lambda _: where)[0]
    return np.concatenate([points, scores[:, None]], 1)


def _count(labels: Sequence[list[int]], options: Options) -> tuple[int, bool]:
    """Return the number of joints, and whether persons lack some."""
    n = max(map(len, labels), default=0)
    most = max((max(each) + 1 for each in labels if each), default=0)
    dropped = any(each != list(range(n)) for each in labels)
    if options.skeleton is not None:
        k = len(options.skeleton)
        dropped = dropped or (n < k and n > 0)
    elif not dropped:
        return n, False
    else:
        usual = [body for body in (options.default, skeleton(USUAL)) if body is not None]
        k = next((len(body) for body in usual if len(body) >= most), 0)
    if most > k:
        fitting = [name for name in skeleton_names() if len(skeleton(name)) >= most]
        raise SkeletonError(
            f"expected joints up to {max(k, len(skeleton(USUAL))) - 1}, got 'labels' up to "
            f"{most - 1} and joints left out, so that any of these fits: {', '.join(fitting)}",
            where=options.where,
            hint="--skeleton with the one of the network",
        )
    return k, dropped


def _are_boxes(box: Floats, values: Floats) -> bool:
    """Whether boxes (N, 4) are such, rather than a point and a scale, told by joints (N, K, 3)."""
    xy = values[..., :2]
    known = np.isfinite(xy).all(-1).sum(1) > 1
    known &= np.isfinite(box).all(1)
    if not known.any():
        return True
    size = (box[known, 2:] - box[known, :2]).max(1) + 1
    extent = (np.nanmax(xy[known], 1) - np.nanmin(xy[known], 1)).max(1)
    return bool(np.median(size - extent * TINY) >= 0)


def _is_vitpose(document: Document) -> Verdict:
    if isinstance(document, list) and all(isinstance(each, list) for each in document):
        document = next((each for each in document if each), None)
    keys = first_keys(document)
    return Verdict.YES if keys >= OWN and "image_id" not in keys else Verdict.NO


_FIELDS = frozenset({*OWN, BOX, SCORE, "track_id", _history.FIELD})

FORMATS = (
    Format(
        name="vitpose",
        about="VitPose and Sapiens2 of transformers: a folder with a list of persons per image",
        tells="'keypoints' beside 'scores' and 'labels'",
        detect=_is_vitpose,
        read=read_vitpose,
        write=write_vitpose,
        holdings=("folder", "document", "lines"),
        fields=_FIELDS,
        private=_FIELDS - {"track_id"} | {HALVES},
        complete=tell_of_scores,
        cannot_hold=(
            "image ids",
            "image sizes",
            "frame numbers",
            "score kind",
            "areas",
            "skeletons that do not ship",
            "frames per second",
        ),
    ),
)
