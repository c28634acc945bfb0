"""PersonLab decoders on real outputs: reference poses, AP, and what our own form gains."""

import json

import numpy as np
import pytest

from refine.decoding import decode
from refine.evaluation.coco import evaluate
from refine.poses import Poses


@pytest.fixture(scope="module")
def files(data):
    return sorted((data / "raw" / "posenet-coral").glob("*.npz"))


def reference(data, files):
    """Poses of the reference decoder by image id."""
    by_image = {int(f.stem): [] for f in files}
    for row in json.loads((data / "predictions" / "posenet-coral__val.json").read_text()):
        by_image.get(row["image_id"], []).append(row)
    return by_image


def ap(data, poses):
    ids = [ref.id for ref in poses.images]
    return evaluate(data / "coco" / "images_val_gt.json", poses, image_ids=ids)["AP"]


def test_reference_poses(data):
    """@tensorflow-models/posenet 2.2.2 itself, on float32 outputs; its file has few decimals."""
    count = 0
    for path in sorted((data / "raw_reference" / "posenet-coral").glob("*.npz")):
        people = json.loads(path.with_suffix(".json").read_text())["reference"]["people"]
        ours = decode(path, "posenet", max_poses=10)
        theirs = np.array([p["keypoints_xyc_picture"] for p in people])
        np.testing.assert_allclose(ours.xy, theirs[..., :2], rtol=0, atol=1e-3)
        np.testing.assert_allclose(ours.score, theirs[..., 2], rtol=0, atol=1e-4)
        np.testing.assert_allclose(ours.instance_score, [p["score"] for p in people], atol=1e-6)
        count += len(people)
    assert count == 15


def test_reference_file(data, files):
    """All poses of 25 pictures from float16 outputs; the file has two decimals."""
    rows, count = reference(data, files), 0
    for path in files:
        ours, theirs = decode(path, "posenet"), rows[int(path.stem)]
        xy = np.array([r["keypoints"] for r in theirs]).reshape(-1, 17, 3)[..., :2]
        np.testing.assert_allclose(ours.xy, xy, rtol=0, atol=0.02)
        np.testing.assert_allclose(ours.instance_score, [r["score"] for r in theirs], atol=1e-4)
        count += len(theirs)
    assert count == 189


def test_ap(data, files):
    """Measured: posenet .214 (as the reference file), coral .251, hough .256, ours .287."""
    rows = reference(data, files)
    poses = {
        p: Poses.concat([decode(f, p) for f in files])
        for p in ("posenet", "posenet-coral", "personlab", "refine-personlab")
    }
    points = np.array([r["keypoints"] for of in rows.values() for r in of]).reshape(-1, 17, 3)
    theirs = poses["posenet"].replace(
        xy=points[..., :2],
        instance_score=np.array([r["score"] for of in rows.values() for r in of]),
    )
    score = {name: ap(data, p) for name, p in poses.items()}
    assert score["posenet"] == pytest.approx(ap(data, theirs), abs=1e-3)
    assert score["posenet-coral"] > score["posenet"] + 0.02
    assert score["personlab"] > score["posenet"] + 0.02
    assert score["refine-personlab"] > score["posenet"] + 0.05


@pytest.mark.parametrize("preset", ["posenet", "posenet-coral", "personlab", "refine-personlab"])
def test_from_the_shell(data, files, cli, tmp_path, preset):
    assert cli("decode", *files[:3], "--preset", preset, "-o", tmp_path / "out.json").code == 0
    assert {r["image_id"] for r in json.loads((tmp_path / "out.json").read_text())} <= {
        int(f.stem) for f in files[:3]
    }
