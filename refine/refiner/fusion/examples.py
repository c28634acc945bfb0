"""What fusions learn from: sources of known truth, and better ones made of them.

A source is shown as it is, and with a part of its errors only, down to none: so the judge meets
networks better than those at hand. Others are mixed with the eye's own places, or with another
source: their errors are the eye's, or small.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from refine._types import Floats, Indices
from refine.oks import keypoint_similarity
from refine.poses import Poses
from refine.refiner.fusion.evidence import weigh
from refine.refiner.fusion.likelihood import Likelihood
from refine.refiner.fusion.source import SourceProfile, measure_source
from refine.refiner.fusion.view import Grid, View, make_view
from refine.refiner.pose.refiner import Refiner
from refine.refiner.prediction import CropQuery

PARTS = (1.0, 0.75, 0.5, 0.25, 0.1, 0.0)
"""Of a source's errors that are left to it."""
EYED = (1.0, 0.75, 0.5)
"""The same, where the eye's places are mixed in."""
MIXED = (0.5, 1.0)
"""Part of the way to the eye's place."""
NEAR = 3.0
"""OKS kernels within which a joint goes to the eye's place."""
AGREE = 0.6
"""Keypoint similarity from which two sources mean the same place: one kernel apart."""
SAME = 0.5
"""Mean of it from which two poses of an image are the same person's."""
CHUNK = 64
"""Poses whose maps are worked on at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """N poses of one source, what an eye saw in their crops, and the truth.

    Attributes:
        name: of the source.
        query: the poses, all of them with pictures.
        heat: (N, K, h, w) float16.
        grid: of the maps.
        joints: (K,) which of the body's.
        truth: (N, J, 2) image px in the body's skeleton, NaN where not labelled.
    """

    name: str
    query: CropQuery
    heat: Tensor
    grid: Grid
    joints: Indices
    truth: Floats

    def view(self, sigmas: Floats, rows: Indices | None = None) -> View:
        """Express the poses in cells; `sigmas` are the body's."""
        rows = np.arange(len(self.truth)) if rows is None else rows
        return make_view(self.query, rows, self.joints, self.grid, sigmas[self.joints])


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """N poses as the judge is shown them.

    Attributes:
        view: of the poses.
        features: (N, K, F) of `joint_features`.
        covered: (N, K) of `coverage` at the joints as they came.
        peak: (N, K, 2) cells of the maxima.
        height: (N, K) of the maxima.
        right: (N, K, 3) keypoint similarity of the joints as they came and of both places.
        known: (N, K) whether the truth is known.
    """

    view: View
    features: Tensor
    covered: Tensor
    peak: Tensor
    height: Tensor
    right: Tensor
    known: Tensor

    def source(self, rows: Tensor) -> SourceProfile:
        """Measure the source on some of the poses."""
        parts = (self.covered[rows], self.peak[rows], self.height[rows])
        return measure_source(self.view[rows.numpy()], *parts, eye="")


def make_example(seen: Seen, likelihood: Likelihood, sigmas: Floats) -> tuple[Example, Floats]:
    """Work out what the judge is shown of a source.

    Returns:
        the example, and (N, K, 2) image px, where the eye puts the joints.
    """
    parts: list[tuple[Tensor, ...]] = []
    target = seen.grid.cells(seen.query.crop(seen.truth))[:, torch.from_numpy(seen.joints)]
    for start in range(0, len(seen.truth), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(seen.truth)))
        heat, view = seen.heat[rows].float(), seen.view(sigmas, rows)
        with torch.inference_mode():
            found = weigh(heat, view, likelihood)
            places = torch.stack([view.own, found.little.at, found.much.at], 2)
            off = ((places - target[rows][:, :, None]) ** 2).sum(-1)
            right = torch.exp(-off / (2 * view.kernel[..., None] ** 2))
            told = (found.features, found.covered, found.peak, found.height)
            parts.append((*told, right, found.little.at))
    features, covered, peak, height, right, at = (torch.cat(p) for p in zip(*parts, strict=True))
    known = torch.isfinite(target).all(-1)
    right = torch.nan_to_num(right)
    example = Example(seen.view(sigmas), features, covered, peak, height, right, known)
    return example, seen.query.crop.inverse()(seen.grid.pixels(at))


def moved(seen: Seen, refiner: Refiner, xy: Floats, name: str | None = None) -> Seen:
    """Return a source with its joints elsewhere, (N, J, 2) image px in the body's skeleton."""
    body = refiner.skeleton
    old = seen.query.poses
    own = np.where(seen.query.scene.present[..., None], xy, np.nan)
    score = body.take(old.score, old.skeleton)
    poses = old.replace(skeleton=body, xy=own, score=score)
    scene = refiner.scene(poses)
    query = CropQuery(poses, scene, refiner.believe_scene(scene), seen.query.crop)
    return replace(seen, query=query, name=name or seen.name)


def with_part_of_errors(seen: Seen, refiner: Refiner, part: float) -> Seen:
    """Return a source that errs less: `part` of the way from the truth to where it was."""
    xy = seen.query.scene.xy
    known = np.isfinite(seen.truth).all(-1, keepdims=True)
    return moved(seen, refiner, np.where(known, seen.truth + part * (xy - seen.truth), xy))


def with_eye(seen: Seen, refiner: Refiner, places: Floats, share: float) -> Seen:
    """Return a source that errs with the eye: joints go `share` of the way to its near places."""
    xy = seen.query.scene.xy.copy()
    own = xy[:, seen.joints]
    sigmas = refiner.skeleton.require_sigmas()[seen.joints]
    area = seen.query.belief.size_px**2
    near = keypoint_similarity(own, places, area, sigmas) > np.exp(-(NEAR**2) / 2)
    xy[:, seen.joints] = np.where(near[..., None], own + share * (places - own), own)
    return moved(seen, refiner, xy, f"{seen.name} + {share:g} eye")


def mean_of(seen: Seen, other: Seen, refiner: Refiner) -> Seen:
    """Return a source that is the mean of two where they agree, and the first elsewhere."""
    sigmas = refiner.skeleton.require_sigmas()
    xy, theirs = seen.query.scene.xy.copy(), other.query.scene
    place = _by_image(other.query.poses)
    area = seen.query.belief.size_px**2
    for row, ref in enumerate(np.asarray(seen.query.poses.image)):
        rows = place.get(seen.query.poses.images[ref].id)
        if rows is None:
            continue
        mine = np.broadcast_to(xy[row], (len(rows), *xy[row].shape))
        size = np.full(len(rows), area[row])
        both = theirs.present[rows] & seen.query.scene.present[row]
        near = np.where(both, keypoint_similarity(mine, theirs.xy[rows], size, sigmas), 0.0)
        mean = near.sum(1) / np.maximum(both.sum(1), 1)
        best = int(mean.argmax())
        if mean[best] > SAME:
            agree = (near[best] > AGREE)[:, None]
            xy[row] = np.where(agree, (xy[row] + theirs.xy[rows[best]]) / 2, xy[row])
    return moved(seen, refiner, xy, f"{seen.name} + {other.name}")


def _by_image(poses: Poses) -> dict[int | str, Indices]:
    return {ref.id: np.arange(len(poses))[rows] for ref, rows in poses.by_image()}


def examples_of(
    sources: Sequence[Seen], likelihood: Likelihood, refiner: Refiner
) -> Iterator[tuple[str, bool, list[Example]]]:
    """Make the judge's examples of sources.

    Yields:
        name of a source, whether it errs with the eye alone, and examples: as it is, and with
        ever less of its errors.
    """
    sigmas = refiner.skeleton.require_sigmas()

    def lessened(seen: Seen, parts: Sequence[float]) -> tuple[list[Example], Floats]:
        first, places = make_example(seen, likelihood, sigmas)
        others = (with_part_of_errors(seen, refiner, part) for part in parts[1:])
        return [first, *(make_example(s, likelihood, sigmas)[0] for s in others)], places

    for number, seen in enumerate(sources):
        examples, places = lessened(seen, PARTS)
        yield seen.name, False, examples
        for share in MIXED:
            eyed = with_eye(seen, refiner, places, share)
            yield eyed.name, True, lessened(eyed, EYED)[0]
        other = sources[(number + 1) % len(sources)]
        if other is not seen:
            mean = mean_of(seen, other, refiner)
            examples, places = lessened(mean, PARTS)
            yield mean.name, False, examples
            eyed = with_eye(mean, refiner, places, MIXED[0])
            yield eyed.name, False, lessened(eyed, PARTS)[0]
