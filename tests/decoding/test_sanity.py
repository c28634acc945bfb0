"""Damaged outputs of every family: an error that names the record, or poses that can be read."""

import json

import numpy as np
import pytest

from refine.decoding import FAMILIES, decode, read_outputs
from refine.decoding.sanity import count_blank
from refine.exceptions import FormatError, RefineError, RefineWarning
from refine.formats import read, write
from tests.oracles.outputs import PRESETS, arrays_of, outputs_of

DAMAGE = {
    "nan": np.nan,
    "far": 3e6,
    "huge": 1e30,
    "minus": -1e30,
    "greatest": float(np.finfo(np.float32).max),
}


def damaged(family, value, share, only=None, seed=0):
    rng = np.random.default_rng(seed)
    fields = arrays_of(family)
    for name in [only] if only else outputs_of(family):
        array = np.array(fields[name], np.float32)
        hit = rng.random(array.shape) < share
        hit.flat[rng.integers(hit.size)] = True
        array[hit] = value
        fields[name] = array
    return fields


def outcome(tmp_path, family, fields):
    """Decode a file: its poses, or None where it was refused in so many words."""
    path = tmp_path / "a.npz"
    np.savez(path, **fields)
    try:
        return decode(path, PRESETS[family])
    except RefineError as error:
        return None if str(path) in str(error) else error


def test_there_is_a_sample_of_every_family(tmp_path):
    assert set(PRESETS) == set(FAMILIES)
    for family in FAMILIES:
        assert len(outcome(tmp_path, family, arrays_of(family))), family


@pytest.mark.filterwarnings("error", "ignore::refine.exceptions.RefineWarning")
@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_damage_gives_poses_that_cannot_be_read(tmp_path, family, kind):
    for share in (0.02, 1.0):
        for seed, only in enumerate((None, *outputs_of(family))):
            poses = outcome(tmp_path, family, damaged(family, DAMAGE[kind], share, only, seed))
            if poses is None:
                continue
            assert not np.isinf(poses.score).any()
            assert not np.isinf(poses.instance_score).any()
            assert (np.isfinite(poses.xy).all(-1) | np.isnan(poses.xy).all(-1)).all()
            write(poses, tmp_path / "o.json", "coco")
            if len(poses):
                assert len(read(tmp_path / "o.json", skeleton=poses.skeleton)) == len(poses)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("family", FAMILIES)
def test_infinity_is_an_error_that_names_the_record(tmp_path, family, value):
    for name in outputs_of(family):
        if name.startswith("box_xyxy"):
            continue
        fields = arrays_of(family)
        array = np.array(fields[name], np.float64)
        array[-1].flat[-1] = value
        np.savez(tmp_path / "a.npz", **fields | {name: array})
        with pytest.raises(FormatError, match=rf"record {len(array) - 1}: .*`{name}`"):
            decode(tmp_path / "a.npz", PRESETS[family])


def test_maps_of_nan_are_counted_and_said(tmp_path, cli):
    fields = arrays_of("heatmap")
    fields["heatmaps"][1, 3:5] = np.nan
    path, out = tmp_path / "a.npz", tmp_path / "o.json"
    np.savez(path, **fields)
    got = cli("decode", path, "--preset", "hrnet", "-o", out)
    assert "2 maps hold nothing but NaN" in got.err
    told = cli("decode", path, "--preset", "hrnet", "-o", out, "--json")
    assert json.loads(told.out)["blank_maps"] == 2
    with pytest.warns(RefineWarning, match=r"a\.npz: 2 maps hold nothing but NaN") as warned:
        poses = decode(path, "hrnet")
    assert warned[0].filename == __file__
    assert not poses.present[1, 3:5].any()
    assert not (poses.score[1, 3:5] > 0).any()


@pytest.mark.parametrize(
    ("family", "name", "shape", "count"),
    [
        ("simcc", "simcc_x", (2, 17, 8), 34),
        ("paf", "pafs", (38, 9, 9), 38),
        ("paf", "pafs", (50, 60, 38), 38),
        ("coordinates", "coordinates", (2, 17, 2), 34),
        ("yolo-pose", "output0", (56, 84), 56),
    ],
)
def test_blank_maps_of_any_layout(tmp_path, family, name, shape, count):
    fields = arrays_of(family)
    outputs = {name: np.full(shape, np.nan, np.float32)}
    placed = {k: v for k, v in fields.items() if k not in outputs_of(family)}
    np.savez(tmp_path / "a.npz", **outputs, **placed)
    raw = read_outputs(tmp_path / "a.npz", PRESETS[family])
    raw.array(name)
    assert count_blank(raw) == count
