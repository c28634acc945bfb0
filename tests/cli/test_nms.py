"""`refine nms` from file to file."""

import json

import numpy as np
import pytest


def results(tmp_path, scores=(0.5, 0.9, 0.7)):
    """Two near-twins and one other person on one image, fields of the source on each."""
    rng = np.random.default_rng(0)
    first = rng.uniform(0, 300, (17, 2)).round(2)
    people = [first, first + 1, rng.uniform(400, 700, (17, 2)).round(2)]
    rows = [
        {
            "image_id": 7,
            "category_id": 1,
            "keypoints": np.c_[xy, np.full(17, 0.5)].ravel().tolist(),
            "score": score,
            "note": f"pose {i}",
        }
        for i, (xy, score) in enumerate(zip(people, scores, strict=True))
    ]
    file = tmp_path / "pred.json"
    file.write_text(json.dumps(rows))
    return file, rows


def test_the_worse_twin_goes_and_all_else_stays(cli, tmp_path):
    file, rows = results(tmp_path)
    out = tmp_path / "out.json"
    result = cli("nms", file, "-o", out)
    assert (result.code, result.out) == (0, "")
    assert "3 poses on 1 images: 1 removed" in result.err
    kept = json.loads(out.read_text())
    assert [r["note"] for r in kept] == ["pose 1", "pose 2"]
    assert kept[0]["keypoints"] == pytest.approx(rows[1]["keypoints"])
    assert kept[0]["score"] == 0.9


def test_soft_writes_decayed_scores_and_drops_on_request(cli, tmp_path):
    file, _ = results(tmp_path)
    out = tmp_path / "out.json"
    assert cli("nms", file, "-o", out, "--method", "soft-gaussian").code == 0
    scores = [r["score"] for r in json.loads(out.read_text())]
    assert scores[1:] == [0.9, 0.7]
    assert 0 < scores[0] < 0.25
    cli("nms", file, "-o", out, "--method", "soft-gaussian", "--score-threshold", "0.3")
    assert len(json.loads(out.read_text())) == 2


def test_options_reach_the_rule(cli, tmp_path):
    file, _ = results(tmp_path)
    out = tmp_path / "out.json"
    result = cli("nms", file, "-o", out, "--max-poses", "1", "--json")
    assert json.loads(result.out)["removed"] == 2
    assert json.loads(result.out)["max_poses"] == 1
    cli("nms", file, "-o", out, "--visible-threshold", "0.6")
    assert len(json.loads(out.read_text())) == 3


def test_standard_streams(cli, tmp_path):
    file, _ = results(tmp_path)
    result = cli("nms", "-", "-o", "-", "--json", stdin=file.read_bytes())
    assert result.code == 0
    assert len(json.loads(result.out)) == 2
    assert '"removed":1' in result.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "0"], "threshold in (0, 1]"),
        (["--area", "box"], "area rule 'box'"),
        (["--max-poses", "0"], "max_poses of at least 1"),
    ],
)
def test_bad_options(cli, tmp_path, options, message):
    file, _ = results(tmp_path)
    out = tmp_path / "out.json"
    result = cli("nms", file, "-o", out, *options)
    assert result.code == 3
    assert message in result.err
    assert not out.exists()
    assert "Traceback" not in result.err
