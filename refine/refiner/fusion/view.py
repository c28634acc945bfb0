"""Poses in the cells of an eye's maps: what there is to set against what the eye sees."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from refine._types import Floats, Indices
from refine.refiner.prediction import CropQuery

BLUNT = 0.05
"""Least standard deviation of an OKS kernel, cells: persons of a few px."""
UNSURE = 5.0
"""Uncertainty of a place that nothing is believed of, px."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """N poses and K joints in their crops; places are x, y in cells, (N, K, 2).

    Attributes:
        own: the joints as they came.
        there: (N, K) whether the pose has the joint, and it lies in its map.
        missing: (N, K) whether the pose lacks the joint.
        belief: where the image-free refiner would put them.
        spread: (N, K) its uncertainty, cells.
        keep: (N, K) similarity that it expects of `own`.
        annotated: (N, K) probability that an annotator would label the joint.
        near: (N, M, K, 2) joints of the neighbouring poses.
        near_there: (N, M, K) whether they have them.
        kernel: (N, K) standard deviation of the OKS kernel, cells.
        sigma: (K,) OKS sigmas.
    """

    own: Tensor
    there: Tensor
    missing: Tensor
    belief: Tensor
    spread: Tensor
    keep: Tensor
    annotated: Tensor
    near: Tensor
    near_there: Tensor
    kernel: Tensor
    sigma: Tensor

    def __len__(self) -> int:
        return len(self.own)

    def __getitem__(self, rows: slice | Indices) -> "View":
        at = rows if isinstance(rows, slice) else torch.from_numpy(np.asarray(rows))
        names = tuple(name for name in self.__slots__ if name != "sigma")
        return View(**{name: getattr(self, name)[at] for name in names}, sigma=self.sigma)


@dataclass(frozen=True, slots=True)
class Grid:
    """The maps of an eye: cell i lies at ``stride * i + offset`` px of the crop.

    Attributes:
        stride, offset: px.
        width, height: of a map, cells.
    """

    stride: float
    offset: float
    width: int
    height: int

    def cells(self, points: Floats) -> Tensor:
        """Express places (..., 2) in px of the crop in cells."""
        return torch.from_numpy(((points - self.offset) / self.stride).astype(np.float32))

    def pixels(self, cells: Tensor) -> Floats:
        """Express places (..., 2) in cells in px of the crop."""
        return np.asarray(cells.double().numpy() * self.stride + self.offset)

    def holds(self, cells: Tensor) -> Tensor:
        """Whether places (..., 2) lie in the map."""
        edge = torch.tensor([self.width, self.height]) - 0.5
        return ((cells > -0.5) & (cells < edge)).all(-1)


def make_view(query: CropQuery, rows: Indices, joints: Indices, grid: Grid, sigmas: Floats) -> View:
    """Express what is known of some poses in cells.

    Args:
        query: all poses.
        rows: (N,) which.
        joints: (K,) which of the scene's joints.
        grid: of the maps.
        sigmas: (K,) of OKS.
    """
    scene, belief, crop = query.scene, query.belief, query.crop[rows]
    cell = crop.scale[:, None] / grid.stride
    at = np.ix_(rows, joints)
    other = np.maximum(scene.near[rows], 0)
    near = scene.xy[other][:, :, joints]
    place = crop(near.reshape(len(rows), -1, 2)).reshape(near.shape)
    near_there = scene.present[other][:, :, joints] & (scene.near[rows] >= 0)[..., None]
    own, present = grid.cells(crop(scene.xy[at])), torch.from_numpy(scene.present[at])

    def tensor(values: Floats, unknown: float = 0.0) -> Tensor:
        return torch.from_numpy(np.nan_to_num(values, nan=unknown).astype(np.float32))

    return View(
        own=own,
        there=present & grid.holds(own),
        missing=~present,
        belief=grid.cells(crop(np.nan_to_num(belief.xy[at]))),
        spread=tensor(belief.sigma_px[at] * cell, UNSURE),
        keep=tensor(belief.keep[at]),
        annotated=tensor(belief.annotated[at]),
        near=grid.cells(place),
        near_there=torch.from_numpy(near_there),
        kernel=tensor(2 * sigmas * belief.size_px[rows, None] * cell).clamp(min=BLUNT),
        sigma=tensor(sigmas),
    )
