"""`refine diagnose` and `refine stats`: tables, JSON, the picture, and what is refused."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from refine.errors.statistics import read_statistics
from tests.oracles.records import ground_truth


@pytest.fixture
def files(tmp_path):
    """Ground truth on six images, exact predictions but for some joints, and better ones."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 400, (6, 17, 2)).round()
    (tmp_path / "gt.json").write_text(json.dumps(ground_truth(xy, 400)))
    (tmp_path / "splits.json").write_text('{"dev": [0, 1], "rest": [2, 3, 4, 5]}')
    for name, wrong in (("before", (9, 10)), ("after", (9,))):
        there = xy.copy()
        there[:, list(wrong)] += 4000
        rows = []
        for i in range(6):
            points = np.c_[there[i], np.linspace(0.5, 0.9, 17)]
            points[15] = 0
            rows.append({"image_id": i, "keypoints": points.ravel().tolist(), "score": 0.5})
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    return tmp_path


def test_table(cli, files):
    before, after = files / "before.json", files / "after.json"
    result = cli("diagnose", "--gt", files / "gt.json", before, after)
    assert result.code == 0
    first, second = result.out.split(f"{after}: AP")
    assert first.startswith(f"{before}: AP 0.")
    lines = {
        line.split()[0]: line.split()
        for line in first.split("AP gained")[0].splitlines()[3:]
        if line
    }
    assert lines["left_wrist"] == ["left_wrist", "6", *("0.000",) * 4, "1.000", "0.000"]
    assert lines["left_ankle"] == ["left_ankle", "6", *("0.000",) * 5, "1.000"]
    assert lines["all"][1:] == ["102", "0.824", "0.000", "0.000", "0.000", "0.118", "0.059"]
    assert "0.882" in second
    for word in ("AP by cure", "with those above", "by area", "by visible", "by overlap"):
        assert word in first


def test_json(cli, files):
    before = str(files / "before.json")
    arguments = ["diagnose", "--gt", files / "gt.json", before, "--json"]
    found = json.loads(cli(*arguments).out)[before]
    assert found["counts"]["left_wrist"]["miss"] == 6
    assert found["shares"]["absent"] == pytest.approx(1 / 17)
    assert found["compat"] is False
    assert np.mean(found["exact"]["miss"]) > np.mean(found["ap"])
    few = json.loads(cli(*arguments, "--image-ids", f"{files / 'splits.json'}:dev").out)[before]
    assert few["persons"] == 2
    old = json.loads(cli(*arguments, "--compat").out)[before]
    assert old["counts"]["left_ankle"]["miss"] == 6
    assert old["compat"] is True


def test_picture(cli, files):
    """Every kind has its colour, and as much of it as its share."""
    from refine.drawing.palette import KINDS

    out = files / "errors.png"
    gt, before, after = (files / f"{name}.json" for name in ("gt", "before", "after"))

    def draw(*predictions):
        assert cli("diagnose", "--gt", gt, *predictions, "--picture", out).code == 0
        return np.asarray(Image.open(io.BytesIO(out.read_bytes())).convert("RGB"))

    both = draw(before, after)

    def area(kind):
        colour = [int(KINDS[kind][i : i + 2], 16) for i in (1, 3, 5)]
        return int((both == colour).all(-1).sum())

    # No joint is a swap, so that its colour is the legend's alone.
    bars = {kind: area(kind) - area("swap") for kind in KINDS}
    total = sum(bars.values())
    assert bars["jitter"] == bars["inversion"] == 0
    assert bars["miss"] / total == pytest.approx(3 / 34, abs=0.002)
    assert bars["absent"] / total == pytest.approx(1 / 17, abs=0.002)
    assert draw(before).shape[0] < both.shape[0]


def test_bad_input(cli, files):
    gt, before = files / "gt.json", files / "before.json"
    stray = files / "stray.json"
    rows = json.loads(before.read_text())
    rows[0]["image_id"] = 99
    stray.write_text(json.dumps(rows))
    for arguments, message in (
        ([stray], "got image ids 99"),
        ([files / "absent.json"], "absent.json"),
        ([before, "--max-dets", "0"], "at least 1"),
        ([before, "--gt", before], "expected COCO annotations"),
        ([before, "--picture", files / "none" / "a.png"], "expected a writable target"),
    ):
        result = cli("diagnose", "--gt", gt, *arguments)
        assert result.code == 3, arguments
        assert message in result.err
        assert result.out == ""
    assert cli("diagnose", "--gt", gt, stray, "--keep-going").code == 0
    assert cli("diagnose", "--gt", gt, before, before, before).code == 2


def test_stats(cli, files):
    out = files / "mine.toml"
    gt, before = files / "gt.json", files / "before.json"
    result = cli("stats", before, "--gt", gt, "-o", out, "--source", "a/b c", "--json")
    assert result.code == 0
    assert json.loads(result.out)["counts"]["miss"] == 12
    assert "6 persons found on 6 images, 102 joints: good 0.824" in result.err
    found = read_statistics(out)
    assert (found.name, found.source) == ("mine", "a/b c")
    assert found.command == "refine stats before.json --gt gt.json -o mine.toml --json"
    assert found.omission.rates["ankle"][1] > 0.05
    assert str(files) not in out.read_text()


def test_stats_of_some_images(cli, files):
    gt, before, ids = files / "gt.json", files / "before.json", f"{files / 'splits.json'}:dev"
    for option, images in (("--image-ids", 2), ("--without", 4)):
        result = cli("stats", before, "--gt", gt, "-o", "-", option, ids, "--name", "few")
        assert result.code == 0
        assert f"images = {images}\n" in result.out
        assert result.out.startswith('name = "few"\n')
    rest = f"{files / 'splits.json'}:rest"
    none = cli("stats", before, "--gt", gt, "-o", "-", "--without", ids, "--without", rest)
    assert none.code == 3
    both = cli("stats", before, "--gt", gt, "-o", "-", "--image-ids", ids, "--without", ids)
    assert both.code == 3
    assert "expected ids of images" in both.err
