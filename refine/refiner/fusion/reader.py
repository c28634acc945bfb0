"""An eye as a reader of crops: it looks, the posterior fuses, the judge says what is best."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import torch

from refine._types import Indices
from refine.crops.arrays import Pixels
from refine.exceptions import WeightsError
from refine.geometry import Crop
from refine.refiner.belief import Belief
from refine.refiner.eyes.eye import Eye, see
from refine.refiner.fusion.evidence import Evidence, weigh
from refine.refiner.fusion.source import SourceProfile, measure_source
from refine.refiner.fusion.view import Grid, View, make_view
from refine.refiner.fusion.weights import Fusion
from refine.refiner.pose.boxes import crop_boxes
from refine.refiner.pose.features import Scene
from refine.refiner.prediction import CropPrediction, CropQuery
from refine.skeletons import Skeleton

MARGIN, CAUTION = 0.02, 0.1
"""Expected similarity that a move must gain; and what is added where nothing is known of the
source, so that good poses which come alone are left alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What an eye saw of N poses and K joints.

    Attributes:
        rows: (N,) of the poses.
        grid: of the maps.
        view: of the poses.
        evidence: of the maps.
        source: what these poses say of their source.
    """

    rows: Indices
    grid: Grid
    view: View
    evidence: Evidence
    source: SourceProfile


@dataclass(frozen=True, slots=True, eq=False)
class FusionReader:
    """An eye, and what is known of its errors and of those of the source.

    Attributes:
        eye: to look with.
        fusion: what was learned of it.
        body: the image-free refiner's skeleton.
        profile: of the source; None to measure it on the poses that are asked about.
        flip: also look at the mirrored crops and take the mean of both.

    Raises:
        WeightsError: the profile was made with other eyes.
    """

    eye: Eye
    fusion: Fusion
    body: Skeleton
    profile: SourceProfile | None = None
    flip: bool = True

    def __post_init__(self) -> None:
        if self.profile is not None and self.profile.eye != self.eye.weights:
            made, here = (w or "a function" for w in (self.profile.eye, self.eye.weights))
            raise WeightsError(
                f"expected a profile made with {self.eye.name} ({here}), got one made with {made}",
                hint="`refine profile PRED --images DIR -o source.json` with the same --eyes",
            )

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the joints that the eye and the body's skeleton share."""
        return tuple(joint for joint in self.body.joints if joint in self.eye.joints)

    @property
    def weights(self) -> str:
        """The short hash that histories name these weights by."""
        return self.fusion.weights

    def crops(self, scene: Scene, belief: Belief) -> Crop:
        """Return crops around where the image-free refiner leaves or puts the joints."""
        boxes = crop_boxes(scene, belief)
        return Crop.from_box(boxes, self.eye.size, padding=self.eye.padding)

    def read(
        self, batches: Iterable[tuple[Indices, Pixels]], query: CropQuery
    ) -> Iterator[tuple[Indices, CropPrediction]]:
        """Look at crops and say where each joint is, the source being measured over all of them."""
        looks = list(self.looks(batches, query))
        if not looks:
            return
        profile = self.profile or total_profile(looks)
        for look in looks:
            yield look.rows, judge(look, profile, self.fusion)

    def looks(self, batches: Iterable[tuple[Indices, Pixels]], query: CropQuery) -> Iterator[Look]:
        """Look at crops and fuse; the arguments are those of `read`."""
        index = np.array([self.body.index(joint) for joint in self.joints], np.intp)
        which = [self.eye.joints.index(joint) for joint in self.joints]
        sigmas = self.body.require_sigmas()[index]
        for rows, crops in batches:
            heat = torch.from_numpy(see(self.eye, crops, mirrored=self.flip)[:, which])
            grid = Grid(self.eye.stride, self.eye.offset, heat.shape[3], heat.shape[2])
            view = make_view(query, rows, index, grid, sigmas)
            with torch.inference_mode():
                found = weigh(heat, view, self.fusion.likelihood)
                source = measure_source(
                    view, found.covered, found.peak, found.height, self.eye.weights
                )
            yield Look(rows, grid, view, found, source)


def total_profile(looks: Iterable[Look]) -> SourceProfile:
    """Say what a source is like by all that was seen of it."""
    first, *others = (look.source for look in looks)
    return reduce(add, others, first)


def judge(look: Look, profile: SourceProfile, fusion: Fusion) -> CropPrediction:
    """Choose between the joints as they came and both posteriors.

    Args:
        look: at N poses.
        profile: of their source.
        fusion: of the eye.
    """
    view, little, much = look.view, look.evidence.little, look.evidence.much
    with torch.inference_mode():
        source = torch.from_numpy(profile.numbers())
        own, first, second = fusion.judge(look.evidence.features, source).unbind(-1)
    bold = (first >= second) | view.missing
    keep = torch.where(view.there, own, view.keep)
    move = torch.where(bold, first, second)
    # A joint outside of the crop is not seen.
    move = torch.where(view.there | view.missing, move, 0.0)
    best = torch.maximum(move, torch.where(view.missing, 0.0, keep))
    weight = view.annotated.clamp(min=1e-6)
    error = torch.where(bold, little.error, much.error) * look.grid.stride
    return CropPrediction(
        xy=look.grid.pixels(torch.where(bold[..., None], little.at, much.at)),
        move=move.double().numpy(),
        keep=torch.where(view.missing, 0.0, keep).double().numpy(),
        sigma=error.double().numpy(),
        oks=((best * weight).sum(1) / weight.sum(1)).double().numpy(),
        margin=np.full(len(look.rows), MARGIN + CAUTION * profile.doubt),
    )
