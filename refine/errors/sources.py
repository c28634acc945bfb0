"""Imaginary pose estimators: every one errs, omits and scores in its own way.

PoseFix's table describes one kind of estimator, top-down and complete. A refiner that is to serve
estimators it never saw is trained on many: `draw_source` draws one at random, `imitate` shows
annotated persons as that estimator would. The ranges are wide on purpose and ours, chosen by what
training on them did for real sources. They do not follow ``stats/`` in one thing: measured sources
omit more joints of large persons, these of small ones.
"""

import tomllib
from collections import deque
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from refine._types import Bools, Floats, Indices
from refine.errors.statistics import ErrorStatistics
from refine.errors.synthesis import corrupt
from refine.evaluation.kinds import INVERSION, MISS, SWAP
from refine.evaluation.matching import Neighbours
from refine.evaluation.persons import Persons
from refine.numerics import sigmoid
from refine.oks import keypoint_similarity, ks_distance
from refine.skeletons import Skeleton

TYPICAL_AREA = 12000.0
"""px^2; about the median COCO person, at which `size_exponent` changes nothing."""


@dataclass(frozen=True, slots=True)
class Source:
    """How one imaginary estimator errs.

    Attributes:
        severity: factor on the odds of every error against good.
        size_exponent: errors and omissions grow as (area / `TYPICAL_AREA`) ** -size_exponent.
        noise: spread of good joints, as a share of the good radius.
        drift: spread of errors that a pose's joints share: stretch of the body, shift of limbs.
        spoilt: chance that a pose is far worse than the others.
        limb_rate: chance that a whole limb goes wrong together, at severity 1.
        complete: whether it gives every joint, as top-down and regression networks do.
        omission: chance that a visible joint is left out, where not complete.
        hidden_factor: how much more often an occluded joint is left out or missed.
        part_factor: (K,) factor on `omission` per joint.
        fragment: chance that a pose is only a piece of a person.
        duplicate: chance that a person is given twice.
        unlabelled: chance that a joint no annotator marked is given all the same.
        clamp: whether wrong joints are kept inside the image.
        informative: correlation of keypoint scores with quality, in [0, 1).
        hidden_penalty: by how much occlusion lowers a latent score.
        score_offset: and
        score_slope: of the latent score's logistic.
        scored: whether keypoint scores are given at all (flags are not scores).
    """

    severity: float
    size_exponent: float
    noise: float
    drift: float
    spoilt: float
    limb_rate: float
    complete: bool
    omission: float
    hidden_factor: float
    part_factor: Floats
    fragment: float
    duplicate: float
    unlabelled: float
    clamp: bool
    informative: float
    hidden_penalty: float
    score_offset: float
    score_slope: float
    scored: bool


def draw_source(skeleton: Skeleton, rng: np.random.Generator) -> Source:
    """Draw an imaginary estimator.

    >>> import refine
    >>> draw_source(refine.skeleton("coco17"), np.random.default_rng(0)).part_factor.shape
    (17,)
    """
    profile = omission_profile(skeleton) ** rng.uniform(0.3, 1.3)
    return Source(
        severity=float(np.exp(rng.normal(-0.2, 0.8))),
        size_exponent=rng.uniform(0, 0.35),
        noise=rng.uniform(0.05, 0.6),
        drift=abs(rng.normal(0, 0.02)),
        spoilt=rng.uniform(0, 0.08),
        limb_rate=rng.uniform(0, 0.03),
        complete=bool(rng.random() < 0.4),
        omission=float(np.clip(np.exp(rng.normal(np.log(0.15), 0.6)), 0.01, 0.8)),
        hidden_factor=rng.uniform(1, 3),
        part_factor=profile * np.exp(rng.normal(0, 0.3, len(skeleton))),
        fragment=rng.uniform(0, 0.12),
        duplicate=float(rng.uniform(0, 0.2) * (rng.random() < 0.6)),
        unlabelled=rng.uniform(0.05, 0.4),
        clamp=bool(rng.random() < 0.8),
        informative=rng.uniform(0.25, 0.9),
        hidden_penalty=rng.uniform(0, 1.2),
        score_offset=rng.uniform(-0.6, 1.8),
        score_slope=rng.uniform(0.6, 1.6),
        scored=bool(rng.random() < 0.65),
    )


def imitate(
    persons: Persons,
    near: Neighbours,
    source: Source,
    skeleton: Skeleton,
    statistics: ErrorStatistics,
    rng: np.random.Generator,
) -> tuple[Floats, Bools, Floats]:
    """Show annotated persons as an estimator would give them.

    Args:
        persons: G annotated persons; `xy` may hold guesses where not labelled.
        near: their overlapping neighbours.
        source: the estimator.
        skeleton: of the persons, with sigmas.
        statistics: error rates that `source.severity` scales, e.g. PoseFix's.
        rng: all randomness.

    Returns:
        xy (G, K, 2) px, present (G, K), and scores (G, K) in (0, 1), NaN where not scored.
    """
    spoilt = rng.random(len(persons.xy)) < source.spoilt
    xy, kind = _misplace(persons, near, source, skeleton, statistics, rng)
    if spoilt.any():
        worse = replace(source, severity=max(4 * source.severity, 3.0), drift=0.08)
        bad_xy, bad_kind = _misplace(persons, near, worse, skeleton, statistics, rng)
        xy[spoilt], kind[spoilt] = bad_xy[spoilt], bad_kind[spoilt]
    present = _omit(persons, source, skeleton, kind, rng) & np.isfinite(xy).all(-1)
    score = _score(persons, source, skeleton, xy, rng)
    return xy, present, np.where(present, score, np.nan)


def _misplace(
    persons: Persons,
    near: Neighbours,
    source: Source,
    skeleton: Skeleton,
    statistics: ErrorStatistics,
    rng: np.random.Generator,
) -> tuple[Floats, npt.NDArray[np.int8]]:
    n, k = persons.visible.shape
    labelled = persons.labelled
    sigmas = skeleton.require_sigmas()
    unit = np.sqrt(persons.area)[:, None] * 2 * sigmas
    xy, kind = corrupt(
        persons.xy,
        labelled,
        persons.area,
        persons.xy[near.rows],
        labelled[near.rows],
        near.start,
        skeleton=skeleton,
        statistics=statistics.scaled(source.severity),
        rng=rng,
        estimated=persons.xy,
    )
    # Good joints of a good network lie closer than uniformly within the good radius.
    good = labelled & (kind == 0)
    close = persons.xy + rng.normal(size=(n, k, 2)) * (unit * source.noise * 0.57)[..., None]
    xy = np.where(good[..., None], close, xy)
    # Misses reach further than PoseFix's d10; a fifth of them lands on another own joint.
    miss = labelled & (kind == MISS)
    far = miss & (rng.random((n, k)) < 0.4)
    xy = np.where(
        far[..., None], persons.xy + (xy - persons.xy) * rng.uniform(1, 3.5, (n, k, 1)), xy
    )
    astray = miss & (rng.random((n, k)) < 0.25)
    other = rng.integers(0, k, (n, k))
    there = persons.xy[np.arange(n)[:, None], other]
    there = there + rng.normal(size=(n, k, 2)) * (unit * 0.3)[..., None]
    xy = np.where(astray[..., None] & np.isfinite(there), there, xy)
    xy, kind = _misplace_limbs(persons, near, source, skeleton, xy, kind, rng)
    xy = _drift(persons, source, skeleton, xy, rng)
    # It is not known where unannotated joints are; estimators put them all over.
    spread = unit * np.exp(rng.normal(-0.5, 0.7, (n, 1)))
    guess = persons.xy + rng.normal(size=(n, k, 2)) * spread[..., None]
    xy = np.where(labelled[..., None], xy, guess)
    if source.clamp:
        inside = np.clip(xy, 0, np.nan_to_num(persons.image_size, nan=1e9)[:, None] - 1)
        xy = np.where((kind != 0)[..., None], inside, xy)
    return xy, kind


def _misplace_limbs(
    persons: Persons,
    near: Neighbours,
    source: Source,
    skeleton: Skeleton,
    xy: Floats,
    kind: npt.NDArray[np.int8],
    rng: np.random.Generator,
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Let whole limbs drift, turn left-right, or be taken from a neighbour."""
    n, _ = kind.shape
    mirror = skeleton.mirror
    d50 = ks_distance(0.5, persons.area, skeleton.require_sigmas())
    base = source.limb_rate * source.severity
    rate = base * (persons.area / TYPICAL_AREA).clip(1e-3, 1e3) ** -source.size_exponent
    xy, kind = xy.copy(), kind.copy()
    counts = np.diff(near.start)
    # Unit vectors; one per limb, so that its joints drift together.
    for limb in limbs(skeleton):
        draw = rng.random(n)
        hit = np.flatnonzero(draw < rate)
        turn = rng.normal(size=(len(hit), 1, 2))
        turn /= np.linalg.norm(turn, axis=-1, keepdims=True)
        reach = d50[np.ix_(hit, limb)] * rng.uniform(1, 3.5, (len(hit), 1))
        xy[np.ix_(hit, limb)] = persons.xy[np.ix_(hit, limb)] + turn * reach[..., None]
        kind[np.ix_(hit, limb)] = MISS
        hit = np.flatnonzero((draw > 1 - rate) & (counts > 0))
        pick = near.rows[near.start[hit] + (rng.random(len(hit)) * counts[hit]).astype(int)]
        theirs = persons.xy[np.ix_(pick, limb)]
        xy[np.ix_(hit, limb)] = np.where(np.isfinite(theirs), theirs, xy[np.ix_(hit, limb)])
        kind[np.ix_(hit, limb)] = SWAP
    for group in sided_groups(skeleton):
        # Rarer than a lost limb: a network that expects it turns backs into fronts.
        hit = np.flatnonzero(rng.random(n) < 0.3 * rate)
        partner = xy[np.ix_(hit, mirror[group])]
        xy[np.ix_(hit, group)] = np.where(np.isfinite(partner), partner, xy[np.ix_(hit, group)])
        kind[np.ix_(hit, group)] = INVERSION
    return xy, kind


def _drift(
    persons: Persons, source: Source, skeleton: Skeleton, xy: Floats, rng: np.random.Generator
) -> Floats:
    """Stretch and shift what a pose's joints share, as low resolution and bad boxes do."""
    n = len(xy)
    size = np.sqrt(persons.area)[:, None, None]
    spread = source.drift * (persons.area / TYPICAL_AREA).clip(1e-2, 1e2) ** -source.size_exponent
    spread = spread[:, None, None]
    centre = np.nanmean(xy, axis=1, keepdims=True)
    xy = centre + (xy - centre) * np.exp(spread * rng.normal(size=(n, 1, 2)))
    xy = xy + size * spread * 0.5 * rng.normal(size=(n, 1, 2))
    for limb in limbs(skeleton):
        xy[:, limb] += size * spread * 0.7 * rng.normal(size=(n, 1, 2))
    return np.asarray(xy)


def _omit(
    persons: Persons,
    source: Source,
    skeleton: Skeleton,
    kind: npt.NDArray[np.int8],
    rng: np.random.Generator,
) -> Bools:
    """Leave joints out as bottom-up methods do: in limbs, by occlusion, more on small persons."""
    n, k = persons.visible.shape
    if source.complete:
        return np.ones((n, k), np.bool_)
    size = (persons.area / TYPICAL_AREA).clip(1e-3, 1e3) ** -source.size_exponent
    rate = source.omission * size * np.exp(rng.normal(0, 0.4, n))
    chance = rate[:, None] * source.part_factor
    chance = chance * np.where(persons.visible == 1, source.hidden_factor, 1.0)
    chance = chance * np.where(kind == MISS, 1.5, 1.0)
    # A Gaussian copula: one factor for the body, one per limb, one per mirror pair.
    latent = 0.45 * rng.normal(size=(n, 1)) + 0.55 * rng.normal(size=(n, k))
    variance = np.full(k, 0.45**2 + 0.55**2)
    pairs = [np.array([i, j]) for i, j in enumerate(skeleton.mirror) if i < j]
    for group in (*limbs(skeleton), *pairs):
        latent[:, group] += 0.45 * rng.normal(size=(n, 1))
        variance[group] += 0.45**2
    present = ndtr(latent / np.sqrt(variance)) >= chance.clip(0, 0.95)
    # A bone that is not found cuts off all that hangs on it.
    for subtree in subtrees(skeleton):
        lost = np.flatnonzero(rng.random(n) < 0.1 * rate)
        present[np.ix_(lost, subtree)] = False
    fragment = rng.random(n) < source.fragment
    for limb in limbs(skeleton):
        lost = np.flatnonzero(fragment & (rng.random(n) < 0.5))
        present[np.ix_(lost, limb)] = False
    given = persons.visible > 0
    present &= given | (rng.random((n, k)) < source.unlabelled)
    empty = ~present.any(1)
    present[empty] = given[empty]
    return np.asarray(present)


def _score(
    persons: Persons, source: Source, skeleton: Skeleton, xy: Floats, rng: np.random.Generator
) -> Floats:
    n, k = persons.visible.shape
    if not source.scored:
        return np.full((n, k), np.nan)
    similarity = keypoint_similarity(persons.xy, xy, persons.area, skeleton.require_sigmas())
    # Centred and scaled so that quality has about unit variance over labelled joints.
    quality = (similarity - 0.75) * 2.3 - (persons.visible == 1) * source.hidden_penalty
    quality = np.where(persons.visible > 0, quality, -1.5)
    noise = 0.9 * rng.normal(size=(n, k)) + 0.45 * rng.normal(size=(n, 1))
    latent = source.informative * quality + np.sqrt(1 - source.informative**2) * noise
    return sigmoid(source.score_offset + source.score_slope * latent)


@cache
def omission_profile(skeleton: Skeleton) -> Floats:
    """Return how often each joint is left out over the mean, (K,): the table ``omission.toml``."""
    text = (resources.files("refine.errors") / "omission.toml").read_text("utf-8")
    table = tomllib.loads(text)
    pairs = zip(skeleton.parts, skeleton.regions, strict=True)
    return np.array([table.get(part, table[region]) for part, region in pairs])


@cache
def limbs(skeleton: Skeleton) -> tuple[Indices, ...]:
    """Group the joints into limbs: those of one side and region, and the unpaired of a region.

    >>> import refine
    >>> [limb.tolist() for limb in limbs(refine.skeleton("coco17"))][:2]
    [[0, 1, 2, 3, 4], [5, 7, 9]]
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for i, (joint, region) in enumerate(zip(skeleton.joints, skeleton.regions, strict=True)):
        side = joint.split("_")[0] if joint.startswith(("left_", "right_")) else ""
        groups.setdefault((region, "" if region == "head" else side), []).append(i)
    return tuple(np.array(g, np.intp) for g in groups.values())


@cache
def sided_groups(skeleton: Skeleton) -> tuple[Indices, ...]:
    """Group the joints that are taken for their mirror partners together: those of a region."""
    sided = np.flatnonzero(skeleton.mirror != np.arange(len(skeleton)))
    regions = np.array(skeleton.regions)
    groups = [sided[regions[sided] == r] for r in dict.fromkeys(skeleton.regions)]
    return tuple(g for g in groups if len(g))


@cache
def subtrees(skeleton: Skeleton) -> tuple[Indices, ...]:
    """For every joint but the root, list what hangs on it in a breadth-first tree of the bones.

    The root is the joint with the least total distance to all others.
    """
    k = len(skeleton)
    bones: list[list[int]] = [[] for _ in range(k)]
    for a, b in skeleton.edges:
        bones[a].append(b)
        bones[b].append(a)

    def walk(root: int) -> list[int]:
        parent, queue = [-1] * k, deque([root])
        parent[root] = root
        while queue:
            a = queue.popleft()
            for b in bones[a]:
                if parent[b] < 0:
                    parent[b] = a
                    queue.append(b)
        return parent

    def depth(joint: int, parent: list[int]) -> int:
        return 0 if parent[joint] in (joint, -1) else 1 + depth(parent[joint], parent)

    parents = [walk(root) for root in range(k)]
    totals = [sum(depth(i, p) if p[i] >= 0 else k for i in range(k)) for p in parents]
    parent = parents[int(np.argmin(totals))]
    members: list[list[int]] = [[] for _ in range(k)]
    for i in range(k):
        j = i
        while j >= 0 and parent[j] != j:
            members[j].append(i)
            j = parent[j]
    return tuple(np.array(m, np.intp) for m in members if m)
