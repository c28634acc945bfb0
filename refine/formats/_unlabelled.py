"""Where annotations put joints that they do not label (v = 0): carried along, never used."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refine._types import Floats

FIELD = "unlabelled_places"
"""In `Poses.extra`: joint name -> [x, y] as the file had it, where that is not (0, 0); of
results, where x or y is null, [x, y, score]."""


def unlabelled_places(
    values: Floats, lists: Sequence[Any], joints: Sequence[str]
) -> list[dict[str, list[Any]]]:
    """Return the places of the unlabelled joints of each annotation.

    Args:
        values: (N, K, 3) x, y, v.
        lists: what they were read from.
        joints: K names.
    """
    aside = ~(values[..., 2] > 0) & (np.nan_to_num(values[..., :2]) != 0).any(-1)
    out: list[dict[str, list[Any]]] = [{} for _ in lists]
    for i, j in np.argwhere(aside).tolist():
        out[i][joints[j]] = lists[i][3 * j : 3 * j + 2]
    return out


def half_places(
    values: Floats, lists: Sequence[Any], joints: Sequence[str]
) -> list[dict[str, list[Any]]]:
    """Return x, y and score of joints without a place, where one of the three is told.

    Args:
        values: (N, K, 3) x, y, score; null is NaN.
        lists: what they were read from; None for rows without keypoints.
        joints: K names.
    """
    gone = np.isnan(values[..., :2]).any(-1)
    told = np.isfinite(values[..., :2]).any(-1) | (values[..., 2] > 0)
    out: list[dict[str, list[Any]]] = [{} for _ in lists]
    for i, j in np.argwhere(gone & told).tolist():
        out[i][joints[j]] = lists[i][3 * j : 3 * j + 3]
    return out


def put_back(
    keypoints: list[float], places: Any, joints: Sequence[str], precision: int | None
) -> None:
    """Give the joints of v = 0 in x1, y1, v1, ... their places, in place."""
    for joint, place in places.items() if isinstance(places, Mapping) else ():
        j = joints.index(joint) if joint in joints else -1
        if j >= 0 and not keypoints[3 * j + 2] > 0:
            place = [
                x if i == 2 or x is None or precision is None else round(x, precision)
                for i, x in enumerate(place)
            ]
            keypoints[3 * j : 3 * j + len(place)] = place
