"""A trained network as a reader of crops: what it is shown beside the picture."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from refine._types import Indices
from refine.crops.arrays import Pixels
from refine.geometry import Crop
from refine.poses import Poses
from refine.refiner.belief import Belief
from refine.refiner.image.conditioning import EXTRA_TRUST, Conditioning, make_conditioning
from refine.refiner.pose.features import Scene
from refine.refiner.prediction import CropPrediction, CropQuery
from refine.skeletons import Skeleton

if TYPE_CHECKING:
    from refine.refiner.image.network import ImageNetwork

EXTRA_SIGMA = 0.08
"""OKS sigma of joints that the body's skeleton lacks; about that of shoulders."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkReader:
    """A network that was trained to look at crops with poses drawn into them.

    Attributes:
        network: in evaluation mode.
        facts: of the header of its weights.
        body: the image-free refiner's skeleton; joints of the network beyond it are extra.
        flip: also look at the mirrored crops and take the mean of both.
    """

    network: "ImageNetwork"
    facts: dict[str, Any]
    body: Skeleton
    flip: bool = True

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the joints of the network."""
        return tuple(self.facts["joints"])

    @property
    def weights(self) -> str:
        """The short hash that histories name these weights by."""
        return f"sha256:{self.facts['sha256'][:12]}"

    def crops(self, scene: Scene, belief: Belief) -> Crop:
        """Return the crops (N) that the network wants of poses."""
        return self.network.crops(scene, belief, tuple(self.facts["size"]))

    def read(
        self, batches: Iterable[tuple[Indices, Pixels]], query: CropQuery
    ) -> Iterator[tuple[Indices, CropPrediction]]:
        """Look at crops and say where each joint is."""
        extra = len(self.joints) - len(self.body)
        conditioning = make_conditioning(query.scene, query.belief, query.crop, extra)
        conditioning = self._with_extra(conditioning, query.poses, query.crop)
        sigmas = np.r_[self.body.require_sigmas(), np.full(extra, EXTRA_SIGMA)]
        kernel = 2 * sigmas * (query.belief.size_px * query.crop.scale)[:, None]
        mirror = Skeleton("crop", self.joints).mirror if self.flip else None
        return self.network.predict(batches, conditioning, kernel, mirror)

    def _with_extra(self, conditioning: Conditioning, poses: Poses, crop: Crop) -> Conditioning:
        """Add joints of the poses that the body's skeleton lacks, as they came."""
        own = conditioning.own.copy()
        names = {joint: i for i, joint in enumerate(poses.skeleton.joints)}
        for at, joint in enumerate(self.joints[len(self.body) :], len(self.body)):
            if joint in names:
                there = poses.present[:, names[joint]]
                xy = crop(np.nan_to_num(poses.xy[:, names[joint]]))
                own[there, at, :2], own[there, at, 2] = xy[there], EXTRA_TRUST
        return replace(conditioning, own=own)
