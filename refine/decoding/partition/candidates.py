"""Body-part candidates of DeeperCut networks, their pairs, and the people they make up."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Indices
from refine.decoding.partition import kernels
from refine.decoding.raw.files import read_arrays
from refine.exceptions import ArrayError, FormatError
from refine.numerics import sigmoid

LOCREF_SCALE = 7.2801
"""px per unit of location refinement: `locref_stdev`, eldar/pose-tensorflow default_config.py."""

SAME_PART = (0.2, 7.5)
"""Slope per px and offset, of the logistic of equal parts:
multiperson/predict.py, `SpatialModel`."""


class Candidates(NamedTuple):
    """D candidates of one image, by part, the most probable first.

    Attributes:
        xy: (D, 2) input px.
        part: (D,) joint.
        probability: (D,).
        cell_xy: (D, 2) input px of the middle of their cells, from where `vectors` point.
        vectors: (D, R, 2) px to the other joints, see `pair_index`, or None.
    """

    xy: Floats
    part: Indices
    probability: Floats
    cell_xy: Floats
    vectors: Floats | None


class PairModel(NamedTuple):
    """Logistic regressions on the features of pairs; they are learned and come from a file.

    Attributes:
        joints: (E, 2) pairs of parts a < b; pairs of other parts do not hold each other.
        low: (E, 8) smallest value of each feature, to which it is scaled.
        high: (E, 8) largest value.
        weight: (E, 9) of the 8 scaled features and of 1.
    """

    joints: Indices
    low: Floats
    high: Floats
    weight: Floats


def extract_candidates(
    scoremap: npt.ArrayLike,
    locref: npt.ArrayLike | None = None,
    vectors: npt.ArrayLike | None = None,
    *,
    stride: float = 8.0,
    locref_scale: float = LOCREF_SCALE,
    radius: float = 5.0,
    min_score: float = 0.2,
) -> Candidates:
    """Find the candidates of all parts.

    Going from the most probable cell down, each that no earlier one of its part suppresses
    becomes a candidate (multiperson/detections.py, lib/nms_cython). It lies at
    cell * stride + stride / 2 + locref * locref_scale.

    Args:
        scoremap: (H, W, K) probabilities, channels last as pose-tensorflow has them.
        locref: (H, W, K, 2) or (H, W, 2K) x, y; in px after `locref_scale`.
        vectors: (H, W, R, 2) or (H, W, 2R) px to the other joints, see `pair_index`; the raw
            regression times its standard deviations plus its means.
        stride: input px per cell.
        locref_scale: px per unit of `locref`.
        radius: cells; the disc that a candidate suppresses (`nms_radius`).
        min_score: least probability (`det_min_score`).

    Raises:
        ArrayError: shapes that do not agree, values that are not finite, options out of range.

    >>> scores = np.zeros((4, 4, 1))
    >>> scores[1, 2] = 0.9
    >>> extract_candidates(scores, np.full((4, 4, 2), 0.5)).xy.round(2).tolist()
    [[23.64, 15.64]]
    """
    scores = np.ascontiguousarray(scoremap, np.float64)
    if scores.ndim != 3 or 0 in scores.shape:
        raise ArrayError(f"expected a score map (H, W, K), got {scores.shape}")
    if not (stride > 0 and radius >= 0 and np.isfinite([stride, radius, locref_scale]).all()):
        raise ArrayError(f"expected a positive stride and a radius, got {stride} and {radius}")
    h, w, k = scores.shape
    shift, to_others = (
        None if v is None else _as_vectors(v, (h, w), name)
        for v, name in ((locref, "locref"), (vectors, "vectors"))
    )
    if shift is not None and shift.shape[2] != k:
        raise ArrayError(f"expected locref ({h}, {w}, {k}, 2), got {shift.shape}")
    if not np.isfinite(scores).all():
        raise ArrayError("expected finite scores, got NaN or infinity")
    reach = int(np.ceil(radius))
    square = np.arange(-reach, reach + 1) ** 2
    disc = square[:, None] + square <= reach**2
    found = []
    for part in range(k):
        plane = np.ascontiguousarray(scores[..., part])
        ranked = np.argsort(-plane.ravel(), kind="stable")[: int((plane >= min_score).sum())]
        cells = kernels.suppress(ranked, h, w, disc)
        found.append(np.column_stack([cells % w, cells // w, np.full(len(cells), part)]))
    x, y, part_of = np.concatenate(found).T
    cell_xy = np.column_stack([x, y]) * stride + stride / 2
    xy = cell_xy if shift is None else cell_xy + shift[y, x, part_of] * locref_scale
    pointing = None if to_others is None else to_others[y, x]
    if not np.isfinite(xy).all() or (pointing is not None and not np.isfinite(pointing).all()):
        raise ArrayError("expected finite locref and vectors at candidates, got NaN or infinity")
    return Candidates(xy, part_of, scores[y, x, part_of], cell_xy, pointing)


def _as_vectors(array: npt.ArrayLike, size: tuple[int, int], name: str) -> Floats:
    values = np.asarray(array, np.float64)
    if values.ndim == 3 and values.shape[2] % 2 == 0:
        values = values.reshape(*values.shape[:2], -1, 2)
    if values.ndim != 4 or values.shape[:2] != size or values.shape[3] != 2:
        raise ArrayError(f"expected {name} {(*size, 'R', 2)}, got {values.shape}")
    return values


def pair_index(start: int, end: int, joints: int) -> int:
    """Return the channel that points from one joint to another (dataset/pose_dataset.py).

    >>> pair_index(0, 1, 14), pair_index(1, 0, 14)
    (0, 13)
    """
    return (joints - 1) * start + end - (start < end)


def pair_features(candidates: Candidates, first: Indices, second: Indices, joints: int) -> Floats:
    """Compare where candidates point with where they lie.

    Args:
        candidates: with `vectors`.
        first: (P,) candidates of one part.
        second: (P,) candidates of another part.
        joints: number of parts of the network.

    Returns:
        (P, 4): distance in px and angle in radians between the vector that the first predicts and
        the one to the second, then the same from the second to the first.

    Raises:
        ArrayError: candidates without vectors, or with another number of them.
    """
    vectors = candidates.vectors
    if vectors is None or vectors.shape[1] != joints * (joints - 1):
        raise ArrayError(
            f"expected {joints * (joints - 1)} vectors per candidate, got "
            f"{'none' if vectors is None else vectors.shape[1]}"
        )
    columns = []
    for one, two in ((first, second), (second, first)):
        a, b = candidates.part[one], candidates.part[two]
        told = vectors[one, (joints - 1) * a + b - (a < b)]
        real = candidates.xy[two] - candidates.cell_xy[one]
        turn = np.arctan2(real[:, 1], real[:, 0]) - np.arctan2(told[:, 1], told[:, 0])
        turn = np.abs(turn)
        columns += [np.hypot(*(real - told).T), np.minimum(turn, 2 * np.pi - turn)]
    return np.column_stack(columns)


def pair_probability(candidates: Candidates, model: PairModel, joints: int) -> Floats:
    """Return the probability that two candidates belong to one person.

    Equal parts: 1 / (1 + exp(0.2 distance - 7.5)), so that detections of one joint merge up to
    37.5 px. Other parts: the logistic of the four `pair_features` f and exp(-f).

    Args:
        candidates: see `extract_candidates`.
        model: for the other parts; see `read_pair_model`.
        joints: number of parts of the network.

    Returns:
        (D, D), symmetric; 0.5, which says nothing, for pairs that the model does not have.

    Raises:
        ArrayError: see `pair_features`.
    """
    xy, part = candidates.xy, candidates.part
    slope, offset = SAME_PART
    gap = np.hypot(*(xy[:, None] - xy).transpose(2, 0, 1))
    out = np.where(part[:, None] == part, sigmoid(offset - slope * gap), 0.5)
    for (a, b), low, high, weight in zip(*model, strict=True):
        one, two = np.nonzero((part[:, None] == a) & (part == b))
        if len(one):
            f = pair_features(candidates, one, two, joints)
            f = (np.hstack([f, np.exp(-f)]) - low) / (high - low)
            out[one, two] = out[two, one] = sigmoid(f @ weight[:-1] + weight[-1])
    return out


def as_pair_model(fields: Any, where: str) -> PairModel:
    """Put together `pair_joints`, `pair_low`, `pair_high` and `pair_weight`.

    Raises:
        FormatError: one is missing, or shapes do not agree.
    """
    parts: list[Any] = []
    for field, width in zip(PairModel._fields, (2, 8, 8, 9), strict=True):
        name = f"pair_{field}"
        values = np.asarray(fields.get(name, ()), np.intp if field == "joints" else np.float64)
        rows = len(parts[0]) if parts else len(values)
        if values.shape != (rows, width) or not np.isfinite(values).all():
            raise FormatError(
                f"expected `{name}` ({rows or 'E'}, {width}), got {values.shape}", where=where
            )
        parts.append(values)
    model = PairModel(*parts)
    if not ((model.joints[:, 0] < model.joints[:, 1]).all() and (model.high > model.low).all()):
        raise FormatError("expected joints a < b in pairs and low < high in features", where=where)
    return model


def read_pair_model(path: str | Path) -> PairModel:
    """Read the logistic regressions of pairs from an .npz or .safetensors file.

    Raises:
        FormatError: see `as_pair_model`.
    """
    return as_pair_model(read_arrays(Path(path)), str(path))


def assemble(
    xy: Floats, part: Indices, probability: Floats, cluster: Indices, joints: int
) -> tuple[Floats, Floats]:
    """Join the candidates of each cluster into one pose.

    Args:
        xy: (D, 2) of the candidates.
        part: (D,) joint of each.
        probability: (D,) weights.
        cluster: (D,) person of each, -1 for none.
        joints: K.

    Returns:
        xy (N, K, 2), the mean of the joint's candidates weighted by probability, NaN where there
        is none, and score (N, K), the highest probability among them (no score is published).

    >>> xy, part, p = np.array([[0.0, 0], [4, 0]]), np.array([1, 1]), np.array([0.9, 0.3])
    >>> assemble(xy, part, p, np.array([0, 0]), 2)[0][0, 1].tolist()
    [1.0, 0.0]
    """
    used = cluster >= 0
    at = cluster[used], part[used]
    n = int(cluster.max(initial=-1)) + 1
    weight, score, total = np.zeros((n, joints)), np.zeros((n, joints)), np.zeros((n, joints, 2))
    np.add.at(weight, at, probability[used])
    np.add.at(total, at, xy[used] * probability[used, None])
    np.maximum.at(score, at, probability[used])
    with np.errstate(invalid="ignore"):
        return total / weight[..., None], score
