"""COCO keypoint evaluation: what is compared, and what is reported."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, get_args

import numpy as np

from refine._types import Floats
from refine.evaluation.counting import Tables
from refine.evaluation.crowding import crowd_levels
from refine.evaluation.ground_truth import GroundTruth
from refine.evaluation.matching import THRESHOLDS
from refine.evaluation.parts import (
    Area,
    Backend,
    Options,
    Part,
    Target,
    Whole,
    aim,
    detect,
    join_parts,
    match_part,
)
from refine.evaluation.predictions import CocoObject, find_predictions
from refine.exceptions import ArrayError, RefineError
from refine.poses import Poses
from refine.skeletons import Skeleton

METRICS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
"""The ten figures of `COCOeval.summarize` for keypoints, in its order; M and L are areas of
32^2 to 96^2 px^2 and above."""

PERFECT = 1e-15
"""pycocotools adds np.spacing(1) to a denominator: few persons, all found, make 1 - 2.2e-16."""

FEW_PREDICTIONS = 0.2
"""Share of images with people but without predictions above which a report warns."""


_PLAIN = Options()


class SupportsTables(Protocol):
    """What a backend returns."""

    def tables(self, images: Sequence[int]) -> Tables:
        """Accumulate over some images."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found.

    Attributes:
        metrics: `METRICS`, for CrowdPose also `crowding.CROWD_METRICS` -> value, -1 where no
            ground truth of that kind exists.
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
        """Return plain data for JSON; figures within `PERFECT` of 1 are 1."""
        metrics = {k: 1.0 if abs(v - 1) < PERFECT else v for k, v in self.metrics.items()}
        return {
            "metrics": metrics,
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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A report, and what it was counted from: `counts` on `images`, indices of the truth's."""

    report: Report
    counts: SupportsTables
    images: list[int]


def evaluate(
    gt: str | Path | Mapping[str, Any] | Poses | GroundTruth | CocoObject,
    poses: str | Path | Poses | CocoObject | Sequence[Mapping[str, Any]],
    *,
    sigmas: Floats | float | str | Path | Skeleton | None = None,
    image_ids: Sequence[int | str] | None = None,
    max_dets: int = 20,
    area: Area = "auto",
    strict: bool = True,
    backend: Backend = "refine",
) -> Report:
    """Score poses against ground truth: COCO AP and AR, all digits as pycocotools gives them.

    A joint without position counts as predicted at (0, 0), which is what a results file says.
    Poses of another skeleton are taken joint by joint by name; files that do not tell theirs have
    the joints of the ground truth, if as many. Each category is scored by itself, and figures are
    means over categories. Without predictions all figures are 0.

    Args:
        gt: COCO keypoint annotations (file, parsed, or pycocotools' object), `Poses` with flags,
            or what `refine.evaluation.ground_truth.read_ground_truth` returns.
        poses: predictions, a file that `refine.read` reads, rows of COCO results, or what
            `COCO.loadRes` returns.
        sigmas: (K,), one number for all joints, or a skeleton (name or file) that has them by
            joint name; by default those of the ground truth's skeleton.
        image_ids: score only these images; those without predictions count.
        max_dets: 20 in COCO.
        area: of predictions: "box" or "keypoints" (with missing joints at (0, 0)); "auto" is
            what pycocotools does: "box" if the first pose has one.
        strict: refuse predictions on images that the ground truth lacks, unless `image_ids` says
            what to score; else leave them out and say so.
        backend: who counts: "refine", or "pycocotools", which takes longer and finds the same.

    Raises:
        FormatError: ground truth that cannot be read, or unknown images.
        SkeletonError: no sigmas, or poses that share no joint with the ground truth.
        ArrayError: an instance score that is not finite, or an option out of range.

    >>> xy = np.random.default_rng(0).uniform(0, 99, (1, 17, 2))
    >>> persons = Poses.from_arrays("coco17", xy, area=[5000.0], box=[[0, 0, 99, 99]])
    >>> found = Poses.from_arrays("coco17", xy + 1, instance_score=[1])
    >>> round(evaluate(persons, found)["AP"], 4)
    1.0
    """
    options = Options(sigmas, image_ids, max_dets, area, strict, backend)
    return evaluate_counted(gt, poses, options).report


def evaluate_counted(
    gt: str | Path | Mapping[str, Any] | Poses | GroundTruth | CocoObject,
    poses: str | Path | Poses | CocoObject | Sequence[Mapping[str, Any]],
    options: Options,
) -> Evaluation:
    """Do what `evaluate` does, and also return what its figures were counted from.

    Raises:
        FormatError, SkeletonError, ArrayError: see `evaluate`.
    """
    if options.backend not in get_args(Backend):
        raise ArrayError(
            f"expected backend {' or '.join(map(repr, get_args(Backend)))}, "
            f"got {options.backend!r:.40}"
        )
    target = aim(gt, options)
    found = find_predictions(poses, target.truth.skeleton)
    whole = join_parts(target, [match_part(target, found)])
    if options.backend == "refine":
        return _evaluated(target, whole, whole.counts)
    from refine.evaluation.reference import count

    detections = detect(target, found, "the predictions")[0]
    return _evaluated(
        target, whole, count(whole.persons, detections, target.sigmas, options.max_dets)
    )


def evaluate_parts(
    gt: str | Path | Mapping[str, Any] | Poses | GroundTruth | CocoObject,
    parts: Iterable[Poses | str | Path | tuple[str, Poses]],
    options: Options = _PLAIN,
) -> Evaluation:
    """Score poses that come in parts, one after the other; figures are those of the whole.

    All poses of an image are in one part. What is kept of a part are the scores and matches of the
    best poses of each image, 54 bytes per pose; the ground truth is in memory.

    Args:
        gt: see `evaluate`.
        parts: poses or files, all of one skeleton; or poses and what messages call them.
        options: of `evaluate`; the area "auto" is what the first pose of all has.

    Raises:
        FormatError: see `evaluate`; an image of which two parts have poses, or a part of another
            skeleton.
        SkeletonError: see `evaluate`.
        ArrayError: see `evaluate`; or "pycocotools" as backend, which wants the whole.
    """
    if options.backend != "refine":
        raise ArrayError(
            f"expected the backend 'refine' for parts, got {options.backend!r:.40}",
            hint="one file, or --backend refine",
        )
    target, matched = aim(gt, options), []
    for i, each in enumerate(parts):
        name, source = each if isinstance(each, tuple) else (f"part {i}", each)
        name = str(source) if isinstance(source, str | Path) else name
        found = find_predictions(source, target.truth.skeleton)
        try:
            matched.append(match_part(target, found, name))
        except RefineError as error:
            error.where = f"{name}, {error.where}" if error.where else name
            raise
        if len(found) and target.options.area == "auto":
            target = replace(target, options=replace(options, area=matched[-1].tally.area))
    return evaluate_matched(target, matched)


def evaluate_matched(target: Target, parts: Sequence[Part]) -> Evaluation:
    """Return the figures of parts that `refine.evaluation.parts.match_part` has matched.

    Raises:
        FormatError: see `refine.evaluation.parts.join_parts`.
    """
    whole = join_parts(target, parts)
    return _evaluated(target, whole, whole.counts)


def _evaluated(target: Target, whole: Whole, counts: SupportsTables) -> Evaluation:
    truth, persons, images = target.truth, whole.persons, target.images
    metrics = _figures(counts.tables(images))
    levels = crowd_levels(truth, images, persons)
    metrics |= {
        name: _mean(counts.tables(of).precision[..., 0]) if of else -1.0
        for name, of in levels.items()
    }
    peopled = np.unique(persons.image[~persons.ignore])
    bare = int((~whole.seen[peopled]).sum())
    own = truth.skeleton
    report = Report(
        metrics,
        poses=whole.poses,
        persons=int((~persons.ignore).sum()),
        images=len(images),
        images_with_persons=len(peopled),
        images_without_predictions=bare,
        sigmas=_sigmas_of(own, target.chosen),
        official_sigmas=own.sigmas is not None and np.array_equal(target.sigmas, own.sigmas),
        area=whole.area,
        max_dets=target.options.max_dets,
        warnings=tuple(_warnings(truth, whole, len(peopled), bare)),
    )
    return Evaluation(report, counts, images)


def _sigmas_of(own: Skeleton, chosen: Floats | float | Skeleton | None) -> str:
    if chosen is None:
        return own.name
    if isinstance(chosen, Skeleton):
        return chosen.name
    return "the caller" if np.ndim(chosen) else f"{chosen:g} for every joint"


def _figures(tables: Tables) -> dict[str, float]:
    """Average the ten figures of `COCOeval.summarize`."""
    thresholds = THRESHOLDS.round(2).tolist()
    at50, at75 = [thresholds.index(0.5)], [thresholds.index(0.75)]
    every = list(range(len(thresholds)))
    figures = []
    for table in tables:
        for at, size in ((every, 0), (at50, 0), (at75, 0), (every, 1), (every, 2)):
            figures.append(_mean(table[at][..., size]))
    return dict(zip(METRICS, figures, strict=True))


def _mean(values: Floats) -> float:
    values = values[values > -1]
    return float(np.mean(values)) if values.size else -1.0


def _warnings(truth: GroundTruth, whole: Whole, people: int, bare: int) -> list[str]:
    texts = []
    if people and bare > FEW_PREDICTIONS * people:
        texts.append(
            f"{bare} of {people} images with people have no prediction; if the predictions "
            "cover only a part of the ground truth, choose it with --image-ids"
        )
    texts += whole.notes
    texts += truth.warnings
    if not people:
        texts.append("no person of the ground truth counts: figures are -1")
    if whole.skeleton != truth.skeleton:
        texts.append(f"poses of {whole.skeleton.name} scored as {truth.skeleton.name}")
    if (whole.persons.id == 0).any():
        texts.append("annotation id 0: pycocotools, and so these figures, never match it")
    return texts
