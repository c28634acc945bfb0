"""CVAT: predictions as an auto-annotation function, which its SDK and `cvat-cli` run.

Switch with one line, in the file that `cvat-cli task auto-annotate --function-file` names:
    create = partial(AnnotationFunction, "better.json")
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from refine.exceptions import RefineError
from refine.formats import read
from refine.images import find_images
from refine.poses import ImageRef, Poses

OCCLUDED = 1
"""Flag of joints that are labelled and not visible."""


class AnnotationFunction:
    """Answer for each frame with the skeletons that were predicted for it.

    Frames find their images by name, as everywhere (`refine.images`); one that is not among them
    has no poses.

    Args:
        poses: predictions, or their file.
        label: name of the label of the task; its keypoints are called as the skeleton's joints.
        image: options of `refine.read`, where `poses` is a file.

    Raises:
        ImportError: cvat-sdk is not installed.
        FormatError: see `refine.read`.
    """

    def __init__(self, poses: Poses | str | Path, label: str = "person", **options: Any) -> None:
        self.poses = poses if isinstance(poses, Poses) else read(poses, **options)
        self._sdk = import_module("cvat_sdk.auto_annotation")
        joints = self.poses.skeleton.joints
        points = [self._sdk.keypoint_spec(joint, j) for j, joint in enumerate(joints)]
        self.spec = self._sdk.DetectionFunctionSpec(
            labels=[self._sdk.skeleton_label_spec(label, 0, points)]
        )
        self._rows = [rows for _, rows in self.poses.by_image()]
        self._names = [ref.file_name or str(ref.id) for ref in self.poses.images]
        self._ids = [ref.id for ref in self.poses.images]

    def detect(self, context: Any, image: Any) -> list[Any]:
        """Return the skeletons of a frame, in px; missing joints are `outside`.

        Args:
            context: of which `frame_name` is looked up, and poses below `conf_threshold` left out.
            image: not looked at, but for its size.

        Raises:
            RefineError: a picture of another size than the predictions are for.
        """
        frame = ImageRef(context.frame_name)
        (found,) = find_images([frame], self._names, self._ids, where="the predictions")
        if found is None:
            return []
        ref = self.poses.images[found]
        if ref.width is not None and (ref.width, ref.height) != tuple(image.size):
            raise RefineError(
                f"expected a picture of {ref.width} x {ref.height} px, got {image.size}",
                where=context.frame_name,
            )
        least = context.conf_threshold
        score = self.poses.instance_score
        rows = self._rows[found].tolist()
        return [self._skeleton(i) for i in rows if least is None or not score[i] < least]

    def _skeleton(self, i: int) -> Any:
        poses, present = self.poses, self.poses.present[i]
        hidden = (poses.score[i] == OCCLUDED) & (poses.score_kind == "flag")
        places = np.where(present[:, None], poses.xy[i], 0.0).tolist()
        return self._sdk.skeleton(
            0,
            elements=[
                self._sdk.keypoint(j, place, occluded=bool(hidden[j]), outside=not present[j])
                for j, place in enumerate(places)
            ],
        )
