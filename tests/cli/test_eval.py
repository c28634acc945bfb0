"""`refine eval`: the table, subsets, other sigmas, PCKh, and what is refused."""

import json

import numpy as np
import pytest

from refine.skeletons import skeleton
from tests.oracles.records import ground_truth


@pytest.fixture
def files(tmp_path):
    """Ground truth on four images, one good and one poor prediction file."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 200, (4, 17, 2)).round()
    (tmp_path / "gt.json").write_text(json.dumps(ground_truth(xy, 200, head_size=30.0)))
    for name, shift, number in (("good", 1, 4), ("poor", 12, 2)):
        rows = [
            {
                "image_id": i,
                "category_id": 1,
                "keypoints": np.c_[xy[i] + shift, np.full(17, 0.9)].ravel().tolist(),
                "score": 0.5 + i / 10,
            }
            for i in range(number)
        ]
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    return tmp_path


def test_table(cli, files):
    good, poor = files / "good.json", files / "poor.json"
    result = cli("eval", "--gt", files / "gt.json", good, poor)
    assert result.code == 0
    head, *rows = result.out.splitlines()
    names = ["predictions", "AP", "AP50", "AP75", "APM", "APL", "AR", "poses", "images", "without"]
    assert head.split() == names
    assert rows[0].split() == [
        str(good),
        *("1.0000", "1.0000", "1.0000", "-1.0000", "1.0000", "1.0000"),
        *("4", "4", "0"),
    ]
    assert rows[1].split()[-3:] == ["2", "4", "2"]
    assert float(rows[1].split()[1]) < 0.6
    assert "sigmas of coco17" in result.err
    assert "2 of 4 images with people have no prediction" in result.err


def test_json(cli, files):
    good = str(files / "good.json")
    report = json.loads(cli("eval", "--gt", files / "gt.json", good, "--json").out)[good]
    assert report["metrics"]["AP"] == pytest.approx(1)
    assert report["official_sigmas"] is True
    assert report["images_without_predictions"] == 0


@pytest.mark.parametrize(
    ("name", "content", "suffix"),
    [
        ("ids.json", "[0, 1]", ""),
        ("ids.json", '{"dev": [0, 1], "all": [0]}', ":dev"),
        ("ids.txt", "0\n1\n", ""),
    ],
)
def test_image_ids(cli, files, name, content, suffix):
    poor, ids = str(files / "poor.json"), files / name
    ids.write_text(content)
    found = cli("eval", "--gt", files / "gt.json", poor, "--json", "--image-ids", f"{ids}{suffix}")
    report = json.loads(found.out)[poor]
    assert (report["images"], report["images_without_predictions"]) == (2, 0)


def test_other_sigmas_are_told(cli, files):
    own = files / "own.toml"
    joints = skeleton("coco17").joints
    sigmas = "".join(f"{j} = 0.3\n" for j in joints)
    own.write_text(f"joints = {json.dumps(list(joints))}\n[sigmas]\n{sigmas}")
    result = cli("eval", "--gt", files / "gt.json", files / "poor.json", "--sigmas", own)
    assert "not those published" in result.err


def test_pckh(cli, files):
    good, poor = str(files / "good.json"), str(files / "poor.json")
    arguments = ["eval", "--gt", files / "gt.json", "--metric", "pckh"]
    result = cli(*arguments, good, poor)
    assert [line.split()[1] for line in result.out.splitlines()[1:]] == ["1.0000", "0.0000"]
    report = json.loads(cli(*arguments, good, "--json").out)[good]
    assert report["metrics"] == {"PCKh@0.5": 1.0}
    assert report["persons"] == 4


def test_bad_input(cli, files):
    gt, good = files / "gt.json", files / "good.json"
    ids = files / "ids.json"
    ids.write_text('{"dev": [0]}')
    stray = files / "stray.json"
    rows = json.loads(good.read_text())
    rows[0]["image_id"] = 99
    stray.write_text(json.dumps(rows))
    unscored = files / "unscored.json"
    rows = json.loads(good.read_text())
    del rows[2]["score"]
    unscored.write_text(json.dumps(rows))
    for arguments, message in (
        ([good, "--image-ids", ids], "with one of dev"),
        ([good, "--image-ids", f"{ids}:test"], "expected the key of a list of image ids"),
        ([stray], "got image ids 99"),
        ([unscored], "finite instance score"),
        ([good, "--gt", good], "expected COCO annotations"),
        ([good, "--gt", files / "absent.json"], "absent.json: expected a readable file"),
        ([good, "--sigmas", "lsp14"], "expected a positive sigma"),
    ):
        result = cli("eval", "--gt", gt, *arguments)
        assert result.code == 3, arguments
        assert message in result.err
        assert result.out == ""
    assert cli("eval", "--gt", gt, stray, "--keep-going").code == 0


def test_every_verb_takes_ground_truth_that_names_no_joints(cli, files):
    """Sigmas, and joints that the file does not name, are those of --sigmas on every verb."""
    gt = json.loads((files / "gt.json").read_text())
    own = [f"j{i}" for i in range(17)]
    lines = "".join(f"{joint} = 0.1\n" for joint in own)
    (files / "own.toml").write_text(f"joints = {json.dumps(own)}\n[sigmas]\n{lines}")
    (files / "named.json").write_text(
        json.dumps({**gt, "categories": [{"id": 1, "name": "person", "keypoints": own}]})
    )
    (files / "unnamed.json").write_text(json.dumps({**gt, "categories": []}))
    body = ("--skeleton", files / "own.toml")
    for name in ("named.json", "unnamed.json"):
        for verb, more in (("eval", ()), ("diagnose", ()), ("stats", ("-o", files / "s.toml"))):
            command = (verb, files / "good.json", "--gt", files / name, *body, *more)
            result = cli(*command, "--sigmas", files / "own.toml")
            assert result.code == 0, (command, result.err)
    assert cli("diagnose", files / "good.json", "--gt", files / "named.json", *body).code == 0
    missing = cli("diagnose", files / "good.json", "--gt", files / "named.json")
    assert missing.code == 3
    assert "expected OKS sigmas for every joint" in missing.err
