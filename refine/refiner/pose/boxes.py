"""Boxes around poses, to cut crops by."""

import numpy as np

from refine._types import Floats
from refine.geometry import keypoint_box
from refine.refiner.belief import DOUBT, Belief
from refine.refiner.pose.features import Scene

LIKELY = 0.4
"""Missing joints enter the box where an annotator would label them with this probability."""
LEAST_BOX = 1.0
"""Least longer side of the box in body sizes: a few joints of a person are not the person."""
LEAST_SIDE = 20.0
"""Width or height, px, of a pose's box that has none; as there."""


def crop_boxes(scene: Scene, belief: Belief) -> Floats:
    """Return the boxes xyxy (N, 4), image px, that should hold the persons behind poses.

    Joints count where the image-free refiner would leave or put them beyond `DOUBT`, missing
    ones only where they are likely labelled. A pose without joints gets a box of 1 px at the
    origin.
    """
    moved = ~scene.present | (belief.move > belief.keep + DOUBT)
    xy = np.where(moved[..., None], belief.xy, scene.xy)
    use = scene.present | (belief.annotated > LIKELY)
    box = keypoint_box(np.where(use[..., None], xy, np.nan))
    box = np.where(np.isfinite(box), box, np.array([0.0, 0.0, 1.0, 1.0]))
    extent = (box[:, 2:] - box[:, :2]).max(1)
    grow = np.maximum(LEAST_BOX * belief.size_px - extent, 0) / 2 + 0.5
    return np.concatenate([box[:, :2] - grow[:, None], box[:, 2:] + grow[:, None]], 1)


def pose_boxes(scene: Scene, belief: Belief) -> Floats:
    """Return the tight boxes xyxy (N, 4), image px, around the joints of poses as they came.

    Joints that are missing but likely labelled count where the image-free refiner puts them. A
    pose without joints gets a box at the origin.
    """
    xy = np.where(scene.present[..., None], scene.xy, belief.xy)
    use = scene.present | (belief.annotated > LIKELY)
    box = keypoint_box(np.where(use[..., None], xy, np.nan))
    low, extent = np.nan_to_num(box[:, :2]), np.nan_to_num(box[:, 2:] - box[:, :2])
    grow = np.where(extent > 0, 0.0, LEAST_SIDE / 2)
    return np.concatenate([low - grow, low + extent + grow], 1)
