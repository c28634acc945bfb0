"""Every option of every family with values of every kind: a pose or an error in words."""

import contextlib
import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from refine.decoding import FAMILIES, decode, read_outputs
from refine.exceptions import RefineError
from tests.oracles.outputs import PRESETS, arrays_of, outputs_of

ODD = (
    1.5, -1, 0, 10**12, 10**30, -0.5, 1e300, float("nan"), float("inf"), True, False, "", "x", "1",
    [], [1, 2], [1.5, "a"], [[1]], {}, {"a": 1}, [None], "fit", "box", "coco17", [1e9, 1e9], [0, 0],
)  # fmt: skip
OPTIONS = [(name, f.name) for name, kind in FAMILIES.items() for f in fields(kind.options)]
SLOW = {"time_limit", "max_variables"}


@pytest.fixture(scope="module")
def raw_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("options")
    for family in FAMILIES:
        np.savez(folder / f"{family}.npz", **arrays_of(family))
    return lambda family: read_outputs(folder / f"{family}.npz", PRESETS[family])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("family", "option"), OPTIONS, ids="-".join)
def test_odd_values_of_options_are_told(raw_of, family, option):
    raw = raw_of(family)
    for value in ODD:
        if option in SLOW and isinstance(value, int) and value > 0:
            continue
        with contextlib.suppress(RefineError):
            decode(raw, PRESETS[family], **{option: value})


@pytest.mark.parametrize(
    "setting",
    ["threads=1.5", "threads=0", "threads=-3", "threads=1e30", "kernel=1.5", "flip=maybe",
     "padding=nan", "padding=-1", "padding=inf", "offset=1e300", "stride=0", "stride=1000000000",
     "skeleton=3"],
)  # fmt: skip
def test_odd_settings_from_the_shell(tmp_path, cli, setting):
    fields = {k: v for k, v in arrays_of("heatmap").items() if k in outputs_of("heatmap")}
    np.savez(tmp_path / "a.npz", **fields, box_xyxy=[[1, 2, 30, 40], [5, 5, 60, 60]])
    got = cli("decode", tmp_path / "a.npz", "--preset", "udp", "--set", setting, "-o", "-")
    assert got.code == 3, got.out
    assert "Traceback" not in got.err


VALUE = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=5),
    st.lists(st.one_of(st.floats(), st.integers(), st.text(max_size=3), st.none()), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
META = (
    "stride", "input_size", "image_size", "image_id", "affine", "scale", "scale_x", "pad_left",
    "crop_xyxy", "preprocessing", "input", "picture", "coordinates_normalised", "images",
    "keypoints", "joints", "box_xywh", "center", "box_score", "input_size_wh", "picture_size",
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(table=st.dictionaries(st.sampled_from(META), VALUE, min_size=1, max_size=5))
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_odd_metadata_is_told(tmp_path_factory, family, table):
    folder = tmp_path_factory.mktemp("meta")
    outputs = {k: v for k, v in arrays_of(family).items() if k in outputs_of(family)}
    for placed in (outputs, arrays_of(family)):
        np.savez(folder / "a.npz", **placed)
        (folder / "a.json").write_text(json.dumps(table))
        with contextlib.suppress(RefineError):
            decode(folder / "a.npz", PRESETS[family])
