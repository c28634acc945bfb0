"""The image refiner: what the picture says of every joint, on top of what the pose says."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from refine._types import Indices
from refine.geometry import Crop
from refine.poses import Poses
from refine.refiner.apply import apply_belief
from refine.refiner.belief import MARGIN, Belief
from refine.refiner.image.conditioning import (
    EXTRA_TRUST,
    Conditioning,
    make_conditioning,
)
from refine.refiner.image.crops import Pictures, choose_pictures
from refine.refiner.image.inference import stream_crops
from refine.refiner.image.pictures import check_found, look_at, picture_name, tell
from refine.refiner.image.prediction import CropPrediction
from refine.refiner.pose.refiner import Refiner
from refine.skeletons import Skeleton

if TYPE_CHECKING:
    from refine.refiner.image.network import ImageNetwork


EXTRA_SIGMA = 0.08
"""OKS sigma of joints that the body's skeleton lacks; about that of shoulders."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageRefiner:
    """A refiner that looks at the picture again, as PoseFix does, on top of an image-free one.

    Attributes:
        pose_refiner: the image-free one; poses without a picture are left to it.
        network: in evaluation mode.
        facts: of the header of its weights.
        images: folder of pictures; or a mapping by image id or file name, or a function of the
            `ImageRef`, to a file or to (H, W, 3) uint8 RGB. See
            `refine.refiner.image.crops.choose_pictures`.
        flip: also look at the mirrored crops and take the mean of both maps.
        workers: threads that read pictures.
        exif: apply EXIF orientation, as cv2, mmcv and Ultralytics do; False where poses were
            predicted on pictures as they are stored.
    """

    pose_refiner: Refiner
    network: "ImageNetwork"
    facts: dict[str, Any]
    images: Pictures
    flip: bool = True
    workers: int = 2
    exif: bool = True

    @classmethod
    def load(
        cls,
        images: Pictures,
        weights: str | Path = "image",
        pose_refiner: Refiner | None = None,
        *,
        flip: bool = True,
        exif: bool = True,
    ) -> Self:
        """Load shipped weights by name, or a file of `refine train --images`.

        Args:
            images: the pictures of the poses to come.
            weights: of the image refiner.
            pose_refiner: the image-free one below it, by default the shipped one.
            flip: also look at the mirrored crops.
            exif: apply EXIF orientation.

        Raises:
            WeightsError: no such weights, or a damaged file.
        """
        from refine.refiner.image.weights import load_image_weights

        network, facts = load_image_weights(weights)
        return cls(pose_refiner or Refiner.load(), network, facts, images, flip, exif=exif)

    @property
    def weights(self) -> str:
        """The short hash that histories name these weights by."""
        return f"sha256:{self.facts['sha256'][:12]}"

    def __call__(self, poses: Poses, *, margin: float | None = None) -> Poses:
        """Fill missing joints and move those believed wrong, looking at the pictures.

        Args:
            poses: any skeleton that shares joints with the weights'.
            margin: see `refine.refiner.apply.correct`.

        Raises:
            WeightsError: the skeletons share too few joints.
            FormatError: no such folder, or none of the pictures in it.
        """
        return apply_belief(poses, self.believe(poses), self.weights, margin)

    def believe(self, poses: Poses, progress: Callable[[int], None] | None = None) -> Belief:
        """Look at the pictures of poses and say what is believed of each joint.

        Every picture is read once, in worker threads, and few are in memory at a time. Pictures
        that cannot be read, or are not what the poses were predicted on, are left out and named in
        a `RefineWarning`.

        Args:
            poses: N poses; their scores are ranked over all of them, so pass whole files.
            progress: called with the number of poses done.

        Returns:
            the belief of the picture where there is one, `seen`, and of the pose alone elsewhere.

        Raises:
            WeightsError: the skeletons share too few joints.
            FormatError: no such folder, or none of the pictures in it.
        """
        chosen = choose_pictures(self.images, poses.images)
        if isinstance(self.images, str | Path):
            check_found(self.images, chosen, poses)
        sight = look_at(poses, chosen, exif=self.exif)
        poses, pictures = sight.poses, sight.pictures
        body = self.pose_refiner.skeleton
        scene = self.pose_refiner.scene(poses)
        belief = self.pose_refiner.believe_scene(scene)
        joints = Skeleton("crop", tuple(self.facts["joints"]))
        extra = len(joints) - len(body)
        size = tuple(self.facts["size"])
        crop = self.network.crops(scene, belief, size)
        names = {joint: i for i, joint in enumerate(poses.skeleton.joints)}
        index = np.array([names.get(j, -1) for j in joints.joints], np.intp)
        conditioning = make_conditioning(scene, belief, crop, extra)
        conditioning = _with_extra(conditioning, poses, index, crop, len(body))
        there = np.array([p is not None for p in pictures], np.bool_)
        seen = there[poses.image] & scene.present.any(1)
        sigmas = np.r_[body.require_sigmas(), np.full(extra, EXTRA_SIGMA)]
        kernel = 2 * sigmas * (belief.size_px * crop.scale)[:, None]
        done = int((~seen).sum())
        parts: list[tuple[Indices, CropPrediction]] = []
        failed: dict[int, str] = {}
        crops = stream_crops(
            poses.image,
            np.flatnonzero(seen),
            pictures,
            crop,
            self.workers,
            exif=self.exif,
            failed=failed,
        )
        mirror = joints.mirror if self.flip else None
        for rows, prediction in self.network.predict(crops, conditioning, kernel, mirror):
            parts.append((rows, prediction))
            done += len(rows)
            if progress:
                progress(done)
        seen &= ~np.isin(poses.image, list(failed))
        for image, reason in failed.items():
            picture = pictures[image]
            assert picture is not None
            sight.unread[picture_name(picture, poses.images[image])] = reason
        tell(sight, exif=self.exif)
        belief = self.pose_refiner.spread(belief, poses.skeleton)
        return replace(
            _merge(belief, parts, crop, index),
            seen=seen,
            unread=len(sight.unread),
            unfit=len(sight.unfit),
        )


def _with_extra(
    conditioning: Conditioning, poses: Poses, index: Indices, crop: Crop, first: int
) -> Conditioning:
    """Add joints of the poses that the body's skeleton lacks, as they came."""
    own = conditioning.own.copy()
    for joint in np.flatnonzero(index >= 0):
        if joint >= first:
            there = poses.present[:, index[joint]]
            xy = crop(np.nan_to_num(poses.xy[:, index[joint]]))
            own[there, joint, :2], own[there, joint, 2] = xy[there], EXTRA_TRUST
    return replace(conditioning, own=own)


def _merge(
    belief: Belief, parts: list[tuple[Indices, CropPrediction]], crop: Crop, index: Indices
) -> Belief:
    """Put what the pictures said in the place of what the poses alone said."""
    names = ("xy", "move", "keep", "sigma_px", "oks")
    out = {name: getattr(belief, name).copy() for name in names}
    margin = np.full((len(belief.oks), 1), MARGIN)
    known = index >= 0
    for rows, found in parts:
        at = np.ix_(rows, index[known])
        out["xy"][at] = crop[rows].inverse()(found.xy)[:, known]
        out["move"][at], out["keep"][at] = found.move[:, known], found.keep[:, known]
        out["sigma_px"][at] = found.sigma[:, known] / crop.scale[rows, None]
        out["oks"][rows], margin[rows, 0] = found.oks, found.margin
    return replace(belief, margin=margin, **out)
