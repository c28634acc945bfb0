"""Outputs of DeepCut and DeeperCut for one image to poses."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from refine._types import Floats, Indices
from refine.decoding.family import Family, Options, Stride
from refine.decoding.partition.arrays import logit_cost, solve_fast
from refine.decoding.partition.candidates import (
    LOCREF_SCALE,
    as_pair_model,
    assemble,
    extract_candidates,
    pair_probability,
    read_pair_model,
)
from refine.decoding.partition.ilp import solve_ilp
from refine.decoding.raw.image import RawImage, read_image_outputs
from refine.exceptions import FormatError, SkeletonError
from refine.numerics import sigmoid
from refine.poses import Poses
from refine.skeletons import Skeleton


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionOptions(Options):
    """How part candidates are found and partitioned.

    Attributes:
        solver: "fast" or "ilp", see `solve_fast` and `solve_ilp`.
        max_variables: see `solve_ilp`.
        time_limit: s, see `solve_ilp`.
        pair_model: file with the pair model.
        locref_scale: see `extract_candidates`.
        radius: see `extract_candidates`.
        min_score: see `extract_candidates`.
        min_joints: fewest joints of a person. Unlike pose-tensorflow, which gives suppressed
            candidates their part back, neither solver makes people of them.
        stride: input px per cell of the score maps.
    """

    solver: Literal["fast", "ilp"] = "fast"
    max_variables: int = 4000
    time_limit: float = 60.0
    pair_model: Path | None = None
    locref_scale: float = LOCREF_SCALE
    radius: float = 5.0
    min_score: float = 0.2
    min_joints: int = 1
    stride: Stride = 4

    recorded: ClassVar = ("solver",)


def decode_partition_outputs(raw: RawImage, options: PartitionOptions) -> Poses:
    """Decode part candidates, or the maps in which they are found, of one image.

    Args:
        raw: with the arrays
            `candidate_xy` (D, 2) input px, `candidate_probability` (D, K), or (D,) with
            `candidate_part` (D,), and `pair_probability` (D, D, K, K), or (D, D);
            or else `scoremap` (H, W, K), `locref` (H, W, K, 2) and `pairwise` (H, W, R, 2), with
            `pairwise_std` and `pairwise_mean` (R, 2) where the regression is normalised, and the
            pair model, unless it comes from a file of its own: `pair_joints`, `pair_low`,
            `pair_high`, `pair_weight`, see `PairModel`.
            `candidate_logit` and `pair_logit` may stand for the probabilities.
        options: how.

    Returns:
        poses in image px with `score_kind` "probability" and, as nothing is published, the mean
        of the K scores for the instance.

    Raises:
        FormatError: arrays that are missing.
        ArrayError: arrays that do not fit together, or an option out of range.
        SkeletonError: the skeleton has another number of joints than there are parts.
        RefineError: too many candidates for "ilp", or no optimum in time.
    """
    joints = options.skeleton
    k = len(joints)
    given = "candidate_xy" in raw.arrays
    xy, part, unary, pair = _given(raw, k) if given else _found(raw, options)
    if options.solver == "fast":
        label, cluster, _ = solve_fast(unary, pair)
    else:
        label, cluster, _ = solve_ilp(
            unary, pair, max_variables=options.max_variables, time_limit=options.time_limit
        )
    probability = sigmoid(-unary[np.arange(len(label)), np.maximum(label, 0)])
    joint = label if part is None else part
    cells, score = assemble(xy, joint, probability, cluster, k)
    kept = (score > 0).sum(1) >= options.min_joints
    return Poses.from_arrays(
        joints,
        raw.to_image(cells[kept]),
        score[kept],
        instance_score=score[kept].mean(1),
        images=(raw.image,),
        score_kind="probability",
    )


def _found(
    raw: RawImage, options: PartitionOptions
) -> tuple[Floats, Indices | None, Floats, Floats]:
    """Return xy, the part of each candidate, and the costs of candidates in score maps."""
    scores = raw.array("scoremap", "part_prob")
    _require_parts(scores.shape[-1], options.skeleton, raw)
    found = extract_candidates(
        scores,
        raw.arrays.get("locref"),
        _vectors(raw),
        stride=options.stride,
        locref_scale=options.locref_scale,
        radius=options.radius,
        min_score=options.min_score,
    )
    if options.pair_model is None:
        model = as_pair_model(raw.arrays, raw.where)
    else:
        model = read_pair_model(options.pair_model)
    pair = logit_cost(pair_probability(found, model, len(options.skeleton)))
    return found.xy, found.part, logit_cost(found.probability)[:, None], pair


def _require_parts(parts: int, joints: Skeleton, raw: RawImage) -> None:
    if parts != len(joints):
        raise SkeletonError(
            f"expected {len(joints)} parts for skeleton {joints.name!r}, got {parts}",
            where=raw.where,
            hint="--skeleton with the joints of these maps",
        )


def _vectors(raw: RawImage) -> Floats | None:
    """Return the regressed vectors in px, (H, W, R, 2)."""
    if "pairwise" not in raw.arrays:
        return None
    values = np.asarray(raw.arrays["pairwise"], np.float64)
    values = values.reshape(*values.shape[:2], -1, 2)
    std, mean = (raw.arrays.get(f"pairwise_{n}") for n in ("std", "mean"))
    for name, array in (("std", std), ("mean", mean)):
        if array is not None and array.shape != values.shape[2:]:
            raise FormatError(
                f"expected `pairwise_{name}` {values.shape[2:]}, got {array.shape}",
                where=raw.where,
            )
    return values * (1.0 if std is None else std) + (0.0 if mean is None else mean)


def _given(raw: RawImage, k: int) -> tuple[Floats, Indices | None, Floats, Floats]:
    """Return xy, the part of each candidate or None, and the costs of given candidates."""
    if raw.array("candidate_xy").ndim == 1:
        # A single candidate looks like a batch of one.
        raw = replace(raw, arrays={name: v[None] for name, v in raw.arrays.items()})
    xy = np.asarray(raw.array("candidate_xy"), np.float64)
    unary, pair = _costs(raw, "candidate"), _costs(raw, "pair")
    d = len(xy)
    if xy.shape != (d, 2) or not np.isfinite(xy).all():
        raise FormatError(f"expected finite `candidate_xy` (D, 2), got {xy.shape}", where=raw.where)
    if unary.shape == (d, k):
        return xy, None, unary, pair
    if unary.shape != (d,):
        raise FormatError(
            f"expected `candidate_probability` ({d}, {k}) or ({d},), got {unary.shape}",
            where=raw.where,
        )
    part = raw.array("candidate_part")
    if part.shape != (d,) or part.dtype.kind not in "iu" or not ((part >= 0) & (part < k)).all():
        raise FormatError(
            f"expected `candidate_part` ({d},) of whole numbers 0..{k - 1}, "
            f"got {part.dtype} {part.shape}",
            where=raw.where,
        )
    return xy, part.astype(np.intp), unary[:, None], pair


def _costs(raw: RawImage, name: str) -> Floats:
    if f"{name}_logit" in raw.arrays:
        return -np.asarray(raw.arrays[f"{name}_logit"], np.float64)
    return logit_cost(raw.array(f"{name}_probability", f"{name}_logit"))


FAMILY = Family(
    "partition", RawImage, read_image_outputs, PartitionOptions, decode_partition_outputs
)
