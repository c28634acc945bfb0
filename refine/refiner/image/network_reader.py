"""PoseFix as a reader of crops: what it is shown beside the picture."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from refine._types import Indices
from refine.crops.arrays import Pixels
from refine.exceptions import WeightsError
from refine.geometry import Crop
from refine.refiner.belief import Belief
from refine.refiner.image.posefix_inference import predict_posefix_crops, shown_joints
from refine.refiner.pose.boxes import pose_boxes
from refine.refiner.pose.features import Scene
from refine.refiner.prediction import CropPrediction, CropQuery
from refine.skeletons import Skeleton

if TYPE_CHECKING:
    from refine.refiner.image.posefix import PoseFixNetwork

PADDING = 1.2 * 1.25
"""Sides of the crop over those of `pose_boxes`: PoseFix's data/COCO/dataset.py."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkReader:
    """A network that was trained to look at crops with poses drawn into them.

    Attributes:
        network: in evaluation mode.
        facts: of the header of its weights.
        body: the image-free refiner's skeleton, whose joints the network must have.
        flip: also look at the mirrored crops and take the mean of both.
    """

    network: "PoseFixNetwork"
    facts: dict[str, Any]
    body: Skeleton
    flip: bool = True

    def __post_init__(self) -> None:
        if self.joints != self.body.joints:
            raise WeightsError(
                f"expected a network of the {len(self.body)} joints of {self.body.name}, "
                f"got one of {len(self.joints)}: {', '.join(self.joints)}",
                hint="--weights with the image-free refiner that it was trained on",
            )

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the joints of the network."""
        return tuple(self.facts["joints"])

    @property
    def weights(self) -> str:
        """The short hash that histories name these weights by."""
        return f"sha256:{self.facts['sha256'][:12]}"

    def crops(self, scene: Scene, belief: Belief) -> Crop:
        """Return crops (N) around the joints as they came."""
        return Crop.from_box(pose_boxes(scene, belief), tuple(self.facts["size"]), padding=PADDING)

    def read(
        self, batches: Iterable[tuple[Indices, Pixels]], query: CropQuery
    ) -> Iterator[tuple[Indices, CropPrediction]]:
        """Look at crops and say where each joint is."""
        shown = shown_joints(query.scene, query.belief, query.crop)
        size = query.belief.size_px * query.crop.scale
        kernel = 2 * self.body.require_sigmas() * size[:, None]
        mirror = self.body.mirror if self.flip else None
        missing = ~query.scene.present
        for rows, found in predict_posefix_crops(
            self.network, batches, shown, kernel, query.belief.oks, mirror
        ):
            yield rows, replace(found, keep=np.where(missing[rows], 0.0, found.keep))
