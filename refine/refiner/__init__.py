"""The refiner: what puts wrong and missing joints right. Torch is imported when it is loaded."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from refine.exceptions import WeightsError
from refine.poses import Poses
from refine.refiner.features import PairTable, body_frame, features, own_coordinates
from refine.refiner.features import scene_from_poses as _scene_from_poses
from refine.skeleton import Skeleton

if TYPE_CHECKING:
    from refine.refiner.network import Network

Floats = npt.NDArray[np.float64]

BATCH = 4096
"""Poses that go through the network at once: 5 MB of features."""
SHARED_JOINTS = 10
"""A skeleton that shares fewer joints than this with the weights' is not refined with them."""


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """What the refiner believes of N poses, for the K joints of their own skeleton.

    Joints that the weights' skeleton lacks are NaN throughout.

    Attributes:
        xy: (N, K, 2) image px, where each joint most likely scores best.
        sigma_px: (N, K) its uncertainty: mean absolute error per axis, px.
        keep: (N, K) expected keypoint similarity of the joint as it came; 0 where missing.
        move: (N, K) expected keypoint similarity of `xy`.
        wrong: (N, K) probability that the joint as it came is a miss (similarity below .5).
        annotated: (N, K) probability that an annotator would label the joint.
        oks: (N,) expected OKS of the pose once refined.
    """

    xy: Floats
    sigma_px: Floats
    keep: Floats
    move: Floats
    wrong: Floats
    annotated: Floats
    oks: Floats


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
        from refine.refiner.weights import load_weights

        return cls(*load_weights(weights))

    @property
    def weights(self) -> str:
        """The short hash that histories name these weights by."""
        return f"sha256:{self.facts['sha256'][:12]}"

    def __call__(self, poses: Poses, *, margin: float | None = None) -> Poses:
        """Fill the missing joints of poses and move those believed wrong.

        Args:
            poses: any skeleton that shares joints with the weights'.
            margin: see `refine.refiner.steps.correct`.

        Raises:
            WeightsError: the skeletons share too few joints.
        """
        from refine.refiner.steps import MARGIN, complete, correct

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
        import torch

        place = self._place(poses.skeleton)
        own = _in_skeleton(poses, self.skeleton, place)
        scene = _scene_from_poses(own)
        centre, size = body_frame(scene.xy, scene.present, self.pairs)
        n, k = len(poses), len(poses.skeleton)
        out = {
            name: np.full((n, k), np.nan)
            for name in ("sigma_px", "keep", "move", "wrong", "annotated")
        }
        xy, oks = np.full((n, k, 2), np.nan), np.zeros(n)
        columns = features(scene, centre, size)
        start = own_coordinates(scene, centre, size).astype(np.float32)
        fed = place >= 0
        for first in range(0, n, BATCH):
            rows = slice(first, first + BATCH)
            with torch.inference_mode():
                said = self.network(torch.from_numpy(columns[rows]), torch.from_numpy(start[rows]))
                found = {
                    "sigma_px": said.spread,
                    **{
                        name: torch.sigmoid(getattr(said, name))
                        for name in ("keep", "move", "wrong", "annotated")
                    },
                }
            there = said.xy.double().numpy() * size[rows, None, None] + centre[rows, None]
            xy[rows][:, place[fed]] = there[:, fed]
            for name, value in found.items():
                out[name][rows][:, place[fed]] = value.double().numpy()[:, fed]
            oks[rows] = torch.sigmoid(said.oks).double().numpy()
            if progress:
                progress(min(first + BATCH, n))
        out["sigma_px"] *= size[:, None]
        missing = ~poses.present
        out["keep"] = np.where(missing & np.isfinite(out["keep"]), 0.0, out["keep"])
        # A pose without a single joint gives the network nothing to believe in.
        xy[~scene.present.any(1)] = np.nan
        oks[~scene.present.any(1)] = 0.0
        return Belief(xy, oks=oks, **out)

    def _place(self, skeleton: Skeleton) -> npt.NDArray[np.intp]:
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


def _in_skeleton(poses: Poses, skeleton: Skeleton, place: npt.NDArray[np.intp]) -> Poses:
    """Show poses in the weights' skeleton; joints that they lack are missing."""
    fed = place >= 0
    xy = np.full((len(poses), len(skeleton), 2), np.nan)
    score = np.full((len(poses), len(skeleton)), np.nan)
    xy[:, fed], score[:, fed] = poses.xy[:, place[fed]], poses.score[:, place[fed]]
    return poses.replace(skeleton=skeleton, xy=xy, score=score)
