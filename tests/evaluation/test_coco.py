"""What `evaluate` takes, refuses and reports; the figures themselves are in parity/."""

import json

import numpy as np
import pytest

import refine
from refine.evaluation.coco import METRICS, evaluate
from refine.evaluation.ground_truth import read_ground_truth
from refine.exceptions import ArrayError, FormatError, RefineError, SkeletonError
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton, skeleton
from tests.oracles.records import ground_truth

TABLE = skeleton("coco17")
RNG = np.random.default_rng(0)
XY = RNG.uniform(0, 200, (3, 17, 2)).round()


def truth(**changes):
    gt = ground_truth(XY, 200, ids=(10, 11, 12), **changes)
    gt["images"] = [{"id": 10 + i, "file_name": f"frames/a{i}.jpg"} for i in range(3)]
    return gt


def poses(xy=XY, ids=(10, 11, 12), table=TABLE, score=None):
    n = len(xy)
    return Poses.from_arrays(
        table,
        xy,
        instance_score=np.ones(n) if score is None else score,
        image=range(n),
        images=[ImageRef(i) for i in ids],
    )


def test_perfect_and_none():
    report = evaluate(truth(), poses())
    assert list(report.metrics) == list(METRICS)
    assert report["AP"] == pytest.approx(1.0, abs=1e-12)
    assert report["APM"] == -1.0
    assert (report.poses, report.persons, report.images) == (3, 3, 3)
    assert report.official_sigmas
    assert report.warnings == ()
    empty = evaluate(truth(), poses(np.zeros((0, 17, 2)), ()))
    assert empty["AP"] == empty["AR"] == 0.0
    assert empty.images_without_predictions == 3
    assert "3 of 3 images with people have no prediction" in empty.warnings[0]


def test_inputs_agree(tmp_path):
    file = tmp_path / "gt.json"
    file.write_text(json.dumps(truth()))
    moved = poses(XY + 8)
    once = evaluate(truth(), moved)
    as_truth = Poses.from_arrays(
        TABLE,
        XY,
        np.full((3, 17), 2.0),
        image=range(3),
        images=[ImageRef(10 + i) for i in range(3)],
        score_kind="flag",
        area=[20000.0] * 3,
        box=[[0, 0, 200, 200]] * 3,
    )
    for gt in (file, str(file), as_truth, read_ground_truth(file)):
        assert evaluate(gt, moved).metrics == once.metrics
    assert refine.evaluate(file, moved) == once
    assert 0.2 < once["AP"] < 1
    assert json.loads(json.dumps(once.to_dict()))["metrics"]["AP"] == once["AP"]
    assert "AP 0." in str(once)


def test_nothing_is_printed_and_nothing_is_changed(capsys):
    gt, found = truth(), poses()
    before = json.dumps(gt), found.xy.copy()
    evaluate(gt, found)
    assert capsys.readouterr().out == ""
    assert json.dumps(gt) == before[0]
    np.testing.assert_array_equal(found.xy, before[1])


def test_image_ids():
    found = poses()
    part = evaluate(truth(), found, image_ids=[10, 11])
    assert (part.images, part.poses, part.persons) == (2, 2, 2)
    missed = evaluate(truth(), poses(XY[:1], (10,)), image_ids=[10, 11])
    assert missed["AR"] == 0.5
    assert missed.images_without_predictions == 1
    assert evaluate(truth(), found, image_ids=["10", "frames/a1.jpg"]).images == 2
    with pytest.raises(FormatError, match="got 7, 8"):
        evaluate(truth(), found, image_ids=[7, 8, 10])
    with pytest.raises(FormatError, match="got none"):
        evaluate(truth(), found, image_ids=[])


@pytest.mark.parametrize(
    "ids", [("10", "11", "12"), ("000000000010", "11", 12), ("a0.jpg", "a1", "x/a2.jpg")]
)
def test_images_are_found_by_number_and_by_name(ids):
    assert evaluate(truth(), poses(ids=ids))["AP"] == pytest.approx(1)


def test_unknown_images():
    stray = poses(ids=(10, 11, 99))
    with pytest.raises(FormatError, match="got image ids 99"):
        evaluate(truth(), stray)
    assert evaluate(truth(), stray, image_ids=[10]).poses == 1
    report = evaluate(truth(), stray, strict=False)
    assert report.poses == 2
    assert "1 poses on images that the ground truth lacks were left out" in report.warnings[1]


def test_scores_must_be_known():
    with pytest.raises(ArrayError, match="pose 1: expected a finite instance score"):
        evaluate(truth(), poses(score=[1, np.nan, 1]))


def test_sigmas(tmp_path):
    far = poses(XY + 8)
    usual = evaluate(truth(), far)
    loose = evaluate(truth(), far, sigmas=TABLE.require_sigmas() * 2)
    assert loose["AP"] > usual["AP"]
    assert not loose.official_sigmas
    same = evaluate(truth(), far, sigmas="halpe26")
    assert same.metrics == usual.metrics
    assert same.official_sigmas
    file = tmp_path / "own.toml"
    lines = "".join(f"{j} = 0.2\n" for j in TABLE.joints)
    file.write_text(f"joints = {json.dumps(list(TABLE.joints))}\n[sigmas]\n{lines}")
    assert evaluate(truth(), far, sigmas=file)["AP"] > usual["AP"]
    with pytest.raises(SkeletonError, match="for every joint, not"):
        evaluate(truth(), far, sigmas="lsp14")
    with pytest.raises(SkeletonError, match="expected 17 sigmas"):
        evaluate(truth(), far, sigmas=np.ones(3))


def test_skeletons_by_name():
    openpose = skeleton("openpose18")
    index = openpose.map_from(TABLE)[0]
    other = np.where((index >= 0)[:, None], XY[:, index], np.nan)
    report = evaluate(truth(), poses(other, table=openpose))
    assert report["AP"] == pytest.approx(1)
    assert "poses of openpose18 scored as coco17" in report.warnings
    with pytest.raises(SkeletonError, match="shares joints with"):
        evaluate(truth(), poses(np.zeros((1, 1, 2)), (10,), Skeleton("tool", ("tip",))))


def test_own_skeleton_without_names_in_the_file():
    gt = truth()
    gt["categories"][0].pop("keypoints")
    assert evaluate(gt, poses())["AP"] == pytest.approx(1)
    own = Skeleton("own", tuple(f"j{i}" for i in range(17)), sigmas=np.full(17, 0.1))
    assert evaluate(gt, poses(table=own), sigmas=own)["AP"] == pytest.approx(1)
    for person in gt["annotations"]:
        person["keypoints"] = person["keypoints"][:42]
    with pytest.raises(SkeletonError, match="one skeleton for 14 joints, got several"):
        evaluate(gt, poses())


def test_area_rules():
    found = poses(XY + 8).replace(box=np.tile([0.0, 0, 40, 40], (3, 1)), area=np.full(3, 20000.0))
    gt = truth(area=5000.0)
    auto, box = evaluate(gt, found), evaluate(gt, found, area="box")
    assert auto == box
    assert auto.area == "box"
    assert evaluate(gt, found.replace(box=None)).area == "keypoints"
    assert evaluate(gt, found, area="given").area == "given"
    holes = found.replace(box=np.vstack([found.box[:2], np.full((1, 4), np.nan)]))
    with pytest.raises(ArrayError, match="area rule"):
        evaluate(gt, holes)


def test_areas_that_are_missing_are_told():
    gt = truth()
    for person in gt["annotations"]:
        del person["area"]
    report = evaluate(gt, poses())
    assert "3 persons have no area; taken as 0.53 of their box" in report.warnings


def test_crowds_and_unlabelled_persons_do_not_count():
    gt = truth()
    gt["annotations"][0]["iscrowd"] = 1
    gt["annotations"][1] |= {"keypoints": [0] * 51, "num_keypoints": 0}
    report = evaluate(gt, poses())
    assert (report.persons, report.images_with_persons) == (1, 1)
    assert report["AP"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": [1, 2, 2]}, "annotation 0: expected 17 joints .*, got 1"),
        ({"keypoints": ["x"] * 51}, "annotation 0: expected numbers in 'keypoints'"),
        ({"area": "5"}, "annotation 0: expected numbers in 'area'"),
        ({"image_id": 99}, "annotation 0: expected the id of one of the images, got 99"),
        ({"id": 5}, "annotation 1: expected annotation ids once, got 5 twice"),
    ],
)
def test_bad_annotations(change, message):
    with pytest.raises(RefineError, match=message):
        evaluate(truth(**change), poses())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (b"[]", "expected COCO annotations"),
        (b'{"images": []}', "expected COCO annotations"),
        (b'{"images": [', "expected JSON"),
    ],
)
def test_bad_files(tmp_path, content, message):
    file = tmp_path / "gt.json"
    file.write_bytes(content)
    with pytest.raises(RefineError, match=message):
        evaluate(file, poses())


def test_bad_options_and_ids():
    with pytest.raises(ArrayError, match="max_dets"):
        evaluate(truth(), poses(), max_dets=0)
    twice = truth()
    twice["images"].append({"id": 10})
    with pytest.raises(FormatError, match=r"image 3: .* got 10 as for image 0"):
        evaluate(twice, poses())
    zero = truth()
    zero["annotations"][0]["id"] = 0
    assert "annotation id 0" in evaluate(zero, poses()).warnings[0]


def test_figures_of_the_data(data):
    """The Lightweight-OpenPose family on official ground truth, as the data's README has it."""
    from refine.formats import read

    found = read(data / "predictions" / "lwop-ognjen217-fullres-standard__val_dev.json")
    ids = json.loads((data / "splits.json").read_text())["lwop_official_209"]
    report = evaluate(data / "coco" / "val_dev.json", found, image_ids=ids, strict=False)
    assert [round(report[m], 3) for m in ("AP", "AP50", "AP75", "AR")] == [
        0.281,
        0.502,
        0.269,
        0.333,
    ]
