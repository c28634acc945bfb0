import dataclasses
from typing import get_args

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
from refine.decoding.family import FlipOptions, Recipe, read_options
from refine.decoding.presets import preset_aliases, read_preset
from refine.exceptions import FormatError, RefineError, SkeletonError
from refine.geometry import Grid
from refine.rescore import RECIPES
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
    assert isinstance(preset.options, FAMILIES[preset.family].options)
    assert len(preset.source) > 20
    assert len(preset.options.skeleton)


@pytest.mark.parametrize("name", HEATMAPS)
def test_every_preset_can_be_used(name):
    preset = get_preset(name).options
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
    preset = preset.options
    pull = abs(preset.flip_shift - grid.flip_shift) / 2 if flip else 0.0
    found = crop(decode(raw, name).xy)
    assert np.abs(found - xy).max() <= 255 / 63 * (REACH[preset.method] + pull + slack)


def test_unknown_preset_names_the_known():
    with pytest.raises(RefineError, match="hrnet"):
        get_preset("resnet")


def test_presets_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        get_preset("hrnet").options.method = "dark"


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
    assert set(get_args(Recipe)) == set(RECIPES)
    for recipe, values in expected.items():
        np.testing.assert_allclose(instance_scores(score, box, recipe), values)
    with pytest.raises(RefineError, match="one of"):
        instance_scores(score, box, "median")


def test_every_family_has_a_preset_and_defaults():
    assert {p.family for p in load_presets().values()} == set(FAMILIES)
    for name, family in FAMILIES.items():
        assert family.name == name
        assert dataclasses.is_dataclass(family.options())


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"kernle": 11},
            r"presets\.toml, \[mine\].*option of heatmap outputs, got kernle.*kernel",
        ),
        ({"kernel": "11"}, r"presets\.toml, \[mine\]: expected `int \| null` as option 'kernel'"),
        ({"method": "drak"}, r"\[mine\].*its choices as option 'method'.*'drak'; try one of fit"),
        ({"family": "simcc", "sigma": [1, 2, 3]}, r"as option 'sigma' of simcc outputs"),
        ({"family": "heatmaps"}, r"\[mine\].*'heatmaps'; try a family of heatmap"),
        ({"source": None}, r"\[mine\]: expected a source"),
    ],
)
def test_typos_in_the_table_are_named(entry, message):
    table = {"source": "here", **entry}
    with pytest.raises(RefineError, match=message):
        read_preset("mine", {k: v for k, v in table.items() if v is not None})


def test_python_toml_and_shell_share_the_options():
    options = read_options(FAMILIES["simcc"].options, {"sigma": [4, 5], "flip_shift": 1}, "simcc")
    assert (options.sigma, options.flip_shift) == ((4.0, 5.0), 1.0)
    assert options.method == "argmax"
    numbers = {"padding": np.float64(1.5), "score": "mean"}
    assert read_options(FlipOptions, numbers, "any").padding == 1.5


BODY = ["left_hand", "head", "right_hand"]


@pytest.mark.parametrize("given", ["mpii16", skeleton("mpii16"), skeleton("mpii16").joints])
def test_skeletons_in_every_form(given):
    for family in FAMILIES.values():
        assert read_options(family.options, {"skeleton": given}, family.name).skeleton == skeleton(
            "mpii16"
        )


def three(**fields):
    maps = np.random.default_rng(0).random((1, 3, 16, 12))
    return raw_heatmaps({"heatmaps": maps, "affine": [np.eye(2, 3)], **fields})


def test_callers_count_more_than_files_and_files_more_than_presets():
    with pytest.raises(SkeletonError, match="17 joints"):
        decode(three(), "hrnet")
    named = three(joints=BODY)
    assert decode(named, "hrnet").skeleton.joints == tuple(BODY)
    assert decode(named, "hrnet", skeleton=None).skeleton.joints == tuple(BODY)
    other = ("a", "b", "c")
    assert decode(named, "hrnet", skeleton=other, flip=False).skeleton.joints == other


def test_none_leaves_an_option_as_it_is():
    raw = three(joints=BODY)
    (step,) = decode(raw, "darkpose", kernel=None, flip_shift=None).history
    assert step.parameters["kernel"] == 11
    # But a kernel is that of its method.
    (step,) = decode(raw, "darkpose", method="taylor").history
    assert step.parameters == {"preset": "darkpose", "method": "taylor", "kernel": None}


def test_arrays_that_do_not_fit_are_errors_of_their_file():
    raw = three(joints=BODY)
    with pytest.raises(FormatError, match="heatmaps: expected an odd positive kernel size, got 4"):
        decode(raw, "darkpose", kernel=4)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("HRNet", "hrnet"),
        ("hrnet_w32", "hrnet"),
        ("HRNet-W48-384x288", "hrnet"),
        ("yolo11-pose", "yolov8-pose"),
        ("YOLOv8n_pose.pt", "yolov8-pose"),
        ("yolo11x-pose-640.onnx", "yolov8-pose"),
        ("yolo26n-pose", "yolo26-pose"),
        ("RTMPose-m", "rtmpose"),
        ("rtmpose_l_256x192", "rtmpose"),
        ("ViTPose Base", "vitpose"),
        ("simple_baseline", "simple-baseline"),
        ("movenet.thunder", "movenet"),
    ],
)
def test_presets_go_by_other_names(typed, name):
    assert get_preset(typed).name == name


@pytest.mark.parametrize("typed", ["hrnet-udp", "vitpose-simcc", "resnet", "", "w32", "-"])
def test_what_is_no_name_of_a_preset_is_not_guessed(typed):
    with pytest.raises(RefineError, match="one of hrnet"):
        get_preset(typed)


def test_likely_names_are_offered():
    for typed, meant in (("hrnt", "hrnet"), ("yolov8pose", "yolov8-pose"), ("rtmpos", "rtmpose")):
        with pytest.raises(RefineError, match=f"did you mean.*{meant}.*one of hrnet"):
            get_preset(typed)


def test_aliases_mean_presets_and_none_is_one():
    aliases = preset_aliases()
    assert set(aliases.values()) <= set(load_presets())
    assert not set(aliases) & set(load_presets())
    assert all(get_preset(alias).name == name for alias, name in aliases.items())
