import dataclasses

import numpy as np
import pytest

from refine.decoding import (
    FAMILIES,
    decode,
    decode_heatmaps,
    get_preset,
    instance_scores,
    load_presets,
    raw_heatmaps,
)
from refine.decoding.presets import RECIPES
from refine.exceptions import RefineError
from refine.geometry import Grid
from refine.skeletons import skeleton
from tests.oracles.crops import CELLS, SIZE, heatmaps

SURVEY = [
    "hourglass", "cu-net", "prm", "soft-gated", "cfa", "cpm", "unipose",
    "simple-baseline", "hrnet", "darkpose", "udp", "vitpose",
    "litehrnet", "tinypose", "cpn", "mspn", "ccm", "udp-offset", "g-rmi",
    "simcc", "rtmpose", "integral", "dsnt", "rle", "blazepose", "mask-rcnn",
    "openpose", "lightweight-openpose", "tf-pose", "associative-embedding",
    "higherhrnet", "personlab", "posenet", "centernet", "movenet-multipose",
    "movenet", "directpose", "yolox-pose", "rtmo", "dekr", "deepcut", "deepercut", "posefix",
]  # fmt: skip
OTHERWISE = {"yolo-pose": ("yolov5-pose", "yolov8-pose", "yolo26-pose")}
"""Systems that go by several presets, one for each form of their outputs."""
HEATMAPS = [p.name for p in load_presets().values() if p.family == "heatmap"]


@pytest.mark.parametrize("name", [*SURVEY, *(n for names in OTHERWISE.values() for n in names)])
def test_every_system_of_the_survey_has_a_preset(name):
    preset = get_preset(name)
    assert preset.family in FAMILIES
    assert preset.score in RECIPES
    assert len(preset.source) > 20
    assert len(skeleton(preset.skeleton))


@pytest.mark.parametrize("name", HEATMAPS)
def test_every_preset_can_be_used(name):
    preset = get_preset(name)
    maps = np.random.default_rng(0).random((1, 2, 16, 12))
    xy, _ = decode_heatmaps(maps, preset.method, preset.kernel, compat=preset.compat)
    assert np.isfinite(xy).all()
    grid = Grid(CELLS, SIZE, preset.alignment, preset.offset)
    # Published shifts are off by up to a quarter cell, never by more.
    assert abs(preset.flip_shift - grid.flip_shift) <= 0.25


REACH = {
    "argmax": 0.5,
    "quarter": 0.25,
    "second": 0.5,
    "taylor": 0.015,
    "dark": 5e-4,
    "dark-udp": 2e-4,
    "fit": 1e-5,
}
"""Cells that a method may be off by on an axis. The second maximum may leave an axis alone."""
RESAMPLED = 0.006
"""Cells more where mirrored maps are moved by a fraction of a cell, by linear interpolation."""


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("name", HEATMAPS)
def test_round_trip(name, flip):
    """Joints come back from maps with the preset's alignment, as closely as its method can."""
    preset = get_preset(name)
    fields, grid, crop, xy = heatmaps(preset, flip)
    raw = raw_heatmaps(fields)
    slack = RESAMPLED if flip else 0.0
    exact = crop(decode(raw, name, method="fit", flip_shift=grid.flip_shift).xy)
    assert np.abs(exact - xy).max() < 1e-3 + 4 * slack
    # Moved too far, or not at all, the mirrored map pulls the mean by half of that.
    pull = abs(preset.flip_shift - grid.flip_shift) / 2 if flip else 0.0
    found = crop(decode(raw, name).xy)
    assert np.abs(found - xy).max() <= 255 / 63 * (REACH[preset.method] + pull + slack)


def test_unknown_preset_names_the_known():
    with pytest.raises(RefineError, match="hrnet"):
        get_preset("resnet")


def test_presets_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        get_preset("hrnet").method = "dark"


def test_score_recipes():
    score = np.array([[0.9, 0.3, 0.2], [0.1, 0.2, np.nan]])
    box = np.array([0.5, np.nan])
    expected = {
        "box*mean>0.2": [0.3, 0.0],
        "box*mean": [0.7 / 3, 0.1],
        "mean": [1.4 / 3, 0.1],
        "box": [0.5, 1.0],
        "box+mean+max": [0.5 + 1.4 / 3 + 0.9, 1.3],
    }
    assert set(expected) == set(RECIPES)
    for recipe, values in expected.items():
        np.testing.assert_allclose(instance_scores(score, box, recipe), values)
    with pytest.raises(RefineError, match="one of"):
        instance_scores(score, box, "median")
