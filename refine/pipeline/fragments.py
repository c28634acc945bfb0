"""Joining fragments: two partial poses that are one person become one pose."""

import numpy as np

from refine._types import Bools, Floats, Indices
from refine.categories import groups_of
from refine.oks import keypoint_similarity
from refine.poses import Poses
from refine.refiner.belief import Belief, SupportsBelief
from refine.suppression import ranking_score

AGREEMENT = 0.4
"""Similarity of the joints of either fragment to where the other has them believed, over what is
expected of a right belief. Anything from .2 to .5 gives the same AP on the development sources."""
COMMON = 2
"""Most joints that both fragments may have; persons who stand behind one another share more."""
UNKNOWN_SIGMA = 0.08
"""For skeletons without sigmas: about the mean of COCO's."""


def fragment_pairs(present: Bools, image: Indices, common: int = COMMON) -> Indices:
    """List the pairs of poses of one image that could be fragments of one person.

    Each has a joint that the other lacks, and few that both have.

    Args:
        present: (N, K).
        image: (N,) number of its image, or image and category.
        common: most joints that both may have.

    Returns:
        (P, 2) indices, the lower first.

    >>> present = np.array([[True, False], [False, True], [True, True]])
    >>> fragment_pairs(present, np.zeros(3, int)).tolist()
    [[0, 1]]
    """
    order = np.argsort(image, kind="stable")
    found = [np.empty((0, 2), np.intp)]
    for rows in np.split(order, np.flatnonzero(np.diff(image[order])) + 1):
        there = present[rows].astype(np.int64)
        both = there @ there.T
        count = there.sum(1)
        partial = (both < count[:, None]) & (both < count) & (both <= common)
        found.append(rows[np.argwhere(np.triu(partial, 1))])
    return np.concatenate(found)


def agreement(
    xy: Floats,
    present: Bools,
    pairs: Indices,
    believed: Floats,
    expected: Floats,
    size: Floats,
    sigmas: Floats,
) -> Floats:
    """Say how well two fragments lie where either has the other's joints believed.

    Args:
        xy: (N, K, 2) px.
        present: (N, K).
        pairs: (P, 2) of `fragment_pairs`.
        believed: (N, K, 2) px, where joints are believed.
        expected: (N, K) keypoint similarity that is expected there.
        size: (N,) px, about the square root of a person's area.
        sigmas: (K,).

    Returns:
        (P,): the similarity of the joints that the other lacks over the one expected, mean of both
        directions, times the similarity of the joints that both have.
    """
    one, other = pairs.T
    area = np.maximum(size[one], size[other]) ** 2
    sides = []
    for a, b in ((one, other), (other, one)):
        lacks = present[b] & ~present[a]
        same = keypoint_similarity(believed[a], xy[b], area, sigmas)
        hoped = np.where(lacks, expected[a], 0.0).sum(1)
        sides.append(np.where(lacks, same, 0.0).sum(1) / np.maximum(hoped, 1e-6))
    both = present[one] & present[other]
    same = np.where(both, keypoint_similarity(xy[one], xy[other], area, sigmas), 0.0).sum(1)
    alike = np.where(both.any(1), same / np.maximum(both.sum(1), 1), 1.0)
    return np.asarray((sides[0] + sides[1]) / 2 * alike)


def join_fragments(poses: Poses, refiner: SupportsBelief, threshold: float = AGREEMENT) -> Poses:
    """Join fragments of one person, the best pairs first, each pose at most once.

    Poses of different categories are never joined.

    The fragment with more joints stays and takes those that it lacks, and the better instance
    score; its box spans both, and its area is the sum. ``extra["joined"]`` keeps the fields of the
    one that went.

    Args:
        poses: N poses as their source wrote them.
        refiner: says where either fragment has its missing joints.
        threshold: least `agreement`.

    Returns:
        at most N poses in their order.

    Raises:
        WeightsError: the refiner does not serve this skeleton.
    """
    # Derived joints tell nothing that their sources do not.
    own = poses.present & ~poses.skeleton.is_derived
    pairs = fragment_pairs(own, groups_of(poses))
    gone = np.zeros(len(poses), np.bool_)
    done = poses
    if len(pairs):
        close = _agreement_of(poses, own, pairs, refiner.believe(poses))
        order = np.argsort(-close, kind="stable")
        done = _join_pairs(poses, pairs[order[close[order] > threshold]], gone)
    return done[np.flatnonzero(~gone)].done("join", refiner.weights, fragments=int(gone.sum()))


def _agreement_of(poses: Poses, present: Bools, pairs: Indices, belief: Belief) -> Floats:
    sigmas = poses.skeleton.sigmas
    known = np.isfinite(belief.xy).all(-1)
    if sigmas is not None:
        known &= np.isfinite(sigmas)
    return agreement(
        np.nan_to_num(poses.xy),
        present & known,
        pairs,
        np.nan_to_num(belief.xy),
        np.nan_to_num(belief.move),
        belief.size_px,
        np.full(known.shape[1], UNKNOWN_SIGMA) if sigmas is None else np.nan_to_num(sigmas, nan=1),
    )


def _join_pairs(poses: Poses, pairs: Indices, gone: Bools) -> Poses:
    """Join the pairs (P, 2) in their order, and mark in `gone` (N,) the poses that went."""
    xy, score, instance = poses.xy.copy(), poses.score.copy(), poses.instance_score.copy()
    box = None if poses.box is None else poses.box.copy()
    area = None if poses.area is None else poses.area.copy()
    extra = list(poses.extra)
    free = np.ones(len(poses), np.bool_)
    present, rank = poses.present, ranking_score(poses)
    count = present.sum(1)
    for a, b in pairs.tolist():
        if not (free[a] and free[b]):
            continue
        free[[a, b]] = False
        stays, goes = (a, b) if (count[a], rank[a]) >= (count[b], rank[b]) else (b, a)
        take = ~present[stays] & present[goes]
        xy[stays, take], score[stays, take] = xy[goes, take], score[goes, take]
        instance[stays] = np.fmax(instance[stays], instance[goes])
        if box is not None:
            box[stays, :2] = np.fmin(box[stays, :2], box[goes, :2])
            box[stays, 2:] = np.fmax(box[stays, 2:], box[goes, 2:])
        if area is not None:
            area[stays] = np.nansum(area[[stays, goes]])
        extra[stays] = {**extra[stays], "joined": dict(extra[goes])}
        gone[goes] = True
    return poses.replace(
        xy=xy, score=score, instance_score=instance, box=box, area=area, extra=tuple(extra)
    )
