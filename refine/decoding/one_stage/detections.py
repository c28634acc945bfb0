"""What one-stage networks share: how poses are chosen, and how they come to the image."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refine.categories import category_of_class
from refine.decoding.family import Count, Options, Strides
from refine.decoding.one_stage.arrays import STRIDES, Suppress, keep_best
from refine.decoding.people import Detections
from refine.decoding.raw.image import RawImage
from refine.exceptions import ArrayError, FormatError
from refine.poses import Poses

MOST_SHARE = 1.5
"""Fractions of the input may lie outside it, by half of it: the boxes of people cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionOptions(Options):
    """How poses are chosen among those that a one-stage network proposes.

    Attributes:
        threshold: instance score; poses with no more are left out.
        suppress: see `keep_best`; by default "none" for outputs that are end-to-end, else "box".
        nms_threshold: see `keep_best`.
        max_poses: at most.
    """

    threshold: float = 0.25
    suppress: Suppress | None = None
    nms_threshold: float = 0.7
    max_poses: Count = 300

    def suppression(self, raw: RawImage) -> Suppress:
        """Return what removes duplicates of these outputs."""
        return self.suppress or "box"

    def history_parameters(self, raw: RawImage) -> dict[str, Any]:
        """Tell how duplicates were removed."""
        return {"suppress": self.suppression(raw), "nms_threshold": self.nms_threshold}


@dataclass(frozen=True, slots=True, kw_only=True)
class GridOptions(DetectionOptions):
    """The same of networks whose cells lie in several grids.

    Attributes:
        strides: input px per cell of each grid.
    """

    strides: Strides = STRIDES


def network_input(raw: RawImage) -> tuple[int, int]:
    """Return width and height of the network input.

    Raises:
        FormatError: nobody tells.
    """
    if raw.input_size is None:
        raise FormatError(
            "expected the size of the network input, got none",
            where=raw.where,
            hint="`input_size` (width, height) in the file or its JSON",
        )
    return raw.input_size


def in_pixels(raw: RawImage, normalised: bool | None, found: Detections) -> Detections:
    """Bring fractions of the input to its px, where the options or the file tell of them.

    Raises:
        FormatError: nobody tells, but all lies within a pixel or two.
    """
    told = raw.meta.get("coordinates_normalised") if normalised is None else normalised
    if not isinstance(told, bool | None):
        raise FormatError(
            f"expected true or false as `coordinates_normalised`, got {told!r:.40}",
            where=raw.where,
        )
    if told:
        size = np.array(network_input(raw), np.float64)
        return found._replace(xy=found.xy * size, box=found.box * np.tile(size, 2))
    reach = max(np.nanmax(found.xy, initial=0), np.nanmax(found.box, initial=0))
    if told is None and 0 < reach <= MOST_SHARE:
        raise FormatError(
            f"expected boxes and joints in px of the input, got all within {reach:.3g} px: "
            "they look like fractions of it",
            where=raw.where,
            hint="--set normalised=true, or false where they are px",
        )
    return found


def finished(
    raw: RawImage, options: DetectionOptions, found: Detections, scored: bool = True
) -> Poses:
    """Remove duplicates and bring what stays to the image.

    Whether joints have scores follows from the network, not from what it found in this image.
    """
    joints, suppress = options.skeleton, options.suppression(raw)
    if found.xy.shape[1:] != (len(joints), 2):
        raise ArrayError(
            f"expected {len(joints)} joints for skeleton {joints.name!r}, got {found.xy.shape}",
            hint="--skeleton with the joints of these outputs",
        )
    kept = keep_best(
        found,
        suppress,
        options.nms_threshold,
        sigmas=joints.require_sigmas() if suppress == "oks" else None,
        max_poses=options.max_poses,
    )
    corners = raw.to_image(kept.box.reshape(-1, 2, 2))
    poses = Poses.from_arrays(
        joints,
        raw.to_image(kept.xy),
        kept.score if scored else None,
        instance_score=kept.instance_score,
        images=(raw.image,),
        score_kind="probability",
        box=np.concatenate([corners.min(1), corners.max(1)], 1),
    )
    if kept.label is None:
        return poses
    return poses.replace(
        extra=tuple({"category_id": category_of_class(c)} for c in kept.label.tolist())
    )
