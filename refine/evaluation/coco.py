"""COCO keypoint evaluation: pycocotools counts, this file prepares and reports."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from refine._types import AreaRule, Bools, Floats, Indices
from refine.evaluation.ground_truth import (
    CocoObject,
    GroundTruth,
    finite_scores,
    match_images,
    read_ground_truth,
)
from refine.evaluation.persons import Persons
from refine.exceptions import ArrayError
from refine.files import dump_json
from refine.geometry import keypoint_box, xyxy_to_xywh
from refine.oks import pose_area
from refine.poses import Poses
from refine.skeletons import Skeleton, skeleton

METRICS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
"""The ten figures of `COCOeval.summarize` for keypoints, in its order; M and L are areas of
32^2 to 96^2 px^2 and above."""

FEW_PREDICTIONS = 0.2
"""Share of images with people but without predictions above which a report warns."""

Area = Literal["auto"] | AreaRule


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found.

    Attributes:
        metrics: `METRICS` -> value, -1 where no ground truth of that kind exists.
        poses: predictions that were scored.
        persons: persons of the ground truth that count (not crowds, at least one joint).
        images: images that were scored.
        images_with_persons: of these, the ones with persons that count.
        images_without_predictions: of these, the ones where nothing was predicted.
        sigmas: whose sigmas were used.
        official_sigmas: whether these are the sigmas published for the ground truth's skeleton;
            figures with others compare with nothing.
        area: what the area of predictions was taken from; moves only APM, APL, ARM, ARL.
        max_dets: best predictions per image that were scored.
        warnings: what a reader of the figures must know.
    """

    metrics: Mapping[str, float]
    poses: int
    persons: int
    images: int
    images_with_persons: int
    images_without_predictions: int
    sigmas: str
    official_sigmas: bool
    area: str
    max_dets: int
    warnings: tuple[str, ...] = ()

    def __getitem__(self, metric: str) -> float:
        return self.metrics[metric]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "metrics": dict(self.metrics),
            **{
                name: getattr(self, name) for name in self.__dataclass_fields__ if name != "metrics"
            },
        }

    def __str__(self) -> str:
        figures = "  ".join(f"{name} {value:.4f}" for name, value in self.metrics.items())
        return "\n".join(
            [
                figures,
                f"{self.poses} poses, {self.persons} persons on {self.images} images, "
                f"sigmas of {self.sigmas}, area from {self.area}",
                *(f"warning: {text}" for text in self.warnings),
            ]
        )


def evaluate(
    gt: str | Path | Mapping[str, Any] | Poses | GroundTruth | CocoObject,
    poses: str | Path | Poses | CocoObject | Sequence[Mapping[str, Any]],
    *,
    sigmas: Floats | str | Path | Skeleton | None = None,
    image_ids: Sequence[int | str] | None = None,
    max_dets: int = 20,
    area: Area = "auto",
    strict: bool = True,
) -> Report:
    """Score poses against ground truth: COCO AP and AR, all digits as pycocotools gives them.

    A joint without position counts as predicted at (0, 0), which is what a results file says.
    Poses of another skeleton are taken joint by joint by name. Without predictions all figures
    are 0.

    Args:
        gt: COCO keypoint annotations (file, parsed, or pycocotools' object), `Poses` with flags,
            or what `refine.evaluation.ground_truth.read_ground_truth` returns.
        poses: predictions, a file that `refine.read` reads, rows of COCO results, or what
            `COCO.loadRes` returns.
        sigmas: (K,), or a skeleton (name or file) that has them by joint name; by default those
            of the ground truth's skeleton.
        image_ids: score only these images; those without predictions count.
        max_dets: 20 in COCO.
        area: of predictions: "box" or "keypoints" (with missing joints at (0, 0)); "auto" is
            what pycocotools does: "box" if the first pose has one.
        strict: refuse predictions on images that the ground truth lacks, unless `image_ids` says
            what to score; else leave them out and say so.

    Raises:
        FormatError: ground truth that cannot be read, or unknown images.
        SkeletonError: no sigmas, or poses that share no joint with the ground truth.
        ArrayError: an instance score that is not finite, or an option out of range.

    >>> xy = np.random.default_rng(0).uniform(0, 99, (1, 17, 2))
    >>> persons = Poses.from_arrays(skeleton("coco17"), xy, area=[5000.0], box=[[0, 0, 99, 99]])
    >>> found = Poses.from_arrays(skeleton("coco17"), xy + 1, instance_score=[1])
    >>> round(evaluate(persons, found)["AP"], 4)
    1.0
    """
    if max_dets < 1:
        raise ArrayError(f"expected max_dets of at least 1, got {max_dets}")
    table = skeleton(sigmas) if isinstance(sigmas, str | Path) else sigmas
    truth = read_ground_truth(gt, default=table if isinstance(table, Skeleton) else None)
    found = poses if isinstance(poses, Poses) else _read(poses)
    own = truth.skeleton
    values = (own if table is None else own.with_sigmas(table)).require_sigmas()
    image, unknown = match_images(found, truth, strict=strict and image_ids is None)
    chosen = truth.rows_of(image_ids)
    inside = np.isin(image, chosen)
    detections, area_from = _detections(found, image, inside, own, area)
    persons = truth.persons_on(chosen)
    metrics = _count(persons, detections, chosen, values, max_dets)

    people = set(persons.image[~persons.ignore].tolist())
    bare = len(people - set(image[inside].tolist()))
    return Report(
        metrics,
        poses=int(inside.sum()),
        persons=int((~persons.ignore).sum()),
        images=len(chosen),
        images_with_persons=len(people),
        images_without_predictions=bare,
        sigmas=own.name if table is None else getattr(table, "name", "the caller"),
        official_sigmas=own.sigmas is not None and np.array_equal(values, own.sigmas),
        area=area_from,
        max_dets=max_dets,
        warnings=tuple(_warnings(truth, found, people, bare, unknown, persons)),
    )


def _read(source: str | Path | CocoObject | Sequence[Mapping[str, Any]]) -> Poses:
    from refine.formats import read

    if isinstance(source, str | Path):
        return read(source)
    rows = source.dataset["annotations"] if isinstance(source, CocoObject) else source
    return read(io.BytesIO(dump_json(list(rows))), "coco")


def _detections(
    poses: Poses,
    image: Indices,
    inside: Bools,
    target: Skeleton,
    area: Area,
) -> tuple[list[dict[str, Any]], str]:
    """Return predictions as `COCO.loadRes` prepares them, and where their area is from."""
    xy = target.take(poses.xy, poses.skeleton)
    xy = np.where(np.isfinite(xy).all(-1, keepdims=True), xy, 0.0)
    if area == "auto":
        first = poses.box is not None and len(poses) and np.isfinite(poses.box[0]).all()
        area = "box" if first else "keypoints"
    if area == "box" and poses.box is not None:
        # Nine decimals undo x + width - x, so that 32 x 32 is an area of 1024 and not below.
        extent = np.round(poses.box[:, 2:] - poses.box[:, :2], 9)
        size = pose_area(xy, "given", area=extent[:, 0] * extent[:, 1])
    elif area == "keypoints":
        corners = keypoint_box(xy)
        size = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    else:
        size = pose_area(xy, area, poses.box, poses.area)
    points = np.concatenate([xy, np.ones_like(xy[..., :1])], 2).reshape(len(xy), 3 * len(target))
    score = finite_scores(poses)
    rows = [
        {
            "id": i + 1,
            "image_id": int(image[i]),
            "category_id": 1,
            "keypoints": points[i],
            "score": float(score[i]),
            "area": float(size[i]),
        }
        for i in np.flatnonzero(inside)
    ]
    return rows, area


def _coco_annotations(persons: Persons) -> list[dict[str, Any]]:
    """Return persons as the dicts that pycocotools counts."""
    flags = persons.visible[..., None]
    points = np.concatenate([np.nan_to_num(persons.xy), flags], 2)
    points = points.reshape(len(points), 3 * flags.shape[1])
    # Nine decimals undo x + width - x.
    boxes = np.round(xyxy_to_xywh(persons.box), 9).tolist()
    return [
        {
            # pycocotools takes 0 for no person at all; every other id is as good as its own.
            "id": i + 1 if persons.id[i] != 0 else 0,
            "image_id": int(persons.image[i]),
            "category_id": 1,
            "keypoints": points[i],
            "num_keypoints": int(persons.crowd[i] or not persons.ignore[i]),
            "area": float(persons.area[i]),
            "bbox": boxes[i],
            "iscrowd": int(persons.crowd[i]),
        }
        for i in range(len(persons))
    ]


def _count(
    persons: Persons,
    detections: list[dict[str, Any]],
    images: list[int],
    sigmas: Floats,
    max_dets: int,
) -> dict[str, float]:
    """Run `pycocotools.cocoeval.COCOeval` and read its ten figures."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = COCO(), COCO()
    for api, rows in ((truth, _coco_annotations(persons)), (found, detections)):
        api.dataset = {
            "images": [{"id": i} for i in images],
            "annotations": rows,
            "categories": [{"id": 1}],
        }
    # pycocotools reports its progress by printing; standard output is ours.
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        found.createIndex()
        engine = COCOeval(truth, found, "keypoints")
        engine.params.kpt_oks_sigmas = sigmas
        engine.params.imgIds = images
        engine.params.maxDets = [max_dets]
        engine.evaluate()
        engine.accumulate()
    thresholds = engine.params.iouThrs.round(2).tolist()
    at50, at75 = [thresholds.index(0.5)], [thresholds.index(0.75)]
    every = list(range(len(thresholds)))
    figures = []
    for table in (engine.eval["precision"], engine.eval["recall"]):
        for at, size in ((every, 0), (at50, 0), (at75, 0), (every, 1), (every, 2)):
            values = table[at][..., size, :]
            values = values[values > -1]
            figures.append(float(np.mean(values)) if values.size else -1.0)
    return dict(zip(METRICS, figures, strict=True))


def _warnings(
    truth: GroundTruth, poses: Poses, people: set[int], bare: int, unknown: int, persons: Persons
) -> list[str]:
    texts = []
    if people and bare > FEW_PREDICTIONS * len(people):
        texts.append(
            f"{bare} of {len(people)} images with people have no prediction; if the predictions "
            "cover only a part of the ground truth, choose it with --image-ids"
        )
    if unknown:
        texts.append(f"{unknown} poses on images that the ground truth lacks were left out")
    texts += truth.warnings
    if poses.skeleton != truth.skeleton:
        texts.append(f"poses of {poses.skeleton.name} scored as {truth.skeleton.name}")
    if (persons.id == 0).any():
        texts.append("annotation id 0: pycocotools, and so these figures, never match it")
    return texts
