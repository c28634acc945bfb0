"""How published systems turn their outputs into poses; the table is `presets.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from refine.decode.heatmap import Compat, Method
from refine.exceptions import RefineError
from refine.geometry import Alignment

Recipe = Literal["box*mean>0.2", "box*mean", "mean", "box", "box+mean+max"]
RECIPES: tuple[str, ...] = get_args(Recipe)

CONFIDENT = 0.2
"""Joints up to here do not count in "box*mean>0.2": HRNet's `IN_VIS_THRE`, lib/dataset/coco.py."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One published system; the attributes are those of `presets.toml`.

    `options` holds what the family of its outputs has beyond them: the keyword arguments of the
    family's decoder.
    """

    name: str
    source: str
    family: str = "heatmap"
    method: Method = "fit"
    kernel: int | None = None
    compat: Compat | None = None
    alignment: Alignment = "stride"
    offset: float = 0.0
    stride: int = 4
    padding: float | None = None
    flip_shift: float = 0.0
    score: Recipe = "box*mean"
    score_scale: float = 1.0
    score_offset: float = 0.0
    skeleton: str = "coco17"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)


@cache
def load_presets() -> Mapping[str, Preset]:
    """Read the presets that ship, by name.

    >>> load_presets()["hrnet"].method
    'quarter'
    """
    text = (resources.files("refine.decode") / "presets.toml").read_text("utf-8")
    return {name: _preset(name, entry) for name, entry in tomllib.loads(text).items()}


def _preset(name: str, entry: Mapping[str, Any]) -> Preset:
    known = {f.name for f in fields(Preset)}
    options = {k: v for k, v in entry.items() if k not in known}
    return Preset(name=name, options=options, **{k: v for k, v in entry.items() if k in known})


def get_preset(name: str) -> Preset:
    """Look up a preset.

    Raises:
        RefineError: no such preset.
    """
    try:
        return load_presets()[name]
    except KeyError:
        raise RefineError(
            f"expected the name of a preset, got {name!r}",
            hint=f"one of {', '.join(load_presets())}",
        ) from None


def instance_scores(
    score: npt.NDArray[np.float64], box_score: npt.NDArray[np.float64], recipe: Recipe
) -> npt.NDArray[np.float64]:
    """Score poses from their joints and boxes.

    Args:
        score: (N, K) keypoint scores; NaN counts as 0.
        box_score: (N,); NaN, where the source gives none, counts as 1.
        recipe: "mean" of the K joints; "box"; their product; the same over the joints above 0.2,
            0 if there are none; the sum of both and of the best joint (mmpose `bbox_rle`).

    Returns:
        (N,).

    Raises:
        RefineError: no such recipe.

    >>> instance_scores(np.array([[0.9, 0.7, 0.1]]), np.array([0.5]), "box*mean>0.2").tolist()
    [0.4]
    """
    if recipe not in RECIPES:
        raise RefineError(
            f"expected a score recipe, got {recipe!r}", hint=f"one of {', '.join(RECIPES)}"
        )
    box = np.where(np.isnan(box_score), 1.0, box_score)
    joints = np.nan_to_num(score, nan=0.0)
    if recipe == "box":
        return np.asarray(box)
    counts = joints > CONFIDENT if recipe == "box*mean>0.2" else np.full(joints.shape, True)
    mean = np.where(counts, joints, 0.0).sum(1) / np.maximum(counts.sum(1), 1)
    if recipe == "box+mean+max":
        return np.asarray(box + mean + joints.max(1, initial=0.0))
    return np.asarray(mean if recipe == "mean" else box * mean)
