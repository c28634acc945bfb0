"""SimCC outputs to poses."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from refine.decoding.family import Family, FlipOptions
from refine.decoding.place import check_mirror, place_poses
from refine.decoding.raw.crops import RawCrops, read_crop_outputs
from refine.decoding.simcc.arrays import (
    RATIO,
    SIGMA,
    Method,
    Score,
    decode_simcc,
    merge_flipped_simcc,
)
from refine.poses import Poses, ScoreKind

NAMES = tuple((f"simcc_{a}", f"simcc_{a}_logits", f"pred_{a}", a) for a in "xy")
"""Names under which files hold columns and rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimccOptions(FlipOptions):
    """How SimCC's 1-D maps are read.

    Attributes:
        method: see `decode_simcc`.
        ratio: see `decode_simcc`.
        joint_score: `score` of `decode_simcc`.
        softmax: see `decode_simcc`.
        beta: see `decode_simcc`.
        sigma: see `decode_simcc`.
        flip_shift: bins, see `merge_flipped_simcc`.
    """

    method: Method = "argmax"
    ratio: float = RATIO
    joint_score: Score = "min"
    softmax: bool = False
    beta: float = 1.0
    sigma: float | tuple[float, float] = SIGMA
    flip_shift: float = 0.0

    recorded: ClassVar = ("method",)


def decode_simcc_outputs(raw: RawCrops, options: SimccOptions) -> Poses:
    """Decode SimCC's 1-D maps.

    Args:
        raw: with `simcc_x` (N, K, Wx) and `simcc_y` (N, K, Hy), perhaps with `_flipped_input`.
        options: how.

    Returns:
        poses in image px with `score_kind` "simcc", or "probability" with softmax.

    Raises:
        FormatError: arrays that are missing.
        ArrayError: arrays that do not fit together, or an option out of range.
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has another number of joints.
    """
    joints = options.skeleton
    x, y = (raw.array(*n) for n in NAMES)
    if options.flip and raw.has_flipped():
        check_mirror(raw, joints)
        x_back, y_back = (raw.array(*n, flipped=True) for n in NAMES)
        x, y = merge_flipped_simcc(x, y, x_back, y_back, joints.mirror, options.flip_shift)
    xy, value = decode_simcc(
        x,
        y,
        options.ratio,
        options.method,
        score=options.joint_score,
        softmax=options.softmax,
        beta=options.beta,
        sigma=options.sigma,
    )
    bins = np.array([x.shape[2], y.shape[2]])
    width, height = np.rint(bins / options.ratio).astype(int).tolist()
    size = raw.input_size or (width, height)
    kind: ScoreKind = "probability" if options.softmax else "simcc"
    return place_poses(raw, options, xy, value, size, kind)


FAMILY = Family("simcc", RawCrops, read_crop_outputs, SimccOptions, decode_simcc_outputs, NAMES)
