"""Instance scores: what a pose is worth, so that the best come first.

Average precision ranks the poses of all images by one number. Published systems make it of joint
and box scores, `RECIPES`; ours is the OKS to be expected, blended with the source's own score.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.exceptions import RefineError
from refine.numerics import SURE
from refine.poses import Poses

Rule = Callable[[Floats, Floats], Floats]
"""Joint scores (N, K) and box scores (N,) to instance scores (N,); no NaN."""
TotalRule = Literal["mean", "total*count", "total*(count-1)", "total/all"]

SCORE_DECIMALS = 4
"""Expected similarities are right to two decimals at best; more digits only make files longer."""
CONFIDENT = 0.2
"""Joints up to here do not count in "box*mean>0.2": HRNet's `IN_VIS_THRE`, lib/dataset/coco.py."""
BEST_JOINTS, BEST_WEIGHT = 3, 3.0
"""How many of the best joints weigh how much more: openpifpaf, `Annotation.score_weights`."""
ALPHAPOSE_MAX = 1.25
"""Weight of the best joint: MVIG-SJTU/AlphaPose, alphapose/utils/pPose_nms.py."""
OKS_WEIGHT = 2 / 3
"""Of the expected OKS in `blend`. Chosen on seven files of five networks on 103 training pictures:
of 1/3, 1/2, 3/5, 2/3 and 3/4 the largest that cost none of them .001 AP."""
LEAST_OWN = 1e-6
"""Own scores below this are negative, or as good as 0."""


def mean_score(score: Floats, box: Floats) -> Floats:
    """Average all K joints; G-RMI's of its maps' maxima, associative embedding's before it fills.

    >>> mean_score(np.array([[0.9, 0.3]]), np.ones(1)).tolist()
    [0.6]
    """
    return np.asarray(score.mean(1))


def box_mean_score(score: Floats, box: Floats, above: float = -np.inf) -> Floats:
    """Multiply the box score with the mean of the joints above a score, 0 if there are none."""
    counts = score > above
    mean = np.where(counts, score, 0.0).sum(1) / np.maximum(counts.sum(1), 1)
    return np.asarray(box * mean)


def box_mean_max_score(score: Floats, box: Floats, weight: float = 1.0) -> Floats:
    """Add the box score, the mean joint and `weight` times the best joint."""
    return np.asarray(box + score.mean(1) + weight * score.max(1, initial=0.0))


def best_first_score(score: Floats, box: Floats) -> Floats:
    """Average the joints, the best `BEST_JOINTS` of them counted `BEST_WEIGHT` times."""
    weight = np.ones(score.shape[1])
    weight[:BEST_JOINTS] = BEST_WEIGHT
    return np.asarray(np.sort(score, 1)[:, ::-1] @ weight / weight.sum())


def total_score(
    total: Floats, count: npt.NDArray[np.integer], slots: int, rule: TotalRule
) -> Floats:
    """Score people assembled from parts and limbs, as the OpenPose family does.

    Args:
        total: (N,) sum of the scores of a person's parts and limbs.
        count: (N,) parts that it has.
        slots: parts and limbs that a person can have.
        rule: "mean": total by count (OpenPose in Python); "total/all": by slots (C++);
            "total*count" (MATLAB); "total*(count-1)" (lightweight-openpose).

    >>> total_score(np.array([6.0]), np.array([3]), 12, "total/all").tolist()
    [0.5]
    """
    if rule == "mean":
        return np.asarray(total / np.maximum(count, 1))
    if rule == "total/all":
        return np.asarray(total / slots)
    return np.asarray(total * np.maximum(count if rule == "total*count" else count - 1, 0))


def _total_of_joints(score: Floats, box: Floats, rule: TotalRule) -> Floats:
    """Take the joints alone: files of finished poses carry no limb scores."""
    return total_score(score.sum(1), (score > 0).sum(1), score.shape[1], rule)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A published way to score poses: what it computes, and where it is from."""

    rule: Rule
    source: str


_BOX_MEAN = Recipe(box_mean_score, "chenyilun95/tf-cpn models/*/mptest.py: map/255 + 0.5 by joint")
_CONFIDENT = Recipe(partial(box_mean_score, above=CONFIDENT), "HRNet lib/dataset/coco.py; mmpose")
_MEAN = Recipe(mean_score, "Papandreou 2017 section 3.3; princeton-vl/pose-ae-train test.py")
_RLE = Recipe(box_mean_max_score, "mmpose coco_metric.py score_mode bbox_rle")

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "box": Recipe(lambda score, box: box, "mmpose coco_metric.py score_mode bbox"),
        "mean": _MEAN,
        "g-rmi": _MEAN,
        "ae": _MEAN,
        "box*mean": _BOX_MEAN,
        "cpn": _BOX_MEAN,
        "box*mean>0.2": _CONFIDENT,
        "hrnet": _CONFIDENT,
        "box+mean+max": _RLE,
        "rle": _RLE,
        "alphapose": Recipe(
            partial(box_mean_max_score, weight=ALPHAPOSE_MAX), "AlphaPose utils/pPose_nms.py"
        ),
        "pifpaf": Recipe(best_first_score, "openpifpaf annotation.py Annotation.score"),
        "openpose": Recipe(
            partial(_total_of_joints, rule="mean"), "Hzzone/pytorch-openpose src/body.py"
        ),
        "openpose-cpp": Recipe(
            partial(_total_of_joints, rule="total/all"), "CMU bodyPartConnectorBase.cpp"
        ),
        "openpose-matlab": Recipe(
            partial(_total_of_joints, rule="total*count"), "ZheC testing/connect56LineVec.m"
        ),
    }
)
OURS = ("blend", "expected-oks", "own")
"""What `refine run --scores` takes beyond `RECIPES`; "own" leaves the source's scores alone."""


def instance_scores(score: Floats, box_score: Floats, recipe: str) -> Floats:
    """Score poses from their joints and boxes by a published recipe.

    Args:
        score: (N, K) keypoint scores; NaN counts as 0.
        box_score: (N,); NaN, where the source gives none, counts as 1.
        recipe: a name in `RECIPES`.

    Returns:
        (N,).

    Raises:
        RefineError: no such recipe.

    >>> instance_scores(np.array([[0.9, 0.7, 0.1]]), np.array([0.5]), "box*mean>0.2").tolist()
    [0.4]
    """
    if recipe not in RECIPES:
        raise RefineError(
            f"expected a score recipe, got {recipe!r}", hint=f"one of {', '.join(RECIPES)}"
        )
    box = np.where(np.isnan(box_score), 1.0, box_score)
    return np.asarray(RECIPES[recipe].rule(np.nan_to_num(score, nan=0.0), box))


def expected_oks(similarity: Floats, annotated: Floats) -> Floats:
    """Average expected similarities over the joints that an annotator would label.

    OKS is the mean over the labelled joints; which ones these are is known as probabilities.

    Args:
        similarity: (N, K), NaN where unknown.
        annotated: (N, K) probability of being labelled.

    Returns:
        (N,) in [0, 1], 0 where nothing is known.

    >>> expected_oks(np.array([[0.9, 0.0]]), np.array([[0.8, 0.2]])).round(3).tolist()
    [0.72]
    """
    known = np.isfinite(similarity) & np.isfinite(annotated)
    weight = np.where(known, annotated, 0.0)
    total = (np.where(known, similarity, 0.0) * weight).sum(1)
    return np.asarray(total / np.maximum(weight.sum(1), SURE))


def blend(oks: Floats, own: Floats) -> Floats:
    """Blend expected OKS with the source's own scores, pose by pose.

    The source saw the image and the refiner may not have: the score is the geometric mean of both,
    weighted by `OKS_WEIGHT`. It ranks poses alike whatever unit the source scores in, and that of
    a pose does not depend on others. Below `LEAST_OWN`, where a geometric mean knows no order, own
    scores are taken for ever smaller positive ones.

    Args:
        oks: (N,) expected OKS in [0, 1].
        own: (N,), of any scale; NaN, where there is none, leaves the expected OKS alone.

    Returns:
        (N,) in [0, 1] if own scores are.

    >>> blend(np.array([0.8, 0.8]), np.array([0.1, np.nan])).round(3).tolist()
    [0.4, 0.8]
    """
    low = LEAST_OWN**2 / (2 * LEAST_OWN - np.minimum(own, LEAST_OWN))
    positive = np.where(own < LEAST_OWN, low, own)
    mean = np.maximum(oks, 0.0) ** OKS_WEIGHT * positive ** (1 - OKS_WEIGHT)
    return np.where(np.isfinite(own), mean, oks)


def own_scores(poses: Poses) -> Floats:
    """Return how sure a source was of each pose: its instance score, or else its mean joint score.

    Args:
        poses: N poses as they came.

    Returns:
        (N,), NaN without either; flags are no scores.

    >>> import refine
    >>> coco = refine.skeleton("coco17")
    >>> poses = Poses.from_arrays(coco, np.zeros((1, 17, 2)), np.full((1, 17), 0.5))
    >>> own_scores(poses).tolist()
    [0.5]
    """
    known = poses.present & np.isfinite(poses.score) & (poses.score_kind != "flag")
    total = np.where(known, poses.score, 0.0).sum(1)
    mean = np.where(known.any(1), total / np.maximum(known.sum(1), 1), np.nan)
    return np.where(np.isfinite(poses.instance_score), poses.instance_score, mean)


def rescore(
    poses: Poses,
    score: Floats,
    weights: str | None = None,
    recipe: str | None = None,
    **facts: Any,
) -> Poses:
    """Replace instance scores; the source's own are kept in ``extra["source_score"]``.

    Args:
        poses: N poses.
        score: (N,) new scores.
        weights: hash of the refiner's weights, for the history.
        recipe: name of what the scores are, for the history.
        facts: more for the history.
    """
    parameters = facts if recipe is None else {"scores": recipe, **facts}
    done = replace_scores(poses, score.round(SCORE_DECIMALS))
    return done.done("rescore", weights, **parameters)


def replace_scores(poses: Poses, score: Floats) -> Poses:
    """Replace instance scores; the oldest of every pose is kept in ``extra["source_score"]``.

    Args:
        poses: N poses.
        score: (N,) new scores.

    >>> import refine
    >>> coco = refine.skeleton("coco17")
    >>> poses = Poses.from_arrays(coco, np.zeros((1, 17, 2)), instance_score=[0.5])
    >>> replace_scores(replace_scores(poses, np.ones(1)), np.zeros(1)).extra
    ({'source_score': 0.5},)
    """
    own = [None if np.isnan(s) else s for s in poses.instance_score.tolist()]
    extra = tuple({"source_score": s, **e} for e, s in zip(poses.extra, own, strict=True))
    return poses.replace(instance_score=score, extra=extra)
