import pytest

from refine.exceptions import RefineError
from refine.refiner.image import settings
from refine.refiner.image.settings import PoseFixSettings, preset_names, preset_rows, read_preset


def test_the_presets_are_what_the_literature_says():
    assert read_preset("posefix-r152-256") == PoseFixSettings()
    found = {n: read_preset(n) for n in preset_names()}
    assert {n: (s.depth, s.size, s.sigma) for n, s in found.items()} == {
        "posefix-r50-256": (50, (192, 256), 7),
        "posefix-r101-256": (101, (192, 256), 7),
        "posefix-r152-256": (152, (192, 256), 7),
        "posefix-r152-384": (152, (288, 384), 9),
    }
    for s in found.values():
        assert (s.epochs, s.drops, s.rate, s.decay) == (140, (90, 120), 5e-4, 1e-5)


def test_a_shorter_training_drops_its_rate_earlier():
    assert read_preset("posefix-r50-256", epochs=70, batch=8).drops == (45, 60)


def test_unknown_names_are_said():
    with pytest.raises(RefineError, match="posefix-r50-256"):
        read_preset("posefix")
    with pytest.raises(RefineError, match="'width'"):
        read_preset("posefix-r50-256", width=32)


def test_a_row_with_a_key_that_no_setting_has_is_found(monkeypatch):
    rows = {"odd": {**preset_rows()["posefix-r50-256"], "deptH": 50}}
    monkeypatch.setattr(settings, "preset_rows", lambda: rows)
    with pytest.raises(TypeError, match="deptH"):
        read_preset("odd")
