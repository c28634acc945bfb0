"""Where annotations put joints that they do not label (v = 0): carried along, never used."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refine._types import Floats

FIELD = "unlabelled_places"
"""In `Poses.extra`: joint name -> [x, y] as the file had it, where that is not (0, 0); of
results, where x or y is null, [x, y, score]."""

HALF = 3
"""Values of a joint of results, which has a score besides."""


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


def carry_halves(extra: Sequence[dict[str, Any]], values: Floats, joints: Sequence[str]) -> None:
    """Carry x, y and score of joints without a place, where one of the three is told, in place.

    Args:
        extra: of N poses.
        values: (N, K, 3) x, y, score; null is NaN.
        joints: K names.
    """
    gone = np.isnan(values[..., :2]).any(-1)
    told = np.isfinite(values[..., :2]).any(-1) | (values[..., 2] > 0)
    for i, j in np.argwhere(gone & told).tolist():
        carried = extra[i].setdefault(FIELD, {})
        half = [None if value != value else value for value in values[i, j].tolist()]
        if isinstance(carried, dict):
            extra[i][FIELD] = {**carried, joints[j]: half}


def halves_apart(row: dict[str, Any]) -> dict[str, Any]:
    """Take what `carry_halves` put there out of the fields of a pose, and return it."""
    carried = row.get(FIELD)
    carried = carried if isinstance(carried, dict) else {}
    halves = {joint: v for joint, v in carried.items() if isinstance(v, list) and len(v) == HALF}
    if halves and len(halves) < len(carried):
        row[FIELD] = {joint: place for joint, place in carried.items() if joint not in halves}
    elif halves:
        del row[FIELD]
    return halves


def put_back(
    keypoints: list[float], places: Any, joints: Sequence[str], precision: int | None
) -> None:
    """Give the missing joints in x1, y1, v1, ... what was carried of them, in place."""
    for joint, place in places.items() if isinstance(places, Mapping) else ():
        j = joints.index(joint) if joint in joints else -1
        x, _, score = keypoints[3 * j : 3 * j + 3] if j >= 0 else (0.0, 0.0, 1.0)
        known = isinstance(place, list) and all(v is None or type(v) in (int, float) for v in place)
        if known and (not score > 0 or x != x):
            place = [
                v if i == 2 or v is None or precision is None else round(v, precision)
                for i, v in enumerate(place)
            ]
            keypoints[3 * j : 3 * j + len(place)] = place
