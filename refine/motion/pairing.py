"""True poses and others of the same frames, side by side."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from refine._types import Floats, Indices
from refine.exceptions import ArrayError
from refine.images import find_images
from refine.motion.frames import frames_of
from refine.oks import pose_area
from refine.poses import Poses
from refine.skeletons import usual_sigmas


class Likeness:
    """OKS of true and other poses, frame by frame.

    Attributes:
        image: (M,) that of the truth on which each other pose is, -1 for none.

    Args:
        truth: the true poses.
        poses: the others, of the same joints.

    Raises:
        ArrayError: other joints, or no image in common.
    """

    def __init__(self, truth: Poses, poses: Poses) -> None:
        if truth.skeleton.joints != poses.skeleton.joints:
            raise ArrayError(
                f"expected poses of {truth.skeleton.name!r}, got {poses.skeleton.name!r}",
                hint="`refine convert --to-skeleton`",
            )
        names = [ref.file_name for ref in truth.images]
        ids = [ref.id for ref in truth.images]
        found = find_images(poses.images, names, ids, where="the ground truth")
        at = np.array([-1 if i is None else i for i in found], np.intp)
        if len(poses) and not (at >= 0).any():
            raise ArrayError("expected images of the ground truth, got none of them")
        self._truth, self._poses = truth, poses
        self.image = at[poses.image] if len(poses) else np.zeros(0, np.intp)
        self._variance = (2 * usual_sigmas(truth.skeleton)) ** 2
        self._area = np.maximum(pose_area(truth.xy, "keypoints"), 1.0)
        self._count = np.maximum(truth.present.sum(1), 1)

    def frames(self) -> list[tuple[Indices, Indices]]:
        """Return true and other poses of every image of the truth, in order of frames."""
        frames = frames_of(self._truth)
        order = np.lexsort((frames.number, frames.video))
        rows = np.argsort(self._truth.image, kind="stable")
        bounds = np.searchsorted(self._truth.image[rows], np.arange(len(order) + 1))
        theirs = [rows[bounds[i] : bounds[i + 1]] for i in order]
        by_image: dict[int, list[int]] = {}
        for other, image in enumerate(self.image.tolist()):
            by_image.setdefault(image, []).append(other)
        return [
            (persons, np.array(by_image.get(int(i), []), np.intp))
            for i, persons in zip(order, theirs, strict=True)
        ]

    def of(self, persons: Indices, rows: Indices) -> Floats:
        """Return similarities (N, M); joints that a pose lacks are far."""
        apart = self._truth.xy[persons][:, None] - self._poses.xy[rows][None]
        d2 = (apart**2).sum(-1)
        spread = 2 * self._area[persons][:, None, None] * self._variance
        likeness = np.where(np.isfinite(d2), np.exp(-d2 / spread), 0)
        return np.asarray(likeness.sum(-1) / self._count[persons][:, None])

    def nearest(self) -> Indices:
        """Return the pose (N,) that every true pose has, by the best assignment; -1 for none."""
        found = np.full(len(self._truth), -1)
        for persons, rows in self.frames():
            table = self.of(persons, rows)
            for i, j in zip(*linear_sum_assignment(-table), strict=True):
                if table[i, j] > 0:
                    found[persons[i]] = rows[j]
        return found
