"""The image refiner: what the picture says of every joint, on top of what the pose says."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from refine._types import Bools, Floats, Indices
from refine.geometry import Crop
from refine.poses import Poses
from refine.refiner.apply import MARGIN, complete, correct
from refine.refiner.belief import Belief
from refine.refiner.image.conditioning import (
    EXTRA_TRUST,
    PADDING,
    POSE_PADDING,
    Conditioning,
    completed,
    crop_boxes,
    make_conditioning,
    pose_boxes,
)
from refine.refiner.image.crops import Pixels, find_pictures, with_sizes
from refine.refiner.image.inference import CropPrediction, predict_crops, stream_crops
from refine.refiner.image.posefix_inference import predict_posefix_crops
from refine.refiner.pose.refiner import Refiner
from refine.skeletons import Skeleton

if TYPE_CHECKING:
    from refine.refiner.image.light import PictureNetwork
    from refine.refiner.image.posefix import PaperNetwork


EXTRA_SIGMA = 0.08
"""OKS sigma of joints that the body's skeleton lacks; about that of shoulders."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is believed of N poses once their pictures were looked at.

    Attributes:
        belief: of the picture where there was one, of the pose alone elsewhere.
        seen: (N,) whether there was one.
        margin: (N, 1) expected similarity that a move must gain.
    """

    belief: Belief
    seen: Bools
    margin: Floats


class ImageRefiner(Refiner):
    """A refiner that looks at the picture again, as PoseFix does, on top of an image-free one.

    Build it with `load`; calling it without a folder of pictures is the image-free refiner.
    """

    picture: "PictureNetwork | PaperNetwork"
    picture_facts: dict[str, Any]

    @classmethod
    def load(cls, weights: str | Path = "image", body: str | Path = "coco17") -> Self:
        """Load shipped weights by name, or a file of `refine train --images`.

        Args:
            weights: of the image refiner.
            body: of the image-free refiner below it.

        Raises:
            WeightsError: no such weights, or a damaged file.
        """
        from refine.refiner.image.weights import load_picture_weights

        made = super().load(body)
        made.picture, made.picture_facts = load_picture_weights(weights)
        return made

    @property
    def weights(self) -> str:
        """The short hash that histories name these weights by."""
        return f"sha256:{self.picture_facts['sha256'][:12]}"

    def __call__(
        self, poses: Poses, images: str | Path | None = None, *, margin: float | None = None
    ) -> Poses:
        """Fill missing joints and move those believed wrong, looking at the pictures.

        Args:
            poses: any skeleton that shares joints with the weights'.
            images: folder of pictures; poses without one are refined without.
            margin: see `refine.refiner.apply.correct`.

        Raises:
            WeightsError: the skeletons share too few joints.
            FormatError: no such folder, or a file in it that is not a picture.
        """
        if images is None:
            return super().__call__(poses, margin=margin)
        found = self.look(poses, images)
        completed = complete(poses, found.belief, self.weights)
        gain = found.margin if margin is None else margin
        return correct(completed, found.belief, self.weights, gain)

    def look(
        self,
        poses: Poses,
        images: str | Path,
        *,
        flip: bool = True,
        workers: int = 2,
        progress: Callable[[int], None] | None = None,
    ) -> Seen:
        """Look at the pictures of poses and say what is believed of each joint.

        Every picture is read once, in worker threads, and few are in memory at a time.

        Args:
            poses: N poses; their scores are ranked over all of them, so pass whole files.
            images: folder of pictures, see `refine.refiner.image.crops.find_pictures`.
            flip: also look at the mirrored crop and take the mean of both maps.
            workers: threads that read pictures.
            progress: called with the number of poses done.

        Raises:
            WeightsError: the skeletons share too few joints.
            FormatError: no such folder, or a file in it that is not a picture.
        """
        paths = find_pictures(images, poses.images)
        poses = with_sizes(poses, paths)
        body = self.skeleton
        scene = self.scene(poses)
        told = self.believe_scene(scene)
        joints = tuple(self.picture_facts["joints"])
        size = tuple(self.picture_facts["size"])
        if self.picture.believes:
            crop = Crop.from_box(crop_boxes(scene, told), size, padding=PADDING)
        else:
            crop = Crop.from_box(pose_boxes(scene, told), size, padding=POSE_PADDING)
        names = {joint: i for i, joint in enumerate(poses.skeleton.joints)}
        place = np.array([names.get(j, -1) for j in joints], np.intp)
        hints = make_conditioning(scene, told, crop, len(joints) - len(body))
        hints = _with_extra(hints, poses, place, crop, len(body))
        there = np.array([p is not None for p in paths], np.bool_)
        seen = there[poses.image] & scene.present.any(1)
        sigmas = np.r_[body.require_sigmas(), np.full(len(joints) - len(body), EXTRA_SIGMA)]
        scale = crop.scale
        kernel = 2 * sigmas * (told.size_px * scale)[:, None]
        mirror = Skeleton("crop", joints).mirror if flip else None
        done = int((~seen).sum())
        parts: list[tuple[Indices, CropPrediction]] = []
        crops = stream_crops(poses.image, np.flatnonzero(seen), paths, crop, workers)
        for rows, sight in self._see(crops, hints, kernel, mirror):
            parts.append((rows, sight))
            done += len(rows)
            if progress:
                progress(done)
        margin = np.full((len(poses), 1), MARGIN)
        for rows, sight in parts:
            margin[rows, 0] = sight.margin
        return Seen(
            _join(self.spread(told, poses.skeleton), parts, crop, scale, place), seen, margin
        )

    def _see(
        self,
        crops: Iterable[tuple[Indices, Pixels]],
        told: Conditioning,
        kernel: Floats,
        mirror: Indices | None,
    ) -> Iterator[tuple[Indices, CropPrediction]]:
        from refine.refiner.image.posefix import PaperNetwork

        if not isinstance(self.picture, PaperNetwork):
            yield from predict_crops(self.picture, crops, told, kernel, mirror)
            return
        missing = told.own[..., 2] == 0
        for rows, sight in predict_posefix_crops(
            self.picture, crops, completed(told), kernel, mirror
        ):
            yield rows, replace(sight, keep=np.where(missing[rows], 0.0, sight.keep))


def _with_extra(
    told: Conditioning, poses: Poses, place: Indices, crop: Crop, first: int
) -> Conditioning:
    """Add joints of the poses that the body's skeleton lacks, as they came."""
    own = told.own.copy()
    for joint in np.flatnonzero(place >= 0):
        if joint >= first:
            there = poses.present[:, place[joint]]
            xy = crop(np.nan_to_num(poses.xy[:, place[joint]]))
            own[there, joint, :2], own[there, joint, 2] = xy[there], EXTRA_TRUST
    return replace(told, own=own)


def _join(
    told: Belief,
    parts: list[tuple[Indices, CropPrediction]],
    crop: Crop,
    scale: Floats,
    place: Indices,
) -> Belief:
    """Put what the pictures said in the place of what the poses alone said."""
    out = {f.name: getattr(told, f.name).copy() for f in fields(Belief)}
    known = place >= 0
    columns = place[known]
    for rows, sight in parts:
        at = np.ix_(rows, columns)
        out["xy"][at] = crop[rows].inverse()(sight.xy)[:, known]
        out["move"][at], out["keep"][at] = sight.move[:, known], sight.keep[:, known]
        out["sigma_px"][at] = sight.sigma[:, known] / scale[rows, None]
        out["oks"][rows] = sight.oks
    return Belief(**out)
