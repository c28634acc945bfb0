import dataclasses

import numpy as np
import pytest

from refine.decode import decode_heatmaps, get_preset, instance_scores, load_presets
from refine.decode.presets import RECIPES
from refine.exceptions import RefineError
from refine.geometry import Grid
from refine.skeleton import skeleton


@pytest.mark.parametrize("name", [p.name for p in load_presets().values() if p.family == "heatmap"])
def test_every_preset_can_be_used(name):
    preset = get_preset(name)
    maps = np.random.default_rng(0).random((1, 2, 16, 12))
    xy, _ = decode_heatmaps(maps, preset.method, preset.kernel, compat=preset.compat)
    assert np.isfinite(xy).all()
    assert preset.score in RECIPES
    assert preset.source
    assert len(skeleton(preset.skeleton))
    grid = Grid((48, 64), (192, 256), preset.alignment, preset.offset)
    # Published shifts are off by up to a quarter cell, never by more.
    assert abs(preset.flip_shift - grid.flip_shift) <= 0.25


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
