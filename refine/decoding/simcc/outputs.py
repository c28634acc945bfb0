"""SimCC outputs to poses."""

from typing import Any, cast

import numpy as np

from refine.decoding.place import check_mirror, crop_skeleton, place_poses
from refine.decoding.presets import Preset, Recipe
from refine.decoding.raw.crops import RawCrops
from refine.decoding.simcc.arrays import (
    RATIO,
    SIGMA,
    Method,
    Score,
    decode_simcc,
    merge_flipped_simcc,
)
from refine.exceptions import ArrayError, FormatError
from refine.poses import Poses
from refine.skeletons import Skeleton


def decode_simcc_outputs(
    raw: RawCrops,
    preset: Preset,
    *,
    method: Method | None = None,
    ratio: float | None = None,
    joint_score: Score | None = None,
    softmax: bool | None = None,
    beta: float = 1.0,
    sigma: float | tuple[float, float] | None = None,
    flip: bool = True,
    flip_shift: float | None = None,
    padding: float | None = None,
    score: Recipe | None = None,
    skeleton: str | Skeleton | None = None,
) -> Poses:
    """Decode SimCC's 1-D maps.

    Args:
        raw: with `simcc_x` (N, K, Wx) and `simcc_y` (N, K, Hy), perhaps with `_flipped_input`.
        preset: the system that made the outputs; the options below override its entries.
        method: see `decode_simcc`.
        ratio: see `decode_simcc`.
        joint_score: `score` of `decode_simcc`.
        softmax: see `decode_simcc`.
        beta: see `decode_simcc`.
        sigma: see `decode_simcc`.
        flip: merge the maps of the mirrored input, if there are any.
        flip_shift: bins, see `merge_flipped_simcc`.
        padding: growth of boxes where the crops are built from boxes.
        score: recipe of the instance score, see `instance_scores`.
        skeleton: of the maps.

    Returns:
        poses in image px with `score_kind` "simcc", or "probability" with softmax.

    Raises:
        FormatError: arrays that are missing or do not fit together.
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has another number of joints.
    """
    joints = crop_skeleton(skeleton, raw, preset)
    options: dict[str, Any] = {"ratio": RATIO, "joint_score": "min", "softmax": False}
    options |= {"sigma": SIGMA, **preset.options}
    given = {"ratio": ratio, "joint_score": joint_score, "softmax": softmax, "sigma": sigma}
    options |= {k: v for k, v in given.items() if v is not None}
    method = method or cast(Method, preset.method)
    shift = preset.flip_shift if flip_shift is None else flip_shift
    names = [(f"simcc_{a}", f"simcc_{a}_logits", f"pred_{a}", a) for a in "xy"]
    try:
        x, y = (raw.array(*n) for n in names)
        if flip and raw.has_flipped():
            check_mirror(raw, joints)
            x_back, y_back = (raw.array(*n, flipped=True) for n in names)
            x, y = merge_flipped_simcc(x, y, x_back, y_back, joints.mirror, shift)
        xy, value = decode_simcc(
            x,
            y,
            options["ratio"],
            method,
            score=options["joint_score"],
            softmax=options["softmax"],
            beta=beta,
            sigma=options["sigma"],
        )
    except ArrayError as error:
        raise FormatError(error.message, where=raw.where, hint=error.hint) from None
    bins = np.array([x.shape[2], y.shape[2]])
    width, height = np.rint(bins / options["ratio"]).astype(int).tolist()
    poses = place_poses(
        raw,
        preset,
        joints,
        xy,
        value,
        raw.input_size or (width, height),
        "probability" if options["softmax"] else "simcc",
        padding,
        score,
    )
    return poses.done("decode", None, preset=preset.name, method=method)
