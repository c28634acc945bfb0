"""What the image refiner is given beside the picture: the pose, what is believed, the others."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Floats32, Indices
from refine.geometry import Crop, keypoint_box
from refine.refiner.belief import DOUBT, Belief
from refine.refiner.pose.features import Scene

EXTRA_TRUST = 0.8
"""Similarity that joints which the image-free refiner does not know are taken to have as they came,
in training and later."""
LIKELY = 0.4
"""Missing joints enter the box where an annotator would label them with this probability."""
PADDING = 1.4
"""Sides of the crop over those of the tight box; 1.2 * 1.25 in PoseFix's dataset.py, whose box
leaves out the joints that are missing."""
LEAST_BOX = 1.0
"""Least longer side of the box in body sizes: a few joints of a person are not the person."""
POSE_PADDING = 1.2 * 1.25
"""Sides of the crop over those of `pose_boxes`: PoseFix's data/COCO/dataset.py."""
LEAST_SIDE = 20.0
"""Width or height, px, of a pose's box that has none; as there."""


@dataclass(frozen=True, slots=True)
class Conditioning:
    """N poses in their crops, in network-input px; weights are 0 where there is nothing.

    Attributes:
        own: (N, K, 3) x, y and weight of the joints as they came; the weight is the expected
            similarity that the image-free refiner gives them.
        belief: (N, K, 4) x, y, uncertainty in px and weight where it would put them.
        near: (N, M, K, 3) x, y and weight of the neighbouring poses' joints.
        oks: (N,) logit of the OKS that it expects.
    """

    own: Floats32
    belief: Floats32
    near: Floats32
    oks: Floats32

    def __len__(self) -> int:
        return len(self.oks)

    def __getitem__(self, rows: slice | Indices) -> Self:
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


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


def completed(conditioning: Conditioning) -> Conditioning:
    """Show missing joints where the image-free refiner believes them.

    PoseFix is shown complete poses, in training, too.
    """
    guess = np.delete(conditioning.belief, 2, axis=-1)
    return replace(
        conditioning, own=np.where(conditioning.own[..., 2:] > 0, conditioning.own, guess)
    )


def make_conditioning(scene: Scene, belief: Belief, crop: Crop, extra: int = 0) -> Conditioning:
    """Express what is known of N poses in the pixels of their crops.

    Args:
        scene: N poses.
        belief: of the same.
        crop: image px -> network input, one per pose.
        extra: joints that the network has beyond the scene's; nothing is known of them.
    """
    scale = crop.scale
    other = np.maximum(scene.near, 0)
    there = scene.present[other] & (scene.near >= 0)[..., None]
    known = np.isfinite(belief.xy).all(-1)
    own = [crop(scene.xy), np.where(scene.present, belief.keep, 0.0)[..., None]]
    guess = [
        crop(np.nan_to_num(belief.xy)),
        np.where(known, belief.sigma_px * scale[:, None], 1.0)[..., None],
        np.where(known, belief.annotated, 0.0)[..., None],
    ]
    near = [crop(scene.xy[other]), there[..., None]]
    oks = np.clip(belief.oks, 1e-4, 1 - 1e-4)

    def pack(parts: list[npt.NDArray[Any]]) -> Floats32:
        packed = np.concatenate(parts, -1).astype(np.float32)
        packed[packed[..., -1] == 0] = 0
        blank = np.zeros((*packed.shape[:-2], extra, packed.shape[-1]), np.float32)
        return np.concatenate([packed, blank], -2)

    return Conditioning(pack(own), pack(guess), pack(near), np.log(oks / (1 - oks)).astype("f4"))
