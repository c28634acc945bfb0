"""The refiner: what puts wrong and missing joints right."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from refine._threads import in_threads
from refine._types import Floats, Indices
from refine.exceptions import WeightsError
from refine.poses import Poses
from refine.refiner.apply import apply_belief
from refine.refiner.belief import JOINT_FIELDS, Belief
from refine.refiner.pose import kernels
from refine.refiner.pose.features import (
    PairTable,
    Scene,
    body_frame,
    features,
    scene_from_poses,
)
from refine.refiner.pose.perceptron import Perceptron
from refine.skeletons import Skeleton

BATCH = 512
"""Poses that go through the network at once: what it holds of them, 3 MB, stays in the cache."""
SHARED_JOINTS = 10
"""A skeleton that shares fewer joints than this with the weights' is not refined with them."""


class Refiner:
    """A trained refiner for one skeleton and all that map onto it by joint name.

    >>> import refine
    >>> poses = refine.Poses.from_arrays(refine.skeleton("coco17"), np.full((1, 17, 2), np.nan))
    >>> len(refine.Refiner.load()(poses))
    1
    """

    def __init__(
        self, network: Perceptron, pairs: PairTable, skeleton: Skeleton, facts: dict[str, Any]
    ) -> None:
        self.network = network
        self.pairs = pairs
        self.skeleton = skeleton
        self.facts = facts

    @classmethod
    def load(cls, weights: str | Path = "coco17") -> Self:
        """Load shipped weights by name, or a .safetensors file of `refine train`.

        Raises:
            WeightsError: no such weights, or a damaged file.
        """
        from refine.refiner.pose.weights import load_weights

        return cls(*load_weights(weights))

    @property
    def weights(self) -> str:
        """The short hash that histories name these weights by."""
        return f"sha256:{self.facts['sha256'][:12]}"

    def __call__(self, poses: Poses, *, margin: float | None = None) -> Poses:
        """Fill the missing joints of poses and move those believed wrong.

        Args:
            poses: any skeleton that shares joints with the weights'.
            margin: see `refine.refiner.apply.correct`.

        Raises:
            WeightsError: the skeletons share too few joints.
        """
        return apply_belief(poses, self.believe(poses), self.weights, margin)

    def believe(self, poses: Poses, progress: Callable[[int], None] | None = None) -> Belief:
        """Look at poses in their surroundings and say what is believed of each joint.

        Args:
            poses: N poses; of others, a pose is shown the nearest of its image alone.
            progress: called with the number of poses done after every batch.

        Raises:
            WeightsError: the skeletons share too few joints.
        """
        return self.spread(self.believe_scene(self.scene(poses), progress), poses.skeleton)

    def spread(self, found: Belief, skeleton: Skeleton) -> Belief:
        """Express a belief in another skeleton than the weights', by joint name.

        Raises:
            WeightsError: the skeletons share too few joints.
        """
        # The way back of `scene`: what did not feed the network is not believed in either.
        fed_by = self._map_from(skeleton)
        fed = fed_by >= 0

        def spread(value: Floats) -> Floats:
            out = np.full((len(value), len(skeleton), *value.shape[2:]), np.nan)
            out[:, fed_by[fed]] = value[:, fed]
            return out

        joints: dict[str, Any] = {n: spread(getattr(found, n)) for n in JOINT_FIELDS}
        return replace(found, **joints)

    def scene(self, poses: Poses) -> Scene:
        """Show poses in the weights' own skeleton; joints that they lack are missing.

        Raises:
            WeightsError: the skeletons share too few joints.
        """
        self._map_from(poses.skeleton)
        xy, score = (self.skeleton.take(v, poses.skeleton) for v in (poses.xy, poses.score))
        return scene_from_poses(poses.replace(skeleton=self.skeleton, xy=xy, score=score))

    def believe_scene(self, scene: Scene, progress: Callable[[int], None] | None = None) -> Belief:
        """Do as `believe` for a scene in the weights' own skeleton."""
        n, k = scene.present.shape
        centre, size = body_frame(scene.xy, scene.present, self.pairs)
        columns = features(scene, centre, size)
        xy, each, oks = np.empty((n, k, 2)), np.empty((5, n, k)), np.empty(n)
        done: list[int] = []

        def believe(first: int) -> None:
            rows = slice(first, first + BATCH)
            shown = columns[rows]
            kernels.believe(
                self.network(shown),
                (shown, scene.present[rows], centre[rows], size[rows]),
                (xy[rows], each[:, rows], oks[rows]),
            )
            done.append(len(shown))
            if progress:
                progress(sum(done))

        in_threads(believe, range(0, n, BATCH))
        sigma, keep, move, wrong, annotated = each
        return Belief(xy, sigma, keep, move, wrong, annotated, oks, size)

    def _map_from(self, skeleton: Skeleton) -> Indices:
        index, _ = self.skeleton.map_from(skeleton)
        if (shared := int((index >= 0).sum())) < min(SHARED_JOINTS, len(self.skeleton)):
            raise WeightsError(
                f"expected a skeleton that shares at least {SHARED_JOINTS} joints with "
                f"{self.skeleton.name!r}, got {skeleton.name!r} with {shared}: "
                "there are no weights for it",
                hint="`refine train ANNOTATIONS --skeleton ... -o mine.safetensors`, then "
                "--weights mine.safetensors; or --no-refine",
            )
        return index
