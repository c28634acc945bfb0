"""What the refiner sees: a pose in its body frame, scores, neighbours, the image border.

Everything is NumPy, shared by training and inference.
"""

from dataclasses import dataclass

import numpy as np

from refine._types import Bools, Floats, Floats32, Indices
from refine.geometry import keypoint_box
from refine.poses import Poses
from refine.refiner.pose import kernels

NEIGHBOURS = 3
"""Other poses of the image that a pose sees; the nearest first."""
REACH = 12.0
"""Coordinates are clipped to this many body sizes; persons of COCO train2017 stay below 6."""
NEIGHBOUR_REACH = 8.0
"""A neighbour's joint further away than this is not shown."""
BORDER_REACH = 15.0
"""The image border further away than this is not told from an unknown one."""
MOST_SCORE = 1.1
"""Peaks of heatmaps exceed 1 by a little; scores beyond this are of another kind."""


@dataclass(frozen=True, slots=True)
class Scene:
    """N poses with their surroundings, in image px.

    Attributes:
        xy: (N, K, 2); anything where not present.
        present: (N, K).
        score: (N, K, 2) confidence in [0, 1], twice: the shipped weights were trained with the
            rank within a file beside it, and rank poses alike without; -1 unknown.
        near: (N, M) indices of the neighbouring poses, -1 where there is none.
        image_size: (N, 2) width and height, NaN where unknown.
    """

    xy: Floats
    present: Bools
    score: Floats
    near: Indices
    image_size: Floats

    @classmethod
    def unscored(cls, xy: Floats, image: Indices, image_size: Floats) -> "Scene":
        """Read a scene off poses (N, K, 2) that have no scores, NaN where a joint is missing."""
        present: Bools = np.asarray(np.isfinite(xy).all(-1))
        xy = np.where(present[..., None], xy, 0.0)
        unknown = np.full((*present.shape, 2), -1.0)
        return cls(xy, present, unknown, nearest_poses(xy, present, image), image_size)


@dataclass(frozen=True, slots=True)
class PairTable:
    """Typical distance of every two joints of a person, to tell a body's size from any few.

    Attributes:
        log_distance: (K, K) median of log(distance / sqrt(area)).
        weight: (K, K) one over its variance; 0 on the diagonal.
    """

    log_distance: Floats
    weight: Floats

    @classmethod
    def measure(cls, xy: Floats, visible: Bools, area: Floats) -> "PairTable":
        """Measure the table on annotated persons: xy (N, K, 2), visible (N, K), area (N,)."""
        k = xy.shape[1]
        middle, weight = np.zeros((k, k)), np.zeros((k, k))
        for i, j in zip(*np.tril_indices(k, -1), strict=True):
            both = visible[:, i] & visible[:, j] & (area > 0)
            # Two joints that no person shows together say nothing about size.
            if both.sum() < 2:
                continue
            distance = np.linalg.norm(xy[both, i] - xy[both, j], axis=1)
            # Half-occluded pairs that lie on one another would drag the logarithm down.
            logs = np.log(np.maximum(distance / np.sqrt(area[both]), 1e-2))
            middle[i, j] = middle[j, i] = np.median(logs)
            weight[i, j] = weight[j, i] = 1 / max(float(logs.var()), 1e-3)
        return cls(middle, weight)


def body_frame(xy: Floats, present: Bools, table: PairTable) -> tuple[Floats, Floats]:
    """Place a frame on every body: the mean of its joints and a robust size.

    The size is the weighted median, over all pairs of present joints, of their distance over
    the distance typical of that pair; so half a body, or one with a joint astray, gets about
    the frame of the whole.

    Returns:
        centre (N, 2) px and size (N,) px, an estimate of sqrt(area); one joint alone has no size
        and gets 50 px.
    """
    count = np.maximum(present.sum(1), 1)
    centre = np.where(present[..., None], xy, 0.0).sum(1) / count[:, None]
    size = kernels.frame_size(
        np.where(present[..., None], xy, 0.0), present, table.log_distance, table.weight
    )
    return centre, size


def nearest_poses(xy: Floats, present: Bools, image: Indices, count: int = NEIGHBOURS) -> Indices:
    """Find for every pose the nearest others of its image.

    Nearness is the distance of the keypoint boxes' centres over the size of the own box.

    Returns:
        (N, count) indices, nearest first, -1 where there are no more.
    """
    box = keypoint_box(np.where(present[..., None], xy, np.nan))
    centre = (box[:, :2] + box[:, 2:]) / 2
    order = np.argsort(image, kind="stable")
    start = np.flatnonzero(np.r_[True, np.diff(image[order]) != 0, True])
    if not len(xy):
        return np.empty((0, count), np.intp)
    return np.asarray(kernels.nearest(centre, order, start, count))


def scene_from_poses(poses: Poses) -> Scene:
    """Read a scene off poses."""
    present = poses.present
    return Scene(
        xy=np.where(present[..., None], poses.xy, 0.0),
        present=present,
        score=normalise_scores(poses.score, present, informative=poses.score_kind != "flag"),
        near=nearest_poses(poses.xy, present, poses.image),
        image_size=poses.image_sizes.reshape(-1, 2)[poses.image],
    )


def normalise_scores(score: Floats, present: Bools, *, informative: bool = True) -> Floats:
    """Bring keypoint scores of any kind into the form that the refiner understands.

    What a pose is shown as depends on that pose alone, never on others of its file.

    Args:
        score: (N, K) as the source gave them.
        present: (N, K).
        informative: False for flags, which tell presence only.

    Returns:
        (N, K, 2): twice the score itself in poses whose scores differ and lie in
        [0, `MOST_SCORE`]; -1 where unknown.

    >>> shown = normalise_scores(np.array([[0.2, 1.05], [0.2, 7.0]]), np.ones((2, 2), bool))
    >>> shown[..., 0].tolist()
    [[0.2, 1.0], [-1.0, -1.0]]
    """
    known = present & np.isfinite(score)
    low = np.where(known, score, np.inf).min(1, initial=np.inf)
    high = np.where(known, score, -np.inf).max(1, initial=-np.inf)
    tells = (low >= 0) & (high <= MOST_SCORE) & (high > low) & informative
    shown = np.where(known & tells[:, None], np.minimum(score, 1.0), -1.0)
    return np.repeat(shown[..., None], 2, -1)


def features(scene: Scene, centre: Floats, size: Floats) -> Floats32:
    """Lay out a scene as the network's input, (N, `feature_count(K)`) float32.

    Args:
        scene: N poses.
        centre: (N, 2) and
        size: (N,) of `body_frame`.
    """
    n, k = scene.present.shape
    out = np.empty((n, feature_count(k)), np.float32)
    arrays = scene.xy, scene.present, scene.score, scene.near, scene.image_size
    kernels.lay_out(
        tuple(map(np.ascontiguousarray, arrays)),
        (centre, size),
        (REACH, NEIGHBOUR_REACH, BORDER_REACH),
        out,
    )
    return out


def feature_count(joints: int) -> int:
    """Return the number of columns of `features` for K joints."""
    return joints * (7 + 3 * NEIGHBOURS) + 5


def own_coordinates(columns: Floats32, joints: int) -> Floats32:
    """Return a pose's own joints in its body frame, (N, K, 2), from `features`; 0 where missing."""
    return columns[:, : 2 * joints].reshape(len(columns), joints, 2)
