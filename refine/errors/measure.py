"""Measure how a pose estimator errs, in the form that training draws errors from.

Predictions are matched to annotated persons and their joints classified as a diagnosis does,
`refine.evaluation.taxonomy`. Everything is a rate, a quantile or a moment: no coordinates, no ids.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import rankdata

from refine._types import Bools, Floats, Indices
from refine.errors.copula import fit_loadings
from refine.errors.statistics import ErrorStatistics, Instances, Omission, Scores
from refine.evaluation.ground_truth import GroundTruth, read_ground_truth
from refine.evaluation.kinds import GOOD, INVERSION, JITTER, KINDS, MISS, SWAP
from refine.evaluation.matching import neighbours
from refine.evaluation.taxonomy import ABSENT, GOOD_KS, LEAST_KS, Matched, match_poses
from refine.exceptions import ArrayError
from refine.poses import Poses
from refine.skeletons import REGIONS, Skeleton

VISIBLE, VISIBLE_OF, OVERLAP, OVERLAP_IOU = (5, 10, 15), 17, (0, 2), 0.1
"""PoseFix's bands, see ``stats/posefix.toml``."""
PRIOR_JOINTS = 50
"""Joints that the next coarser cell counts for in a cell's rates."""
PRIOR_DISTANCES = 20
"""Joints that PoseFix's distances count for in each kind's."""
QUANTILES = 21
FARTHEST = 0.99
"""Quantile of misses that the measured distances end with; a few lie half an image away."""
LIMITS = {
    GOOD: (1.0, GOOD_KS),
    JITTER: (GOOD_KS, LEAST_KS),
    INVERSION: (1.0, LEAST_KS),
    SWAP: (1.0, LEAST_KS),
    MISS: (LEAST_KS, 0.1),
}
"""Similarities that bound each kind; PoseFix lets misses end at 0.1."""
PIECE_KS, PIECE_JOINTS = 0.5, 2
"""Least mean similarity, and least number of joints, of a pose that belongs to a person."""
STAND_INS = {"hand": "wrist", "foot": "ankle"}
"""Parts whose rates regions take where the skeleton has none, as in PoseFix's table."""


class Found(NamedTuple):
    """The matched poses of `Matched` whose persons count.

    Attributes:
        rows: (n,) of `Matched`.
        person: (n,).
        kind: (n, K), -1 where not labelled or not among the source's joints.
        visible: (n, K) flags, 0 where the kind is -1.
        area: (n,) px^2 of the persons.
        cell: (n, 2) bands of visible joints and of overlap.
    """

    rows: Indices
    person: Indices
    kind: npt.NDArray[np.int8]
    visible: npt.NDArray[np.int8]
    area: Floats
    cell: Indices


def measure_statistics(
    gt: str | Path | Mapping[str, Any] | Poses | GroundTruth,
    poses: Poses,
    *,
    name: str,
    source: str,
    command: str = "",
    image_ids: Sequence[int | str] | None = None,
    max_dets: int = 20,
) -> ErrorStatistics:
    """Measure the error statistics of predictions.

    The rates of a cell (part, visible joints, overlap) count `PRIOR_JOINTS` joints of the next
    coarser one: all joints, the part, its visible joints, its overlap. Predictions on images that
    the ground truth lacks are left out.

    Args:
        gt: ground truth, see `refine.evaluate`.
        poses: predictions of one estimator.
        name: of the statistics.
        source: what was measured, in words.
        command: that measures it.
        image_ids: look at these images only.
        max_dets: best predictions per image.

    Raises:
        FormatError, SkeletonError: see `refine.evaluate`.
        ArrayError: no pose fits any person.

    >>> import refine
    >>> body = refine.skeleton("coco17")
    >>> xy = np.random.default_rng(0).uniform(0, 99, (1, 17, 2))
    >>> truth = Poses.from_arrays(body, xy, area=[5000.0], box=[[0, 0, 99, 99]])
    >>> found = measure_statistics(
    ...     truth, Poses.from_arrays(body, xy + 1, instance_score=[1]), name="mine", source="")
    >>> bool(found.rates_for(body)[GOOD].min() > 0.9)
    True
    """
    table = read_ground_truth(gt)
    body, sigmas = table.skeleton, table.skeleton.require_sigmas()
    m = match_poses(table, poses, image_ids=image_ids, max_dets=max_dets, strict=False)
    given = body.map_from(poses.skeleton)[0]
    found = _found(m, given >= 0)
    if not len(found.rows):
        raise ArrayError(
            f"expected poses that fit persons of {table.where}, none of {len(m.rows)} does",
            hint="the ground truth of the same images",
        )
    score = body.take(poses.score, poses.skeleton)[m.rows]
    scored = poses.score_kind not in ("flag", "none") and bool(np.isfinite(score).any())
    background, instances = _instances(m, found)
    rates = _rates(found, body)
    wrong = (found.kind > GOOD) & (found.kind != ABSENT)
    shown = (found.kind >= 0) & (found.kind != ABSENT)
    part_wrong = wrong.sum(0) / shown.sum(0).clip(1)
    return ErrorStatistics(
        name,
        source,
        VISIBLE_OF,
        VISIBLE,
        OVERLAP,
        {kind: {key: rate[k] for key, rate in rates.items()} for k, kind in enumerate(KINDS) if k},
        _similarities(m, found, sigmas),
        OVERLAP_IOU,
        size_exponent=_size_exponent(wrong.sum(1), (shown * part_wrong).sum(1), found.area),
        omission=_omission(m, found, body, given >= 0),
        scores=_scores(m, found, score, background) if scored else None,
        instances=instances,
        counts={
            "images": len(np.unique(m.image)),
            "poses": len(m.rows),
            "persons": len(found.rows),
            "joints": int((found.kind >= 0).sum()),
            **{k: int((found.kind == i).sum()) for i, k in enumerate((*KINDS, "absent"))},
        },
        command=command,
    )


def _found(m: Matched, given: Bools) -> Found:
    rows = np.flatnonzero((m.kind >= 0).any(1))
    person = m.person[rows]
    kind = np.where(given, m.kind[rows], np.int8(-1))
    visible = np.where(kind >= 0, m.truth.visible[person], np.int8(0))
    crowded = np.zeros(len(m.truth), np.intp)
    # As training counts them: among persons with labelled joints.
    whole = np.flatnonzero(~m.truth.ignore)
    crowded[whole] = np.diff(neighbours(m.truth.box[whole], m.truth.image[whole])[1])
    limits = np.array(VISIBLE) * kind.shape[1] / VISIBLE_OF
    bands = (
        np.searchsorted(limits, m.truth.labelled[person].sum(1)),
        np.searchsorted(np.array(OVERLAP), crowded[person]),
    )
    return Found(rows, person, kind, visible, m.truth.area[person], np.stack(bands, 1))


def _groups(body: Skeleton, used: Bools) -> dict[str, Bools]:
    """Return the joints (K,) of every region, used or not, and of every part that is used."""
    parts, regions = np.array(body.parts), np.array(body.regions or ["upper"] * len(body))
    groups = {}
    for region in REGIONS:
        of = (regions == region) & used
        groups[region] = of if of.any() else (parts == STAND_INS.get(region, "")) & used
    return groups | {part: (parts == part) & used for part in dict.fromkeys(parts[used].tolist())}


def _shrink(counts: Floats, parent: Floats) -> Floats:
    """Turn counts (C, ...) into shares of C kinds, `PRIOR_JOINTS` of them as in the parent."""
    total = counts.sum(0) + PRIOR_JOINTS
    return np.asarray((counts + PRIOR_JOINTS * parent) / total)


def _rates(found: Found, body: Skeleton) -> dict[str, Floats]:
    """Return the rates (5, V, O) of kinds among given joints, by region and part."""
    k = found.kind.shape[1]
    counts = np.zeros((len(KINDS), k, len(VISIBLE) + 1, len(OVERLAP) + 1))
    shown = (found.kind >= 0) & (found.kind != ABSENT)
    row, joint = np.nonzero(shown)
    np.add.at(counts, (found.kind[row, joint], joint, *found.cell[row].T), 1)
    total = counts.sum((1, 2, 3))
    every = total / total.sum().clip(1)
    out = {}
    for key, of in _groups(body, np.asarray(shown.any(0))).items():
        part = counts[:, of].sum(1)
        whole = _shrink(part.sum((1, 2)), every)
        of_visible = _shrink(part.sum(2), whole[:, None])
        out[key] = _shrink(part, of_visible[..., None])
    return out


def _similarities(m: Matched, found: Found, sigmas: Floats) -> dict[str, tuple[float, ...]]:
    """Return the quantiles of the distance of every kind, as similarities."""
    near = m.similarity[found.rows].clip(1e-300)
    off = np.linalg.norm(m.xy[found.rows] - m.truth.xy[found.person], axis=-1)
    # From the joint's own place, as misses are drawn, not from the nearest one of anybody.
    own = off / (2 * sigmas * np.sqrt(found.area)[:, None])
    out = {}
    for k, kind in enumerate(KINDS):
        first, last = np.sqrt(-2 * np.log(LIMITS[k]))
        here = found.kind == k
        seen = own[here] if k == MISS else np.sqrt(-2 * np.log(near[here]))
        prior = first + (last - first) * (np.arange(PRIOR_DISTANCES) + 0.5) / PRIOR_DISTANCES
        seen = np.concatenate([seen, prior])
        distance = np.quantile(seen, np.linspace(0, 1, QUANTILES)).clip(first)
        distance[0] = first
        distance[-1] = np.quantile(seen, FARTHEST) if k == MISS else last
        # A float holds similarities up to 37 units of distance.
        out[kind] = tuple(np.exp(-(distance.clip(max=37.0) ** 2) / 2).tolist())
    return out


def _size_exponent(counts: Floats, expected: Floats, area: Floats) -> float:
    """Fit counts (n,) by expected * exp(a - b * log area): Poisson regression, returns b."""
    x = -np.log(area)
    x = x - x.mean()
    design = np.stack([np.ones_like(x), x], 1)
    beta = np.zeros(2)
    for _ in range(50):
        mean = expected * np.exp((design @ beta).clip(-20, 20))
        # A ridge of one count keeps the few persons of small samples from running away.
        hessian = (design * mean[:, None]).T @ design + np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (counts - mean) - beta)
        beta = beta + step.clip(-1, 1)
        if np.abs(step).max() < 1e-9:
            break
    return float(beta[1])


def _omission(m: Matched, found: Found, body: Skeleton, given: Bools) -> Omission | None:
    absent, labelled = found.kind == ABSENT, found.kind >= 0
    if not absent.any():
        return None
    by_flag = [(absent & (found.visible == v), labelled & (found.visible == v)) for v in (1, 2)]
    rates: dict[str, tuple[float, float]] = {}
    joint = np.zeros((2, len(body)))
    for key, of in _groups(body, np.asarray(labelled.any(0))).items():
        pair = []
        for lost, there in by_flag:
            mean = lost.sum() / max(int(there.sum()), 1)
            few = lost[:, of].sum() + PRIOR_JOINTS * mean
            pair.append(float(few / (there[:, of].sum() + PRIOR_JOINTS)))
        rates[key] = (pair[0], pair[1])
        joint[:, of] = np.array(pair)[:, None]
    chance = np.where(found.visible == 1, joint[0], joint[1])
    body_, limb, mirror = fit_loadings(absent, labelled, chance, body)
    free = given & (m.truth.visible[found.person] == 0)
    here = np.isfinite(m.xy[found.rows]).all(-1)
    return Omission(
        rates,
        unlabelled=float((here & free).sum() / max(int(free.sum()), 1)),
        body=body_,
        limb=limb,
        mirror=mirror,
        size_exponent=_size_exponent(absent.sum(1), (chance * labelled).sum(1), found.area),
    )


def _scores(m: Matched, found: Found, score: Floats, background: Indices) -> Scores:
    """Tell from scores (A, K) what they know."""
    use = np.isfinite(score) & np.isfinite(m.xy).all(-1)
    z = np.full(score.shape, np.nan)
    z[use] = ndtri((rankdata(score[use]) - 0.5) / use.sum())
    own = z[found.rows]
    shown = np.isfinite(own)
    groups = {kind: own[shown & (found.kind == k)] for k, kind in enumerate(KINDS)}
    groups["unlabelled"] = own[shown & (m.truth.visible[found.person] == 0)]
    groups["background"] = z[background][np.isfinite(z[background])]
    kinds = {k: (float(v.mean()), float(v.std())) for k, v in groups.items() if len(v)}
    good, wrong = groups["good"], np.concatenate([groups[kind] for kind in KINDS[1:]])
    ranks = rankdata(np.concatenate([good, wrong]))[: len(good)].sum()
    beaten = ranks - len(good) * (len(good) + 1) / 2
    judged = shown & (found.kind >= 0)
    means = np.array([kinds.get(kind, (0.0, 0.0))[0] for kind in KINDS])
    rest = np.where(judged, own - means[found.kind.clip(0, MISS)], 0.0)
    seen, hidden = (rest[judged & (found.visible == v)] for v in (2, 1))
    pairs = (judged.sum(1) * (judged.sum(1) - 1)).sum()
    shared = (rest.sum(1) ** 2 - (rest**2).sum(1)).sum() / max(int(pairs), 1)
    similarity = _own_similarity(m, found)
    return Scores(
        kinds,
        auc=float(beaten / max(len(good) * len(wrong), 1)) if len(wrong) else 0.5,
        correlation=_correlation(own[judged], similarity[judged]),
        hidden=float(seen.mean() - hidden.mean()) if len(seen) and len(hidden) else 0.0,
        pose_share=float(np.clip(shared / max(rest[judged].var(), 1e-12), 0, 1)),
    )


def _own_similarity(m: Matched, found: Found) -> Floats:
    own = np.flatnonzero(m.pairs.b == m.person[m.pairs.a])
    of_row = np.full(len(m.rows), -1)
    of_row[m.pairs.a[own]] = own
    return np.asarray(m.ks[of_row[found.rows]])


def _correlation(a: Floats, b: Floats) -> float:
    if len(a) < 2 or not (a.std() and b.std()):
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _instances(m: Matched, found: Found) -> tuple[Indices, Instances]:
    """Return the rows of background poses, and how often poses are not one whole person."""
    persons = np.flatnonzero(~m.ignore & np.isin(m.truth.image, m.image))
    present = np.asarray(np.isfinite(m.xy).all(-1))
    taken = np.full(len(m.truth), -1)
    taken[found.person] = found.rows
    both = present[m.pairs.a] & m.truth.labelled[m.pairs.b]
    fit = (m.ks * both).sum(1) / both.sum(1).clip(1)
    fits = (both.sum(1) >= PIECE_JOINTS) & (fit >= PIECE_KS) & ~m.ignore[m.pairs.b]
    duplicates = fragments = 0
    background = []
    for a in np.flatnonzero(m.person < 0):
        own = np.arange(m.pairs.start[a], m.pairs.start[a + 1])
        own = own[fits[own]]
        if not len(own):
            background.append(a)
            continue
        best = own[fit[own].argmax()]
        rival = taken[m.pairs.b[best]]
        shared = (both[best] & present[rival]).sum() if rival >= 0 else 0
        if 2 * shared >= both[best].sum():
            duplicates += 1
        else:
            fragments += 1
    n = max(len(found.rows), 1)
    lost = len(persons) - len(found.rows)
    rates = Instances(lost / n, len(background) / n, duplicates / n, fragments / n)
    return np.array(background, np.intp), rates
