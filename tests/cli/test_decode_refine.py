"""`refine decode --refine`."""

import json

import numpy as np
import pytest

Y, X = np.mgrid[:64, :48]
FIGURE = np.array(
    [[24, 8], [26, 6], [22, 6], [28, 7], [20, 7], [31, 15], [17, 15], [33, 24], [15, 24], [34, 32],
     [14, 32], [29, 33], [19, 33], [29, 44], [19, 44], [29, 55], [19, 55]], np.float64
)  # fmt: skip


@pytest.fixture
def files(tmp_path):
    """Nine crops with clear maps in two files."""
    rng = np.random.default_rng(0)
    joints = FIGURE + rng.normal(0, 0.3, (9, 17, 2))
    d2 = ((np.stack([X, Y], -1) - joints[:, :, None, None]) ** 2).sum(-1)
    maps = 0.9 * np.exp(-d2 / 8)
    paths = [tmp_path / "1.npz", tmp_path / "2.npz"]
    for path, rows in zip(paths, (slice(0, 4), slice(4, 9)), strict=True):
        n = len(maps[rows])
        box = np.stack([np.arange(n) * 300.0, np.zeros(n), np.full(n, 90), np.full(n, 200)], 1)
        np.savez(path, heatmaps=maps[rows].astype(np.float32), box_xywh=box)
    return paths


def test_maps_are_read_again(cli, tmp_path, files):
    plain, again = tmp_path / "plain.json", tmp_path / "again.json"
    assert cli("decode", *files, "--preset", "hrnet", "--method", "fit", "-o", plain).code == 0
    options = ("--preset", "hrnet", "--method", "fit", "--refine", "-o", again, "--json")
    result = cli("decode", *files, *options)
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert (told["poses"], told["images"], told["method"]) == (9, 2, "fit")
    assert told["joints"] == 0
    before, after = json.loads(plain.read_text()), json.loads(again.read_text())
    assert [r["image_id"] for r in before] == [r["image_id"] for r in after]
    xy = [np.array([r["keypoints"] for r in x]).reshape(-1, 17, 3) for x in (before, after)]
    # Clear maps: less than half a cell, but not nothing.
    assert 0 < np.abs(xy[0] - xy[1])[..., :2].max() < 0.5 * 200 * 1.25 / 64
    for own, new in zip(before, after, strict=True):
        assert new["source_score"] == pytest.approx(own["score"])


def test_the_order_of_files_changes_nothing(cli, files):
    got = []
    for order in (files, files[::-1]):
        result = cli("decode", *order, "--preset", "hrnet", "--refine", "-o", "-")
        assert result.code == 0, result.err
        got.append(sorted(json.loads(result.out), key=lambda r: (r["image_id"], r["bbox"])))
    for one, other in zip(*got, strict=True):
        assert one["image_id"] == other["image_id"]
        assert one["score"] == pytest.approx(other["score"], abs=1e-5)
        assert one["keypoints"] == pytest.approx(other["keypoints"], abs=0.01)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--weights", "coco17"), 2, "--weights needs --refine"),
        (("--refine", "--weights", "no-such"), 3, "no-such"),
        (("--refine", "--set", "colour=1"), 3, "expected an option of heatmap outputs, got colour"),
    ],
)
def test_bad_use(cli, tmp_path, files, options, code, message):
    out = tmp_path / "out.json"
    result = cli("decode", *files, "--preset", "hrnet", *options, "-o", out)
    assert result.code == code
    assert message in result.err
    assert not out.exists()


def test_families_that_cannot_be_read_again(cli, tmp_path):
    np.savez(tmp_path / "7.npz", simcc_x=np.ones((1, 17, 384)), simcc_y=np.ones((1, 17, 512)),
             box_xywh=[[0, 0, 90, 200]])  # fmt: skip
    out = tmp_path / "out.json"
    result = cli("decode", tmp_path / "7.npz", "--preset", "rtmpose", "--refine", "-o", out)
    assert result.code == 3
    assert "family heatmap or paf" in result.err
    assert "refine run" in result.err
    assert not out.exists()
