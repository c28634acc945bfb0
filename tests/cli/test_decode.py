import json

import numpy as np
import pytest

from refine.decoding import load_presets

Y, X = np.mgrid[:64, :48]


def maps(n, seed=0):
    centre = np.random.default_rng(seed).uniform((3, 3), (44, 60), (n, 17, 2))
    d2 = (X - centre[..., 0, None, None]) ** 2 + (Y - centre[..., 1, None, None]) ** 2
    return np.exp(-d2 / 8).astype(np.float32), centre


def affine(n):
    return np.tile([[2.0, 0, -10], [0, 2.0, -20]], (n, 1, 1))


def save(path, n=2, **fields):
    heatmaps, centre = maps(n)
    np.savez(path, **{"heatmaps": heatmaps, "affine": affine(n), **fields})
    return (centre * 4 + (10, 20)) / 2


def keypoints(record):
    return np.array(record["keypoints"]).reshape(-1, 3)


def test_files_become_coco_results(cli, tmp_path):
    expected = save(tmp_path / "000000000785.npz")
    save(tmp_path / "000000000139.npz", n=1)
    out = tmp_path / "out.json"
    result = cli(
        "decode",
        tmp_path / "000000000785.npz",
        tmp_path / "000000000139.npz",
        *("--preset", "hrnet", "--method", "fit", "-o", out),
    )
    assert result.code == 0, result.err
    assert result.out == ""
    assert "3 poses on 2 images" in result.err
    written = json.loads(out.read_text())
    records = written if isinstance(written, list) else written["annotations"]
    assert [r["image_id"] for r in records] == [785, 785, 139]
    np.testing.assert_allclose(keypoints(records[1])[:, :2], expected[1], atol=0.01)
    # The highest cell lies up to half a cell beside the centre.
    assert (keypoints(records[0])[:, 2] > 0.9).all()


def test_standard_output_holds_data_only(cli, tmp_path):
    save(tmp_path / "7.npz")
    result = cli("decode", tmp_path / "7.npz", "--preset", "refine", "-o", "-", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)
    told = json.loads(result.err.strip().splitlines()[-1])
    assert told["poses"] == 2
    assert told["method"] == "fit"


def test_options_override_the_preset(cli, tmp_path):
    heatmaps, _ = maps(2)
    save(tmp_path / "7.npz", heatmaps_flipped_input=heatmaps)
    got = {}
    for name, options in {
        "merged": (),
        "shifted": ("--flip-shift", 5),
        "plain": ("--no-flip",),
        "quarter": ("--no-flip", "--method", "quarter"),
        "box": ("--no-flip", "--score", "box"),
    }.items():
        out = tmp_path / f"{name}.json"
        result = cli("decode", tmp_path / "7.npz", "--preset", "refine", "-o", out, *options)
        assert result.code == 0, result.err
        got[name] = out.read_bytes()
    assert len(set(got.values())) == len(got)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--preset", "resnet"), "hrnet"),
        (("--preset", "hrnet", "--method", "best"), "one of fit"),
        (("--preset", "hrnet", "--skeleton", "nobody"), "coco17"),
        (("--preset", "hrnet", "--method", "dark", "--kernel", "4"), "odd"),
        (("--preset", "hrnet", "--score", "median"), "box\\*mean"),
        (("--preset", "hrnet", "--meta", "none.json"), "none.json"),
    ],
)
def test_bad_options_leave_nothing_behind(cli, tmp_path, options, message):
    save(tmp_path / "7.npz")
    out = tmp_path / "out.json"
    result = cli("decode", tmp_path / "7.npz", *options, "-o", out)
    assert result.code == 3
    assert message.replace("\\", "") in result.err
    assert "Traceback" not in result.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"heatmaps": np.zeros((3, 17, 8, 6))}, "affine"),
        ({"heatmaps": np.zeros((17, 8, 6))}, "(N, K, H, W)"),
        ({"affine": np.full((2, 2, 3), np.nan)}, "crop 0"),
        ({"affine": np.zeros((2, 2, 3))}, "inverse"),
    ],
)
def test_bad_files_say_where(cli, tmp_path, fields, message):
    save(tmp_path / "7.npz", **fields)
    result = cli("decode", tmp_path / "7.npz", "--preset", "hrnet", "-o", tmp_path / "out.json")
    assert result.code == 3
    assert "7.npz" in result.err
    assert message in result.err


@pytest.mark.parametrize("value", [0.0, np.nan, 1.0, -1.0])
def test_maps_of_zeros_nan_and_plateaus_are_written(cli, tmp_path, value):
    save(tmp_path / "7.npz", heatmaps=np.full((2, 17, 64, 48), value))
    out = tmp_path / "out.json"
    result = cli("decode", tmp_path / "7.npz", "--preset", "hrnet", "-o", out)
    assert result.code == 0, result.err
    assert b"NaN" not in out.read_bytes()


def test_mirrored_maps_in_some_files_only(cli, tmp_path):
    save(tmp_path / "7.npz", heatmaps_flipped_input=maps(2)[0])
    save(tmp_path / "8.npz")
    both = (tmp_path / "7.npz", tmp_path / "8.npz", "--preset", "hrnet", "-o", tmp_path / "o.json")
    refused = cli("decode", *both)
    assert refused.code == 3
    assert "--no-flip" in refused.err
    assert cli("decode", *both, "--no-flip").code == 0


def test_damaged_file(cli, tmp_path):
    (tmp_path / "7.npz").write_bytes(b"")
    result = cli("decode", tmp_path / "7.npz", "--preset", "hrnet", "-o", "-", "--json")
    assert result.code == 3
    assert json.loads(result.err)["error"]["where"].endswith("7.npz")


def test_usage(cli):
    assert cli("decode").code == 2


def test_presets_are_listed(cli):
    listed = cli("presets")
    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()] == list(load_presets())
    assert json.loads(cli("presets", "--json").out)["udp"]["kernel"] == 7
    assert "dark-udp" in cli("presets", "udp").out
    assert cli("presets", "x").code == 3


def test_a_preset_is_printed_with_the_options_of_its_family(cli):
    printed = dict(line.split(None, 1) for line in cli("presets", "rtmo").out.splitlines())
    assert printed["family"] == "rtmo"
    assert printed["threshold"] == "0.1"
    assert printed["padding"] == "1.25  (default)"
    assert "kernel" not in printed
    assert "note" not in printed


def test_options_of_the_wrong_type_name_the_key(cli, tmp_path):
    save(tmp_path / "7.npz")
    told = cli("decode", tmp_path / "7.npz", "--preset", "udp", "--set", "beta=hot", "-o", "-")
    assert told.code == 3
    assert "expected `float` as option 'beta' of heatmap outputs, got 'hot'" in told.err
