"""Detectron2: what its COCO evaluator collects, and the fields of `Instances`, as JSON.

``[{"image_id": ..., "instances": [COCO results]}]`` is ``instances_predictions.pth``
(evaluation/coco_evaluator.py), in which half a pixel was taken off; of it
``coco_instances_results.json`` is the list of results, format coco. `Instances` are an object with
`pred_keypoints` (N, K, 3), `pred_boxes` xyxy, `scores` and `pred_classes` per image: their
keypoints count from the corner of the image, so half a pixel is taken off here. Scores of joints
are not bounded (detectron2#319).
"""

from typing import Any

import numpy as np

import refine.history as _history
from refine.categories import category_of_class
from refine.exceptions import FormatError
from refine.formats._arrays import numbers_in
from refine.formats._images import image_id, stem
from refine.formats._instances import Facts, Instances, hold_instances, poses_of, rows_of
from refine.formats._keypoints import triples
from refine.formats._records import describe, list_in
from refine.formats._rows import boxes, column, first_keys, sizes
from refine.formats._unlabelled import FIELD as HALVES
from refine.formats.base import Document, Format, Holding, Options, Page, Source, Verdict
from refine.geometry import xyxy_to_xywh
from refine.poses import ImageRef, Poses

EDGE = 0.5
"""px from the corner of the image to the middle of its first pixel; detectron2 adds it where it
loads COCO and takes it off where it writes (coco_evaluator.py, instances_to_coco_json)."""

KEYPOINTS, INSTANCES, IMAGE = "pred_keypoints", "instances", "image_id"
OWN = frozenset({"keypoints", "score", "bbox", IMAGE})


def read_detectron2(source: Source, options: Options) -> Poses:
    """Read the images of an evaluation, or the instances of an image, of many, or of a folder.

    Raises:
        FormatError: neither, or fields of different lengths.
        SkeletonError: see `skeleton_of`.
    """
    pages = source.pages()
    document: Any = source.document
    if source.held != "folder" and isinstance(document, list):
        where = source.record("image")
        pages = [Page(i, each, where(i)) for i, each in enumerate(document)]
    refs: list[ImageRef] = []
    rows: list[dict[str, Any]] = []
    image: list[int] = []
    places: list[str] = []
    for i, page in enumerate(pages):
        told: Any = page.document
        fields = isinstance(told, dict) and KEYPOINTS in told
        own = _instances(told, page.where) if fields else list_in(told, INSTANCES, page.where)
        name = told.get(IMAGE, page.name if isinstance(page.name, int) else stem(str(page.name)))
        refs.append(ImageRef(image_id(name, page.where)))
        for q, row in enumerate(own):
            at = f"{page.where}, instance {q}"
            if not isinstance(row, dict) or "keypoints" not in row:
                raise FormatError(
                    f"expected an object with 'keypoints', got {describe(row)}", where=at
                )
            if row.get(IMAGE, name) != name:
                raise FormatError(
                    f"expected instances of image {name!r:.40}, got one of {row[IMAGE]!r:.40}",
                    where=at,
                )
            rows.append(row)
            places.append(at)
        image += [i] * len(own)
    if len({ref.id for ref in refs}) < len(refs):
        raise FormatError("expected images once, got one twice", where=source.path)
    found = Instances(rows, image, refs, places, {"listed": isinstance(document, list)})
    lists = [row["keypoints"] or None for row in rows]
    values = triples(lists, "keypoints", found.where)
    score = column(rows, "score", found.where)
    poses = poses_of(found, values, options, Facts(OWN, score, boxes(rows, "bbox", found.where)))
    beyond = bool(((poses.score < 0) | (poses.score > 2)).any())
    return poses.replace(score_kind="logit") if beyond and not poses.history else poses


def write_detectron2(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write the images of an evaluation."""
    box = sizes(poses.box)

    def write(i: int, values: list[float]) -> dict[str, Any]:
        row: dict[str, Any] = {IMAGE: poses.images[poses.image[i]].id}
        row["category_id"] = poses.extra[i].get("category_id", 1)
        if box is not None and box[i] is not None:
            row["bbox"] = box[i]
        score = float(poses.instance_score[i])
        row |= {"score": score} if score == score else {}
        return row | {"keypoints": values}

    rows = rows_of(poses, precision, "keypoints", write)
    groups: Any = hold_instances(rows, poses.replace(meta={"listed": True}), held)
    pairs = zip(poses.images, groups, strict=True)
    images = [{IMAGE: ref.id, INSTANCES: group} for ref, group in pairs]
    alone = held == "document" and len(images) == 1 and not poses.meta.get("listed", True)
    return images[0] if alone else images


def _instances(fields: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Return the fields of `Instances` as COCO results."""
    values = numbers_in(fields[KEYPOINTS], KEYPOINTS, where)
    values = values.reshape(0, 0, 3) if not values.size else values
    if values.ndim != 3 or values.shape[2] != 3:
        raise FormatError(
            f"expected {KEYPOINTS!r} (N, K, 3), x, y and score, got {values.shape}", where=where
        )
    n = len(values)
    values[..., :2] -= EDGE
    flat = values.reshape(n, 3 * values.shape[1]).tolist()
    lists = [[None if value != value else value for value in each] for each in flat]
    rows: list[dict[str, Any]] = [{"keypoints": each} for each in lists]
    told = {}
    for name, shape in (("pred_boxes", (n, 4)), ("scores", (n,)), ("pred_classes", (n,))):
        if fields.get(name) is not None:
            told[name] = numbers_in(fields[name], name, where)
            if told[name].shape != shape and n:
                raise FormatError(
                    f"expected {name!r} of {n} instances, got {told[name].shape}", where=where
                )
    for i, row in enumerate(rows):
        if "pred_boxes" in told:
            row["bbox"] = xyxy_to_xywh(told["pred_boxes"][i : i + 1])[0].tolist()
        if "scores" in told:
            row["score"] = float(told["scores"][i])
        if "pred_classes" in told:
            row["category_id"] = category_of_class(int(np.nan_to_num(told["pred_classes"][i])))
    return rows


def _is_detectron2(document: Document) -> Verdict:
    if isinstance(document, dict):
        return Verdict.YES if KEYPOINTS in document else Verdict.NO
    keys = first_keys(document)
    told = keys >= {IMAGE, INSTANCES} or KEYPOINTS in keys
    return Verdict.YES if told else Verdict.NO


_FIELDS = frozenset({*OWN, KEYPOINTS, INSTANCES, "category_id", "track_id", _history.FIELD})

FORMATS = (
    Format(
        name="detectron2",
        about="Detectron2: a list of images with instances, or the fields of Instances",
        tells="'image_id' beside 'instances', or 'pred_keypoints'",
        detect=_is_detectron2,
        read=read_detectron2,
        write=write_detectron2,
        holdings=("document", "folder", "lines"),
        fields=_FIELDS,
        private=_FIELDS - {"category_id", "track_id"} | {HALVES},
        cannot_hold=(
            "image names",
            "image sizes",
            "frame numbers",
            "score kind",
            "areas",
            "skeletons that do not ship",
            "frames per second",
        ),
    ),
)
