"""Spaces and the maps between them: image px <-> network input px <-> heatmap cells.

Pixels have their centres on integers: (0, 0) is the centre of the first pixel. Every half pixel
of the project lives in this file.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats
from refine.exceptions import GeometryError

Alignment = Literal["stride", "corners", "centers"]

SINGULAR = 8 * float(np.finfo(np.float64).eps)
"""A determinant below this share of the products that it is the difference of is rounding error."""


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """Affine maps from image pixels to network-input pixels, one per pose.

    Attributes:
        matrix: (N, 2, 3) float64; input = matrix[:, :, :2] @ image + matrix[:, :, 2].
        size: width and height of the network input in px.
    """

    matrix: Floats
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.matrix)

    def __getitem__(self, rows: slice | npt.NDArray[Any]) -> "Crop":
        """Select crops by slice, indices or mask."""
        return Crop(self.matrix[rows], self.size)

    @property
    def scale(self) -> Floats:
        """Input px per image px, (N,): the root of the factor by which areas grow."""
        return np.asarray(np.sqrt(np.abs(np.linalg.det(self.matrix[:, :, :2]))))

    @classmethod
    def from_matrix(cls, matrix: npt.ArrayLike, size: tuple[int, int]) -> "Crop":
        """Wrap (N, 2, 3) or (2, 3) affine matrices image -> input.

        Raises:
            GeometryError: another shape, a value that is not finite, or a matrix whose inverse is
                not finite.
        """
        m = np.array(matrix, np.float64)
        m = m[None] if m.ndim == 2 else m
        if m.ndim != 3 or m.shape[1:] != (2, 3):
            raise GeometryError(f"expected affine matrices (N, 2, 3), got {m.shape}")
        crop = cls(m, size)
        with np.errstate(all="ignore"):
            one, other = m[:, 0, 0] * m[:, 1, 1], m[:, 0, 1] * m[:, 1, 0]
            regular = np.abs(one - other) > SINGULAR * (np.abs(one) + np.abs(other))
            regular &= np.isfinite(m).all((1, 2))
            regular[regular] = _with_finite_inverse(crop[regular])
        if not regular.all():
            where = f"crop {regular.argmin()}"
            raise GeometryError("expected an affine matrix with an inverse", where=where)
        return crop

    @classmethod
    def from_center_scale(
        cls,
        center: npt.ArrayLike,
        scale: npt.ArrayLike,
        size: tuple[int, int],
        *,
        unit: float = 200.0,
        rotation: npt.ArrayLike = 0.0,
        alignment: Alignment = "stride",
    ) -> "Crop":
        """Build crops from centre and scale as HRNet, SimpleBaseline and MPII files give them.

        Args:
            center: (N, 2) image px.
            scale: (N, 2) or (N,) width and height of the crop in units of `unit` px.
            size: width and height of the network input.
            unit: 200 in MPII-style files; 1 where scale is in px (MMPose 1.x).
            rotation: degrees, (N,) or one for all; the crop is turned by it about its centre.
            alignment: "stride" maps the crop's width onto W input px (HRNet
                `get_affine_transform`), "corners" onto W - 1 (UDP `get_warpmatrix`).

        Raises:
            GeometryError: shapes that do not agree, or a scale that is not positive.
        """
        c = np.atleast_2d(np.asarray(center, np.float64))
        s = np.asarray(scale, np.float64)
        s = s.reshape(-1, 1) if s.ndim < 2 else s
        angle = np.asarray(rotation, np.float64)
        if c.shape[1:] != (2,) or s.shape not in {(1, 1), (len(c), 1), c.shape}:
            raise GeometryError(
                f"expected centres (N, 2) and scales (N, 2), (N,) or one, got {c.shape}, {s.shape}"
            )
        if angle.ndim and angle.shape != (len(c),):
            raise GeometryError(f"expected one rotation or {len(c)}, got {angle.shape}")
        s = np.broadcast_to(s, c.shape) * unit
        bad = np.flatnonzero(~(np.isfinite(c).all(1) & (s > 0).all(1) & np.isfinite(s).all(1)))
        if len(bad):
            raise GeometryError(
                "expected a finite centre and a positive size, got "
                f"centre {c[bad[0]].tolist()}, size {s[bad[0]].tolist()} px",
                where=f"crop {bad[0]}",
            )
        span = np.array(size, np.float64) - (alignment == "corners")
        turn = np.deg2rad(np.broadcast_to(angle, len(c)))
        cos, sin = np.cos(turn), np.sin(turn)
        # Out of the turned crop: x' along its width axis, y' along its height axis.
        axes = np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], 1)
        with np.errstate(over="ignore", invalid="ignore"):  # `from_matrix` looks at what comes out.
            linear = axes * (span / s)[:, :, None]
            shift = span / 2 - np.einsum("nij,nj->ni", linear, c)
        return cls.from_matrix(np.concatenate([linear, shift[:, :, None]], 2), size)

    @classmethod
    def from_box(
        cls,
        box_xyxy: npt.ArrayLike,
        size: tuple[int, int],
        *,
        padding: float = 1.25,
        alignment: Alignment = "stride",
    ) -> "Crop":
        """Build crops from boxes: grown to the input's aspect ratio, then by `padding`.

        Args:
            box_xyxy: (N, 4) image px.
            size: width and height of the network input.
            padding: 1.25 in SimpleBaseline, HRNet and MMPose.
            alignment: see `from_center_scale`.

        Raises:
            GeometryError: not (N, 4), or a box without area.
        """
        box = np.atleast_2d(np.asarray(box_xyxy, np.float64))
        if box.ndim != 2 or box.shape[1] != 4:
            raise GeometryError(f"expected boxes (N, 4), got {box.shape}")
        center = (box[:, :2] + box[:, 2:]) / 2
        extent = box[:, 2:] - box[:, :2]
        bad = np.flatnonzero(~(extent > 0).all(1))
        if len(bad):
            raise GeometryError(
                f"expected a box with area, got {box[bad[0]].tolist()}", where=f"box {bad[0]}"
            )
        aspect = size[0] / size[1]
        width = np.maximum(extent[:, 0], extent[:, 1] * aspect)
        scale = np.stack([width, width / aspect], 1) * padding
        return cls.from_center_scale(center, scale, size, unit=1.0, alignment=alignment)

    def inverse(self) -> "Crop":
        """Return the maps input -> image (as a `Crop` whose `size` is kept for reference)."""
        linear = np.linalg.inv(self.matrix[:, :, :2])
        shift = -np.einsum("nij,nj->ni", linear, self.matrix[:, :, 2])
        return Crop(np.concatenate([linear, shift[:, :, None]], 2), self.size)

    def __matmul__(self, other: "Crop") -> "Crop":
        """Compose: ``(a @ b)(x) == a(b(x))``."""
        linear = self.matrix[:, :, :2] @ other.matrix[:, :, :2]
        shift = np.einsum("nij,nj->ni", self.matrix[:, :, :2], other.matrix[:, :, 2])
        shift = shift + self.matrix[:, :, 2]
        return Crop(np.concatenate([linear, shift[:, :, None]], 2), self.size)

    def __call__(self, xy: Floats) -> Floats:
        """Map points (N, ..., 2) through the N matrices; NaN stays NaN.

        >>> crop = Crop.from_box([[0, 0, 96, 128]], (192, 256), padding=1.0)
        >>> crop(np.array([[[48.0, 64.0]]])).tolist()
        [[[96.0, 128.0]]]
        """
        n, points = len(self.matrix), math.prod(np.shape(xy)[1:-1])
        flat = np.asarray(xy, np.float64).reshape(n, points, 2)
        out = np.einsum("nij,npj->npi", self.matrix[:, :, :2], flat) + self.matrix[:, None, :, 2]
        return np.asarray(out.reshape(np.shape(xy)))


def _with_finite_inverse(crop: Crop) -> Bools:
    try:
        return np.asarray(np.isfinite(crop.inverse().matrix).all((1, 2)))
    except np.linalg.LinAlgError:
        if len(crop) == 1:
            return np.zeros(1, np.bool_)
        # It does not say of which.
        each = (crop[i : i + 1] for i in range(len(crop)))
        return np.concatenate([_with_finite_inverse(one) for one in each])


@dataclass(frozen=True, slots=True)
class Grid:
    """Map between heatmap cells and network-input pixels.

    Attributes:
        size: width and height of the map in cells.
        input_size: width and height of the network input in px.
        alignment: where cell i lies, with s = input / cells:
            "stride": i * s (HRNet, SimpleBaseline, DARK in MMPose);
            "corners": i * (input - 1) / (cells - 1) (UDP; PoseNet with input s*n + 1);
            "centers": (i + 0.5) * s - 0.5 (resize with half-pixel centres).
        offset: px added after that: 2 in CPN and MSPN (4p + 2).
    """

    size: tuple[int, int]
    input_size: tuple[int, int]
    alignment: Alignment = "stride"
    offset: float = 0.0

    def _affine(self) -> tuple[Floats, Floats]:
        cells, px = np.array(self.size, np.float64), np.array(self.input_size, np.float64)
        if self.alignment == "corners":
            # A map of one cell has no length; its only cell is the first pixel.
            return (px - 1) / np.maximum(cells - 1, 1), np.full(2, self.offset)
        factor = px / cells
        half = (factor - 1) / 2 if self.alignment == "centers" else np.zeros(2)
        return factor, half + self.offset

    def to_input(self, cells: Floats) -> Floats:
        """Map cells (..., 2) to network-input px.

        >>> Grid((48, 64), (192, 256), "corners").to_input(np.array([47.0, 63.0])).tolist()
        [191.0, 255.0]
        """
        factor, shift = self._affine()
        return np.asarray(cells, np.float64) * factor + shift

    def to_cells(self, xy: Floats) -> Floats:
        """Map network-input px (..., 2) to cells."""
        factor, shift = self._affine()
        return (np.asarray(xy, np.float64) - shift) / factor

    @property
    def flip_shift(self) -> float:
        """Cells by which a map of the mirrored input lies too far left once mirrored back.

        Mirroring the input is x -> W - 1 - x, mirroring the map i -> n - 1 - i; they agree for
        "corners" and "centers", and differ by (s - 1) / s - 2 * offset / s for "stride".

        >>> Grid((48, 64), (192, 256)).flip_shift
        0.75
        """
        factor, shift = self._affine()
        n, width = self.size[0], self.input_size[0]
        return float(((width - 1) - 2 * shift[0]) / factor[0] - (n - 1))


def xywh_to_xyxy(box: Floats) -> Floats:
    """Turn boxes x, y, width, height (..., 4) into corners."""
    return np.concatenate([box[..., :2], box[..., :2] + box[..., 2:]], -1)


def xyxy_to_xywh(box: Floats) -> Floats:
    """Turn boxes given by corners (..., 4) into x, y, width, height."""
    return np.concatenate([box[..., :2], box[..., 2:] - box[..., :2]], -1)


def keypoint_box(xy: Floats) -> Floats:
    """Return the tight boxes xyxy (N, 4) around the present joints of (N, K, 2); NaN if none.

    >>> keypoint_box(np.array([[[1.0, 2.0], [3.0, 5.0], [np.nan, np.nan]]])).tolist()
    [[1.0, 2.0, 3.0, 5.0]]
    """
    low = np.full((len(xy), 2), np.nan)
    high = low.copy()
    # Joint by joint: NumPy's reduction over an axis in the middle takes thrice as long.
    for joint in np.moveaxis(xy, 1, 0):
        np.fmin(low, joint, out=low)
        np.fmax(high, joint, out=high)
    return np.concatenate([low, high], 1)
