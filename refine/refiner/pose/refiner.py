"""The refiner: what puts wrong and missing joints right. Torch is imported when it is loaded."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from refine._types import Floats, Indices
from refine.exceptions import WeightsError
from refine.poses import Poses
from refine.refiner.belief import Belief
from refine.refiner.pose.features import (
    PairTable,
    Scene,
    body_frame,
    features,
    own_coordinates,
    scene_from_poses as _scene_from_poses,
)
from refine.skeletons import Skeleton

if TYPE_CHECKING:
    from refine.refiner.pose.network import Network


BATCH = 4096
"""Poses that go through the network at once: 5 MB of features."""
SHARED_JOINTS = 10
"""A skeleton that shares fewer joints than this with the weights' is not refined with them."""


_CHANCES = ("keep", "move", "wrong", "annotated")


class Refiner:
    """A trained refiner for one skeleton and all that map onto it by joint name.

    >>> import refine
    >>> poses = refine.Poses.from_arrays(refine.skeleton("coco17"), np.full((1, 17, 2), np.nan))
    >>> len(refine.Refiner.load()(poses))
    1
    """

    def __init__(
        self, network: "Network", pairs: PairTable, skeleton: Skeleton, facts: dict[str, Any]
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
        from refine.refiner.apply import MARGIN, complete, correct

        belief = self.believe(poses)
        completed = complete(poses, belief, self.weights)
        return correct(completed, belief, self.weights, MARGIN if margin is None else margin)

    def believe(self, poses: Poses, progress: Callable[[int], None] | None = None) -> Belief:
        """Look at poses in their surroundings and say what is believed of each joint.

        Args:
            poses: N poses; their scores are ranked over all of them, so pass whole files.
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
        place = self._place(skeleton)
        n, k = len(found.oks), len(skeleton)
        fed = place >= 0

        def put(value: Floats) -> Floats:
            out = np.full((n, k, *value.shape[2:]), np.nan)
            out[:, place[fed]] = value[:, fed]
            return out

        return Belief(
            **{f.name: put(getattr(found, f.name)) for f in fields(Belief)[:-2]},
            oks=found.oks,
            size_px=found.size_px,
        )

    def scene(self, poses: Poses) -> Scene:
        """Show poses in the weights' own skeleton; joints that they lack are missing.

        Raises:
            WeightsError: the skeletons share too few joints.
        """
        place = self._place(poses.skeleton)
        fed = place >= 0
        xy = np.full((len(poses), len(self.skeleton), 2), np.nan)
        score = np.full(xy.shape[:2], np.nan)
        xy[:, fed], score[:, fed] = poses.xy[:, place[fed]], poses.score[:, place[fed]]
        return _scene_from_poses(poses.replace(skeleton=self.skeleton, xy=xy, score=score))

    def believe_scene(self, scene: Scene, progress: Callable[[int], None] | None = None) -> Belief:
        """Do as `believe` for a scene in the weights' own skeleton."""
        import torch

        n, k = scene.present.shape
        centre, size = body_frame(scene.xy, scene.present, self.pairs)
        columns = features(scene, centre, size)
        start = own_coordinates(scene, centre, size).astype(np.float32)
        out = {name: np.empty((n, k)) for name in ("sigma_px", *_CHANCES)}
        xy, oks = np.empty((n, k, 2)), np.empty(n)
        for first in range(0, n, BATCH):
            rows = slice(first, first + BATCH)
            with torch.inference_mode():
                said = self.network(torch.from_numpy(columns[rows]), torch.from_numpy(start[rows]))
                for name in _CHANCES:
                    out[name][rows] = torch.sigmoid(getattr(said, name)).numpy()
                out["sigma_px"][rows] = said.spread.numpy() * size[rows, None]
                oks[rows] = torch.sigmoid(said.oks).numpy()
                xy[rows] = said.xy.numpy() * size[rows, None, None] + centre[rows, None]
            if progress:
                progress(min(first + BATCH, n))
        out["keep"] = np.where(scene.present, out["keep"], 0.0)
        # A pose without a single joint gives the network nothing to believe in.
        empty = ~scene.present.any(1)
        xy[empty], oks[empty] = np.nan, 0.0
        return Belief(xy, oks=oks, size_px=size, **out)

    def _place(self, skeleton: Skeleton) -> Indices:
        place, _ = self.skeleton.map_from(skeleton)
        if (shared := int((place >= 0).sum())) < min(SHARED_JOINTS, len(self.skeleton)):
            raise WeightsError(
                f"expected a skeleton that shares at least {SHARED_JOINTS} joints with "
                f"{self.skeleton.name!r}, got {skeleton.name!r} with {shared}: "
                "there are no weights for it",
                hint="`refine train ANNOTATIONS --skeleton ... -o mine.safetensors`, then "
                "--weights mine.safetensors; or --no-refine",
            )
        return place
