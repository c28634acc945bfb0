"""PoseTrack: frames of videos, tracks, ears that nobody labels, scores of results."""

import json

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError
from refine.formats import read, sniff, write

NAMES = refine.skeleton("posetrack18").joints
EARS = [3, 4]


@pytest.fixture
def truth(values):
    """Annotations of PoseTrack's own kind: two frames of a video, a person on the second."""
    keypoints = np.array(values()).reshape(17, 3)
    keypoints[:, 2], keypoints[EARS] = 1, 0
    images = [
        {
            "has_no_densepose": True, "is_labeled": True, "nframes": 97, "vid_id": "000342",
            "file_name": f"images/val/000342_mpii_test/{frame:06}.jpg",
            "frame_id": 10003420000 + frame, "id": 10003420000 + frame,
        }
        for frame in (0, 93)
    ]  # fmt: skip
    person = {
        "bbox_head": [1, 2, 3, 4], "bbox": [5.0, 6.0, 70.0, 80.0], "scores": [], "category_id": 1,
        "id": 1000342000000, "image_id": 10003420093, "track_id": 4,
        "keypoints": keypoints.ravel().tolist(),
    }  # fmt: skip
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(NAMES)}
    return {"images": images, "categories": [category], "annotations": [person]}


def test_truth_has_frames_and_tracks_and_comes_back(file, back, truth):
    source = file(truth)
    assert sniff(source) == "posetrack"
    poses = read(source)
    assert [ref.frame for ref in poses.images] == [0, 93]
    assert (poses.track.tolist(), poses.image.tolist()) == ([4], [1])
    assert (poses.skeleton.name, poses.score_kind) == ("posetrack18", "flag")
    assert np.flatnonzero(~poses.present[0]).tolist() == EARS
    assert back(poses) == truth


def test_posetrack21_codes_the_frame_in_the_id_alone(file, back, truth):
    for image in truth["images"]:
        image["image_id"] = image.pop("frame_id")
    poses = read(file(truth))
    assert [ref.frame for ref in poses.images] == [0, 93]
    assert back(poses) == truth


def test_frames_of_other_tools_are_plain_numbers(file, back, truth):
    for i, image in enumerate(truth["images"]):
        image |= {"id": i + 1, "frame_id": 30 + i}
    truth["annotations"][0]["image_id"] = 2
    poses = read(file(truth))
    assert [(ref.id, ref.frame) for ref in poses.images] == [(1, 30), (2, 31)]
    assert back(poses) == truth


@pytest.mark.parametrize("v", [0, 1])
def test_results_have_scores_of_joints(file, back, truth, v):
    """Some writers leave v at 0: a joint is where it has a place."""
    (person,) = truth["annotations"]
    scores = np.linspace(0.1, 0.9, 17).round(2)
    scores[EARS] = 0
    person |= {"scores": scores.tolist(), "score": 1.75}
    person["keypoints"] = [x * v if i % 3 == 2 else x for i, x in enumerate(person["keypoints"])]
    poses = read(file(truth))
    assert np.flatnonzero(~poses.present[0]).tolist() == EARS
    assert poses.score[0].tolist() == scores.tolist()
    assert (poses.instance_score.tolist(), poses.score_kind) == ([1.75], "unknown")
    found = back(poses)
    if not v:
        joints = found["annotations"][0]["keypoints"]
        assert joints[2::3] == [0 if j in EARS else 1 for j in range(17)]
        joints[2::3] = [0] * 17
    assert found == truth
    person["scores"] = [0.5] * 16
    with pytest.raises(FormatError, match="annotation 0: expected 17 numbers in 'scores'"):
        read(file(truth))


def test_without_categories_17_joints_are_of_posetrack(file, truth):
    truth["categories"] = [{"id": 1, "name": "person"}]
    assert read(file(truth)).skeleton.name == "posetrack18"


def test_results_of_a_video_become_posetrack(cli, file, row, tmp_path):
    lines = [
        {"frame_id": i, "instances": [{"keypoints": np.reshape(row()["keypoints"], (17, 3))[
            :, :2].tolist(), "keypoint_scores": [0.5] * 17, "bbox": [[1, 2, 30, 40]]}]}
        for i in (3, 4)
    ]  # fmt: skip
    out = tmp_path / "out.json"
    words = ("--to", "posetrack", "--to-skeleton", "posetrack18")
    assert cli("convert", file(lines), "-o", out, *words).code == 0
    done = json.loads(out.read_text())
    assert [image["frame_id"] for image in done["images"]] == [3, 4]
    assert done["annotations"][0]["scores"][:5] == [0.5, 0, 0, 0.5, 0.5]
    write(read(out), tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == done
