"""Annotated persons: the one type that evaluation, calibration, statistics and training share."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class Persons:
    """G annotated persons.

    Attributes:
        xy: (G, K, 2) px; NaN where not labelled.
        visible: (G, K) flags: 0 not labelled, 1 labelled but hidden, 2 visible.
        area: (G,) px^2.
        box: (G, 4) xyxy px.
        image: (G,) index of the image.
        image_size: (G, 2) width and height of that image in px, NaN where unknown.
        ignore: (G,) crowds, and persons that count no labelled joint: neither hit nor missed.
        crowd: (G,) regions that any number of predictions may match.
        id: (G,) of the annotation: whole numbers, or objects where some are str.
        head_size: (G,) px, the unit of PCKh; NaN where unknown.
        category: (G,) index into the categories of the ground truth.
    """

    xy: Floats
    visible: npt.NDArray[np.int8]
    area: Floats
    box: Floats
    image: Indices
    image_size: Floats
    ignore: Bools
    crowd: Bools
    id: npt.NDArray[Any]
    head_size: Floats
    category: Indices

    def __len__(self) -> int:
        return len(self.xy)

    def __getitem__(self, rows: Indices | Bools) -> "Persons":
        """Select persons by indices or mask."""
        return Persons(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @property
    def labelled(self) -> Bools:
        """Which joints count, (G, K)."""
        return self.visible > 0

    @classmethod
    def concat(cls, parts: Sequence["Persons"]) -> "Persons":
        """Join persons of the same joints; their image indices must number the same images."""
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )
