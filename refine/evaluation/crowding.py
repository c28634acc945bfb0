"""CrowdPose's levels of crowding: which images are easy, medium and hard."""

from collections.abc import Sequence

import numpy as np

from refine.evaluation.ground_truth import GroundTruth
from refine.evaluation.persons import Persons

CROWD_METRICS = ("AP(E)", "AP(M)", "AP(H)")
"""AP on the images of low, middle and high crowd index."""
LEVELS = (0.2, 0.8)
"""Crowd index at which medium and hard begin: `get_type_result(first=0.2, second=0.8)` of
Jeff-sjtu/CrowdPose and xtcocotools (the paper, Li et al. 2019, draws the first at 0.1)."""
FIELD = "crowdIndex"
"""Of the image records of CrowdPose."""


def crowd_index(persons: Persons) -> float:
    """Return the crowd index of the persons of one image, in [0, 1].

    The mean over persons of the labelled joints of others that lie in their box, over their own
    (Li et al. 2019, eq. 5).

    >>> from refine.evaluation.ground_truth import read_ground_truth
    >>> from refine.poses import Poses
    >>> from refine.skeletons import skeleton
    >>> xy = np.random.default_rng(0).uniform(0, 99, (1, 17, 2))
    >>> both = Poses.from_arrays(skeleton("coco17"), xy.repeat(2, 0))
    >>> crowd_index(read_ground_truth(both).persons)
    1.0
    """
    labelled = persons.labelled
    low, high = persons.box[:, None, None, :2], persons.box[:, None, None, 2:]
    at = np.nan_to_num(persons.xy)[None]
    inside = ((at >= low) & (at <= high)).all(-1) & labelled
    count = inside.sum(-1)
    own = np.diagonal(count)
    ratio = (count.sum(1) - own) / np.maximum(own, 1)
    known = own > 0
    return float(np.minimum(ratio[known], 1).mean()) if known.any() else 0.0


def crowd_levels(
    truth: GroundTruth, images: Sequence[int], persons: Persons
) -> dict[str, list[int]]:
    """Sort images into easy, medium and hard; empty unless the ground truth is CrowdPose's.

    The crowd index is that of the image record, else computed from its persons.
    """
    told = truth.fields_of_images(FIELD)
    if truth.skeleton.name != "crowdpose14" and told.count(None) == len(told):
        return {}
    levels: dict[str, list[int]] = {name: [] for name in CROWD_METRICS}
    for i in images:
        index = told[i]
        if not isinstance(index, int | float):
            start, stop = np.searchsorted(persons.image, [i, i + 1])
            index = crowd_index(persons[np.arange(start, stop)])
        levels[CROWD_METRICS[int(np.searchsorted(LEVELS, index, "right"))]].append(i)
    return levels
