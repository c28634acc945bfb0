"""The image refiner: what the picture says of every joint, on top of what the pose says."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from refine._types import Bools, Indices
from refine.crops.arrays import Pixels
from refine.exceptions import WeightsError
from refine.geometry import Crop
from refine.poses import Poses
from refine.refiner.apply import apply_belief
from refine.refiner.belief import MARGIN, Belief
from refine.refiner.image.crops import Pictures, choose_pictures
from refine.refiner.image.pictures import Sight, check_found, look_at, picture_name, tell
from refine.refiner.image.streaming import stream_crops
from refine.refiner.pose.refiner import Refiner
from refine.refiner.prediction import CropPrediction, CropQuery, CropReader

if TYPE_CHECKING:
    from refine.refiner.eyes.eye import Eye
    from refine.refiner.fusion.source import SourceProfile


@dataclass(frozen=True, slots=True, eq=False)
class ImageRefiner:
    """A refiner that looks at the picture again, as PoseFix does, on top of an image-free one.

    Attributes:
        pose_refiner: the image-free one; poses without a picture are left to it.
        reader: looks at the crops: an eye with its fusion, or a trained network.
        images: folder of pictures; or a mapping by image id or file name, or a function of the
            `ImageRef`, to a file or to (H, W, 3) uint8 RGB. See
            `refine.refiner.image.crops.choose_pictures`.
        workers: threads that read pictures.
        exif: apply EXIF orientation, as cv2, mmcv and Ultralytics do; False where poses were
            predicted on pictures as they are stored.
    """

    pose_refiner: Refiner
    reader: CropReader
    images: Pictures
    workers: int = 2
    exif: bool = True

    @classmethod
    def load(
        cls,
        images: Pictures,
        weights: "str | Path | Eye" = "image",
        pose_refiner: Refiner | None = None,
        *,
        flip: bool = True,
        exif: bool = True,
        preset: str | None = None,
        profile: "SourceProfile | None" = None,
    ) -> Self:
        """Load shipped eyes by name, eyes of your own, or a file of `refine train --images`.

        Args:
            images: the pictures of the poses to come.
            weights: "image", "image-small", a .safetensors file, an .onnx file with a preset,
                or an `Eye` of your own.
            pose_refiner: the image-free one below it, by default the shipped one.
            flip: also look at the mirrored crops.
            exif: apply EXIF orientation.
            preset: of an .onnx file, e.g. "vitpose".
            profile: of the source, from `refine.refiner.fusion.source.read_profile`; by default
                the source is measured on the poses that are refined.

        Raises:
            WeightsError: no such weights, a damaged file, or a profile made with other eyes.
        """
        from refine.refiner.image.readers import load_reader

        pose_refiner = pose_refiner or Refiner.load()
        reader = load_reader(
            weights, pose_refiner.skeleton, flip=flip, preset=preset, profile=profile
        )
        return cls(pose_refiner, reader, images, exif=exif)

    @property
    def weights(self) -> str:
        """The short hash that histories name these weights by."""
        return self.reader.weights

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
        look = self._open(poses, progress)
        query, seen = look.query, look.seen
        parts = list(self.reader.read(look.crops, query))
        seen &= ~np.isin(query.poses.image, list(look.failed))
        sight = self._tell(look)
        names = {joint: i for i, joint in enumerate(poses.skeleton.joints)}
        index = np.array([names.get(j, -1) for j in self.reader.joints], np.intp)
        belief = self.pose_refiner.spread(query.belief, poses.skeleton)
        return replace(
            _merge(belief, parts, query.crop, index),
            seen=seen,
            unread=len(sight.unread),
            unfit=len(sight.unfit),
        )

    def profile(
        self, poses: Poses, progress: Callable[[int], None] | None = None
    ) -> "SourceProfile":
        """Look at the pictures of poses and say what their source is like; no truth is needed.

        Args:
            poses: N poses of one source; fifty with pictures tell most of what there is to know.
            progress: called with the number of poses done.

        Raises:
            WeightsError: the reader is a trained network, which takes sources as they come; or the
                skeletons share too few joints.
            FormatError: no such folder, or none of the pictures in it.
        """
        from refine.refiner.fusion.reader import FusionReader, total_profile

        if not isinstance(self.reader, FusionReader):
            raise WeightsError(
                f"expected eyes, got a network that was trained on pictures ({self.weights})",
                hint="--eyes image",
            )
        look = self._open(poses, progress)
        looks = list(self.reader.looks(look.crops, look.query))
        self._tell(look)
        return total_profile(looks)

    def _open(self, poses: Poses, progress: Callable[[int], None] | None) -> "_Opened":
        chosen = choose_pictures(self.images, poses.images)
        if isinstance(self.images, str | Path):
            check_found(self.images, chosen, poses)
        sight = look_at(poses, chosen, exif=self.exif)
        poses = sight.poses
        scene = self.pose_refiner.scene(poses)
        belief = self.pose_refiner.believe_scene(scene)
        crop = self.reader.crops(scene, belief)
        there = np.array([p is not None for p in sight.pictures], np.bool_)
        seen = there[poses.image] & scene.present.any(1)
        failed: dict[int, str] = {}
        crops = stream_crops(
            poses.image,
            np.flatnonzero(seen),
            sight.pictures,
            crop,
            self.workers,
            exif=self.exif,
            failed=failed,
        )
        if progress:
            crops = _counted(crops, progress, int((~seen).sum()))
        return _Opened(sight, CropQuery(poses, scene, belief, crop), crops, seen, failed)

    def _tell(self, look: "_Opened") -> Sight:
        """Name the pictures that could not be used."""
        sight = look.sight
        for image, reason in look.failed.items():
            picture = sight.pictures[image]
            assert picture is not None
            sight.unread[picture_name(picture, look.query.poses.images[image])] = reason
        tell(sight, exif=self.exif)
        return sight


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """Poses with their pictures opened.

    Attributes:
        sight: the pictures.
        query: the poses.
        crops: batches of rows and crops, of the poses that are seen.
        seen: (N,) which of them have a picture.
        failed: images whose pictures turned out to be damaged, once the crops are through.
    """

    sight: Sight
    query: CropQuery
    crops: Iterator[tuple[Indices, Pixels]]
    seen: Bools
    failed: dict[int, str]


def _counted(
    batches: Iterator[tuple[Indices, Pixels]], progress: Callable[[int], None], done: int
) -> Iterator[tuple[Indices, Pixels]]:
    """Say how many poses are done whenever a batch of crops has been looked at."""
    for rows, crops in batches:
        yield rows, crops
        done += len(rows)
        progress(done)


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
