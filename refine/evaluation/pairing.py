"""Which pose of one file became which of another."""

import numpy as np

from refine._types import Floats, Indices
from refine.evaluation.matching import same_image
from refine.evaluation.taxonomy import MATCH_OKS, SMALLEST
from refine.images import find_images
from refine.oks import keypoint_similarity, pose_area
from refine.poses import Poses
from refine.skeletons import Skeleton, borrow_sigmas

PLAIN_SIGMA = 0.08
"""Of joints that have none: about the mean of COCO's."""


def pair_poses(before: Poses, after: Poses) -> Indices:
    """Find for every pose the one that it most likely was: by OKS, the likest pairs first.

    Poses of few joints count as no smaller than COCO's persons, `SMALLEST`.

    Args:
        before: N poses.
        after: M poses of the same skeleton; images are found by name and id.

    Returns:
        (M,) row of `before`, -1 for none of at least `MATCH_OKS`; each is taken once.

    Raises:
        FormatError: an image that is two by id and by name.

    >>> one = Poses.from_arrays("coco17", np.arange(34.0).reshape(1, 17, 2))
    >>> pair_poses(one, one[[0, 0]]).tolist()
    [0, -1]
    """
    names = [ref.file_name for ref in before.images]
    ids = [ref.id for ref in before.images]
    rows = find_images(after.images, names, ids, where="the first file")
    image = np.array([-1 if row is None else row for row in rows], np.intp)[after.image]
    pairs = same_image(image, before.image)
    sigmas = likeness_sigmas(before.skeleton)
    with np.errstate(over="ignore", invalid="ignore"):  # places beyond all reason are like none
        theirs, own = (pose_area(poses.xy, "keypoints") for poses in (before, after))
        area = np.maximum(theirs[pairs.b], own[pairs.a]).clip(SMALLEST)
        ks = keypoint_similarity(before.xy[pairs.b], after.xy[pairs.a], area, sigmas)
    both = np.isfinite(ks)
    oks = np.where(both, ks, 0).sum(1) / np.maximum(both.sum(1), 1)
    found = np.full(len(after), -1)
    taken = np.zeros(len(before), np.bool_)
    for p in np.argsort(-oks, kind="stable").tolist():
        a, b = pairs.a[p], pairs.b[p]
        if oks[p] < MATCH_OKS:
            break
        if found[a] < 0 and not taken[b]:
            found[a], taken[b] = b, True
    return found


def likeness_sigmas(body: Skeleton) -> Floats:
    """Return sigmas (K,) by which poses of any skeleton are likened: its own, COCO's, or plain."""
    return np.nan_to_num(borrow_sigmas(body), nan=PLAIN_SIGMA)
